/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_STALL_H
#define FL_MESH_STALL_H

#include "plan.h"

/*
 * A peer that is sent data and answers with nothing but handshakes, or with nothing at all: its
 * state would be "up" for minutes, or for good.
 *
 * WireGuard answers data within 10 s, if only with a keepalive (KEEPALIVE_TIMEOUT of
 * drivers/net/wireguard/messages.h), and shakes hands anew after 5 s more. What the counters
 * have grown by tells handshakes (148 and 92 bytes) and keepalives (32) from data (64 or more).
 */
#define FL_STALL_TIME 15

struct fl_stall {
	uint64_t rx, tx; /* when it was last looked at */
	int64_t at;	 /* when that was, us; 0: never */
	int64_t waiting; /* since when data was sent without an answer, us; 0: it was not */
};

/* Look at a peer of a lane; `now` is fl_now_us(). True if it has been waiting for as long. */
bool fl_stalled(struct fl_stall *s, const struct fl_peer *peer, int64_t now);

#endif
