// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays for a held datagram.
 *
 * WireGuard encrypts in place, so an outer datagram still carries the charge of the socket that
 * wrote the plaintext: skb->sk, and a destructor that takes skb->truesize off sk_wmem_alloc when
 * the datagram is freed. TCP small queues is built on it: a charge that is given back early
 * (skb_orphan) lets TCP fill the queues below without bound.
 *
 * The members of a burst become a frag_list below the first datagram, the head, and
 * skb_segment_list() takes them apart again. What that function does to the head's truesize is not
 * the same in all kernels:
 *
 *  - it used to take the members' truesize off the head's. Then the head cannot carry their
 *    charge, or it would never be given back. Each member keeps its own charge, which is given
 *    back when the burst is cut (skb_release_head_state), that is behind the qdisc; the head's
 *    goes to the first member, because the head's truesize must count the members.
 *
 *  - since "net: fix memory leak in skb_segment_list for GRO packets" it leaves the head's
 *    truesize alone and insists that members have no socket. Then the head carries everything
 *    until the device has sent it, just as a TSO packet does.
 *
 * Stable kernels got the second behaviour in some point release, so that neither headers nor a
 * version tell: a burst of two is cut at init to see which one it is.
 */
#include "compat.h"
#include "fairlead.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/sock.h>
#include <net/tcp.h>

static bool head_pays __ro_after_init;

#define PROBE_HLEN (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr))

static struct sk_buff *probe_skb(void)
{
	struct sk_buff *skb = alloc_skb(NET_SKB_PAD + PROBE_HLEN + 8, GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD);
	skb_put_zero(skb, PROBE_HLEN + 8);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb_set_transport_header(skb, ETH_HLEN + sizeof(struct iphdr));
	return skb;
}

int __init fairlead_charge_init(void)
{
	struct sk_buff *head = probe_skb(), *member = probe_skb(), *segs;
	unsigned int before;

	if (!head || !member) {
		kfree_skb(head);
		kfree_skb(member);
		return -ENOMEM;
	}
	skb_pull(head, ETH_HLEN);
	skb_pull(member, PROBE_HLEN);
	skb_shinfo(head)->frag_list = member;
	head->data_len += member->len;
	head->len += member->len;
	head->truesize += member->truesize;
	skb_shinfo(head)->gso_type = SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST;
	skb_shinfo(head)->gso_size = 8;
	skb_shinfo(head)->gso_segs = 2;
	SKB_GSO_CB(head)->mac_offset = skb_headroom(head) - ETH_HLEN;
	before = head->truesize;

	segs = skb_segment_list(head, NETIF_F_SG, ETH_HLEN);
	if (IS_ERR(segs)) {
		kfree_skb(head);
		return PTR_ERR(segs);
	}
	head_pays = head->truesize == before;
	/* The list owns one reference to the head, as its first segment; we own the other. */
	kfree_skb_list(segs);
	consume_skb(head);
	return 0;
}

/*
 * Only charges that are exactly truesize on sk_wmem_alloc can be moved from one skb to another.
 * The destructors of TCP (tcp_wfree, __sock_wfree) are not exported, so they are known by what
 * they are not: a TCP socket's transmit skb has no other.
 */
bool fairlead_charge_movable(const struct sk_buff *skb)
{
	if (!skb->sk)
		return !skb->destructor;
	if (skb->destructor == sock_wfree)
		return true;
	if (!sk_fullsock(skb->sk) || !sk_is_tcp(skb->sk) || !skb->destructor)
		return false;
	return skb->destructor != sock_efree && skb->destructor != sock_rfree &&
	       skb->destructor != sock_edemux
#if IS_ENABLED(CONFIG_INET)
	       && skb->destructor != sock_pfree
#endif
		;
}

/*
 * Make member part of head's burst, as far as ownership goes. Both are owned by the caller, both
 * are movable, and they agree in sk and destructor. BH off.
 */
void fairlead_charge_join(struct sk_buff *head, struct sk_buff *member)
{
	unsigned int size = member->truesize;

	if (head_pays) {
		member->sk = NULL;
		member->destructor = NULL;
	} else if (head->sk) {
		/* First member: it takes over the head's charge. */
		member->truesize += head->truesize;
		size = member->truesize;
		head->sk = NULL;
		head->destructor = NULL;
	}
	head->truesize += size;
}
