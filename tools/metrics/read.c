// SPDX-License-Identifier: GPL-2.0
#include "read.h"
#include "exposition.h"
#include "metrics.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ten thousand peers make some 10 MB. */
#define FILE_LIMIT (256u << 20)

static const char eof[] = "# EOF\n";

/* Without the last line; returns 0 or -errno. */
static int read_one(const char *path, char **text, size_t *len)
{
	size_t n = sizeof(eof) - 1;
	int err = fl_file_read(path, FILE_LIMIT, text, len);

	if (err)
		return err;
	if (*len >= n && !memcmp(*text + *len - n, eof, n) &&
	    (*len == n || (*text)[*len - n - 1] == '\n')) {
		*len -= n;
		return 0;
	}
	free(*text);
	return -ENODATA;
}

/* What `tune watch` counts stands in a file of its own, which is there while it watches. */
static int read_all(const char *path, char **text, size_t *len)
{
	int err = read_one(path, text, len), more_err;
	size_t more_len;
	char *more;

	if (strcmp(path, FL_METRICS_FILE) != 0 || (err && err != -ENOENT))
		return err;
	more_err = read_one(FL_METRICS_TUNE, &more, &more_len);
	if (more_err == -ENOENT)
		return err;
	if (more_err || err) {
		/* One of them only: the other's error, or the text of the second. */
		if (!err)
			free(*text);
		*text = more;
		*len = more_len;
		return more_err;
	}
	*text = fl_realloc(*text, *len + more_len + sizeof(eof), 1);
	memcpy(*text + *len, more, more_len);
	*len += more_len;
	free(more);
	return 0;
}

int fl_metrics_read(const char *path, char **text, size_t *len)
{
	int err = read_all(path, text, len);

	if (err)
		return err;
	*text = fl_realloc(*text, *len + sizeof(eof), 1);
	memcpy(*text + *len, eof, sizeof(eof));
	*len += sizeof(eof) - 1;
	return 0;
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
