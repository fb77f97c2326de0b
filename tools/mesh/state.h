/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_STATE_H
#define FL_MESH_STATE_H

#include "nl.h"
#include "plan.h"

/* What is (read.c), what shall be (want.c, underlay.c) and how to get there (apply.c). */

/*
 * Read the interface, its peers, addresses and routes. `host` may be NULL. Prints what is wrong
 * and returns -1 if it cannot be read. An interface of another kind than WireGuard is read without
 * peers: look at plan->link.kind.
 */
int fl_state_read(struct fl_nl *nl, const char *ifname, struct fl_plan *plan, struct fl_host *host);

/* Give the peers of a plan the names that they have in the mesh. */
void fl_state_name(struct fl_plan *plan, const struct fl_mesh *mesh);

/* How much of the wish can be had. */
struct fl_want_report {
	unsigned int no_endpoint; /* peers whose endpoints cannot be resolved or reached now */
};

/*
 * Build the wanted state of node `self`. `have` and `host` are what is now: learned endpoints stay,
 * and what others have in our place (address, route) is an error. Prints; returns -1 on error.
 */
int fl_want(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_node *self,
	    const struct fl_key *private_key, const char *ifname, const struct fl_plan *have,
	    const struct fl_host *host, int64_t now, struct fl_plan *want,
	    struct fl_want_report *report);

/*
 * Endpoints and MTU of a wanted plan from the underlay's routes: underlay.c. A peer's endpoint in
 * the kernel stays if it has a live session, since then it works, whether it was configured or
 * learned; if the file gives none; or if it is one of the file's that has a route. Otherwise it
 * becomes the first of the file's that resolves and has a route.
 */
int fl_underlay(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_plan *have,
		int64_t now, struct fl_plan *want, struct fl_want_report *report);

bool fl_session_alive(const struct fl_peer *peer, int64_t now);

/*
 * Carry out the operations. Returns 0, or -1 after printing what failed and, as far as that is
 * possible, bringing back the state that ops->have describes.
 */
int fl_apply(struct fl_nl *nl, const struct fl_ops *ops);

/* "needs CAP_NET_ADMIN …", or strerror(); for messages about netlink errors. */
const char *fl_nl_strerror(int err);

#endif
