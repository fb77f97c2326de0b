// SPDX-License-Identifier: GPL-2.0
#include "confirm.h"

#include "../lib/mem.h"
#include "../lib/msg.h"
#include "icmp.h"
#include "state.h"
#include "wg.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- sending ---- */

/* Sockets, opened when the first packet needs them; -1: not yet, -2: cannot be had. */
struct sender {
	const struct fl_plan *plan;
	int fd[FL_MESH_LANES][FL_FAMILIES];
	uint16_t seq;
};

static void sender_init(struct sender *s, const struct fl_plan *plan)
{
	s->plan = plan;
	s->seq = 0;
	memset(s->fd, 0xff, sizeof(s->fd));
}

static void sender_close(struct sender *s)
{
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		for (unsigned int f = 0; f < FL_FAMILIES; f++)
			if (s->fd[i][f] >= 0)
				close(s->fd[i][f]);
}

/* Any packet will do, and whether it is sent does not matter: who asks counts what comes back. */
static void nudge(struct sender *s, unsigned int lane, const struct fl_peer *peer)
{
	static const struct fl_prefix any;
	const struct fl_prefix *dst = NULL;
	const struct fl_lane *own = &s->plan->lanes[0];
	const struct fl_prefix *src = &any;
	enum fl_family f;
	int *fd;

	/* An address of a family that we have one of, too. */
	for (size_t i = 0; peer->node && i < peer->node->n_addresses; i++) {
		const struct fl_prefix *addr = &peer->node->addresses[i];

		if (!dst)
			dst = addr;
		for (size_t j = 0; j < own->n_addrs && src == &any; j++) {
			if (own->addrs[j].family != addr->family)
				continue;
			dst = addr;
			src = &own->addrs[j];
		}
	}
	if (!dst)
		return;
	f = fl_family_of(dst);
	fd = &s->fd[lane][f];
	if (*fd == -1)
		*fd = fl_icmp_sender(f, s->plan->lanes[lane].link.name, 0);
	if (*fd < 0)
		*fd = -2;
	else
		fl_icmp_send(*fd, src, dst, getpid(), s->seq++, FL_ICMP_MIN);
}

/* Of a peer of one lane the first packet that is sent to it does the same; it is only that it may
 * be the peer who sends first. Above this many the handshakes would be the load. */
#define KICK_MAX 256

static bool wants_kick(const struct fl_lane *lane, const struct fl_peer *peer)
{
	return peer->node && (peer->node->lanes > 1 || lane->n_peers <= KICK_MAX);
}

void fl_kick(const struct fl_ops *ops)
{
	uint32_t raised = 0;
	struct sender s;

	sender_init(&s, ops->want);
	for (size_t i = 0; i < ops->n; i++)
		if (ops->ops[i].kind == FL_OP_LINK_UP)
			raised |= 1U << ops->ops[i].lane;
	for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
		const struct fl_lane *l = &ops->want->lanes[lane];

		for (size_t i = 0; raised & 1U << lane && i < l->n_peers; i++)
			if (l->peers[i].endpoint.ss_family && wants_kick(l, &l->peers[i]))
				nudge(&s, lane, &l->peers[i]);
	}
	for (size_t i = 0; i < ops->n; i++) {
		const struct fl_op *op = &ops->ops[i];
		const struct fl_lane *l = &ops->want->lanes[op->lane];
		const struct fl_peer *p;

		if (op->kind != FL_OP_PEER_ADD || raised & 1U << op->lane)
			continue;
		p = &l->peers[op->want];
		if (p->endpoint.ss_family && wants_kick(l, p))
			nudge(&s, op->lane, p);
	}
	sender_close(&s);
}

/* ---- who answers ---- */

struct expect {
	struct fl_key public_key;
	const char *name;
	uint16_t lanes; /* as bits: those that have not answered yet */
	int64_t handshake[FL_MESH_LANES];
	uint64_t rx[FL_MESH_LANES];
};

struct fl_baseline {
	struct expect *list; /* sorted by public key */
	size_t n;
};

void fl_baseline_free(struct fl_baseline *b)
{
	if (b)
		free(b->list);
	free(b);
}

/* Anything that a peer sends has gone through a handshake, and only its key can send it. */
static size_t look(struct fl_nl *nl, struct fl_baseline *b, const struct fl_plan *plan)
{
	size_t left = 0;

	for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
		struct fl_lane now = { .link = plan->lanes[lane].link };

		now.link.alias = NULL;
		now.link.private_key = NULL;
		if (!now.link.ifindex || fl_wg_read(nl, &now))
			continue;
		for (size_t i = 0; i < b->n; i++) {
			struct expect *e = &b->list[i];
			const struct fl_peer *p = fl_lane_peer(&now, &e->public_key);

			if (p && (p->handshake > e->handshake[lane] || p->rx > e->rx[lane]))
				e->lanes &= ~(1U << lane);
		}
		fl_lane_free(&now);
	}
	for (size_t i = 0; i < b->n; i++)
		left += b->list[i].lanes != 0;
	return left;
}

static void nudge_all(struct sender *s, const struct fl_baseline *b, const struct fl_plan *plan)
{
	for (size_t i = 0; i < b->n; i++)
		for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
			const struct fl_peer *p =
				fl_lane_peer(&plan->lanes[lane], &b->list[i].public_key);

			if (p && b->list[i].lanes & 1U << lane)
				nudge(s, lane, p);
		}
}

/* What the counters are now. */
static void set_baseline(struct fl_baseline *b, const struct fl_plan *plan)
{
	for (size_t i = 0; i < b->n; i++)
		for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
			const struct fl_peer *p =
				fl_lane_peer(&plan->lanes[lane], &b->list[i].public_key);

			b->list[i].handshake[lane] = p ? p->handshake : 0;
			b->list[i].rx[lane] = p ? p->rx : 0;
		}
}

static uint16_t lanes_of(const struct fl_plan *plan, const struct fl_key *key)
{
	uint16_t lanes = 0;

	for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++)
		if (fl_lane_peer(&plan->lanes[lane], key))
			lanes |= 1U << lane;
	return lanes;
}

struct fl_baseline *fl_confirm_before(struct fl_nl *nl, const struct fl_plan *have,
				      const struct fl_plan *want, unsigned int seconds)
{
	struct fl_baseline *b = fl_zalloc(sizeof(*b)), now = { 0 };
	int64_t deadline = fl_now_us() + seconds * 1000000LL, next = 0;
	const struct fl_lane *w = &want->lanes[0];
	struct sender s;

	now.list = fl_zalloc(w->n_peers * sizeof(*now.list));
	for (size_t i = 0; i < w->n_peers; i++) {
		uint16_t lanes = lanes_of(have, &w->peers[i].public_key);

		if (lanes)
			now.list[now.n++] = (struct expect){ .public_key = w->peers[i].public_key,
							     .lanes = lanes };
	}
	set_baseline(&now, have);
	sender_init(&s, have);
	while (look(nl, &now, have) && fl_now_us() < deadline) {
		if (fl_now_us() >= next) {
			nudge_all(&s, &now, have);
			next = fl_now_us() + 1000000;
		}
		usleep(50000);
	}
	sender_close(&s);

	b->list = fl_zalloc(w->n_peers * sizeof(*b->list));
	for (size_t i = 0, j = 0; i < w->n_peers; i++) {
		const struct fl_peer *p = &w->peers[i];
		bool known = j < now.n && !fl_key_cmp(&now.list[j].public_key, &p->public_key);

		/* One that is silent now need not speak then. */
		if (known ? now.list[j].lanes == 0 : p->endpoint.ss_family && !p->unreachable)
			b->list[b->n++] =
				(struct expect){ .public_key = p->public_key, .name = p->name };
		j += known;
	}
	free(now.list);
	return b;
}

/* ---- waiting ---- */

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	stopped = sig;
}

/* 1: yes, 0: no, -1: nothing was said. */
static int person(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	char line[64];

	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN) || !fgets(line, sizeof(line), stdin))
		return -1;
	line[strcspn(line, "\n")] = '\0';
	if (!strcasecmp(line, "yes") || !strcasecmp(line, "y"))
		return 1;
	if (!strcasecmp(line, "no") || !strcasecmp(line, "n"))
		return 0;
	return -1;
}

static void print_missing(const struct fl_baseline *b, unsigned int seconds)
{
	char *names = fl_strdup("");
	size_t n = 0, left = 0;

	for (size_t i = 0; i < b->n; i++) {
		char *more;

		if (!b->list[i].lanes || ++left > 10)
			continue;
		more = fl_asprintf("%s%s%s", names, n++ ? ", " : "", b->list[i].name);
		free(names);
		names = more;
	}
	fl_err("no answer within %u s from %zu of %zu peers: %s%s", seconds, left, b->n, names,
	       left > 10 ? ", ..." : "");
	free(names);
}

/* Until all have answered or somebody has said something. */
static bool wait_for(struct fl_nl *nl, const struct fl_plan *want, const struct fl_plan *now,
		     struct fl_baseline *b, unsigned int seconds)
{
	int64_t deadline = fl_now_us() + seconds * 1000000LL, next = 0;
	bool asking = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	struct sender s;
	size_t left;
	int answer = -1;

	sender_init(&s, want);
	for (;;) {
		left = look(nl, b, now);
		if (!left || stopped || answer >= 0 || fl_now_us() >= deadline)
			break;
		if (fl_now_us() >= next) {
			nudge_all(&s, b, want);
			next = fl_now_us() + 1000000;
			fl_progress("%zu of %zu peers have answered; undoing in %d s%s",
				    b->n - left, b->n, (int)((deadline - fl_now_us()) / 1000000),
				    asking ? "; keep it? yes or no: " : "");
		}
		usleep(50000);
		if (asking)
			answer = person();
	}
	fl_progress(NULL);
	sender_close(&s);
	if (!left || answer == 1)
		return true;
	if (stopped)
		fl_err("stopped by signal %d (%s)", (int)stopped, strsignal(stopped));
	else if (answer < 0)
		print_missing(b, seconds);
	return false;
}

bool fl_confirm(struct fl_nl *nl, const char *first, const struct fl_plan *want,
		struct fl_baseline *b, unsigned int seconds)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction act = { .sa_handler = on_signal };
	struct sigaction old[3];
	unsigned int lanes = 0;
	struct fl_plan now;
	bool kept;

	while (lanes < FL_MESH_LANES && want->lanes[lanes].link.kind[0])
		lanes++;
	if (fl_state_read(nl, first, lanes, &now, NULL))
		return false;
	set_baseline(b, &now);
	for (size_t i = 0; i < b->n; i++)
		b->list[i].lanes = lanes_of(want, &b->list[i].public_key);
	/* A connection that this change has cut ends the shell that it was made from. */
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &act, &old[i]);
	kept = wait_for(nl, want, &now, b, seconds);
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &old[i], NULL);
	fl_plan_free(&now);
	return kept;
}
