// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/lib/msg.h"
#include "../../tools/metrics/exposition.h"

static const char good[] = "# TYPE a_total counter\n"
			   "# UNIT a_total bytes\n"
			   "# HELP a_total What is \\\"a\\\".\n"
			   "a_total{peer=\"x\",zone=\"\"} 18446744073709551615\n"
			   "a_total{peer=\"q\\\"\\\\\\n}\"} 0\n"
			   "# TYPE b gauge\n"
			   "b -1.5e3\n"
			   "c 1\n"
			   "# TYPE d gauge\n"
			   "# EOF\n";

static void test_good(void **state)
{
	struct fl_exposition *e = fl_exposition_parse("f", good, strlen(good));

	(void)state;
	assert_non_null(e);
	assert_int_equal(e->n_families, 4);
	assert_string_equal(e->families[0].name, "a_total");
	assert_string_equal(e->families[0].type, "counter");
	assert_string_equal(e->families[0].unit, "bytes");
	assert_string_equal(e->families[0].help, "What is \\\"a\\\".");
	assert_int_equal(e->families[0].n_samples, 2);
	assert_string_equal(e->families[0].samples[0].value, "18446744073709551615");
	assert_string_equal(fl_sample_label(&e->families[0].samples[0], "zone"), "");
	assert_string_equal(fl_sample_label(&e->families[0].samples[1], "peer"), "q\"\\\n}");
	assert_null(fl_sample_label(&e->families[0].samples[1], "zone"));
	assert_string_equal(e->families[1].samples[0].value, "-1.5e3");
	assert_string_equal(e->families[2].type, "unknown");
	assert_int_equal(e->families[3].n_samples, 0);
	fl_exposition_free(e);
}

static void test_histogram(void **state)
{
	static const char *const suffixes[] = { "_bucket", "_bucket", "_sum", "_count" };
	static const char text[] = "# TYPE h histogram\n"
				   "h_bucket{le=\"1\"} 1\n"
				   "h_bucket{le=\"+Inf\"} 2\n"
				   "h_sum 3.5\n"
				   "h_count 2\n"
				   "# TYPE s summary\n"
				   "s{quantile=\"0.5\"} NaN\n"
				   "s_sum 0\n"
				   "s_count 0\n"
				   "# TYPE h_more counter\n"
				   "h_more 1\n"
				   "# EOF\n";
	struct fl_exposition *e = fl_exposition_parse("f", text, strlen(text));

	(void)state;
	assert_non_null(e);
	assert_int_equal(e->n_families, 3);
	assert_int_equal(e->families[0].n_samples, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(e->families[0].samples[i].suffix, suffixes[i]);
	assert_string_equal(fl_sample_label(&e->families[0].samples[1], "le"), "+Inf");
	assert_int_equal(e->families[1].n_samples, 3);
	assert_string_equal(e->families[1].samples[0].suffix, "");
	assert_string_equal(e->families[1].samples[2].suffix, "_count");
	assert_ptr_equal(fl_exposition_find(e, "h_more"), &e->families[2]);
	assert_null(fl_exposition_find(e, "h_"));
	fl_exposition_free(e);
}

static void test_numbers(void **state)
{
	static const char *const numbers[] = { "0",   "-1",   "+1",   "1.5",  ".5",
					       "5.",  "1e9",  "1E+9", "2e-3", "-.5e1",
					       "NaN", "+Inf", "-Inf", "Inf" };
	static const char *const others[] = { "nan", "inf", "infinity", "0x10", "1e",
					      "1e+", ".",   "-",	"+",	"1,5",
					      "1 ",  "--1", "-NaN",	"1e1.5" };
	struct fl_exposition *e;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		snprintf(text, sizeof(text), "a %s\n# EOF\n", numbers[i]);
		e = fl_exposition_parse("f", text, strlen(text));
		if (!e)
			fail_msg("%s is refused", numbers[i]);
		fl_exposition_free(e);
	}
	fl_msg_stream = fopen("/dev/null", "w");
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(text, sizeof(text), "a %s\n# EOF\n", others[i]);
		if (fl_exposition_parse("f", text, strlen(text)))
			fail_msg("%s is taken", others[i]);
	}
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "f: no '# EOF' at the end: the text was cut off" },
		{ "a 1\n", "f: no '# EOF' at the end" },
		{ "a 1\n# EOF", "f:2: the line has no end" },
		{ "a 1", "f:1: the line has no end" },
		{ "# EOF\na 1\n", "f:2: text after '# EOF'" },
		{ "# EOF\n\n", "f:2: text after '# EOF'" },
		{ "\n# EOF\n", "f:1: want '#' or a metric name" },
		{ "#EOF\n", "f:1: want '#' or a metric name" },
		{ "# EOFX\n", "f:1: neither TYPE" },
		{ "# a comment\n# EOF\n", "f:1: neither TYPE" },
		{ "# TYPE\n# EOF\n", "f:1: neither TYPE" },
		{ "# TYPE 1a gauge\n# EOF\n", "f:1: want a metric name" },
		{ "# TYPE a\n# EOF\n", "f:1: want a metric name and a space" },
		{ "# TYPE a gauge\n# TYPE a gauge\n# EOF\n", "f:2: the second line of its kind" },
		{ "# HELP a x\n# HELP a y\n# EOF\n", "f:2: the second line of its kind" },
		{ "a 1\n# TYPE a gauge\n# EOF\n", "f:2: metadata must come before" },
		{ "a 1\nb 1\na{x=\"y\"} 1\n# EOF\n", "f:3: this family was there before" },
		{ "# TYPE a gauge\nb 1\n# HELP a x\n# EOF\n", "f:3: this family was there before" },
		{ "# TYPE h histogram\nh 1\n# EOF\n", "f:2: this family was there before" },
		{ "# TYPE h histogram\nh_sum 1\nb 1\nh_count 1\n# EOF\n",
		  "f:4: this family was there before" },
		{ "# TYPE s summary\ns_sum 1\nb 1\ns_count 1\n# EOF\n",
		  "f:4: this family was there before" },
		{ "1a 1\n# EOF\n", "f:1: want '#' or a metric name" },
		{ "a\n# EOF\n", "f:1: want a space and a number" },
		{ "a \n# EOF\n", "f:1: the value is not a number" },
		{ "a  1\n# EOF\n", "f:1: the value is not a number" },
		{ "a x\n# EOF\n", "f:1: the value is not a number" },
		{ "a 1x\n# EOF\n", "f:1: the value is not a number" },
		{ "a 1 2\n# EOF\n", "f:1: the value is not a number" },
		{ "a{ 1\n# EOF\n", "f:1: want a label name" },
		{ "a{} 1\n# EOF\n", "f:1: want a label name" },
		{ "a{x} 1\n# EOF\n", "f:1: want =\"value\" after a label name" },
		{ "a{x=y} 1\n# EOF\n", "f:1: want =\"value\"" },
		{ "a{x=\"y} 1\n# EOF\n", "f:1: want =\"value\"" },
		{ "a{x=\"\\t\"} 1\n# EOF\n", "f:1: want =\"value\"" },
		{ "a{x=\"\\\n# EOF\n", "f:1: want =\"value\"" },
		{ "a{x=\"y\" 1\n# EOF\n", "f:1: want ',' or '}'" },
		{ "a{x=\"y\",} 1\n# EOF\n", "f:1: want a label name" },
		{ "a{x=\"y\"}1\n# EOF\n", "f:1: want a space and a number" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_exposition *e;
		char *said = NULL;
		size_t len;

		fl_msg_stream = open_memstream(&said, &len);
		e = fl_exposition_parse("f", cases[i].text, strlen(cases[i].text));
		fclose(fl_msg_stream);
		fl_msg_stream = NULL;
		if (e || !strstr(said, cases[i].message))
			fail_msg("case %zu: %s", i, e ? "accepted" : said);
		free(said);
	}
}

/* The text may end anywhere: only the whole one is accepted. */
static void test_every_prefix(void **state)
{
	(void)state;
	fl_msg_stream = fopen("/dev/null", "w");
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_null(fl_exposition_parse("f", good, len));
	assert_null(fl_exposition_parse("f", "a 1\n\0# EOF\n", 11));
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	     cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_numbers),	     cmocka_unit_test(test_bad),
		cmocka_unit_test(test_every_prefix),
	};

	return cmocka_run_group_tests_name("metrics, text read back", tests, NULL, NULL);
}
