// SPDX-License-Identifier: GPL-2.0
#include "look.h"

#include "../lib/cli.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "mesh.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *fl_look_state(const struct fl_peer *p, int64_t now)
{
	if (!p->handshake)
		return "never";
	return fl_session_alive(p, now) ? "up" : "stale";
}

const char *fl_look_age(int64_t handshake, int64_t now, char out[32])
{
	/* A clock that went back must not make an age negative. */
	int64_t s = now > handshake ? now - handshake : 0;

	if (!handshake)
		return "never";
	if (s < 60)
		snprintf(out, 32, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(out, 32, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 32, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, 32, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
	return out;
}

const char *fl_look_mesh(const struct fl_link *link)
{
	return fl_is_alias(link->alias) ? link->alias + strlen(FL_ALIAS) : NULL;
}

static int cmp_shown(const void *a, const void *b)
{
	const struct fl_peer *x = ((const struct fl_shown *)a)->first;
	const struct fl_peer *y = ((const struct fl_shown *)b)->first;

	if (x->node && y->node)
		return (x->node > y->node) - (x->node < y->node);
	if (x->node || y->node)
		return x->node ? -1 : 1;
	return fl_key_cmp(&x->public_key, &y->public_key);
}

static void add_lane(struct fl_shown *s, unsigned int lane, const struct fl_peer *p, int64_t now)
{
	if (!s->first) {
		s->first = p;
		s->first_lane = lane;
	}
	s->lanes[lane] = p;
	s->n_lanes++;
	s->n_up += fl_session_alive(p, now);
	s->rx += p->rx;
	s->tx += p->tx;
	if (p->handshake > s->handshake)
		s->handshake = p->handshake;
}

/* The lanes are sorted by key each: one pass over all of them. */
struct fl_shown *fl_look_peers(const struct fl_plan *plan, int64_t now, size_t *n)
{
	size_t at[FL_MESH_LANES] = { 0 }, room = 0;
	struct fl_shown *peers;

	*n = 0;
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		room += plan->lanes[i].n_peers;
	peers = fl_zalloc(room * sizeof(*peers));
	for (;;) {
		const struct fl_key *least = NULL;
		struct fl_shown *s = &peers[*n];

		for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
			const struct fl_lane *l = &plan->lanes[i];

			if (at[i] < l->n_peers &&
			    (!least || fl_key_cmp(&l->peers[at[i]].public_key, least) < 0))
				least = &l->peers[at[i]].public_key;
		}
		if (!least)
			break;
		++*n;
		s->rx_rate = s->tx_rate = -1;
		s->least_rtt = -1;
		for (unsigned int i = 0; i < FL_MESH_LANES; i++)
			s->rtt[i] = -1;
		for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
			const struct fl_lane *l = &plan->lanes[i];

			if (at[i] < l->n_peers && !fl_key_cmp(&l->peers[at[i]].public_key, least))
				add_lane(s, i, &l->peers[at[i]++], now);
		}
		s->state = !s->handshake ? "never" : s->n_up ? "up" : "stale";
	}
	if (*n)
		qsort(peers, *n, sizeof(*peers), cmp_shown);
	return peers;
}

int fl_look_again(struct fl_look_run *run)
{
	const struct fl_link *link = &run->plan.lanes[0].link;
	int err;

	fl_plan_free(&run->plan);
	run->self = NULL;
	err = run->routes ? fl_state_read(&run->nl, fl_mesh_opt_interface, 1, &run->plan, NULL) :
			    fl_state_read_peers(&run->nl, fl_mesh_opt_interface, &run->plan);
	if (err)
		return FL_FAILED;
	if (!link->ifindex)
		return fl_fail("there is no interface %s; `fairlead mesh up` makes it",
			       fl_mesh_opt_interface);
	if (!fl_link_is_wireguard(link))
		return fl_fail("%s is no WireGuard interface", link->name);
	if (run->mesh)
		fl_state_name(&run->plan, run->mesh);
	if (run->mesh && link->private_key)
		run->self = fl_mesh_find(run->mesh, &link->public_key);
	return FL_OK;
}

int fl_look_begin(struct fl_look_run *run, int flags)
{
	const char *config = fl_mesh_opt_config ? fl_mesh_opt_config : FL_MESH_CONF;
	bool need_mesh = flags & FL_LOOK_MESH;
	int err;

	memset(run, 0, sizeof(*run));
	run->routes = flags & FL_LOOK_ROUTES;
	fl_plan_init(&run->plan);
	if (!fl_mesh_valid_ifname(fl_mesh_opt_interface))
		return FL_USAGE;
	err = fl_nl_open(&run->nl);
	if (err)
		return fl_fail("cannot open netlink: %s", fl_nl_strerror(err));
	if (!run->nl.wg_family)
		return fl_mesh_no_wireguard();
	/* Names are a service: without a mesh file the peers are there all the same. */
	if (need_mesh || fl_mesh_opt_config || !access(config, F_OK)) {
		run->mesh = fl_mesh_load(config);
		run->broken = !run->mesh;
		if (run->broken && need_mesh)
			return FL_FAILED;
	}
	return fl_look_again(run);
}

void fl_look_end(struct fl_look_run *run)
{
	free(run->nodes);
	fl_plan_free(&run->plan);
	fl_nl_close(&run->nl);
	fl_mesh_free(run->mesh);
}

int fl_look_nodes(struct fl_look_run *run, int argc, char **argv)
{
	const struct fl_mesh *mesh = run->mesh;
	size_t room = argc ? (size_t)argc : mesh->n_nodes;

	run->nodes = fl_zalloc(room * sizeof(struct fl_node *));
	for (size_t i = 0; !argc && i < mesh->n_nodes; i++)
		if (&mesh->nodes[i] != run->self)
			run->nodes[run->n_nodes++] = &mesh->nodes[i];
	for (int i = 0; i < argc; i++) {
		const struct fl_node *node = fl_mesh_named(mesh, argv[i]);

		if (!node)
			return fl_fail("%s: there is no node \"%s\" in it", mesh->path, argv[i]);
		if (node == run->self)
			return fl_fail("\"%s\" is this node itself; name another", argv[i]);
		run->nodes[run->n_nodes++] = node;
	}
	return FL_OK;
}
