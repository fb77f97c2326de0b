// SPDX-License-Identifier: GPL-2.0
/* Lines of sysctl.d, who of them decides, and what other platforms set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/msg.h"
#include "tools/tune/boot.h"
#include "tools/tune/other.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text, *key;
	const char *systemd, *procps; /* values; NULL: nobody sets it */
} cases[] = {
	/* 01 */ { "", "vm.swappiness", NULL, NULL },
	/* 02 */ { "vm.swappiness=1", "vm.swappiness", "1", "1" },
	/* 03 */ { "  vm.swappiness =  1  \n", "vm.swappiness", "1", "1" },
	/* 04 */ { "vm/swappiness = 1\n", "vm.swappiness", "1", "1" },
	/* 05 */ { "# vm.swappiness = 1\n; vm.swappiness = 2\n", "vm.swappiness", NULL, NULL },
	/* 06 */ { "vm.swappiness = 1\nvm.swappiness = 2\n", "vm.swappiness", "2", "2" },
	/* 07 */ { "-vm.swappiness = 1\n", "vm.swappiness", "1", "1" },
	/* 08 */ { "vm.swappiness\n= 3\n", "vm.swappiness", NULL, NULL },
	/* 09 */
	{ "net.ipv4.conf.*.rp_filter = 2\n", "net.ipv4.conf.eth0.rp_filter", "2", "2" },
	/* 10: what is named goes before globs, wherever it stands */
	{ "net.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 2\n",
	  "net.ipv4.conf.eth0.rp_filter", "1", "1" },
	/* 11 */
	{ "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n",
	  "net.ipv4.conf.all.rp_filter", NULL, NULL },
	/* 12 */
	{ "net.ipv4.conf.*.rp_filter = 2\nnet.ipv4.conf.e*.rp_filter = 1\n",
	  "net.ipv4.conf.eth0.rp_filter", "1", "1" },
	/* 13: an interface with a dot */
	{ "net.ipv4.conf.*.rp_filter = 2\n", "net.ipv4.conf.eth0/100.rp_filter", "2", "2" },
	/* 14 */
	{ "net/ipv4/conf/eth0.100/rp_filter = 1\n", "net.ipv4.conf.eth0/100.rp_filter", "1", "1" },
	/* 15 */ { "net.ipv4.conf.*.rp_filter = 2\n", "net.ipv4.conf.a.b.rp_filter", NULL, NULL },
	/* 16 */ { "vm.swappiness = 1\r\n", "vm.swappiness", "1", "1" },
	/* 17 */ { "vm.swappiness =\n", "vm.swappiness", "", "" },
	/* 18 */ { "=\n-\n-=\n. = 1\nvm.swappiness = 4", "vm.swappiness", "4", "4" },
	/* 19 */
	{ "kernel.core_pattern = |/bin/x -a=%p\n", "kernel.core_pattern", "|/bin/x -a=%p",
	  "|/bin/x -a=%p" },
};

static void expect(size_t nr, const struct fl_boot *b, enum fl_boot_reader reader, const char *key,
		   const char *value)
{
	const struct fl_boot_line *l = fl_boot_winner(b, reader, key);

	if (!l != !value || (l && strcmp(l->value, value) != 0))
		fail_msg("%zu: %s is '%s', not '%s'", nr, key, l ? l->value : "(nobody's)",
			 value ? value : "(nobody's)");
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_boot b = { 0 };

		fl_boot_parse(&b, "f", cases[i].text, strlen(cases[i].text));
		expect(i + 1, &b, FL_BOOT_SYSTEMD, cases[i].key, cases[i].systemd);
		expect(i + 1, &b, FL_BOOT_PROCPS, cases[i].key, cases[i].procps);
		fl_boot_free(&b);
	}
}

static void test_line_numbers(void **state)
{
	static const char text[] = "# one\n\nvm.swappiness = 1\nvm.\0x = 2\nvm.stat_interval = 3\n";
	struct fl_boot b = { 0 };

	(void)state;
	fl_boot_parse(&b, "f", text, sizeof(text) - 1);
	assert_int_equal(b.n, 2);
	assert_int_equal(b.lines[0].line, 3);
	assert_int_equal(b.lines[1].line, 5);
	assert_string_equal(b.lines[1].file, "f");
	fl_boot_free(&b);
}

/* ---- other platforms ---------------------------------------------------------------------------- */

#define HEAD "[Other]\nDescription = d\nDate = 2026-01-01\nSource = s\n"

static const struct {
	const char *text, *what; /* NULL: it is good */
} others[] = {
	/* 01 */ { HEAD, NULL },
	/* 02 */ { HEAD "[Value]\nKey = k.int\nValue = 07\nNote = n\n", NULL },
	/* 03 */ { "", "o:1: [Other] with Description, Date and Source is missing" },
	/* 04 */ { "[Other]\nDescription = d\nSource = s\n", "Date" },
	/* 05 */ { HEAD "Date = x\n", "o:5: Date: given twice" },
	/* 06 */ { HEAD "Colour = x\n", "o:5: Colour: unknown; [Other] has" },
	/* 07 */
	{ HEAD "Source = a\nSource = b\nSource = c\nSource = d\n", "o:8: Source: more than 4" },
	/* 08 */ { HEAD "[Value]\nValue = 1\n", "o:6: Value: a [Value] section begins with Key" },
	/* 09 */ { HEAD "[Value]\nKey = k.int\n", "o:6: k.int: Value is missing" },
	/* 10 */ { HEAD "[Value]\nKey = k.int\nValue = many\n", "o:7: Value: k.int: 'many' is not" },
	/* 11 */ { HEAD "[Value]\nKey = k.no\nValue = 1\n", "o:6: Key: k.no is not in the catalogue" },
	/* 12 */ { HEAD "[Value]\nKey = k\n", "o:6: Key: 'k' is not the name" },
	/* 13 */
	{ HEAD "[Value]\nKey = k.int\nValue = 1\n[Value]\nKey = k/int\n",
	  "o:9: Key: k/int is there already" },
	/* 14 */ { HEAD "[Value]\nKey = k.int\nValue = 1\nValue = 2\n", "o:8: Value: given twice" },
	/* 15 */ { HEAD "[Set]\nKey = k.int\n", "o:6: Key: in [Set]; there are" },
	/* 16 */ { HEAD "what\n", "o:5: neither" },
	/* 17 */ { HEAD "[Value]\nKey = k.int\nWhy = w\n", "o:7: Why: unknown; [Value] has" },
	/* 18 */ { HEAD "[Value]\nKey = k.int\nNote =\n", "o:7: Note: is empty" },
};

static void test_others(void **state)
{
	static const char text[] =
		"[Key]\nName = k.int\nDoes = x\nType = int\nScope = node\nSource = s\n";
	struct fl_catalog c = { 0 };

	(void)state;
	assert_int_equal(fl_catalog_parse(&c, "c", text, sizeof(text) - 1), 0);
	assert_int_equal(fl_catalog_check(&c), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct fl_other o;
		char *said;
		size_t len;
		int err;

		fl_msg_stream = open_memstream(&said, &len);
		err = fl_other_parse(&o, &c, "o", "o", others[i].text, strlen(others[i].text));
		fclose(fl_msg_stream);
		fl_msg_stream = NULL;
		if (!err && i == 1)
			assert_string_equal(fl_other_find(&o, "k.int")->value, "7");
		if (!err)
			fl_other_free(&o);
		if (!err != !others[i].what)
			fail_msg("%zu: %s: %s", i + 1, err ? "refused" : "taken", said);
		if (err && !strstr(said, others[i].what))
			fail_msg("%zu: said '%s'", i + 1, said);
		free(said);
	}
	fl_catalog_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_numbers),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests_name("tune boot", tests, NULL, NULL);
}
