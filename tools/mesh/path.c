// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "icmp.h"
#include "route.h"
#include "look.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * `mesh check`: does a packet as large as the mesh sends arrive? Outside, to the peer's endpoints,
 * and inside the tunnel, over every lane, in both families, never fragmented by us. Where it does
 * not, the largest that does is searched for, of all paths at the same time.
 */

#define TRIES	   3 /* of one size, since any packet may be lost */
#define TRY_US	   400000
#define MIN_V4	   576
#define MIN_V6	   1280
#define ROUNDS_MAX 24 /* 2 + log2(65535) and some */

enum result {
	PATH_OK,
	PATH_BLACK_HOLE, /* small packets arrive, full ones do not */
	PATH_SILENT,	 /* nothing arrives */
	PATH_LOCAL,	 /* this node itself cannot send as much */
	PATH_ERROR,
};

struct path {
	const struct fl_node *node;
	bool inside;
	unsigned int lane;
	enum fl_family family;
	struct fl_prefix src, dst;
	unsigned int full;   /* the IP packet that must pass */
	unsigned int lo, hi; /* passes; does not. 0: not known */
	unsigned int size;   /* asked now */
	bool answered, done;
	enum result result;
	int err, hi_err; /* of the last packet, and of the one of size hi */
};

struct check {
	struct fl_look_run run;
	struct fl_host host;
	struct path *paths;
	size_t n;
	int inside[FL_MESH_LANES][FL_FAMILIES], outside[FL_FAMILIES], receiver[FL_FAMILIES];
	uint16_t id;
	uint32_t base; /* number of the first packet of this round */
};

/* ---- what there is to ask ---- */

static struct path *add_path(struct check *c, const struct fl_node *node)
{
	struct path *p;

	if (!(c->n & (c->n - 1)))
		c->paths = fl_realloc(c->paths, c->n ? 2 * c->n : 1, sizeof(*c->paths));
	p = &c->paths[c->n++];
	*p = (struct path){ .node = node };
	return p;
}

/* The MTU of the route to an address, or of the link. */
static unsigned int inner_mtu(const struct check *c, const struct fl_prefix *dst)
{
	const struct fl_plan *plan = &c->run.plan;
	size_t lo = 0, hi = plan->n_routes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int diff = fl_prefix_cmp(&plan->routes[mid].dst, dst);

		if (!diff)
			return plan->routes[mid].mtu ? plan->routes[mid].mtu :
						       plan->lanes[0].link.mtu;
		if (diff < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return plan->lanes[0].link.mtu;
}

/* What WireGuard makes of the largest packets to a node that each address family of the underlay
 * has. */
static unsigned int largest_inner(const struct check *c, const struct fl_node *node)
{
	unsigned int most = 0;

	for (size_t i = 0; i < node->n_addresses; i++) {
		unsigned int mtu = inner_mtu(c, &node->addresses[i]);

		most = mtu > most ? mtu : most;
	}
	return most;
}

static void add_outside(struct check *c, const struct fl_node *node,
			const struct sockaddr_storage *sa)
{
	const struct fl_prefix dst = fl_prefix_of(sa);
	struct path *p;

	for (size_t i = c->n; i && c->paths[i - 1].node == node; i--)
		if (!c->paths[i - 1].inside && !fl_prefix_cmp(&c->paths[i - 1].dst, &dst))
			return;
	p = add_path(c, node);
	p->dst = dst;
	p->family = fl_family_of(&dst);
	p->full = largest_inner(c, node) + fl_overhead(dst.family);
}

static void add_inside(struct check *c, const struct fl_node *node, unsigned int lane)
{
	const struct fl_lane *own = &c->run.plan.lanes[0];
	bool done[FL_FAMILIES] = { false };

	for (size_t i = 0; i < node->n_addresses; i++) {
		const struct fl_prefix *dst = &node->addresses[i];
		enum fl_family f = fl_family_of(dst);

		for (size_t j = 0; j < own->n_addrs && !done[f]; j++) {
			struct path *p;

			if (own->addrs[j].family != dst->family)
				continue;
			p = add_path(c, node);
			p->inside = true;
			p->lane = lane;
			p->family = f;
			p->src = own->addrs[j];
			p->dst = *dst;
			p->full = inner_mtu(c, dst);
			done[f] = true;
		}
	}
}

/* The endpoint in use, and the others of the file that have a route: the peer may come from there. */
static int add_paths(struct check *c)
{
	for (size_t i = 0; i < c->run.n_nodes; i++) {
		const struct fl_node *node = c->run.nodes[i];
		const struct fl_plan *plan = &c->run.plan;
		const struct fl_peer *peer = fl_lane_peer(&plan->lanes[0], &node->public_key);

		if (!peer) {
			fl_err("node \"%s\" is no peer of %s; bring the mesh up first", node->name,
			       plan->lanes[0].link.name);
			return -1;
		}
		if (peer->endpoint.ss_family)
			add_outside(c, node, &peer->endpoint);
		for (size_t j = 0; j < node->n_endpoints; j++) {
			struct fl_way way = { 0 };

			if (node->endpoints[j].addr.ss_family == AF_UNSPEC)
				continue;
			way.addr = fl_prefix_of(&node->endpoints[j].addr);
			if (!fl_route_ways(&c->run.nl, &c->host, &way, 1) && !way.err &&
			    !fl_plan_lane(plan, way.ifindex))
				add_outside(c, node, &node->endpoints[j].addr);
		}
		for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++)
			if (fl_lane_peer(&plan->lanes[lane], &node->public_key))
				add_inside(c, node, lane);
	}
	return 0;
}

/* ---- asking ---- */

static unsigned int least(const struct path *p)
{
	return p->family == FL_V4 ? MIN_V4 : MIN_V6;
}

static int send_probe(struct check *c, const struct path *p, uint32_t number)
{
	int *fd = p->inside ? &c->inside[p->lane][p->family] : &c->outside[p->family];

	if (*fd == -1)
		*fd = fl_icmp_sender(p->family,
				     p->inside ? c->run.plan.lanes[p->lane].link.name : NULL,
				     FL_ICMP_DF);
	if (*fd < 0)
		return *fd;
	return fl_icmp_send(*fd, &p->src, &p->dst, c->id + (number >> 16), number, p->size);
}

static void take_answers(struct check *c)
{
	struct fl_icmp_answer a;

	for (int f = 0; f < FL_FAMILIES; f++)
		while (fl_icmp_receive(c->receiver[f], f, &a) > 0) {
			uint32_t number = (uint32_t)(uint16_t)(a.id - c->id) << 16 | a.seq;
			struct path *p;

			if (number - c->base >= c->n)
				continue;
			p = &c->paths[number - c->base];
			if (!fl_prefix_cmp(&p->dst, &a.from) && a.len == p->size)
				p->answered = true;
		}
}

/* What the first answers mean, and then the middle between what passes and what does not. */
static void next_size(struct path *p)
{
	if (p->answered) {
		p->lo = p->size;
	} else {
		p->hi = p->size;
		p->hi_err = p->err;
	}
	if (p->hi && p->hi <= least(p)) {
		p->result = p->hi_err == -EMSGSIZE ? PATH_LOCAL :
			    p->hi_err		   ? PATH_ERROR :
						     PATH_SILENT;
		p->done = true;
	} else if (p->lo == p->full) {
		p->result = PATH_OK;
		p->done = true;
	} else if (p->lo && p->hi && p->hi - p->lo <= 1) {
		p->result = p->hi_err == -EMSGSIZE ? PATH_LOCAL : PATH_BLACK_HOLE;
		p->done = true;
	} else if (!p->lo) {
		p->size = least(p);
	} else {
		p->size = p->lo + (p->hi - p->lo) / 2;
	}
}

static bool one_round(struct check *c, unsigned int round)
{
	size_t open = 0, asked;

	for (size_t i = 0; i < c->n; i++) {
		c->paths[i].answered = false;
		open += !c->paths[i].done;
	}
	if (!open)
		return false;
	fl_progress("round %u: %zu of %zu paths to measure", round, open, c->n);
	for (int try = 0; try < TRIES; try++) {
		int64_t deadline;

		asked = 0;
		for (size_t i = 0; i < c->n; i++) {
			struct path *p = &c->paths[i];

			if (p->done || p->answered)
				continue;
			p->err = send_probe(c, p, c->base + i);
			asked += !p->err;
			if (i % 64 == 63)
				take_answers(c);
		}
		deadline = fl_now_us() + TRY_US;
		while (asked && fl_now_us() < deadline) {
			struct pollfd fds[FL_FAMILIES] = { { c->receiver[0], POLLIN, 0 },
							   { c->receiver[1], POLLIN, 0 } };

			poll(fds, FL_FAMILIES, 10);
			take_answers(c);
			asked = 0;
			for (size_t i = 0; i < c->n; i++)
				asked += !c->paths[i].done && !c->paths[i].answered &&
					 !c->paths[i].err;
		}
	}
	c->base += c->n;
	for (size_t i = 0; i < c->n; i++)
		if (!c->paths[i].done)
			next_size(&c->paths[i]);
	return true;
}

/* ---- what came of it ---- */

static const char *word(const struct path *p)
{
	static const char *const words[] = { "ok", "black hole", "silent", "too large here",
					     "error" };

	return words[p->result];
}

/* The MTU that would be right for a path, inside the tunnel. */
static unsigned int right_mtu(const struct path *p)
{
	return p->inside ? p->lo : p->lo - fl_overhead(p->dst.family);
}

/* Is a silent path a fault? Outside, a firewall may keep ICMP out where WireGuard passes. */
static bool is_fault(const struct path *p)
{
	return p->result != PATH_OK &&
	       (p->inside || p->result == PATH_BLACK_HOLE || p->result == PATH_LOCAL);
}

static const char *place(const struct check *c, const struct path *p)
{
	return p->inside ? c->run.plan.lanes[p->lane].link.name : "outside";
}

/* The least that all paths of a node pass, 0: they pass all or nothing is known. */
static unsigned int remedy(const struct check *c, const struct fl_node *node)
{
	unsigned int mtu = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct path *p = &c->paths[i];

		if (p->node == node && is_fault(p) && p->lo && (!mtu || right_mtu(p) < mtu))
			mtu = right_mtu(p);
	}
	return mtu;
}

static void print_remedies(const struct check *c)
{
	const struct fl_mesh *mesh = c->run.mesh;

	for (size_t i = 0; i < c->n; i++) {
		const struct fl_node *node = c->paths[i].node;
		unsigned int mtu, floor = FL_MTU_MIN_V4;

		if (i && c->paths[i - 1].node == node)
			continue;
		mtu = remedy(c, node);
		if (!mtu)
			continue;
		for (size_t j = 0; j < mesh->n_claims; j++)
			if (mesh->claims[j].prefix.family == AF_INET6)
				floor = FL_MTU_MIN_V6;
		if (mtu < floor)
			fl_err("%s:%u: [Node \"%s\"]: packets of more than %u bytes do not arrive; "
			       "the network to it must carry more, since %s needs %u inside the "
			       "tunnel",
			       mesh->path, node->line, node->name, mtu,
			       floor == FL_MTU_MIN_V6 ? "IPv6" : "IPv4", floor);
		else
			fl_err("%s:%u: [Node \"%s\"]: packets of more than %u bytes do not arrive; "
			       "write MTU = %u in it, and run `fairlead mesh up` on all nodes",
			       mesh->path, node->line, node->name, mtu, mtu);
	}
}

static void print_text(const struct check *c)
{
	struct fl_table *table = fl_table_new();
	char s[INET6_ADDRSTRLEN];

	fl_table_col(table, "NODE", FL_LEFT);
	fl_table_col(table, "PATH", FL_LEFT);
	fl_table_col(table, "ADDRESS", FL_LEFT);
	fl_table_col(table, "NEEDED", FL_RIGHT);
	fl_table_col(table, "PASSES", FL_RIGHT);
	fl_table_col(table, "RESULT", FL_LEFT);
	for (size_t i = 0; i < c->n; i++) {
		const struct path *p = &c->paths[i];

		fl_table_cell(table, "%s", p->node->name);
		fl_table_cell(table, "%s", place(c, p));
		fl_table_cell(table, "%s", inet_ntop(p->dst.family, p->dst.bytes, s, sizeof(s)));
		fl_table_cell(table, "%u", p->full);
		if (p->lo)
			fl_table_cell(table, "%u", p->lo);
		else
			fl_table_cell(table, "-");
		fl_table_cell(table, "%s%s%s%s%s",
			      fl_colour(is_fault(p)	     ? FL_RED :
					p->result == PATH_OK ? FL_GREEN :
							       FL_YELLOW),
			      word(p), fl_colour(FL_PLAIN), p->result == PATH_ERROR ? ": " : "",
			      p->result == PATH_ERROR ? strerror(-p->hi_err) : "");
	}
	fl_table_print(table, stdout);
}

static void print_json(const struct check *c)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA), *a = json_object_new_array();
	char s[INET6_ADDRSTRLEN];

	fl_json_str(o, "interface", fl_mesh_opt_interface);
	for (size_t i = 0; i < c->n; i++) {
		const struct path *p = &c->paths[i];
		struct json_object *e = json_object_new_object();
		unsigned int mtu = remedy(c, p->node);

		fl_json_str(e, "node", p->node->name);
		fl_json_bool(e, "inside", p->inside);
		fl_json_str(e, "interface",
			    p->inside ? c->run.plan.lanes[p->lane].link.name : NULL);
		fl_json_str(e, "address", inet_ntop(p->dst.family, p->dst.bytes, s, sizeof(s)));
		fl_json_int(e, "bytes_needed", p->full);
		json_object_object_add(e, "bytes_passing",
				       p->lo ? json_object_new_int64(p->lo) : NULL);
		fl_json_str(e, "result", word(p));
		fl_json_bool(e, "fault", is_fault(p));
		json_object_object_add(e, "mtu_to_write", mtu ? json_object_new_int64(mtu) : NULL);
		fl_json_int(e, "line", p->node->line);
		json_object_array_add(a, e);
	}
	json_object_object_add(o, "paths", a);
	fl_json_print(o);
}

static void close_all(struct check *c)
{
	for (int f = 0; f < FL_FAMILIES; f++) {
		for (unsigned int i = 0; i < FL_MESH_LANES; i++)
			if (c->inside[i][f] >= 0)
				close(c->inside[i][f]);
		if (c->outside[f] >= 0)
			close(c->outside[f]);
		if (c->receiver[f] >= 0)
			close(c->receiver[f]);
	}
}

/* The interfaces, for the MTU of the underlay's routes. */
static int read_host(struct check *c)
{
	struct fl_plan again;
	int err = fl_state_read(&c->run.nl, fl_mesh_opt_interface, 1, &again, &c->host);

	if (!err)
		fl_plan_free(&again);
	return err;
}

int fl_mesh_check_paths(int argc, char **argv)
{
	struct check c = { .id = getpid() };
	int status;

	memset(c.inside, 0xff, sizeof(c.inside));
	memset(c.outside, 0xff, sizeof(c.outside));
	memset(c.receiver, 0xff, sizeof(c.receiver));
	status = fl_look_begin(&c.run, FL_LOOK_MESH | FL_LOOK_ROUTES);
	if (!status)
		status = fl_look_nodes(&c.run, argc, argv);
	if (!status && (read_host(&c) || add_paths(&c)))
		status = FL_FAILED;
	for (int f = 0; !status && f < FL_FAMILIES; f++) {
		c.receiver[f] = fl_icmp_receiver(f);
		if (c.receiver[f] < 0)
			status = fl_fail("cannot open a raw socket: %s",
					 fl_nl_strerror(c.receiver[f]));
	}
	if (!status) {
		for (size_t i = 0; i < c.n; i++)
			c.paths[i].size = c.paths[i].full;
		for (unsigned int round = 1; round < ROUNDS_MAX && one_round(&c, round); round++)
			;
		fl_progress(NULL);
		if (fl_json)
			print_json(&c);
		else
			print_text(&c);
		print_remedies(&c);
		for (size_t i = 0; i < c.n; i++)
			if (is_fault(&c.paths[i]))
				status = FL_DEGRADED;
	}
	close_all(&c);
	free(c.paths);
	fl_host_free(&c.host);
	fl_look_end(&c.run);
	return status;
}
