// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/key.h"
#include "tools/lib/msg.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* RFC 7748, 6.1 */
static const char alice_private[] = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
static const char alice_public[] = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

static char dir[] = "/tmp/fairlead-key.XXXXXX";
static char *said;
static size_t said_len;

static int setup(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	fl_msg_stream = open_memstream(&said, &said_len);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	free(said);
	unlink("key");
	rmdir("d");
	assert_int_equal(chdir("/"), 0);
	rmdir(dir);
	return 0;
}

static void put(const char *text, mode_t mode)
{
	int fd = open("key", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void refused(const char *fragment)
{
	struct fl_key *key = fl_key_read_file("key");

	if (key || !strstr(said, fragment)) {
		fprintf(stderr, "expected '%s' in: %s\n", fragment, said);
		fail();
	}
	/* Not a character of what may be a key. */
	assert_null(strstr(said, "dwdtCn"));
}

static void base64(void **state)
{
	static const char *const bad[] = {
		"",
		"=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo",	/* no padding */
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC==", /* 31 bytes */
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoA", /* 33 bytes */
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo= ",
		" dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=", /* bits behind the last byte */
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC-=", /* the URL alphabet */
		"dwdtCnMYpX08FsFy\nbJmRd9ML4frwJkqsXf7pR25LCo=",
		"76076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
	};
	char text[FL_KEY_BASE64];
	struct fl_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fl_key_parse(&key, bad[i]))
			fail_msg("accepted: %s", bad[i]);
	assert_true(fl_key_parse(&key, alice_private));
	assert_string_equal(fl_key_format(&key, text), alice_private);
}

static void public_of_private(void **state)
{
	struct fl_key private_key, public_key;
	char text[FL_KEY_BASE64];

	(void)state;
	assert_true(fl_key_parse(&private_key, alice_private));
	fl_key_public(&public_key, &private_key);
	assert_string_equal(fl_key_format(&public_key, text), alice_public);
}

static void generated_are_clamped_and_differ(void **state)
{
	struct fl_key *a = fl_key_new(), *b = fl_key_new();

	(void)state;
	assert_true(fl_key_is_zero(a));
	for (int i = 0; i < 100; i++) {
		fl_key_generate(a);
		assert_int_equal(a->bytes[0] & 7, 0);
		assert_int_equal(a->bytes[31] & 0xc0, 0x40);
	}
	fl_key_generate(b);
	assert_int_not_equal(fl_key_cmp(a, b), 0);
	fl_key_free(a);
	fl_key_free(b);
	fl_key_free(NULL);
}

/* libsodium refuses to multiply points of small order: ask it whether our table is right. */
static void low_order(void **state)
{
	static const char *const points[] = {
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
		"X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
		"7P///////////////////////////////////////38=",
		"7f///////////////////////////////////////38=",
		"7v///////////////////////////////////////38=",
	};
	unsigned char scalar[32] = { 8, [31] = 0x40 }, out[32];
	struct fl_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		assert_true(fl_key_parse(&key, points[i]));
		assert_int_not_equal(crypto_scalarmult(out, scalar, key.bytes), 0);
		assert_true(fl_key_is_low_order(&key));
		key.bytes[31] |= 0x80;
		assert_true(fl_key_is_low_order(&key));
		key.bytes[5] ^= 1;
		assert_int_equal(crypto_scalarmult(out, scalar, key.bytes), 0);
		assert_false(fl_key_is_low_order(&key));
	}
	assert_true(fl_key_parse(&key, alice_public));
	assert_false(fl_key_is_low_order(&key));
}

static void file_round_trip(void **state)
{
	struct fl_key *a = fl_key_new(), *b;
	struct stat st;
	mode_t mask = umask(0777);

	(void)state;
	fl_key_generate(a);
	assert_int_equal(fl_key_write_file("key", a), 0);
	umask(mask);
	assert_int_equal(stat("key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 45);
	b = fl_key_read_file("key");
	assert_non_null(b);
	assert_int_equal(fl_key_cmp(a, b), 0);
	/* Never overwritten. */
	fl_key_generate(b);
	assert_int_equal(fl_key_write_file("key", b), -1);
	assert_non_null(strstr(said, "never overwritten"));
	fl_key_free(b);
	b = fl_key_read_file("key");
	assert_non_null(b);
	assert_int_equal(fl_key_cmp(a, b), 0);
	fl_key_free(a);
	fl_key_free(b);
}

static void white_space_is_fine(void **state)
{
	struct fl_key *key;

	(void)state;
	put("  \n\tdwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\r\n\n", 0400);
	key = fl_key_read_file("key");
	assert_non_null(key);
	fl_key_free(key);
}

static void modes(void **state)
{
	char want[64];

	(void)state;
	for (mode_t bad = 0010; bad; bad = bad == 0010 ? 0040 : bad == 0040 ? 0004 : 0) {
		put(alice_private, 0600 | bad);
		snprintf(want, sizeof(want), "mode %04o lets others", 0600 | bad);
		refused(want);
		assert_non_null(strstr(said, "chmod 600 key"));
		rewind(fl_msg_stream);
	}
}

static void contents(void **state)
{
	(void)state;
	put("", 0600);
	refused("key: empty; it must hold one private key");
	put("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n"
	    "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n",
	    0600);
	refused("not a private key; it must hold one");
	put("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo= # mine", 0600);
	refused("not a private key; it must hold one");
	put("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 0600);
	refused("not a private key; it must hold one");
	put("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=                      "
	    "                                                                  x",
	    0600);
	refused("not a private key; it must hold one");
}

static void kinds(void **state)
{
	(void)state;
	refused("key: cannot open: No such file or directory; `fairlead mesh genkey --out FILE`");
	assert_int_equal(mkfifo("key", 0600), 0);
	refused("not a regular file");
	unlink("key");
	assert_int_equal(mkdir("d", 0700), 0);
	assert_null(fl_key_read_file("d"));
	assert_non_null(strstr(said, "d: not a regular file"));
}

static void owner(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	put(alice_private, 0600);
	assert_int_equal(chown("key", 65534, 65534), 0);
	refused("belongs to user 65534, who could replace it; repair: chown root key");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(base64),    T(public_of_private), T(generated_are_clamped_and_differ),
		T(low_order), T(file_round_trip),   T(white_space_is_fine),
		T(modes),     T(contents),	    T(kinds),
		T(owner),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
