// SPDX-License-Identifier: GPL-2.0
/* The catalogue and the profiles that are shipped: they load, and every value is in range on small
 * and large machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/tune/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fl_catalog catalog;

static int setup(void **state)
{
	const char *top = getenv("TOP");
	char dir[4096];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/sysctl", top ? top : ".");
	setenv("FAIRLEAD_DATADIR", dir, 1);
	return fl_catalog_load(&catalog);
}

static int teardown(void **state)
{
	(void)state;
	fl_catalog_free(&catalog);
	return 0;
}

static char *value(const struct fl_setting *s, fl_num cpus, fl_num ram, fl_num page)
{
	const struct fl_fact facts[] = {
		{ "cpus", cpus, "" },
		{ "ram", ram, "" },
		{ "page_size", page, "" },
		{ "max_pods", cpus > 64 ? 500 : 110, "" },
		{ "link_mbps",
		  cpus > 64 ? 400000 :
		  cpus > 1  ? 25000 :
			      10,
		  "" },
		{ "mesh_nodes", cpus > 64 ? 5000 : 1, "" },
		{ "mesh_port", cpus > 64 ? 65520 : 51820, "" },
		{ "mesh_lanes", cpus > 64 ? 16 : 1, "" },
		{ 0 },
	};
	struct fl_expr_error err = { 0 };
	char *v = fl_value_wanted(&s->key->type, s->value, facts, &err);

	if (!v)
		fail_msg("%s:%u: %s at %d CPUs: %s", s->file, s->line, s->name, (int)cpus,
			 err.what);
	return v;
}

/* Calls fn for every setting of every profile, on machines of all sizes. Returns the sum of what it returns. */
static int each_size(int (*fn)(const struct fl_setting *s, int cpus, fl_num ram))
{
	static const int cpus[] = { 1, 2, 64, 512 };
	char **names = fl_profile_names();
	int values = 0;

	assert_non_null(names);
	for (char **n = names; *n; n++) {
		struct fl_profiles p = { 0 };

		assert_int_equal(fl_profiles_add(&p, &catalog, *n), 0);
		for (int i = 0; i < p.n_settings; i++)
			for (size_t c = 0; c < sizeof(cpus) / sizeof(*cpus); c++)
				for (fl_num ram = (fl_num)1 << 30; ram <= (fl_num)1 << 42; ram *= 2)
					values += fn(&p.settings[i], cpus[c], ram);
		fl_profiles_free(&p);
		free(*n);
	}
	free(names);
	return values;
}

static int in_range(const struct fl_setting *s, int cpus, fl_num ram)
{
	int values = 0;

	for (fl_num page = 4096; page <= 65536; page *= 4) {
		free(value(s, cpus, ram, page));
		values++;
	}
	return values;
}

static void test_every_size(void **state)
{
	(void)state;
	assert_true(each_size(in_range) >= 35 * 4 * 13 * 3);
}

/* What a value allows, if all of it is used, leaves three quarters of the memory, from 1 GiB on and with at
 * least as many GiB as CPUs. */
static int leaves_memory(const struct fl_setting *s, int cpus, fl_num ram)
{
	char *v;

	if (!s->key->cost || ram >> 30 < cpus)
		return 0;
	v = value(s, cpus, ram, 4096);
	if (fl_value_number(v) > ram / 4 / s->key->cost)
		fail_msg("%s:%u: %s: %s at %d GiB", s->file, s->line, s->name, v, (int)(ram >> 30));
	free(v);
	return 1;
}

static void test_memory(void **state)
{
	(void)state;
	assert_true(each_size(leaves_memory) >= 1000);
}

static const struct {
	const char *key;
	int cpus;
	fl_num page;
	const char *value;
} expected[] = {
	/* 01 */ { "net.netfilter.nf_conntrack_max", 1, 4096, "131072" },
	/* 02 */ { "net.netfilter.nf_conntrack_max", 2, 4096, "131072" },
	/* 03 */ { "net.netfilter.nf_conntrack_max", 16, 4096, "524288" },
	/* 04 */ { "net.netfilter.nf_conntrack_max", 64, 4096, "1048576" },
	/* 05 */ { "net.netfilter.nf_conntrack_max", 512, 4096, "1048576" },
	/* 06 */ { "net.netfilter.nf_conntrack_buckets", 1, 4096, "32768" },
	/* 07 */ { "net.netfilter.nf_conntrack_buckets", 512, 65536, "262144" },
	/* 08 */ { "net.netfilter.nf_conntrack_buckets", 5, 65536, "40960" },
	/* 09 */ { "fs.file-max", 1, 4096, "9223372036854775807" },
	/* 10 */ { "net.ipv4.ip_local_port_range", 1, 4096, "32768 60999" },
	/* 11 */ { "net.ipv4.ip_local_reserved_ports", 1, 4096, "10248-10250,10256-10259,51820-51835" },
};

static void test_expected(void **state)
{
	struct fl_profiles p = { 0 };

	(void)state;
	assert_int_equal(fl_profiles_add(&p, &catalog, "kubernetes"), 0);
	for (size_t e = 0; e < sizeof(expected) / sizeof(*expected); e++) {
		int i = 0;
		char *v;

		while (i < p.n_settings && strcmp(p.settings[i].name, expected[e].key))
			i++;
		if (i == p.n_settings)
			fail_msg("%s is not in the profile", expected[e].key);
		v = value(&p.settings[i], expected[e].cpus, (fl_num)4 << 30, expected[e].page);
		if (strcmp(v, expected[e].value))
			fail_msg("%zu: %s at %d CPUs is %s, not %s", e + 1, expected[e].key,
				 expected[e].cpus, v, expected[e].value);
		free(v);
	}
	fl_profiles_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_expected),
	};

	return cmocka_run_group_tests_name("tune data", tests, setup, teardown);
}
