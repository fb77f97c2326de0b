/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_RT_H
#define FL_MESH_RT_H

#include "nl.h"
#include "plan.h"

/* Routing netlink: libnl-route makes and reads the messages, nl.c carries them. All return 0 or
 * -errno; those with a tag queue a change, as fl_nl_write() does. */

/* By name, or by index if the name is NULL. link->ifindex is 0 if there is none. */
int fl_rt_read_link(struct fl_nl *nl, const char *name, unsigned int ifindex, struct fl_link *link);

/* Addresses and main table: what is the plan's, and what is others' into host. */
int fl_rt_read_addrs(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host);
int fl_rt_read_routes(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host);

/* The way that a packet to this address takes: outgoing interface (of a multipath route the first)
 * and the MTU that the route or, without one, the interface has (of a multipath route the least).
 * -ENETUNREACH if there is none. */
struct fl_rt_way {
	unsigned int ifindex;
	unsigned int mtu;
};
int fl_rt_lookup(struct fl_nl *nl, const struct sockaddr_storage *dst, struct fl_rt_way *way);

int fl_rt_link_add(struct fl_nl *nl, const struct fl_link *link, unsigned int tag);
int fl_rt_link_set(struct fl_nl *nl, unsigned int ifindex, unsigned int mtu, const char *alias,
		   unsigned int tag); /* mtu 0, alias NULL: leave */
int fl_rt_link_up(struct fl_nl *nl, unsigned int ifindex, bool up, unsigned int tag);
int fl_rt_link_del(struct fl_nl *nl, unsigned int ifindex, unsigned int tag);
int fl_rt_addr(struct fl_nl *nl, unsigned int ifindex, const struct fl_prefix *addr, bool add,
	       unsigned int tag);

enum fl_rt_route_op { FL_RT_ADD, FL_RT_REPLACE, FL_RT_DEL };
int fl_rt_route(struct fl_nl *nl, const struct fl_route *route, unsigned int ifindex,
		enum fl_rt_route_op op, unsigned int tag);

#endif
