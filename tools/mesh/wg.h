/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_WG_H
#define FL_MESH_WG_H

#include "nl.h"
#include "plan.h"

/* WireGuard's generic netlink, linux/wireguard.h. */

/* A change of one peer. */
struct fl_wg_change {
	const struct fl_key *public_key;
	uint32_t flags;				 /* WGPEER_F_* */
	const struct sockaddr_storage *endpoint; /* NULL: leave */
	const struct fl_key *psk;		 /* NULL: leave */
	int keepalive;				 /* -1: leave */
	const struct fl_prefix *allowed;	 /* to add */
	size_t n_allowed;
};

struct fl_wg_set {
	unsigned int ifindex;
	const struct fl_key *private_key; /* NULL: leave */
	int listen_port;		  /* -1: leave */
	const struct fl_wg_change *changes;
	size_t n_changes;
};

/* Where the next message begins; starts as zeroes. */
struct fl_wg_cursor {
	size_t change, allowed;
	bool begun;
};

/*
 * Write the next message of a change into buf, at most `size` bytes (1024 is the least that
 * works); peers, and the allowed IPs of one peer, go on in as many messages as it takes. Returns
 * the message or, when all is said, NULL.
 */
struct nlmsghdr *fl_wg_encode(void *buf, size_t size, uint16_t family, const struct fl_wg_set *set,
			      struct fl_wg_cursor *c);

/* Add what a message of a WG_CMD_GET_DEVICE dump says to a lane. A peer may go on in the next
 * message. Returns 0 or -EBADMSG. After the last message: fl_wg_decoded(). */
int fl_wg_decode(const struct nlmsghdr *nlh, struct fl_lane *lane);
void fl_wg_decoded(struct fl_lane *lane); /* sorts */

/* Read the device of lane->link.ifindex. Returns 0 or -errno. */
int fl_wg_read(struct fl_nl *nl, struct fl_lane *lane);

/* Queue a change. Returns 0 or -errno, as fl_nl_write(). */
int fl_wg_write(struct fl_nl *nl, const struct fl_wg_set *set, unsigned int tag);

#endif
