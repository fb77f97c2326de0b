// SPDX-License-Identifier: GPL-2.0
/*
 * Which datagrams are WireGuard's.
 *
 * On transmit the hook is the last of POST_ROUTING: everything in netfilter, NAT included, has seen
 * each datagram by itself and as it would be without us. What comes behind (neighbour, qdisc, device)
 * sees bursts. On receipt it is the last of LOCAL_IN, for the same reason the other way round: what
 * GRO has merged is split when everything has seen it. Where nobody else is in LOCAL_IN, and a packet
 * like this one has come through before, the last of PRE_ROUTING does it.
 */
#include "fairlead.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/sched.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/route.h>
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#endif

#define HLEN4 (sizeof(struct iphdr) + sizeof(struct udphdr))
#define HLEN6 (sizeof(struct ipv6hdr) + sizeof(struct udphdr))

static bool unconfirmed(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);

	return ct && !nf_ct_is_confirmed(ct);
#else
	return false;
#endif
}

static bool odd_shape(const struct sk_buff *skb)
{
	return skb_is_gso(skb) || skb_has_frag_list(skb) || skb_shared(skb) || skb_cloned(skb) ||
	       skb_zcopy((struct sk_buff *)skb) || skb_vlan_tag_present(skb) ||
	       skb->encapsulation || skb_has_extensions((struct sk_buff *)skb) ||
	       dst_xfrm(skb_dst(skb)) || skb_dst_is_noref(skb);
}

/* skb holds hlen bytes of IP and UDP header in its linear part, and a UDP source port of ours. */
static unsigned int wireguard(struct fairlead_net *fn, struct sk_buff *skb,
			      const struct nf_hook_state *state, unsigned int hlen)
{
	__le32 type_buf, *type;

	if (state->sk)
		fairlead_receive_attach(fn, state->sk);
	type = skb_header_pointer(skb, hlen, sizeof(type_buf), &type_buf);
	if (!type || *type != FAIRLEAD_WG_DATA || skb->len - hlen <= FAIRLEAD_WG_KEEPALIVE) {
		fairlead_count(fn, CONTROL);
		goto pass;
	}
	/* The end of a run is known for workers only, and a slot belongs to a CPU: the worker must
	 * not be able to move to another in the middle. */
	if (!(current->flags & PF_WQ_WORKER) || !in_task() || !is_percpu_thread() || !state->sk) {
		fairlead_count(fn, BYPASS_CONTEXT);
		goto pass;
	}
	fairlead_hold_answered(fn, skb);
	if (!fairlead_burst_expected(skb)) {
		fairlead_count(fn, LONE);
		goto pass;
	}
	if (odd_shape(skb)) {
		fairlead_count(fn, BYPASS_SHAPE);
		goto pass;
	}
	if (unconfirmed(skb)) {
		fairlead_count(fn, BYPASS_CONNTRACK);
		goto pass;
	}
	if (!fairlead_charge_movable(skb)) {
		fairlead_count(fn, BYPASS_OWNER);
		goto pass;
	}
	/* Later headroom is made for the head of a burst only. */
	if (skb_headroom(skb) < LL_RESERVED_SPACE(skb_dst(skb)->dev)) {
		fairlead_count(fn, BYPASS_HEADROOM);
		goto pass;
	}
	return fairlead_burst_take(fn, skb, state, hlen);
pass:
	fairlead_burst_flush_control(fn);
	return NF_ACCEPT;
}

static unsigned int out4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct fairlead_net *fn = priv;

	if (iph->protocol != IPPROTO_UDP || iph->ihl != 5 || ip_is_fragment(iph) ||
	    skb_headlen(skb) < HLEN4 || skb_transport_offset(skb) != sizeof(struct iphdr) ||
	    !test_bit(ntohs(udp_hdr(skb)->source), fn->ports) || ipv4_is_multicast(iph->daddr) ||
	    ipv4_is_lbcast(iph->daddr))
		return NF_ACCEPT;
	return wireguard(fn, skb, state, HLEN4);
}

static unsigned int out6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct fairlead_net *fn = priv;

	if (ip6h->nexthdr != IPPROTO_UDP || skb_headlen(skb) < HLEN6 ||
	    skb_transport_offset(skb) != sizeof(struct ipv6hdr) ||
	    !test_bit(ntohs(udp_hdr(skb)->source), fn->ports) ||
	    ipv6_addr_is_multicast(&ip6h->daddr))
		return NF_ACCEPT;
	return wireguard(fn, skb, state, HLEN6);
}

/* Will the stack give it to the socket that is bound to the port, and is nothing left to be done on
 * the way there? Somebody may have chosen a socket already, or may be about to (a BPF program); a
 * connection that is not confirmed yet is confirmed behind us. */
static bool plain_delivery(const struct sk_buff *skb, const struct nf_hook_state *state)
{
	return !skb->sk && !unconfirmed(skb) &&
	       !rcu_access_pointer(state->net->bpf.run_array[NETNS_BPF_SK_LOOKUP]);
}

/* An unfragmented datagram for a port of ours, without options, its headers linear? */
static bool for_us4(const struct fairlead_net *fn, const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return iph->protocol == IPPROTO_UDP && iph->ihl == 5 && !ip_is_fragment(iph) &&
	       skb_headlen(skb) >= HLEN4 && skb_transport_offset(skb) == sizeof(struct iphdr) &&
	       test_bit(ntohs(udp_hdr(skb)->dest), fn->ports);
}

static bool for_us6(const struct fairlead_net *fn, const struct sk_buff *skb)
{
	return ipv6_hdr(skb)->nexthdr == IPPROTO_UDP && skb_headlen(skb) >= HLEN6 &&
	       skb_transport_offset(skb) == sizeof(struct ipv6hdr) &&
	       test_bit(ntohs(udp_hdr(skb)->dest), fn->ports);
}

/* What comes out of a queue of netfilter comes with BH on. */
static unsigned int in4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict = NF_ACCEPT;
	struct fairlead_net *fn = priv;

	if (!for_us4(fn, skb))
		return NF_ACCEPT;
	local_bh_disable();
	fairlead_route_learn(fn, skb, false);
	if (plain_delivery(skb, state) && !inet_sdif(skb) &&
	    !(skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)))
		verdict = fairlead_receive_take(fn, skb, state, HLEN4);
	if (verdict == NF_ACCEPT && fairlead_merged(skb))
		fairlead_receive_leave(fn, skb);
	local_bh_enable();
	return verdict;
}

static unsigned int in6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict = NF_ACCEPT;
	struct fairlead_net *fn = priv;

	if (!for_us6(fn, skb))
		return NF_ACCEPT;
	local_bh_disable();
	fairlead_route_learn(fn, skb, true);
	if (plain_delivery(skb, state) && !inet6_sdif(skb) &&
	    !ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr))
		verdict = fairlead_receive_take(fn, skb, state, HLEN6);
	if (verdict == NF_ACCEPT && fairlead_merged(skb))
		fairlead_receive_leave(fn, skb);
	local_bh_enable();
	return verdict;
}

/* Is hook the only one? Then nobody misses a packet that does not come there. RCU read side. */
static bool only(struct nf_hook_entries __rcu *const *at, nf_hookfn *hook)
{
	const struct nf_hook_entries *entries = rcu_dereference(*at);

	return entries && entries->num_hook_entries == 1 && entries->hooks[0].hook == hook;
}

static unsigned int pre4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict = NF_ACCEPT;
	struct fairlead_net *fn = priv;

	if (!for_us4(fn, skb))
		return NF_ACCEPT;
	local_bh_disable();
	if (fairlead_route_use(fn, skb, false) &&
	    only(&state->net->nf.hooks_ipv4[NF_INET_LOCAL_IN], in4) && plain_delivery(skb, state))
		verdict = fairlead_receive_take(fn, skb, state, HLEN4);
	local_bh_enable();
	return verdict;
}

static unsigned int pre6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict = NF_ACCEPT;
	struct fairlead_net *fn = priv;

	if (!for_us6(fn, skb))
		return NF_ACCEPT;
	local_bh_disable();
	if (fairlead_route_use(fn, skb, true) &&
	    only(&state->net->nf.hooks_ipv6[NF_INET_LOCAL_IN], in6) && plain_delivery(skb, state))
		verdict = fairlead_receive_take(fn, skb, state, HLEN6);
	local_bh_enable();
	return verdict;
}

static const struct nf_hook_ops hook_ops[FAIRLEAD_HOOKS] = {
	{
		.hook = pre4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = pre6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_LAST,
	},
	{
		.hook = out4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = out6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP6_PRI_LAST,
	},
	{
		.hook = in4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = in6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
};

static atomic_t n_hooked = ATOMIC_INIT(0);

/* Network namespaces that have the hooks. */
unsigned int fairlead_hook_count(void)
{
	return atomic_read(&n_hooked);
}

int fairlead_hook_register(struct net *net, struct fairlead_net *fn)
{
	int err;

	for (int i = 0; i < FAIRLEAD_HOOKS; i++) {
		fn->hooks[i] = hook_ops[i];
		fn->hooks[i].priv = fn;
	}
	err = nf_register_net_hooks(net, fn->hooks, FAIRLEAD_HOOKS);
	if (!err)
		atomic_inc(&n_hooked);
	return err;
}

/* The hooks may still run on other CPUs until an RCU grace period has passed. */
void fairlead_hook_unregister(struct net *net, struct fairlead_net *fn)
{
	nf_unregister_net_hooks(net, fn->hooks, FAIRLEAD_HOOKS);
	atomic_dec(&n_hooked);
}
