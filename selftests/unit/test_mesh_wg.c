// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/mem.h"
#include "tools/mesh/wg.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdlib.h>
#include <string.h>

/*
 * WireGuard's set and get use the same attributes, so what the encoder says, split over any number
 * of messages, must come out of the decoder as it went in.
 */

#define PEERS 50

static struct fl_wg_change changes[PEERS];
static struct fl_key keys[PEERS], psk = { { 9, 9 } };
static struct fl_prefix *allowed;
static struct sockaddr_storage ep4, ep6;

static int setup(void **state)
{
	struct sockaddr_in *v4 = (void *)&ep4;
	struct sockaddr_in6 *v6 = (void *)&ep6;

	(void)state;
	v4->sin_family = AF_INET;
	v4->sin_port = htons(51820);
	inet_pton(AF_INET, "192.0.2.1", &v4->sin_addr);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(51820);
	inet_pton(AF_INET6, "2001:db8::1", &v6->sin6_addr);
	allowed = fl_zalloc(1000 * sizeof(*allowed));
	for (unsigned int i = 0; i < 1000; i++) {
		allowed[i].family = i < 500 ? AF_INET : AF_INET6;
		allowed[i].len = i < 500 ? 32 : 128;
		allowed[i].bytes[2] = i >> 8;
		allowed[i].bytes[3] = i;
	}
	for (unsigned int i = 0; i < PEERS; i++) {
		keys[i].bytes[0] = i + 1;
		changes[i] = (struct fl_wg_change){
			.public_key = &keys[i],
			.endpoint = i % 3 == 0 ? NULL :
				    i % 3 == 1 ? &ep4 :
						 &ep6,
			.psk = i % 4 ? NULL : &psk,
			.keepalive = i % 5 ? (int)i : -1,
			.allowed = allowed,
			/* none, few, and one peer with more than any message holds */
			.n_allowed = i == 20 ? 1000 : i % 4,
		};
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(allowed);
	return 0;
}

/* A flag of a peer, seen in one message. */
struct seen {
	size_t peers, update_only, replace;
};

static int count_attr(const struct nlattr *attr, void *data)
{
	struct seen *s = data;

	if (mnl_attr_get_type(attr) == WGPEER_A_FLAGS) {
		s->update_only += mnl_attr_get_u32(attr) == WGPEER_F_UPDATE_ONLY;
		s->replace += mnl_attr_get_u32(attr) == WGPEER_F_REPLACE_ALLOWEDIPS;
	}
	return MNL_CB_OK;
}

static int count_peer(const struct nlattr *attr, void *data)
{
	((struct seen *)data)->peers++;
	return mnl_attr_parse_nested(attr, count_attr, data);
}

static int count_device(const struct nlattr *attr, void *data)
{
	return mnl_attr_get_type(attr) == WGDEVICE_A_PEERS ?
		       mnl_attr_parse_nested(attr, count_peer, data) :
		       MNL_CB_OK;
}

static void round_trip_with(size_t size)
{
	const struct fl_key private_key = { { 1, 2, 3 } };
	const struct fl_wg_set set = { 7, &private_key, 51820, changes, PEERS };
	struct fl_wg_cursor c = { 0 };
	struct fl_lane plan = { 0 };
	uint8_t *buf = fl_zalloc(size);
	struct nlmsghdr *nlh;
	size_t messages = 0;

	while ((nlh = fl_wg_encode(buf, size, 42, &set, &c))) {
		const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

		assert_true(nlh->nlmsg_len <= size);
		assert_int_equal(nlh->nlmsg_type, 42);
		assert_int_equal(genl->cmd, WG_CMD_SET_DEVICE);
		assert_int_equal(fl_wg_decode(nlh, &plan), 0);
		assert_true(++messages < 10000);
	}
	/* All of it is 30 KB or more. */
	assert_true(messages >= 30000 / size);
	assert_int_equal(plan.link.listen_port, 51820);
	assert_int_equal(fl_key_cmp(plan.link.private_key, &private_key), 0);
	assert_int_equal(plan.n_peers, PEERS);
	for (unsigned int i = 0; i < PEERS; i++) {
		const struct fl_peer *p = &plan.peers[i];

		assert_int_equal(fl_key_cmp(&p->public_key, &keys[i]), 0);
		assert_true(fl_sockaddr_eq(&p->endpoint, changes[i].endpoint ?
								 changes[i].endpoint :
								 &(struct sockaddr_storage){ 0 }));
		assert_int_equal(!!p->psk, !!changes[i].psk);
		assert_int_equal(p->keepalive, changes[i].keepalive < 0 ? 0 : changes[i].keepalive);
		assert_int_equal(p->n_allowed, changes[i].n_allowed);
		for (size_t j = 0; j < p->n_allowed; j++)
			assert_int_equal(fl_prefix_cmp(&p->allowed[j], &allowed[j]), 0);
	}
	fl_lane_free(&plan);
	free(buf);
}

static void round_trip(void **state)
{
	(void)state;
	round_trip_with(1024);
	round_trip_with(1028);
	round_trip_with(4096);
	round_trip_with(FL_NL_BATCH);
}

/* What a message says to do to a peer is said once; the rest only adds to it. */
static void flags_of_a_split_peer(void **state)
{
	struct fl_wg_change change = {
		.public_key = &keys[0],
		.flags = WGPEER_F_REPLACE_ALLOWEDIPS,
		.endpoint = &ep4,
		.keepalive = 25,
		.allowed = allowed,
		.n_allowed = 1000,
	};
	const struct fl_wg_set set = { 7, NULL, -1, &change, 1 };
	struct fl_wg_cursor c = { 0 };
	struct seen seen = { 0 };
	uint8_t buf[1024];
	struct nlmsghdr *nlh;

	(void)state;
	while ((nlh = fl_wg_encode(buf, sizeof(buf), 42, &set, &c)))
		mnl_attr_parse(nlh, sizeof(struct genlmsghdr), count_device, &seen);
	assert_true(seen.peers > 10);
	assert_int_equal(seen.replace, 1);
	assert_int_equal(seen.update_only, seen.peers - 1);
}

static void device_only(void **state)
{
	const struct fl_wg_set set = { 7, NULL, 1234, NULL, 0 };
	struct fl_wg_cursor c = { 0 };
	struct fl_lane plan = { 0 };
	uint8_t buf[1024];
	struct nlmsghdr *nlh;

	(void)state;
	nlh = fl_wg_encode(buf, sizeof(buf), 42, &set, &c);
	assert_non_null(nlh);
	assert_int_equal(fl_wg_decode(nlh, &plan), 0);
	assert_int_equal(plan.link.listen_port, 1234);
	assert_int_equal(plan.n_peers, 0);
	assert_null(plan.link.private_key);
	assert_null(fl_wg_encode(buf, sizeof(buf), 42, &set, &c));
	fl_lane_free(&plan);
}

/* ---- what no kernel says ---- */

static struct nlmsghdr *begin(void *buf)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
	return nlh;
}

static void refused(const struct nlmsghdr *nlh)
{
	struct fl_lane plan = { 0 };

	assert_int_equal(fl_wg_decode(nlh, &plan), -EBADMSG);
	fl_lane_free(&plan);
}

static void bad_allowed(uint16_t family, const void *addr, size_t len, uint8_t cidr)
{
	char buf[1024];
	struct nlmsghdr *nlh = begin(buf);
	struct nlattr *peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	struct nlattr *peer = mnl_attr_nest_start(nlh, 0);
	struct nlattr *list, *ip;

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, 32, &keys[0]);
	list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
	ip = mnl_attr_nest_start(nlh, 0);
	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, family);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, len, addr);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, cidr);
	mnl_attr_nest_end(nlh, ip);
	mnl_attr_nest_end(nlh, list);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, peers);
	refused(nlh);
}

static void malformed(void **state)
{
	static const uint8_t bytes[40];
	char buf[1024];
	struct nlmsghdr *nlh;
	struct nlattr *peers, *peer;

	(void)state;
	refused(mnl_nlmsg_put_header(buf)); /* no generic netlink header */
	nlh = begin(buf);
	mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, 31, bytes);
	refused(nlh);
	nlh = begin(buf);
	mnl_attr_put_u32(nlh, WGDEVICE_A_LISTEN_PORT, 1);
	refused(nlh);
	nlh = begin(buf); /* a peer without a key */
	peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	peer = mnl_attr_nest_start(nlh, 0);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, peers);
	refused(nlh);
	nlh = begin(buf); /* an endpoint of another family than its length says */
	peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	peer = mnl_attr_nest_start(nlh, 0);
	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, 32, bytes);
	mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(struct sockaddr_in), &ep6);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, peers);
	refused(nlh);
	bad_allowed(AF_INET, bytes, 4, 33);
	bad_allowed(AF_INET6, bytes, 16, 129);
	bad_allowed(AF_INET, bytes, 16, 32);
	bad_allowed(AF_INET6, bytes, 4, 32);
	bad_allowed(AF_UNIX, bytes, 4, 32);
}

static void unknown_attributes_are_fine(void **state)
{
	struct fl_lane plan = { 0 };
	char buf[1024];
	struct nlmsghdr *nlh = begin(buf);

	(void)state;
	mnl_attr_put_u32(nlh, 200, 1);
	mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, 5);
	assert_int_equal(fl_wg_decode(nlh, &plan), 0);
	assert_int_equal(plan.link.listen_port, 5);
	fl_lane_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(flags_of_a_split_peer),
		cmocka_unit_test(device_only),
		cmocka_unit_test(malformed),
		cmocka_unit_test(unknown_attributes_are_fine),
	};

	return cmocka_run_group_tests_name("mesh_wg", tests, setup, teardown);
}
