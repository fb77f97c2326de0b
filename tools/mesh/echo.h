/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_ECHO_H
#define FL_MESH_ECHO_H

#include "plan.h"

/* Asking nodes for ICMP echoes through the tunnel: what `ping` and `show --ping` measure with. */

/* An address of a node, over one lane. */
struct fl_target {
	const struct fl_node *node;
	unsigned int lane;
	bool alive; /* there is a session: no handshake comes first */
	struct fl_prefix src, dst;
	unsigned int sent, received, refused; /* by our kernel: nothing will come back */
	int64_t least, most, sum;	      /* round trips in us */
	int err;			      /* of the last packet that could not be sent */
};

struct fl_echo {
	const struct fl_plan *plan;
	struct fl_target *targets;
	size_t n;
	unsigned int count;			/* how often each is asked */
	int sender[FL_MESH_LANES][FL_FAMILIES]; /* -1: not open */
	int receiver[FL_FAMILIES];
	int64_t *sent_at; /* of packet i, to target i % n */
	uint16_t id;
};

/* Prints why raw sockets cannot be had, and returns -1; fl_echo_close() is due in any case. */
int fl_echo_open(struct fl_echo *e, const struct fl_plan *plan, unsigned int count);

/* Every address of a node, or one for each lane, that has a family which we have an address of. */
enum fl_echo_addresses { FL_ECHO_ALL, FL_ECHO_ONE };
void fl_echo_add(struct fl_echo *e, const struct fl_node *node, enum fl_echo_addresses which,
		 int64_t now);

/* Ask all of them, and wait for the answers: 2 s after the last packet, or 6 s where there must be
 * a handshake first, which may have to be repeated after 5 s; but no longer than `most` seconds,
 * if that is not 0. */
void fl_echo_run(struct fl_echo *e, unsigned int most);
void fl_echo_close(struct fl_echo *e);

#endif
