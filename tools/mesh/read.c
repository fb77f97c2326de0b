// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/msg.h"
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

int fl_state_read(struct fl_nl *nl, const char *ifname, struct fl_plan *plan, struct fl_host *host)
{
	struct fl_host unused = { 0 };
	const char *what = "the interface";
	int err;

	memset(plan, 0, sizeof(*plan));
	err = fl_rt_read_link(nl, ifname, 0, &plan->link);
	if (!err && plan->link.ifindex && !strcmp(plan->link.kind, "wireguard")) {
		what = "its peers";
		err = fl_wg_read(nl, plan);
	}
	if (!err) {
		what = "addresses";
		err = fl_rt_read_addrs(nl, plan, host ? host : &unused);
	}
	if (!err) {
		what = "routes";
		err = fl_rt_read_routes(nl, plan, host ? host : &unused);
	}
	fl_host_free(&unused);
	if (!err)
		return 0;
	fl_err("%s: cannot read %s: %s", ifname, what, fl_nl_strerror(err));
	fl_plan_free(plan);
	if (host)
		fl_host_free(host);
	return -1;
}

void fl_state_name(struct fl_plan *plan, const struct fl_mesh *mesh)
{
	for (size_t i = 0; i < plan->n_peers; i++) {
		const struct fl_node *node = fl_mesh_find(mesh, &plan->peers[i].public_key);

		plan->peers[i].name = node ? node->name : NULL;
	}
}
