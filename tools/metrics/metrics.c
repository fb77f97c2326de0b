// SPDX-License-Identifier: GPL-2.0
#include "exposition.h"
#include "metrics.h"
#include "../lib/cli.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ten thousand peers make some 10 MB. */
#define FILE_LIMIT (256u << 20)

static const char *file = FL_METRICS_FILE;

static struct fl_exposition *read_file(void)
{
	struct fl_exposition *e;
	size_t len;
	char *text;
	int err = fl_file_read(file, FILE_LIMIT, &text, &len);

	switch (-err) {
	case 0:
		break;
	case EACCES:
	case EPERM:
		fl_err("%s: only root may read it", file);
		return NULL;
	case ENOENT:
		if (!strcmp(file, FL_METRICS_FILE)) {
			fl_err("%s: not there; `fairlead accel on` makes it", file);
			return NULL;
		}
		/* fallthrough */
	default:
		fl_err("%s: cannot read: %s", file, strerror(-err));
		return NULL;
	}
	e = fl_exposition_parse(file, text, len);
	free(text);
	return e;
}

/* ---- for programs ---- */

/* A counter is exact to 64 bits; the rest is whatever number it looks like. */
static struct json_object *json_value(const char *text)
{
	char *end;

	if (!text[strcspn(text, ".eEnNiI")]) {
		errno = 0;
		if (*text != '-') {
			uint64_t u = strtoull(text, &end, 10);

			if (!errno && !*end)
				return json_object_new_uint64(u);
		}
	}
	return json_object_new_double_s(strtod(text, NULL), text);
}

static void print_json(const struct fl_exposition *e)
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
	fl_json_print(doc);
}

/* ---- for people ---- */

#define PEER_FAMILY "fairlead_peer_"

/* A column of the table of peers: one sample a peer, told apart by that label alone. */
static bool is_peer_column(const struct fl_family *f)
{
	return !strncmp(f->name, PEER_FAMILY, strlen(PEER_FAMILY)) && f->n_samples &&
	       f->samples[0].n_labels == 1 && fl_sample_label(&f->samples[0], "peer");
}

/* "fairlead_peer_receive_bytes_total" is "receive bytes" where everything is about peers. */
static char *short_name(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	char *s = fl_strdup(strncmp(name, prefix, len) ? name : name + len);

	len = strlen(s);
	if (len > 6 && !strcmp(s + len - 6, "_total"))
		s[len - 6] = '\0';
	for (char *c = s; *c; c++)
		if (*c == '_')
			*c = ' ';
	return s;
}

static bool is_time(const struct fl_family *f)
{
	return strstr(f->name, "_time_seconds") && !strcmp(f->type, "gauge");
}

static void cell(struct fl_table *t, const struct fl_family *f, const struct fl_sample *s)
{
	time_t when = s ? (time_t)strtoll(s->value, NULL, 10) : 0;
	char buf[64];
	struct tm tm;

	if (s && is_time(f) && localtime_r(&when, &tm) &&
	    strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm))
		fl_table_cell(t, "%s", buf);
	else
		fl_table_cell(t, "%s", s ? s->value : "-");
}

/* The sample of a peer: at the place where the first family has it, unless a peer came or went
 * while the file was read. */
static const struct fl_sample *peer_sample(const struct fl_family *f, size_t place,
					   const char *peer)
{
	const char *name;

	if (place < f->n_samples) {
		name = fl_sample_label(&f->samples[place], "peer");
		if (name && !strcmp(name, peer))
			return &f->samples[place];
	}
	for (size_t i = 0; i < f->n_samples; i++) {
		name = fl_sample_label(&f->samples[i], "peer");
		if (name && !strcmp(name, peer))
			return &f->samples[i];
	}
	return NULL;
}

static void print_peers(const struct fl_exposition *e)
{
	const struct fl_family *first = NULL;
	struct fl_table *t;

	for (size_t i = 0; i < e->n_families && !first; i++)
		if (is_peer_column(&e->families[i]))
			first = &e->families[i];
	if (!first)
		return;
	t = fl_table_new();
	fl_table_col(t, "peer", FL_LEFT);
	/* Titles must live as long as the table. */
	char **titles = fl_zalloc(e->n_families * sizeof(*titles));

	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *f = &e->families[i];

		if (!is_peer_column(f))
			continue;
		titles[i] = is_time(f) ? fl_strdup("counting since") :
					 short_name(f->name, PEER_FAMILY);
		fl_table_col(t, titles[i], is_time(f) ? FL_LEFT : FL_RIGHT);
	}
	for (size_t i = 0; i < first->n_samples; i++) {
		const char *peer = fl_sample_label(&first->samples[i], "peer");

		fl_table_cell(t, "%s", peer ? peer : "-");
		for (size_t j = 0; j < e->n_families; j++)
			if (titles[j])
				cell(t, &e->families[j],
				     peer ? peer_sample(&e->families[j], i, peer) : NULL);
	}
	puts("");
	fl_table_print(t, stdout);
	for (size_t i = 0; i < e->n_families; i++)
		free(titles[i]);
	free(titles);
}

static void print_node(const struct fl_exposition *e)
{
	struct fl_table *t = fl_table_new();

	fl_table_col(t, "", FL_LEFT);
	fl_table_col(t, "", FL_RIGHT);
	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *f = &e->families[i];
		const char *version;
		char *name;

		if (f->n_samples != 1 || !strncmp(f->name, PEER_FAMILY, strlen(PEER_FAMILY)))
			continue;
		version = fl_sample_label(&f->samples[0], "version");
		if (!version && f->samples[0].n_labels)
			continue;
		name = version ? fl_strdup("version") : short_name(f->name, "fairlead_");
		fl_table_cell(t, "%s", name);
		fl_table_cell(t, "%s", version ? version : f->samples[0].value);
		free(name);
	}
	fl_table_print(t, stdout);
}

static int show(int argc, char **argv)
{
	struct fl_exposition *e = read_file();

	(void)argc;
	(void)argv;
	if (!e)
		return FL_FAILED;
	if (fl_json) {
		print_json(e);
	} else {
		print_node(e);
		print_peers(e);
	}
	fl_exposition_free(e);
	return FL_OK;
}

static const struct fl_opt show_opts[] = {
	{ 'f', "file", FL_OPT_STR, &file, "FILE", "read this instead of " FL_METRICS_FILE },
	{ 0 },
};

const struct fl_verb fl_metrics_verbs[] = {
	{ "show", "", "print the node's metrics as a table", show_opts, 0, 0, show },
	{ 0 },
};
