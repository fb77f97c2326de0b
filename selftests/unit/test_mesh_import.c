// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/mesh/conf.h"
#include "tools/mesh/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Private keys of bytes 8, 0, ..., 64 and 16, 0, ..., 64, and what belongs to them. */
#define PRIVATE_A "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA="
#define PUBLIC_A  "QiyOemIn17yhNQs+K7cnn3iXuHu2hUt4PGDoAxGuMHk="
#define PRIVATE_B "EAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA="
#define PUBLIC_C  "AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI="

static char *said;

static int add(struct fl_import *im, const char *path, const char *text)
{
	size_t n;
	int err;

	free(said);
	fl_msg_stream = open_memstream(&said, &n);
	err = fl_import_add(im, path, text, strlen(text));
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	return err;
}

#define A "[Interface]\nPrivateKey = " PRIVATE_A "\n"

/* Each with the first of its errors. */
static const struct {
	const char *path, *text, *error;
} broken[] = {
	{ "a.conf", "", "a.conf:1: [Interface]: without PrivateKey it is not known whose file" },
	{ "a.conf", "Address = 10.0.0.1\n", "a.conf:1: 'Address': stands before [Interface]" },
	{ "a.conf", "[Interfaces]\n", "a.conf:1: '[Interfaces]': not a section of wg-quick(8)" },
	{ "a.conf", "[Interface\n", "a.conf:1: '[Interface': not a section" },
	{ "a.conf", A "Address\n", "a.conf:3: neither a section nor KEY = VALUE" },
	{ "a.conf", A "= 3\n", "a.conf:3: neither a section nor KEY = VALUE" },
	{ "a.conf", A "Adress = 10.0.0.1\n", "a.conf:3: 'Adress': unknown key of [Interface]" },
	{ "a.conf", A "Endpoint = 1.2.3.4:5\n",
	  "a.conf:3: 'Endpoint': unknown key of [Interface]" },
	{ "a.conf", A "Address = 10.0.0.1, 10.0.0\n",
	  "a.conf:3: Address: '10.0.0' is not an addr" },
	{ "a.conf", A "Address = 10.0.0.1/33\n",
	  "a.conf:3: Address: '10.0.0.1/33' is not an addr" },
	{ "a.conf", A "ListenPort = 65536\n", "a.conf:3: ListenPort: '65536' is not a port" },
	{ "a.conf", A "MTU = 80\n", "a.conf:3: MTU: '80' is not an MTU; write 576 to 65455" },
	{ "a.conf", "[Interface]\nPrivateKey = secret\n",
	  "a.conf:2: PrivateKey: not a key: 44 char" },
	{ "a.conf", A "[Peer]\nAllowedIPs = 10.0.0.2/32\n", "a.conf:3: [Peer]: has no PublicKey" },
	{ "a.conf", A "[Peer]\n[Peer]\nPublicKey = " PUBLIC_C "\n",
	  "a.conf:3: [Peer]: has no PublicKey" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nPublicKey = " PUBLIC_C "\n",
	  "a.conf:5: PublicKey: given again in one [Peer]" },
	{ "a.conf", A "[Peer]\nPublicKey = x\n", "a.conf:4: PublicKey: not a key: 44" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nAllowedIPs = 0.0.0.0/0\n",
	  "a.conf:5: AllowedIPs: '0.0.0.0/0' sends everything to this peer" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nAllowedIPs = x\n",
	  "a.conf:5: AllowedIPs: 'x' is not an address" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nEndpoint = 1.2.3.4\n",
	  "a.conf:5: Endpoint: '1.2.3.4' is not an endpoint" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nEndpoint = 2001:db8::1:5\n",
	  "a.conf:5: Endpoint: '2001:db8::1:5' is not an endpoint; write HOST:PORT or [IPv6]" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nEndpoint = a b:5\n",
	  "a.conf:5: Endpoint: 'a b' is neither" },
	{ "a.conf", A "[Peer]\nPublicKey = " PUBLIC_C "\nPersistentKeepalive = 1h\n",
	  "a.conf:5: PersistentKeepalive: '1h' is not a time" },
	{ "dir/my node.conf", A, "dir/my node.conf:1: 'my node' is no name for a node" },
};

static void broken_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct fl_import *im = fl_import_new();
		char *want = fl_asprintf("fairlead: %s", broken[i].error);

		if (!add(im, broken[i].path, broken[i].text) ||
		    strncmp(said, want, strlen(want)) != 0)
			fail_msg("%s\nwanted: %s\nsaid: %s", broken[i].text, want, said);
		assert_null(strstr(said, PRIVATE_A));
		assert_null(strstr(said, "secret"));
		free(want);
		fl_import_free(im);
	}
}

static void same_key_twice(void **state)
{
	struct fl_import *im = fl_import_new();

	(void)state;
	assert_int_equal(add(im, "a.conf", A), 0);
	assert_int_equal(add(im, "b.conf", A), -1);
	assert_non_null(strstr(said, "b.conf:1: has the key of node \"a\"; each node has its own"));
	fl_import_free(im);
}

static void whole_mesh(void **state)
{
	struct fl_import *im = fl_import_new();
	struct fl_mesh *mesh;
	char *text;

	(void)state;
	assert_int_equal(add(im, "/etc/a.conf",
			     "# mine\r\n[interface]\r\n"
			     "privatekey=" PRIVATE_A " # do not show\r\n"
			     "Address = 10.0.0.1/24,fd00::1/64\nListenPort = 1234\nMTU = 1400\n"
			     "DNS = 9.9.9.9\nPostUp = iptables -A FORWARD\nPostUp = more\n"
			     "PreSharedKey = x\n"
			     "[Peer]\n# gateway\nPublicKey = " PUBLIC_C "\n"
			     "Endpoint = gw.example:1234\nPresharedKey = " PRIVATE_B "\n"
			     "AllowedIPs = 10.0.0.3/32, 10.3.0.9/16, fd00::3/128\n"
			     "AllowedIPs =\n"
			     "PersistentKeepalive = 25\n"),
			 0);
	assert_non_null(strstr(said, "a.conf:8: PostUp is left out: no commands are run"));
	assert_null(strstr(said, "a.conf:9"));
	assert_non_null(strstr(said, ": PresharedKey is left out"));
	assert_int_equal(add(im, "b.conf",
			     "[Interface]\nPrivateKey = " PRIVATE_B "\nAddress = 10.0.0.2/24\n"
			     "ListenPort = 1234\n"
			     "[Peer]\nPublicKey = " PUBLIC_A
			     "\nAllowedIPs = 10.0.0.1/32, 10.1.0.0/16\n"
			     "Endpoint = 192.0.2.1:1234\n"
			     "[Peer]\nPublicKey = " PUBLIC_A "\nEndpoint = [2001:db8::1]:99\n"),
			 0);
	text = fl_import_text(im);
	assert_null(strstr(text, PRIVATE_A));
	assert_null(strstr(text, PRIVATE_B));
	mesh = fl_mesh_parse("m", text, strlen(text));
	if (!mesh)
		fail_msg("%s", text);
	assert_int_equal(mesh->listen_port, 1234);
	assert_int_equal(mesh->n_nodes, 3);
	assert_string_equal(mesh->nodes[0].name, "a");
	assert_string_equal(mesh->nodes[1].name, "b");
	assert_string_equal(mesh->nodes[2].name, "gateway");
	assert_int_equal(mesh->nodes[0].n_addresses, 2);
	assert_int_equal(mesh->nodes[0].n_pod_cidrs, 1);
	assert_int_equal(mesh->nodes[0].n_endpoints, 2);
	assert_int_equal(mesh->nodes[0].endpoints[0].port, 1234);
	assert_int_equal(mesh->nodes[0].endpoints[1].port, 99);
	assert_int_equal(mesh->nodes[0].mtu, 1400);
	assert_int_equal(mesh->nodes[0].keepalive, 25);
	assert_int_equal(mesh->nodes[1].keepalive, 0);
	assert_int_equal(mesh->nodes[2].n_addresses, 2);
	assert_int_equal(mesh->nodes[2].n_pod_cidrs, 1);
	assert_int_equal(mesh->nodes[2].pod_cidrs[0].len, 16);
	assert_string_equal(mesh->nodes[2].endpoints[0].host, "gw.example");
	fl_mesh_free(mesh);
	free(text);
	fl_import_free(im);
}

/* A file that names a file for its key, as `mesh export` writes it. */
static void public_key_in_a_comment(void **state)
{
	struct fl_import *im = fl_import_new();
	char *text;

	(void)state;
	assert_int_equal(add(im, "c.conf",
			     "[Interface]\n# PublicKey = " PUBLIC_C "\nAddress = 10.0.0.3\n"),
			 0);
	text = fl_import_text(im);
	assert_non_null(strstr(text, "[Node \"c\"]\nPublicKey = " PUBLIC_C "\n"));
	free(text);
	fl_import_free(im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_files),
		cmocka_unit_test(same_key_twice),
		cmocka_unit_test(whole_mesh),
		cmocka_unit_test(public_key_in_a_comment),
	};

	return cmocka_run_group_tests_name("mesh_import", tests, NULL, NULL);
}
