// SPDX-License-Identifier: GPL-2.0
/*
 * docs/metrics.md says what bpf/metrics_families.h says, and the table keeps its own rules.
 * FAIRLEAD_WRITE_DOCS=1 writes the table into the page instead of comparing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/lib/file.h"
#include "../../tools/lib/mem.h"
#include "bpf/metrics_shared.h"

#define BEGIN "<!-- families: from bpf/metrics_families.h -->\n"
#define END   "<!-- end of families -->\n"

static const struct family {
	const char *name, *type, *unit, *help;
	enum fl_metrics_source source;
} families[] = {
#define FAMILY(name, type, unit, source, field, help) { name, type, unit, help, source },
	FL_METRICS_FAMILIES(FAMILY)
};

static const size_t n_families = sizeof(families) / sizeof(*families);

static const char *labels(enum fl_metrics_source source)
{
	switch (source) {
	case FL_BUILD:
		return "`version`";
	case FL_PEER_INFO:
		return "`peer`, `public_key`";
	case FL_PEER_START:
	case FL_PEER_COUNT:
		return "`peer`";
	default:
		return "";
	}
}

static char *table(void)
{
	char *text = fl_strdup(BEGIN
			       "| family | type | unit | labels | help |\n|---|---|---|---|---|\n");

	for (size_t i = 0; i < n_families; i++) {
		const struct family *f = &families[i];
		char *more = fl_asprintf("%s| `%s` | %s | %s | %s | %s |\n", text, f->name, f->type,
					 f->unit, labels(f->source), f->help);

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
		if (strcmp(f->type, "counter") && strcmp(f->type, "gauge"))
			fail_msg("%s: the type", f->name);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests_name("metrics, the table and the page", tests, NULL, NULL);
}
