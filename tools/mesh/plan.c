// SPDX-License-Identifier: GPL-2.0
#include "plan.h"

#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/table.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fl_lane_free(struct fl_lane *lane)
{
	for (size_t i = 0; i < lane->n_peers; i++)
		free(lane->peers[i].allowed);
	free(lane->peers);
	fl_keys_free(&lane->psks);
	free(lane->addrs);
	free(lane->link.alias);
	fl_key_free(lane->link.private_key);
	memset(lane, 0, sizeof(*lane));
	lane->link.rp_filter = -1;
}

void fl_plan_init(struct fl_plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		plan->lanes[i].link.rp_filter = -1;
	plan->hash_policy[FL_V4] = -1;
	plan->hash_policy[FL_V6] = -1;
}

void fl_plan_free(struct fl_plan *plan)
{
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		fl_lane_free(&plan->lanes[i]);
	free(plan->routes);
	fl_plan_init(plan);
}

void fl_host_free(struct fl_host *host)
{
	for (size_t i = 0; i < host->n_devs; i++)
		free(host->devs[i].mesh);
	free(host->devs);
	free(host->nexthops);
	free(host->addrs);
	free(host->routes);
	memset(host, 0, sizeof(*host));
}

static int cmp_dev(const void *a, const void *b)
{
	const struct fl_dev *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

const struct fl_dev *fl_host_dev(const struct fl_host *host, unsigned int ifindex)
{
	const struct fl_dev key = { .ifindex = ifindex };

	return host->n_devs ?
		       bsearch(&key, host->devs, host->n_devs, sizeof(*host->devs), cmp_dev) :
		       NULL;
}

struct fl_peer *fl_lane_peer(const struct fl_lane *lane, const struct fl_key *public_key)
{
	size_t lo = 0, hi = lane->n_peers;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int diff = fl_key_cmp(&lane->peers[mid].public_key, public_key);

		if (!diff)
			return &lane->peers[mid];
		if (diff < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct fl_lane *fl_plan_lane(const struct fl_plan *plan, unsigned int ifindex)
{
	for (unsigned int i = 0; ifindex && i < FL_MESH_LANES; i++)
		if (plan->lanes[i].link.ifindex == ifindex)
			return &plan->lanes[i];
	return NULL;
}

bool fl_plan_exists(const struct fl_plan *plan)
{
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (plan->lanes[i].link.ifindex)
			return true;
	return false;
}

/* ---- names of lanes ---- */

bool fl_lane_name(const char *first, unsigned int i, char out[IFNAMSIZ])
{
	size_t n = strlen(first), stem = n;
	unsigned int number = 0;

	/* Four digits at most, and no leading zero: fl00 is not fl0. */
	while (stem && n - stem < 4 && first[stem - 1] >= '0' && first[stem - 1] <= '9')
		stem--;
	while (stem < n && first[stem] == '0' && stem + 1 < n)
		stem++;
	if (stem < n)
		number = strtoul(first + stem, NULL, 10);
	if (!i)
		return snprintf(out, IFNAMSIZ, "%s", first) < IFNAMSIZ;
	return snprintf(out, IFNAMSIZ, "%.*s%u", (int)stem, first, number + i) < IFNAMSIZ;
}

char *fl_lane_alias(const char *mesh, const char *first, unsigned int i)
{
	return i ? fl_asprintf(FL_ALIAS "%s lane %u of %s", mesh, i, first) :
		   fl_asprintf(FL_ALIAS "%s", mesh);
}

bool fl_link_is_wireguard(const struct fl_link *link)
{
	return !strcmp(link->kind, "wireguard");
}

bool fl_is_alias(const char *alias)
{
	return alias && !strncmp(alias, FL_ALIAS, strlen(FL_ALIAS));
}

int fl_lane_of_alias(const char *alias, const char *first)
{
	const char *s;
	unsigned int i;
	int n = 0;

	if (!fl_is_alias(alias))
		return -1;
	/* A mesh's name has no spaces. */
	s = strchr(alias + strlen(FL_ALIAS), ' ');
	if (!s || sscanf(s, " lane %2u of %n", &i, &n) != 1 || !n || i >= FL_MESH_LANES ||
	    strcmp(s + n, first) != 0)
		return -1;
	return i;
}

size_t fl_prefix_minus(const struct fl_prefix *a, size_t n_a, const struct fl_prefix *b, size_t n_b,
		       struct fl_prefix *out)
{
	size_t n = 0;

	for (size_t i = 0, j = 0; i < n_a;) {
		int diff = j < n_b ? fl_prefix_cmp(&a[i], &b[j]) : -1;

		if (diff < 0)
			out[n++] = a[i++];
		else if (diff > 0)
			j++;
		else
			i++;
	}
	return n;
}

/* ---- difference ---- */

static struct fl_op *add_op(struct fl_ops *ops, enum fl_op_kind kind, unsigned int lane)
{
	if (!(ops->n & (ops->n - 1)))
		ops->ops = fl_realloc(ops->ops, ops->n ? 2 * ops->n : 1, sizeof(*ops->ops));
	ops->ops[ops->n] = (struct fl_op){ .kind = kind, .lane = lane };
	return &ops->ops[ops->n++];
}

static bool same_secret(const struct fl_key *a, const struct fl_key *b)
{
	if (!a || !b)
		return a == b;
	return !sodium_memcmp(a, b, sizeof(*a));
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool same_prefixes(const struct fl_peer *a, const struct fl_peer *b)
{
	if (a->n_allowed != b->n_allowed)
		return false;
	for (size_t i = 0; i < a->n_allowed; i++)
		if (fl_prefix_cmp(&a->allowed[i], &b->allowed[i]))
			return false;
	return true;
}

static bool same_peer(const struct fl_peer *a, const struct fl_peer *b)
{
	return fl_sockaddr_eq(&a->endpoint, &b->endpoint) && a->keepalive == b->keepalive &&
	       same_secret(a->psk, b->psk) && same_prefixes(a, b);
}

static bool same_route(const struct fl_route *a, const struct fl_route *b)
{
	return a->src.family == b->src.family && a->metric == b->metric && a->mtu == b->mtu &&
	       a->advmss == b->advmss && a->lanes == b->lanes &&
	       (!a->src.family || !fl_prefix_cmp(&a->src, &b->src));
}

/*
 * Merges two sorted lists: `cmp` orders them, `changed` compares two of the same place. One pass
 * for each kind of operation keeps the list in the order in which it is carried out.
 */
struct merge {
	const void *want, *have;
	size_t n_want, n_have, size;
	int (*cmp)(const void *want, const void *have);
	bool (*changed)(const void *want, const void *have); /* NULL: what cmp calls equal is */
};

enum { MERGE_ADD, MERGE_CHANGE, MERGE_DEL };

static void merge(struct fl_ops *ops, const struct merge *m, int what, enum fl_op_kind kind,
		  unsigned int lane)
{
	for (size_t i = 0, j = 0; i < m->n_want || j < m->n_have;) {
		const void *w = i < m->n_want ? (const char *)m->want + i * m->size : NULL;
		const void *h = j < m->n_have ? (const char *)m->have + j * m->size : NULL;
		int diff = !w ? 1 : !h ? -1 : m->cmp(w, h);
		bool hit = what == (diff < 0 ? MERGE_ADD :
				    diff > 0 ? MERGE_DEL :
					       MERGE_CHANGE) &&
			   (diff || (m->changed && m->changed(w, h)));

		if (hit) {
			struct fl_op *op = add_op(ops, kind, lane);

			op->want = diff > 0 ? 0 : i;
			op->have = diff < 0 ? 0 : j;
		}
		i += diff <= 0;
		j += diff >= 0;
	}
}

static int cmp_peers(const void *want, const void *have)
{
	const struct fl_peer *w = want, *h = have;

	return fl_key_cmp(&w->public_key, &h->public_key);
}

static bool peers_changed(const void *want, const void *have)
{
	return !same_peer(want, have);
}

/* A route is its destination and metric; the same destination may have several. */
static int cmp_routes(const void *want, const void *have)
{
	const struct fl_route *a = want, *b = have;
	int diff = fl_prefix_cmp(&a->dst, &b->dst);

	return diff ? diff : (a->metric > b->metric) - (a->metric < b->metric);
}

static bool routes_changed(const void *want, const void *have)
{
	return !same_route(want, have);
}

static struct merge peers_of(const struct fl_lane *w, const struct fl_lane *h)
{
	return (struct merge){ w->peers,	  h->peers,  w->n_peers,   h->n_peers,
			       sizeof(*w->peers), cmp_peers, peers_changed };
}

static struct merge addrs_of(const struct fl_lane *w, const struct fl_lane *h)
{
	return (struct merge){ w->addrs,	  h->addrs,	 w->n_addrs, h->n_addrs,
			       sizeof(*w->addrs), fl_prefix_cmp, NULL };
}

static bool link_changed(const struct fl_link *w, const struct fl_link *h)
{
	return w->mtu != h->mtu || !same_text(w->alias, h->alias) ||
	       (w->rp_filter >= 0 && w->rp_filter != h->rp_filter);
}

/* A lane that is there, or shall be: what comes. */
static void diff_lane(struct fl_ops *ops, unsigned int i)
{
	const struct fl_lane *w = &ops->want->lanes[i], *h = &ops->have->lanes[i];
	const struct merge peers = peers_of(w, h), addrs = addrs_of(w, h);

	if (!w->link.kind[0])
		return;
	if (!h->link.ifindex)
		add_op(ops, FL_OP_LINK_ADD, i);
	/* A new one is made with its MTU and alias. */
	if (h->link.ifindex ? link_changed(&w->link, &h->link) : w->link.rp_filter >= 0)
		add_op(ops, FL_OP_LINK_SET, i);
	if (!same_secret(w->link.private_key, h->link.private_key) ||
	    w->link.listen_port != h->link.listen_port)
		add_op(ops, FL_OP_DEVICE, i);
	merge(ops, &peers, MERGE_ADD, FL_OP_PEER_ADD, i);
	merge(ops, &peers, MERGE_CHANGE, FL_OP_PEER_SET, i);
	merge(ops, &addrs, MERGE_ADD, FL_OP_ADDR_ADD, i);
	if (w->link.up && !h->link.up)
		add_op(ops, FL_OP_LINK_UP, i);
}

/* What goes. */
static void diff_lane_rest(struct fl_ops *ops, unsigned int i)
{
	const struct fl_lane *w = &ops->want->lanes[i], *h = &ops->have->lanes[i];
	const struct merge peers = peers_of(w, h), addrs = addrs_of(w, h);

	if (w->link.kind[0]) {
		merge(ops, &addrs, MERGE_DEL, FL_OP_ADDR_DEL, i);
		merge(ops, &peers, MERGE_DEL, FL_OP_PEER_DEL, i);
		if (!w->link.up && h->link.up)
			add_op(ops, FL_OP_LINK_DOWN, i);
	} else if (h->link.ifindex) {
		/* Addresses, routes, nexthops and peers go with their link. */
		add_op(ops, FL_OP_LINK_DEL, i);
	}
}

enum { NH_ADD, NH_DEL };

static void diff_nexthops(struct fl_ops *ops, int what)
{
	static const struct fl_nexthops none;
	const struct fl_nexthops *w = &ops->want->nexthops, *h = &ops->have->nexthops;
	const struct fl_nexthops *same = w->base == h->base ? h : &none;

	for (unsigned int f = 0; f < FL_FAMILIES; f++) {
		for (unsigned int i = 0; what == NH_ADD && i < FL_MESH_LANES; i++)
			if (w->lanes[f] & ~same->lanes[f] & 1U << i)
				add_op(ops, FL_OP_NEXTHOP_ADD, i)->family = f;
		for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
			uint16_t to = w->groups[f][i], from = same->groups[f][i];

			if (what == NH_ADD && to && to != from)
				add_op(ops, from ? FL_OP_GROUP_SET : FL_OP_GROUP_ADD, i)->family =
					f;
			if (what == NH_DEL && h->groups[f][i] && (!to || same == &none))
				add_op(ops, FL_OP_GROUP_DEL, i)->family = f;
		}
		for (unsigned int i = 0; what == NH_DEL && i < FL_MESH_LANES; i++)
			if (h->lanes[f] & ~(same == &none ? 0 : w->lanes[f]) & 1U << i)
				add_op(ops, FL_OP_NEXTHOP_DEL, i)->family = f;
	}
}

struct fl_ops fl_plan_diff(const struct fl_plan *want, const struct fl_plan *have)
{
	struct fl_ops ops = { .want = want, .have = have };
	const struct merge routes = { want->routes,   have->routes,	     want->n_routes,
				      have->n_routes, sizeof(*want->routes), cmp_routes,
				      routes_changed };
	bool any = false;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		any |= want->lanes[i].link.kind[0] != '\0';
		diff_lane(&ops, i);
	}
	for (unsigned int f = 0; f < FL_FAMILIES; f++)
		if (want->hash_policy[f] >= 0 && want->hash_policy[f] != have->hash_policy[f])
			add_op(&ops, FL_OP_HASH, 0)->family = f;
	/* All of these go with the links. */
	if (any) {
		diff_nexthops(&ops, NH_ADD);
		merge(&ops, &routes, MERGE_ADD, FL_OP_ROUTE_ADD, 0);
		merge(&ops, &routes, MERGE_CHANGE, FL_OP_ROUTE_SET, 0);
		merge(&ops, &routes, MERGE_DEL, FL_OP_ROUTE_DEL, 0);
		diff_nexthops(&ops, NH_DEL);
	}
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		diff_lane_rest(&ops, i);
	return ops;
}

void fl_ops_free(struct fl_ops *ops)
{
	free(ops->ops);
	memset(ops, 0, sizeof(*ops));
}

/* ---- words ---- */

struct text {
	char *s;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	char *more, *both;

	va_start(ap, fmt);
	more = fl_vasprintf(fmt, ap);
	va_end(ap);
	both = fl_asprintf("%s%s", t->s ? t->s : "", more);
	free(more);
	free(t->s);
	t->s = both;
}

static const char *peer_name(const struct fl_peer *p)
{
	return p->name ? p->name : "(unknown)";
}

static void say_prefixes(struct text *t, const char *sign, const struct fl_prefix *list, size_t n)
{
	char s[FL_PREFIX_STR];

	for (size_t i = 0; i < n; i++)
		say(t, "%s%s%s", i ? ", " : " ", sign, fl_prefix_format(&list[i], s));
}

static void say_peer_change(struct text *t, const struct fl_peer *w, const struct fl_peer *h)
{
	char from[FL_SOCKADDR_STR], to[FL_SOCKADDR_STR];
	struct fl_prefix *diff = fl_zalloc((w->n_allowed + h->n_allowed) * sizeof(*diff));
	size_t add, del;

	if (!fl_sockaddr_eq(&w->endpoint, &h->endpoint))
		say(t, " endpoint %s -> %s", fl_sockaddr_format(&h->endpoint, from),
		    fl_sockaddr_format(&w->endpoint, to));
	if (w->keepalive != h->keepalive)
		say(t, " keepalive %u -> %u", h->keepalive, w->keepalive);
	if (!same_secret(w->psk, h->psk))
		say(t, " preshared key %s", !w->psk ? "removed" : h->psk ? "replaced" : "added");
	add = fl_prefix_minus(w->allowed, w->n_allowed, h->allowed, h->n_allowed, diff);
	del = fl_prefix_minus(h->allowed, h->n_allowed, w->allowed, w->n_allowed, diff + add);
	if (add || del)
		say(t, " allowed");
	say_prefixes(t, "+", diff, add);
	if (add && del)
		say(t, ",");
	say_prefixes(t, "-", diff + add, del);
	free(diff);
}

/* Where it is, if that is not lane 0. */
static void say_lane(struct text *t, const struct fl_link *link, unsigned int lane)
{
	if (lane)
		say(t, " on %s", link->name);
}

static void say_peer(struct text *t, char sign, const struct fl_link *link, unsigned int lane,
		     const struct fl_peer *w, const struct fl_peer *h)
{
	const struct fl_peer *p = w ? w : h; /* one of them is there */
	char key[FL_KEY_BASE64], ep[FL_SOCKADDR_STR];

	if (!p)
		return;
	say(t, "%c peer %s (%s)", sign, peer_name(p), fl_key_format(&p->public_key, key));
	say_lane(t, link, lane);
	if (w && h) {
		say_peer_change(t, w, h);
	} else if (w) {
		say(t, " endpoint %s", fl_sockaddr_format(&w->endpoint, ep));
		if (w->keepalive)
			say(t, " keepalive %u", w->keepalive);
		if (w->psk)
			say(t, " preshared key");
		say(t, " allowed");
		say_prefixes(t, "", w->allowed, w->n_allowed);
	}
}

static const char *addr_text(const struct fl_prefix *p, char out[FL_PREFIX_STR])
{
	return p->family ? inet_ntop(p->family, p->bytes, out, FL_PREFIX_STR) : "(none)";
}

static void say_number(struct text *t, const char *what, unsigned int from, unsigned int to)
{
	if (from == to)
		return;
	say(t, from ? " %s %u ->" : " %s (link) ->", what, from);
	say(t, to ? " %u" : " (link)", to);
}

static const char *lanes_text(const struct fl_route *r, char out[16])
{
	if (!r->lanes)
		return "(other)";
	snprintf(out, 16, "%u", r->lanes);
	return out;
}

static void say_route(struct text *t, char sign, const struct fl_route *w, const struct fl_route *h)
{
	const struct fl_route *r = w ? w : h;
	char s[FL_PREFIX_STR], n[16];

	if (!r)
		return;
	say(t, "%c route %s", sign, fl_prefix_format(&r->dst, s));
	if (w && h) {
		if (w->src.family != h->src.family ||
		    (w->src.family && fl_prefix_cmp(&w->src, &h->src))) {
			say(t, " src %s ->", addr_text(&h->src, s));
			say(t, " %s", addr_text(&w->src, s));
		}
		say_number(t, "mtu", h->mtu, w->mtu);
		say_number(t, "advmss", h->advmss, w->advmss);
		if (w->lanes != h->lanes) {
			say(t, " lanes %s ->", lanes_text(h, n));
			say(t, " %s", lanes_text(w, n));
		}
		return;
	}
	if (r->src.family)
		say(t, " src %s", addr_text(&r->src, s));
	if (r->mtu)
		say(t, " mtu %u", r->mtu);
	if (r->advmss)
		say(t, " advmss %u", r->advmss);
	if (r->lanes != 1)
		say(t, " lanes %s", lanes_text(r, n));
}

/* "fl0, fl1": of which lanes, as bits. */
static void say_lanes(struct text *t, const struct fl_plan *plan, uint16_t lanes)
{
	for (unsigned int i = 0, n = 0; i < FL_MESH_LANES; i++)
		if (lanes & 1U << i)
			say(t, "%s%s", n++ ? ", " : " ", plan->lanes[i].link.name);
	if (!lanes)
		say(t, " (none)");
}

static const char *const family_name[] = { "IPv4", "IPv6" };

static void say_nexthop(struct text *t, const struct fl_ops *ops, const struct fl_op *op)
{
	const struct fl_plan *w = ops->want, *h = ops->have;
	bool del = op->kind == FL_OP_NEXTHOP_DEL || op->kind == FL_OP_GROUP_DEL;
	bool group = op->kind != FL_OP_NEXTHOP_ADD && op->kind != FL_OP_NEXTHOP_DEL;
	uint32_t id = (del ? h : w)->nexthops.base + FL_NH_ID(op->family, group, op->lane);

	say(t, "%c nexthop %u %s",
	    del				? '-' :
	    op->kind == FL_OP_GROUP_SET ? '~' :
					  '+',
	    id, family_name[op->family]);
	if (!group) {
		say(t, " dev %s", (del ? h : w)->lanes[op->lane].link.name);
		return;
	}
	say(t, " group of");
	if (op->kind == FL_OP_GROUP_SET) {
		say_lanes(t, h, h->nexthops.groups[op->family][op->lane]);
		say(t, " ->");
	}
	say_lanes(t, del ? h : w, (del ? h : w)->nexthops.groups[op->family][op->lane]);
}

static const char *const hash_key[] = { "net.ipv4.fib_multipath_hash_policy",
					"net.ipv6.fib_multipath_hash_policy" };

static void say_link_set(struct text *t, const struct fl_link *w, const struct fl_link *h)
{
	say(t, "~ link %s", w->name);
	if (h->ifindex && w->mtu != h->mtu)
		say(t, " mtu %u -> %u", h->mtu, w->mtu);
	if (h->ifindex && !same_text(w->alias, h->alias))
		say(t, " alias '%s' -> '%s'", h->alias ? h->alias : "", w->alias ? w->alias : "");
	if (w->rp_filter < 0 || (h->ifindex && w->rp_filter == h->rp_filter))
		return;
	if (h->ifindex)
		say(t, " rp_filter %d -> %d", h->rp_filter, w->rp_filter);
	else
		say(t, " rp_filter %d", w->rp_filter);
}

static void say_device(struct text *t, const struct fl_link *w, const struct fl_link *h)
{
	char from[FL_KEY_BASE64], to[FL_KEY_BASE64];

	say(t, "~ device %s", w->name);
	if (!same_secret(w->private_key, h->private_key))
		say(t, " public key %s -> %s",
		    h->private_key ? fl_key_format(&h->public_key, from) : "(none)",
		    w->private_key ? fl_key_format(&w->public_key, to) : "(none)");
	if (w->listen_port != h->listen_port)
		say(t, " listen port %u -> %u", h->listen_port, w->listen_port);
}

char *fl_op_format(const struct fl_ops *ops, const struct fl_op *op)
{
	const struct fl_plan *wp = ops->want, *hp = ops->have;
	const struct fl_lane *w = &wp->lanes[op->lane], *h = &hp->lanes[op->lane];
	struct text t = { 0 };
	char s[FL_PREFIX_STR];

	switch (op->kind) {
	case FL_OP_LINK_ADD:
		say(&t, "+ link %s type wireguard mtu %u", w->link.name, w->link.mtu);
		break;
	case FL_OP_LINK_SET:
		say_link_set(&t, &w->link, &h->link);
		break;
	case FL_OP_DEVICE:
		say_device(&t, &w->link, &h->link);
		break;
	case FL_OP_LINK_UP:
		say(&t, "~ link %s down -> up", w->link.name);
		break;
	case FL_OP_LINK_DOWN:
		say(&t, "~ link %s up -> down", w->link.name);
		break;
	case FL_OP_LINK_DEL:
		say(&t, "- link %s", h->link.name);
		break;
	case FL_OP_PEER_ADD:
		say_peer(&t, '+', &w->link, op->lane, &w->peers[op->want], NULL);
		break;
	case FL_OP_PEER_SET:
		say_peer(&t, '~', &w->link, op->lane, &w->peers[op->want], &h->peers[op->have]);
		break;
	case FL_OP_PEER_DEL:
		say_peer(&t, '-', &h->link, op->lane, NULL, &h->peers[op->have]);
		break;
	case FL_OP_ADDR_ADD:
		say(&t, "+ address %s", fl_prefix_format(&w->addrs[op->want], s));
		say_lane(&t, &w->link, op->lane);
		break;
	case FL_OP_ADDR_DEL:
		say(&t, "- address %s", fl_prefix_format(&h->addrs[op->have], s));
		say_lane(&t, &h->link, op->lane);
		break;
	case FL_OP_HASH:
		say(&t, "~ sysctl %s %d -> %d", hash_key[op->family], hp->hash_policy[op->family],
		    wp->hash_policy[op->family]);
		break;
	case FL_OP_NEXTHOP_ADD:
	case FL_OP_NEXTHOP_DEL:
	case FL_OP_GROUP_ADD:
	case FL_OP_GROUP_SET:
	case FL_OP_GROUP_DEL:
		say_nexthop(&t, ops, op);
		break;
	case FL_OP_ROUTE_ADD:
		say_route(&t, '+', &wp->routes[op->want], NULL);
		break;
	case FL_OP_ROUTE_SET:
		say_route(&t, '~', &wp->routes[op->want], &hp->routes[op->have]);
		break;
	case FL_OP_ROUTE_DEL:
		say_route(&t, '-', NULL, &hp->routes[op->have]);
		break;
	}
	return t.s;
}

void fl_ops_print(const struct fl_ops *ops, FILE *f)
{
	for (size_t i = 0; i < ops->n; i++) {
		char *line = fl_op_format(ops, &ops->ops[i]);
		enum fl_colour c = *line == '+' ? FL_GREEN : *line == '-' ? FL_RED : FL_YELLOW;

		fprintf(f, "%s%s%s\n", fl_colour(c), line, fl_colour(FL_PLAIN));
		free(line);
	}
}

/* ---- JSON ---- */

static struct json_object *from_to(struct json_object *o, const char *key)
{
	struct json_object *pair = json_object_new_object();

	json_object_object_add(o, key, pair);
	return pair;
}

static void json_prefixes(struct json_object *o, const char *key, const struct fl_prefix *list,
			  size_t n)
{
	struct json_object *a = json_object_new_array();
	char s[FL_PREFIX_STR];

	for (size_t i = 0; i < n; i++)
		json_object_array_add(a, json_object_new_string(fl_prefix_format(&list[i], s)));
	json_object_object_add(o, key, a);
}

static void json_link(struct json_object *o, const struct fl_link *w, const struct fl_link *h)
{
	bool want = w->kind[0], have = h->ifindex;
	struct json_object *p;

	fl_json_str(o, "name", want ? w->name : h->name);
	p = from_to(o, "mtu");
	json_object_object_add(p, "from", have ? json_object_new_int64(h->mtu) : NULL);
	json_object_object_add(p, "to", want ? json_object_new_int64(w->mtu) : NULL);
	p = from_to(o, "alias");
	fl_json_str(p, "from", h->alias);
	fl_json_str(p, "to", want ? w->alias : NULL);
	p = from_to(o, "up");
	json_object_object_add(p, "from", have ? json_object_new_boolean(h->up) : NULL);
	json_object_object_add(p, "to", want ? json_object_new_boolean(w->up) : NULL);
	p = from_to(o, "rp_filter");
	json_object_object_add(
		p, "from", have && h->rp_filter >= 0 ? json_object_new_int(h->rp_filter) : NULL);
	json_object_object_add(
		p, "to", want && w->rp_filter >= 0 ? json_object_new_int(w->rp_filter) : NULL);
}

static void json_device(struct json_object *o, const struct fl_link *w, const struct fl_link *h)
{
	char key[FL_KEY_BASE64];
	struct json_object *p;

	fl_json_str(o, "name", w->name);
	p = from_to(o, "public_key");
	fl_json_str(p, "from", h->private_key ? fl_key_format(&h->public_key, key) : NULL);
	fl_json_str(p, "to", w->private_key ? fl_key_format(&w->public_key, key) : NULL);
	p = from_to(o, "listen_port");
	json_object_object_add(p, "from",
			       h->ifindex ? json_object_new_int64(h->listen_port) : NULL);
	fl_json_int(p, "to", w->listen_port);
}

static void json_peer(struct json_object *o, const struct fl_peer *w, const struct fl_peer *h)
{
	static const struct fl_peer none;
	const struct fl_peer *to = w ? w : &none, *from = h ? h : &none;
	char key[FL_KEY_BASE64], ep[FL_SOCKADDR_STR];
	struct fl_prefix *diff;
	struct json_object *p;
	size_t n;

	fl_json_str(o, "name", w ? w->name : h->name);
	fl_json_str(o, "public_key", fl_key_format(w ? &w->public_key : &h->public_key, key));
	p = from_to(o, "endpoint");
	fl_json_str(p, "from",
		    from->endpoint.ss_family ? fl_sockaddr_format(&from->endpoint, ep) : NULL);
	fl_json_str(p, "to", to->endpoint.ss_family ? fl_sockaddr_format(&to->endpoint, ep) : NULL);
	p = from_to(o, "persistent_keepalive");
	json_object_object_add(p, "from", h ? json_object_new_int64(h->keepalive) : NULL);
	json_object_object_add(p, "to", w ? json_object_new_int64(w->keepalive) : NULL);
	p = from_to(o, "preshared_key"); /* whether there is one */
	fl_json_bool(p, "from", from->psk != NULL);
	fl_json_bool(p, "to", to->psk != NULL);
	p = from_to(o, "allowed_ips");
	diff = fl_zalloc((to->n_allowed + from->n_allowed) * sizeof(*diff));
	n = fl_prefix_minus(to->allowed, to->n_allowed, from->allowed, from->n_allowed, diff);
	json_prefixes(p, "add", diff, n);
	n = fl_prefix_minus(from->allowed, from->n_allowed, to->allowed, to->n_allowed, diff);
	json_prefixes(p, "remove", diff, n);
	free(diff);
}

/* 0: null */
static void json_number(struct json_object *o, const char *key, unsigned int from, unsigned int to)
{
	struct json_object *p = from_to(o, key);

	json_object_object_add(p, "from", from ? json_object_new_int64(from) : NULL);
	json_object_object_add(p, "to", to ? json_object_new_int64(to) : NULL);
}

static void json_route(struct json_object *o, const struct fl_route *w, const struct fl_route *h)
{
	struct json_object *p;
	char s[FL_PREFIX_STR];

	fl_json_str(o, "destination", fl_prefix_format(w ? &w->dst : &h->dst, s));
	p = from_to(o, "source");
	fl_json_str(p, "from", h && h->src.family ? addr_text(&h->src, s) : NULL);
	fl_json_str(p, "to", w && w->src.family ? addr_text(&w->src, s) : NULL);
	json_number(o, "mtu", h ? h->mtu : 0, w ? w->mtu : 0);
	json_number(o, "advmss", h ? h->advmss : 0, w ? w->advmss : 0);
	json_number(o, "lanes", h ? h->lanes : 0, w ? w->lanes : 0);
}

static void json_names(struct json_object *o, const char *key, const struct fl_plan *plan,
		       uint16_t lanes)
{
	struct json_object *a = json_object_new_array();

	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (lanes & 1U << i)
			json_object_array_add(a, json_object_new_string(plan->lanes[i].link.name));
	json_object_object_add(o, key, a);
}

static void json_nexthop(struct json_object *o, const struct fl_ops *ops, const struct fl_op *op)
{
	bool group = op->kind != FL_OP_NEXTHOP_ADD && op->kind != FL_OP_NEXTHOP_DEL;
	bool to = op->kind != FL_OP_NEXTHOP_DEL && op->kind != FL_OP_GROUP_DEL;
	bool from = !to || op->kind == FL_OP_GROUP_SET;
	const struct fl_plan *w = ops->want, *h = ops->have;
	unsigned int f = op->family, i = op->lane;
	struct json_object *p;

	fl_json_int(o, "id", (to ? w : h)->nexthops.base + FL_NH_ID(f, group, i));
	fl_json_str(o, "family", family_name[f]);
	fl_json_bool(o, "group", group);
	p = from_to(o, "interfaces");
	json_names(p, "from", h, !from ? 0 : group ? h->nexthops.groups[f][i] : 1U << i);
	json_names(p, "to", w, !to ? 0 : group ? w->nexthops.groups[f][i] : 1U << i);
}

static struct json_object *op_json(const struct fl_ops *ops, const struct fl_op *op)
{
	const struct fl_plan *wp = ops->want, *hp = ops->have;
	const struct fl_lane *w = &wp->lanes[op->lane], *h = &hp->lanes[op->lane];
	struct json_object *o = json_object_new_object();
	char *text = fl_op_format(ops, op), s[FL_PREFIX_STR];
	bool del;

	fl_json_str(o, "action", *text == '+' ? "add" : *text == '-' ? "remove" : "change");
	switch (op->kind) {
	case FL_OP_LINK_ADD:
	case FL_OP_LINK_SET:
	case FL_OP_LINK_UP:
	case FL_OP_LINK_DOWN:
	case FL_OP_LINK_DEL:
		fl_json_str(o, "object", "link");
		json_link(o, &w->link, &h->link);
		break;
	case FL_OP_DEVICE:
		fl_json_str(o, "object", "device");
		json_device(o, &w->link, &h->link);
		break;
	case FL_OP_PEER_ADD:
	case FL_OP_PEER_SET:
	case FL_OP_PEER_DEL:
		del = op->kind == FL_OP_PEER_DEL;
		fl_json_str(o, "object", "peer");
		fl_json_str(o, "interface", (del ? h : w)->link.name);
		json_peer(o, del ? NULL : &w->peers[op->want],
			  op->kind == FL_OP_PEER_ADD ? NULL : &h->peers[op->have]);
		break;
	case FL_OP_ADDR_ADD:
	case FL_OP_ADDR_DEL:
		del = op->kind == FL_OP_ADDR_DEL;
		fl_json_str(o, "object", "address");
		fl_json_str(o, "interface", (del ? h : w)->link.name);
		fl_json_str(o, "address",
			    fl_prefix_format(del ? &h->addrs[op->have] : &w->addrs[op->want], s));
		break;
	case FL_OP_HASH:
		fl_json_str(o, "object", "sysctl");
		fl_json_str(o, "key", hash_key[op->family]);
		fl_json_int(o, "from", hp->hash_policy[op->family]);
		fl_json_int(o, "to", wp->hash_policy[op->family]);
		break;
	case FL_OP_NEXTHOP_ADD:
	case FL_OP_NEXTHOP_DEL:
	case FL_OP_GROUP_ADD:
	case FL_OP_GROUP_SET:
	case FL_OP_GROUP_DEL:
		fl_json_str(o, "object", "nexthop");
		json_nexthop(o, ops, op);
		break;
	case FL_OP_ROUTE_ADD:
	case FL_OP_ROUTE_SET:
	case FL_OP_ROUTE_DEL:
		fl_json_str(o, "object", "route");
		json_route(o, op->kind == FL_OP_ROUTE_DEL ? NULL : &wp->routes[op->want],
			   op->kind == FL_OP_ROUTE_ADD ? NULL : &hp->routes[op->have]);
		break;
	}
	fl_json_str(o, "text", text);
	free(text);
	return o;
}

struct json_object *fl_ops_json(const struct fl_ops *ops)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < ops->n; i++)
		json_object_array_add(a, op_json(ops, &ops->ops[i]));
	return a;
}
