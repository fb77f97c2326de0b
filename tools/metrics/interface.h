/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_INTERFACE_H
#define FL_METRICS_INTERFACE_H

#include "maps.h"
#include "tc.h"

/*
 * Interfaces of this network namespace that carry tc programs of ours. They are numbered, in
 * metrics_lanes; a lane that is made anew under its old name gets its old number, so that its
 * counters go on. The caller holds the lock of the pins. Functions that can fail print their
 * messages and return enum fl_exit.
 */

struct fl_mesh;

/* The number that the interface has or would get; -1 after a message: there is none left. */
int fl_interface_number(const struct fl_metrics_maps *maps, unsigned int ifindex,
			const char *ifname);

int fl_interface_attach(const struct fl_metrics_maps *maps, unsigned int ifindex,
			const char *ifname, enum fl_metrics_lane_kind kind, const struct fl_tc *tc);

/* Whatever of ours is on it. lanes_fd < 0: whose the qdisc is, is not known; it stays. */
void fl_interface_detach(unsigned int ifindex, int lanes_fd);

/* What the lanes carry; prog_fd of -1, and map_fd of -1 if maps is NULL. */
struct fl_tc fl_lane_tc(const struct fl_metrics_maps *maps);

/*
 * The underlay: the Ethernet devices that the endpoints of the mesh are routed by. Attaches to
 * those, detaches from those that are no longer. Failures are warnings.
 */
void fl_underlay_attach(const struct fl_metrics_maps *maps, const struct fl_mesh *mesh);

#endif
