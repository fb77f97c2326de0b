// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/mem.h"
#include "tools/lib/msg.h"
#include "tools/mesh/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K1 "X/5jH0YTioLCV110W3lHnIK7jqw7Ai/tIbk4+9EVG0E="
#define K2 "5giMnptitAWRS78avh+9lInwo4/uN1Wy9QQyKNDUaDI="
#define K3 "OGb/W8u4255f5k9z1xyLCmJ0a7ts9kUXj0r/PFJku5Q="

/* One node, five lines, to put a line behind. */
#define NODE_A "[Node \"a\"]\nPublicKey = " K1 "\n"
#define NODE_B "[Node \"b\"]\nPublicKey = " K2 "\n"

#define X10    "xxxxxxxxxx"
#define X60    X10 X10 X10 X10 X10 X10
#define X180   X60 X60 X60

static char *said;

static struct fl_mesh *parse(const char *text, size_t len)
{
	struct fl_mesh *mesh;
	size_t n;

	free(said);
	fl_msg_stream = open_memstream(&said, &n);
	mesh = fl_mesh_parse("m", text, len);
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	return mesh;
}

/* ---- broken files: each with all of its errors, in this order, and no other ---- */

struct broken {
	const char *text;
	const char *errors[4];
	size_t len; /* 0: strlen(text) */
};

static const struct broken broken[] = {
	/* lines */
	{ "", { "m:1: [Node]: no node in this file; write a [Node" } },
	{ "# nothing\n\n; at all\n", { "m:3: [Node]: no node in this file" } },
	{ "[Mesh]\nName = x\n", { "m:2: [Node]: no node in this file" } },
	{ "ListenPort = 1\n" NODE_A, { "m:1: 'ListenPort': stands before the first section" } },
	{ NODE_A "Endpoint\n", { "m:3: line: neither a section nor KEY = VALUE" } },
	{ NODE_A "Endpoint", { "m:3: line: neither a section nor KEY = VALUE" } },
	{ "[Mesh]\nfoo\nbar\n" NODE_A, { "m:2: line: neither", "m:3: line: neither" } },
	{ NODE_A "Address = 10.0.0.1\0x\n", { "m:3: line: holds a NUL byte" }, 88 },
	{ "[\0M\0e\0s\0h\0]\0\n\0", { "m:1: line: holds a NUL byte", "m:1: [Node]: no node" }, 14 },
	{ NODE_A "Address = 10.0\x01.0.1\n", { "m:3: line: holds the control character 0x01" } },
	{ NODE_A "Address = 10.0.0.1\rPodCIDR = 10.1.0.0/24\n",
	  { "m:3: line: holds the control character 0x0d" } },
	{ NODE_A "Address\x7f = 10.0.0.1\n", { "m:3: line: holds the control character 0x7f" } },
	{ NODE_A "Endpoint = " X180 "123456789\n",
	  { "m:3: line: is 200 characters long, 198 are allowed; give Endpoint, Address or PodCIDR again" } },
	{ "[Node \"" X180 X10 X10 "\"]\nPublicKey = " K1 "\n" NODE_B,
	  { "m:1: line: is 209 characters long", "m:2: 'PublicKey': stands before the first" } },
	{ "[Node \"a\"]\nPublicKey = " X180 X60 "\n", { "m:2: line: is 252 characters long" } },

	/* sections */
	{ "[Mesh\n" NODE_A, { "m:1: '[Mesh': a section ends with ]" } },
	{ "[\n" NODE_A, { "m:1: '[': a section ends with ]" } },
	{ "[]\n" NODE_A, { "m:1: '[]': unknown section; there are [Mesh] and [Node" } },
	{ "[Meshes]\nfoo = bar\n" NODE_A, { "m:1: '[Meshes]': unknown section; there are" } },
	{ "[Mesh] x\n" NODE_A, { "m:1: '[Mesh] x': a section ends with ]" } },
	{ "[Mesh x]\n" NODE_A, { "m:1: '[Mesh x]': unknown section" } },
	{ "[Interface]\nAddress = 10.0.0.1\n" NODE_A,
	  { "m:1: '[Interface]': unknown section; write [Mesh] for it" } },
	{ "[Peer]\n" NODE_A, { "m:1: '[Peer]': unknown section; write [Node \"NAME\"] for it" } },
	{ "[Mesh]\nName = x\n[Mesh]\nMTU = 1400\n" NODE_A,
	  { "m:3: [Mesh]: given again (first in line 1)" } },
	{ "[Node a]\nPublicKey = " K1 "\n" NODE_B, { "m:1: [Node]: its name stands in quotes" } },
	{ "[Node]\nPublicKey = " K1 "\n" NODE_B, { "m:1: [Node]: its name stands in quotes" } },
	{ "[Node \"a]\n" NODE_B, { "m:1: [Node]: its name stands in quotes" } },
	{ "[Node \"a\" x]\n" NODE_B, { "m:1: [Node]: its name stands in quotes" } },
	{ "[Node \"\"]\nPublicKey = " K1 "\n",
	  { "m:1: [Node]: '' is not a name; a name has 1 to 63" } },
	{ "[Node \"a b\"]\nPublicKey = " K1 "\n", { "m:1: [Node]: 'a b' is not a name" } },
	{ "[Node \"n\xc3\xb6\"]\nPublicKey = " K1 "\n", { "m:1: [Node]: 'n\?\?' is not a name" } },
	{ "[Node \"" X60 "xxxx\"]\nPublicKey = " K1 "\n", { "m:1: [Node]: 'xxxx" } },
	{ NODE_A "[Node \"a\"]\nPublicKey = " K2 "\n",
	  { "m:3: [Node]: a second node \"a\" (first in line 1)" } },

	/* keys */
	{ NODE_A "Enpoint = 192.0.2.1\n",
	  { "m:3: 'Enpoint': unknown key; did you mean Endpoint?" } },
	{ NODE_A "podcird = 10.1.0.0/24\n",
	  { "m:3: 'podcird': unknown key; did you mean PodCIDR?" } },
	{ NODE_A "Colour = red\n", { "m:3: 'Colour': unknown key; [Node] has PublicKey" } },
	{ "[Mesh]\nColour = red\n" NODE_A, { "m:2: 'Colour': unknown key; [Mesh] has Name" } },
	{ NODE_A "Add\x1b[31mress = x\n", { "m:3: line: holds the control character 0x1b" } },
	{ NODE_A "AllowedIPs = 0.0.0.0/0\n",
	  { "m:3: AllowedIPs: unknown key; a node's allowed IPs are its Address and PodCIDR" } },
	{ NODE_A "PrivateKey = " K3 "\n",
	  { "m:3: PrivateKey: unknown key; a mesh file is the same" } },
	{ NODE_A "PostUp = rm -rf /\n", { "m:3: PostUp: unknown key; no commands are run" } },
	{ NODE_A "Strict = no\n", { "m:3: Strict: belongs in [Mesh], not here" } },
	{ "[Mesh]\nPodCIDR = 10.1.0.0/24\n" NODE_A,
	  { "m:2: PodCIDR: belongs in a [Node], not here" } },
	{ NODE_A "PublicKey = " K2 "\n", { "m:3: PublicKey: given again (first in line 2)" } },
	{ "[Mesh]\nMTU = 1400\nmtu = 1400\n" NODE_A,
	  { "m:3: MTU: given again (first in line 2)" } },
	{ NODE_A "Endpoint =\n", { "m:3: Endpoint: has no value" } },
	{ NODE_A "Address = # soon\n", { "m:3: Address: has no value" } },
	{ NODE_A "= 3\n", { "m:3: '': unknown key" } },

	/* [Mesh] */
	{ "[Mesh]\nName = my mesh\n" NODE_A, { "m:2: Name: 'my mesh' is not a name" } },
	{ "[Mesh]\nListenPort = 0\n" NODE_A,
	  { "m:2: ListenPort: '0' is not a port; write a number" } },
	{ "[Mesh]\nListenPort = 65536\n" NODE_A, { "m:2: ListenPort: '65536' is not a port" } },
	{ "[Mesh]\nListenPort = 99999999999999999999\n" NODE_A, { "m:2: ListenPort: '999" } },
	{ "[Mesh]\nListenPort = -1\n" NODE_A, { "m:2: ListenPort: '-1' is not a port" } },
	{ "[Mesh]\nListenPort = 0x10\n" NODE_A, { "m:2: ListenPort: '0x10' is not a port" } },
	{ "[Mesh]\nListenPort = 51820 51821\n" NODE_A,
	  { "m:2: ListenPort: '51820 51821' is not" } },
	{ "[Mesh]\nLanes = 0\n" NODE_A, { "m:2: Lanes: '0' is not a number of lanes" } },
	{ "[Mesh]\nLanes = 17\n" NODE_A,
	  { "m:2: Lanes: '17' is not a number of lanes; write 1 to 16" } },
	{ "[Mesh]\nListenPort = 65530\nLanes = 8\n" NODE_A,
	  { "m:2: ListenPort: 65530 and the 7 ports after it, one a lane, go beyond 65535; "
	    "write at most 65528" } },
	{ "[Mesh]\nListenPort = 65530\nLanes = auto\n" NODE_A "CPUs = 40\n",
	  { "m:2: ListenPort: 65530 and the 15 ports after it" } },
	{ "[Mesh]\nMTU = 575\n" NODE_A,
	  { "m:2: MTU: '575' is not a usable MTU; write 576 to 65455" } },
	{ "[Mesh]\nMTU = 65456\n" NODE_A, { "m:2: MTU: '65456' is not a usable MTU" } },
	{ "[Mesh]\nMTU = 1279\n" NODE_A,
	  { "m:2: MTU: 1279 is too small for the IPv6 addresses of this mesh; write 1280" } },
	{ "[Mesh]\nMTU = 1.5k\n" NODE_A, { "m:2: MTU: '1.5k' is not a usable MTU" } },
	{ "[Mesh]\nStrict = true\n" NODE_A, { "m:2: Strict: 'true' is neither yes nor no" } },

	/* PublicKey */
	{ "[Node \"a\"]\nEndpoint = 192.0.2.1\n", { "m:1: PublicKey: missing in [Node \"a\"]" } },
	{ "[Node \"a\"]\n" NODE_B, { "m:1: PublicKey: missing in [Node \"a\"]" } },
	{ "[Node \"a\"]\nPublicKey = abc\n", { "m:2: PublicKey: 'abc' is not a key" } },
	{ "[Node \"a\"]\nPublicKey = X/5jH0YTioLCV110W3lHnIK7jqw7Ai/tIbk4+9EVG0F=\n",
	  { "m:2: PublicKey: 'X/5j" } },
	{ "[Node \"a\"]\nPublicKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
	  { "m:2: PublicKey: this key is zero and protects nothing" } },
	{ "[Node \"a\"]\nPublicKey = 7f///////////////////////////////////////38=\n",
	  { "m:2: PublicKey: this key is a point of small order" } },
	{ NODE_A NODE_B "[Node \"c\"]\nPublicKey = " K1 "\nAddress = 10.0.0.3\n",
	  { "m:6: PublicKey: node \"c\" has the key of node \"a\" (line 2)" } },

	/* Endpoint */
	{ NODE_A "Endpoint = 2001:db8::1\n",
	  { "m:3: Endpoint: '2001:db8::1': an IPv6 endpoint needs" } },
	{ NODE_A "Endpoint = 2001:db8::1:51820\n",
	  { "m:3: Endpoint: '2001:db8::1:51820': an IPv6" } },
	{ NODE_A "Endpoint = [2001:db8::1\n",
	  { "m:3: Endpoint: '[2001:db8::1' is not an endpoint" } },
	{ NODE_A "Endpoint = [2001:db8::1]51820\n",
	  { "m:3: Endpoint: '[2001:db8::1]51820' is not" } },
	{ NODE_A "Endpoint = [192.0.2.1]:1\n",
	  { "m:3: Endpoint: '192.0.2.1' is neither an IPv6" } },
	{ NODE_A "Endpoint = [fe80::1%eth0]:1\n", { "m:3: Endpoint: 'fe80::1%eth0' is neither" } },
	{ NODE_A "Endpoint = 192.0.2.1:0\n", { "m:3: Endpoint: '0' is not a port" } },
	{ NODE_A "Endpoint = 192.0.2.1:\n", { "m:3: Endpoint: '' is not a port" } },
	{ NODE_A "Endpoint = 192.0.2.1:65536\n", { "m:3: Endpoint: '65536' is not a port" } },
	{ NODE_A "Endpoint = 192.0.2.256\n",
	  { "m:3: Endpoint: '192.0.2.256' is neither an address" } },
	{ NODE_A "Endpoint = 192.0.2\n", { "m:3: Endpoint: '192.0.2' is neither an address nor" } },
	{ NODE_A "Endpoint = 192.0.2.1/24\n", { "m:3: Endpoint: '192.0.2.1/24' is neither" } },
	{ NODE_A "Endpoint = -host\n",
	  { "m:3: Endpoint: '-host' is neither an address nor a host" } },
	{ NODE_A "Endpoint = a..b\n", { "m:3: Endpoint: 'a..b' is neither" } },
	{ NODE_A "Endpoint = my host\n", { "m:3: Endpoint: 'my host' is neither" } },
	{ NODE_A "Endpoint = " X60 "xxxx.example\n", { "m:3: Endpoint: 'xxx" } },
	{ NODE_A "Endpoint = 0.0.0.0\n", { "m:3: Endpoint: 0.0.0.0 is in 0.0.0.0/8" } },
	{ NODE_A "Endpoint = 127.0.0.1\n", { "m:3: Endpoint: 127.0.0.1 is a loopback address" } },
	{ NODE_A "Endpoint = 239.1.1.1\n", { "m:3: Endpoint: 239.1.1.1 is a multicast address" } },
	{ NODE_A "Endpoint = 255.255.255.255\n",
	  { "m:3: Endpoint: 255.255.255.255 is a reserved" } },
	{ NODE_A "Endpoint = [::]:1\n", { "m:3: Endpoint: :: is the unspecified address" } },
	{ NODE_A "Endpoint = [::ffff:192.0.2.1]:1\n",
	  { "m:3: Endpoint: ::ffff:192.0.2.1 is an IPv4" } },
	{ NODE_A "Endpoint = [fe80::1]\n", { "m:3: Endpoint: fe80::1 is a link-local address" } },
	{ NODE_A "Endpoint = 192.0.2.1,,192.0.2.2\n",
	  { "m:3: Endpoint: an item of the list is empty" } },
	{ NODE_A "Endpoint = 192.0.2.1,\n", { "m:3: Endpoint: an item of the list is empty" } },
	{ "[Mesh]\nLanes = 4\n" NODE_A "Endpoint = 192.0.2.1:65533\n",
	  { "m:5: Endpoint: port 65533 and the 3 ports after it" } },
	{ NODE_A "Endpoint = 192.0.2.1\n" NODE_B "Endpoint = 192.0.2.2, 192.0.2.1:51820\n",
	  { "m:6: Endpoint: 192.0.2.1:51820 is also an endpoint of node \"a\" (line 3)" } },
	{ "[Mesh]\nLanes = 4\n" NODE_A "Endpoint = 192.0.2.1:1000\n" NODE_B
	  "Endpoint = 192.0.2.1:1003\n",
	  { "m:8: Endpoint: 192.0.2.1:1003 is the port of a lane of node \"a\" (line 5), which has 4 "
	    "ports from 1000 on; leave 4 ports between them" } },
	{ NODE_A "Endpoint = 192.0.2.1, 192.0.2.1\n",
	  { "m:3: Endpoint: 192.0.2.1:51820 is also an endpoint of node \"a\"" } },

	/* endpoints inside the mesh */
	{ NODE_A "Endpoint = 10.1.0.7\n" NODE_B "PodCIDR = 10.1.0.0/24\n",
	  { "m:3: Endpoint: 10.1.0.7 lies in 10.1.0.0/24, PodCIDR of node \"b\" (line 6)" } },
	{ NODE_A "Endpoint = 192.0.2.1, 10.1.0.7\nPodCIDR = 10.1.0.0/24\n",
	  { "m:3: Endpoint: 10.1.0.7 lies in 10.1.0.0/24, PodCIDR of node \"a\" (line 4)" } },
	{ NODE_A "Endpoint = [fd00::1]\n" NODE_B "Address = fd00::1\n",
	  { "m:3: Endpoint: fd00::1 lies in fd00::1/128, Address of node \"b\" (line 6)" } },
	{ NODE_A "PodCIDR = 10.0.0.0/8\nAddress = 10.1.2.3\nEndpoint = 10.200.0.1\n",
	  { "m:5: Endpoint: 10.200.0.1 lies in 10.0.0.0/8, PodCIDR of node \"a\" (line 3)" } },

	/* Address and PodCIDR */
	{ NODE_A "Address = 10.0.0.1/24\n",
	  { "m:3: Address: '10.0.0.1/24' is more than one address; write 10.0.0.1/32" } },
	{ NODE_A "Address = fd00::1/64\n",
	  { "m:3: Address: 'fd00::1/64' is more than one address" } },
	{ NODE_A "Address = 10.0.0.1/33\n",
	  { "m:3: Address: '10.0.0.1/33' is not an address with a" } },
	{ NODE_A "Address = 10.0.0.1/\n",
	  { "m:3: Address: '10.0.0.1/' is not an address with a" } },
	{ NODE_A "Address = fd00::1/129\n",
	  { "m:3: Address: 'fd00::1/129' is not an address with" } },
	{ NODE_A "Address = 10.0.0.1/032\n", { "m:3: Address: '10.0.0.1/032' is not" } },
	{ NODE_A "Address = 010.0.0.1\n",
	  { "m:3: Address: '010.0.0.1' is not an address; write" } },
	{ NODE_A "Address = host.example\n", { "m:3: Address: 'host.example' is not an address" } },
	{ NODE_A "Address = 224.0.0.1\n", { "m:3: Address: '224.0.0.1' is a multicast address" } },
	{ NODE_A "Address = ::1\n", { "m:3: Address: '::1' is a loopback address" } },
	{ NODE_A "Address = 10.0.0.1\nAddress = 10.0.0.1\n",
	  { "m:4: Address: 10.0.0.1/32 is given twice (first in line 3)" } },
	{ NODE_A "Address = 10.0.0.1\n" NODE_B "Address = 10.0.0.1/32\n",
	  { "m:6: Address: 10.0.0.1/32 is also 10.0.0.1/32 of node \"a\" (line 3)" } },
	{ NODE_A "PodCIDR = 10.1.0.1/24\n",
	  { "m:3: PodCIDR: '10.1.0.1/24' has bits set behind its prefix length; write 10.1.0.0/24" } },
	{ NODE_A "PodCIDR = fd00:1::1/64\n", { "m:3: PodCIDR: 'fd00:1::1/64' has bits set" } },
	{ NODE_A "PodCIDR = 0.0.0.0/0\n",
	  { "m:3: PodCIDR: '0.0.0.0/0' is every address there is" } },
	{ NODE_A "PodCIDR = ::/0\n", { "m:3: PodCIDR: '::/0' is every address there is" } },
	{ NODE_A "PodCIDR = ff00::/8\n", { "m:3: PodCIDR: 'ff00::/8' is a multicast address" } },
	{ NODE_A "PodCIDR = 10.1.0.0/16\n" NODE_B "PodCIDR = 10.1.2.0/24\n",
	  { "m:6: PodCIDR: 10.1.2.0/24 overlaps 10.1.0.0/16 of node \"a\" (line 3)" } },
	{ NODE_A "PodCIDR = 10.1.2.0/24\n" NODE_B "PodCIDR = 10.1.0.0/16\n",
	  { "m:6: PodCIDR: 10.1.0.0/16 overlaps 10.1.2.0/24 of node \"a\" (line 3)" } },
	{ NODE_A "PodCIDR = fd00:1::/32\n" NODE_B "Address = fd00:1::5\n",
	  { "m:6: Address: fd00:1::5/128 overlaps fd00:1::/32 of node \"a\" (line 3)" } },
	/* a's /16 is inside a's /8: found two levels up */
	{ NODE_A "PodCIDR = 10.0.0.0/8, 10.1.0.0/16\n" NODE_B "PodCIDR = 10.1.2.0/24\n",
	  { "m:6: PodCIDR: 10.1.2.0/24 overlaps 10.1.0.0/16 of node \"a\" (line 3)" } },
	/* a derived address inside another's range */
	{ NODE_A "[Node \"c\"]\nPublicKey = " K2 "\nPodCIDR = fd19:1274::/32\n",
	  { "m:5: PodCIDR: fd19:1274::/32 overlaps fd19:1274:a89b:bc68:e8a5:a288:2c99:5f17/128 of node "
	    "\"a\" (line 1)" } },

	/* PersistentKeepalive */
	{ NODE_A "PersistentKeepalive = -1\n", { "m:3: PersistentKeepalive: '-1' is not a time" } },
	{ NODE_A "PersistentKeepalive = 65536\n",
	  { "m:3: PersistentKeepalive: '65536' is not a time" } },
	{ NODE_A "PersistentKeepalive = 25s\n",
	  { "m:3: PersistentKeepalive: '25s' is not a time" } },

	/* PresharedKeys */
	{ "[Mesh]\nPresharedKeys = yes\n" NODE_A,
	  { "m:2: PresharedKeys: 'yes' is none of off, files, derived" } },
	{ NODE_A "PresharedKey = " K1 "\n",
	  { "m:3: PresharedKey: unknown key; keys of pairs stand in files of their own" } },

	/* MTU, Lanes and CPUs of a node */
	{ NODE_A "MTU = auto\n", { "m:3: MTU: 'auto' is not a usable MTU; write 576 to 65455" } },
	{ NODE_A "MTU = 575\n", { "m:3: MTU: '575' is not a usable MTU" } },
	{ NODE_A "Lanes = 0\n", { "m:3: Lanes: '0' is not a number of lanes; write 1 to 16" } },
	{ NODE_A "Lanes = auto\n", { "m:3: Lanes: 'auto' is not a number of lanes" } },
	{ NODE_A "Lanes = 2\nLanes = 3\n", { "m:4: Lanes: given again (first in line 3)" } },
	{ NODE_A "CPUs = 0\n", { "m:3: CPUs: '0' is not a number of CPUs; write what nproc" } },
	{ "[Mesh]\nCPUs = 2\n" NODE_A, { "m:2: CPUs: belongs in a [Node], not here" } },
	{ NODE_A "Lanes = 8\nEndpoint = 192.0.2.1:65530\n",
	  { "m:4: Endpoint: port 65530 and the 7 ports after it" } },

	/* all errors, sorted by line */
	{ "[Mesh]\nMTU = 9\nFoo = 1\n[Node \"a\"]\nEndpoint = x y\nPublicKey = " K1 "\n" NODE_A,
	  { "m:2: MTU: '9'", "m:3: 'Foo'", "m:5: Endpoint: 'x y'", "m:7: [Node]: a second node" } },
};

static void broken_files(void **state)
{
	unsigned int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		const struct broken *b = &broken[i];
		size_t want = 0, lines = 0;
		struct fl_mesh *mesh = parse(b->text, b->len ? b->len : strlen(b->text));
		const char *at;
		bool ok = !mesh;

		fl_mesh_free(mesh);
		at = said;
		for (; want < 4 && b->errors[want]; want++) {
			char *line = fl_asprintf("fairlead: %s", b->errors[want]);

			/* Each error begins a line, and they come in this order. */
			ok = ok && at && !strncmp(at, line, strlen(line));
			at = at ? strchr(at, '\n') : NULL;
			at = at ? at + 1 : NULL;
			free(line);
		}
		for (const char *s = said; *s; s++)
			lines += *s == '\n';
		/* The two errors of the last case's repeated key and name may be more. */
		if (i + 1 < sizeof(broken) / sizeof(broken[0]))
			ok = ok && lines == want;
		if (!ok) {
			fprintf(stderr, "# case %zu (first wanted: %s) said:\n%s", i, b->errors[0],
				said);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* ---- good files ---- */

static struct fl_mesh *good(const char *text)
{
	struct fl_mesh *mesh = parse(text, strlen(text));

	if (!mesh)
		fail_msg("refused: %s", said);
	assert_string_equal(said, "");
	return mesh;
}

static void everything(void **state)
{
	struct fl_mesh *mesh =
		good("\xef\xbb\xbf# the mesh\r\n"
		     "[Mesh]\r\n"
		     "Name       = prod\r\n"
		     "ListenPort = 51000        # lane i listens on ListenPort + i\r\n"
		     "Lanes=4 ; lanes\n"
		     "MTU = 1400\n"
		     "Strict = Yes\n"
		     "\n"
		     "  [ node \"worker-1.example_x\" ]\n"
		     "    publickey = " K1 "\n"
		     "    Endpoint = 192.0.2.11, [2001:db8::11] , worker-1.example:51820\n"
		     "    Endpoint = [2001:db8::12]:7\n"
		     "    Address = 10.200.0.11/32, fd00:200::11\n"
		     "    PodCIDR = 10.244.1.0/24, fd00:244:1::/64\n"
		     "    PersistentKeepalive = 25\n"
		     "[Node \"b\"]\n"
		     "PublicKey = " K2 "\n"
		     "Address = 10.244.2.1\n"
		     "PodCIDR = 10.244.2.0/24   # its own address inside its range\n"
		     "PersistentKeepalive = off");
	const struct fl_node *a = &mesh->nodes[0], *b = &mesh->nodes[1];
	char s[FL_SOCKADDR_STR], p[FL_PREFIX_STR];
	const struct fl_claim *c;
	struct fl_prefix addr;

	(void)state;
	assert_string_equal(mesh->name, "prod");
	assert_int_equal(mesh->listen_port, 51000);
	assert_int_equal(mesh->lanes, 4);
	assert_int_equal(mesh->mtu, 1400);
	assert_true(mesh->strict);
	assert_int_equal(mesh->n_nodes, 2);
	assert_string_equal(a->name, "worker-1.example_x");
	assert_int_equal(a->line, 9);
	assert_int_equal(a->keepalive, 25);
	assert_int_equal(a->n_endpoints, 4);
	assert_string_equal(fl_sockaddr_format(&a->endpoints[0].addr, s), "192.0.2.11:51000");
	assert_string_equal(fl_sockaddr_format(&a->endpoints[1].addr, s), "[2001:db8::11]:51000");
	assert_int_equal(a->endpoints[2].addr.ss_family, AF_UNSPEC);
	assert_string_equal(a->endpoints[2].host, "worker-1.example");
	assert_int_equal(a->endpoints[2].port, 51820);
	assert_string_equal(fl_sockaddr_format(&a->endpoints[3].addr, s), "[2001:db8::12]:7");
	assert_int_equal(a->endpoints[3].line, 12);
	assert_int_equal(a->n_addresses, 2);
	assert_string_equal(fl_prefix_format(&a->addresses[0], p), "10.200.0.11/32");
	assert_string_equal(fl_prefix_format(&a->addresses[1], p), "fd00:200::11/128");
	assert_int_equal(a->n_pod_cidrs, 2);
	assert_string_equal(fl_prefix_format(&a->pod_cidrs[1], p), "fd00:244:1::/64");
	assert_int_equal(b->keepalive, 0);
	assert_int_equal(b->n_addresses, 1);

	assert_ptr_equal(fl_mesh_find(mesh, &a->public_key), a);
	assert_ptr_equal(fl_mesh_find(mesh, &b->public_key), b);
	assert_null(fl_mesh_find(mesh, &(struct fl_key){ { 1 } }));

	assert_true(fl_prefix_parse(&addr, "10.244.2.200"));
	c = fl_mesh_owner(mesh, &addr);
	assert_non_null(c);
	assert_int_equal(c->node, 1);
	assert_true(fl_prefix_parse(&addr, "10.244.2.1"));
	c = fl_mesh_owner(mesh, &addr);
	assert_non_null(c);
	assert_false(c->pod); /* the smallest one */
	assert_true(fl_prefix_parse(&addr, "fd00:244:1:0:ffff::"));
	c = fl_mesh_owner(mesh, &addr);
	assert_non_null(c);
	assert_int_equal(c->node, 0);
	assert_true(fl_prefix_parse(&addr, "10.244.3.1"));
	assert_null(fl_mesh_owner(mesh, &addr));
	assert_true(fl_prefix_parse(&addr, "1.1.1.1"));
	assert_null(fl_mesh_owner(mesh, &addr));
	fl_mesh_free(mesh);
}

static void defaults(void **state)
{
	struct fl_mesh *mesh = good(NODE_A NODE_B "Endpoint = b.example");

	(void)state;
	assert_string_equal(mesh->name, "mesh");
	assert_int_equal(mesh->listen_port, 51820);
	assert_int_equal(mesh->lanes, 1);
	assert_int_equal(mesh->mtu, 0);
	assert_false(mesh->strict);
	assert_int_equal(mesh->nodes[1].endpoints[0].port, 51820);
	fl_mesh_free(mesh);
}

/* How many lanes: the node's own, the mesh's, or what its CPUs make; of a pair the smaller. */
static void lanes(void **state)
{
	static const char four[] = "[Mesh]\nLanes = 4\n" NODE_A NODE_B "Lanes = 2\nCPUs = 64\n";
	static const char automatic[] = "[Mesh]\nLanes = auto\n" NODE_A "CPUs = 9\n" NODE_B;
	struct fl_mesh *mesh;

	(void)state;
	mesh = parse(four, strlen(four));
	assert_non_null(mesh);
	assert_int_equal(mesh->nodes[0].lanes, 4);
	assert_int_equal(mesh->nodes[1].lanes, 2);
	assert_int_equal(fl_mesh_lanes(&mesh->nodes[0], &mesh->nodes[1]), 2);
	assert_int_equal(mesh->max_lanes, 4);
	fl_mesh_free(mesh);
	mesh = parse(automatic, strlen(automatic));
	assert_non_null(mesh);
	assert_int_equal(mesh->nodes[0].lanes, 4);
	assert_int_equal(mesh->nodes[1].lanes, 1);
	fl_mesh_free(mesh);
	assert_int_equal(fl_mesh_auto_lanes(1), 1);
	assert_int_equal(fl_mesh_auto_lanes(32), 16);
	assert_int_equal(fl_mesh_auto_lanes(65536), 16);
}

/* Values made with another BLAKE2b: hashlib.blake2b(key, digest_size=16, person=b"fairlead ula 1"),
 * the first byte replaced by fd. They must never change: a mesh would lose its addresses. */
static void derived_addresses(void **state)
{
	struct fl_mesh *mesh =
		good(NODE_A NODE_B "[Node \"c\"]\nAddress = 10.0.0.3\nPublicKey = " K3);
	char s[FL_PREFIX_STR];

	(void)state;
	assert_int_equal(mesh->nodes[0].n_addresses, 1);
	assert_string_equal(fl_prefix_format(&mesh->nodes[0].addresses[0], s),
			    "fd19:1274:a89b:bc68:e8a5:a288:2c99:5f17/128");
	assert_string_equal(fl_prefix_format(&mesh->nodes[1].addresses[0], s),
			    "fd25:56c3:1641:2692:6ade:67ae:9276:cbc/128");
	/* Only where there is none. */
	assert_int_equal(mesh->nodes[2].n_addresses, 1);
	assert_int_equal(mesh->nodes[2].addresses[0].family, AF_INET);
	fl_mesh_free(mesh);
}

static void v4_only_mesh_may_have_a_small_mtu(void **state)
{
	struct fl_mesh *mesh = good("[Mesh]\nMTU = 576\n" NODE_A "Address = 10.0.0.1\n" NODE_B
				    "Address = 10.0.0.2\n");

	(void)state;
	assert_int_equal(mesh->mtu, 576);
	fl_mesh_free(mesh);
}

static void longest_line_and_name(void **state)
{
	/* 198 characters, and a comment does not count. */
	struct fl_mesh *mesh = good(
		"[Node \"" X60 "abc\"]\nPublicKey = " K1 "\n"
		"Endpoint =          h.example,  h.example,  h.example,  h.example,  h.example,  "
		"h.example,  h.example,  h.example,  h.example,  h.example,  h.example,  h.example,"
		"  h.example,  h.example,  hh.example # " X180 "\n");

	(void)state;
	assert_int_equal(strlen(mesh->nodes[0].name), 63);
	assert_int_equal(mesh->nodes[0].n_endpoints, 15);
	assert_string_equal(mesh->nodes[0].endpoints[14].host, "hh.example");
	fl_mesh_free(mesh);
}

/* No step may be quadratic: 10,000 nodes in a moment, also under a sanitizer. */
static void ten_thousand(void **state)
{
	char *text, key[FL_KEY_BASE64];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct fl_mesh *mesh;
	struct fl_key k;

	(void)state;
	for (unsigned int i = 0; i < 10000; i++) {
		memset(&k, 0, sizeof(k));
		k.bytes[0] = 9;
		k.bytes[1] = i >> 8;
		k.bytes[2] = i;
		fprintf(f,
			"[Node \"n%u\"]\nPublicKey = %s\nEndpoint = 172.16.%u.%u, [2001:db8::%x]\n"
			"Address = 10.200.%u.%u, fd00:200::%x\nPodCIDR = 100.%u.%u.0/24, "
			"fd00:244:%x::/64\n",
			i, fl_key_format(&k, key), i >> 8, i & 255, i, i >> 8, i & 255, i,
			64 + (i >> 8), i & 255, i);
	}
	fclose(f);
	mesh = good(text);
	assert_int_equal(mesh->n_nodes, 10000);
	assert_int_equal(mesh->n_claims, 40000);
	for (size_t i = 0; i < mesh->n_nodes; i++)
		assert_ptr_equal(fl_mesh_find(mesh, &mesh->nodes[i].public_key), &mesh->nodes[i]);
	fl_mesh_free(mesh);
	free(text);
}

static void no_file(void **state)
{
	size_t n;

	(void)state;
	free(said);
	fl_msg_stream = open_memstream(&said, &n);
	assert_null(fl_mesh_load("/nonexistent/mesh.conf"));
	assert_null(fl_mesh_load("/"));
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	assert_non_null(
		strstr(said, "/nonexistent/mesh.conf: cannot read the mesh file: No such file"));
	assert_non_null(strstr(said, "/: cannot read the mesh file: Is a directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_files),
		cmocka_unit_test(everything),
		cmocka_unit_test(defaults),
		cmocka_unit_test(lanes),
		cmocka_unit_test(derived_addresses),
		cmocka_unit_test(v4_only_mesh_may_have_a_small_mtu),
		cmocka_unit_test(longest_line_and_name),
		cmocka_unit_test(ten_thousand),
		cmocka_unit_test(no_file),
	};

	return cmocka_run_group_tests_name("mesh_conf", tests, NULL, NULL);
}
