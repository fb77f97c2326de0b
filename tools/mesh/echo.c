// SPDX-License-Identifier: GPL-2.0
#include "echo.h"

#include "../lib/mem.h"
#include "../lib/msg.h"
#include "icmp.h"
#include "state.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_US 200000
#define WAIT_US	    2000000 /* for the last answer */
#define SHAKE_US    6000000 /* where a handshake comes first, and may have to be repeated (5 s) */
#define PACKET	    64

int fl_echo_open(struct fl_echo *e, const struct fl_plan *plan, unsigned int count)
{
	*e = (struct fl_echo){ .plan = plan, .count = count, .id = getpid() };
	memset(e->sender, 0xff, sizeof(e->sender));
	memset(e->receiver, 0xff, sizeof(e->receiver));
	for (int f = 0; f < FL_FAMILIES; f++) {
		e->receiver[f] = fl_icmp_receiver(f);
		if (e->receiver[f] >= 0)
			continue;
		fl_err("cannot open a raw socket: %s", fl_nl_strerror(e->receiver[f]));
		return -1;
	}
	return 0;
}

void fl_echo_close(struct fl_echo *e)
{
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		for (int f = 0; f < FL_FAMILIES; f++)
			if (e->sender[i][f] >= 0)
				close(e->sender[i][f]);
	for (int f = 0; f < FL_FAMILIES; f++)
		if (e->receiver[f] >= 0)
			close(e->receiver[f]);
	free(e->sent_at);
	free(e->targets);
}

static void add_target(struct fl_echo *e, const struct fl_target *t)
{
	if (!(e->n & (e->n - 1)))
		e->targets = fl_realloc(e->targets, e->n ? 2 * e->n : 1, sizeof(*e->targets));
	e->targets[e->n++] = *t;
}

void fl_echo_add(struct fl_echo *e, const struct fl_node *node, enum fl_echo_addresses which,
		 int64_t now)
{
	const struct fl_lane *own = &e->plan->lanes[0];

	for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
		const struct fl_peer *peer = fl_lane_peer(&e->plan->lanes[lane], &node->public_key);
		bool done[FL_FAMILIES] = { false };

		for (size_t i = 0; peer && i < node->n_addresses; i++) {
			const struct fl_prefix *dst = &node->addresses[i];
			enum fl_family f = fl_family_of(dst);

			for (size_t j = 0; j < own->n_addrs && !done[f]; j++) {
				struct fl_target t = { .node = node, .lane = lane, .dst = *dst };

				if (own->addrs[j].family != dst->family)
					continue;
				t.src = own->addrs[j];
				t.alive = fl_session_alive(peer, now);
				add_target(e, &t);
				done[f] = true;
			}
			if (which == FL_ECHO_ONE && done[f])
				break;
		}
	}
}

static int send_one(struct fl_echo *e, struct fl_target *t, uint32_t number)
{
	enum fl_family f = fl_family_of(&t->dst);
	int *fd = &e->sender[t->lane][f];

	if (*fd == -1) {
		*fd = fl_icmp_sender(f, e->plan->lanes[t->lane].link.name, 0);
		if (*fd < 0)
			return *fd;
	}
	e->sent_at[number] = fl_now_us();
	return fl_icmp_send(*fd, &t->src, &t->dst, e->id + (number >> 16), number, PACKET);
}

static void take_answers(struct fl_echo *e, enum fl_family f)
{
	struct fl_icmp_answer a;

	while (fl_icmp_receive(e->receiver[f], f, &a) > 0) {
		uint32_t number = (uint32_t)(uint16_t)(a.id - e->id) << 16 | a.seq;
		struct fl_target *t;
		int64_t rtt;

		if (number >= e->n * e->count || !e->sent_at[number])
			continue;
		t = &e->targets[number % e->n];
		if (fl_prefix_cmp(&t->dst, &a.from))
			continue;
		rtt = fl_now_us() - e->sent_at[number];
		e->sent_at[number] = 0; /* an answer that comes twice counts once */
		if (!t->received || rtt < t->least)
			t->least = rtt;
		if (rtt > t->most)
			t->most = rtt;
		t->sum += rtt;
		t->received++;
	}
}

static int64_t wait_time(const struct fl_echo *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (!e->targets[i].alive)
			return SHAKE_US;
	return WAIT_US;
}

void fl_echo_run(struct fl_echo *e, unsigned int most)
{
	int64_t next = fl_now_us(), wait = wait_time(e), deadline = 0;
	size_t outstanding = 1;
	unsigned int round = 0;

	if (!e->n)
		return;
	if (most && wait > most * 1000000LL)
		wait = most * 1000000LL;
	e->sent_at = fl_zalloc(e->n * e->count * sizeof(*e->sent_at));
	while (round < e->count || (outstanding && fl_now_us() < deadline)) {
		struct pollfd fds[FL_FAMILIES] = { { e->receiver[0], POLLIN, 0 },
						   { e->receiver[1], POLLIN, 0 } };
		int64_t now = fl_now_us();

		if (round < e->count && now >= next) {
			for (size_t i = 0; i < e->n; i++) {
				struct fl_target *t = &e->targets[i];
				int err = send_one(e, t, round * e->n + i);

				t->sent++;
				t->err = err ? err : t->err;
				t->refused += err != 0;
				/* Thousands of them: do not let the answers overflow. */
				if (i % 64 == 63)
					for (int f = 0; f < FL_FAMILIES; f++)
						take_answers(e, f);
			}
			round++;
			next = fl_now_us() + INTERVAL_US;
			deadline = fl_now_us() + wait;
		}
		poll(fds, FL_FAMILIES, 10);
		for (int f = 0; f < FL_FAMILIES; f++)
			take_answers(e, f);
		outstanding = 0;
		for (size_t i = 0; i < e->n; i++)
			outstanding +=
				e->targets[i].sent - e->targets[i].received - e->targets[i].refused;
	}
}
