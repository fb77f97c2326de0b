/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_CONFIRM_H
#define FL_MESH_CONFIRM_H

#include "nl.h"
#include "plan.h"

/*
 * Send one packet over every lane to each peer that the operations add or whose interface they
 * bring up. Where a node starts anew, its peers still have the sessions from before: what they send,
 * and on lanes that only answers come by that is all there is, would be lost until they notice
 * after 15 s (KEEPALIVE_TIMEOUT + REKEY_TIMEOUT of drivers/net/wireguard/messages.h).
 */
void fl_kick(const struct fl_ops *ops);

/* What a state of peers is held against. */
struct fl_baseline;

/*
 * Find out which peers answer now, before anything is changed; takes at most `seconds`. Peers of
 * the wish that are not there yet shall answer as well, if their endpoint has a route.
 */
struct fl_baseline *fl_confirm_before(struct fl_nl *nl, const struct fl_plan *have,
				      const struct fl_plan *want, unsigned int seconds);

/*
 * After the change: true as soon as every one of them has completed a handshake, or answered, on
 * each of its lanes, or a person at the terminal says so. False if `seconds` pass, the person says
 * no, or a signal comes; what failed is printed.
 */
bool fl_confirm(struct fl_nl *nl, const char *first, const struct fl_plan *want,
		struct fl_baseline *b, unsigned int seconds);
void fl_baseline_free(struct fl_baseline *b);

#endif
