// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "icmp.h"
#include "look.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* `mesh ping`: every address of a node, over every lane to it. */

#define INTERVAL_US 200000
#define WAIT_US	    2000000 /* for the last answer */
#define SHAKE_US    6000000 /* where a handshake comes first, and may have to be repeated (5 s) */
#define COUNT_MAX   1000

struct target {
	const struct fl_node *node;
	unsigned int lane;
	struct fl_prefix src, dst;
	unsigned int sent, received;
	int64_t least, most, sum; /* round trips in us */
	int err;		  /* of the last packet that could not be sent */
};

struct ping {
	struct fl_look_run run;
	struct target *targets;
	size_t n;
	unsigned int count;
	int sender[FL_MESH_LANES][FL_FAMILIES]; /* -1: not open */
	int receiver[FL_FAMILIES];
	int64_t *sent_at; /* of packet i, to target i % n */
	uint16_t id;
};

static void add_targets(struct ping *p, const struct fl_node *node)
{
	const struct fl_plan *plan = &p->run.plan;
	const struct fl_lane *own = &plan->lanes[0];

	for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
		bool done[FL_FAMILIES] = { false };

		if (!fl_lane_peer(&plan->lanes[lane], &node->public_key))
			continue;
		for (size_t i = 0; i < node->n_addresses; i++) {
			const struct fl_prefix *dst = &node->addresses[i];
			struct target *t;

			for (size_t j = 0; j < own->n_addrs && !done[fl_family_of(dst)]; j++) {
				if (own->addrs[j].family != dst->family)
					continue;
				if (!(p->n & (p->n - 1)))
					p->targets = fl_realloc(p->targets, p->n ? 2 * p->n : 1,
								sizeof(*p->targets));
				t = &p->targets[p->n++];
				*t = (struct target){ .node = node, .lane = lane, .dst = *dst };
				t->src = own->addrs[j];
				done[fl_family_of(dst)] = true;
			}
		}
	}
}

static int send_one(struct ping *p, struct target *t, uint32_t number)
{
	enum fl_family f = fl_family_of(&t->dst);
	int *fd = &p->sender[t->lane][f];

	if (*fd == -1) {
		*fd = fl_icmp_sender(f, p->run.plan.lanes[t->lane].link.name, 0);
		if (*fd < 0)
			return *fd;
	}
	p->sent_at[number] = fl_now_us();
	return fl_icmp_send(*fd, &t->src, &t->dst, p->id + (number >> 16), number, 64);
}

static void take_answers(struct ping *p, enum fl_family f)
{
	struct fl_icmp_answer a;

	while (fl_icmp_receive(p->receiver[f], f, &a) > 0) {
		uint32_t number = (uint32_t)(uint16_t)(a.id - p->id) << 16 | a.seq;
		struct target *t;
		int64_t rtt;

		if (number >= p->n * p->count || !p->sent_at[number])
			continue;
		t = &p->targets[number % p->n];
		if (fl_prefix_cmp(&t->dst, &a.from))
			continue;
		rtt = fl_now_us() - p->sent_at[number];
		p->sent_at[number] = 0; /* an answer that comes twice counts once */
		if (!t->received || rtt < t->least)
			t->least = rtt;
		if (rtt > t->most)
			t->most = rtt;
		t->sum += rtt;
		t->received++;
	}
}

static int64_t wait_time(const struct ping *p)
{
	int64_t now = time(NULL);

	for (size_t i = 0; i < p->n; i++) {
		const struct fl_peer *peer = fl_lane_peer(&p->run.plan.lanes[p->targets[i].lane],
							  &p->targets[i].node->public_key);

		if (!peer || !fl_session_alive(peer, now))
			return SHAKE_US;
	}
	return WAIT_US;
}

static void ping_all(struct ping *p)
{
	int64_t next = fl_now_us(), wait = wait_time(p), deadline = next + wait;
	size_t outstanding = 1;
	unsigned int round = 0;

	while (round < p->count || (outstanding && fl_now_us() < deadline)) {
		struct pollfd fds[FL_FAMILIES] = { { p->receiver[0], POLLIN, 0 },
						   { p->receiver[1], POLLIN, 0 } };
		int64_t now = fl_now_us();

		if (round < p->count && now >= next) {
			for (size_t i = 0; i < p->n; i++) {
				struct target *t = &p->targets[i];
				int err = send_one(p, t, round * p->n + i);

				t->sent++;
				t->err = err ? err : t->err;
				/* Thousands of them: do not let the answers overflow. */
				if (i % 64 == 63)
					for (int f = 0; f < FL_FAMILIES; f++)
						take_answers(p, f);
			}
			round++;
			next = fl_now_us() + INTERVAL_US;
			deadline = fl_now_us() + wait;
		}
		poll(fds, FL_FAMILIES, 10);
		for (int f = 0; f < FL_FAMILIES; f++)
			take_answers(p, f);
		outstanding = 0;
		for (size_t i = 0; i < p->n; i++)
			outstanding += p->targets[i].sent - p->targets[i].received;
	}
}

static void cell_ms(struct fl_table *table, const struct target *t, int64_t us)
{
	if (t->received)
		fl_table_cell(table, "%.2f ms", us / 1000.0);
	else
		fl_table_cell(table, "-");
}

static void print_text(const struct ping *p)
{
	struct fl_table *table = fl_table_new();
	char s[INET6_ADDRSTRLEN];

	fl_table_col(table, "NODE", FL_LEFT);
	fl_table_col(table, "ADDRESS", FL_LEFT);
	fl_table_col(table, "LANE", FL_LEFT);
	fl_table_col(table, "ANSWERS", FL_RIGHT);
	fl_table_col(table, "LEAST", FL_RIGHT);
	fl_table_col(table, "MEAN", FL_RIGHT);
	fl_table_col(table, "MOST", FL_RIGHT);
	fl_table_col(table, "", FL_LEFT);
	for (size_t i = 0; i < p->n; i++) {
		const struct target *t = &p->targets[i];

		fl_table_cell(table, "%s", t->node->name);
		fl_table_cell(table, "%s", inet_ntop(t->dst.family, t->dst.bytes, s, sizeof(s)));
		fl_table_cell(table, "%s", p->run.plan.lanes[t->lane].link.name);
		fl_table_cell(table, "%s%u of %u%s",
			      fl_colour(t->received == t->sent ? FL_GREEN :
					t->received	       ? FL_YELLOW :
								 FL_RED),
			      t->received, t->sent, fl_colour(FL_PLAIN));
		cell_ms(table, t, t->least);
		cell_ms(table, t, t->received ? t->sum / t->received : 0);
		cell_ms(table, t, t->most);
		fl_table_cell(table, "%s", t->err ? strerror(-t->err) : "");
	}
	fl_table_print(table, stdout);
}

static void json_ms(struct json_object *o, const char *key, const struct target *t, int64_t us)
{
	json_object_object_add(o, key, t->received ? json_object_new_double(us / 1000.0) : NULL);
}

static void print_json(const struct ping *p)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA), *a = json_object_new_array();
	char s[INET6_ADDRSTRLEN];

	fl_json_str(o, "interface", fl_mesh_opt_interface);
	for (size_t i = 0; i < p->n; i++) {
		const struct target *t = &p->targets[i];
		struct json_object *e = json_object_new_object();

		fl_json_str(e, "node", t->node->name);
		fl_json_str(e, "address", inet_ntop(t->dst.family, t->dst.bytes, s, sizeof(s)));
		fl_json_str(e, "interface", p->run.plan.lanes[t->lane].link.name);
		fl_json_int(e, "sent", t->sent);
		fl_json_int(e, "received", t->received);
		json_ms(e, "rtt_min_ms", t, t->least);
		json_ms(e, "rtt_mean_ms", t, t->received ? t->sum / t->received : 0);
		json_ms(e, "rtt_max_ms", t, t->most);
		fl_json_str(e, "error", t->err ? strerror(-t->err) : NULL);
		json_object_array_add(a, e);
	}
	json_object_object_add(o, "pings", a);
	fl_json_print(o);
}

static int status_of(const struct ping *p)
{
	size_t sent = 0, received = 0;

	for (size_t i = 0; i < p->n; i++) {
		sent += p->targets[i].sent;
		received += p->targets[i].received;
	}
	return received == sent ? FL_OK : received ? FL_DEGRADED : FL_FAILED;
}

int fl_mesh_ping(int argc, char **argv)
{
	struct ping p = { .count = fl_mesh_opt_count, .id = getpid() };
	int status;

	if (!p.count || p.count > COUNT_MAX)
		return fl_usage("--count: write a number from 1 to %u", COUNT_MAX);
	memset(p.sender, 0xff, sizeof(p.sender));
	p.receiver[FL_V4] = p.receiver[FL_V6] = -1;
	status = fl_look_begin(&p.run, true);
	if (!status)
		status = fl_look_nodes(&p.run, argc, argv);
	for (size_t i = 0; !status && i < p.run.n_nodes; i++)
		add_targets(&p, p.run.nodes[i]);
	for (int f = 0; !status && f < FL_FAMILIES; f++) {
		p.receiver[f] = fl_icmp_receiver(f);
		if (p.receiver[f] < 0)
			status = fl_fail("cannot open a raw socket: %s",
					 fl_nl_strerror(p.receiver[f]));
	}
	if (!status && !p.n)
		status = fl_fail("nothing to ask: this node and the others have no address of one "
				 "family, or the mesh is not up; see `fairlead mesh plan`");
	if (!status) {
		p.sent_at = fl_zalloc(p.n * p.count * sizeof(*p.sent_at));
		ping_all(&p);
		if (fl_json)
			print_json(&p);
		else
			print_text(&p);
		status = status_of(&p);
	}
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		for (int f = 0; f < FL_FAMILIES; f++)
			if (p.sender[i][f] >= 0)
				close(p.sender[i][f]);
	for (int f = 0; f < FL_FAMILIES; f++)
		if (p.receiver[f] >= 0)
			close(p.receiver[f]);
	free(p.sent_at);
	free(p.targets);
	fl_look_end(&p.run);
	return status;
}
