// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/mesh/mesh.h"
#include "tools/mesh/psk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fl_key numbers(uint8_t from)
{
	struct fl_key k;

	for (unsigned int i = 0; i < sizeof(k.bytes); i++)
		k.bytes[i] = from + i;
	return k;
}

/* Made with another BLAKE2b: hashlib.blake2b(bytes(range(32)) + bytes(range(100, 132)),
 * digest_size=32, key=bytes(range(200, 232)), person=b"fairlead psk 1"). */
static void derive(void **state)
{
	static const struct fl_key want = { { 0x92, 0x5d, 0xa6, 0x59, 0xff, 0xc1, 0x4f, 0x10,
					      0x9b, 0xc7, 0x73, 0x81, 0x0b, 0xf2, 0xdd, 0x22,
					      0x0d, 0xee, 0x7a, 0x92, 0xb5, 0x08, 0xf6, 0xbd,
					      0x86, 0xe3, 0xb8, 0xc0, 0x83, 0xd7, 0x2a, 0x9a } };
	const struct fl_key secret = numbers(200), a = numbers(0), b = numbers(100);
	struct fl_key psk;

	(void)state;
	fl_psk_derive(&psk, &secret, &a, &b);
	assert_memory_equal(&psk, &want, sizeof(psk));
	fl_psk_derive(&psk, &secret, &b, &a);
	assert_memory_equal(&psk, &want, sizeof(psk));
}

#define NODE(name, key) "[Node \"" name "\"]\nPublicKey = " key "\n"
#define A		NODE("a", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=")
#define B		NODE("b", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=")
#define C		NODE("c", "AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=")

static char *said;

/* What a node's lane 0 and 1 get. */
static int fill(const char *text, const char *path, struct fl_plan *want)
{
	struct fl_mesh *mesh = fl_mesh_parse("m", text, strlen(text));
	size_t n;
	int err;

	assert_non_null(mesh);
	fl_plan_init(want);
	for (unsigned int lane = 0; lane < 2; lane++) {
		struct fl_lane *l = &want->lanes[lane];

		l->peers = fl_zalloc(2 * sizeof(*l->peers));
		for (size_t i = 1; i < mesh->n_nodes; i++) {
			l->peers[l->n_peers].node = &mesh->nodes[i];
			l->peers[l->n_peers++].public_key = mesh->nodes[i].public_key;
		}
	}
	fl_mesh_opt_psk = path;
	free(said);
	fl_msg_stream = open_memstream(&said, &n);
	err = fl_psk_fill(mesh, &mesh->nodes[0], want);
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	fl_mesh_free(mesh);
	return err;
}

static void sources(void **state)
{
	char dir[] = "/tmp/fairlead-psk.XXXXXX", *b, *c;
	struct fl_key key = numbers(3), other = numbers(4);
	struct fl_plan want;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	b = fl_asprintf("%s/b", dir);
	c = fl_asprintf("%s/c", dir);
	assert_int_equal(fill(A B C, dir, &want), 0);
	assert_null(want.lanes[0].peers[0].psk);
	fl_plan_free(&want);

	/* All that are missing are named. */
	assert_int_equal(fill("[Mesh]\nPresharedKeys = files\n" A B C, dir, &want), -1);
	assert_non_null(strstr(said, "/b: cannot open: No such file or directory; `fairlead mesh "
				     "genpsk --out FILE` makes one"));
	assert_non_null(strstr(said, "/c: cannot open"));
	fl_plan_free(&want);

	assert_int_equal(fl_key_write_file(b, &key), 0);
	assert_int_equal(fl_key_write_file(c, &other), 0);
	assert_int_equal(fill("[Mesh]\nPresharedKeys = files\n" A B C, dir, &want), 0);
	for (unsigned int lane = 0; lane < 2; lane++) {
		assert_memory_equal(want.lanes[lane].peers[0].psk, &key, sizeof(key));
		assert_memory_equal(want.lanes[lane].peers[1].psk, &other, sizeof(other));
	}
	fl_plan_free(&want);

	assert_int_equal(fill("[Mesh]\nPresharedKeys = derived\n" A B C, b, &want), 0);
	assert_memory_not_equal(want.lanes[0].peers[0].psk, want.lanes[0].peers[1].psk,
				sizeof(key));
	assert_memory_equal(want.lanes[0].peers[1].psk, want.lanes[1].peers[1].psk, sizeof(key));
	fl_plan_free(&want);

	/* Others must not be able to read it, and it must be one. */
	assert_int_equal(stat(b, &st), 0);
	assert_int_equal(chmod(b, 0640), 0);
	assert_int_equal(fill("[Mesh]\nPresharedKeys = derived\n" A B C, b, &want), -1);
	assert_non_null(strstr(said, "mode 0640 lets others use the preshared key or mesh secret; "
				     "repair: chmod 600"));
	fl_plan_free(&want);
	assert_int_equal(truncate(b, 0), 0);
	assert_int_equal(chmod(b, 0600), 0);
	assert_int_equal(fill("[Mesh]\nPresharedKeys = derived\n" A B C, b, &want), -1);
	assert_non_null(strstr(said, "/b: empty; it must hold one preshared key or mesh secret"));
	fl_plan_free(&want);
	unlink(b);
	unlink(c);
	rmdir(dir);
	free(b);
	free(c);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derive),
		cmocka_unit_test(sources),
	};

	return cmocka_run_group_tests_name("mesh_psk", tests, NULL, NULL);
}
