/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_RT_H
#define FL_MESH_RT_H

#include "nl.h"
#include "plan.h"

/* Routing netlink: libnl-route makes and reads the messages of links and addresses, nl.c carries
 * them. All return 0 or -errno; those with a tag queue a change, as fl_nl_write() does. */

/* By name. link->ifindex is 0 if there is none. */
int fl_rt_read_link(struct fl_nl *nl, const char *name, struct fl_link *link);

/*
 * All interfaces: the plan's lanes, and every one into host->devs. Lanes are the interface `first`,
 * those whose alias says that they are lanes of it, and those that have the name of one of the
 * first `lanes` lanes.
 */
int fl_rt_read_links(struct fl_nl *nl, const char *first, unsigned int lanes, struct fl_plan *plan,
		     struct fl_host *host);

/* What is on the plan's lanes, and what is others' into host. After the links. */
int fl_rt_read_addrs(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host);

int fl_rt_link_add(struct fl_nl *nl, const struct fl_link *link, unsigned int tag);
int fl_rt_link_set(struct fl_nl *nl, unsigned int ifindex, unsigned int mtu, const char *alias,
		   int rp_filter, unsigned int tag); /* mtu 0, alias NULL, rp_filter -1: leave */
int fl_rt_link_up(struct fl_nl *nl, unsigned int ifindex, bool up, unsigned int tag);
int fl_rt_link_del(struct fl_nl *nl, unsigned int ifindex, unsigned int tag);
int fl_rt_addr(struct fl_nl *nl, unsigned int ifindex, const struct fl_prefix *addr, bool add,
	       unsigned int tag);

#endif
