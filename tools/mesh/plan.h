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

/* What the alias of lane 0 begins with; the name of the mesh follows, and on the other lanes
 * " lane I of NAME". `down` removes no WireGuard interface without it. */
#define FL_ALIAS "fairlead mesh "

/* The reverse path filter's loose mode: replies may come on another lane. The kernel takes the
 * larger of this and of conf.all (Documentation/networking/ip-sysctl.rst), so it is enough. */
#define FL_RPF_LOOSE 2

/* The kernel picks the lane of a flow by a hash over addresses, protocol and ports (1), or over
 * fields of somebody's own choice (3, which is left alone). */
#define FL_HASH_L4     1
#define FL_HASH_CUSTOM 3

/* Indexes of what there is once a family. */
enum fl_family { FL_V4, FL_V6, FL_FAMILIES };

static inline enum fl_family fl_family_of(const struct fl_prefix *p)
{
	return p->family == AF_INET ? FL_V4 : FL_V6;
}

/* A session is over after this many seconds without a new handshake: REJECT_AFTER_TIME of
 * WireGuard's paper (6.1) and of the kernel's drivers/net/wireguard/messages.h. */
#define FL_SESSION_TIME 180

struct fl_peer {
	struct fl_key public_key;
	const char *name;		  /* the mesh's string; NULL for a peer that is not in it */
	const struct fl_node *node;	  /* in a plan that is wanted */
	struct fl_key *psk;		  /* NULL: none; of the lane's keys */
	struct sockaddr_storage endpoint; /* AF_UNSPEC: none */
	bool unreachable;		  /* in a plan that is wanted: no endpoint has a route */
	uint16_t keepalive;
	int64_t handshake; /* seconds since 1970, 0: never */
	uint64_t rx, tx;
	struct fl_prefix *allowed; /* sorted */
	size_t n_allowed;
};

struct fl_route {
	struct fl_prefix dst;
	struct fl_prefix src; /* preferred source; family 0: the kernel's choice */
	unsigned int ifindex; /* 0: of a nexthop object, or there is none */
	uint32_t nhid;	      /* 0: no nexthop object; only of routes that were read */
	uint32_t metric;
	uint32_t mtu, advmss; /* 0: the link's */
	uint8_t protocol;
	uint8_t lanes; /* over how many it goes, 0: over something that up would not make */
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
	int rp_filter;	 /* -1: as it is */
};

/* One WireGuard interface. A link without ifindex (as have) or kind (as want) does not exist. */
struct fl_lane {
	struct fl_link link;
	struct fl_peer *peers; /* sorted by public key */
	size_t n_peers;
	struct fl_keys *psks;
	struct fl_prefix *addrs; /* on the link, sorted; without link-local ones */
	size_t n_addrs;
};

/*
 * Nexthop objects: one a lane and family, and groups of the first K lanes, which all routes to
 * nodes of K lanes share. Their ids are a block, so that what an id is for is known from it:
 * base + FL_NH_ID(family, group, I) is lane I, or the group of I + 1 lanes.
 */
#define FL_NH_FIRST		   0x464c0000U /* "FL" */
#define FL_NH_BLOCK		   64U
#define FL_NH_BLOCKS		   1024U
#define FL_NH_ID(family, group, i) ((family)*32U + (group)*16U + (i))

struct fl_nexthops {
	uint32_t base;				     /* 0: there are none */
	uint16_t lanes[FL_FAMILIES];		     /* bit I: lane I has one */
	uint16_t groups[FL_FAMILIES][FL_MESH_LANES]; /* [][K - 1]: lanes of the group, as bits */
};

struct fl_plan {
	struct fl_lane lanes[FL_MESH_LANES];
	unsigned int read_lanes; /* what fl_state_read() was asked for */
	struct fl_nexthops nexthops;
	int hash_policy[FL_FAMILIES]; /* net.ipv*.fib_multipath_hash_policy, -1: as it is */
	struct fl_route *routes;      /* ours, sorted by dst */
	size_t n_routes;
};

void fl_plan_init(struct fl_plan *plan); /* nothing exists, nothing is wished */
void fl_plan_free(struct fl_plan *plan); /* what it holds, not itself; then as after init */
void fl_lane_free(struct fl_lane *lane);
struct fl_peer *fl_lane_peer(const struct fl_lane *lane, const struct fl_key *public_key);

/* The lane whose interface this is, or NULL. */
const struct fl_lane *fl_plan_lane(const struct fl_plan *plan, unsigned int ifindex);
bool fl_plan_exists(const struct fl_plan *plan); /* any lane of what was read */

/* Name of lane i: that of lane 0 with its number, if it ends in one, or 0 otherwise, raised by i:
 * fl0, fl1; mesh, mesh1. False if the kernel allows no name as long. */
bool fl_lane_name(const char *first, unsigned int i, char out[IFNAMSIZ]);

bool fl_link_is_wireguard(const struct fl_link *link);

/* Does the alias say that it is a mesh's? */
bool fl_is_alias(const char *alias);

/* Which lane of the mesh whose first interface is `first` an alias speaks of, -1: none. */
int fl_lane_of_alias(const char *alias, const char *first);
char *fl_lane_alias(const char *mesh, const char *first, unsigned int i); /* the caller frees */

struct fl_dev {
	unsigned int ifindex;
	unsigned int mtu;
	char name[IFNAMSIZ];
	char *mesh; /* the alias of a WireGuard interface that says it is a mesh's, or NULL */
};

/* What the rest of the host has, as far as it can stand in our way. */
struct fl_host {
	struct fl_addr *addrs; /* on other interfaces */
	size_t n_addrs;
	struct fl_route *routes; /* of others, in the main table, sorted by dst */
	size_t n_routes;
	struct fl_dev *devs; /* all interfaces, sorted by ifindex */
	size_t n_devs;
	uint32_t *nexthops; /* ids of others in our range, sorted */
	size_t n_nexthops;
};

const struct fl_dev *fl_host_dev(const struct fl_host *host, unsigned int ifindex);

void fl_host_free(struct fl_host *host);

/* In the order in which they are carried out: add before remove. */
enum fl_op_kind {
	FL_OP_LINK_ADD,
	FL_OP_LINK_SET, /* MTU, alias, reverse path filter */
	FL_OP_DEVICE,	/* private key, port */
	FL_OP_PEER_ADD,
	FL_OP_PEER_SET,
	FL_OP_ADDR_ADD,
	FL_OP_LINK_UP,
	FL_OP_HASH,	   /* hash policy */
	FL_OP_NEXTHOP_ADD, /* a lane's */
	FL_OP_GROUP_ADD,
	FL_OP_GROUP_SET,
	FL_OP_ROUTE_ADD,
	FL_OP_ROUTE_SET,
	FL_OP_ROUTE_DEL,
	FL_OP_GROUP_DEL,
	FL_OP_NEXTHOP_DEL,
	FL_OP_ADDR_DEL,
	FL_OP_PEER_DEL,
	FL_OP_LINK_DOWN,
	FL_OP_LINK_DEL,
};

struct fl_op {
	enum fl_op_kind kind;
	uint8_t lane;		 /* of link, device, peer and address; of a group: lanes - 1 */
	uint8_t family;		 /* enum fl_family: of hash policy, nexthop and group */
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
