/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_PACKET_H
#define FL_PACKET_H

/*
 * What a tc program wants to know of an IP packet. `off` is where the IP header begins: 0 on a
 * WireGuard interface, which has no link layer. Bytes that are not in the linear part are fetched
 * with bpf_skb_load_bytes(): that takes longer, and like reading does not change the skb.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct fl_packet {
	__u64 addr[2]; /* source or destination, zeroes after an IPv4 address */
	__u8 family;   /* 4 or 6 */
	__u8 proto;    /* of what follows the fixed header */
	__u8 hlen;     /* of the fixed IPv6 header, or of the IPv4 header with its options */
	bool fragment; /* of an IPv4 packet; IPv6 has a header for it, which is not UDP */
};

struct fl_wire {
	__u64 packets;
	__u64 bytes;
};

/* len bytes from off, in the packet or copied to buf; NULL: it is too short. */
static __always_inline const __u8 *fl_packet_bytes(struct __sk_buff *skb, __u32 off, void *buf,
						   __u32 len)
{
	const __u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + off + len <= end)
		return data + off;
	return bpf_skb_load_bytes(skb, off, buf, len) ? NULL : buf;
}

/* False: not IP, or too short to be. */
static __always_inline bool fl_packet_parse(struct __sk_buff *skb, __u32 off, bool source,
					    struct fl_packet *p)
{
	const __u8 *h;
	__u8 buf[40];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		h = fl_packet_bytes(skb, off, buf, 20); /* RFC 791 */
		if (!h || h[0] >> 4 != 4)
			return false;
		p->family = 4;
		p->proto = h[9];
		p->hlen = (h[0] & 0xf) * 4;
		p->fragment = (h[6] & 0x3f) || h[7]; /* more fragments, offset */
		__builtin_memcpy(p->addr, h + (source ? 12 : 16), 4);
		return p->hlen >= 20;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		h = fl_packet_bytes(skb, off, buf, 40); /* RFC 8200 */
		if (!h || h[0] >> 4 != 6)
			return false;
		p->family = 6;
		p->proto = h[6];
		p->hlen = 40;
		__builtin_memcpy(p->addr, h + (source ? 8 : 24), 16);
		return true;
	}
	return false;
}

/* Length of the headers that segmentation repeats, IP and transport; 0 if they are not known. */
static __always_inline __u32 fl_packet_headers(struct __sk_buff *skb, __u32 off,
					       const struct fl_packet *p)
{
	__u32 len = p->hlen;
	__u8 proto = p->proto;
	__u8 b[2];

	/* Extension headers that may stand before TCP or UDP in a packet that is segmented. */
	for (int i = 0; i < 4 && p->family == 6; i++) {
		if (proto != IPPROTO_HOPOPTS && proto != IPPROTO_ROUTING &&
		    proto != IPPROTO_DSTOPTS)
			break;
		if (bpf_skb_load_bytes(skb, off + len, b, 2))
			return 0;
		proto = b[0];
		len += (b[1] + 1) * 8;
	}
	switch (proto) {
	case IPPROTO_TCP:
		if (bpf_skb_load_bytes(skb, off + len + 12, b, 1)) /* data offset, RFC 9293 */
			return 0;
		return len + (b[0] >> 4) * 4;
	case IPPROTO_UDP:
		return len + 8;
	case IPPROTO_SCTP:
		return len + 12; /* common header, RFC 9260; chunks are not repeated */
	default:
		return 0;
	}
}

/*
 * What the skb is, or was, on the wire. Segmentation offload and GRO make one skb of many packets
 * and keep the headers of the first only, so every further one adds a set of headers.
 * p is NULL when the packet was not understood: then headers are not added.
 */
static __always_inline struct fl_wire fl_packet_wire(struct __sk_buff *skb, __u32 off,
						     const struct fl_packet *p)
{
	struct fl_wire w = { 1, skb->len - off };
	__u32 hlen, segs = skb->gso_segs;

	if (!skb->gso_size)
		return w;
	hlen = p ? fl_packet_headers(skb, off, p) : 0;
	/* Untrusted sources (a tap device, a packet socket) leave the kernel to count segments. */
	if (!segs && w.bytes > hlen)
		segs = (w.bytes - hlen + skb->gso_size - 1) / skb->gso_size;
	if (segs < 2)
		return w;
	w.packets = segs;
	w.bytes += (__u64)(segs - 1) * hlen;
	return w;
}

#endif
