// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/late.h"
#include "tools/lib/msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define Z(F) F(z, libVersion) F(compress, Bound) F(, adler32)
FL_LATE(z, "libz.so.1", Z)

#define NOWHERE(F) F(z, libVersion)
FL_LATE(nowhere, "libfairlead-nowhere.so.9", NOWHERE)

int fairlead_no_such_function(void);
#define LESS(F) F(z, libVersion) F(fairlead_, no_such_function)
FL_LATE(less, "libz.so.1", LESS)

static void test_functions(void **state)
{
	const void *text = "fairlead";

	(void)state;
	assert_true(z_open());
	assert_true(z_open());
	assert_string_equal(z.libVersion(), zlibVersion());
	assert_int_equal(z.Bound(1000), compressBound(1000));
	assert_int_equal(z.adler32(1, text, 8), adler32(1, text, 8));
}

/* Says what is missing, and calls nothing. */
static void refuses(bool (*open)(void), const char *what)
{
	char *said = NULL;
	size_t len;

	fl_msg_stream = open_memstream(&said, &len);
	assert_false(open());
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	assert_non_null(strstr(said, what));
	free(said);
}

static void test_no_library(void **state)
{
	(void)state;
	refuses(nowhere_open, "needs a library that cannot be opened: libfairlead-nowhere.so.9");
	assert_null(nowhere.libVersion);
}

static void test_no_function(void **state)
{
	(void)state;
	refuses(less_open, "libz.so.1 lacks a function");
	assert_null(less.no_such_function);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_no_library),
		cmocka_unit_test(test_no_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
