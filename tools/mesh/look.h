/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_LOOK_H
#define FL_MESH_LOOK_H

#include "state.h"

/* What the verbs that look and change nothing have in common: the kernel's state with the names of
 * the mesh file. */

struct fl_look_run {
	struct fl_mesh *mesh; /* NULL: there is no mesh file */
	struct fl_nl nl;
	struct fl_plan plan;
	const struct fl_node *self; /* NULL: not in the mesh file */
	bool broken;		    /* there is a mesh file, with errors */
	bool routes;		    /* FL_LOOK_ROUTES */

	const struct fl_node **nodes; /* that were named: fl_look_nodes() */
	size_t n_nodes;
};

/* Reads it, with a mesh file if there is one. Returns enum fl_exit, after a message; fl_look_end()
 * is due in any case. */
enum {
	FL_LOOK_MESH = 1,   /* only with a mesh file */
	FL_LOOK_ROUTES = 2, /* the routes, too */
};
int fl_look_begin(struct fl_look_run *run, int flags);
int fl_look_again(struct fl_look_run *run); /* read the kernel's state anew */
void fl_look_end(struct fl_look_run *run);

/* The nodes with these names or, if there are none, all but this one. */
int fl_look_nodes(struct fl_look_run *run, int argc, char **argv);

/* A peer, over all lanes. */
struct fl_shown {
	const struct fl_peer *lanes[FL_MESH_LANES]; /* NULL: not on this lane */
	unsigned int n_lanes, n_up;
	uint16_t stalled;	     /* lanes, as bits */
	const struct fl_peer *first; /* of the lowest lane: name, key, allowed IPs */
	unsigned int first_lane;
	int64_t handshake; /* the latest */
	uint64_t rx, tx;
	const char *state;
	double rx_rate, tx_rate;	       /* bytes a second, negative: not known */
	int64_t rtt[FL_MESH_LANES], least_rtt; /* us, negative: not known */
};

/* All peers, in the order of the file, then those that are not in it; the caller frees. */
struct fl_shown *fl_look_peers(const struct fl_plan *plan, int64_t now, size_t *n);

/* "up", "stale" or "never". */
const char *fl_look_state(const struct fl_peer *p, int64_t now);

/* "12s", "3m07s", …, "never". */
const char *fl_look_age(int64_t handshake, int64_t now, char out[32]);

/* The mesh that an interface's alias names, or NULL. */
const char *fl_look_mesh(const struct fl_link *link);

#endif
