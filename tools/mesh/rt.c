// SPDX-License-Identifier: GPL-2.0
#include "rt.h"

#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
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

static void take_link(struct rtnl_link *l, struct fl_link *link)
{
	uint32_t rp_filter;
	const char *s;

	memset(link, 0, sizeof(*link));
	link->ifindex = rtnl_link_get_ifindex(l);
	strncpy(link->name, rtnl_link_get_name(l), sizeof(link->name) - 1);
	s = rtnl_link_get_type(l);
	if (s)
		strncpy(link->kind, s, sizeof(link->kind) - 1);
	s = rtnl_link_get_ifalias(l);
	if (s && *s)
		link->alias = fl_strdup(s);
	link->mtu = rtnl_link_get_mtu(l);
	link->up = rtnl_link_get_flags(l) & IFF_UP;
	link->rp_filter = -1;
	if (rtnl_link_inet_get_conf(l, IPV4_DEVCONF_RP_FILTER, &rp_filter) >= 0)
		link->rp_filter = (int)rp_filter;
}

static int link_cb(const struct nlmsghdr *nlh, void *ctx)
{
	struct rtnl_link *l = (void *)parse(nlh);
	struct fl_link *link = ctx;

	if (!l || link->ifindex)
		goto out;
	take_link(l, link);
out:
	if (l)
		rtnl_link_put(l);
	return 0;
}

int fl_rt_read_link(struct fl_nl *nl, const char *name, struct fl_link *link)
{
	struct nl_msg *msg;
	int err = rtnl_link_build_get_request(0, name, &msg);

	if (err < 0)
		exit(fl_fail("libnl: %s", nl_geterror(err)));
	memset(link, 0, sizeof(*link));
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	err = fl_nl_read(nl, FL_NL_ROUTE, nlmsg_hdr(msg), link_cb, NULL, link);
	nlmsg_free(msg);
	return err == -ENODEV ? 0 : err;
}

/* Room for one more in an array that doubles. */
#define GROW(array, n)                                                                             \
	do {                                                                                       \
		if (!((n) & ((n)-1)))                                                              \
			(array) = fl_realloc(array, (n) ? 2 * (n) : 1, sizeof(*(array)));          \
	} while (0)

struct links_ctx {
	const char *first;
	char names[FL_MESH_LANES][IFNAMSIZ]; /* "": no interface can have it */
	unsigned int lanes;
	struct fl_plan *plan;
	struct fl_host *host;
};

/* Which lane it is, or -1. */
static int lane_of(const struct links_ctx *ctx, const struct fl_link *link)
{
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (!strcmp(ctx->names[i], link->name))
			return !i || fl_lane_of_alias(link->alias, ctx->first) == (int)i ||
					       i < ctx->lanes ?
				       (int)i :
				       -1;
	return -1;
}

static int links_cb(const struct nlmsghdr *nlh, void *data)
{
	struct links_ctx *ctx = data;
	struct rtnl_link *l = (void *)parse(nlh);
	struct fl_host *host = ctx->host;
	struct fl_link link;
	struct fl_dev *dev;
	int lane;

	if (!l)
		return 0;
	take_link(l, &link);
	rtnl_link_put(l);
	GROW(host->devs, host->n_devs);
	dev = &host->devs[host->n_devs++];
	*dev = (struct fl_dev){ .ifindex = link.ifindex, .mtu = link.mtu };
	memcpy(dev->name, link.name, sizeof(dev->name));
	if (fl_link_is_wireguard(&link) && fl_is_alias(link.alias))
		dev->mesh = fl_strdup(link.alias);
	lane = lane_of(ctx, &link);
	if (lane >= 0 && !ctx->plan->lanes[lane].link.ifindex)
		ctx->plan->lanes[lane].link = link;
	else
		free(link.alias);
	return 0;
}

static void again_links(void *data)
{
	struct links_ctx *ctx = data;

	for (size_t i = 0; i < ctx->host->n_devs; i++)
		free(ctx->host->devs[i].mesh);
	ctx->host->n_devs = 0;
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		fl_lane_free(&ctx->plan->lanes[i]);
}

static int cmp_dev(const void *a, const void *b)
{
	const struct fl_dev *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

int fl_rt_read_links(struct fl_nl *nl, const char *first, unsigned int lanes, struct fl_plan *plan,
		     struct fl_host *host)
{
	struct links_ctx ctx = { .first = first, .lanes = lanes, .plan = plan, .host = host };
	char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int err;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (!fl_lane_name(first, i, ctx.names[i]))
			ctx.names[i][0] = '\0';
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = fl_nl_read(nl, FL_NL_ROUTE, nlh, links_cb, again_links, &ctx);
	if (host->n_devs)
		qsort(host->devs, host->n_devs, sizeof(*host->devs), cmp_dev);
	return err;
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
		   int rp_filter, unsigned int tag)
{
	struct rtnl_link *l = must(rtnl_link_alloc());

	if (mtu)
		rtnl_link_set_mtu(l, mtu);
	if (alias)
		rtnl_link_set_ifalias(l, alias);
	if (rp_filter >= 0)
		rtnl_link_inet_set_conf(l, IPV4_DEVCONF_RP_FILTER, rp_filter);
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

struct addrs_ctx {
	struct fl_plan *plan;
	struct fl_host *host;
};

static int addr_cb(const struct nlmsghdr *nlh, void *data)
{
	struct addrs_ctx *ctx = data;
	struct rtnl_addr *a = (void *)parse(nlh);
	struct nl_addr *local;
	struct fl_lane *lane;
	struct fl_prefix p;
	unsigned int ifindex;

	if (!a)
		return 0;
	local = rtnl_addr_get_local(a);
	ifindex = rtnl_addr_get_ifindex(a);
	if (local && from_nl(local, &p)) {
		p.len = rtnl_addr_get_prefixlen(a);
		lane = (struct fl_lane *)fl_plan_lane(ctx->plan, ifindex);
		if (!lane) {
			GROW(ctx->host->addrs, ctx->host->n_addrs);
			ctx->host->addrs[ctx->host->n_addrs++] = (struct fl_addr){ p, ifindex };
		} else if (rtnl_addr_get_scope(a) != RT_SCOPE_LINK) {
			GROW(lane->addrs, lane->n_addrs);
			lane->addrs[lane->n_addrs++] = p;
		}
	}
	rtnl_addr_put(a);
	return 0;
}

static void again_addrs(void *data)
{
	struct addrs_ctx *ctx = data;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		ctx->plan->lanes[i].n_addrs = 0;
	ctx->host->n_addrs = 0;
}

int fl_rt_read_addrs(struct fl_nl *nl, struct fl_plan *plan, struct fl_host *host)
{
	struct addrs_ctx ctx = { plan, host };
	char buf[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int err;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	err = fl_nl_read(nl, FL_NL_ROUTE, nlh, addr_cb, again_addrs, &ctx);
	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		struct fl_lane *lane = &plan->lanes[i];

		if (lane->n_addrs)
			qsort(lane->addrs, lane->n_addrs, sizeof(*lane->addrs), fl_prefix_cmp);
	}
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
