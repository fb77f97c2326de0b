/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_HISTOGRAM_H
#define FL_METRICS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* One histogram of the metrics text, put together from its samples. */

#define FL_BUCKETS_MAX 64

struct fl_histogram {
	size_t n;		   /* buckets, +Inf included where there is one */
	double le[FL_BUCKETS_MAX]; /* upper bounds, ascending, in the family's unit */
	double at[FL_BUCKETS_MAX]; /* observations up to that bound: cumulative */
	double sum, count;
};

struct fl_sample;

/* Buckets must come in ascending order, as the formats demand; others, and more than fit, are left
 * out, so that what the rest says stays true. */
void fl_histogram_add(struct fl_histogram *h, const struct fl_sample *s);

/* What was observed between two readings. A reset, or other bounds: everything that `now` has. */
struct fl_histogram fl_histogram_since(const struct fl_histogram *now,
				       const struct fl_histogram *then);

/*
 * Estimate of a quantile, 0 <= q <= 1, by linear interpolation in its bucket, as Prometheus'
 * histogram_quantile() does: the lower bound of the first bucket is 0, and what lies in the +Inf
 * bucket is said to be the highest finite bound. NaN: nothing was observed.
 */
double fl_histogram_quantile(const struct fl_histogram *h, double q);

#endif
