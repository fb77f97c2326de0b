// SPDX-License-Identifier: GPL-2.0
#include "stall.h"

#define INITIATION 148
#define RESPONSE   92
#define KEEPALIVE  32
#define DATA_LEAST 64 /* header and tag around the smallest packet, padded */

/* Can so many bytes be handshakes alone? No more than a few pass between two looks. */
static bool only_handshakes(uint64_t bytes)
{
	for (uint64_t i = 0; i <= 8 && i * INITIATION <= bytes; i++)
		for (uint64_t r = 0; r <= 8 && i * INITIATION + r * RESPONSE <= bytes; r++)
			if (i * INITIATION + r * RESPONSE == bytes)
				return true;
	return false;
}

/* Were there data among the bytes that were sent? Not if they are what handshakes and as many
 * keepalives as can be sent in that time come to. */
static bool sent_data(uint64_t bytes, uint64_t keepalives)
{
	for (uint64_t k = 0; k <= keepalives && k * KEEPALIVE <= bytes; k++)
		if (only_handshakes(bytes - k * KEEPALIVE))
			return false;
	return bytes >= DATA_LEAST;
}

bool fl_stalled(struct fl_stall *s, const struct fl_peer *peer, int64_t now)
{
	uint64_t rx = peer->rx - s->rx, tx = peer->tx - s->tx;
	uint64_t seconds = (now - s->at) / 1000000, keepalives = 1 + seconds / 10;
	bool anew = !s->at || peer->rx < s->rx || peer->tx < s->tx;

	if (peer->keepalive)
		keepalives += 1 + seconds / peer->keepalive;
	s->at = now;
	s->rx = peer->rx;
	s->tx = peer->tx;
	if (anew || (rx && !only_handshakes(rx)))
		s->waiting = 0;
	else if (!s->waiting && sent_data(tx, keepalives))
		s->waiting = now;
	return s->waiting && now - s->waiting >= FL_STALL_TIME * 1000000LL;
}
