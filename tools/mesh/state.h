/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_STATE_H
#define FL_MESH_STATE_H

#include "nl.h"
#include "plan.h"

/* What is (read.c), what shall be (want.c, underlay.c) and how to get there (apply.c). */

/*
 * Read the lanes, their peers, addresses, routes and nexthop objects. `first` is the interface of
 * lane 0; those of `lanes` lanes are read whatever their alias says, others if it says that they
 * are lanes of this mesh. `host` may be NULL. Prints what is wrong and returns -1 if it cannot be
 * read. An interface of another kind than WireGuard is read without peers: look at link.kind.
 */
int fl_state_read(struct fl_nl *nl, const char *first, unsigned int lanes, struct fl_plan *plan,
		  struct fl_host *host);

/* The same without routes and nexthop objects, of which there are more than of anything else: for
 * who only looks. */
int fl_state_read_peers(struct fl_nl *nl, const char *first, struct fl_plan *plan);

/* Give the peers of a plan the names that they have in the mesh. */
void fl_state_name(struct fl_plan *plan, const struct fl_mesh *mesh);

/*
 * net.ipv*.fib_multipath_hash_policy of this network namespace, and what it was before we changed
 * it, which is kept in /run/fairlead as long as there are lanes: hash.c. -1: not known.
 */
int fl_hash_read(enum fl_family family);
int fl_hash_write(enum fl_family family, int policy); /* 0 or -errno */
void fl_hash_saved(const char *first, int saved[FL_FAMILIES]);
int fl_hash_save(const char *first, const int saved[FL_FAMILIES]); /* all -1: forget */

/* How much of the wish can be had. */
struct fl_want_report {
	unsigned int no_endpoint; /* peers whose endpoints cannot be resolved or reached now */
};

/*
 * Build the wanted state of node `self`. `have` and `host` are what is now: learned endpoints stay,
 * and what others have in our place (address, route) is an error. Prints; returns -1 on error.
 */
int fl_want(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_node *self,
	    const struct fl_key *private_key, const char *first, const struct fl_plan *have,
	    const struct fl_host *host, int64_t now, struct fl_plan *want,
	    struct fl_want_report *report);

/*
 * Endpoints and MTU of a wanted plan from the underlay's routes: underlay.c. A peer's endpoint in
 * the kernel stays if it has a live session, since then it works, whether it was configured or
 * learned; if the file gives none; or if it is one of the file's that has a route. Otherwise it
 * becomes the first of the file's that resolves and has a route.
 *
 * The link gets the largest MTU that any peer's path carries; node_mtu, which has room for all
 * nodes of the mesh, gets what each path carries, and 0 for those that the link's MTU suits.
 */
int fl_underlay(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_node *self,
		const struct fl_plan *have, const struct fl_host *host, int64_t now,
		struct fl_plan *want, unsigned int *node_mtu, struct fl_want_report *report);

/* What WireGuard adds to a packet, over an underlay of this family. */
unsigned int fl_overhead(sa_family_t family);

bool fl_session_alive(const struct fl_peer *peer, int64_t now);

/*
 * Carry out the operations. Returns 0, or -1 after printing what failed and, as far as that is
 * possible, bringing back the state that ops->have describes.
 */
int fl_apply(struct fl_nl *nl, const char *first, const struct fl_ops *ops);

/* Bring back a state that was read before. Returns 1 if something was done, 0 if nothing was to be
 * done, or -1 after printing what failed. */
int fl_undo(struct fl_nl *nl, const char *first, const struct fl_plan *before);

/* "needs CAP_NET_ADMIN …", or strerror(); for messages about netlink errors. */
const char *fl_nl_strerror(int err);

#endif
