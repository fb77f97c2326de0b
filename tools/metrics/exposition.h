/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_EXPOSITION_H
#define FL_METRICS_EXPOSITION_H

#include <stddef.h>

/*
 * Metrics text as the iterator prints it, read back: the part that OpenMetrics 2.0 and the
 * Prometheus text format 0.0.4 share (no timestamps, no exemplars), complete to its "# EOF".
 */

struct fl_label {
	char *name, *value; /* value is unescaped */
};

struct fl_sample {
	const char *suffix; /* what the sample's name has after the family's: "_bucket", "_sum" and
			     * "_count" of a histogram or summary, else "" */
	struct fl_label *labels;
	size_t n_labels;
	char *value; /* as printed: 64 bits do not fit into a double. A decimal number, "NaN",
		      * "+Inf", "-Inf" or "Inf" */
};

struct fl_family {
	char *name, *type, *unit, *help; /* "" where there was no such line; type: "unknown" */
	struct fl_sample *samples;
	size_t n_samples;
};

/* Families whose kind is not known here, because they came later, are read like all others. */
struct fl_exposition {
	struct fl_family *families;
	size_t n_families;
};

/*
 * Returns NULL after a message "WHERE:LINE: what is wrong". A family that comes twice, a sample
 * outside its family, a text without "# EOF" at its end are errors: half a reading is none.
 */
struct fl_exposition *fl_exposition_parse(const char *where, const char *text, size_t len);
void fl_exposition_free(struct fl_exposition *e);

/* The value of a label, or NULL. */
const char *fl_sample_label(const struct fl_sample *s, const char *name);

/* The family, or NULL. */
const struct fl_family *fl_exposition_find(const struct fl_exposition *e, const char *name);

#endif
