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

void fl_plan_free(struct fl_plan *plan)
{
	for (size_t i = 0; i < plan->n_peers; i++) {
		free(plan->peers[i].allowed);
		fl_key_free(plan->peers[i].psk);
	}
	free(plan->peers);
	free(plan->addrs);
	free(plan->routes);
	free(plan->link.alias);
	fl_key_free(plan->link.private_key);
	memset(plan, 0, sizeof(*plan));
}

void fl_host_free(struct fl_host *host)
{
	free(host->addrs);
	free(host->routes);
	memset(host, 0, sizeof(*host));
}

struct fl_peer *fl_plan_peer(const struct fl_plan *plan, const struct fl_key *public_key)
{
	size_t lo = 0, hi = plan->n_peers;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int diff = fl_key_cmp(&plan->peers[mid].public_key, public_key);

		if (!diff)
			return &plan->peers[mid];
		if (diff < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
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

static void add_op(struct fl_ops *ops, enum fl_op_kind kind, unsigned int want, unsigned int have)
{
	if (!(ops->n & (ops->n - 1)))
		ops->ops = fl_realloc(ops->ops, ops->n ? 2 * ops->n : 1, sizeof(*ops->ops));
	ops->ops[ops->n++] = (struct fl_op){ kind, want, have };
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
	return a->src.family == b->src.family && a->metric == b->metric &&
	       (!a->src.family || !fl_prefix_cmp(&a->src, &b->src));
}

/*
 * Merges two sorted lists: `cmp` orders them, `changed` compares two of the same place. One pass
 * for each kind of operation keeps the list in the order in which it is carried out.
 */
struct merge {
	size_t n_want, n_have;
	int (*cmp)(const struct fl_ops *ops, size_t want, size_t have);
	bool (*changed)(const struct fl_ops *ops, size_t want, size_t have);
};

enum { MERGE_ADD, MERGE_CHANGE, MERGE_DEL };

static void merge(struct fl_ops *ops, const struct merge *m, int what, enum fl_op_kind kind)
{
	for (size_t i = 0, j = 0; i < m->n_want || j < m->n_have;) {
		int diff = i == m->n_want ? 1 : j == m->n_have ? -1 : m->cmp(ops, i, j);

		if (diff < 0) {
			if (what == MERGE_ADD)
				add_op(ops, kind, i, 0);
			i++;
		} else if (diff > 0) {
			if (what == MERGE_DEL)
				add_op(ops, kind, 0, j);
			j++;
		} else {
			if (what == MERGE_CHANGE && m->changed(ops, i, j))
				add_op(ops, kind, i, j);
			i++;
			j++;
		}
	}
}

static int cmp_peers(const struct fl_ops *ops, size_t want, size_t have)
{
	return fl_key_cmp(&ops->want->peers[want].public_key, &ops->have->peers[have].public_key);
}

static bool peers_changed(const struct fl_ops *ops, size_t want, size_t have)
{
	return !same_peer(&ops->want->peers[want], &ops->have->peers[have]);
}

static int cmp_addrs(const struct fl_ops *ops, size_t want, size_t have)
{
	return fl_prefix_cmp(&ops->want->addrs[want], &ops->have->addrs[have]);
}

/* A route is its destination and metric; the same destination may have several. */
static int cmp_routes(const struct fl_ops *ops, size_t want, size_t have)
{
	const struct fl_route *a = &ops->want->routes[want], *b = &ops->have->routes[have];
	int diff = fl_prefix_cmp(&a->dst, &b->dst);

	return diff ? diff : (a->metric > b->metric) - (a->metric < b->metric);
}

static bool routes_changed(const struct fl_ops *ops, size_t want, size_t have)
{
	return !same_route(&ops->want->routes[want], &ops->have->routes[have]);
}

struct fl_ops fl_plan_diff(const struct fl_plan *want, const struct fl_plan *have)
{
	struct fl_ops ops = { .want = want, .have = have };
	const struct merge peers = { want->n_peers, have->n_peers, cmp_peers, peers_changed };
	const struct merge addrs = { want->n_addrs, have->n_addrs, cmp_addrs, NULL };
	const struct merge routes = { want->n_routes, have->n_routes, cmp_routes, routes_changed };
	const struct fl_link *w = &want->link, *h = &have->link;

	if (!w->kind[0]) {
		/* Addresses, routes and peers go with their link. */
		if (h->ifindex)
			add_op(&ops, FL_OP_LINK_DEL, 0, 0);
		return ops;
	}
	if (!h->ifindex)
		add_op(&ops, FL_OP_LINK_ADD, 0, 0);
	else if (w->mtu != h->mtu || !same_text(w->alias, h->alias))
		add_op(&ops, FL_OP_LINK_SET, 0, 0);
	if (!same_secret(w->private_key, h->private_key) || w->listen_port != h->listen_port)
		add_op(&ops, FL_OP_DEVICE, 0, 0);
	merge(&ops, &peers, MERGE_ADD, FL_OP_PEER_ADD);
	merge(&ops, &peers, MERGE_CHANGE, FL_OP_PEER_SET);
	merge(&ops, &addrs, MERGE_ADD, FL_OP_ADDR_ADD);
	if (w->up && !h->up)
		add_op(&ops, FL_OP_LINK_UP, 0, 0);
	merge(&ops, &routes, MERGE_ADD, FL_OP_ROUTE_ADD);
	merge(&ops, &routes, MERGE_CHANGE, FL_OP_ROUTE_SET);
	merge(&ops, &routes, MERGE_DEL, FL_OP_ROUTE_DEL);
	for (size_t i = 0, j = 0; j < have->n_addrs; j++) {
		while (i < want->n_addrs && fl_prefix_cmp(&want->addrs[i], &have->addrs[j]) < 0)
			i++;
		if (i == want->n_addrs || fl_prefix_cmp(&want->addrs[i], &have->addrs[j]))
			add_op(&ops, FL_OP_ADDR_DEL, 0, j);
	}
	merge(&ops, &peers, MERGE_DEL, FL_OP_PEER_DEL);
	if (!w->up && h->up)
		add_op(&ops, FL_OP_LINK_DOWN, 0, 0);
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

static void say_peer(struct text *t, char sign, const struct fl_peer *w, const struct fl_peer *h)
{
	const struct fl_peer *p = w ? w : h;
	char key[FL_KEY_BASE64], ep[FL_SOCKADDR_STR];

	say(t, "%c peer %s (%s)", sign, peer_name(p), fl_key_format(&p->public_key, key));
	if (w && h) {
		say_peer_change(t, w, h);
	} else if (w) {
		say(t, " endpoint %s", fl_sockaddr_format(&w->endpoint, ep));
		if (w->keepalive)
			say(t, " keepalive %u", w->keepalive);
		say(t, " allowed");
		say_prefixes(t, "", w->allowed, w->n_allowed);
	}
}

static const char *addr_text(const struct fl_prefix *p, char out[FL_PREFIX_STR])
{
	return p->family ? inet_ntop(p->family, p->bytes, out, FL_PREFIX_STR) : "(none)";
}

static void say_route(struct text *t, char sign, const struct fl_route *w, const struct fl_route *h)
{
	const struct fl_route *r = w ? w : h;
	char s[FL_PREFIX_STR];

	say(t, "%c route %s", sign, fl_prefix_format(&r->dst, s));
	if (w && h)
		say(t, " src %s ->", addr_text(&h->src, s));
	else if (r->src.family)
		say(t, " src");
	if ((w && h) || r->src.family)
		say(t, " %s", addr_text(&r->src, s));
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
	const struct fl_plan *w = ops->want, *h = ops->have;
	struct text t = { 0 };
	char s[FL_PREFIX_STR];

	switch (op->kind) {
	case FL_OP_LINK_ADD:
		say(&t, "+ link %s type wireguard mtu %u", w->link.name, w->link.mtu);
		break;
	case FL_OP_LINK_SET:
		say(&t, "~ link %s", w->link.name);
		if (w->link.mtu != h->link.mtu)
			say(&t, " mtu %u -> %u", h->link.mtu, w->link.mtu);
		if (!same_text(w->link.alias, h->link.alias))
			say(&t, " alias '%s' -> '%s'", h->link.alias ? h->link.alias : "",
			    w->link.alias ? w->link.alias : "");
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
		say_peer(&t, '+', &w->peers[op->want], NULL);
		break;
	case FL_OP_PEER_SET:
		say_peer(&t, '~', &w->peers[op->want], &h->peers[op->have]);
		break;
	case FL_OP_PEER_DEL:
		say_peer(&t, '-', NULL, &h->peers[op->have]);
		break;
	case FL_OP_ADDR_ADD:
		say(&t, "+ address %s", fl_prefix_format(&w->addrs[op->want], s));
		break;
	case FL_OP_ADDR_DEL:
		say(&t, "- address %s", fl_prefix_format(&h->addrs[op->have], s));
		break;
	case FL_OP_ROUTE_ADD:
		say_route(&t, '+', &w->routes[op->want], NULL);
		break;
	case FL_OP_ROUTE_SET:
		say_route(&t, '~', &w->routes[op->want], &h->routes[op->have]);
		break;
	case FL_OP_ROUTE_DEL:
		say_route(&t, '-', NULL, &h->routes[op->have]);
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

static void json_route(struct json_object *o, const struct fl_route *w, const struct fl_route *h)
{
	struct json_object *p;
	char s[FL_PREFIX_STR];

	fl_json_str(o, "destination", fl_prefix_format(w ? &w->dst : &h->dst, s));
	p = from_to(o, "source");
	fl_json_str(p, "from", h && h->src.family ? addr_text(&h->src, s) : NULL);
	fl_json_str(p, "to", w && w->src.family ? addr_text(&w->src, s) : NULL);
}

static struct json_object *op_json(const struct fl_ops *ops, const struct fl_op *op)
{
	const struct fl_plan *w = ops->want, *h = ops->have;
	struct json_object *o = json_object_new_object();
	char *text = fl_op_format(ops, op), s[FL_PREFIX_STR];

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
		fl_json_str(o, "object", "peer");
		json_peer(o, op->kind == FL_OP_PEER_DEL ? NULL : &w->peers[op->want],
			  op->kind == FL_OP_PEER_ADD ? NULL : &h->peers[op->have]);
		break;
	case FL_OP_ADDR_ADD:
	case FL_OP_ADDR_DEL:
		fl_json_str(o, "object", "address");
		fl_json_str(o, "address",
			    fl_prefix_format(op->kind == FL_OP_ADDR_ADD ? &w->addrs[op->want] :
									  &h->addrs[op->have],
					     s));
		break;
	case FL_OP_ROUTE_ADD:
	case FL_OP_ROUTE_SET:
	case FL_OP_ROUTE_DEL:
		fl_json_str(o, "object", "route");
		json_route(o, op->kind == FL_OP_ROUTE_DEL ? NULL : &w->routes[op->want],
			   op->kind == FL_OP_ROUTE_ADD ? NULL : &h->routes[op->have]);
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
