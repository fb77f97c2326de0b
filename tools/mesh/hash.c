// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const paths[FL_FAMILIES] = {
	"/proc/sys/net/ipv4/fib_multipath_hash_policy",
	"/proc/sys/net/ipv6/fib_multipath_hash_policy",
};

int fl_hash_read(enum fl_family family)
{
	int policy = -1;
	char *text;

	if (fl_file_read(paths[family], 64, &text, NULL))
		return -1;
	if (sscanf(text, "%d", &policy) != 1)
		policy = -1;
	free(text);
	return policy;
}

int fl_hash_write(enum fl_family family, int policy)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", policy);
	return fl_file_put(paths[family], text);
}

static char *record(const char *first)
{
	return fl_asprintf(FL_RUN_DIR "/mesh-%s.hash_policy", first);
}

/* "IPV4 IPV6": two numbers, -1 for what was not changed. */
void fl_hash_saved(const char *first, int saved[FL_FAMILIES])
{
	char *path = record(first), *text;

	saved[FL_V4] = saved[FL_V6] = -1;
	if (!fl_file_read(path, 64, &text, NULL)) {
		if (sscanf(text, "%d %d", &saved[FL_V4], &saved[FL_V6]) != 2 || saved[FL_V4] < -1 ||
		    saved[FL_V6] < -1) {
			fl_warn("%s: not what `mesh up` writes; the hash policy stays as it is",
				path);
			saved[FL_V4] = saved[FL_V6] = -1;
		}
		free(text);
	}
	free(path);
}

int fl_hash_save(const char *first, const int saved[FL_FAMILIES])
{
	char *path = record(first), text[32];
	int err;

	if (saved[FL_V4] < 0 && saved[FL_V6] < 0) {
		err = fl_file_remove(path);
		/* Where there was nothing, nothing stays; others keep theirs in it. */
		rmdir(FL_RUN_DIR);
	} else {
		snprintf(text, sizeof(text), "%d %d\n", saved[FL_V4], saved[FL_V6]);
		err = fl_file_mkdirs(FL_RUN_DIR, 0755);
		if (!err)
			err = fl_file_write(path, text, strlen(text), 0644);
	}
	if (err)
		fl_err("%s: cannot write: %s", path, strerror(-err));
	free(path);
	return err;
}
