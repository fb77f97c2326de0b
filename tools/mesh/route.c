// SPDX-License-Identifier: GPL-2.0
#include "route.h"

#include "../lib/mem.h"

#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more in an array that doubles. */
#define GROW(array, n)                                                                             \
	do {                                                                                       \
		if (!((n) & ((n)-1)))                                                              \
			(array) = fl_realloc(array, (n) ? 2 * (n) : 1, sizeof(*(array)));          \
	} while (0)

static const sa_family_t families[FL_FAMILIES] = { AF_INET, AF_INET6 };

/* An attribute of 32 bits into *val; anything else leaves it. */
static void get_u32(const struct nlattr *attr, uint32_t *val)
{
	if (mnl_attr_get_payload_len(attr) == sizeof(*val))
		*val = mnl_attr_get_u32(attr);
}

/* ---- reading routes ---- */

struct route_fields {
	struct fl_route *route;
	uint32_t table;
	bool bad;
};

static int metric_attr(const struct nlattr *attr, void *data)
{
	struct fl_route *r = data;

	switch (mnl_attr_get_type(attr)) {
	case RTAX_MTU:
		get_u32(attr, &r->mtu);
		break;
	case RTAX_ADVMSS:
		get_u32(attr, &r->advmss);
		break;
	}
	return MNL_CB_OK;
}

static bool get_addr(const struct nlattr *attr, sa_family_t family, struct fl_prefix *p)
{
	struct fl_prefix addr = { .family = family };

	if (mnl_attr_get_payload_len(attr) != fl_prefix_bits(&addr) / 8)
		return false;
	addr.len = p->family ? p->len : fl_prefix_bits(&addr);
	memcpy(addr.bytes, mnl_attr_get_payload(attr), fl_prefix_bits(&addr) / 8);
	*p = addr;
	return true;
}

/* Each next hop in turn, whole ones only. */
static const struct rtnexthop *next_hop(const struct nlattr *attr, const struct rtnexthop *prev)
{
	const char *start = mnl_attr_get_payload(attr);
	const char *end = start + mnl_attr_get_payload_len(attr);
	const char *pos = prev ? (const char *)prev + NLA_ALIGN(prev->rtnh_len) : start;
	const struct rtnexthop *nh = (const void *)pos;

	if (pos > end || (size_t)(end - pos) < sizeof(*nh) || nh->rtnh_len < sizeof(*nh) ||
	    nh->rtnh_len > end - pos)
		return NULL;
	return nh;
}

static int route_attr(const struct nlattr *attr, void *data)
{
	struct route_fields *f = data;
	struct fl_route *r = f->route;
	const struct rtnexthop *nh;

	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		get_u32(attr, &f->table);
		break;
	case RTA_DST:
		f->bad |= !get_addr(attr, r->dst.family, &r->dst);
		break;
	case RTA_PREFSRC:
		f->bad |= !get_addr(attr, r->dst.family, &r->src);
		break;
	case RTA_PRIORITY:
		get_u32(attr, &r->metric);
		break;
	case RTA_NH_ID:
		get_u32(attr, &r->nhid);
		break;
	case RTA_OIF:
		get_u32(attr, &r->ifindex);
		break;
	case RTA_MULTIPATH:
		nh = next_hop(attr, NULL);
		if (nh)
			r->ifindex = nh->rtnh_ifindex;
		break;
	case RTA_METRICS:
		if (mnl_attr_parse_nested(attr, metric_attr, r) < 0)
			f->bad = true;
		break;
	}
	return MNL_CB_OK;
}

bool fl_route_decode(const struct nlmsghdr *nlh, struct fl_route *route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_fields f = { .route = route };

	memset(route, 0, sizeof(*route));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_flags & RTM_F_CLONED)
		return false;
	route->dst.family = rtm->rtm_family;
	route->dst.len = rtm->rtm_dst_len;
	route->protocol = rtm->rtm_protocol;
	f.table = rtm->rtm_table;
	/* A default route has no RTA_DST. */
	return mnl_attr_parse(nlh, sizeof(*rtm), route_attr, &f) >= 0 && !f.bad &&
	       f.table == RT_TABLE_MAIN && route->dst.len <= fl_prefix_bits(&route->dst);
}

struct read_ctx {
	struct fl_plan *plan;
	struct fl_host *host;
	size_t plan_base, host_base; /* what a dump before this one read */
};

/* How many lanes a route of ours has, 0 if none of those that we make. */
static unsigned int lanes_of(const struct fl_plan *plan, const struct fl_route *r)
{
	uint32_t slot = r->nhid - plan->nexthops.base - FL_NH_ID(fl_family_of(&r->dst), 1, 0);

	if (!r->nhid)
		return r->ifindex == plan->lanes[0].link.ifindex;
	return slot < FL_MESH_LANES ? slot + 1 : 0;
}

static int route_cb(const struct nlmsghdr *nlh, void *data)
{
	struct read_ctx *ctx = data;
	const struct fl_plan *plan = ctx->plan;
	struct fl_route r;
	bool ours;

	if (!fl_route_decode(nlh, &r))
		return 0;
	if (r.nhid)
		ours = plan->nexthops.base && r.nhid - plan->nexthops.base < FL_NH_BLOCK;
	else
		ours = fl_plan_lane(plan, r.ifindex) != NULL;
	if (ours && r.protocol == FL_RTPROT) {
		r.lanes = lanes_of(plan, &r);
		GROW(ctx->plan->routes, ctx->plan->n_routes);
		ctx->plan->routes[ctx->plan->n_routes++] = r;
	} else {
		GROW(ctx->host->routes, ctx->host->n_routes);
		ctx->host->routes[ctx->host->n_routes++] = r;
	}
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
	int diff = fl_prefix_cmp(&x->dst, &y->dst);

	return diff ? diff : (x->metric > y->metric) - (x->metric < y->metric);
}

int fl_route_read(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host)
{
	int err = 0;

	for (int i = 0; i < FL_FAMILIES && !err; i++) {
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

/* ---- writing routes ---- */

int fl_route_write(struct fl_nl *nl, const struct fl_route *route, unsigned int ifindex,
		   uint32_t nhid, enum fl_route_op op, unsigned int tag)
{
	const struct fl_prefix *dst = &route->dst;
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nlattr *metrics;
	struct rtmsg *rtm;

	nlh->nlmsg_type = op == FL_ROUTE_DEL ? RTM_DELROUTE : RTM_NEWROUTE;
	nlh->nlmsg_flags = op == FL_ROUTE_DEL ? 0 :
			   op == FL_ROUTE_ADD ? NLM_F_CREATE | NLM_F_EXCL :
						NLM_F_CREATE | NLM_F_REPLACE;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = dst->family;
	rtm->rtm_dst_len = dst->len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = FL_RTPROT;
	rtm->rtm_type = RTN_UNICAST;
	/* On the link itself, which has no next hops; deleting, any scope. IPv6 knows none. */
	rtm->rtm_scope = dst->family == AF_INET6 ? RT_SCOPE_UNIVERSE :
			 op == FL_ROUTE_DEL	 ? RT_SCOPE_NOWHERE :
						   RT_SCOPE_LINK;
	mnl_attr_put(nlh, RTA_DST, fl_prefix_bits(dst) / 8, dst->bytes);
	if (nhid)
		mnl_attr_put_u32(nlh, RTA_NH_ID, nhid);
	else
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	if (op != FL_ROUTE_DEL && route->src.family)
		mnl_attr_put(nlh, RTA_PREFSRC, fl_prefix_bits(dst) / 8, route->src.bytes);
	if (op != FL_ROUTE_DEL && route->mtu) {
		metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
		if (route->advmss)
			mnl_attr_put_u32(nlh, RTAX_ADVMSS, route->advmss);
		mnl_attr_nest_end(nlh, metrics);
	}
	return fl_nl_write(nl, FL_NL_ROUTE, nlh, tag);
}

/* ---- nexthop objects ---- */

static int nexthop_attr(const struct nlattr *attr, void *data)
{
	struct fl_nh_msg *msg = data;
	const struct nexthop_grp *grp;

	switch (mnl_attr_get_type(attr)) {
	case NHA_ID:
		get_u32(attr, &msg->id);
		break;
	case NHA_OIF:
		get_u32(attr, &msg->ifindex);
		break;
	case NHA_GROUP:
		grp = mnl_attr_get_payload(attr);
		msg->n_members = mnl_attr_get_payload_len(attr) / sizeof(*grp);
		for (unsigned int i = 0; i < msg->n_members; i++) {
			/* More than ever ours have, or lanes of unequal weight. */
			if (i == FL_MESH_LANES || grp[i].weight)
				msg->plain = false;
			else
				msg->members[i] = grp[i].id;
			if (i == FL_MESH_LANES)
				break;
		}
		if (msg->n_members > FL_MESH_LANES)
			msg->n_members = FL_MESH_LANES;
		break;
	case NHA_GROUP_TYPE:
		if (mnl_attr_get_payload_len(attr) != sizeof(uint16_t) ||
		    mnl_attr_get_u16(attr) != NEXTHOP_GRP_TYPE_MPATH)
			msg->plain = false;
		break;
	case NHA_BLACKHOLE:
	case NHA_GATEWAY:
	case NHA_ENCAP:
		msg->plain = false;
		break;
	}
	return MNL_CB_OK;
}

bool fl_nexthop_decode(const struct nlmsghdr *nlh, struct fl_nh_msg *msg)
{
	const struct nhmsg *nhm = mnl_nlmsg_get_payload(nlh);

	*msg = (struct fl_nh_msg){ .plain = true };
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nhm))
		return false;
	msg->protocol = nhm->nh_protocol;
	return mnl_attr_parse(nlh, sizeof(*nhm), nexthop_attr, msg) >= 0 &&
	       msg->id - FL_NH_FIRST < FL_NH_BLOCK * FL_NH_BLOCKS;
}

static bool is_lane(const struct fl_plan *plan, unsigned int lane, unsigned int ifindex)
{
	return ifindex && plan->lanes[lane].link.ifindex == ifindex;
}

/* The kernel dumps by id, so a block's lanes come before its groups. */
static bool take_nexthop(struct fl_plan *plan, const struct fl_nh_msg *msg)
{
	struct fl_nexthops *nh = &plan->nexthops;
	uint32_t offset = (msg->id - FL_NH_FIRST) % FL_NH_BLOCK, base = msg->id - offset;
	unsigned int f = offset / 32, i = offset % 16;
	bool group = offset % 32 >= 16;
	uint16_t lanes = 0;

	if (msg->protocol != FL_RTPROT || (nh->base && nh->base != base))
		return false;
	if (!group) {
		if (!msg->plain || msg->n_members || !is_lane(plan, i, msg->ifindex))
			return false;
		nh->base = base;
		nh->lanes[f] |= 1U << i;
		return true;
	}
	if (!nh->base || !msg->n_members)
		return false;
	for (unsigned int m = 0; m < msg->n_members; m++) {
		uint32_t lane = msg->members[m] - base - FL_NH_ID(f, 0, 0);

		/* Somebody changed our group. These lanes alone are never wanted, so it will be
		 * replaced. */
		if (lane >= FL_MESH_LANES || !msg->plain) {
			lanes = 1U << (FL_MESH_LANES - 1);
			break;
		}
		lanes |= 1U << lane;
	}
	nh->groups[f][i] = lanes;
	return true;
}

static int nexthop_cb(const struct nlmsghdr *nlh, void *data)
{
	struct read_ctx *ctx = data;
	struct fl_nh_msg msg;

	if (!fl_nexthop_decode(nlh, &msg) || take_nexthop(ctx->plan, &msg))
		return 0;
	GROW(ctx->host->nexthops, ctx->host->n_nexthops);
	ctx->host->nexthops[ctx->host->n_nexthops++] = msg.id;
	return 0;
}

static void again_nexthops(void *data)
{
	struct read_ctx *ctx = data;

	memset(&ctx->plan->nexthops, 0, sizeof(ctx->plan->nexthops));
	ctx->host->n_nexthops = 0;
}

int fl_nexthop_read(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host)
{
	struct read_ctx ctx = { plan, host, 0, 0 };
	char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETNEXTHOP;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nhmsg));
	return fl_nl_read(nl, FL_NL_ROUTE, nlh, nexthop_cb, again_nexthops, &ctx);
}

static struct nlmsghdr *nexthop_msg(void *buf, uint16_t type, uint32_t id, sa_family_t family,
				    uint8_t protocol)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nhmsg *nhm;

	nlh->nlmsg_type = type;
	nhm = mnl_nlmsg_put_extra_header(nlh, sizeof(*nhm));
	nhm->nh_family = family;
	nhm->nh_protocol = protocol;
	mnl_attr_put_u32(nlh, NHA_ID, id);
	return nlh;
}

int fl_nexthop_add(struct fl_nl *nl, uint32_t id, enum fl_family family, unsigned int ifindex,
		   unsigned int tag)
{
	char buf[128];
	struct nlmsghdr *nlh = nexthop_msg(buf, RTM_NEWNEXTHOP, id, families[family], FL_RTPROT);

	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put_u32(nlh, NHA_OIF, ifindex);
	return fl_nl_write(nl, FL_NL_ROUTE, nlh, tag);
}

int fl_nexthop_group(struct fl_nl *nl, uint32_t base, enum fl_family family, unsigned int index,
		     uint16_t lanes, bool replace, unsigned int tag)
{
	struct nexthop_grp members[FL_MESH_LANES] = { 0 };
	unsigned int n = 0;
	char buf[256];
	struct nlmsghdr *nlh = nexthop_msg(buf, RTM_NEWNEXTHOP, base + FL_NH_ID(family, 1, index),
					   AF_UNSPEC, FL_RTPROT);

	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (lanes & 1U << i)
			members[n++].id = base + FL_NH_ID(family, 0, i);
	nlh->nlmsg_flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
	mnl_attr_put(nlh, NHA_GROUP, n * sizeof(*members), members);
	return fl_nl_write(nl, FL_NL_ROUTE, nlh, tag);
}

int fl_nexthop_del(struct fl_nl *nl, uint32_t id, unsigned int tag)
{
	char buf[128];

	return fl_nl_write(nl, FL_NL_ROUTE, nexthop_msg(buf, RTM_DELNEXTHOP, id, AF_UNSPEC, 0),
			   tag);
}

/* ---- the underlay's way to an endpoint ---- */

struct ways_ctx {
	const struct fl_host *host;
	struct fl_way *ways;
	size_t *index; /* NULL: all, in order */
	bool exact;    /* as it is configured, not as it is cached */
};

static struct nlmsghdr *way_make(void *buf, size_t i, void *data)
{
	const struct ways_ctx *ctx = data;
	const struct fl_prefix *addr = &ctx->ways[ctx->index ? ctx->index[i] : i].addr;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = addr->family;
	rtm->rtm_dst_len = addr->len;
	/* The MTU of a cached route may be a path MTU that was learned and will be forgotten. */
	rtm->rtm_flags = ctx->exact ? RTM_F_FIB_MATCH : 0;
	mnl_attr_put(nlh, RTA_DST, addr->len / 8, addr->bytes);
	return nlh;
}

static void way_over(const struct ways_ctx *ctx, struct fl_way *way, unsigned int ifindex,
		     unsigned int metric)
{
	const struct fl_dev *dev = fl_host_dev(ctx->host, ifindex);
	unsigned int mtu = metric ? metric : dev ? dev->mtu : 0;

	if (!way->ifindex)
		way->ifindex = ifindex;
	if (mtu && (!way->mtu || mtu < way->mtu))
		way->mtu = mtu;
}

static int way_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr **found = data;

	if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
		*found = attr;
	return MNL_CB_OK;
}

static void way_cb(size_t i, const struct nlmsghdr *nlh, int err, void *data)
{
	struct ways_ctx *ctx = data;
	struct fl_way *way = &ctx->ways[ctx->index ? ctx->index[i] : i];
	const struct rtmsg *rtm;
	const struct nlattr *multipath = NULL;
	const struct rtnexthop *nh = NULL;
	struct route_fields f;
	struct fl_route r = { 0 };

	way->ifindex = 0;
	way->mtu = 0;
	/* Unreachable, prohibit, blackhole and throw routes. */
	way->err = err == -EHOSTUNREACH || err == -EACCES || err == -EINVAL || err == -EAGAIN ?
			   -ENETUNREACH :
			   err;
	if (err || !nlh)
		return;
	rtm = mnl_nlmsg_get_payload(nlh);
	r.dst.family = way->addr.family;
	f = (struct route_fields){ .route = &r };
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_type != RTN_UNICAST && rtm->rtm_type != RTN_LOCAL) ||
	    mnl_attr_parse(nlh, sizeof(*rtm), route_attr, &f) < 0 ||
	    mnl_attr_parse(nlh, sizeof(*rtm), way_attr, &multipath) < 0) {
		way->err = -ENETUNREACH;
		return;
	}
	if (multipath)
		while ((nh = next_hop(multipath, nh)))
			way_over(ctx, way, nh->rtnh_ifindex, ctx->exact ? r.mtu : 0);
	else if (r.ifindex)
		way_over(ctx, way, r.ifindex, ctx->exact ? r.mtu : 0);
	/* A nexthop object, and net.ipv4.nexthop_compat_mode = 0: ask again for the interface. */
	if (!way->ifindex)
		way->err = r.nhid && ctx->exact ? -EAGAIN : -ENETUNREACH;
}

int fl_route_ways(struct fl_nl *nl, const struct fl_host *host, struct fl_way *ways, size_t n)
{
	struct ways_ctx ctx = { .host = host, .ways = ways, .exact = true };
	struct fl_nl_questions q = { way_make, way_cb, &ctx, n };
	int err = fl_nl_ask(nl, FL_NL_ROUTE, &q);

	if (err)
		return err;
	ctx.index = fl_zalloc(n * sizeof(*ctx.index));
	ctx.exact = false;
	q.n = 0;
	for (size_t i = 0; i < n; i++)
		if (ways[i].err == -EAGAIN)
			ctx.index[q.n++] = i;
	err = fl_nl_ask(nl, FL_NL_ROUTE, &q);
	free(ctx.index);
	return err;
}
