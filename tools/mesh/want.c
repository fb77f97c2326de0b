// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/mem.h"
#include "../lib/msg.h"
#include "psk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void want_link(const struct fl_mesh *mesh, const struct fl_node *self,
		      const struct fl_key *private_key, const char *first, unsigned int lane,
		      struct fl_link *link)
{
	fl_lane_name(first, lane, link->name);
	strcpy(link->kind, "wireguard");
	link->alias = fl_lane_alias(mesh->name, first, lane);
	link->up = true;
	link->private_key = fl_key_new();
	*link->private_key = *private_key;
	fl_key_public(&link->public_key, private_key);
	link->listen_port = mesh->listen_port + lane;
	/* A reply may come on another lane. */
	link->rp_filter = self->lanes > 1 ? FL_RPF_LOOSE : -1;
}

static void want_peers(const struct fl_mesh *mesh, const struct fl_node *self, unsigned int lane,
		       struct fl_lane *want)
{
	want->peers = fl_zalloc(mesh->n_nodes * sizeof(*want->peers));
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		const struct fl_node *node = mesh->by_key[i];
		struct fl_peer *peer;

		if (node == self || lane >= node->lanes)
			continue;
		peer = &want->peers[want->n_peers++];
		peer->public_key = node->public_key;
		peer->name = node->name;
		peer->node = node;
		peer->keepalive = fl_mesh_keepalive(self, node);
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

/* On lane 0 only: the kernel takes packets to them from every lane. */
static void want_addrs(const struct fl_node *self, struct fl_lane *want)
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

/* What TCP may announce so that its packets fit: RFC 6691, 2. */
static unsigned int advmss_of(sa_family_t family, unsigned int mtu)
{
	return mtu - (family == AF_INET ? 20 : 40) - 20;
}

static void want_routes(const struct fl_mesh *mesh, const struct fl_node *self,
			const struct fl_host *host, const unsigned int *node_mtu,
			struct fl_plan *want)
{
	const struct fl_prefix v4 = source(self, host, AF_INET), v6 = source(self, host, AF_INET6);

	/* Claims are sorted and, but for a node's own address in its own pod range, disjoint. */
	want->routes = fl_zalloc(mesh->n_claims * sizeof(*want->routes));
	for (size_t i = 0; i < mesh->n_claims; i++) {
		const struct fl_claim *c = &mesh->claims[i];
		const struct fl_node *node = &mesh->nodes[c->node];
		unsigned int mtu = node_mtu[c->node];
		struct fl_route *r;

		if (node == self)
			continue;
		r = &want->routes[want->n_routes++];
		*r = (struct fl_route){
			.dst = c->prefix,
			.src = c->prefix.family == AF_INET ? v4 : v6,
			.metric = c->prefix.family == AF_INET ? 0 : FL_METRIC_V6,
			.protocol = FL_RTPROT,
			.lanes = fl_mesh_lanes(self, node),
		};
		/* IPv6 takes no less, whatever the path carries. */
		if (mtu && c->prefix.family == AF_INET6 && mtu < FL_MTU_MIN_V6)
			mtu = FL_MTU_MIN_V6;
		if (mtu && mtu != want->lanes[0].link.mtu) {
			r->mtu = mtu;
			r->advmss = advmss_of(c->prefix.family, mtu);
		}
	}
}

/* The first block of ids in which nobody else has one. */
static uint32_t free_block(const struct fl_host *host)
{
	size_t i = 0;

	for (unsigned int block = 0; block < FL_NH_BLOCKS; block++) {
		uint32_t base = FL_NH_FIRST + block * FL_NH_BLOCK;

		while (i < host->n_nexthops && host->nexthops[i] < base)
			i++;
		if (i == host->n_nexthops || host->nexthops[i] - base >= FL_NH_BLOCK)
			return base;
	}
	return 0;
}

static int want_nexthops(const struct fl_plan *have, const struct fl_host *host,
			 struct fl_plan *want)
{
	struct fl_nexthops *nh = &want->nexthops;
	bool taken = false;

	for (size_t i = 0; i < want->n_routes; i++) {
		const struct fl_route *r = &want->routes[i];
		enum fl_family f = fl_family_of(&r->dst);

		if (r->lanes < 2)
			continue;
		nh->groups[f][r->lanes - 1] = (1U << r->lanes) - 1;
		nh->lanes[f] |= nh->groups[f][r->lanes - 1];
	}
	if (!nh->lanes[FL_V4] && !nh->lanes[FL_V6])
		return 0;
	/* What is ours stays where it is, unless somebody has put something beside it. */
	for (size_t i = 0; i < host->n_nexthops; i++)
		taken |= host->nexthops[i] - have->nexthops.base < FL_NH_BLOCK;
	nh->base = have->nexthops.base && !taken ? have->nexthops.base : free_block(host);
	if (nh->base)
		return 0;
	fl_err("all nexthop ids from %u to %u are taken; remove some (ip nexthop list), or set "
	       "Lanes = 1",
	       FL_NH_FIRST, FL_NH_FIRST + FL_NH_BLOCK * FL_NH_BLOCKS - 1);
	return -1;
}

static void want_hash(const char *first, const struct fl_plan *have, struct fl_plan *want)
{
	int saved[FL_FAMILIES];

	fl_hash_saved(first, saved);
	for (unsigned int f = 0; f < FL_FAMILIES; f++) {
		int now = have->hash_policy[f];

		if (want->nexthops.lanes[f])
			want->hash_policy[f] = now == FL_HASH_CUSTOM ? -1 : FL_HASH_L4;
		else if (now == FL_HASH_L4)
			want->hash_policy[f] = saved[f];
	}
}

static const char *ifname_of(unsigned int ifindex, char out[IFNAMSIZ])
{
	return ifindex && if_indextoname(ifindex, out) ? out : "no interface";
}

/* Interfaces that are there but cannot be taken, or that are ours under another name. */
static int bad_links(const struct fl_mesh *mesh, const char *first, const struct fl_plan *want,
		     const struct fl_plan *have, const struct fl_host *host)
{
	int bad = 0;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		const struct fl_link *w = &want->lanes[i].link, *h = &have->lanes[i].link;
		char *alias = fl_lane_alias(mesh->name, first, i);

		if (h->ifindex && !fl_link_is_wireguard(h)) {
			fl_err("%s exists and is no WireGuard interface%s%s; remove or rename it, "
			       "or name another with --interface",
			       h->name, h->kind[0] ? " but of type " : "", h->kind);
			bad = -1;
		} else if (i && fl_is_alias(h->alias) &&
			   fl_lane_of_alias(h->alias, first) != (int)i) {
			fl_err("%s, lane %u of this mesh, is in use by another ('%s'); name other "
			       "interfaces with --interface",
			       h->name, i, h->alias);
			bad = -1;
		}
		for (size_t j = 0; !h->ifindex && w->kind[0] && j < host->n_devs; j++) {
			const struct fl_dev *dev = &host->devs[j];

			if (!dev->mesh || strcmp(dev->mesh, alias) != 0)
				continue;
			fl_err("%s has been renamed to %s; name it back (ip link set %s down; "
			       "ip link set %s name %s), or remove it (ip link del %s)",
			       w->name, dev->name, dev->name, dev->name, w->name, dev->name);
			bad = -1;
		}
		free(alias);
	}
	return bad;
}

/* What others have where ours shall be. All of it is printed. */
static int conflicts(const struct fl_plan *want, const struct fl_host *host)
{
	char s[FL_PREFIX_STR], dev[IFNAMSIZ];
	int bad = 0;

	for (size_t i = 0; i < host->n_addrs; i++) {
		struct fl_prefix addr = host->addrs[i].addr;

		addr.len = fl_prefix_bits(&addr);
		for (size_t j = 0; j < want->lanes[0].n_addrs; j++) {
			if (fl_prefix_cmp(&addr, &want->lanes[0].addrs[j]))
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

/* `auto` cannot know what is not in the file, which must be the same on all nodes. */
static void check_cpus(const struct fl_mesh *mesh, const struct fl_node *self)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (mesh->lanes || fl_mesh_auto_lanes(cpus) == self->lanes)
		return;
	fl_warn("%s:%u: node \"%s\" has %ld CPUs, for which Lanes = auto would make %u lane%s, "
		"but gets %u; write CPUs = %ld in its section",
		mesh->path, self->line, self->name, cpus, fl_mesh_auto_lanes(cpus),
		fl_mesh_auto_lanes(cpus) == 1 ? "" : "s", self->lanes, cpus);
}

int fl_want(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_node *self,
	    const struct fl_key *private_key, const char *first, const struct fl_plan *have,
	    const struct fl_host *host, int64_t now, struct fl_plan *want,
	    struct fl_want_report *report)
{
	unsigned int *node_mtu = fl_zalloc(mesh->n_nodes * sizeof(*node_mtu));
	char name[IFNAMSIZ];
	int err = -1;

	fl_plan_init(want);
	memset(report, 0, sizeof(*report));
	if (!fl_lane_name(first, self->lanes - 1, name)) {
		fl_err("--interface: '%s' is too long for the names of %u lanes; the kernel allows "
		       "%d characters",
		       first, self->lanes, IFNAMSIZ - 1);
		goto out;
	}
	check_cpus(mesh, self);
	for (unsigned int i = 0; i < self->lanes; i++) {
		want_link(mesh, self, private_key, first, i, &want->lanes[i].link);
		want_peers(mesh, self, i, &want->lanes[i]);
	}
	if (fl_psk_fill(mesh, self, want))
		goto out;
	want_addrs(self, &want->lanes[0]);
	if (bad_links(mesh, first, want, have, host) ||
	    fl_underlay(nl, mesh, self, have, host, now, want, node_mtu, report))
		goto out;
	want_routes(mesh, self, host, node_mtu, want);
	if (conflicts(want, host) || want_nexthops(have, host, want))
		goto out;
	want_hash(first, have, want);
	err = 0;
out:
	free(node_mtu);
	if (err)
		fl_plan_free(want);
	return err;
}
