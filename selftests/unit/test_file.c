// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/file.h"
#include "tools/lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/fairlead-file.XXXXXX";
static char *path;

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	path = fl_asprintf("%s/f", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	free(path);
	return rmdir(dir); /* fails when something was left behind, which is the point */
}

static void test_round_trip(void **state)
{
	const char data[] = "a\0b\n";
	struct stat st;
	char *text;
	size_t len;

	(void)state;
	umask(077);
	assert_int_equal(fl_file_write(path, data, 4, 0644), 0);
	assert_int_equal(fl_file_read(path, 4, &text, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(text, data, 5);
	free(text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void test_limit(void **state)
{
	char *big = fl_zalloc(100000), *text = NULL;
	size_t len;

	(void)state;
	memset(big, 'x', 100000);
	assert_int_equal(fl_file_write(path, big, 100000, 0600), 0);
	assert_int_equal(fl_file_read(path, 99999, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(fl_file_read(path, 100000, &text, &len), 0);
	assert_int_equal(len, 100000);
	assert_memory_equal(text, big, 100000);
	free(text);
	free(big);
}

static void test_empty(void **state)
{
	char *text;
	size_t len = 1;

	(void)state;
	assert_int_equal(fl_file_write(path, "", 0, 0600), 0);
	assert_int_equal(fl_file_read(path, 0, &text, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
}

static void test_not_a_file(void **state)
{
	char *fifo = fl_asprintf("%s/fifo", dir), *text;

	(void)state;
	assert_int_equal(fl_file_read(dir, 10, &text, NULL), -EISDIR);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(fl_file_read(fifo, 10, &text, NULL), -EINVAL);
	unlink(fifo);
	assert_int_equal(fl_file_read(fifo, 10, &text, NULL), -ENOENT);
	free(fifo);
}

/* A .tmp that a crash, or an attacker, left is replaced and never written through. */
static void test_stale_tmp(void **state)
{
	char *tmp = fl_asprintf("%s.tmp", path), *victim = fl_asprintf("%s/victim", dir), *text;

	(void)state;
	assert_int_equal(fl_file_write(victim, "keep", 4, 0600), 0);
	assert_int_equal(symlink(victim, tmp), 0);
	assert_int_equal(fl_file_write(path, "new", 3, 0600), 0);
	assert_int_equal(fl_file_read(victim, 10, &text, NULL), 0);
	assert_string_equal(text, "keep");
	free(text);
	assert_int_equal(access(tmp, F_OK), -1);
	unlink(victim);
	free(victim);
	free(tmp);
}

static void test_failed_write_leaves_nothing(void **state)
{
	char *sub = fl_asprintf("%s/sub", dir), *tmp = fl_asprintf("%s.tmp", sub);

	(void)state;
	/* The target is a directory that is not empty: rename() fails after everything else. */
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_true(fl_file_write(sub, "x", 1, 0600) < 0);
	assert_int_equal(access(tmp, F_OK), -1);
	rmdir(sub);
	free(tmp);
	free(sub);
	assert_int_equal(fl_file_write("/nonexistent/dir/f", "x", 1, 0600), -ENOENT);
}

static void test_remove(void **state)
{
	(void)state;
	assert_int_equal(fl_file_write(path, "x", 1, 0600), 0);
	assert_int_equal(fl_file_remove(path), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fl_file_remove(path), 0);
	assert_int_equal(fl_file_remove(dir), -EISDIR);
}

static void test_put(void **state)
{
	struct stat before, after;
	char *text;

	(void)state;
	unlink(path);
	assert_int_equal(fl_file_put(path, "x"), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fl_file_write(path, "", 0, 0600), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(fl_file_put(path, "5\n"), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(fl_file_read(path, 64, &text, NULL), 0);
	assert_string_equal(text, "5\n");
	free(text);
	assert_int_equal(fl_file_put("/dev/full", "x"), -ENOSPC);
}

static void test_mkdirs(void **state)
{
	char *a = fl_asprintf("%s/a", dir), *deep = fl_asprintf("%s/b/c", a);
	char *b = fl_asprintf("%s/b", a);
	struct stat st;

	(void)state;
	umask(022);
	assert_int_equal(fl_file_mkdirs(deep, 0755), 0);
	assert_int_equal(fl_file_mkdirs(deep, 0755), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(fl_file_write(deep, "", 0, 0600), 0);
	assert_int_equal(fl_file_mkdirs(deep, 0755), -ENOTDIR);
	unlink(deep);
	rmdir(b);
	rmdir(a);
	free(b);
	free(deep);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_stale_tmp),
		cmocka_unit_test(test_failed_write_leaves_nothing),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_mkdirs),
		cmocka_unit_test(test_put),
	};

	return cmocka_run_group_tests_name("file", tests, setup, teardown);
}
