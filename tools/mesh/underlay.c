// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/mem.h"
#include "../lib/msg.h"
#include "route.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/*
 * What WireGuard puts around a packet: 16 bytes of header, 16 of authentication tag, 8 of UDP and
 * 40 or 20 of IPv6 or IPv4 (drivers/net/wireguard/messages.h). The padding to 16 bytes needs no
 * room of its own and the MTU no rounding: calculate_skb_padding() of drivers/net/wireguard/send.c
 * pads to no more than the MTU of the route.
 */
unsigned int fl_overhead(sa_family_t family)
{
	return (family == AF_INET6 ? 40 : 20) + 8 + 32;
}

/* Without any endpoint there is no route to ask: 1500 and the larger overhead. */
#define MTU_DEFAULT 1420

bool fl_session_alive(const struct fl_peer *peer, int64_t now)
{
	/* A clock that went back makes a handshake of the future, which is not an old one. */
	return peer->handshake && now - peer->handshake < FL_SESSION_TIME;
}

struct underlay {
	struct fl_nl *nl;
	const struct fl_mesh *mesh;
	const struct fl_plan *have;
	const struct fl_host *host;
	struct fl_way *ways; /* of all addresses in the file and in the kernel, sorted */
	size_t n_ways;
	unsigned int least; /* inner MTU, 0: none yet */
	const char *least_peer;
	unsigned int over, over_path; /* an MTU of the file that is too large for a path */
	const char *over_peer;
};

static int cmp_way(const void *a, const void *b)
{
	const struct fl_way *x = a, *y = b;

	return fl_prefix_cmp(&x->addr, &y->addr);
}

/* Ask the kernel once for each address. */
static int find_ways(struct underlay *u)
{
	size_t n = 0, room = 0;
	int err;

	for (size_t i = 0; i < u->mesh->n_nodes; i++)
		room += u->mesh->nodes[i].n_endpoints;
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		room += u->have->lanes[i].n_peers;
	u->ways = fl_zalloc(room * sizeof(*u->ways));
	for (size_t i = 0; i < u->mesh->n_nodes; i++)
		for (size_t j = 0; j < u->mesh->nodes[i].n_endpoints; j++)
			if (u->mesh->nodes[i].endpoints[j].addr.ss_family != AF_UNSPEC)
				u->ways[n++].addr =
					fl_prefix_of(&u->mesh->nodes[i].endpoints[j].addr);
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		for (size_t j = 0; j < u->have->lanes[i].n_peers; j++)
			if (u->have->lanes[i].peers[j].endpoint.ss_family != AF_UNSPEC)
				u->ways[n++].addr =
					fl_prefix_of(&u->have->lanes[i].peers[j].endpoint);
	if (n)
		qsort(u->ways, n, sizeof(*u->ways), cmp_way);
	for (size_t i = 0; i < n; i++)
		if (!i || cmp_way(&u->ways[i], &u->ways[u->n_ways - 1]))
			u->ways[u->n_ways++] = u->ways[i];
	err = fl_route_ways(u->nl, u->host, u->ways, u->n_ways);
	if (err)
		fl_err("cannot ask for the routes to endpoints: %s", fl_nl_strerror(err));
	return err;
}

/* Is there a way to this address that does not lead through the mesh? If so, *mtu becomes no more
 * than what it leaves for a packet inside the tunnel. */
static bool way_to(struct underlay *u, const struct sockaddr_storage *sa, unsigned int *mtu)
{
	const struct fl_way key = { .addr = fl_prefix_of(sa) }, *found = NULL;
	struct fl_way asked;
	unsigned int inner;

	if (u->n_ways)
		found = bsearch(&key, u->ways, u->n_ways, sizeof(*u->ways), cmp_way);
	if (!found) {
		asked = key;
		if (fl_route_ways(u->nl, u->host, &asked, 1))
			return false;
		found = &asked;
	}
	if (found->err || fl_plan_lane(u->have, found->ifindex))
		return false;
	inner = found->mtu > fl_overhead(sa->ss_family) ? found->mtu - fl_overhead(sa->ss_family) :
							  1;
	if (!*mtu || inner < *mtu)
		*mtu = inner;
	return true;
}

/* The endpoints of one peer, the same for all lanes but for the port. */
struct candidate {
	const struct fl_endpoint *ep;
	struct sockaddr_storage *addrs; /* one, or those that a name has and that have a way */
	size_t n;
	bool asked;
};

struct candidates {
	struct candidate *list;
	size_t n;
	unsigned int mtu; /* the least of all that were looked at, 0: of none */
};

/* Look up a host name, once. -1: it leads into the mesh. */
static int resolve(struct underlay *u, const struct fl_peer *peer, struct candidate *c,
		   unsigned int *mtu)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP };
	const struct fl_endpoint *ep = c->ep;
	struct addrinfo *list;
	int status = 0, err;

	if (c->asked)
		return 0;
	c->asked = true;
	err = getaddrinfo(ep->host, NULL, &hints, &list);
	if (err) {
		fl_warn("node \"%s\": cannot resolve %s: %s", peer->name, ep->host,
			err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
		return 0;
	}
	for (struct addrinfo *ai = list; ai && !status; ai = ai->ai_next) {
		struct sockaddr_storage sa = { 0 };
		const struct fl_claim *owner;
		struct fl_prefix addr;
		char s[FL_PREFIX_STR];

		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		memcpy(&sa, ai->ai_addr, ai->ai_addrlen);
		fl_sockaddr_set_port(&sa, ep->port);
		addr = fl_prefix_of(&sa);
		owner = fl_mesh_owner(u->mesh, &addr);
		if (owner) {
			fl_err("%s:%u: Endpoint: %s resolves to %s, inside the mesh (node \"%s\"), "
			       "so the tunnel would swallow itself; write a name of the network "
			       "below",
			       u->mesh->path, ep->line, ep->host,
			       inet_ntop(addr.family, addr.bytes, s, sizeof(s)),
			       u->mesh->nodes[owner->node].name);
			status = -1;
		} else if (way_to(u, &sa, mtu)) {
			c->addrs = fl_realloc(c->addrs, c->n + 1, sizeof(*c->addrs));
			c->addrs[c->n++] = sa;
		}
	}
	freeaddrinfo(list);
	return status;
}

/* Every literal candidate, not only the chosen one: the peer may come from any of them, and the
 * MTU must be right then, too. */
static void find_candidates(struct underlay *u, const struct fl_node *node, struct candidates *c)
{
	c->n = node->n_endpoints;
	c->list = fl_zalloc(c->n * sizeof(*c->list));
	for (size_t i = 0; i < c->n; i++) {
		struct candidate *e = &c->list[i];

		e->ep = &node->endpoints[i];
		e->asked = e->ep->addr.ss_family != AF_UNSPEC;
		if (!e->asked || !way_to(u, &e->ep->addr, &c->mtu))
			continue;
		e->addrs = fl_zalloc(sizeof(*e->addrs));
		e->addrs[e->n++] = e->ep->addr;
	}
}

static void free_candidates(struct candidates *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->list[i].addrs);
	free(c->list);
}

static void of_lane(struct sockaddr_storage *sa, unsigned int lane)
{
	fl_sockaddr_set_port(sa, fl_sockaddr_port(sa) + lane);
}

/* Among the addresses of a candidate, one that the peer has already, or else the first. */
static bool pick(const struct candidate *c, unsigned int lane,
		 const struct sockaddr_storage *current, struct sockaddr_storage *out)
{
	for (size_t i = 0; i < c->n; i++) {
		struct sockaddr_storage sa = c->addrs[i];

		of_lane(&sa, lane);
		if (!i || fl_sockaddr_eq(&sa, current))
			*out = sa;
	}
	return c->n > 0;
}

static int choose(struct underlay *u, unsigned int lane, int64_t now, struct candidates *c,
		  struct fl_peer *peer, struct fl_want_report *report)
{
	static const struct sockaddr_storage none;
	const struct fl_peer *have = fl_lane_peer(&u->have->lanes[lane], &peer->public_key);
	const struct sockaddr_storage *current = have ? &have->endpoint : &none;
	struct sockaddr_storage sa, literal = none;
	char s[FL_SOCKADDR_STR];

	for (size_t i = 0; current->ss_family && i < c->n; i++) {
		if (c->list[i].ep->addr.ss_family == AF_UNSPEC)
			continue;
		if (pick(&c->list[i], lane, current, &sa) && fl_sockaddr_eq(&sa, current)) {
			peer->endpoint = *current;
			return 0;
		}
	}
	if (have && current->ss_family && (!c->n || fl_session_alive(have, now))) {
		peer->endpoint = *current;
		way_to(u, current, &c->mtu);
		return 0;
	}
	for (size_t i = 0; i < c->n; i++) {
		if (resolve(u, peer, &c->list[i], &c->mtu))
			return -1;
		if (pick(&c->list[i], lane, current, &peer->endpoint))
			return 0;
		if (!literal.ss_family)
			literal = c->list[i].ep->addr;
	}
	if (!c->n)
		return 0; /* it will come to us */
	peer->unreachable = true;
	/* Better one that may get a route later than none. */
	if (literal.ss_family)
		of_lane(&literal, lane);
	peer->endpoint = current->ss_family ? *current : literal;
	if (lane)
		return 0; /* said of lane 0 */
	report->no_endpoint++;
	fl_warn("node \"%s\": no endpoint of it has a route now; %s%s", peer->name,
		peer->endpoint.ss_family ? "it gets " : "it gets none until `mesh up` is run again",
		peer->endpoint.ss_family ? fl_sockaddr_format(&peer->endpoint, s) : "");
	return 0;
}

/* What the file says of a node's MTU, or of ours: the smaller. 0: nothing. */
static unsigned int file_mtu(const struct fl_node *self, const struct fl_node *node)
{
	if (!self->mtu || !node->mtu)
		return self->mtu + node->mtu;
	return self->mtu < node->mtu ? self->mtu : node->mtu;
}

/* The MTU inside the tunnel to one peer, 0: not known. */
static unsigned int peer_mtu(struct underlay *u, const struct fl_node *self,
			     const struct fl_peer *peer, unsigned int path)
{
	unsigned int file = file_mtu(self, peer->node);

	if (!u->least || (path && path < u->least)) {
		u->least = path;
		u->least_peer = peer->name;
	}
	if (u->mesh->mtu && (!file || u->mesh->mtu < file))
		file = u->mesh->mtu;
	if (file && path && file > path && (!u->over || path < u->over_path)) {
		u->over = file;
		u->over_path = path;
		u->over_peer = peer->name;
	}
	if (u->mesh->mtu)
		return file;
	return file && (!path || file < path) ? file : path;
}

int fl_underlay(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_node *self,
		const struct fl_plan *have, const struct fl_host *host, int64_t now,
		struct fl_plan *want, unsigned int *node_mtu, struct fl_want_report *report)
{
	struct underlay u = { .nl = nl, .mesh = mesh, .have = have, .host = host };
	struct fl_lane *first = &want->lanes[0];
	unsigned int mtu = mesh->mtu;
	bool v6 = false;
	int err;

	err = find_ways(&u);
	for (size_t i = 0; i < first->n_peers && !err; i++) {
		struct fl_peer *peer = &first->peers[i];
		struct candidates c = { 0 };
		unsigned int inner;

		find_candidates(&u, peer->node, &c);
		for (unsigned int lane = 0; lane < fl_mesh_lanes(self, peer->node) && !err; lane++)
			err = choose(&u, lane, now, &c,
				     fl_lane_peer(&want->lanes[lane], &peer->public_key), report);
		inner = peer_mtu(&u, self, peer, c.mtu);
		node_mtu[peer->node - mesh->nodes] = inner;
		if (!mesh->mtu && inner > mtu)
			mtu = inner;
		free_candidates(&c);
	}
	free(u.ways);
	if (err)
		return -1;
	if (u.over)
		fl_warn("MTU = %u is more than the network to node \"%s\" carries whole; %u is (or "
			"auto)",
			u.over, u.over_peer, u.over_path);
	if (!mtu)
		mtu = MTU_DEFAULT;
	if (mtu > FL_MTU_MAX)
		mtu = FL_MTU_MAX;
	for (size_t i = 0; i < mesh->n_claims; i++)
		v6 |= mesh->claims[i].prefix.family == AF_INET6;
	if (!mesh->mtu && u.least && u.least < (v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4))
		fl_warn("the network to node \"%s\" carries only %u bytes inside the tunnel; %u are "
			"needed%s, so WireGuard's packets will be fragmented",
			u.least_peer, u.least, v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4,
			v6 ? " for IPv6" : "");
	if (mtu < (v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4))
		mtu = v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4;
	for (unsigned int i = 0; i < self->lanes; i++)
		want->lanes[i].link.mtu = mtu;
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		if (node_mtu[i] && node_mtu[i] < FL_MTU_MIN_V4)
			node_mtu[i] = FL_MTU_MIN_V4;
		if (node_mtu[i] >= mtu)
			node_mtu[i] = 0;
	}
	return 0;
}
