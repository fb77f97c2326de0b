// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/tune/journal.h"

#include <stdlib.h>
#include <string.h>

static const char whole[] =
	"{ \"schema\": 1, \"boot_id\": \"b\", \"netns\": 4026531840, \"profiles\": [ \"p\" ], \"facts\": null,\n"
	"  \"deferred\": [ \"a.d\", \"a.*.e\" ],\n"
	"  \"keys\": [ { \"key\": \"a.b\", \"original\": \"1\\t2\", \"wrote\": \"3 4\", \"side\": false, \"resets\": true, \"rounded\": false } ],\n"
	"  \"pending\": [ { \"key\": \"a.c\", \"original\": \"\", \"wrote\": null, \"side\": true, \"resets\": false, \"rounded\": false } ] }";

static void test_whole(void **state)
{
	struct fl_journal j;
	const char *why;

	(void)state;
	assert_int_equal(fl_journal_parse(&j, whole, strlen(whole), &why), 0);
	assert_string_equal(j.boot_id, "b");
	assert_true(j.netns == 4026531840);
	assert_int_equal(j.n_profiles, 1);
	assert_null(j.facts);
	assert_int_equal(j.n_deferred, 2);
	assert_true(fl_journal_deferred(&j, "a.*.e"));
	assert_false(fl_journal_deferred(&j, "a.x.e"));
	assert_int_equal(j.keys.n, 1);
	assert_string_equal(j.keys.e[0].original, "1\t2");
	assert_true(j.keys.e[0].resets);
	assert_int_equal(j.pending.n, 1);
	assert_null(j.pending.e[0].wrote);
	assert_ptr_equal(fl_journal_find(&j.pending, "a.c"), &j.pending.e[0]);
	assert_null(fl_journal_find(&j.keys, "a.c"));
	assert_false(fl_journal_empty(&j));
	fl_journal_free(&j);
	assert_true(fl_journal_empty(&j));
}

static char *replaced(const char *from, const char *to)
{
	const char *at = strstr(whole, from);
	char *out = malloc(sizeof(whole) + strlen(to));

	assert_non_null(at);
	memcpy(out, whole, (size_t)(at - whole));
	strcpy(out + (at - whole), to);
	strcat(out, at + strlen(from));
	return out;
}

/* A journal of before there was a list of deferred keys. */
static void test_without_deferred(void **state)
{
	char *text = replaced("  \"deferred\": [ \"a.d\", \"a.*.e\" ],\n", "");
	struct fl_journal j;
	const char *why;

	(void)state;
	assert_int_equal(fl_journal_parse(&j, text, strlen(text), &why), 0);
	assert_int_equal(j.n_deferred, 0);
	fl_journal_free(&j);
	free(text);
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(whole); len++) {
		char *cut = strndup(whole, len);
		struct fl_journal j;
		const char *why = NULL;

		if (!fl_journal_parse(&j, cut, len, &why))
			fail_msg("cut after %zu bytes, and taken", len);
		assert_non_null(why);
		assert_true(fl_journal_empty(&j));
		free(cut);
	}
}

static const struct {
	const char *from, *to, *why;
} bad[] = {
	/* 01 */ { "\"schema\": 1", "\"schema\": 2", "another version" },
	/* 02 */ { "\"schema\": 1", "\"schema\": \"1\"", "not a journal" },
	/* 03 */ { "\"boot_id\": \"b\"", "\"boot_id\": 7", "boot_id" },
	/* 04 */ { "4026531840", "\"x\"", "netns" },
	/* 05 */ { "[ \"p\" ]", "[ 1 ]", "something else" },
	/* 06 */ { "[ \"p\" ]", "null", "list of profiles is missing" },
	/* 07 */ { "\"facts\": null", "\"facts\": 1", "facts" },
	/* 08 */ { "\"key\": \"a.b\"", "\"key\": null", "incomplete" },
	/* 09 */ { "\"wrote\": \"3 4\"", "\"wrote\": null", "incomplete" },
	/* 10 */ { "\"original\": \"1\\t2\"", "\"original\": 1", "incomplete" },
	/* 11 */ { "\"original\": \"1\\t2\"", "\"original\": \"1\\u00002\"", "incomplete" },
	/* 12 */ { "\"side\": false", "\"side\": 0", "incomplete" },
	/* 13 */ { "\"keys\": [", "\"keys\": [ 5,", "incomplete" },
	/* 14 */ { "\"keys\": [", "\"keys\": [ null,", "incomplete" },
	/* 15 */ { "\"pending\"", "\"spending\"", "list of keys" },
	/* 16 */
	{ "\"pending\": [",
	  "\"pending\": [ { \"key\": \"a.c\", \"original\": \"\", \"wrote\": null, \"side\": true, \"resets\": false, \"rounded\": false },",
	  "twice" },
	/* 17 */ { "\"a.d\"", "17", "list of deferred keys" },
	/* 18 */ { "[ \"a.d\", \"a.*.e\" ]", "\"a.d\"", "list of deferred keys" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *text = replaced(bad[i].from, bad[i].to);
		struct fl_journal j;
		const char *why = "";

		if (!fl_journal_parse(&j, text, strlen(text), &why))
			fail_msg("%zu: taken", i + 1);
		if (!strstr(why, bad[i].why))
			fail_msg("%zu: said '%s'", i + 1, why);
		free(text);
	}
}

static void test_other_documents(void **state)
{
	static const char *const text[] = { "",	  " ", "null",	"[]",
					    "{}", "1", "\"x\"", "{\"schema\":1}" };

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++) {
		struct fl_journal j;
		const char *why;

		assert_int_equal(fl_journal_parse(&j, text[i], strlen(text[i]), &why), -1);
	}
}

static void test_left_over(void **state)
{
	char text[sizeof(whole) + 8];
	struct fl_journal j;
	const char *why;

	(void)state;
	strcat(strcpy(text, whole), " x");
	assert_int_equal(fl_journal_parse(&j, text, strlen(text), &why), -1);
	strcat(strcpy(text, whole), "\n");
	assert_int_equal(fl_journal_parse(&j, text, strlen(text), &why), 0);
	fl_journal_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	  cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_bad),	  cmocka_unit_test(test_other_documents),
		cmocka_unit_test(test_left_over), cmocka_unit_test(test_without_deferred),
	};

	return cmocka_run_group_tests_name("tune journal", tests, NULL, NULL);
}
