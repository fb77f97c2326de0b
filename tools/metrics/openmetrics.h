/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_OPENMETRICS_H
#define FL_METRICS_OPENMETRICS_H

#include <stddef.h>

/*
 * The metrics text as OpenMetrics 1.0, where a counter's family is called what its samples are
 * called without "_total": only lines of metadata differ. The text is to be freed; it is never
 * longer than the original.
 */
char *fl_openmetrics_1_0(const char *text, size_t len, size_t *new_len);

#endif
