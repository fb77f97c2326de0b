/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_PSK_H
#define FL_MESH_PSK_H

#include "plan.h"

/*
 * Preshared keys: a second secret in every handshake, so that who records traffic today and has a
 * quantum computer one day cannot read it (WireGuard's paper, 5.2).
 */

/* PresharedKeys = derived: the secret that all nodes have. */
#define FL_PSK_SECRET "/etc/fairlead/mesh.psk"

/* PresharedKeys = files: one file a peer, of its name; the same key in both nodes' file. */
#define FL_PSK_DIR "/etc/fairlead/psk.d"

/*
 * The key of a pair: BLAKE2b-256 of both public keys, the smaller first, with the secret as its key
 * and the personalization "fairlead psk 1". Who learns one pair's key learns nothing of others.
 */
void fl_psk_derive(struct fl_key *psk, const struct fl_key *secret, const struct fl_key *a,
		   const struct fl_key *b);

/* Give the peers of a wanted plan, or of one lane, their keys. Prints what is wrong and returns -1
 * if they cannot be read. */
int fl_psk_fill(const struct fl_mesh *mesh, const struct fl_node *self, struct fl_plan *want);

/*
 * Where keys come from. `a` and `b` are the nodes of a pair; with files, one of them must be this
 * node, whose private key is elsewhere: the file is called like the other. The key is written to
 * *psk, or there is none: 1, 0, -1 after a message.
 */
struct fl_psk_source {
	const struct fl_mesh *mesh;
	const struct fl_node *self;
	struct fl_key *secret; /* NULL: not derived */
	const char *path;
};
int fl_psk_open(struct fl_psk_source *src, const struct fl_mesh *mesh, const struct fl_node *self);
int fl_psk_get(const struct fl_psk_source *src, const struct fl_node *peer, struct fl_key *psk);
void fl_psk_close(struct fl_psk_source *src);

#endif
