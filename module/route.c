// SPDX-License-Identifier: GPL-2.0
/*
 * The route of what comes in is looked up once a second, not once a packet.
 *
 * TCP keeps it in the connection's socket (early demux). WireGuard's socket is connected to nobody, so that
 * the stack asks the routing rules, the local table and the reverse path filter for every packet. Here
 * the last hook of PRE_ROUTING, where NAT and marks are settled and the stack would ask next, gives
 * the packet the route that an equal one got: equal in everything that rules and filter look at.
 * What comes through to the last hook of LOCAL_IN was let in by that route, and is remembered. A packet for
 * which nothing is remembered goes the stack's own way, with all its verdicts.
 *
 * A remembered route is used while the kernel calls it valid (dst_check), and for a second at most: not
 * every change of a rule or of a sysctl makes routes invalid.
 *
 * Context: hooks, RCU read side; each CPU's table is touched on that CPU with BH off, and when no hook runs any
 * more. A remembered route is held by a reference.
 */
#include "fairlead.h"

#include <linux/hash.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/l3mdev.h>
#include <net/route.h>

#define ROUTES 16 /* a CPU and namespace: peers that send at the same time */

/* All that routing may depend on. */
union tuple {
	struct {
		__be32 saddr[4], daddr[4]; /* IPv4: the last word, the others 0 */
		__be32 ports;		   /* both */
		__be32 flow;		   /* IPv6: its first word; IPv4: TOS */
		int iif;
		u32 mark;
	};
	u64 words[6];
};

struct route {
	struct dst_entry *dst; /* NULL: none. Held */
	u32 cookie;
	unsigned long until; /* jiffies */
	union tuple key;
};

struct fairlead_routes {
	const struct sk_buff *asker; /* the last one for which nothing was known; only compared */
	union tuple asked;
	struct route slots[ROUTES];
};

static struct route *slot(struct fairlead_routes *t, const union tuple *key)
{
	return &t->slots[hash_32((__force u32)(key->saddr[3] ^ key->ports), ilog2(ROUTES))];
}

static void forget(struct route *r)
{
	dst_release(r->dst);
	r->dst = NULL;
}

static bool equal(const union tuple *a, const union tuple *b)
{
	u64 differ = 0;

	for (int i = 0; i < ARRAY_SIZE(a->words); i++)
		differ |= a->words[i] ^ b->words[i];
	return !differ;
}

/*
 * Give skb the route that an equal one got, if there is one. Its IP header has no options, its UDP header
 * is linear, its port one of ours. For the last hook of PRE_ROUTING. BH off.
 */
bool fairlead_route_use(struct fairlead_net *fn, struct sk_buff *skb, bool v6)
{
	union tuple key = {
		.ports = *(__be32 *)udp_hdr(skb),
		.iif = skb->dev->ifindex,
		.mark = skb->mark,
	};
	struct fairlead_routes *t;
	struct route *r;
	bool known;

	/* Bridged, decrypted by IPsec, of a VRF, or somebody knows already. */
	if (skb_dst(skb) || skb->sk || skb_has_extensions(skb) || netif_is_l3_slave(skb->dev) ||
	    netif_is_l3_master(skb->dev))
		return false;
	if (v6) {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);

		memcpy(key.saddr, &ip6h->saddr, sizeof(key.saddr));
		memcpy(key.daddr, &ip6h->daddr, sizeof(key.daddr));
		key.flow = *(__be32 *)ip6h;
	} else {
		const struct iphdr *iph = ip_hdr(skb);

		key.saddr[3] = iph->saddr;
		key.daddr[3] = iph->daddr;
		key.flow = htonl(iph->tos);
	}

	t = this_cpu_ptr(fn->routes);
	r = slot(t, &key);
	known = r->dst && equal(&r->key, &key) && time_before(jiffies, r->until) &&
		dst_check(r->dst, r->cookie);
	if (known) {
		skb_dst_set_noref(skb, r->dst);
		fairlead_count(fn, RX_ROUTED);
	} else {
		t->asker = skb;
		t->asked = key;
	}
	return known;
}

/* Not for broadcast and multicast, which the stack gives to every socket that wants it. */
static bool worth(const struct dst_entry *dst, const union tuple *key, bool v6)
{
	if (dst->lwtstate)
		return false;
	return v6 ? !ipv6_addr_is_multicast((const struct in6_addr *)key->daddr) :
		    !(container_of(dst, struct rtable, dst)->rt_flags &
		      (RTCF_BROADCAST | RTCF_MULTICAST));
}

/* skb has come to the last hook of LOCAL_IN. BH off. */
void fairlead_route_learn(struct fairlead_net *fn, struct sk_buff *skb, bool v6)
{
	struct dst_entry *dst = skb_dst(skb);
	struct fairlead_routes *t;
	struct route *r;

	t = this_cpu_ptr(fn->routes);
	if (unlikely(t->asker == skb)) {
		t->asker = NULL;
		r = slot(t, &t->asked);
		forget(r);
		if (worth(dst, &t->asked, v6) && dst_hold_safe(dst)) {
			r->key = t->asked;
			r->cookie = v6 ? rt6_get_cookie(container_of(dst, struct rt6_info, dst)) :
					 0;
			r->until = jiffies + HZ;
			r->dst = dst;
		}
	}
}

void fairlead_route_forget(struct fairlead_net *fn)
{
	int cpu, i;

	for_each_possible_cpu(cpu) for (i = 0; i < ROUTES; i++)
		forget(&per_cpu_ptr(fn->routes, cpu)->slots[i]);
}

int fairlead_route_init(struct fairlead_net *fn)
{
	fn->routes = alloc_percpu_gfp(struct fairlead_routes, GFP_KERNEL_ACCOUNT);
	return fn->routes ? 0 : -ENOMEM;
}
