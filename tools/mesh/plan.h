/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_PLAN_H
#define FL_MESH_PLAN_H

#include "conf.h"
#include "prefix.h"

#include <net/if.h>
#include <stdio.h>

/*
 * The state of a node's mesh as plain data. One is built from the mesh file (want.c), one is read
 * from the kernel (read.c), their difference is a list of operations (plan.c), and one function
 * carries a list out (apply.c). Undoing is the difference the other way round.
 */

/* Marks our routes: nothing else is ever changed or removed. A free number of rtnetlink(7)'s
 * protocols; listed in fairlead-mesh(8) for /etc/iproute2/rt_protos. */
#define FL_RTPROT 70

/* The metric that the kernel gives IPv6 routes without one (IP6_RT_PRIO_USER). IPv4's is 0. */
#define FL_METRIC_V6 1024

/* What the interface's alias begins with; the name of the mesh follows. `down` removes no WireGuard
 * interface without it. */
#define FL_ALIAS "fairlead mesh "

/* A session is over after this many seconds without a new handshake: REJECT_AFTER_TIME of
 * WireGuard's paper (6.1) and of the kernel's drivers/net/wireguard/messages.h. */
#define FL_SESSION_TIME 180

struct fl_peer {
	struct fl_key public_key;
	const char *name;		  /* the mesh's string; NULL for a peer that is not in it */
	const struct fl_node *node;	  /* in a plan that is wanted */
	struct fl_key *psk;		  /* NULL: none */
	struct sockaddr_storage endpoint; /* AF_UNSPEC: none */
	uint16_t keepalive;
	int64_t handshake; /* seconds since 1970, 0: never */
	uint64_t rx, tx;
	struct fl_prefix *allowed; /* sorted */
	size_t n_allowed;
};

struct fl_route {
	struct fl_prefix dst;
	struct fl_prefix src; /* preferred source; family 0: the kernel's choice */
	unsigned int ifindex;
	uint32_t metric;
	uint8_t protocol;
};

struct fl_addr {
	struct fl_prefix addr;
	unsigned int ifindex;
};

struct fl_link {
	char name[IFNAMSIZ];
	unsigned int ifindex; /* 0: there is none */
	char kind[16];	      /* "wireguard", "veth", "" for real hardware */
	char *alias;	      /* NULL: none */
	unsigned int mtu;
	bool up;
	struct fl_key *private_key; /* NULL: none */
	struct fl_key public_key;
	uint16_t listen_port;
	uint32_t fwmark; /* read only: not ours */
};

struct fl_plan {
	struct fl_link link;
	struct fl_peer *peers; /* sorted by public key */
	size_t n_peers;
	struct fl_prefix *addrs; /* on the link, sorted; without link-local ones */
	size_t n_addrs;
	struct fl_route *routes; /* ours, sorted by dst */
	size_t n_routes;
};

void fl_plan_free(struct fl_plan *plan); /* what it holds, not itself */
struct fl_peer *fl_plan_peer(const struct fl_plan *plan, const struct fl_key *public_key);

/* What the rest of the host has, as far as it can stand in our way. */
struct fl_host {
	struct fl_addr *addrs; /* on other interfaces */
	size_t n_addrs;
	struct fl_route *routes; /* of others, in the main table, sorted by dst */
	size_t n_routes;
};

void fl_host_free(struct fl_host *host);

/* In the order in which they are carried out: add before remove. */
enum fl_op_kind {
	FL_OP_LINK_ADD,
	FL_OP_LINK_SET, /* MTU, alias */
	FL_OP_DEVICE,	/* private key, port */
	FL_OP_PEER_ADD,
	FL_OP_PEER_SET,
	FL_OP_ADDR_ADD,
	FL_OP_LINK_UP,
	FL_OP_ROUTE_ADD,
	FL_OP_ROUTE_SET,
	FL_OP_ROUTE_DEL,
	FL_OP_ADDR_DEL,
	FL_OP_PEER_DEL,
	FL_OP_LINK_DOWN,
	FL_OP_LINK_DEL,
};

struct fl_op {
	enum fl_op_kind kind;
	unsigned int want, have; /* index of the peer, address or route in its plan */
};

struct fl_ops {
	const struct fl_plan *want, *have;
	struct fl_op *ops;
	size_t n;
};

/* Pure. The plans must outlive the operations. */
struct fl_ops fl_plan_diff(const struct fl_plan *want, const struct fl_plan *have);
void fl_ops_free(struct fl_ops *ops);

/* "+ peer worker-2 …", one line each, and the same as a JSON array. */
char *fl_op_format(const struct fl_ops *ops, const struct fl_op *op); /* the caller frees */
void fl_ops_print(const struct fl_ops *ops, FILE *f);
struct json_object *fl_ops_json(const struct fl_ops *ops);

/* a \ b of two sorted lists of prefixes, in out, which has room for n_a; returns how many. */
size_t fl_prefix_minus(const struct fl_prefix *a, size_t n_a, const struct fl_prefix *b, size_t n_b,
		       struct fl_prefix *out);

#endif
