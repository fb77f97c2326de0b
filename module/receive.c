// SPDX-License-Identifier: GPL-2.0
/*
 * The receive half: datagrams of one peer are merged at GRO and split just before WireGuard.
 *
 * Merging. udp_gro_receive() hands every packet for a UDP socket to the socket's gro_receive, if it
 * has one. WireGuard's has none, so that its datagrams are not merged; it gets ours. Datagrams are
 * chained into a frag_list, which copies nothing and keeps each one's own headers; what GRO makes of
 * it is exactly what the device feature rx-gro-list would make, but for this socket only.
 * (The socket's UDP_GRO flag would select page-frag GRO instead, which is costlier to undo.)
 *
 * Splitting. The stack would split such a packet by itself before it calls encap_rcv, one skb with
 * copied metadata, header and checksum for each segment (skb_segment_list). The last hook (hook.c)
 * does so instead: the datagrams are all there, they only have to be let go. Whatever does
 * not look as expected is left to the stack. Everything in netfilter before that sees one packet a
 * burst, as with any other GRO. A datagram that came alone is handed over there, too.
 *
 * Where a socket cannot have a gro_receive of somebody else (compat.h), nothing is merged unless the
 * device does it: then rx-gro-list on it has the same effect, for all of its sockets. Splitting works
 * on every kernel.
 *
 * The socket is found by the transmit half: everything that WireGuard sends passes the hook with its
 * socket, and no datagram of data comes in before a handshake has gone out.
 *
 * Context: gro_receive() runs in softirq (or with BH off) on the RCU read side, the hook's part
 * likewise. The list of sockets is changed under recv_lock and read under RCU. A socket that is on the list is
 * held by a reference, which outlives its close; such sockets are forgotten when the next one comes.
 */
#include "compat.h"
#include "fairlead.h"
#include "trace.h"

#include <linux/ctype.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/kernel.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/addrconf.h>
#include <net/gro.h>
#include <net/ip.h>
#include <net/raw.h>
#include <net/sock.h>
#include <net/udp.h>
#include <net/xfrm.h>
#if IS_ENABLED(CONFIG_IPV6)
#include <net/rawv6.h>
#endif

struct receiver {
	struct list_head node; /* fairlead_net::receivers, RCU */
	struct list_head all;  /* every one of the module, recv_lock */
	struct sock *sk;       /* held */
	struct rcu_head rcu;
};

static DEFINE_SPINLOCK(recv_lock); /* BH off */
static LIST_HEAD(all_receivers);
static bool leaving; /* recv_lock */

/* ---- merging ---------------------------------------------------------------------------------- */

/* If somebody else than us should cut the packet, IDs are counted up from the first one's. With DF they
 * mean nothing (RFC 6864, 4.1), and senders leave them 0. */
static bool id_follows(const struct iphdr *first, unsigned int count, const struct iphdr *iph)
{
	return (u16)(ntohs(first->id) + count) == ntohs(iph->id) ||
	       (iph->frag_off & htons(IP_DF) && first->id == iph->id);
}

/* Everything but payload, IPv4 ID and checksums. off: of the UDP header, behind the bare IP header. */
static bool same_headers(const struct sk_buff *p, const u8 *udp, unsigned int off, bool v6)
{
	const u8 *udp_p = p->data + off;

	if (v6) {
		const struct ipv6hdr *a = (const void *)(udp_p - sizeof(*a)),
				     *b = (const void *)(udp - sizeof(*b));

		return *(const __be32 *)a == *(const __be32 *)b && a->hop_limit == b->hop_limit &&
		       a->nexthdr == b->nexthdr && ipv6_addr_equal(&a->saddr, &b->saddr) &&
		       ipv6_addr_equal(&a->daddr, &b->daddr);
	} else {
		const struct iphdr *a = (const void *)(udp_p - sizeof(*a)),
				   *b = (const void *)(udp - sizeof(*b));

		return a->saddr == b->saddr && a->daddr == b->daddr && a->tos == b->tos &&
		       a->ttl == b->ttl && a->frag_off == b->frag_off &&
		       id_follows(a, NAPI_GRO_CB(p)->count, b);
	}
}

/* udp: a UDP header of len bytes of datagram, with four bytes of payload and whatever comes before it
 * in linear memory. GRO takes IPv6 extension headers, we do not: then the bytes before are no IPv6
 * header that says so much. */
static bool mergeable(const struct sk_buff *skb, const struct udphdr *udp, unsigned int len,
		      bool v6)
{
	const struct ipv6hdr *ip6h = (const void *)((const u8 *)udp - sizeof(*ip6h));

	if (v6 && (ip6h->nexthdr != IPPROTO_UDP || ntohs(ip6h->payload_len) != len))
		return false;
	return *(const __le32 *)(udp + 1) == FAIRLEAD_WG_DATA && ntohs(udp->len) == len &&
	       udp->check && !skb->encapsulation;
}

/* Switched off for the socket's port, it is merged for only where the kernel would do so by itself. */
static bool wanted(const struct fairlead_net *fn, const struct sock *sk, const struct sk_buff *skb)
{
	return test_bit(inet_sk(sk)->inet_num, fn->ports) ||
	       skb->dev->features & NETIF_F_GRO_FRAGLIST;
}

static DEFINE_PER_CPU(struct fairlead_company, arrivals);

/* Returns the datagram that GRO must pass on now, if any. With flush set in skb's control block, skb
 * itself is not to be held. */
static struct sk_buff *gro_receive(struct sock *sk, struct list_head *head, struct sk_buff *skb)
{
	unsigned int off = skb_gro_offset(skb), udp_off = off - sizeof(struct udphdr);
	const unsigned int ulen = skb_gro_len(skb) + sizeof(struct udphdr);
	const bool v6 = NAPI_GRO_CB(skb)->is_ipv6;
	struct fairlead_net *fn = fairlead_pernet(sock_net(sk));
	const struct udphdr *udp;
	struct sk_buff *p;
	const u8 *data;

	/* UDP's own GRO may finish this: it is no tunnel whose inside is merged. */
	NAPI_GRO_CB(skb)->encap_mark = 0;
	NAPI_GRO_CB(skb)->is_flist = 1;

	data = skb_gro_header(skb, off + sizeof(__le32), off);
	udp = data ? (const void *)(data - sizeof(*udp)) : NULL;
	if (!udp || !wanted(fn, sk, skb) || !mergeable(skb, udp, ulen, v6) ||
	    !fairlead_company(this_cpu_ptr(&arrivals), this_cpu_read(fairlead_polls), ulen))
		NAPI_GRO_CB(skb)->flush = 1;

	list_for_each_entry(p, head, list)
	{
		const struct udphdr *uh;

		if (!NAPI_GRO_CB(p)->same_flow)
			continue;
		/* What cannot be merged must not overtake. */
		if (NAPI_GRO_CB(skb)->flush || !NAPI_GRO_CB(p)->is_flist)
			return p;
		uh = (const void *)(p->data + udp_off);
		if (ulen > ntohs(uh->len) || skb->ip_summed != p->ip_summed ||
		    skb->csum_level != p->csum_level ||
		    p->len + skb_gro_len(skb) > 65535 - udp_off ||
		    !same_headers(p, (const u8 *)udp, udp_off, v6) || !pskb_may_pull(skb, off))
			return p;

		if (NAPI_GRO_CB(p)->last == p)
			skb_shinfo(p)->frag_list = skb;
		else
			NAPI_GRO_CB(p)->last->next = skb;
		NAPI_GRO_CB(p)->last = skb;
		NAPI_GRO_CB(p)->count++;
		skb_pull(skb, off);
		/* GRO has seen to it that the owners are the same: the first one's destructor takes off
		 * the truesize of all. */
		skb->destructor = NULL;
		skb->sk = NULL;
		p->data_len += skb->len;
		p->len += skb->len;
		p->truesize += skb->truesize;
		skb_shinfo(p)->flags |= skb_shinfo(skb)->flags & SKBFL_SHARED_FRAG;
		NAPI_GRO_CB(skb)->same_flow = 1;
		fairlead_count(fn, RX_MERGED);
		return ulen < ntohs(uh->len) || NAPI_GRO_CB(p)->count >= FAIRLEAD_BURST_MAX ? p :
											      NULL;
	}
	return NULL;
}

/* ---- splitting -------------------------------------------------------------------------------- */

static struct sock *find_receiver(struct fairlead_net *fn, u16 port, int family)
{
	struct receiver *r;

	list_for_each_entry_rcu(r, &fn->receivers,
				node) if (inet_sk(r->sk)->inet_num == port &&
					  r->sk->sk_family == family &&
					  !sock_flag(r->sk, SOCK_DEAD)) return r->sk;
	return NULL;
}

/* A raw socket for UDP gets a copy of every datagram, and gets it further on. RCU read side. */
static bool raw_listens(struct net *net, int family)
{
	u32 hash = raw_hashfunc(net, IPPROTO_UDP);
	struct hlist_head *bucket = &raw_v4_hashinfo.ht[hash];
	struct sock *sk;

#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6)
		bucket = &raw_v6_hashinfo.ht[hash];
#endif
	/* Others' are there as well, such as the one of a ping(8) in another namespace. */
	sk_for_each_rcu(sk, bucket) if (net_eq(sock_net(sk), net) &&
					inet_sk(sk)->inet_num == IPPROTO_UDP) return true;
	return false;
}

static bool splittable(const struct sk_buff *skb, unsigned int hlen)
{
	const struct sk_buff *seg;

	if (!fairlead_merged(skb) || skb_cloned(skb) || skb_shared(skb) || !skb_has_frag_list(skb))
		return false;
	for (seg = skb_shinfo(skb)->frag_list; seg; seg = seg->next) {
		if (skb_cloned(seg) || skb_shared(seg) || skb_headroom(seg) < hlen)
			return false;
	}
	return true;
}

/* Netfilter may have changed the first datagram's headers: the same goes for the others. */
static void follow(struct sk_buff *seg, const struct sk_buff *first, int family)
{
	struct udphdr *uh = udp_hdr(seg);
	__be32 *ports = (__be32 *)uh, *ports_of_first = (__be32 *)udp_hdr(first);
	bool changed = false;

	if (unlikely(*ports != *ports_of_first)) {
		inet_proto_csum_replace4(&uh->check, seg, *ports, *ports_of_first, false);
		*ports = *ports_of_first;
		changed = true;
	}
	if (family == AF_INET) {
		struct iphdr *to = ip_hdr(seg);
		const struct iphdr *from = ip_hdr(first);

		if (unlikely(to->saddr != from->saddr || to->daddr != from->daddr ||
			     to->tos != from->tos)) {
			inet_proto_csum_replace4(&uh->check, seg, to->saddr, from->saddr, true);
			inet_proto_csum_replace4(&uh->check, seg, to->daddr, from->daddr, true);
			to->saddr = from->saddr;
			to->daddr = from->daddr;
			to->tos = from->tos;
			ip_send_check(to);
			changed = true;
		}
	} else {
		struct ipv6hdr *to = ipv6_hdr(seg);
		const struct ipv6hdr *from = ipv6_hdr(first);

		*(__be32 *)to = *(__be32 *)from;
		if (unlikely(!ipv6_addr_equal(&to->saddr, &from->saddr) ||
			     !ipv6_addr_equal(&to->daddr, &from->daddr))) {
			inet_proto_csum_replace16(&uh->check, seg, to->saddr.s6_addr32,
						  from->saddr.s6_addr32, true);
			inet_proto_csum_replace16(&uh->check, seg, to->daddr.s6_addr32,
						  from->daddr.s6_addr32, true);
			to->saddr = from->saddr;
			to->daddr = from->daddr;
			changed = true;
		}
	}
	if (changed && !uh->check)
		uh->check = CSUM_MANGLED_0;
}

/*
 * Cut the frag_list off skb and return it, each datagram looking as if it had come by itself, with its
 * data at the IP header; so has skb then. hlen: of IP and UDP header, which are linear in all of them.
 */
static struct sk_buff *split(struct sk_buff *skb, unsigned int hlen, int family, unsigned int *n)
{
	struct sk_buff *list = skb_shinfo(skb)->frag_list, *seg;
	unsigned int members = 0, truesize = 0;
	struct udphdr *uh = udp_hdr(skb);

	uh->len = htons(sizeof(*uh) + skb_shinfo(skb)->gso_size);
	skb_shinfo(skb)->frag_list = NULL;
	skb_shinfo(skb)->gso_size = 0;
	skb_shinfo(skb)->gso_type = 0;
	skb_shinfo(skb)->gso_segs = 0;

	for (*n = 1, seg = list; seg; seg = seg->next, ++*n) {
		members += seg->len;
		truesize += seg->truesize;
		/* Each has its own headers in its headroom. */
		__skb_push(seg, hlen);
		skb_reset_network_header(seg);
		skb_set_transport_header(seg, hlen - sizeof(*uh));
		/* GRO has verified each of them. */
		seg->ip_summed = skb->ip_summed;
		seg->csum_level = skb->csum_level;
		follow(seg, skb, family);
		seg->dev = skb->dev;
		seg->skb_iif = skb->skb_iif;
		seg->protocol = skb->protocol;
		seg->pkt_type = skb->pkt_type;
		seg->mark = skb->mark;
#ifdef CONFIG_NETWORK_SECMARK
		seg->secmark = skb->secmark;
#endif
		memcpy(seg->cb, skb->cb, sizeof(seg->cb));
		skb_orphan(seg);
	}

	skb->len -= members;
	skb->data_len -= members;
	skb->truesize -= min(truesize, skb->truesize - SKB_TRUESIZE(0));
	if (family == AF_INET) {
		ip_hdr(skb)->tot_len = htons(skb->len);
		ip_send_check(ip_hdr(skb));
	} else {
		ipv6_hdr(skb)->payload_len = uh->len;
	}
	return list;
}

/* What IP and UDP would have counted. */
static void count_delivered(struct net *net, const struct sk_buff *skb, int family, unsigned int n)
{
	if (family == AF_INET) {
		__IP_ADD_STATS(net, IPSTATS_MIB_INDELIVERS, n);
		__SNMP_ADD_STATS(net->mib.udp_statistics, UDP_MIB_INDATAGRAMS, n);
#if IS_ENABLED(CONFIG_IPV6)
	} else {
		IP6_ADD_STATS(net, __in6_dev_get(skb->dev), IPSTATS_MIB_INDELIVERS, n);
		__SNMP_ADD_STATS(net->mib.udp_stats_in6, UDP_MIB_INDATAGRAMS, n);
#endif
	}
}

static bool policy_allows(struct sock *sk, struct sk_buff *skb, int family)
{
	return family == AF_INET6 ? xfrm6_policy_check(sk, XFRM_POLICY_IN, skb) :
				    xfrm4_policy_check(sk, XFRM_POLICY_IN, skb);
}

/* One by one into the socket, which takes every one of them. BH off. */
static void deliver(struct fairlead_net *fn, struct sock *sk, struct sk_buff *skb,
		    unsigned int pull, int (*encap_rcv)(struct sock *sk, struct sk_buff *skb))
{
	struct sk_buff *next;

	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		__skb_pull(skb, pull);
		if (unlikely(encap_rcv(sk, skb)))
			fairlead_drop(fn, skb, FAIRLEAD_STAT_DROP_RX);
	}
}

/* The long way, one by one, for which each needs the first one's route. RCU read side, BH off. */
static void pass_on(struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct dst_entry *dst = skb_dst(skb);
	struct sk_buff *next;

	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		if (!skb_dst(skb))
			skb_dst_set_noref(skb, dst);
		state->okfn(state->net, state->sk, skb);
	}
}

/* The stack splits this merged packet. RCU read side, BH off. */
void fairlead_receive_leave(struct fairlead_net *fn, struct sk_buff *skb)
{
	trace_fairlead_receive(skb, skb->dev, skb_shinfo(skb)->gso_segs, FAIRLEAD_STAT_RX_LEFT,
			       fn->netns);
	fairlead_count(fn, RX_LEFT);
}

/* Is a datagram that came by itself as long as its header says? IPv6's needs a checksum. */
static bool whole(const struct sk_buff *skb, unsigned int hlen, int family)
{
	const struct udphdr *uh = udp_hdr(skb);

	return skb->len - hlen + sizeof(*uh) == ntohs(uh->len) && (uh->check || family == AF_INET);
}

/*
 * skb has hlen bytes of IP and UDP header in its linear part, is for a port of ours and has its route. Returns
 * the verdict: NF_STOLEN after WireGuard has got it, or each datagram of a merged packet, in their order;
 * NF_ACCEPT if the stack must see to it. RCU read side, BH off.
 */
unsigned int fairlead_receive_take(struct fairlead_net *fn, struct sk_buff *skb,
				   const struct nf_hook_state *state, unsigned int hlen)
{
	const int family = state->pf == NFPROTO_IPV6 ? AF_INET6 : AF_INET;
	struct sock *sk = find_receiver(fn, ntohs(udp_hdr(skb)->dest), family);
	int (*encap_rcv)(struct sock * sk, struct sk_buff * skb);
	const bool merged = skb_is_gso(skb);
	unsigned int n = 1;
	bool raw;

	encap_rcv = sk ? READ_ONCE(udp_sk(sk)->encap_rcv) : NULL;
	raw = unlikely(raw_listens(state->net, family));
	if (!encap_rcv || !skb_csum_unnecessary(skb) ||
	    !(merged ? splittable(skb, hlen) : whole(skb, hlen, family) && !raw) ||
	    (!raw && !policy_allows(sk, skb, family)))
		return NF_ACCEPT;

	if (merged) {
		skb->next = split(skb, hlen, family, &n);
		trace_fairlead_receive(skb, skb->dev, n, FAIRLEAD_STAT_RX_BURSTS, fn->netns);
		fairlead_count(fn, RX_BURSTS);
		this_cpu_add(fn->stats->count[FAIRLEAD_STAT_RX_SPLIT], n);
	} else {
		fairlead_count(fn, RX_SINGLE);
	}
	if (raw) {
		pass_on(skb, state);
	} else {
		nf_reset_ct(skb);
		count_delivered(state->net, skb, family, n);
		if (merged)
			fairlead_hold_expect(sk, n);
		else
			fairlead_hold_alone(fn, sk, skb);
		deliver(fn, sk, skb, hlen - sizeof(struct udphdr), encap_rcv);
	}
	return NF_STOLEN;
}

/* ---- sockets ---------------------------------------------------------------------------------- */

static void forget(struct receiver *r)
{
	list_del_rcu(&r->node);
	list_del(&r->all);
	sock_put(r->sk);
	kfree_rcu(r, rcu);
}

/* From outside only the name of the function that takes its datagrams tells whose socket it is. Another
 * tunnel's must not be touched, whatever ports somebody has named: only WireGuard is known to close its
 * sockets before the namespace is taken apart. */
static bool is_wireguard(const struct sock *sk)
{
	char name[16];

	snprintf(name, sizeof(name), "%ps", READ_ONCE(udp_sk(sk)->encap_rcv));
	return str_has_prefix(name, "wg_receive") && !isalnum(name[10]) && name[10] != '_';
}

static bool attachable(const struct fairlead_net *fn, const struct sock *sk)
{
	const struct socket *sock = READ_ONCE(sk->sk_socket); /* freed after an RCU grace period */

	return fairlead_pernet(sock_net(sk)) == fn && sock && !sock->file &&
	       READ_ONCE(udp_sk(sk)->encap_type) == 1 && !READ_ONCE(udp_sk(sk)->gro_receive) &&
	       is_wireguard(sk);
}

/* RCU read side. */
static bool attached(const struct fairlead_net *fn, const struct sock *sk)
{
	struct receiver *r;

	if (FAIRLEAD_SOCKET_GRO)
		return READ_ONCE(udp_sk(sk)->gro_receive) == gro_receive;
	list_for_each_entry_rcu(r, &fn->receivers, node) if (r->sk == sk) return true;
	return false;
}

/* sk sends from a port of ours; called for each datagram. RCU read side, any context in which softirqs
 * may run. Failing is no harm: the next datagram tries again. */
void fairlead_receive_attach(struct fairlead_net *fn, struct sock *sk)
{
	struct receiver *r, *tmp;

	/* A raw socket may send what looks like ours. */
	if (!sk_fullsock(sk) || !sk_is_udp(sk) || likely(attached(fn, sk)) || !attachable(fn, sk))
		return;
	spin_lock_bh(&recv_lock);
	list_for_each_entry_safe(r, tmp, &fn->receivers, node) if (sock_flag(r->sk, SOCK_DEAD))
		forget(r);
	r = leaving || attached(fn, sk) ? NULL : kzalloc(sizeof(*r), GFP_ATOMIC | __GFP_NOWARN);
	if (r) {
		sock_hold(sk);
		r->sk = sk;
		list_add_rcu(&r->node, &fn->receivers);
		list_add(&r->all, &all_receivers);
		if (FAIRLEAD_SOCKET_GRO)
			WRITE_ONCE(udp_sk(sk)->gro_receive, gro_receive);
	}
	spin_unlock_bh(&recv_lock);
}

/* Sockets for which we merge, closed ones left out. fn may be NULL. Caller holds its config mutex. */
unsigned int fairlead_receive_count(struct fairlead_net *fn)
{
	struct receiver *r;
	unsigned int n = 0;

	rcu_read_lock();
	if (FAIRLEAD_SOCKET_GRO && fn && fn->hooked)
		list_for_each_entry_rcu(r, &fn->receivers, node) n += !sock_flag(r->sk, SOCK_DEAD);
	rcu_read_unlock();
	return n;
}

/* The namespace goes: its WireGuard sockets are closed, its hooks gone. */
void fairlead_receive_forget(struct fairlead_net *fn)
{
	struct receiver *r, *tmp;

	spin_lock_bh(&recv_lock);
	list_for_each_entry_safe(r, tmp, &fn->receivers, node) forget(r);
	spin_unlock_bh(&recv_lock);
}

static int detach_all(void *unused)
{
	struct receiver *r;

	list_for_each_entry(r, &all_receivers, all) WRITE_ONCE(udp_sk(r->sk)->gro_receive, NULL);
	return 0;
}

/*
 * The module goes: give the sockets back as they were. udp_gro_receive() reads the pointer twice, once
 * to test it and once to call it, and a change in between would crash it. It runs with BH off, so that
 * it is nowhere in the middle while the machine is stopped.
 */
void fairlead_receive_exit(void)
{
	spin_lock_bh(&recv_lock);
	leaving = true;
	spin_unlock_bh(&recv_lock);
	if (FAIRLEAD_SOCKET_GRO && !list_empty(&all_receivers))
		stop_machine(detach_all, NULL, NULL);
}
