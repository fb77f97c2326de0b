// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include "../lib/mem.h"
#include "../lib/msg.h"
#include "route.h"
#include "rt.h"
#include "wg.h"

#include <errno.h>
#include <linux/wireguard.h>
#include <stdlib.h>
#include <string.h>

static const struct fl_key no_key;

static struct fl_wg_change peer_add(const struct fl_peer *w)
{
	return (struct fl_wg_change){
		.public_key = &w->public_key,
		.flags = WGPEER_F_REPLACE_ALLOWEDIPS,
		.endpoint = w->endpoint.ss_family ? &w->endpoint : NULL,
		.psk = w->psk,
		.keepalive = w->keepalive,
		.allowed = w->allowed,
		.n_allowed = w->n_allowed,
	};
}

/* Only what differs, so that neither the session nor a learned endpoint is touched. `added` has
 * room for all of the peer's prefixes. */
static struct fl_wg_change peer_set(const struct fl_peer *w, const struct fl_peer *h,
				    struct fl_prefix *added)
{
	struct fl_wg_change ch = {
		.public_key = &w->public_key,
		.flags = WGPEER_F_UPDATE_ONLY,
		.keepalive = w->keepalive != h->keepalive ? w->keepalive : -1,
		.allowed = added,
	};

	if (w->endpoint.ss_family && !fl_sockaddr_eq(&w->endpoint, &h->endpoint))
		ch.endpoint = &w->endpoint;
	if (w->psk && (!h->psk || fl_key_cmp(w->psk, h->psk)))
		ch.psk = w->psk;
	else if (!w->psk && h->psk)
		ch.psk = &no_key;
	ch.n_allowed = fl_prefix_minus(w->allowed, w->n_allowed, h->allowed, h->n_allowed, added);
	return ch;
}

/*
 * Take prefixes away from peers that stay. WGALLOWEDIP_F_REMOVE_ME is younger than the kernels that
 * Fairlead runs on, and WGPEER_F_REPLACE_ALLOWEDIPS drops packets of the prefixes that stay for as
 * long as the list is not whole again. But a prefix has one owner: a peer that is made to take them
 * over, and is removed then, leaves everything else alone. Nobody has its key.
 */
static int take_away(struct fl_nl *nl, unsigned int ifindex, const struct fl_prefix *list, size_t n,
		     unsigned int tag)
{
	struct fl_wg_change change = { .keepalive = -1, .allowed = list, .n_allowed = n };
	const struct fl_wg_set set = { ifindex, NULL, -1, &change, 1 };
	struct fl_key *private_key = fl_key_new();
	struct fl_key collector;
	int err;

	fl_key_generate(private_key);
	fl_key_public(&collector, private_key);
	fl_key_free(private_key);
	change.public_key = &collector;
	err = fl_wg_write(nl, &set, tag);
	if (err)
		return err;
	change = (struct fl_wg_change){
		.public_key = &collector,
		.flags = WGPEER_F_REMOVE_ME,
		.keepalive = -1,
	};
	return fl_wg_write(nl, &set, tag);
}

/* Operations first..last-1 are of peers that come or change. */
static int set_peers(struct fl_nl *nl, const struct fl_ops *ops, unsigned int ifindex, size_t first,
		     size_t last)
{
	const struct fl_lane *want = &ops->want->lanes[ops->ops[first].lane];
	const struct fl_lane *have = &ops->have->lanes[ops->ops[first].lane];
	struct fl_wg_change *changes = fl_zalloc((last - first) * sizeof(*changes));
	struct fl_wg_set set = { ifindex, NULL, -1, changes, last - first };
	struct fl_prefix *added, *removed, *gone;
	size_t n_added = 0, n_removed = 0, n_gone;
	int err;

	for (size_t i = first; i < last; i++) {
		n_added += want->peers[ops->ops[i].want].n_allowed;
		if (ops->ops[i].kind == FL_OP_PEER_SET)
			n_removed += have->peers[ops->ops[i].have].n_allowed;
	}
	added = fl_zalloc(n_added * sizeof(*added));
	removed = fl_zalloc(n_removed * sizeof(*removed));
	gone = fl_zalloc(n_removed * sizeof(*gone));
	n_added = 0;
	n_removed = 0;
	for (size_t i = first; i < last; i++) {
		const struct fl_peer *w = &want->peers[ops->ops[i].want], *h;
		struct fl_wg_change *ch = &changes[i - first];

		if (ops->ops[i].kind == FL_OP_PEER_ADD) {
			*ch = peer_add(w);
			/* A copy, to be sorted below; the list stays the plan's. */
			if (w->n_allowed)
				memcpy(added + n_added, w->allowed, w->n_allowed * sizeof(*added));
		} else {
			h = &have->peers[ops->ops[i].have];
			*ch = peer_set(w, h, added + n_added);
			n_removed += fl_prefix_minus(h->allowed, h->n_allowed, w->allowed,
						     w->n_allowed, removed + n_removed);
		}
		n_added += ch->n_allowed;
	}
	err = fl_wg_write(nl, &set, first);
	/* What moved to another peer has left already. */
	if (!err && n_removed) {
		qsort(added, n_added, sizeof(*added), fl_prefix_cmp);
		qsort(removed, n_removed, sizeof(*removed), fl_prefix_cmp);
		n_gone = fl_prefix_minus(removed, n_removed, added, n_added, gone);
		if (n_gone)
			err = take_away(nl, ifindex, gone, n_gone, first);
	}
	free(gone);
	free(removed);
	free(added);
	free(changes);
	return err;
}

static int del_peers(struct fl_nl *nl, const struct fl_ops *ops, unsigned int ifindex, size_t first,
		     size_t last)
{
	const struct fl_lane *have = &ops->have->lanes[ops->ops[first].lane];
	struct fl_wg_change *changes = fl_zalloc((last - first) * sizeof(*changes));
	const struct fl_wg_set set = { ifindex, NULL, -1, changes, last - first };
	int err;

	for (size_t i = first; i < last; i++)
		changes[i - first] = (struct fl_wg_change){
			.public_key = &have->peers[ops->ops[i].have].public_key,
			.flags = WGPEER_F_REMOVE_ME,
			.keepalive = -1,
		};
	err = fl_wg_write(nl, &set, first);
	free(changes);
	return err;
}

static int add_link(struct fl_nl *nl, const struct fl_link *want, unsigned int tag,
		    unsigned int *ifindex)
{
	struct fl_link link;
	int err;

	err = fl_rt_link_add(nl, want, tag);
	if (!err)
		err = fl_nl_flush(nl);
	if (!err)
		err = fl_rt_read_link(nl, want->name, &link);
	if (err)
		return err;
	*ifindex = link.ifindex;
	free(link.alias);
	if (!link.ifindex)
		return -ENODEV; /* removed by somebody else at once */
	/* The kernel takes no alias with a new link. */
	return fl_rt_link_set(nl, *ifindex, 0, want->alias, -1, tag);
}

static int set_link(struct fl_nl *nl, const struct fl_link *w, const struct fl_link *h,
		    unsigned int ifindex, unsigned int tag)
{
	const char *from = h->alias ? h->alias : "", *to = w->alias ? w->alias : "";
	bool there = h->ifindex; /* a new one has its MTU and alias */

	return fl_rt_link_set(nl, ifindex, there && w->mtu != h->mtu ? w->mtu : 0,
			      there && strcmp(from, to) != 0 ? to : NULL,
			      there && w->rp_filter == h->rp_filter ? -1 : w->rp_filter, tag);
}

static int set_device(struct fl_nl *nl, const struct fl_link *w, const struct fl_link *h,
		      unsigned int ifindex, unsigned int tag)
{
	struct fl_wg_set set = { ifindex, NULL, -1, NULL, 0 };

	if (!w->private_key != !h->private_key ||
	    (w->private_key && fl_key_cmp(w->private_key, h->private_key)))
		set.private_key = w->private_key ? w->private_key : &no_key;
	if (w->listen_port != h->listen_port)
		set.listen_port = w->listen_port;
	return fl_wg_write(nl, &set, tag);
}

/* What it was is written down before it changes, and forgotten after it is so again. */
static int set_hash(struct fl_nl *nl, const char *first, const struct fl_ops *ops,
		    const struct fl_op *op)
{
	int to = ops->want->hash_policy[op->family], saved[FL_FAMILIES], err;

	/* What is queued comes before. */
	err = fl_nl_flush(nl);
	if (err)
		return err;
	fl_hash_saved(first, saved);
	if (to == FL_HASH_L4) {
		if (saved[op->family] < 0)
			saved[op->family] = ops->have->hash_policy[op->family];
		if (fl_hash_save(first, saved))
			return -EIO;
		return fl_hash_write(op->family, to);
	}
	err = fl_hash_write(op->family, to);
	if (err)
		return err;
	saved[op->family] = -1;
	return fl_hash_save(first, saved) ? -EIO : 0;
}

static int set_route(struct fl_nl *nl, const struct fl_ops *ops, const struct fl_op *op,
		     const unsigned int *ifindex, unsigned int tag)
{
	bool del = op->kind == FL_OP_ROUTE_DEL;
	const struct fl_plan *plan = del ? ops->have : ops->want;
	const struct fl_route *r = &plan->routes[del ? op->have : op->want];
	/* One that was read knows its own. */
	uint32_t nhid = r->nhid;

	if (!nhid && r->lanes > 1)
		nhid = plan->nexthops.base + FL_NH_ID(fl_family_of(&r->dst), 1, r->lanes - 1U);
	return fl_route_write(nl, r, del || !r->lanes ? r->ifindex : ifindex[0], nhid,
			      del			  ? FL_ROUTE_DEL :
			      op->kind == FL_OP_ROUTE_ADD ? FL_ROUTE_ADD :
							    FL_ROUTE_REPLACE,
			      tag);
}

static int set_nexthop(struct fl_nl *nl, const struct fl_ops *ops, const struct fl_op *op,
		       const unsigned int *ifindex, unsigned int tag)
{
	const struct fl_nexthops *w = &ops->want->nexthops, *h = &ops->have->nexthops;
	enum fl_family f = op->family;
	unsigned int i = op->lane;

	switch (op->kind) {
	case FL_OP_NEXTHOP_ADD:
		return fl_nexthop_add(nl, w->base + FL_NH_ID(f, 0, i), f, ifindex[i], tag);
	case FL_OP_NEXTHOP_DEL:
		return fl_nexthop_del(nl, h->base + FL_NH_ID(f, 0, i), tag);
	case FL_OP_GROUP_DEL:
		return fl_nexthop_del(nl, h->base + FL_NH_ID(f, 1, i), tag);
	default:
		return fl_nexthop_group(nl, w->base, f, i, w->groups[f][i],
					op->kind == FL_OP_GROUP_SET, tag);
	}
}

/* A run of operations on peers of one lane. */
static size_t run_of_peers(const struct fl_ops *ops, size_t i)
{
	const struct fl_op *op = &ops->ops[i];
	size_t next = i + 1;

	while (next < ops->n && ops->ops[next].lane == op->lane &&
	       (op->kind == FL_OP_PEER_DEL ? ops->ops[next].kind == FL_OP_PEER_DEL :
					     ops->ops[next].kind == FL_OP_PEER_ADD ||
						     ops->ops[next].kind == FL_OP_PEER_SET))
		next++;
	return next;
}

/* Returns 0 or -errno, then nl->failed_tag is the operation. */
static int carry_out(struct fl_nl *nl, const char *first, const struct fl_ops *ops)
{
	unsigned int ifindex[FL_MESH_LANES];
	int err = 0;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		ifindex[i] = ops->have->lanes[i].link.ifindex;
	for (size_t i = 0, next; i < ops->n && !err; i = next) {
		const struct fl_op *op = &ops->ops[i];
		const struct fl_lane *w = &ops->want->lanes[op->lane];
		const struct fl_lane *h = &ops->have->lanes[op->lane];

		next = i + 1;
		/* Where the message is not sent but refused, it is this operation that failed. */
		nl->failed_tag = i;
		switch (op->kind) {
		case FL_OP_LINK_ADD:
			err = add_link(nl, &w->link, i, &ifindex[op->lane]);
			break;
		case FL_OP_LINK_SET:
			err = set_link(nl, &w->link, &h->link, ifindex[op->lane], i);
			break;
		case FL_OP_DEVICE:
			err = set_device(nl, &w->link, &h->link, ifindex[op->lane], i);
			break;
		case FL_OP_PEER_ADD:
		case FL_OP_PEER_SET:
			next = run_of_peers(ops, i);
			err = set_peers(nl, ops, ifindex[op->lane], i, next);
			break;
		case FL_OP_PEER_DEL:
			next = run_of_peers(ops, i);
			err = del_peers(nl, ops, ifindex[op->lane], i, next);
			break;
		case FL_OP_ADDR_ADD:
			err = fl_rt_addr(nl, ifindex[op->lane], &w->addrs[op->want], true, i);
			break;
		case FL_OP_ADDR_DEL:
			err = fl_rt_addr(nl, ifindex[op->lane], &h->addrs[op->have], false, i);
			break;
		case FL_OP_LINK_UP:
		case FL_OP_LINK_DOWN:
			err = fl_rt_link_up(nl, ifindex[op->lane], op->kind == FL_OP_LINK_UP, i);
			break;
		case FL_OP_LINK_DEL:
			err = fl_rt_link_del(nl, ifindex[op->lane], i);
			break;
		case FL_OP_HASH:
			err = set_hash(nl, first, ops, op);
			break;
		case FL_OP_NEXTHOP_ADD:
		case FL_OP_NEXTHOP_DEL:
		case FL_OP_GROUP_ADD:
		case FL_OP_GROUP_SET:
		case FL_OP_GROUP_DEL:
			err = set_nexthop(nl, ops, op, ifindex, i);
			break;
		case FL_OP_ROUTE_ADD:
		case FL_OP_ROUTE_SET:
		case FL_OP_ROUTE_DEL:
			err = set_route(nl, ops, op, ifindex, i);
			break;
		}
	}
	return err ? err : fl_nl_flush(nl);
}

static void explain(const struct fl_nl *nl, const struct fl_ops *ops, int err)
{
	const struct fl_op *op = &ops->ops[nl->failed_tag];
	char *text = fl_op_format(ops, op);
	const char *remedy = "";

	if (op->kind == FL_OP_PEER_ADD || op->kind == FL_OP_PEER_SET ||
	    op->kind == FL_OP_PEER_DEL) {
		/* They go in batches, and the kernel does not say at which it stopped. */
		free(text);
		text = fl_asprintf("peers of %s", ops->want->lanes[op->lane].link.name);
	}
	if (err == -EADDRINUSE && (op->kind == FL_OP_LINK_UP || op->kind == FL_OP_DEVICE))
		remedy = "; the UDP port is in use: stop who has it (ss -lunp) or set another "
			 "ListenPort";
	else if (err == -EOPNOTSUPP && op->kind == FL_OP_LINK_ADD)
		remedy = "; this kernel has no WireGuard: load the module (modprobe wireguard)";
	else if (err == -EACCES && op->kind == FL_OP_ADDR_ADD)
		remedy = "; IPv6 is switched off here: set net.ipv6.conf.default.disable_ipv6 to 0";
	else if (err == -EEXIST)
		remedy = "; somebody else made it in this moment: look, and try again";
	fl_err("cannot do '%s': %s%s%s%s%s", text,
	       err == -EACCES && *remedy ? strerror(-err) : fl_nl_strerror(err),
	       nl->failed_text[0] ? " (" : "", nl->failed_text, nl->failed_text[0] ? ")" : "",
	       remedy);
	free(text);
}

int fl_undo(struct fl_nl *nl, const char *first, const struct fl_plan *before)
{
	struct fl_plan now;
	struct fl_ops undo;
	bool any;
	int err;

	/* Not an inverse of each operation, which would have to know how far a batch came, but what
	 * it takes from the state that is there now to the one that was. */
	if (fl_state_read(nl, first, before->read_lanes, &now, NULL)) {
		fl_err("what was done until then stays; run `fairlead mesh plan` to see it");
		return -1;
	}
	undo = fl_plan_diff(before, &now);
	any = undo.n;
	err = any ? carry_out(nl, first, &undo) : 0;
	if (err) {
		explain(nl, &undo, err);
		fl_err("the state before could not be restored; run `fairlead mesh plan` to see it");
	}
	fl_ops_free(&undo);
	fl_plan_free(&now);
	return err ? -1 : any;
}

int fl_apply(struct fl_nl *nl, const char *first, const struct fl_ops *ops)
{
	int err = carry_out(nl, first, ops);

	if (!err)
		return 0;
	explain(nl, ops, err);
	err = fl_undo(nl, first, ops->have);
	if (err >= 0)
		fl_err("nothing was changed%s", err ? " (what was done is undone)" : "");
	return -1;
}
