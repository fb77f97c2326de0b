// SPDX-License-Identifier: GPL-2.0
/*
 * docs/metrics.md says what bpf/metrics_families.h says, and the table keeps its own rules.
 * FAIRLEAD_WRITE_DOCS=1 writes the table into the page instead of comparing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/lib/file.h"
#include "../../tools/lib/mem.h"
#include "bpf/metrics_shared.h"

#define BEGIN "<!-- families: from bpf/metrics_families.h -->\n"
#define END   "<!-- end of families -->\n"

struct value {
	const char *id;
	unsigned int number;
	const char *labels;
};

static const struct family {
	const char *name, *type, *unit, *help, *collector;
	enum fl_metrics_source source;
	struct value values[FL_METRICS_VALUES];
} families[] = {
#define VALUE(id, number, labels) { #id, number, labels },
#define FAMILY(name, type, unit, collector, source, field, list, help)                             \
	{ name, type, unit, help, #collector, source, { list(VALUE) } },
	FL_METRICS_FAMILIES(FAMILY)
};

static const size_t n_families = sizeof(families) / sizeof(*families);

static const char *const collectors[] = {
#define COLLECTOR(id, name) name,
	FL_COLLECTORS(COLLECTOR)
};

static const char *const collector_ids[] = {
#define COLLECTOR_ID(id, name) #id,
	FL_COLLECTORS(COLLECTOR_ID)
};

static const char *collector(const struct family *f)
{
	for (size_t i = 0; i < FL_N_COLLECTORS; i++)
		if (!strcmp(collector_ids[i], f->collector))
			return collectors[i];
	return "";
}

/* The name of a label of a list, which is the same in all of it, up to "=". */
static char *labels_of(const struct family *f)
{
	const char *text = f->values[0].id ? f->values[0].labels : "";

	switch (f->source) {
	case FL_BUILD:
		return fl_strdup("`version`");
	case FL_COLLECTOR:
		return fl_strdup("`collector`");
	case FL_LANE:
		return fl_strdup("`lane`");
	case FL_LANE_DROPS:
		return fl_strdup("`lane`, `reason`");
	case FL_PEER_INFO:
		return fl_strdup("`peer`, `public_key`, `endpoint`, `allowed_ips`");
	default:
		if (FL_METRICS_IS_PEER(f->source))
			return fl_strdup("`peer`");
		return *text ? fl_asprintf("`%.*s`", (int)strcspn(text, "="), text) : fl_strdup("");
	}
}

static char *table(void)
{
	char *text = fl_strdup(
		BEGIN
		"| family | type | unit | labels | collector | help |\n|---|---|---|---|---|---|\n");

	for (size_t i = 0; i < n_families; i++) {
		const struct family *f = &families[i];
		char *labels = labels_of(f);
		char *more = fl_asprintf("%s| `%s` | %s | %s | %s | %s | %s |\n", text, f->name,
					 f->type, f->unit, labels, collector(f), f->help);

		free(labels);
		free(text);
		text = more;
	}
	return text;
}

static void test_page(void **state)
{
	char *path = fl_asprintf("%s/docs/metrics.md", getenv("TOP") ?: "."), *text, *begin, *end;
	char *want = table(), *fresh;

	(void)state;
	assert_int_equal(fl_file_read(path, 1 << 20, &text, NULL), 0);
	begin = strstr(text, BEGIN);
	assert_non_null(begin);
	end = strstr(begin, END);
	assert_non_null(end);
	if (getenv("FAIRLEAD_WRITE_DOCS")) {
		fresh = fl_asprintf("%.*s%s%s", (int)(begin - text), text, want, end);
		assert_int_equal(fl_file_write(path, fresh, strlen(fresh), 0644), 0);
		free(fresh);
	} else {
		*end = '\0';
		if (strcmp(begin, want))
			fail_msg(
				"%s differs from bpf/metrics_families.h: FAIRLEAD_WRITE_DOCS=1 with this test corrects it",
				path);
	}
	free(text);
	free(want);
	free(path);
}

static int ends(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n >= t && strcmp(s + n - t, tail) == 0;
}

static void test_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_families; i++) {
		const struct family *f = &families[i];
		char *unit = fl_asprintf("_%s%s", f->unit, ends(f->name, "_total") ? "_total" : "");

		if (strncmp(f->name, "fairlead_", 9) || strlen(f->name) > 63 ||
		    strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(f->name))
			fail_msg("%s: the name", f->name);
		if (strcmp(f->type, "counter") && strcmp(f->type, "gauge") &&
		    strcmp(f->type, "histogram") && strcmp(f->type, "summary"))
			fail_msg("%s: the type", f->name);
		if (!*collector(f))
			fail_msg("%s: the collector", f->name);
		if (i && FL_METRICS_IS_PEER(families[i - 1].source) &&
		    !FL_METRICS_IS_PEER(f->source))
			fail_msg("%s: families of the node come before those of the peers",
				 f->name);
		if ((strcmp(f->type, "counter") == 0) != ends(f->name, "_total"))
			fail_msg("%s: counters, and only they, end in _total", f->name);
		if (*f->unit && !ends(f->name, unit))
			fail_msg("%s: the unit goes at the end, before _total", f->name);
		if (strlen(f->help) >= FL_METRICS_HELP || strpbrk(f->help, "\\\"\n") ||
		    !ends(f->help, "."))
			fail_msg("%s: the help", f->name);
		for (size_t j = 0; j < i; j++)
			if (!strcmp(families[j].name, f->name))
				fail_msg("%s: there twice", f->name);
		free(unit);
	}
}

static bool is_histogram(const struct family *f)
{
	return f->source == FL_SECONDS || f->source == FL_SIZES;
}

/* Numbers are places in pinned maps: two values must not share one. */
static void test_numbers(void **state)
{
	static const char *taken[3][FL_METRICS_COUNTERS_MAX];
	static const unsigned int room[] = { FL_METRICS_COUNTERS_MAX, FL_METRICS_GAUGES_MAX,
					     FL_METRICS_HISTOGRAMS_MAX };

	(void)state;
	for (size_t i = 0; i < n_families; i++) {
		const struct family *f = &families[i];
		int map = is_histogram(f) ? 2 : f->source == FL_GAUGE;

		for (size_t k = 0; k < FL_METRICS_VALUES && f->values[k].id; k++) {
			const struct value *v = &f->values[k];

			if (v->number >= room[map])
				fail_msg("%s: %s: number %u is beyond the map", f->name, v->id,
					 v->number);
			if (taken[map][v->number])
				fail_msg("%s: %s: number %u is that of %s", f->name, v->id,
					 v->number, taken[map][v->number]);
			if (strlen(v->labels) >= FL_METRICS_VALUE)
				fail_msg("%s: %s: the labels are too long", f->name, v->id);
			taken[map][v->number] = v->id;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests_name("metrics, the table and the page", tests, NULL, NULL);
}
