// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/msg.h"
#include "route.h"
#include "rt.h"
#include "wg.h"

#include <errno.h>
#include <string.h>

const char *fl_nl_strerror(int err)
{
	if (err == -EPERM || err == -EACCES)
		return "not permitted: it needs CAP_NET_ADMIN, so run it as root";
	if (err == -EINTR)
		return "it changes faster than it can be read; try again";
	return strerror(-err);
}

static int read_all(struct fl_nl *nl, const char *first, unsigned int lanes, bool routes,
		    struct fl_plan *plan, struct fl_host *host, const char **what)
{
	int err;

	*what = "the interface";
	err = fl_rt_read_links(nl, first, lanes, plan, host);
	*what = "its peers";
	for (unsigned int i = 0; i < FL_MESH_LANES && !err; i++) {
		struct fl_lane *lane = &plan->lanes[i];

		if (lane->link.ifindex && fl_link_is_wireguard(&lane->link))
			err = fl_wg_read(nl, lane);
	}
	if (err)
		return err;
	*what = "addresses";
	err = fl_rt_read_addrs(nl, plan, host);
	if (err || !routes)
		return err;
	*what = "nexthop objects";
	err = fl_nexthop_read(nl, plan, host);
	if (err)
		return err;
	*what = "routes";
	return fl_route_read(nl, plan, host);
}

static int read_state(struct fl_nl *nl, const char *first, unsigned int lanes, bool routes,
		      struct fl_plan *plan, struct fl_host *host)
{
	struct fl_host unused = { 0 };
	const char *what;
	int err;

	fl_plan_init(plan);
	plan->read_lanes = lanes;
	err = read_all(nl, first, lanes, routes, plan, host ? host : &unused, &what);
	for (int f = 0; f < FL_FAMILIES; f++)
		plan->hash_policy[f] = fl_hash_read(f);
	fl_host_free(&unused);
	if (!err)
		return 0;
	fl_err("%s: cannot read %s: %s", first, what, fl_nl_strerror(err));
	fl_plan_free(plan);
	if (host)
		fl_host_free(host);
	return -1;
}

int fl_state_read(struct fl_nl *nl, const char *first, unsigned int lanes, struct fl_plan *plan,
		  struct fl_host *host)
{
	return read_state(nl, first, lanes, true, plan, host);
}

int fl_state_read_peers(struct fl_nl *nl, const char *first, struct fl_plan *plan)
{
	return read_state(nl, first, 1, false, plan, NULL);
}

void fl_state_name(struct fl_plan *plan, const struct fl_mesh *mesh)
{
	for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
		struct fl_lane *l = &plan->lanes[lane];

		for (size_t i = 0; i < l->n_peers; i++) {
			struct fl_peer *peer = &l->peers[i];

			peer->node = fl_mesh_find(mesh, &peer->public_key);
			peer->name = peer->node ? peer->node->name : NULL;
		}
	}
}
