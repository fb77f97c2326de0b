// SPDX-License-Identifier: GPL-2.0
#include "rt.h"

#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdlib.h>
#include <string.h>

/* libnl's objects fail to be made only for lack of memory. */
static void *must(void *p)
{
	if (!p)
		exit(fl_fail("out of memory"));
	return p;
}

static struct nl_addr *to_nl(const struct fl_prefix *p)
{
	struct nl_addr *a = must(nl_addr_build(p->family, p->bytes, fl_prefix_bits(p) / 8));

	nl_addr_set_prefixlen(a, p->len);
	return a;
}

static bool from_nl(const struct nl_addr *a, struct fl_prefix *p)
{
	memset(p, 0, sizeof(*p));
	p->family = nl_addr_get_family(a);
	if (p->family != AF_INET && p->family != AF_INET6)
		return false;
	/* A default route has an address of no length. */
	if (nl_addr_get_len(a) * 8 == fl_prefix_bits(p))
		memcpy(p->bytes, nl_addr_get_binary_addr(a), nl_addr_get_len(a));
	else if (nl_addr_get_len(a))
		return false;
	p->len = nl_addr_get_prefixlen(a);
	return true;
}

static int send_msg(struct fl_nl *nl, int err, struct nl_msg *msg, unsigned int tag)
{
	if (err < 0)
		exit(fl_fail("libnl: %s", nl_geterror(err)));
	err = fl_nl_write(nl, FL_NL_ROUTE, nlmsg_hdr(msg), tag);
	nlmsg_free(msg);
	return err;
}

/* Hand a message to libnl's parser; what it makes of it is put by the caller. */
static void keep_object(struct nl_object *obj, void *arg)
{
	nl_object_get(obj);
	*(struct nl_object **)arg = obj;
}

static struct nl_object *parse(const struct nlmsghdr *nlh)
{
	struct nl_msg *msg = must(nlmsg_convert((struct nlmsghdr *)nlh));
	struct nl_object *obj = NULL;

	nlmsg_set_proto(msg, NETLINK_ROUTE);
	nl_msg_parse(msg, keep_object, &obj);
	nlmsg_free(msg);
	return obj; /* NULL: nothing that libnl knows */
}

/* ---- links ---- */

static int link_cb(const struct nlmsghdr *nlh, void *ctx)
{
	struct fl_link *link = ctx;
	struct rtnl_link *l = (void *)parse(nlh);
	const char *s;

	if (!l)
		return 0;
	link->ifindex = rtnl_link_get_ifindex(l);
	strncpy(link->name, rtnl_link_get_name(l), sizeof(link->name) - 1);
	s = rtnl_link_get_type(l);
	if (s)
		strncpy(link->kind, s, sizeof(link->kind) - 1);
	s = rtnl_link_get_ifalias(l);
	if (s && *s && !link->alias)
		link->alias = fl_strdup(s);
	link->mtu = rtnl_link_get_mtu(l);
	link->up = rtnl_link_get_flags(l) & IFF_UP;
	rtnl_link_put(l);
	return 0;
}

int fl_rt_read_link(struct fl_nl *nl, const char *name, unsigned int ifindex, struct fl_link *link)
{
	struct nl_msg *msg;
	int err = rtnl_link_build_get_request(ifindex, name, &msg);

	if (err < 0)
		exit(fl_fail("libnl: %s", nl_geterror(err)));
	memset(link, 0, sizeof(*link));
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	err = fl_nl_read(nl, FL_NL_ROUTE, nlmsg_hdr(msg), link_cb, NULL, link);
	nlmsg_free(msg);
	return err == -ENODEV ? 0 : err;
}

int fl_rt_link_add(struct fl_nl *nl, const struct fl_link *link, unsigned int tag)
{
	struct rtnl_link *l = must(rtnl_link_alloc());
	struct nl_msg *msg = NULL;
	int err;

	rtnl_link_set_name(l, link->name);
	rtnl_link_set_type(l, "wireguard");
	rtnl_link_set_mtu(l, link->mtu);
	err = rtnl_link_build_add_request(l, NLM_F_CREATE | NLM_F_EXCL, &msg);
	rtnl_link_put(l);
	return send_msg(nl, err, msg, tag);
}

static int change_link(struct fl_nl *nl, unsigned int ifindex, struct rtnl_link *changes,
		       unsigned int tag)
{
	struct rtnl_link *orig = must(rtnl_link_alloc());
	struct nl_msg *msg = NULL;
	int err;

	rtnl_link_set_ifindex(orig, ifindex);
	err = rtnl_link_build_change_request(orig, changes, 0, &msg);
	rtnl_link_put(orig);
	rtnl_link_put(changes);
	return send_msg(nl, err, msg, tag);
}

int fl_rt_link_set(struct fl_nl *nl, unsigned int ifindex, unsigned int mtu, const char *alias,
		   unsigned int tag)
{
	struct rtnl_link *l = must(rtnl_link_alloc());

	if (mtu)
		rtnl_link_set_mtu(l, mtu);
	if (alias)
		rtnl_link_set_ifalias(l, alias);
	return change_link(nl, ifindex, l, tag);
}

int fl_rt_link_up(struct fl_nl *nl, unsigned int ifindex, bool up, unsigned int tag)
{
	struct rtnl_link *l = must(rtnl_link_alloc());

	if (up)
		rtnl_link_set_flags(l, IFF_UP);
	else
		rtnl_link_unset_flags(l, IFF_UP);
	return change_link(nl, ifindex, l, tag);
}

int fl_rt_link_del(struct fl_nl *nl, unsigned int ifindex, unsigned int tag)
{
	struct rtnl_link *l = must(rtnl_link_alloc());
	struct nl_msg *msg = NULL;
	int err;

	rtnl_link_set_ifindex(l, ifindex);
	err = rtnl_link_build_delete_request(l, &msg);
	rtnl_link_put(l);
	return send_msg(nl, err, msg, tag);
}

/* ---- addresses ---- */

struct read_ctx {
	struct fl_plan *plan;
	struct fl_host *host;
	size_t plan_base, host_base; /* what a dump before this one read */
};

/* Room for one more in an array that doubles. */
#define GROW(array, n)                                                                             \
	do {                                                                                       \
		if (!((n) & ((n)-1)))                                                              \
			(array) = fl_realloc(array, (n) ? 2 * (n) : 1, sizeof(*(array)));          \
	} while (0)

static int addr_cb(const struct nlmsghdr *nlh, void *data)
{
	struct read_ctx *ctx = data;
	struct rtnl_addr *a = (void *)parse(nlh);
	struct nl_addr *local;
	struct fl_prefix p;
	unsigned int ifindex;

	if (!a)
		return 0;
	local = rtnl_addr_get_local(a);
	ifindex = rtnl_addr_get_ifindex(a);
	if (local && from_nl(local, &p)) {
		p.len = rtnl_addr_get_prefixlen(a);
		if (ifindex != ctx->plan->link.ifindex) {
			GROW(ctx->host->addrs, ctx->host->n_addrs);
			ctx->host->addrs[ctx->host->n_addrs++] = (struct fl_addr){ p, ifindex };
		} else if (rtnl_addr_get_scope(a) != RT_SCOPE_LINK) {
			GROW(ctx->plan->addrs, ctx->plan->n_addrs);
			ctx->plan->addrs[ctx->plan->n_addrs++] = p;
		}
	}
	rtnl_addr_put(a);
	return 0;
}

static void again_addrs(void *data)
{
	struct read_ctx *ctx = data;

	ctx->plan->n_addrs = 0;
	ctx->host->n_addrs = 0;
}

int fl_rt_read_addrs(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host)
{
	struct read_ctx ctx = { plan, host, 0, 0 };
	char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int err;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	err = fl_nl_read(nl, FL_NL_ROUTE, nlh, addr_cb, again_addrs, &ctx);
	if (plan->n_addrs)
		qsort(plan->addrs, plan->n_addrs, sizeof(*plan->addrs), fl_prefix_cmp);
	return err;
}

int fl_rt_addr(struct fl_nl *nl, unsigned int ifindex, const struct fl_prefix *addr, bool add,
	       unsigned int tag)
{
	struct rtnl_addr *a = must(rtnl_addr_alloc());
	struct nl_addr *local = to_nl(addr);
	struct nl_msg *msg = NULL;
	int err;

	rtnl_addr_set_ifindex(a, ifindex);
	rtnl_addr_set_local(a, local);
	/* There is no neighbour to ask on this link, and the routes need the address at once. */
	if (addr->family == AF_INET6)
		rtnl_addr_set_flags(a, IFA_F_NODAD);
	err = add ? rtnl_addr_build_add_request(a, NLM_F_CREATE | NLM_F_EXCL, &msg) :
		    rtnl_addr_build_delete_request(a, 0, &msg);
	nl_addr_put(local);
	rtnl_addr_put(a);
	return send_msg(nl, err, msg, tag);
}

/* ---- routes ---- */

static int route_cb(const struct nlmsghdr *nlh, void *data)
{
	struct read_ctx *ctx = data;
	struct fl_route r = { 0 };
	struct rtnl_route *route;
	struct rtnl_nexthop *nh;
	struct nl_addr *a;

	/* A route that libnl cannot read (of a kind that it does not know) is not ours; should it
	 * stand in our way, the kernel will say so. */
	if (rtnl_route_parse((struct nlmsghdr *)nlh, &route) < 0)
		return 0;
	a = rtnl_route_get_dst(route);
	if (rtnl_route_get_table(route) != RT_TABLE_MAIN || !a || !from_nl(a, &r.dst))
		goto out;
	a = rtnl_route_get_pref_src(route);
	if (a && from_nl(a, &r.src))
		r.src.len = fl_prefix_bits(&r.src);
	nh = rtnl_route_nexthop_n(route, 0);
	r.ifindex = nh ? rtnl_route_nh_get_ifindex(nh) : 0;
	r.metric = rtnl_route_get_priority(route);
	r.protocol = rtnl_route_get_protocol(route);
	if (r.protocol == FL_RTPROT && r.ifindex && r.ifindex == ctx->plan->link.ifindex) {
		GROW(ctx->plan->routes, ctx->plan->n_routes);
		ctx->plan->routes[ctx->plan->n_routes++] = r;
	} else {
		GROW(ctx->host->routes, ctx->host->n_routes);
		ctx->host->routes[ctx->host->n_routes++] = r;
	}
out:
	rtnl_route_put(route);
	return 0;
}

static void again_routes(void *data)
{
	struct read_ctx *ctx = data;

	ctx->plan->n_routes = ctx->plan_base;
	ctx->host->n_routes = ctx->host_base;
}

static int cmp_route(const void *a, const void *b)
{
	const struct fl_route *x = a, *y = b;

	return fl_prefix_cmp(&x->dst, &y->dst);
}

int fl_rt_read_routes(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		struct read_ctx ctx = { plan, host, plan->n_routes, host->n_routes };
		char buf[128];
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
		struct rtmsg *rtm;

		nlh->nlmsg_type = RTM_GETROUTE;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
		rtm->rtm_family = families[i];
		/* Filtered by the kernel with NETLINK_GET_STRICT_CHK, by route_cb() without. */
		mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
		err = fl_nl_read(nl, FL_NL_ROUTE, nlh, route_cb, again_routes, &ctx);
		if (err == -ENOENT)
			err = 0; /* the table is made with its first route */
	}
	if (plan->n_routes)
		qsort(plan->routes, plan->n_routes, sizeof(*plan->routes), cmp_route);
	if (host->n_routes)
		qsort(host->routes, host->n_routes, sizeof(*host->routes), cmp_route);
	return err;
}

int fl_rt_route(struct fl_nl *nl, const struct fl_route *route, unsigned int ifindex,
		enum fl_rt_route_op op, unsigned int tag)
{
	struct rtnl_route *r = must(rtnl_route_alloc());
	struct rtnl_nexthop *nh = must(rtnl_route_nh_alloc());
	struct nl_addr *dst = to_nl(&route->dst), *src = NULL;
	struct nl_msg *msg = NULL;
	int err;

	rtnl_route_set_family(r, route->dst.family);
	rtnl_route_set_table(r, RT_TABLE_MAIN);
	rtnl_route_set_protocol(r, FL_RTPROT);
	rtnl_route_set_type(r, RTN_UNICAST);
	/* On the link itself, which has no next hops. IPv6 knows no scopes. */
	rtnl_route_set_scope(r, route->dst.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
	rtnl_route_set_priority(r, route->metric);
	rtnl_route_set_dst(r, dst);
	if (route->src.family) {
		src = to_nl(&route->src);
		rtnl_route_set_pref_src(r, src);
	}
	rtnl_route_nh_set_ifindex(nh, ifindex);
	rtnl_route_add_nexthop(r, nh); /* owned by r now */
	if (op == FL_RT_DEL)
		err = rtnl_route_build_del_request(r, 0, &msg);
	else
		err = rtnl_route_build_add_request(
			r, NLM_F_CREATE | (op == FL_RT_ADD ? NLM_F_EXCL : NLM_F_REPLACE), &msg);
	nl_addr_put(dst);
	if (src)
		nl_addr_put(src);
	rtnl_route_put(r);
	return send_msg(nl, err, msg, tag);
}

/* ---- the underlay's way to an endpoint ---- */

struct lookup_ctx {
	struct rtnl_route *route;
};

static int lookup_cb(const struct nlmsghdr *nlh, void *data)
{
	struct lookup_ctx *ctx = data;

	if (nlh->nlmsg_type == RTM_NEWROUTE && !ctx->route)
		rtnl_route_parse((struct nlmsghdr *)nlh, &ctx->route);
	return 0;
}

int fl_rt_lookup(struct fl_nl *nl, const struct sockaddr_storage *dst, struct fl_rt_way *way)
{
	struct fl_prefix addr = fl_prefix_of(dst);
	struct lookup_ctx ctx = { 0 };
	char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	uint32_t metric = 0;
	int err, type;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = addr.family;
	rtm->rtm_dst_len = addr.len;
	/* The route as it is configured: the MTU of a cached one may be a path MTU that was learned
	 * and will be forgotten. */
	rtm->rtm_flags = RTM_F_FIB_MATCH;
	mnl_attr_put(nlh, RTA_DST, addr.len / 8, addr.bytes);
	memset(way, 0, sizeof(*way));
	err = fl_nl_read(nl, FL_NL_ROUTE, nlh, lookup_cb, NULL, &ctx);
	if (err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL || err == -EAGAIN)
		err = -ENETUNREACH; /* unreachable, prohibit, blackhole and throw routes */
	if (err)
		goto out;
	type = ctx.route ? rtnl_route_get_type(ctx.route) : RTN_UNREACHABLE;
	if (type != RTN_UNICAST && type != RTN_LOCAL) {
		err = -ENETUNREACH;
		goto out;
	}
	rtnl_route_get_metric(ctx.route, RTAX_MTU, &metric);
	for (int i = 0; i < rtnl_route_get_nnexthops(ctx.route); i++) {
		struct fl_link link;
		unsigned int ifindex =
			rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(ctx.route, i));
		unsigned int mtu = metric;

		if (!i)
			way->ifindex = ifindex;
		if (!mtu) {
			err = fl_rt_read_link(nl, NULL, ifindex, &link);
			if (err)
				goto out;
			mtu = link.mtu;
			free(link.alias);
		}
		if (!way->mtu || mtu < way->mtu)
			way->mtu = mtu;
	}
	if (!way->ifindex)
		err = -ENETUNREACH;
out:
	if (ctx.route)
		rtnl_route_put(ctx.route);
	return err;
}
