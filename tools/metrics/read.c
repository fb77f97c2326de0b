// SPDX-License-Identifier: GPL-2.0
#include "read.h"
#include "exposition.h"
#include "metrics.h"
#include "../lib/file.h"
#include "../lib/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ten thousand peers make some 10 MB. */
#define FILE_LIMIT (256u << 20)

static const char eof[] = "# EOF\n";

int fl_metrics_read(const char *path, char **text, size_t *len)
{
	size_t n = sizeof(eof) - 1;
	int err = fl_file_read(path, FILE_LIMIT, text, len);

	if (err)
		return err;
	if (*len >= n && !memcmp(*text + *len - n, eof, n) &&
	    (*len == n || (*text)[*len - n - 1] == '\n'))
		return 0;
	free(*text);
	return -ENODATA;
}

int fl_metrics_read_failed(const char *path, int err)
{
	switch (-err) {
	case EACCES:
	case EPERM:
		return fl_fail("%s: only root may read it", path);
	case ENODATA:
		return fl_fail("%s: no '# EOF' at the end: the text was cut off", path);
	case ENOENT:
		if (!strcmp(path, FL_METRICS_FILE))
			return fl_fail("%s: not there; `fairlead accel on` makes it", path);
		/* fallthrough */
	default:
		return fl_fail("%s: cannot read: %s", path, strerror(-err));
	}
}

struct fl_exposition *fl_metrics_read_parsed(const char *path)
{
	struct fl_exposition *e;
	size_t len;
	char *text;
	int err;

	/* A file of somebody else's is looked at as it is: the parser says more about what is wrong. */
	if (strcmp(path, FL_METRICS_FILE) != 0)
		err = fl_file_read(path, FILE_LIMIT, &text, &len);
	else
		err = fl_metrics_read(path, &text, &len);
	if (err) {
		fl_metrics_read_failed(path, err);
		return NULL;
	}
	e = fl_exposition_parse(path, text, len);
	free(text);
	return e;
}
