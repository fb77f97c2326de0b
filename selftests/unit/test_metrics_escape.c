// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/metrics/maps.h"

static void test_table(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "worker-1.example", "worker-1.example" },
		{ "\\", "\\\\" },
		{ "\"", "\\\"" },
		{ "\n", "\\n" },
		{ "a\\nb", "a\\\\nb" },
		{ "\"\\\n\"", "\\\"\\\\\\n\\\"" },
		{ "tab\tand\rreturn", "tab\tand\rreturn" },
		{ "\xc3\xa4", "\xc3\xa4" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\x9a\xa2", "\xf0\x9f\x9a\xa2" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		/* not UTF-8: each such byte becomes U+FFFD */
		{ "a\x80z", "a\xef\xbf\xbdz" },
		{ "\xc3", "\xef\xbf\xbd" },
		{ "\xc3(", "\xef\xbf\xbd(" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int len = fl_metrics_escape(out, sizeof(out), cases[i].in);

		if (len != (int)strlen(cases[i].out) || strcmp(out, cases[i].out))
			fail_msg("case %zu: \"%s\" (%d)", i, out, len);
	}
}

static void test_room(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(fl_metrics_escape(out, 4, "abc"), 3);
	assert_int_equal(fl_metrics_escape(out, 3, "abc"), -1);
	assert_int_equal(fl_metrics_escape(out, 3, "\n"), 2);
	assert_int_equal(fl_metrics_escape(out, 2, "\n"), -1);
	assert_int_equal(fl_metrics_escape(out, 3, "\xff"), -1);
	assert_int_equal(fl_metrics_escape(out, 1, ""), 0);
	assert_int_equal(fl_metrics_escape(out, 0, ""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("metrics, label text", tests, NULL, NULL);
}
