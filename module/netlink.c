// SPDX-License-Identifier: GPL-2.0
#include "fairlead.h"

#include <net/genetlink.h>

static struct genl_family fairlead_family;

static const struct nla_policy ports_policy[FAIRLEAD_PORTS_A_MAX + 1] = {
	[FAIRLEAD_PORTS_A_FIRST] = NLA_POLICY_MIN(NLA_U16, 1),
	[FAIRLEAD_PORTS_A_LAST] = NLA_POLICY_MIN(NLA_U16, 1),
};

static const struct nla_policy set_policy[FAIRLEAD_A_MAX + 1] = {
	[FAIRLEAD_A_PORTS] = NLA_POLICY_NESTED(ports_policy),
};

static int read_ports(struct genl_info *info, unsigned long *ports)
{
	struct nlattr *attr, *tb[FAIRLEAD_PORTS_A_MAX + 1];
	unsigned int n = 0;
	int rem, err;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
	{
		unsigned int first, last;

		if (nla_type(attr) != FAIRLEAD_A_PORTS) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr, "SET takes port ranges only");
			return -EINVAL;
		}
		/* A reply holds them all again: it must not grow to what a container likes. */
		if (++n > FAIRLEAD_PORTS_MAX) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr, "more than 64 port ranges");
			return -E2BIG;
		}
		err = nla_parse_nested(tb, FAIRLEAD_PORTS_A_MAX, attr, ports_policy, info->extack);
		if (err)
			return err;
		if (!tb[FAIRLEAD_PORTS_A_FIRST] || !tb[FAIRLEAD_PORTS_A_LAST]) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a port range wants its first and its last port");
			return -EINVAL;
		}
		first = nla_get_u16(tb[FAIRLEAD_PORTS_A_FIRST]);
		last = nla_get_u16(tb[FAIRLEAD_PORTS_A_LAST]);
		if (last < first) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a port range ends before it starts");
			return -EINVAL;
		}
		bitmap_set(ports, first, last - first + 1);
	}
	return 0;
}

/* The config mutex is held. */
static int set(struct net *net, const unsigned long *ports, bool any)
{
	struct fairlead_net *fn = any ? fairlead_pernet_get(net) : fairlead_pernet(net);
	int err = 0;

	if (IS_ERR_OR_NULL(fn))
		return PTR_ERR_OR_ZERO(fn);
	bitmap_copy(fn->ports, ports, 65536);
	if (any && !fn->hooked) {
		err = fairlead_hook_register(net, fn);
		if (err)
			bitmap_zero(fn->ports, 65536);
		else
			fn->hooked = true;
	} else if (!any && fn->hooked) {
		fairlead_hook_unregister(net, fn);
		fn->hooked = false;
		synchronize_net();
		fairlead_burst_flush_all();
		fairlead_route_forget(fn);
	}
	return err;
}

static int cmd_set(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	unsigned long *ports;
	bool any;
	int err;

	ports = bitmap_zalloc(65536, GFP_KERNEL_ACCOUNT);
	if (!ports)
		return -ENOMEM;
	err = read_ports(info, ports);
	if (err)
		goto out;

	any = !bitmap_empty(ports, 65536);
	if (any && IS_ENABLED(CONFIG_PREEMPT_RT)) {
		/* A burst is sent from a tracepoint, where a PREEMPT_RT kernel must not lock. */
		NL_SET_ERR_MSG(info->extack, "not on a PREEMPT_RT kernel");
		err = -EOPNOTSUPP;
		goto out;
	}
	mutex_lock(fairlead_pernet_config(net));
	err = set(net, ports, any);
	mutex_unlock(fairlead_pernet_config(net));
out:
	bitmap_free(ports);
	return err;
}

static int put_ports(struct sk_buff *msg, const struct fairlead_net *fn)
{
	unsigned int first, last;
	struct nlattr *nest;

	if (!fn)
		return 0;
	for_each_set_bitrange(first, last, fn->ports, 65536)
	{
		nest = nla_nest_start(msg, FAIRLEAD_A_PORTS);
		if (!nest || nla_put_u16(msg, FAIRLEAD_PORTS_A_FIRST, first) ||
		    nla_put_u16(msg, FAIRLEAD_PORTS_A_LAST, last - 1))
			return -EMSGSIZE;
		nla_nest_end(msg, nest);
	}
	return 0;
}

/* One nest of n sums over all CPUs; offset is that of the array in struct fairlead_stats. */
static int put_sums(struct sk_buff *msg, int type, const struct fairlead_net *fn, size_t offset,
		    unsigned int from, unsigned int to, unsigned int first_type)
{
	struct nlattr *nest = nla_nest_start(msg, type);
	unsigned int i;
	int cpu;

	if (!nest)
		return -EMSGSIZE;
	for (i = from; i < to; i++) {
		u64 sum = 0;

		if (fn)
			for_each_possible_cpu(cpu)
			{
				const void *stats = per_cpu_ptr(fn->stats, cpu);
				const unsigned long *count = stats + offset;

				sum += READ_ONCE(count[i]);
			}
		/* No padding attributes in here: user space reads with memcpy. */
		if (nla_put(msg, first_type + i - from, sizeof(sum), &sum))
			return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}

static size_t reply_size(const struct fairlead_net *fn)
{
	unsigned int first, last;
	size_t ranges = 0;

	if (fn)
		for_each_set_bitrange(first, last, fn->ports, 65536) ranges++;
	return nla_total_size(32) + 2 * nla_total_size(sizeof(u32)) +
	       ranges * nla_total_size(2 * nla_total_size(sizeof(u16))) + 2 * nla_total_size(0) +
	       (__FAIRLEAD_STAT_MAX + FAIRLEAD_BURST_BUCKETS) * nla_total_size(sizeof(u64));
}

/* The config mutex is held. */
static struct sk_buff *reply(struct genl_info *info, struct fairlead_net *fn)
{
	struct sk_buff *msg = genlmsg_new(reply_size(fn), GFP_KERNEL);
	void *hdr;

	if (!msg)
		return ERR_PTR(-ENOMEM);
	hdr = genlmsg_put_reply(msg, info, &fairlead_family, 0, FAIRLEAD_CMD_GET);
	if (!hdr || nla_put_string(msg, FAIRLEAD_A_VERSION, THIS_MODULE->version) ||
	    nla_put_u32(msg, FAIRLEAD_A_NAMESPACES, fairlead_hook_count()) ||
	    nla_put_u32(msg, FAIRLEAD_A_RECEIVERS, fairlead_receive_count(fn)) ||
	    put_ports(msg, fn) ||
	    put_sums(msg, FAIRLEAD_A_STATS, fn, offsetof(struct fairlead_stats, count), 1,
		     __FAIRLEAD_STAT_MAX, 1) ||
	    put_sums(msg, FAIRLEAD_A_BURSTS, fn, offsetof(struct fairlead_stats, sizes), 0,
		     FAIRLEAD_BURST_BUCKETS, 1)) {
		nlmsg_free(msg);
		return ERR_PTR(-EMSGSIZE);
	}
	genlmsg_end(msg, hdr);
	return msg;
}

static int cmd_get(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct sk_buff *msg;

	mutex_lock(fairlead_pernet_config(net));
	msg = reply(info, fairlead_pernet(net));
	mutex_unlock(fairlead_pernet_config(net));
	return IS_ERR(msg) ? PTR_ERR(msg) : genlmsg_reply(msg, info);
}

static const struct genl_ops fairlead_ops[] = {
	{
		.cmd = FAIRLEAD_CMD_GET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = cmd_get,
	},
	{
		.cmd = FAIRLEAD_CMD_SET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = cmd_set,
	},
};

static struct genl_family fairlead_family __ro_after_init = {
	.name = FAIRLEAD_GENL_NAME,
	.version = FAIRLEAD_GENL_VERSION,
	.maxattr = FAIRLEAD_A_MAX,
	.policy = set_policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = fairlead_ops,
	.n_ops = ARRAY_SIZE(fairlead_ops),
	.resv_start_op = FAIRLEAD_CMD_SET + 1,
};

int __init fairlead_netlink_init(void)
{
	return genl_register_family(&fairlead_family);
}

void fairlead_netlink_exit(void)
{
	genl_unregister_family(&fairlead_family);
}
