// SPDX-License-Identifier: GPL-2.0
#include "../../tools/tune/owner.h"
#include "../../tools/lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* What the program does with the tree: does a process of that name in that group own the keys? */
static bool owns(const struct fl_owners *o, const char *comm, const char *path)
{
	__u32 node = 0;

	for (;;) {
		struct fl_sysctl_step step = { .node = node, .kind = FL_SYSCTL_COMM_AT };
		size_t len;
		int i;

		strcpy(step.text, comm);
		for (i = 0; i < o->n; i++)
			if (!memcmp(&o->e[i].step, &step, sizeof(step)))
				return true;
		if (!*path)
			return false;
		len = strcspn(++path, "/");
		step = (struct fl_sysctl_step){ .node = node, .kind = FL_SYSCTL_CHILD };
		memcpy(step.text, path, len);
		path += len;
		for (i = 0; i < o->n && memcmp(&o->e[i].step, &step, sizeof(step)); i++)
			;
		if (i == o->n)
			return false;
		if (o->e[i].node.owner)
			return true;
		node = o->e[i].node.node;
	}
}

static void test_owners(void **state)
{
	static const struct {
		const char *list, *comm, *path;
		bool owns;
	} t[] = {
		/* 0 */ { "kubelet", "kubelet", "", true },
		{ "kubelet", "kubelet", "/a/b/c", true },
		{ "kubelet", "kubele", "/a", false },
		{ "kubelet", "kubelets", "/a", false },
		{ "/a", "x", "/a", true },
		/* 5 */ { "/a", "x", "/a/b/c", true },
		{ "/a", "x", "", false },
		{ "/a", "x", "/ab", false },
		{ "/a", "x", "/b/a", false },
		{ "/a/b", "x", "/a", false },
		/* 10 */ { "/a/b", "x", "/a/b", true },
		{ "/a/b", "x", "/a/c", false },
		{ "p@/a", "p", "/a/b", true },
		{ "p@/a", "q", "/a/b", false },
		{ "p@/a", "p", "/b", false },
		/* 15 */ { "p@/a", "p", "", false },
		{ "/a/b,/a", "x", "/a/c", true },
		{ "/a,/a/b", "x", "/a/b", true },
		{ "p@/a,q@/a,r", "q", "/a/b/c", true },
		{ "p@/a,q@/a,r", "r", "/c", true },
		/* 20 */ { "p@/a,q@/a,r", "p", "/c", false },
		{ "p@/a/b,/a/c", "p", "/a/c/d", true },
		{ "p@/a/b,/a/c", "q", "/a/b/d", false },
		{ "/a,/a", "x", "/a", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct fl_owners o = { 0 };
		const char *why, *at;
		int len;

		if (fl_owners_parse(&o, t[i].list, &why, &at, &len))
			fail_msg("%zu: %s: %s", i, t[i].list, why);
		if (owns(&o, t[i].comm, t[i].path) != t[i].owns)
			fail_msg("%zu: %s: %s in '%s'", i, t[i].list, t[i].comm, t[i].path);
		fl_owners_free(&o);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *list, *at, *why;
	} t[] = {
		/* 0 */ { "", "", "is empty" },
		{ "a,", "", "is empty" },
		{ ",a", "", "is empty" },
		{ "/", "/", "a part of the path is empty" },
		{ "/a/", "/a/", "a part of the path is empty" },
		/* 5 */ { "/a//b", "/a//b", "a part of the path is empty" },
		{ "@/a", "@/a", "has no name" },
		{ "a@", "a@", "wants NAME" },
		{ "a/b", "a/b", "wants NAME" },
		{ "a@b", "a@b", "wants NAME" },
		/* 10 */ { "a@b@/c", "a@b@/c", "wants NAME" },
		{ "/a/../b", "/a/../b", "name no control group" },
		{ "/./b", "/./b", "name no control group" },
		{ "ok,sixteen-letters", "sixteen-letters", NULL }, /* 15: fits */
		{ "ok,sixteen-letters-", "sixteen-letters-", "first 15 characters" },
		/* 15 */ { "a b", "a b", "neither letter" },
		{ "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "", NULL },
		{ "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
		  "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "16 levels" },
		{ "/...", "", NULL },
		{ "\xc3\xa4", "\xc3\xa4", "neither letter" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct fl_owners o = { 0 };
		const char *why, *at;
		int len, err = fl_owners_parse(&o, t[i].list, &why, &at, &len);

		if (!err != !t[i].why)
			fail_msg("%zu: %s: %d", i, t[i].list, err);
		if (err && (!strstr(why, t[i].why) || (size_t)len != strlen(t[i].at) ||
			    strncmp(at, t[i].at, (size_t)len)))
			fail_msg("%zu: %s: '%.*s' %s", i, t[i].list, len, at, why);
		fl_owners_free(&o);
	}
}

static void test_long_part(void **state)
{
	char path[FL_SYSCTL_STEP + 2];
	struct fl_owners o = { 0 };
	const char *why, *at;
	int len;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[FL_SYSCTL_STEP] = '\0'; /* 95 x */
	assert_int_equal(fl_owners_parse(&o, path, &why, &at, &len), 0);
	assert_true(owns(&o, "c", path));
	path[FL_SYSCTL_STEP] = 'x';
	path[FL_SYSCTL_STEP + 1] = '\0';
	assert_int_equal(fl_owners_parse(&o, path, &why, &at, &len), -1);
	assert_non_null(strstr(why, "longer than 95"));
	fl_owners_free(&o);
}

static void test_too_many(void **state)
{
	struct fl_owners o = { 0 };
	char *list = fl_strdup("x"), *more;
	const char *why, *at;
	int len;

	(void)state;
	for (int i = 1; i < FL_SYSCTL_OWNERS_MAX; i++) {
		more = fl_asprintf("%s,n%d", list, i);
		free(list);
		list = more;
	}
	assert_int_equal(fl_owners_parse(&o, list, &why, &at, &len), 0);
	assert_int_equal(o.n, FL_SYSCTL_OWNERS_MAX);
	assert_int_equal(o.n_names, FL_SYSCTL_OWNERS_MAX);
	assert_int_equal(fl_owners_parse(&o, "one-more", &why, &at, &len), -1);
	assert_non_null(strstr(why, "too many"));
	free(list);
	fl_owners_free(&o);
}

/* An entry does not depend on the rest of the list: two lists can be in the map at once. */
static void test_stable(void **state)
{
	struct fl_owners a = { 0 }, b = { 0 };
	const char *why, *at;
	int len;

	(void)state;
	assert_int_equal(fl_owners_parse(&a, "/a/b,p@/c/d", &why, &at, &len), 0);
	assert_int_equal(fl_owners_parse(&b, "q@/z,/y,p@/c/d", &why, &at, &len), 0);
	assert_memory_equal(&a.e[2], &b.e[3], 2 * sizeof(a.e[0]));
	fl_owners_free(&a);
	fl_owners_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),	  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_part), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
