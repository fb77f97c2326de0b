// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/tune/expr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fl_fact facts[] = {
	{ "cpus", 4, "" },
	{ "ram", 8LL << 30, "" },
	{ "max", 7, "" }, /* a fact may be called like a function */
	{ 0 },
};

/* Results in decimal, so that all of int64 and uint64 can be written down. */
static const struct {
	const char *text, *result;
} good[] = {
	/* 01 */ { "0", "0" },
	/* 02 */ { "  42\t", "42" },
	/* 03 */ { "007", "7" },
	/* 04 */ { "-1", "-1" },
	/* 05 */ { "--1", "1" },
	/* 06 */ { "2 + 3 * 4", "14" },
	/* 07 */ { "(2 + 3) * 4", "20" },
	/* 08 */ { "20 - 5 - 5", "10" },
	/* 09 */ { "100 / 10 / 5", "2" },
	/* 10 */ { "7 / 2", "3" },
	/* 11 */ { "-7 / 2", "-3" },
	/* 12 */ { "7 / -2 * 2", "-6" },
	/* 13 */ { "cpus", "4" },
	/* 14 */ { "ram / 256", "33554432" },
	/* 15 */ { "min(3, 1, 2)", "1" },
	/* 16 */ { "max(3, 1, 2)", "3" },
	/* 17 */ { "max(5)", "5" },
	/* 18 */ { "max", "7" },
	/* 19 */ { "clamp(32768 * cpus, 131072, 1048576)", "131072" },
	/* 20 */ { "clamp(1, 2, 3)", "2" },
	/* 21 */ { "clamp(9, 2, 3)", "3" },
	/* 22 */ { "clamp(9, 3, 3)", "3" },
	/* 23 */ { "up(1, 512)", "512" },
	/* 24 */ { "up(512, 512)", "512" },
	/* 25 */ { "up(0, 512)", "0" },
	/* 26 */ { "18446744073709551615", "18446744073709551615" },
	/* 27 */ { "-9223372036854775808", "-9223372036854775808" },
	/* 28 */ { "18446744073709551615 / 3 * 3", "18446744073709551615" },
	/* 29 */ { "4096, 131072, ram / 256", "4096 131072 33554432" },
	/* 30 */ { "min(cpus,(1+1)),-(3)", "2 -3" },
};

static const struct {
	const char *text;
	size_t column;
	const char *what; /* is part of the message */
} bad[] = {
	/* 01 */ { "", 1, "missing at the end" },
	/* 02 */ { "1 +", 4, "missing at the end" },
	/* 03 */ { "1 1", 3, "left over" },
	/* 04 */ { "1)", 2, "left over" },
	/* 05 */ { "(1", 3, "')' expected" },
	/* 06 */ { "*1", 1, "expected" },
	/* 07 */ { "1 / 0", 3, "division by zero" },
	/* 08 */ { "1 / (cpus - 4)", 3, "division by zero" },
	/* 09 */ { "gpus", 1, "unknown fact 'gpus'" },
	/* 10 */ { "CPUS", 1, "expected" },
	/* 11 */ { "sqrt(4)", 1, "unknown function 'sqrt'" },
	/* 12 */ { "18446744073709551616", 1, "does not fit" },
	/* 13 */ { "99999999999999999999999999999999999999999999", 1, "does not fit" },
	/* 14 */ { "18446744073709551615 + 1", 22, "does not fit" },
	/* 15 */ { "18446744073709551615 * 18446744073709551615", 22, "does not fit" },
	/* 16 */ { "-9223372036854775809", 1, "does not fit" },
	/* 17 */ { "-9223372036854775808 - 1", 22, "does not fit" },
	/* 18 */ { "0 - 18446744073709551615", 3, "does not fit" },
	/* 19 */ { "0x10", 2, "'x' after a number" },
	/* 20 */ { "1k", 2, "'k' after a number" },
	/* 21 */ { "1.5", 2, "left over" },
	/* 22 */ { "min()", 5, "expected" },
	/* 23 */ { "min(1", 6, "')' or ','" },
	/* 24 */ { "min(1,)", 7, "expected" },
	/* 25 */ { "clamp(1, 2)", 1, "wants 3 arguments, not 2" },
	/* 26 */ { "clamp(1, 3, 2)", 1, "low end is above" },
	/* 27 */ { "up(1, 0)", 1, "multiple from 1" },
	/* 28 */ { "up(-1, 5)", 1, "value from 0" },
	/* 29 */ { "up(18446744073709551615, 2)", 1, "does not fit" },
	/* 30 */ { "1, 2, 3, 4", 10, "more than 3 values" },
	/* 31 */ { "1,", 3, "missing at the end" },
	/* 32 */ { "max(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)", 44, "more than 16 arguments" },
	/* 33 */ { "1 % 2", 3, "left over" },
	/* 34 */ { "cpus(1)", 1, "unknown function" },
	/* 35 */ { "up(1, 2, 3)", 1, "wants 2 arguments, not 3" },
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char all[200] = "", one[FL_NUM_TEXT];
		struct fl_expr_error err = { 0 };
		fl_num out[3];
		int n = fl_expr_eval(good[i].text, facts, out, 3, &err);

		if (n < 0)
			fail_msg("good %zu: '%s': %s", i + 1, good[i].text, err.what);
		for (int k = 0; k < n; k++)
			sprintf(all + strlen(all), "%s%s", k ? " " : "", fl_num_text(out[k], one));
		if (strcmp(all, good[i].result))
			fail_msg("good %zu: '%s' is %s, not %s", i + 1, good[i].text, all,
				 good[i].result);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fl_expr_error err = { 0 };
		fl_num out[3];
		int n = fl_expr_eval(bad[i].text, facts, out, 3, &err);

		if (n >= 0)
			fail_msg("bad %zu: '%s' was taken", i + 1, bad[i].text);
		if (!strstr(err.what, bad[i].what))
			fail_msg("bad %zu: '%s': '%s'", i + 1, bad[i].text, err.what);
		if (err.column != bad[i].column)
			fail_msg("bad %zu: '%s': column %zu, not %zu", i + 1, bad[i].text,
				 err.column, bad[i].column);
	}
}

/* As deep as the limit is fine, deeper is refused: no input may grow the stack without end. */
static void test_depth(void **state)
{
	struct fl_expr_error err;
	char text[1000];
	fl_num out;

	(void)state;
	for (int deep = 60; deep <= 400; deep += 340) {
		memset(text, '(', (size_t)deep);
		text[deep] = '1';
		memset(text + deep + 1, ')', (size_t)deep);
		text[2 * deep + 1] = '\0';
		assert_int_equal(fl_expr_eval(text, facts, &out, 1, &err), deep == 60 ? 1 : -1);
		memset(text, '-', (size_t)deep);
		strcpy(text + deep, "1");
		assert_int_equal(fl_expr_eval(text, facts, &out, 1, &err), deep == 60 ? 1 : -1);
	}
	assert_non_null(strstr(err.what, "deep"));
}

/* A long flat expression is no deep one. */
static void test_long(void **state)
{
	struct fl_expr_error err;
	char text[4096] = "1";
	fl_num out;

	(void)state;
	for (int i = 0; i < 500; i++)
		strcat(text, "+(1)");
	assert_int_equal(fl_expr_eval(text, facts, &out, 1, &err), 1);
	assert_true(out == 501);
}

static void test_num_parse(void **state)
{
	fl_num n;

	(void)state;
	assert_int_equal(fl_num_parse("-12", 3, &n), 0);
	assert_true(n == -12);
	assert_int_equal(fl_num_parse("+12", 3, &n), 0);
	assert_true(n == 12);
	assert_int_equal(fl_num_parse("123", 2, &n), 0);
	assert_true(n == 12);
	assert_int_equal(fl_num_parse("18446744073709551615", 20, &n), 0);
	assert_true(n == FL_NUM_MAX);
	assert_int_equal(fl_num_parse("18446744073709551616", 20, &n), -1);
	assert_int_equal(fl_num_parse("-9223372036854775808", 20, &n), 0);
	assert_true(n == FL_NUM_MIN);
	assert_int_equal(fl_num_parse("-9223372036854775809", 20, &n), -1);
	assert_int_equal(fl_num_parse("", 0, &n), -1);
	assert_int_equal(fl_num_parse("-", 1, &n), -1);
	assert_int_equal(fl_num_parse("1 ", 2, &n), -1);
	assert_int_equal(fl_num_parse("0x1", 3, &n), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_depth),	  cmocka_unit_test(test_long),
		cmocka_unit_test(test_num_parse),
	};

	return cmocka_run_group_tests_name("tune expressions", tests, NULL, NULL);
}
