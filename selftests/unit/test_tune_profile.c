// SPDX-License-Identifier: GPL-2.0
/* Catalogue and profiles: what is taken, and the one line that says what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/file.h"
#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/tune/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *said;
static size_t said_len;

static void listen_start(void)
{
	fl_msg_stream = open_memstream(&said, &said_len);
}

static void listen_stop(void)
{
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
}

#define KEY(rest) "[Key]\nName = a.b\nDoes = x\nType = int\nScope = node\nSource = s\n" rest

static const struct {
	const char *text, *what; /* what NULL: it is good */
} catalogs[] = {
	/* 01 */ { "", NULL },
	/* 02 */ { KEY(""), NULL },
	/* 03 */
	{ KEY("[Key]\nName = a.c\nDoes = x\nType = ints 3\nScope = netns-reset\nSource = s\n"),
	  NULL },
	/* 04 */ { "Name = a.b\n", "c:1: Name: belongs to no [Key]" },
	/* 05 */ { "[Kye]\nName = a.b\n", "c:2: Name: belongs to no [Key]" },
	/* 06 */ { "[Key]\nDoes = x\n", "c:2: Does: a [Key] section begins with Name" },
	/* 07 */ { "[Key]\nName = ab\n", "c:2: Name: 'ab' is not the name" },
	/* 08 */ { "[Key]\nName = a.b\n", "c:2: a.b: Does is missing" },
	/* 09 */ { "[Key]\nName = a.b\nDoes = x\n", "c:2: a.b: Type is missing" },
	/* 10 */ { "[Key]\nName = a.b\nDoes = x\nType = int\n", "c:2: a.b: Scope is missing" },
	/* 11 */ { "[Key]\nName = a.b\nDoes = x\nType = int\nScope = node\n", "Source is missing" },
	/* 12 */ { KEY("[Key]\nName = a/b\n"), "c:8: Name: a.b is already described at c:2" },
	/* 13 */ { KEY("Does = y\n"), "c:7: Does: given twice" },
	/* 14 */ { KEY("Type = int\n"), "c:7: Type: given twice" },
	/* 15 */ { KEY("Colour = red\n"), "c:7: Colour: unknown field" },
	/* 16 */ { KEY("Range = 1\n"), "c:7: Range: '1' is not a range" },
	/* 17 */ { KEY("Range = 2..1\n"), "is not a range" },
	/* 18 */ { KEY("Range = a..b\n"), "is not a range" },
	/* 19 */ { KEY("Rounded = maybe\n"), "c:7: Rounded: 'maybe' is neither yes nor no" },
	/* 20 */ { KEY("Cost = -1\n"), "c:7: Cost: '-1' is not a count" },
	/* 21 */ { KEY("Since = six\n"), "c:7: Since: 'six' is not a version" },
	/* 22 */ { KEY("Since = 6.1.2\n"), "is not a version" },
	/* 23 */ { KEY("Writer = kubelet\n"), "c:7: Writer: wants 'WHO: HOW" },
	/* 24 */ { KEY("After = a.z\n"), "After names a.z, which is not in the catalogue" },
	/* 25 */ { KEY("After = a.b\n"), "c:2: a.b: After leads back to itself" },
	/* 26 */ { KEY("After = ..\n"), "c:7: After: '..' is not the name" },
	/* 27 */ { "[Key]\nName = a.b\nType = float\n", "c:3: Type: 'float' is not known" },
	/* 28 */ { "[Key]\nName = a.b\nType = ints\n", "c:3: Type: say how many" },
	/* 29 */ { "[Key]\nName = a.b\nType = ints 99\n", "c:3: Type: from 2 to 8" },
	/* 30 */ { "[Key]\nName = a.b\nScope = galaxy\n", "c:3: Scope: 'galaxy' is not known" },
	/* 31 */ { KEY("Unit =\n"), "c:7: Unit: is empty" },
	/* 32 */ { KEY("nonsense\n"), "c:7: neither [Section] nor Name = value" },
	/* 33 */ { KEY("[Key\n"), "c:7: neither [Section] nor Name = value" },
	/* 34 */
	{ KEY("After = a.b\nAfter = a.b\nAfter = a.b\nAfter = a.b\nAfter = a.b\n"),
	  "c:11: After: more than 4" },
	/* 35 */ { KEY("Default = 5\nDefault = 7 since 6.12\n"), NULL },
	/* 36 */ { KEY("Default = (by memory)\n"), NULL },
	/* 37 */ { KEY("Default = (by memory\n"), "c:7: Default: what it depends on stands between" },
	/* 38 */ { KEY("Default = many\n"), "c:2: a.b: Default: 'many' is not one whole number" },
	/* 39 */ { KEY("Default = 1 since six\n"), "c:7: Default: 'six' is not a version" },
	/* 40 */
	{ KEY("Default = 1\nDefault = 2\nDefault = 3\nDefault = 4\n"), "Default: more than 3" },
	/* 41 */ { KEY("Irrevocable = 1\n"), NULL },
	/* 42 */ { KEY("Irrevocable = any\n"), NULL },
	/* 43 */ { KEY("Irrevocable = yes\n"), "c:2: a.b: Irrevocable: 'yes' is not one whole" },
	/* 44 */ { KEY("Effective = own\n"), "c:2: a.b: Effective is for keys with '*' only" },
	/* 45 */ { KEY("Effective = mean\n"), "c:7: Effective: 'mean' is not known" },
	/* 46 */
	{ "[Key]\nName = a.*\nDoes = x\nType = int\nScope = node\nSource = s\n",
	  "c:2: a.*: Effective is missing" },
	/* 47 */ { KEY("PodSafe = yes\n"), "c:7: PodSafe: 'yes' is not a version" },
	/* 48 */ { KEY("Optional = perhaps\n"), "c:7: Optional: 'perhaps' is neither yes nor no" },
	/* 50 */ { KEY("Scope = netns-reset\n"), "c:7: Scope: given twice" },
	/* 51 */ { KEY("Scope = netns-reset since 6.8\n"), NULL },
	/* 52 */ { KEY("Scope = netns-reset since then\n"), "c:7: Scope: 'then' is not a version" },
	/* 49 */ { KEY("Note = a\nNote = b\n"), "c:8: Note: given twice" },
};

static void test_catalogs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(catalogs) / sizeof(*catalogs); i++) {
		struct fl_catalog c = { 0 };
		int err;

		listen_start();
		err = fl_catalog_parse(&c, "c", catalogs[i].text, strlen(catalogs[i].text));
		if (!err)
			err = fl_catalog_check(&c);
		listen_stop();
		fl_catalog_free(&c);
		if (!err != !catalogs[i].what)
			fail_msg("%zu: %s: %s", i + 1, err ? "refused" : "taken", said);
		if (err && !strstr(said, catalogs[i].what))
			fail_msg("%zu: said '%s'", i + 1, said);
		free(said);
	}
}

/* ---- profiles ----------------------------------------------------------------------------------- */

static char dir[] = "/tmp/fairlead-profile.XXXXXX";
static struct fl_catalog catalog;

static const char catalog_text[] =
	"[Key]\nName = k.int\nDoes = x\nType = int\nRange = 0..9\nScope = node\nSource = s\n"
	"[Key]\nName = k.str\nDoes = x\nType = string\nScope = node\nSource = s\n"
	"[Key]\nName = k.ports\nDoes = x\nType = ports\nScope = node\nSource = s\n"
	"[Key]\nName = k.conf.*.f\nDoes = x\nType = int\nScope = node\nEffective = own\nSource = s\n"
	"[Key]\nName = k.conf.all.f\nDoes = exact\nType = int\nScope = node\nSource = s\n";

static void put(const char *name, const char *text)
{
	char *path = fl_asprintf("%s/profiles/%s.conf", dir, name);

	assert_int_equal(fl_file_write(path, text, strlen(text), 0600), 0);
	free(path);
}

static int setup(void **state)
{
	char *sub;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	sub = fl_asprintf("%s/profiles", dir);
	mkdir(sub, 0700);
	free(sub);
	setenv("FAIRLEAD_DATADIR", dir, 1);
	if (fl_catalog_parse(&catalog, "c", catalog_text, strlen(catalog_text)))
		return -1;
	return fl_catalog_check(&catalog);
}

static int teardown(void **state)
{
	static const char *const all[] = { "base",   "one",  "two",   "loop-a",
					   "loop-b", "self", "broken" };
	char *sub;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char *path = fl_asprintf("%s/profiles/%s.conf", dir, all[i]);

		unlink(path);
		free(path);
	}
	fl_catalog_free(&catalog);
	sub = fl_asprintf("%s/profiles", dir);
	rmdir(sub);
	free(sub);
	return rmdir(dir);
}

#define HEAD	  "[Profile]\nDescription = d\n"
#define SET(k, v) "[Set]\nKey = " k "\nValue " v "\nWhy = w\n"

static const struct {
	const char *text, *what;
} profiles[] = {
	/* 01 */ { HEAD, NULL },
	/* 02 */ { HEAD SET("k.int", "= 1"), NULL },
	/* 03 */ { HEAD SET("k/int", ">= 1"), NULL },
	/* 04 */ { HEAD SET("k.conf.eth0/5.f", "= 1"), NULL },
	/* 05 */ { HEAD SET("k.ports", "="), NULL },
	/* 06 */ { "", "p:1: [Profile] with a Description is missing" },
	/* 07 */ { SET("k.int", "= 1"), "p:1: [Profile] with a Description is missing" },
	/* 08 */ { HEAD "Colour = red\n", "p:3: Colour: unknown; [Profile] has" },
	/* 09 */ { HEAD "Description = e\n", "p:3: Description: given twice" },
	/* 10 */ { HEAD "[Set]\nValue = 1\n", "p:4: Value: a [Set] section begins with Key" },
	/* 11 */ { HEAD "[Set]\nKey = k.int\n", "p:4: k.int: Value = (or Value >=) is missing" },
	/* 12 */
	{ HEAD "[Set]\nKey = k.int\nValue = 1\n",
	  "p:4: k.int: Why, the reason for the value, is missing" },
	/* 13 */ { HEAD "[Set]\nKey = k.int\nWhy = w\n" SET("k.str", "= a"), "p:4: k.int: Value" },
	/* 14 */ { HEAD SET("k.int", "= 1") SET("k/int", "= 2"), "p:8: k.int: already set in line 4" },
	/* 15 */ { HEAD SET("k.nope", "= 1"), "p:4: k.nope: not in the catalogue" },
	/* 16 */ { HEAD SET("k", "= 1"), "p:4: Key: 'k' is not the name of a kernel parameter" },
	/* 17 */ { HEAD SET("k.conf.eth*.f", "= 1"), NULL },
	/* 18 */ { HEAD SET("k.int", "="), "p:5: k.int: Value is empty" },
	/* 19 */ { HEAD "[Set]\nKey = k.int\nValue = 1\nWhy =\n", "p:6: k.int: Why is empty" },
	/* 20 */ { HEAD SET("k.str", ">= a"), "p:5: k.str: a string cannot be raised" },
	/* 21 */
	{ HEAD "[Set]\nKey = k.int\nValue = 1\nValue >= 2\n",
	  "p:6: Value >: given twice for k.int" },
	/* 22 */ { HEAD "[Set]\nKey = k.int\nWert = 1\n", "p:5: Wert: unknown; [Set] has" },
	/* 23 */ { HEAD "[Sett]\nKey = k.int\n", "p:4: Key: in [Sett]; a profile has" },
	/* 24 */ { "Key = k.int\n", "p:1: Key: in []" },
	/* 25 */ { HEAD "garbage\n", "p:3: neither [Section] nor Name = value" },
	/* 26 */
	{ HEAD "Include = ../../etc/passwd\n", "p:3: Include: '../../etc/passwd' is not the name" },
	/* 27 */ { HEAD "Include = nope\n", "no profile 'nope'" },
	/* 28 */ { HEAD "Include = loop-a\n", "Include: loop-a includes itself by way of others" },
	/* 29 */ { HEAD "Include = self\n", "Include: self includes itself; remove" },
	/* 30 */ { HEAD "Include = p\n", "p:3: Include: p includes itself; remove" },
	/* 31 */ { HEAD "Include = broken\n", "broken.conf:3: neither" },
	/* 32 */ { HEAD "Include = one, two base\n", NULL },
	/* 33 */
	{ HEAD "[Set]\nKey = k.conf.eth0.100.f\nValue = 1\nWhy = w\n", "not in the catalogue" },
	/* 34 */ { HEAD SET("k.conf.@ra.f", "= 1"), NULL },
	/* 35 */ { HEAD SET("k.conf.@up.f", "= 1"), "p:4: k.conf.@up.f: no such class of interfaces" },
	/* 36 */ { HEAD SET("k.in*", "= 1"), "p:4: k.in*: not in the catalogue" },
	/* 37 */
	{ HEAD SET("k.conf.e*.f", "= 1") SET("k.conf.e*.f", "= 2"),
	  "p:8: k.conf.e*.f: already set" },
};

static void test_profiles(void **state)
{
	(void)state;
	put("base", HEAD SET("k.int", "= 1") SET("k.str", "= base"));
	put("one", HEAD "Include = base\n" SET("k.int", "= 2"));
	put("two", HEAD "Include = base\n" SET("k.conf.all.f", "= 3"));
	put("loop-a", HEAD "Include = loop-b\n");
	put("loop-b", HEAD "Include = loop-a\n");
	put("self", HEAD "Include = self\n");
	put("broken", HEAD "what\n");
	for (size_t i = 0; i < sizeof(profiles) / sizeof(*profiles); i++) {
		struct fl_profiles p = { 0 };
		int err;

		listen_start();
		err = fl_profiles_parse(&p, &catalog, "p", "p", profiles[i].text,
					strlen(profiles[i].text));
		listen_stop();
		fl_profiles_free(&p);
		if (!err != !profiles[i].what)
			fail_msg("%zu: %s: %s", i + 1, err ? "refused" : "taken", said);
		if (err && !strstr(said, profiles[i].what))
			fail_msg("%zu: said '%s'", i + 1, said);
		free(said);
	}
}

static const struct fl_setting *setting(const struct fl_profiles *p, const char *name)
{
	for (int i = 0; i < p->n_settings; i++)
		if (!strcmp(p->settings[i].name, name))
			return &p->settings[i];
	return NULL;
}

/* The later wins, and whoever includes comes after what it includes, which is merged only once. */
static void test_merge(void **state)
{
	struct fl_profiles p = { 0 };

	(void)state;
	assert_int_equal(fl_profiles_add(&p, &catalog, "one"), 0);
	assert_int_equal(fl_profiles_add(&p, &catalog, "two"), 0);
	assert_int_equal(fl_profiles_add(&p, &catalog, "base"), 0);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.list[0].name, "base");
	assert_string_equal(p.list[1].name, "one");
	assert_string_equal(p.list[2].name, "two");
	assert_int_equal(p.n_settings, 3);
	assert_string_equal(setting(&p, "k.int")->value, "2");
	assert_string_equal(setting(&p, "k.int")->profile, "one");
	assert_string_equal(setting(&p, "k.str")->value, "base");
	assert_string_equal(setting(&p, "k.conf.all.f")->key->does, "exact");
	fl_profiles_free(&p);
}

static void test_continued_lines(void **state)
{
	const char text[] =
		"# c\n[Profile]\nDescription = a\n\tb ; comment\n  c\n\n[Set]\nKey = k.int\n"
		"Value >= max(1,\n\t2)\nWhy = one\n\t# not this\n\ttwo\n";
	struct fl_profiles p = { 0 };

	(void)state;
	assert_int_equal(fl_profiles_parse(&p, &catalog, "p", "p", text, strlen(text)), 0);
	assert_string_equal(p.list[0].description, "a b c");
	assert_string_equal(p.settings[0].value, "max(1, 2)");
	assert_true(p.settings[0].raise);
	assert_string_equal(p.settings[0].why, "one two");
	assert_int_equal(p.settings[0].line, 8);
	fl_profiles_free(&p);
}

/* What libinih would cut silently. */
static void test_cut_lines(void **state)
{
	char *text = fl_asprintf(HEAD "[Set]\nKey = k.int\nValue = 1\nWhy = %0300d\n", 0);
	struct fl_profiles p = { 0 };

	(void)state;
	listen_start();
	assert_int_equal(fl_profiles_parse(&p, &catalog, "p", "p", text, strlen(text)), -1);
	text[20] = '\0';
	assert_int_equal(fl_profiles_parse(&p, &catalog, "p", "p", text, 60), -1);
	listen_stop();
	assert_non_null(strstr(said, "p:6: line longer than"));
	assert_non_null(strstr(said, "p:2: contains a NUL byte"));
	free(said);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_catalogs),  cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_merge),	  cmocka_unit_test(test_continued_lines),
		cmocka_unit_test(test_cut_lines),
	};

	return cmocka_run_group_tests_name("tune profiles", tests, setup, teardown);
}
