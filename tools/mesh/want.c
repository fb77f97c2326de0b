// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/mem.h"
#include "../lib/msg.h"

#include <stdlib.h>
#include <string.h>

static void want_link(const struct fl_mesh *mesh, const struct fl_key *private_key,
		      const char *ifname, struct fl_link *link)
{
	strncpy(link->name, ifname, sizeof(link->name) - 1);
	strcpy(link->kind, "wireguard");
	link->alias = fl_asprintf(FL_ALIAS "%s", mesh->name);
	link->up = true;
	link->private_key = fl_key_new();
	*link->private_key = *private_key;
	fl_key_public(&link->public_key, private_key);
	link->listen_port = mesh->listen_port;
}

static void want_peers(const struct fl_mesh *mesh, const struct fl_node *self, struct fl_plan *want)
{
	want->peers = fl_zalloc(mesh->n_nodes * sizeof(*want->peers));
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		const struct fl_node *node = mesh->by_key[i];
		struct fl_peer *peer;

		if (node == self)
			continue;
		peer = &want->peers[want->n_peers++];
		peer->public_key = node->public_key;
		peer->name = node->name;
		peer->node = node;
		peer->keepalive = node->keepalive;
		peer->n_allowed = node->n_addresses + node->n_pod_cidrs;
		peer->allowed = fl_zalloc(peer->n_allowed * sizeof(*peer->allowed));
		memcpy(peer->allowed, node->addresses,
		       node->n_addresses * sizeof(*node->addresses));
		if (node->n_pod_cidrs)
			memcpy(peer->allowed + node->n_addresses, node->pod_cidrs,
			       node->n_pod_cidrs * sizeof(*node->pod_cidrs));
		qsort(peer->allowed, peer->n_allowed, sizeof(*peer->allowed), fl_prefix_cmp);
	}
}

static void want_addrs(const struct fl_node *self, struct fl_plan *want)
{
	want->n_addrs = self->n_addresses;
	want->addrs = fl_zalloc(self->n_addresses * sizeof(*want->addrs));
	memcpy(want->addrs, self->addresses, self->n_addresses * sizeof(*want->addrs));
	qsort(want->addrs, want->n_addrs, sizeof(*want->addrs), fl_prefix_cmp);
}

/*
 * The address that this node itself sends from. Peers accept only what the mesh says is ours; the
 * kernel's own choice would be an address of the underlay, which they drop. Without an overlay
 * address of the family, one that the node has in its own pod range (a bridge's) will do.
 */
static struct fl_prefix source(const struct fl_node *self, const struct fl_host *host,
			       sa_family_t family)
{
	for (size_t i = 0; i < self->n_addresses; i++)
		if (self->addresses[i].family == family)
			return self->addresses[i];
	for (size_t i = 0; i < host->n_addrs; i++) {
		struct fl_prefix addr = host->addrs[i].addr;

		addr.len = fl_prefix_bits(&addr);
		for (size_t j = 0; j < self->n_pod_cidrs; j++)
			if (fl_prefix_contains(&self->pod_cidrs[j], &addr) && addr.family == family)
				return addr;
	}
	return (struct fl_prefix){ 0 };
}

static void want_routes(const struct fl_mesh *mesh, const struct fl_node *self,
			const struct fl_host *host, struct fl_plan *want)
{
	const struct fl_prefix v4 = source(self, host, AF_INET), v6 = source(self, host, AF_INET6);

	/* Claims are sorted and, but for a node's own address in its own pod range, disjoint. */
	want->routes = fl_zalloc(mesh->n_claims * sizeof(*want->routes));
	for (size_t i = 0; i < mesh->n_claims; i++) {
		const struct fl_claim *c = &mesh->claims[i];

		if (&mesh->nodes[c->node] == self)
			continue;
		want->routes[want->n_routes++] = (struct fl_route){
			.dst = c->prefix,
			.src = c->prefix.family == AF_INET ? v4 : v6,
			.metric = c->prefix.family == AF_INET ? 0 : FL_METRIC_V6,
			.protocol = FL_RTPROT,
		};
	}
}

static const char *ifname_of(unsigned int ifindex, char out[IFNAMSIZ])
{
	return ifindex && if_indextoname(ifindex, out) ? out : "no interface";
}

/* What others have where ours shall be. All of it is printed. */
static int conflicts(const struct fl_plan *want, const struct fl_host *host)
{
	char s[FL_PREFIX_STR], dev[IFNAMSIZ];
	int bad = 0;

	for (size_t i = 0; i < host->n_addrs; i++) {
		struct fl_prefix addr = host->addrs[i].addr;

		addr.len = fl_prefix_bits(&addr);
		for (size_t j = 0; j < want->n_addrs; j++) {
			if (fl_prefix_cmp(&addr, &want->addrs[j]))
				continue;
			fl_err("address %s is taken: %s has it; remove it there or give this node "
			       "another Address",
			       fl_prefix_format(&addr, s), ifname_of(host->addrs[i].ifindex, dev));
			bad = -1;
		}
	}
	for (size_t i = 0, j = 0; i < want->n_routes && j < host->n_routes;) {
		const struct fl_route *w = &want->routes[i], *h = &host->routes[j];
		int diff = fl_prefix_cmp(&w->dst, &h->dst);

		if (diff < 0) {
			i++;
			continue;
		}
		/* A route of a larger metric, such as one that catches what has no peer yet, stands
		 * behind ours. */
		if (!diff && h->metric <= w->metric) {
			fl_err("route %s exists: dev %s, protocol %u, metric %u; remove it, or take "
			       "%s out of the mesh file",
			       fl_prefix_format(&h->dst, s), ifname_of(h->ifindex, dev),
			       h->protocol, h->metric, s);
			bad = -1;
		}
		j++;
	}
	return bad;
}

int fl_want(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_node *self,
	    const struct fl_key *private_key, const char *ifname, const struct fl_plan *have,
	    const struct fl_host *host, int64_t now, struct fl_plan *want,
	    struct fl_want_report *report)
{
	memset(want, 0, sizeof(*want));
	memset(report, 0, sizeof(*report));
	want_link(mesh, private_key, ifname, &want->link);
	want_peers(mesh, self, want);
	want_addrs(self, want);
	want_routes(mesh, self, host, want);
	if (!conflicts(want, host) && !fl_underlay(nl, mesh, have, now, want, report))
		return 0;
	fl_plan_free(want);
	return -1;
}
