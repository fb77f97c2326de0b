// SPDX-License-Identifier: GPL-2.0
#include "histogram.h"
#include "exposition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fl_histogram_add(struct fl_histogram *h, const struct fl_sample *s)
{
	const char *le = fl_sample_label(s, "le");
	double value = strtod(s->value, NULL), bound;

	if (!strcmp(s->suffix, "_sum"))
		h->sum = value;
	if (!strcmp(s->suffix, "_count"))
		h->count = value;
	if (strcmp(s->suffix, "_bucket") != 0 || !le || h->n == FL_BUCKETS_MAX)
		return;
	bound = strtod(le, NULL);
	if (isnan(bound) || (h->n && (bound <= h->le[h->n - 1] || !(value >= h->at[h->n - 1]))))
		return;
	h->le[h->n] = bound;
	h->at[h->n++] = value;
}

struct fl_histogram fl_histogram_since(const struct fl_histogram *now,
				       const struct fl_histogram *then)
{
	struct fl_histogram d = *now;

	if (now->n != then->n || now->count < then->count)
		return d;
	d.sum -= then->sum;
	d.count -= then->count;
	for (size_t i = 0; i < now->n; i++) {
		d.at[i] -= then->at[i];
		if (now->le[i] != then->le[i] || d.at[i] < 0 || (i && d.at[i] < d.at[i - 1]))
			return *now;
	}
	return d;
}

double fl_histogram_quantile(const struct fl_histogram *h, double q)
{
	double total = h->n ? h->at[h->n - 1] : 0, rank = q * total, low, below;
	size_t i = 0;

	if (!(total > 0))
		return NAN;
	while (i + 1 < h->n && h->at[i] < rank)
		i++;
	if (isinf(h->le[i]))
		return i ? h->le[i - 1] : NAN;
	low = i ? h->le[i - 1] : h->le[0] > 0 ? 0 : h->le[0];
	below = i ? h->at[i - 1] : 0;
	if (h->at[i] <= below)
		return low;
	return low + (h->le[i] - low) * (rank - below) / (h->at[i] - below);
}
