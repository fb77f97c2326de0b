// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/msg.h"
#include "rt.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

/*
 * What WireGuard puts around a packet: 16 bytes of header, 16 of authentication tag, 8 of UDP and
 * 40 or 20 of IPv6 or IPv4 (drivers/net/wireguard/messages.h). The padding to 16 bytes needs no
 * room of its own and the MTU no rounding: calculate_skb_padding() of drivers/net/wireguard/send.c
 * pads to no more than the MTU of the route.
 */
static unsigned int overhead(sa_family_t family)
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
	unsigned int ifindex; /* of the mesh itself, 0: none yet */
	unsigned int mtu;     /* least inner MTU so far, 0: none yet */
	const char *mtu_peer; /* who asked for it */
};

/* Is there a way to this address that does not lead through the mesh? Its MTU counts. */
static int way_to(struct underlay *u, const struct fl_peer *peer, const struct sockaddr_storage *sa)
{
	struct fl_rt_way way;
	unsigned int mtu;
	int err;

	err = fl_rt_lookup(u->nl, sa, &way);
	if (err)
		return err;
	if (u->ifindex && way.ifindex == u->ifindex)
		return -ENETUNREACH;
	mtu = way.mtu > overhead(sa->ss_family) ? way.mtu - overhead(sa->ss_family) : 1;
	if (!u->mtu || mtu < u->mtu) {
		u->mtu = mtu;
		u->mtu_peer = peer->name;
	}
	return 0;
}

/* Addresses of a host name, the first usable one into `out`. 1: found, 0: none, -1: an error. */
static int resolve(struct underlay *u, const struct fl_peer *peer, const struct fl_endpoint *ep,
		   const struct sockaddr_storage *current, struct sockaddr_storage *out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_protocol = IPPROTO_UDP };
	struct addrinfo *list;
	int found = 0, err;

	err = getaddrinfo(ep->host, NULL, &hints, &list);
	if (err) {
		fl_warn("node \"%s\": cannot resolve %s: %s", peer->name, ep->host,
			err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
		return 0;
	}
	for (struct addrinfo *ai = list; ai && found >= 0; ai = ai->ai_next) {
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
			found = -1;
		} else if (!way_to(u, peer, &sa)) {
			/* One that the peer already has wins over an earlier one. */
			if (!found || fl_sockaddr_eq(&sa, current))
				*out = sa;
			found = 1;
		}
	}
	freeaddrinfo(list);
	return found;
}

static int choose(struct underlay *u, const struct fl_peer *have, int64_t now, struct fl_peer *peer,
		  struct fl_want_report *report)
{
	static const struct sockaddr_storage none;
	const struct sockaddr_storage *current = have ? &have->endpoint : &none;
	const struct fl_node *node = peer->node;
	const struct sockaddr_storage *literal = NULL, *routed = NULL;
	bool current_routed = false, names = false;
	char s[FL_SOCKADDR_STR];

	/* Every literal candidate, not only the chosen one: the peer may come from any of them, and
	 * the MTU must be right then, too. */
	for (size_t i = 0; i < node->n_endpoints; i++) {
		const struct sockaddr_storage *sa = &node->endpoints[i].addr;

		if (sa->ss_family == AF_UNSPEC) {
			names = true;
			continue;
		}
		if (!literal)
			literal = sa;
		if (way_to(u, peer, sa))
			continue;
		if (!routed && !names)
			routed = sa;
		current_routed |= fl_sockaddr_eq(sa, current);
	}
	if (current->ss_family &&
	    (!node->n_endpoints || current_routed || fl_session_alive(have, now))) {
		peer->endpoint = *current;
		if (!current_routed)
			way_to(u, peer, current);
		return 0;
	}
	if (routed) {
		peer->endpoint = *routed;
		return 0;
	}
	for (size_t i = 0; i < node->n_endpoints; i++) {
		const struct fl_endpoint *ep = &node->endpoints[i];
		int found;

		if (ep->addr.ss_family == AF_UNSPEC) {
			found = resolve(u, peer, ep, current, &peer->endpoint);
			if (found < 0)
				return -1;
		} else {
			found = !way_to(u, peer, &ep->addr);
			if (found)
				peer->endpoint = ep->addr;
		}
		if (found)
			return 0;
	}
	if (!node->n_endpoints)
		return 0; /* it will come to us */
	/* Better one that may get a route later than none. */
	peer->endpoint = current->ss_family ? *current : literal ? *literal : none;
	report->no_endpoint++;
	fl_warn("node \"%s\": no endpoint of it has a route now; %s%s", peer->name,
		peer->endpoint.ss_family ? "it gets " : "it gets none until `mesh up` is run again",
		peer->endpoint.ss_family ? fl_sockaddr_format(&peer->endpoint, s) : "");
	return 0;
}

int fl_underlay(struct fl_nl *nl, const struct fl_mesh *mesh, const struct fl_plan *have,
		int64_t now, struct fl_plan *want, struct fl_want_report *report)
{
	struct underlay u = { nl, mesh, have->link.ifindex, 0, NULL };
	bool v6 = false;

	for (size_t i = 0; i < want->n_peers; i++) {
		struct fl_peer *peer = &want->peers[i];

		if (choose(&u, fl_plan_peer(have, &peer->public_key), now, peer, report))
			return -1;
	}
	for (size_t i = 0; i < mesh->n_claims; i++)
		v6 |= mesh->claims[i].prefix.family == AF_INET6;
	if (mesh->mtu) {
		want->link.mtu = mesh->mtu;
		if (u.mtu && mesh->mtu > u.mtu)
			fl_warn("MTU = %u is more than the network to node \"%s\" carries whole; "
				"%u is (or auto)",
				mesh->mtu, u.mtu_peer, u.mtu);
		return 0;
	}
	want->link.mtu = u.mtu ? u.mtu : MTU_DEFAULT;
	if (want->link.mtu > FL_MTU_MAX)
		want->link.mtu = FL_MTU_MAX;
	if (want->link.mtu < (v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4)) {
		fl_warn("the network to node \"%s\" carries only %u bytes inside the tunnel; %u are "
			"needed%s, so WireGuard's packets will be fragmented",
			u.mtu_peer, want->link.mtu, v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4,
			v6 ? " for IPv6" : "");
		want->link.mtu = v6 ? FL_MTU_MIN_V6 : FL_MTU_MIN_V4;
	}
	return 0;
}
