/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FAIRLEAD_H
#define _FAIRLEAD_H

#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/net_namespace.h>

#include "uapi/fairlead.h"

/* WireGuard's message_data: type 4 as little-endian 32 bits, receiver index, counter, and the
 * Poly1305 tag. Without a payload it is a keepalive. (drivers/net/wireguard/messages.h) */
#define FAIRLEAD_WG_DATA      cpu_to_le32(4)
#define FAIRLEAD_WG_KEEPALIVE 32 /* bytes */

#define FAIRLEAD_HOOKS	      6 /* PRE_ROUTING, LOCAL_IN and POST_ROUTING of two families */

/* Written with this_cpu_inc() from any context, read as sums that may be a moment apart. */
struct fairlead_stats {
	unsigned long count[__FAIRLEAD_STAT_MAX];
	unsigned long sizes[FAIRLEAD_BURST_BUCKETS];
};

/*
 * State of one network namespace. Allocated when coalescing is first switched on there, so that
 * namespaces which never use it cost one pointer; freed when the namespace or the module goes.
 * Writers hold the namespace's config mutex; the hook reads ports without a lock.
 */
struct fairlead_net {
	DECLARE_BITMAP(ports, 65536); /* UDP source ports, host order */
	struct fairlead_stats __percpu *stats;
	struct fairlead_routes __percpu *routes;
	struct list_head receivers; /* sockets that merge; see receive.c */
	unsigned int netns;	    /* inode of the namespace */
	bool hooked;
	struct nf_hook_ops hooks[FAIRLEAD_HOOKS];
};

/* NULL until the namespace has switched coalescing on once. */
struct fairlead_net *fairlead_pernet(struct net *net);

/* Held while a request reads or changes what is configured there. One for each namespace: to switch off
 * takes a grace period, and whoever does so again and again makes nobody else wait. */
struct mutex *fairlead_pernet_config(struct net *net);

/* As above, allocating; -ENOMEM. Caller holds the config mutex. */
struct fairlead_net *fairlead_pernet_get(struct net *net);

#define fairlead_count(fn, stat) this_cpu_inc((fn)->stats->count[FAIRLEAD_STAT_##stat])

/* Do datagrams come in company: several in one run of a worker, or in one poll of a NAPI, that can be merged? */
struct fairlead_company {
	unsigned int round;  /* the run or the poll that the last one came in */
	unsigned int left;   /* rounds until company is expected no more */
	unsigned long alike; /* what the last one was like */
};

/* Counted in rounds, not in time: a CPU that takes long for each has as many of them in company. */
#define FAIRLEAD_COMPANY_ROUNDS 32

/* One comes in this round. alike: equal for such as can be merged, hardly ever for others. Were there any in
 * company, now or in one of the rounds before? */
static inline bool fairlead_company(struct fairlead_company *c, unsigned int round,
				    unsigned long alike)
{
	if (c->round != round)
		c->left -= c->left > 0;
	else if (c->alike == alike)
		c->left = FAIRLEAD_COMPANY_ROUNDS;
	c->round = round;
	c->alike = alike;
	return c->left > 0;
}

/* charge.c: who pays for a held datagram */
int fairlead_charge_init(void);
bool fairlead_charge_movable(const struct sk_buff *skb);
void fairlead_charge_join(struct sk_buff *head, struct sk_buff *member);

/* burst.c: holding and sending */
void fairlead_drop(struct fairlead_net *fn, struct sk_buff *skb, enum fairlead_stat why);
int fairlead_burst_init(void);
void fairlead_burst_exit(void);
unsigned int fairlead_burst_take(struct fairlead_net *fn, struct sk_buff *skb,
				 const struct nf_hook_state *state, unsigned int hlen);
bool fairlead_burst_expected(const struct sk_buff *skb);
void fairlead_burst_flush_control(struct fairlead_net *fn);
void fairlead_burst_flush_all(void);

/* As GRO's frag_list mode leaves it, be it ours or the device's (rx-gro-list). */
static inline bool fairlead_merged(const struct sk_buff *skb)
{
	return skb_is_gso(skb) && (skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST) &&
	       (skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4);
}

/* receive.c: merging at GRO, splitting before WireGuard */
void fairlead_receive_attach(struct fairlead_net *fn, struct sock *sk);
unsigned int fairlead_receive_count(struct fairlead_net *fn);
void fairlead_receive_forget(struct fairlead_net *fn);
unsigned int fairlead_receive_take(struct fairlead_net *fn, struct sk_buff *skb,
				   const struct nf_hook_state *state, unsigned int hlen);
void fairlead_receive_leave(struct fairlead_net *fn, struct sk_buff *skb);
void fairlead_receive_exit(void);

/* route.c: input routes, remembered */
int fairlead_route_init(struct fairlead_net *fn);
bool fairlead_route_use(struct fairlead_net *fn, struct sk_buff *skb, bool v6);
void fairlead_route_learn(struct fairlead_net *fn, struct sk_buff *skb, bool v6);
void fairlead_route_forget(struct fairlead_net *fn);

/* hold.c: a peer's NAPI waits until its CPU has time */
DECLARE_PER_CPU(unsigned int, fairlead_polls);
int fairlead_hold_init(void);
void fairlead_hold_exit(void);
void fairlead_hold_expect(const struct sock *sk, unsigned int n);
void fairlead_hold_alone(const struct fairlead_net *fn, const struct sock *sk,
			 const struct sk_buff *skb);
void fairlead_hold_answered(const struct fairlead_net *fn, const struct sk_buff *skb);

/* hook.c: which datagrams are WireGuard's */
int fairlead_hook_register(struct net *net, struct fairlead_net *fn);
void fairlead_hook_unregister(struct net *net, struct fairlead_net *fn);
unsigned int fairlead_hook_count(void);

/* netlink.c */
int fairlead_netlink_init(void);
void fairlead_netlink_exit(void);

#endif
