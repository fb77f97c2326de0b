// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/mem.h"
#include "tools/mesh/plan.h"
#include "tools/mesh/state.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fl_prefix prefix(const char *text)
{
	struct fl_prefix p;

	if (!fl_prefix_parse(&p, text))
		fail_msg("%s", text);
	return p;
}

static void link_of(struct fl_plan *p, unsigned int mtu)
{
	strcpy(p->lanes[0].link.name, "fl0");
	strcpy(p->lanes[0].link.kind, "wireguard");
	p->lanes[0].link.ifindex = 7;
	p->lanes[0].link.mtu = mtu;
	p->lanes[0].link.up = true;
	p->lanes[0].link.listen_port = 51820;
	p->lanes[0].link.alias = fl_strdup("fairlead mesh m");
	p->lanes[0].link.private_key = fl_key_new();
	p->lanes[0].link.private_key->bytes[0] = 8;
}

/* Keys must be added in order; NULL or "" leaves out. */
static struct fl_peer *peer(struct fl_plan *p, uint8_t key, const char *endpoint,
			    const char *const *allowed)
{
	struct fl_peer *peer;

	p->lanes[0].peers =
		fl_realloc(p->lanes[0].peers, p->lanes[0].n_peers + 1, sizeof(*p->lanes[0].peers));
	peer = &p->lanes[0].peers[p->lanes[0].n_peers++];
	memset(peer, 0, sizeof(*peer));
	peer->public_key.bytes[0] = key;
	if (endpoint) {
		struct fl_prefix addr = prefix(endpoint);
		struct sockaddr_in *sa = (struct sockaddr_in *)&peer->endpoint;

		sa->sin_family = AF_INET;
		sa->sin_addr = addr.v4;
		sa->sin_port = htons(51820);
	}
	for (; allowed && *allowed; allowed++) {
		peer->allowed =
			fl_realloc(peer->allowed, peer->n_allowed + 1, sizeof(*peer->allowed));
		peer->allowed[peer->n_allowed++] = prefix(*allowed);
	}
	return peer;
}

#define ALLOWED(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void addr(struct fl_plan *p, const char *text)
{
	p->lanes[0].addrs =
		fl_realloc(p->lanes[0].addrs, p->lanes[0].n_addrs + 1, sizeof(*p->lanes[0].addrs));
	p->lanes[0].addrs[p->lanes[0].n_addrs++] = prefix(text);
}

static void route(struct fl_plan *p, const char *dst, const char *src)
{
	p->routes = fl_realloc(p->routes, p->n_routes + 1, sizeof(*p->routes));
	p->routes[p->n_routes] =
		(struct fl_route){ .dst = prefix(dst), .protocol = FL_RTPROT, .lanes = 1 };
	if (src)
		p->routes[p->n_routes].src = prefix(src);
	p->n_routes++;
}

struct pair {
	struct fl_plan want, have;
};

static int setup(void **state)
{
	struct pair *p = fl_zalloc(sizeof(*p));

	fl_plan_init(&p->want);
	fl_plan_init(&p->have);
	link_of(&p->want, 1420);
	link_of(&p->have, 1420);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	fl_plan_free(&p->want);
	fl_plan_free(&p->have);
	free(p);
	return 0;
}

/* All lines of the difference; of keys only the first character: 4 is B, 8 is C, 12 is D. */
static void expect(struct pair *p, const char *lines)
{
	struct fl_ops ops = fl_plan_diff(&p->want, &p->have);
	struct json_object *json = fl_ops_json(&ops);
	char *text = fl_strdup(""), *more;

	assert_int_equal(json_object_array_length(json), ops.n);
	for (size_t i = 0; i < ops.n; i++) {
		struct json_object *op = json_object_array_get_idx(json, i), *o;
		char *line = fl_op_format(&ops, &ops.ops[i]);
		char *key = strchr(line, '(');

		/* Every operation has the same line in JSON. */
		assert_true(json_object_object_get_ex(op, "text", &o));
		assert_string_equal(json_object_get_string(o), line);
		if (key && !strncmp(line + 2, "peer (unknown) (", 16))
			key = strchr(key + 1, '(');
		if (key && !strncmp(line + 2, "peer", 4)) {
			memmove(key + 2, strchr(key, ')'), strlen(strchr(key, ')')) + 1);
		}
		more = fl_asprintf("%s%s\n", text, line);
		free(text);
		free(line);
		text = more;
	}
	json_object_put(json);
	fl_ops_free(&ops);
	if (strcmp(text, lines))
		fail_msg("\n--- expected\n%s--- got\n%s", lines, text);
	free(text);
}

static void same(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 2; i++) {
		struct fl_plan *plan = i ? &p->want : &p->have;

		peer(plan, 1, "192.0.2.1", ALLOWED("10.0.0.1", "fd00::1"))->keepalive = 25;
		peer(plan, 2, NULL, NULL);
		addr(plan, "10.0.0.9");
		route(plan, "10.0.0.1", "10.0.0.9");
	}
	/* What is counted is no difference. */
	p->have.lanes[0].peers[0].rx = 7;
	p->have.lanes[0].peers[0].handshake = 8;
	p->have.lanes[0].link.fwmark = 9;
	expect(p, "");
}

static void from_nothing(void **state)
{
	struct pair *p = *state;

	fl_plan_free(&p->have);
	peer(&p->want, 4, "192.0.2.1", ALLOWED("10.0.0.1", "fd00::1"))->keepalive = 25;
	peer(&p->want, 8, NULL, ALLOWED("10.0.0.2"));
	addr(&p->want, "10.0.0.9");
	route(&p->want, "10.0.0.1", "10.0.0.9");
	route(&p->want, "fd00::1", NULL);
	expect(p, "+ link fl0 type wireguard mtu 1420\n"
		  "~ device fl0 public key (none) -> AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
		  "listen port 0 -> 51820\n"
		  "+ peer (unknown) (B) endpoint 192.0.2.1:51820 keepalive 25 allowed 10.0.0.1/32, "
		  "fd00::1/128\n"
		  "+ peer (unknown) (C) endpoint (none) allowed 10.0.0.2/32\n"
		  "+ address 10.0.0.9/32\n"
		  "~ link fl0 down -> up\n"
		  "+ route 10.0.0.1/32 src 10.0.0.9\n"
		  "+ route fd00::1/128\n");
}

static void to_nothing(void **state)
{
	struct pair *p = *state;

	fl_plan_free(&p->want);
	peer(&p->have, 4, NULL, NULL);
	addr(&p->have, "10.0.0.9");
	route(&p->have, "10.0.0.1", NULL);
	expect(p, "- link fl0\n");
	fl_plan_free(&p->have);
	expect(p, "");
}

/* Add before remove, over all kinds. */
static void order(void **state)
{
	struct pair *p = *state;

	p->have.lanes[0].link.mtu = 1500;
	p->have.lanes[0].link.listen_port = 1;
	p->have.lanes[0].link.up = false;
	free(p->have.lanes[0].link.alias);
	p->have.lanes[0].link.alias = NULL;
	peer(&p->want, 4, NULL, ALLOWED("10.0.0.1"));
	peer(&p->want, 8, NULL, ALLOWED("10.0.0.2"));
	peer(&p->have, 8, NULL, ALLOWED("10.0.0.3"));
	peer(&p->have, 12, NULL, ALLOWED("10.0.0.1"));
	addr(&p->want, "10.0.0.8");
	addr(&p->have, "10.0.0.9");
	route(&p->want, "10.0.0.1", NULL);
	route(&p->want, "10.0.0.2", "10.0.0.8");
	route(&p->have, "10.0.0.2", "10.0.0.9");
	route(&p->have, "10.0.0.3", NULL);
	expect(p, "~ link fl0 mtu 1500 -> 1420 alias '' -> 'fairlead mesh m'\n"
		  "~ device fl0 listen port 1 -> 51820\n"
		  "+ peer (unknown) (B) endpoint (none) allowed 10.0.0.1/32\n"
		  "~ peer (unknown) (C) allowed +10.0.0.2/32, -10.0.0.3/32\n"
		  "+ address 10.0.0.8/32\n"
		  "~ link fl0 down -> up\n"
		  "+ route 10.0.0.1/32\n"
		  "~ route 10.0.0.2/32 src 10.0.0.9 -> 10.0.0.8\n"
		  "- route 10.0.0.3/32\n"
		  "- address 10.0.0.9/32\n"
		  "- peer (unknown) (D)\n");
}

static void peer_fields(void **state)
{
	struct pair *p = *state;
	struct fl_peer *w = peer(&p->want, 4, "192.0.2.1", NULL);
	struct fl_peer *h = peer(&p->have, 4, "192.0.2.2", NULL);

	w->name = "a";
	w->keepalive = 25;
	h->psk = fl_keys_new(&p->have.lanes[0].psks);
	h->psk->bytes[3] = 1;
	expect(p, "~ peer a (B) endpoint 192.0.2.2:51820 -> 192.0.2.1:51820 keepalive 0 -> 25 "
		  "preshared key removed\n");
}

static void undone_is_the_reverse(void **state)
{
	struct pair *p = *state;
	struct fl_plan t;

	p->have.lanes[0].link.up = false;
	fl_key_free(p->have.lanes[0].link.private_key);
	p->have.lanes[0].link.private_key = NULL;
	peer(&p->want, 4, NULL, ALLOWED("10.0.0.1"));
	addr(&p->want, "10.0.0.8");
	route(&p->want, "10.0.0.1", NULL);
	t = p->want;
	p->want = p->have;
	p->have = t;
	expect(p, "~ device fl0 public key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= -> (none)\n"
		  "- route 10.0.0.1/32\n"
		  "- address 10.0.0.8/32\n"
		  "- peer (unknown) (B)\n"
		  "~ link fl0 up -> down\n");
}

/* The same destination twice, with two metrics, is two routes. */
static void routes_with_metrics(void **state)
{
	struct pair *p = *state;

	route(&p->want, "fd00::/64", NULL);
	p->want.routes[0].metric = 1024;
	route(&p->have, "fd00::/64", NULL);
	p->have.routes[0].metric = 512;
	route(&p->have, "fd00::/64", NULL);
	p->have.routes[1].metric = 1024;
	expect(p, "- route fd00::/64\n");
}

/* Where a path carries less than the link: MTU and MSS of a route. */
static void route_mtu(void **state)
{
	struct pair *p = *state;

	route(&p->want, "10.0.0.1", NULL);
	p->want.routes[0].mtu = 1380;
	p->want.routes[0].advmss = 1340;
	route(&p->want, "10.0.0.2", NULL);
	p->want.routes[1].mtu = 1380;
	route(&p->have, "10.0.0.2", NULL);
	p->have.routes[0].mtu = 1300;
	p->have.routes[0].advmss = 1260;
	expect(p, "+ route 10.0.0.1/32 mtu 1380 advmss 1340\n"
		  "~ route 10.0.0.2/32 mtu 1300 -> 1380 advmss 1260 -> (link)\n");
}

/* A second lane, with all that is of one lane. */
static void second_lane(struct fl_plan *p)
{
	struct fl_lane first = p->lanes[0];
	struct fl_plan lane = { 0 };

	p->lanes[0] = (struct fl_lane){ 0 };
	link_of(p, 1420);
	lane.lanes[0] = p->lanes[0];
	p->lanes[0] = first;
	p->lanes[1] = lane.lanes[0];
	strcpy(p->lanes[1].link.name, "fl1");
	p->lanes[1].link.ifindex = 8;
	p->lanes[1].link.listen_port = 51821;
	free(p->lanes[1].link.alias);
	p->lanes[1].link.alias = fl_lane_alias("m", "fl0", 1);
	p->lanes[0].link.rp_filter = p->lanes[1].link.rp_filter = 2;
}

static void groups(struct fl_plan *p, uint32_t base)
{
	p->nexthops.base = base;
	p->nexthops.lanes[FL_V4] = 3;
	p->nexthops.groups[FL_V4][1] = 3;
}

static void one_lane_to_two(void **state)
{
	struct pair *p = *state;
	const char *const there = "+ link fl1 type wireguard mtu 1420\n"
				  "~ link fl1 rp_filter 2\n"
				  "~ device fl1 public key (none) -> "
				  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
				  "listen port 0 -> 51821\n"
				  "~ link fl1 down -> up\n"
				  "~ sysctl net.ipv4.fib_multipath_hash_policy 0 -> 1\n"
				  "+ nexthop 640 IPv4 dev fl0\n"
				  "+ nexthop 641 IPv4 dev fl1\n"
				  "+ nexthop 657 IPv4 group of fl0, fl1\n"
				  "~ route 10.0.0.1/32 lanes 1 -> 2\n";
	const char *const back = "~ sysctl net.ipv4.fib_multipath_hash_policy 1 -> 0\n"
				 "~ route 10.0.0.1/32 lanes 2 -> 1\n"
				 "- nexthop 657 IPv4 group of fl0, fl1\n"
				 "- nexthop 640 IPv4 dev fl0\n"
				 "- nexthop 641 IPv4 dev fl1\n"
				 "- link fl1\n";
	struct fl_plan t;

	second_lane(&p->want);
	p->have.lanes[0].link.rp_filter = 2;
	groups(&p->want, 640);
	p->want.hash_policy[FL_V4] = 1;
	p->have.hash_policy[FL_V4] = 0;
	route(&p->want, "10.0.0.1", NULL);
	p->want.routes[0].lanes = 2;
	route(&p->have, "10.0.0.1", NULL);
	expect(p, there);
	t = p->want;
	p->want = p->have;
	p->have = t;
	expect(p, back);
	/* The end of a mesh takes all of it along but the policy. */
	fl_plan_free(&p->want);
	p->want.hash_policy[FL_V4] = 0;
	expect(p, "~ sysctl net.ipv4.fib_multipath_hash_policy 1 -> 0\n- link fl0\n- link fl1\n");
}

/* A lane that went down takes its nexthop along, and the group loses a member. */
static void group_that_lost_a_lane(void **state)
{
	struct pair *p = *state;

	second_lane(&p->want);
	second_lane(&p->have);
	groups(&p->want, 640);
	groups(&p->have, 640);
	expect(p, "");
	p->have.lanes[1].link.up = false;
	p->have.nexthops.lanes[FL_V4] = 1;
	p->have.nexthops.groups[FL_V4][1] = 1;
	expect(p, "~ link fl1 down -> up\n"
		  "+ nexthop 641 IPv4 dev fl1\n"
		  "~ nexthop 657 IPv4 group of fl0 -> fl0, fl1\n");
	/* Another block of ids: the new one is there before the old one goes. */
	groups(&p->have, 704);
	p->have.lanes[1].link.up = true;
	expect(p, "+ nexthop 640 IPv4 dev fl0\n"
		  "+ nexthop 641 IPv4 dev fl1\n"
		  "+ nexthop 657 IPv4 group of fl0, fl1\n"
		  "- nexthop 721 IPv4 group of fl0, fl1\n"
		  "- nexthop 704 IPv4 dev fl0\n"
		  "- nexthop 705 IPv4 dev fl1\n");
}

static void lane_names(void **state)
{
	static const struct {
		const char *first;
		unsigned int i;
		const char *name; /* NULL: too long */
	} cases[] = {
		{ "fl0", 0, "fl0" },
		{ "fl0", 15, "fl15" },
		{ "fl9", 1, "fl10" },
		{ "mesh", 0, "mesh" },
		{ "mesh", 2, "mesh2" },
		{ "wg10", 3, "wg13" },
		{ "wg-00", 1, "wg-01" },
		{ "7", 1, "8" },
		{ "x99999", 1, "x910000" },
		{ "interface-name0", 9, "interface-name9" },
		{ "interface-name0", 10, NULL },
		{ "interface-names", 1, NULL },
	};
	char name[IFNAMSIZ];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok = fl_lane_name(cases[i].first, cases[i].i, name);

		if (ok != !!cases[i].name || (ok && strcmp(name, cases[i].name)))
			fail_msg("%s, %u: %s", cases[i].first, cases[i].i, name);
	}
}

static void lane_aliases(void **state)
{
	char *alias;

	(void)state;
	for (int i = 1; i < FL_MESH_LANES; i++) {
		alias = fl_lane_alias("prod", "fl0", i);
		assert_int_equal(fl_lane_of_alias(alias, "fl0"), i);
		assert_int_equal(fl_lane_of_alias(alias, "fl1"), -1);
		free(alias);
	}
	assert_int_equal(fl_lane_of_alias(NULL, "fl0"), -1);
	assert_int_equal(fl_lane_of_alias("", "fl0"), -1);
	assert_int_equal(fl_lane_of_alias("fairlead mesh prod", "fl0"), -1);
	assert_int_equal(fl_lane_of_alias("fairlead mesh prod lane 16 of fl0", "fl0"), -1);
	assert_int_equal(fl_lane_of_alias("fairlead mesh prod lane 1", "fl0"), -1);
	assert_int_equal(fl_lane_of_alias("fairlead mesh prod lane x of fl0", "fl0"), -1);
	assert_int_equal(fl_lane_of_alias("my mesh prod lane 1 of fl0", "fl0"), -1);
}

static void minus(void **state)
{
	struct fl_prefix a[4] = { prefix("10.0.0.1"), prefix("10.0.0.2"), prefix("10.0.0.3"),
				  prefix("fd00::/64") };
	struct fl_prefix b[3] = { prefix("10.0.0.0/31"), prefix("10.0.0.2"), prefix("fd00::/63") };
	struct fl_prefix out[4];

	(void)state;
	assert_int_equal(fl_prefix_minus(a, 4, b, 3, out), 3);
	assert_int_equal(fl_prefix_cmp(&out[0], &a[0]), 0);
	assert_int_equal(fl_prefix_cmp(&out[1], &a[2]), 0);
	assert_int_equal(fl_prefix_cmp(&out[2], &a[3]), 0);
	assert_int_equal(fl_prefix_minus(a, 4, NULL, 0, out), 4);
	assert_int_equal(fl_prefix_minus(a, 0, b, 3, out), 0);
	assert_int_equal(fl_prefix_minus(a, 4, a, 4, out), 0);
}

static void prefixes(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool contains;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },	 { "10.0.0.0/8", "11.0.0.0/8", false },
		{ "10.0.0.0/8", "10.0.0.0/7", false },	 { "10.1.0.0/15", "10.0.0.0/16", true },
		{ "10.2.0.0/15", "10.0.0.0/16", false }, { "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "::/0", false },		 { "fd00::/9", "fd7f::1", true },
		{ "fd00::/9", "fd80::1", false },	 { "fd00::1", "fd00::1", true },
		{ "fd00::1", "fd00::2", false },	 { "192.0.2.1", "192.0.2.1", true },
	};
	struct fl_prefix p;
	char s[FL_PREFIX_STR];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_prefix outer = prefix(cases[i].outer), inner = prefix(cases[i].inner);

		if (fl_prefix_contains(&outer, &inner) != cases[i].contains)
			fail_msg("%s, %s", cases[i].outer, cases[i].inner);
	}
	p = prefix("10.255.255.255/13");
	fl_prefix_mask(&p);
	assert_string_equal(fl_prefix_format(&p, s), "10.248.0.0/13");
	p = prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	fl_prefix_mask(&p);
	assert_string_equal(fl_prefix_format(&p, s), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	p = prefix("ffff::/1");
	fl_prefix_mask(&p);
	assert_string_equal(fl_prefix_format(&p, s), "8000::/1");
}

static void sessions(void **state)
{
	struct fl_peer p = { 0 };

	(void)state;
	assert_false(fl_session_alive(&p, 1000));
	p.handshake = 1000;
	assert_true(fl_session_alive(&p, 1000));
	assert_true(fl_session_alive(&p, 1179));
	assert_false(fl_session_alive(&p, 1180));
	assert_true(fl_session_alive(&p, 10)); /* the clock went back */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(same),
		T(from_nothing),
		T(to_nothing),
		T(order),
		T(peer_fields),
		T(undone_is_the_reverse),
		T(routes_with_metrics),
		T(route_mtu),
		T(one_lane_to_two),
		T(group_that_lost_a_lane),
		cmocka_unit_test(lane_names),
		cmocka_unit_test(lane_aliases),
		cmocka_unit_test(minus),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(sessions),
	};

	return cmocka_run_group_tests_name("mesh_plan", tests, NULL, NULL);
}
