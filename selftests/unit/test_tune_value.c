// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/tune/sysctl.h"
#include "tools/tune/value.h"

#include <stdlib.h>
#include <string.h>

static const struct fl_value_type t_int = { FL_VALUE_INT, 1, -1, 100 };
static const struct fl_value_type t_u64 = { FL_VALUE_UINT64, 1, 0, FL_NUM_MAX };
static const struct fl_value_type t_two = { FL_VALUE_INTS, 2, 1, 65535 };
static const struct fl_value_type t_ports = { FL_VALUE_PORTS, 1, 0, 0 };
static const struct fl_value_type t_str = { FL_VALUE_STRING, 1, 0, 0 };

static const struct fl_fact facts[] = { { "cpus", 4, "" }, { 0 } };

static const struct {
	const struct fl_value_type *type;
	const char *text, *canonical; /* NULL: refused */
} canon[] = {
	/* 01 */ { &t_int, "5", "5" },
	/* 02 */ { &t_int, " -05\n", "-5" },
	/* 03 */ { &t_int, "1000", "1000" }, /* what the kernel holds is not range-checked */
	/* 04 */ { &t_int, "", NULL },
	/* 05 */ { &t_int, "1 2", NULL },
	/* 06 */ { &t_int, "1x", NULL },
	/* 07 */ { &t_u64, "18446744073709551615", "18446744073709551615" },
	/* 08 */ { &t_u64, "18446744073709551616", NULL },
	/* 09 */ { &t_two, "32768\t60999", "32768 60999" },
	/* 10 */ { &t_two, "  32768   60999 \n", "32768 60999" },
	/* 11 */ { &t_two, "32768", NULL },
	/* 12 */ { &t_two, "1 2 3", NULL },
	/* 13 */ { &t_ports, "", "" },
	/* 14 */ { &t_ports, "\n", "" },
	/* 15 */ { &t_ports, "80", "80" },
	/* 16 */ { &t_ports, "80,81,82", "80-82" },
	/* 17 */ { &t_ports, "443, 80", "80,443" },
	/* 18 */ { &t_ports, "1-5,3-9", "1-9" },
	/* 19 */ { &t_ports, "0,65535", "0,65535" },
	/* 20 */ { &t_ports, "65536", NULL },
	/* 21 */ { &t_ports, "99999999999999999999", NULL },
	/* 22 */ { &t_ports, "9-1", NULL },
	/* 23 */ { &t_ports, "80,", NULL },
	/* 24 */ { &t_ports, ",80", NULL },
	/* 25 */ { &t_ports, "80 81", NULL },
	/* 26 */ { &t_ports, "1-", NULL },
	/* 27 */ { &t_ports, "-1", NULL },
	/* 28 */ { &t_ports, "http", NULL },
	/* 29 */ { &t_ports, "0-65535", "0-65535" },
	/* 30 */ { &t_str, "a  b \n", "a  b" },
	/* 31 */ { &t_str, "", "" },
};

static void test_canonical(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(canon) / sizeof(*canon); i++) {
		const char *why = NULL;
		char *got = fl_value_canonical(canon[i].type, canon[i].text, &why);

		if (!got != !canon[i].canonical || (got && strcmp(got, canon[i].canonical)))
			fail_msg("%zu: '%s' became '%s', not '%s'", i + 1, canon[i].text,
				 got ? got : "(refused)",
				 canon[i].canonical ? canon[i].canonical : "(refused)");
		if (!got)
			assert_non_null(why);
		free(got);
	}
}

static const struct {
	const struct fl_value_type *type;
	const char *text, *wanted, *why;
} want[] = {
	/* 01 */ { &t_int, "10 * cpus", "40", NULL },
	/* 02 */ { &t_int, "-1", "-1", NULL },
	/* 03 */ { &t_int, "-2", NULL, "-2 is out of range; this key takes -1 to 100" },
	/* 04 */ { &t_int, "101", NULL, "out of range" },
	/* 05 */ { &t_int, "1, 2", NULL, "takes 1" },
	/* 06 */ { &t_two, "1000 * cpus, 65535", "4000 65535", NULL },
	/* 07 */ { &t_two, "1", NULL, "1 value, but this key takes 2" },
	/* 08 */ { &t_two, "1, 65536", NULL, "65536 is out of range" },
	/* 09 */ { &t_u64, "-1", NULL, "out of range" },
	/* 10 */ { &t_u64, "18446744073709551615", "18446744073709551615", NULL },
	/* 11 */ { &t_ports, "10250, 80", "80,10250", NULL },
	/* 12 */ { &t_ports, "cpus", NULL, "not a list of ports" },
	/* 13 */ { &t_str, "bbr", "bbr", NULL },
	/* 14 */ { &t_ports, "{100 * cpus}-{100 * cpus + 3},80", "80,400-403", NULL },
	/* 15 */ { &t_ports, "{cpus", NULL, "{ without }" },
	/* 16 */ { &t_ports, "1,{cores}", NULL, "unknown fact 'cores'" },
	/* 17 */ { &t_ports, "{65535 + cpus}", NULL, "'65539': not a list of ports" },
	/* 18 */ { &t_ports, "{0 - cpus}", NULL, "'-4': not a list of ports" },
	/* 19 */ { &t_ports, "{}", NULL, "" },
	/* 20 */ { &t_str, "a{b", "a{b", NULL },
};

static void test_wanted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct fl_expr_error err = { 0 };
		char *got = fl_value_wanted(want[i].type, want[i].text, facts, &err);

		if (!got != !want[i].wanted || (got && strcmp(got, want[i].wanted)))
			fail_msg("%zu: '%s' became '%s' (%s)", i + 1, want[i].text,
				 got ? got : "(refused)", err.what);
		if (!got && !strstr(err.what, want[i].why))
			fail_msg("%zu: '%s': '%s'", i + 1, want[i].text, err.what);
		free(got);
	}
}

static const struct {
	const struct fl_value_type *type;
	const char *now, *wanted, *result;
} raise_[] = {
	/* 01 */ { &t_int, "5", "7", "7" },
	/* 02 */ { &t_int, "9", "7", "9" },
	/* 03 */ { &t_int, "7", "7", "7" },
	/* 04 */ { &t_int, "-1", "0", "0" },
	/* 05 */ { &t_u64, "9223372036854775808", "9223372036854775807", "9223372036854775808" },
	/* 06 */ { &t_two, "1 9", "2 8", "2 9" },
	/* 07 */ { &t_ports, "80,443", "444", "80,443-444" },
	/* 08 */ { &t_ports, "", "1", "1" },
	/* 09 */ { &t_ports, "1-10", "5", "1-10" },
};

static void test_raise(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(raise_) / sizeof(*raise_); i++) {
		char *got = fl_value_raise(raise_[i].type, raise_[i].now, raise_[i].wanted);

		if (strcmp(got, raise_[i].result))
			fail_msg("%zu: %s raised to %s is %s, not %s", i + 1, raise_[i].now,
				 raise_[i].wanted, got, raise_[i].result);
		free(got);
	}
}

static const struct {
	const char *text, *name, *path; /* name NULL: refused */
} names[] = {
	/* 01 */ { "vm.swappiness", "vm.swappiness", "/proc/sys/vm/swappiness" },
	/* 02 */ { "net/ipv4/ip_forward", "net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward" },
	/* 03 */
	{ "net.ipv4.conf.eth0/100.rp_filter", "net.ipv4.conf.eth0/100.rp_filter",
	  "/proc/sys/net/ipv4/conf/eth0.100/rp_filter" },
	/* 04 */
	{ "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter",
	  "/proc/sys/net/ipv4/conf/eth0.100/rp_filter" },
	/* 05 */
	{ "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-iptables",
	  "/proc/sys/net/bridge/bridge-nf-call-iptables" },
	/* 06 */ { "", NULL, NULL },
	/* 07 */ { "vm", NULL, NULL },
	/* 08 */ { "vm.", NULL, NULL },
	/* 09 */ { ".vm.x", NULL, NULL },
	/* 10 */ { "vm..x", NULL, NULL },
	/* 11 */ { "/vm/x", NULL, NULL },
	/* 12 */ { "vm/../x", NULL, NULL },
	/* 13 */ { "vm/./x", NULL, NULL },
	/* 14 */ { "vm.//.x", NULL, NULL }, /* as a path: vm/../x */
	/* 15 */ { "vm./.x", NULL, NULL },
	/* 16 */ { "../etc/passwd", NULL, NULL },
	/* 17 */ { "vm.x y", NULL, NULL },
	/* 18 */ { "vm.x\n", NULL, NULL },
	/* 19 */ { "vm.\001", NULL, NULL },
};

static void test_names(void **state)
{
	char big[400];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *name = fl_sysctl_name(names[i].text), *path, *back;

		if (!name != !names[i].name || (name && strcmp(name, names[i].name)))
			fail_msg("%zu: '%s' became '%s'", i + 1, names[i].text,
				 name ? name : "(refused)");
		if (!name)
			continue;
		path = fl_sysctl_path(name);
		back = fl_sysctl_name_of_path(path);
		assert_string_equal(path, names[i].path);
		assert_string_equal(back, name);
		free(back);
		free(path);
		free(name);
	}
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "vm.", 3);
	big[sizeof(big) - 1] = '\0';
	assert_null(fl_sysctl_name(big));
}

static void test_number(void **state)
{
	(void)state;
	assert_true(fl_value_number("12") == 12);
	assert_true(fl_value_number("1 2 30") == 30);
	assert_true(fl_value_number("abc") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_raise),	  cmocka_unit_test(test_names),
		cmocka_unit_test(test_number),
	};

	return cmocka_run_group_tests_name("tune values", tests, NULL, NULL);
}
