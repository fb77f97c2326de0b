/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_ROUTE_H
#define FL_MESH_ROUTE_H

#include "nl.h"
#include "plan.h"

/*
 * Routes and nexthop objects. Written and read with libmnl, since the libnl of the distributions
 * that Fairlead runs on (3.7 in Debian 12) knows no nexthop objects, not even their id in a route.
 * All return 0 or -errno; those with a tag queue a change, as fl_nl_write() does.
 */

/* Nexthop objects: the plan's, and others' in our range of ids into host. After the links. */
int fl_nexthop_read(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host);

/* The main table: what is the plan's, and what is others' into host. After the nexthop objects. */
int fl_route_read(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host);

/* What a message of these dumps says; false if it is of no interest. */
bool fl_route_decode(const struct nlmsghdr *nlh, struct fl_route *route);

struct fl_nh_msg {
	uint32_t id;
	uint8_t protocol;
	unsigned int ifindex; /* 0: none */
	bool plain;	      /* an interface or a group, and nothing else */
	unsigned int n_members;
	uint32_t members[FL_MESH_LANES];
};
bool fl_nexthop_decode(const struct nlmsghdr *nlh, struct fl_nh_msg *msg);

enum fl_route_op { FL_ROUTE_ADD, FL_ROUTE_REPLACE, FL_ROUTE_DEL };

/* Over the nexthop object `nhid` or, if that is 0, the interface. */
int fl_route_write(struct fl_nl *nl, const struct fl_route *route, unsigned int ifindex,
		   uint32_t nhid, enum fl_route_op op, unsigned int tag);

int fl_nexthop_add(struct fl_nl *nl, uint32_t id, enum fl_family family, unsigned int ifindex,
		   unsigned int tag);

/* Of the lanes whose bits are set, all of the block `base`. */
int fl_nexthop_group(struct fl_nl *nl, uint32_t base, enum fl_family family, unsigned int index,
		     uint16_t lanes, bool replace, unsigned int tag);
int fl_nexthop_del(struct fl_nl *nl, uint32_t id, unsigned int tag);

/*
 * The way that a packet to `addr` takes: outgoing interface (of a multipath route the first) and
 * the MTU that the route or, without one, the interface has (of a multipath route the least). err
 * is -ENETUNREACH if there is none.
 */
struct fl_way {
	struct fl_prefix addr;
	int err;
	unsigned int ifindex;
	unsigned int mtu;
};
int fl_route_ways(struct fl_nl *nl, const struct fl_host *host, struct fl_way *ways, size_t n);

#endif
