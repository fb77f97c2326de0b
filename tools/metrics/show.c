// SPDX-License-Identifier: GPL-2.0
#include "show.h"
#include "exposition.h"
#include "histogram.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/linkhash.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- for programs ---- */

/* JSON's grammar of a number is narrower: no "+1", "01", ".5", "5.". */
static bool is_json_number(const char *s)
{
	s += *s == '-';
	if (*s == '0' ? s[1] >= '0' && s[1] <= '9' : *s < '0' || *s > '9')
		return false;
	s = strchr(s, '.');
	return !s || (s[1] >= '0' && s[1] <= '9');
}

/* A counter is exact to 64 bits. What JSON has no number for is a string, as Prometheus has it. */
static struct json_object *json_value(const char *text)
{
	double val;

	if (!text[strspn(text, "0123456789")]) {
		errno = 0;
		uint64_t u = strtoull(text, NULL, 10);

		if (!errno)
			return json_object_new_uint64(u);
	}
	val = strtod(text, NULL);
	if (!isfinite(val))
		return json_object_new_string(isnan(val) ? "NaN" : val < 0 ? "-Inf" : "+Inf");
	return is_json_number(text) ? json_object_new_double_s(val, text) :
				      json_object_new_double(val);
}

struct json_object *fl_metrics_json(const struct fl_exposition *e)
{
	struct json_object *doc = fl_json_new(1), *families = json_object_new_array();

	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *f = &e->families[i];
		struct json_object *fam = json_object_new_object();
		struct json_object *samples = json_object_new_array();

		fl_json_str(fam, "name", f->name);
		fl_json_str(fam, "type", f->type);
		fl_json_str(fam, "unit", f->unit);
		fl_json_str(fam, "help", f->help);
		for (size_t j = 0; j < f->n_samples; j++) {
			const struct fl_sample *s = &f->samples[j];
			struct json_object *sample = json_object_new_object();
			struct json_object *labels = json_object_new_object();

			fl_json_str(sample, "suffix", s->suffix);
			for (size_t k = 0; k < s->n_labels; k++)
				fl_json_str(labels, s->labels[k].name, s->labels[k].value);
			json_object_object_add(sample, "labels", labels);
			json_object_object_add(sample, "value", json_value(s->value));
			json_object_array_add(samples, sample);
		}
		json_object_object_add(fam, "samples", samples);
		json_object_array_add(families, fam);
	}
	json_object_object_add(doc, "families", families);
	return doc;
}

/* ---- for people: samples sorted into groups ---- */

/* What one family says of one row. */
struct cell {
	const struct fl_sample *sample; /* NULL: nothing, or observations */
	struct fl_histogram *histogram; /* of a summary: no buckets */
};

struct row {
	const struct fl_sample *labels; /* any sample that has this row's labels */
	struct cell *cells;
	size_t n_cells; /* as many as columns were known when the last one came */
};

/* One set of label names. */
struct group {
	char *names; /* "peer,reason" */
	const struct fl_family **cols;
	size_t n_cols;
	struct row *rows;
	size_t n_rows;
	struct lh_table *index;	      /* values of the labels -> row number + 1 */
	const struct fl_family *info; /* its labels are columns of this table */
};

struct groups {
	struct group *g;
	size_t n;
};

static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	return fl_realloc(array, n ? 2 * n : 1, size);
}

/* A label that tells samples of one thing apart, not things. */
static bool is_inner(const char *label)
{
	return !strcmp(label, "le") || !strcmp(label, "quantile");
}

static bool is_info(const struct fl_family *f)
{
	size_t len = strlen(f->name);

	return len > 5 && !strcmp(f->name + len - 5, "_info");
}

static bool is_histogram(const struct fl_family *f)
{
	return !strcmp(f->type, "histogram");
}

/* Several samples make one cell. */
static bool is_observed(const struct fl_family *f)
{
	return is_histogram(f) || !strcmp(f->type, "summary");
}

/* Names or values of the labels that make a row, or only the first `max` of them. */
static char *join(const struct fl_sample *s, bool names, size_t max)
{
	size_t len = 1;
	char *text, *p;

	for (size_t i = 0; i < s->n_labels; i++)
		len += strlen(names ? s->labels[i].name : s->labels[i].value) + 1;
	text = p = fl_zalloc(len);
	for (size_t i = 0, n = 0; i < s->n_labels && n < max; i++) {
		if (is_inner(s->labels[i].name))
			continue;
		if (n++)
			*p++ = names ? ',' : '\xff'; /* which UTF-8 does not have */
		p = stpcpy(p, names ? s->labels[i].name : s->labels[i].value);
	}
	return text;
}

static struct group *find_group(struct groups *gs, const char *names)
{
	for (size_t i = 0; i < gs->n; i++)
		if (!strcmp(gs->g[i].names, names))
			return &gs->g[i];
	return NULL;
}

static struct group *add_group(struct groups *gs, const struct fl_sample *s)
{
	char *names = join(s, true, SIZE_MAX);
	struct group *g = find_group(gs, names);

	if (g) {
		free(names);
		return g;
	}
	gs->g = grow(gs->g, gs->n, sizeof(*gs->g));
	g = &gs->g[gs->n++];
	*g = (struct group){ .names = names };
	g->index = lh_kchar_table_new(64, NULL);
	if (!g->index)
		fl_zalloc(SIZE_MAX); /* out of memory, said as everywhere */
	return g;
}

static struct row *find_row(const struct group *g, const char *values)
{
	void *row;

	if (!lh_table_lookup_ex(g->index, values, &row))
		return NULL;
	return &g->rows[(uintptr_t)row - 1];
}

static struct row *add_row(struct group *g, const struct fl_sample *s)
{
	char *values = join(s, false, SIZE_MAX);
	struct row *r = find_row(g, values);

	if (r) {
		free(values);
		return r;
	}
	g->rows = grow(g->rows, g->n_rows, sizeof(*g->rows));
	r = &g->rows[g->n_rows++];
	*r = (struct row){ .labels = s };
	lh_table_insert(g->index, values, (void *)(uintptr_t)g->n_rows);
	return r;
}

static void add_sample(struct groups *gs, const struct fl_family *f, const struct fl_sample *s)
{
	struct group *g = add_group(gs, s);
	struct row *r = add_row(g, s);
	struct cell *c;

	if (!g->n_cols || g->cols[g->n_cols - 1] != f) {
		g->cols = grow(g->cols, g->n_cols, sizeof(void *));
		g->cols[g->n_cols++] = f;
	}
	if (r->n_cells < g->n_cols) {
		r->cells = fl_realloc(r->cells, g->n_cols, sizeof(*r->cells));
		memset(r->cells + r->n_cells, 0, (g->n_cols - r->n_cells) * sizeof(*r->cells));
		r->n_cells = g->n_cols;
	}
	c = &r->cells[g->n_cols - 1];
	if (!is_observed(f)) {
		c->sample = s;
		return;
	}
	if (!c->histogram)
		c->histogram = fl_zalloc(sizeof(*c->histogram));
	fl_histogram_add(c->histogram, s);
}

/* After all others: the table that a family's first label has, for its labels to be columns of. */
static bool join_info(struct groups *gs, const struct fl_family *f)
{
	char *first = join(&f->samples[0], true, 1);
	struct group *g = find_group(gs, first);

	free(first);
	if (!g || !*g->names || g->info)
		return false;
	g->info = f;
	return true;
}

static struct groups sort_samples(const struct fl_exposition *e)
{
	struct groups gs = { 0 };

	for (size_t i = 0; i < e->n_families; i++)
		if (!is_info(&e->families[i]))
			for (size_t j = 0; j < e->families[i].n_samples; j++)
				add_sample(&gs, &e->families[i], &e->families[i].samples[j]);
	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *f = &e->families[i];

		/* One sample that joins nothing is about the node: see print_node(). */
		if (!is_info(f) || !f->n_samples || join_info(&gs, f) || f->n_samples == 1)
			continue;
		for (size_t j = 0; j < f->n_samples; j++)
			add_sample(&gs, f, &f->samples[j]);
	}
	return gs;
}

static void free_groups(struct groups *gs)
{
	for (size_t i = 0; i < gs->n; i++) {
		struct group *g = &gs->g[i];
		struct lh_entry *entry, *next;

		for (size_t j = 0; j < g->n_rows; j++) {
			for (size_t k = 0; k < g->rows[j].n_cells; k++)
				free(g->rows[j].cells[k].histogram);
			free(g->rows[j].cells);
		}
		lh_foreach_safe(g->index, entry, next) free(lh_entry_k(entry));
		lh_table_free(g->index);
		free(g->rows);
		free(g->cols);
		free(g->names);
	}
	free(gs->g);
}

/* ---- for people: text ---- */

/* "fairlead_peer_receive_bytes_total" is "receive bytes" in the table of peers. */
static char *title(const struct fl_family *f, const char *entity)
{
	static const char prefix[] = "fairlead_", total[] = "_total";
	const char *name = f->name;
	size_t len = strlen(entity);
	char *s;

	if (!strncmp(name, prefix, strlen(prefix)))
		name += strlen(prefix);
	if (len && !strncmp(name, entity, len) && name[len] == '_')
		name += len + 1;
	s = fl_strdup(name);
	len = strlen(s);
	if (len > strlen(total) && !strcmp(s + len - strlen(total), total))
		s[len - strlen(total)] = '\0';
	for (char *c = s; *c; c++)
		if (*c == '_')
			*c = ' ';
	return s;
}

/* Labels are whatever a mesh file calls its nodes: nothing in them may move the cursor. */
static char *printable(const char *text)
{
	char *s = fl_strdup(text);

	for (char *c = s; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return s;
}

static bool is_time(const struct fl_family *f)
{
	return (strstr(f->name, "_time_seconds") || strstr(f->name, "_timestamp_seconds")) &&
	       !strcmp(f->type, "gauge");
}

static char *sample_text(const struct fl_family *f, const struct fl_sample *s)
{
	char buf[64];
	struct tm tm;
	time_t when;

	if (!is_time(f))
		return fl_strdup(s->value);
	when = (time_t)strtoll(s->value, NULL, 10);
	if (!when)
		return fl_strdup("never");
	if (!localtime_r(&when, &tm) || !strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm))
		return fl_strdup(s->value);
	return fl_strdup(buf);
}

/* Three digits say it; seconds in the unit that reads best. */
static char *observed_text(const struct fl_family *f, double val)
{
	if (isnan(val))
		return fl_strdup("-");
	if (strcmp(f->unit, "seconds") != 0)
		return fl_asprintf("%.3g", val);
	if (val < 1e-6)
		return fl_asprintf("%.0f ns", val * 1e9);
	if (val < 1e-3)
		return fl_asprintf("%.3g us", val * 1e6);
	return val < 1 ? fl_asprintf("%.3g ms", val * 1e3) : fl_asprintf("%.3g s", val);
}

static char *quantile_text(const struct fl_family *f, const struct fl_histogram *h, double q)
{
	return observed_text(f, h ? fl_histogram_quantile(h, q) : NAN);
}

static char *mean_text(const struct fl_family *f, const struct fl_histogram *h)
{
	return observed_text(f, h && h->count > 0 ? h->sum / h->count : NAN);
}

/* Takes the text. */
static void put(struct fl_table *t, char *text)
{
	fl_table_cell(t, "%s", text);
	free(text);
}

static void put_cell(struct fl_table *t, const struct fl_family *f, const struct cell *c)
{
	if (!is_observed(f)) {
		put(t, c && c->sample ? sample_text(f, c->sample) : fl_strdup("-"));
		return;
	}
	put(t, c && c->histogram ? fl_asprintf("%.0f", c->histogram->count) : fl_strdup("-"));
	if (!is_histogram(f)) {
		put(t, mean_text(f, c ? c->histogram : NULL));
		return;
	}
	put(t, quantile_text(f, c ? c->histogram : NULL, 0.5));
	put(t, quantile_text(f, c ? c->histogram : NULL, 0.99));
}

/* ---- for people: tables ---- */

/* Column titles live as long as the table. */
struct titles {
	char **t;
	size_t n;
};

/* Takes the title. */
static void col(struct fl_table *t, struct titles *ts, char *text, enum fl_align align)
{
	ts->t = grow(ts->t, ts->n, sizeof(void *));
	ts->t[ts->n++] = text;
	fl_table_col(t, text, align);
}

static void free_titles(struct titles *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		free(ts->t[i]);
	free(ts->t);
}

static void family_cols(struct fl_table *t, struct titles *ts, const struct fl_family *f,
			const char *entity)
{
	char *name = title(f, entity);

	if (is_observed(f)) {
		col(t, ts, fl_asprintf("%s: count", name), FL_RIGHT);
		col(t, ts, fl_strdup(is_histogram(f) ? "p50" : "mean"), FL_RIGHT);
		if (is_histogram(f))
			col(t, ts, fl_strdup("p99"), FL_RIGHT);
		free(name);
	} else {
		col(t, ts, name, is_time(f) ? FL_LEFT : FL_RIGHT);
	}
}

/* The sample of an info family that belongs to a row: a row's own place is tried first, because
 * families of one thing have the same order. */
static const struct fl_sample *info_of(const struct fl_family *info, const struct row *r,
				       size_t place)
{
	const char *want = r->labels->labels[0].value;

	if (place < info->n_samples && info->samples[place].n_labels &&
	    !strcmp(info->samples[place].labels[0].value, want))
		return &info->samples[place];
	for (size_t i = 0; i < info->n_samples; i++)
		if (info->samples[i].n_labels && !strcmp(info->samples[i].labels[0].value, want))
			return &info->samples[i];
	return NULL;
}

static void print_group(const struct group *g, FILE *f, size_t width)
{
	const struct fl_sample *head = g->rows[0].labels;
	const struct fl_sample *info = g->info ? &g->info->samples[0] : NULL;
	struct fl_table *t = fl_table_new();
	struct titles ts = { 0 };
	size_t keys = 0;

	for (size_t i = 0; i < head->n_labels; i++) {
		if (is_inner(head->labels[i].name))
			continue;
		col(t, &ts, fl_strdup(head->labels[i].name), FL_LEFT);
		keys++;
	}
	for (size_t i = 0; i < g->n_cols; i++)
		if (!is_info(g->cols[i]))
			family_cols(t, &ts, g->cols[i], keys ? head->labels[0].name : "");
	for (size_t i = 1; info && i < info->n_labels; i++)
		col(t, &ts, fl_strdup(info->labels[i].name), FL_LEFT);

	for (size_t i = 0; i < g->n_rows; i++) {
		const struct row *r = &g->rows[i];
		const struct fl_sample *more = info ? info_of(g->info, r, i) : NULL;

		for (size_t j = 0; j < r->labels->n_labels; j++)
			if (!is_inner(r->labels->labels[j].name))
				put(t, printable(r->labels->labels[j].value));
		for (size_t j = 0; j < g->n_cols; j++)
			if (!is_info(g->cols[j]))
				put_cell(t, g->cols[j], j < r->n_cells ? &r->cells[j] : NULL);
		for (size_t j = 1; info && j < info->n_labels; j++) {
			const char *val = more ? fl_sample_label(more, info->labels[j].name) : NULL;

			put(t, printable(val && *val ? val : "-"));
		}
	}
	fputc('\n', f);
	fl_table_print_folded(t, f, keys, width);
	free_titles(&ts);
}

/* "build version   0.1": facts that a node has once. */
static void print_node(const struct fl_exposition *e, const struct groups *gs, FILE *f)
{
	struct fl_table *t = fl_table_new();

	fl_table_col(t, "", FL_LEFT);
	fl_table_col(t, "", FL_RIGHT);
	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *fam = &e->families[i];
		bool joined = false;
		char *name;

		for (size_t j = 0; j < gs->n; j++)
			joined |= gs->g[j].info == fam;
		if (joined || !is_info(fam) || fam->n_samples != 1)
			continue;
		name = title(fam, "");
		name[strlen(name) - strlen(" info")] = '\0';
		for (size_t j = 0; j < fam->samples[0].n_labels; j++) {
			fl_table_cell(t, "%s %s", name, fam->samples[0].labels[j].name);
			put(t, printable(fam->samples[0].labels[j].value));
		}
		free(name);
	}
	for (size_t i = 0; i < gs->n; i++) {
		const struct group *g = &gs->g[i];

		for (size_t j = 0; !*g->names && j < g->n_cols; j++) {
			const struct cell *c = &g->rows[0].cells[j];

			put(t, title(g->cols[j], ""));
			if (!is_observed(g->cols[j])) {
				put(t, sample_text(g->cols[j], c->sample));
				continue;
			}
			put(t, fl_asprintf("%.0f", c->histogram->count));
			if (!is_histogram(g->cols[j])) {
				fl_table_cell(t, "  mean");
				put(t, mean_text(g->cols[j], c->histogram));
				continue;
			}
			for (int q = 50; q <= 99; q += 49) {
				fl_table_cell(t, "  p%d", q);
				put(t, quantile_text(g->cols[j], c->histogram, q / 100.0));
			}
		}
	}
	fl_table_print(t, f);
}

void fl_metrics_print(const struct fl_exposition *e, FILE *f, size_t width)
{
	struct groups gs = sort_samples(e);

	print_node(e, &gs, f);
	for (size_t i = 0; i < gs.n; i++)
		if (*gs.g[i].names)
			print_group(&gs.g[i], f, width);
	free_groups(&gs);
}
