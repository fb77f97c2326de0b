/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_READ_H
#define FL_METRICS_READ_H

#include <stddef.h>

/*
 * The text of the metrics file, whole and up to its "# EOF" line, to be freed. Returns 0 or -errno;
 * -ENODATA: the text has no "# EOF" at its end, so it was cut off or is something else.
 */
int fl_metrics_read(const char *path, char **text, size_t *len);

/* What to say of such an error: fl_fail() with the place and the remedy. */
int fl_metrics_read_failed(const char *path, int err);

struct fl_exposition;

/* The same, parsed; NULL after a message. */
struct fl_exposition *fl_metrics_read_parsed(const char *path);

#endif
