// SPDX-License-Identifier: GPL-2.0
/*
 * On clsact of the Ethernet devices that the mesh's endpoints are routed by: how many encrypted
 * datagrams cross the device as one packet, and whether something for a peer leaves that is not
 * encrypted. Nothing is dropped or changed.
 */

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define FL_VALUES_BH_OFF
#include "metrics_search.h"
#include "metrics_shared.h"
#include "metrics_values.h"
#include "packet.h"

char LICENSE[] SEC("license") = "GPL";

/*
 * WireGuard's UDP port here: source of what leaves, destination of what comes. Not known of a
 * fragment, which is not a burst either.
 */
static __always_inline bool is_wireguard(struct __sk_buff *skb, const struct fl_packet *p,
					 bool received)
{
	const struct fl_metrics_node *node = fl_node();
	const __be16 *ports;
	__be16 buf[2];
	__u32 port;

	if (!node || p->proto != IPPROTO_UDP || p->fragment)
		return false;
	ports = (const void *)fl_packet_bytes(skb, ETH_HLEN + p->hlen, buf, sizeof(buf));
	if (!ports)
		return false;
	port = bpf_ntohs(ports[received]);
	return port >= node->port_first && port <= node->port_last;
}

static __always_inline __u32 datagrams(const struct __sk_buff *skb)
{
	return skb->gso_size && skb->gso_segs > 1 ? skb->gso_segs : 1;
}

SEC("tc")
int fl_underlay_rx(struct __sk_buff *skb)
{
	struct fl_packet p = { 0 };

	if (fl_packet_parse(skb, ETH_HLEN, true, &p) && is_wireguard(skb, &p, true))
		fl_observe_size(FL_BURST_RX, datagrams(skb));
	return TC_ACT_UNSPEC;
}

SEC("tc")
int fl_underlay_tx(struct __sk_buff *skb)
{
	struct fl_packet p = { 0 };
	struct fl_wire w;

	if (!fl_packet_parse(skb, ETH_HLEN, false, &p))
		return TC_ACT_UNSPEC;
	if (is_wireguard(skb, &p, false)) {
		fl_observe_size(FL_BURST_TX, datagrams(skb));
		return TC_ACT_UNSPEC;
	}
	if (fl_search(p.family, p.addr) == FL_METRICS_UNMATCHED)
		return TC_ACT_UNSPEC;
	w = fl_packet_wire(skb, ETH_HLEN, &p);
	fl_count(FL_CLEARTEXT_PACKET, w.packets);
	fl_count(FL_CLEARTEXT_BYTE, w.bytes);
	return TC_ACT_UNSPEC;
}
