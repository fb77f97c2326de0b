// SPDX-License-Identifier: GPL-2.0
#include "psk.h"

#include "../lib/mem.h"
#include "../lib/msg.h"
#include "mesh.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void fl_psk_derive(struct fl_key *psk, const struct fl_key *secret, const struct fl_key *a,
		   const struct fl_key *b)
{
	static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "fairlead psk 1";
	uint8_t pair[2 * FL_KEY_LEN];
	bool swap = fl_key_cmp(a, b) > 0;

	memcpy(pair, swap ? b : a, FL_KEY_LEN);
	memcpy(pair + FL_KEY_LEN, swap ? a : b, FL_KEY_LEN);
	crypto_generichash_blake2b_salt_personal(psk->bytes, sizeof(psk->bytes), pair, sizeof(pair),
						 secret->bytes, sizeof(secret->bytes), NULL,
						 personal);
}

int fl_psk_open(struct fl_psk_source *src, const struct fl_mesh *mesh, const struct fl_node *self)
{
	*src = (struct fl_psk_source){ .mesh = mesh, .self = self, .path = fl_mesh_opt_psk };
	if (!src->path)
		src->path = mesh->psks == FL_PSK_DERIVED ? FL_PSK_SECRET : FL_PSK_DIR;
	if (mesh->psks != FL_PSK_DERIVED)
		return 0;
	src->secret = fl_key_read_secret(src->path);
	return src->secret ? 0 : -1;
}

int fl_psk_get(const struct fl_psk_source *src, const struct fl_node *peer, struct fl_key *psk)
{
	struct fl_key *key;
	char *path;

	if (src->mesh->psks == FL_PSK_OFF)
		return 0;
	if (src->secret) {
		fl_psk_derive(psk, src->secret, &src->self->public_key, &peer->public_key);
		return 1;
	}
	path = fl_asprintf("%s/%s", src->path, peer->name);
	key = fl_key_read_secret(path);
	free(path);
	if (!key)
		return -1;
	*psk = *key;
	fl_key_free(key);
	return 1;
}

void fl_psk_close(struct fl_psk_source *src)
{
	fl_key_free(src->secret);
	src->secret = NULL;
}

int fl_psk_fill(const struct fl_mesh *mesh, const struct fl_node *self, struct fl_plan *want)
{
	struct fl_psk_source src;
	int err = 0;

	if (mesh->psks == FL_PSK_OFF)
		return 0;
	if (fl_psk_open(&src, mesh, self))
		return -1;
	/* All that are missing are said, not only the first. */
	for (size_t i = 0; i < want->lanes[0].n_peers; i++) {
		struct fl_peer *peer = &want->lanes[0].peers[i];

		peer->psk = fl_keys_new(&want->lanes[0].psks);
		if (fl_psk_get(&src, peer->node, peer->psk) < 0)
			err = -1;
	}
	fl_psk_close(&src);
	if (err)
		return -1;
	/* One key for all lanes of a pair: they shake hands each for itself. */
	for (unsigned int lane = 1; lane < FL_MESH_LANES; lane++) {
		struct fl_lane *l = &want->lanes[lane];

		for (size_t i = 0; i < l->n_peers; i++) {
			const struct fl_peer *first =
				fl_lane_peer(&want->lanes[0], &l->peers[i].public_key);

			l->peers[i].psk = fl_keys_new(&l->psks);
			*l->peers[i].psk = *first->psk;
		}
	}
	return 0;
}
