// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/msg.h"
#include "tools/mesh/conf.h"

#include <stdio.h>
#include <stdlib.h>

/* What is accepted must keep the promises that conf.h makes. */
static void check(const struct fl_mesh *mesh)
{
	if (!mesh->n_nodes || !mesh->listen_port || !mesh->max_lanes ||
	    mesh->max_lanes > FL_MESH_LANES || mesh->listen_port + mesh->max_lanes - 1 > 65535)
		abort();
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		const struct fl_node *n = &mesh->nodes[i];

		if (fl_mesh_find(mesh, &n->public_key) != n ||
		    fl_key_is_low_order(&n->public_key) || !n->n_addresses || !n->lanes ||
		    n->lanes > mesh->max_lanes)
			abort();
		for (size_t j = 0; j < n->n_addresses; j++) {
			const struct fl_claim *c = fl_mesh_owner(mesh, &n->addresses[j]);

			if (!c || c->node != i || !fl_prefix_is_host(&n->addresses[j]))
				abort();
		}
		for (size_t j = 0; j < n->n_endpoints; j++) {
			struct fl_prefix addr;

			if (!n->endpoints[j].port || !n->endpoints[j].host ||
			    n->endpoints[j].port + n->lanes - 1 > 65535)
				abort();
			if (n->endpoints[j].addr.ss_family == AF_UNSPEC)
				continue;
			addr = fl_prefix_of(&n->endpoints[j].addr);
			if (fl_mesh_owner(mesh, &addr))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_mesh *mesh;

	if (!fl_msg_stream)
		fl_msg_stream = fopen("/dev/null", "w");
	mesh = fl_mesh_parse("fuzz", (const char *)data, size);
	if (mesh)
		check(mesh);
	fl_mesh_free(mesh);
	return 0;
}
