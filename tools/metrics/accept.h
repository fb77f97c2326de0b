/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_ACCEPT_H
#define FL_METRICS_ACCEPT_H

#include <stdbool.h>

/*
 * What a client can read, by its header fields Accept and Accept-Encoding (RFC 9110, 12.5). An
 * element that makes no sense is passed over; a field may be NULL: the client has none.
 */

/* What the metrics text can be served as. Where a client likes two equally, the first is taken. */
enum fl_metrics_format {
	FL_TEXT_0_0_4,	      /* text/plain; version=0.0.4 */
	FL_OPENMETRICS_1_0_0, /* application/openmetrics-text; version=1.0.0 */
	FL_OPENMETRICS_2_0_0, /* application/openmetrics-text; version=2.0.0 */
	FL_N_FORMATS,
};

/* The whole Content-Type. */
const char *fl_format_content_type(enum fl_metrics_format format);

/* A client that wants none of them gets the first all the same: it may know better than its
 * header. */
enum fl_metrics_format fl_accept_format(const char *accept);

/* Whether gzip is asked for. */
bool fl_accept_gzip(const char *accept_encoding);

#endif
