/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM fairlead

#if !defined(_FAIRLEAD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _FAIRLEAD_TRACE_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>

/* These are no functions, and everybody writes them like this. */
/* clang-format off */

/* The reasons, by the names that the counters have in `fairlead accel status -j`. */
#define show_reason(reason)						\
	__print_symbolic(reason,					\
		{ FAIRLEAD_STAT_FLUSH_END,	"flush_end" },		\
		{ FAIRLEAD_STAT_FLUSH_FULL,	"flush_full" },		\
		{ FAIRLEAD_STAT_FLUSH_SHORT,	"flush_short" },	\
		{ FAIRLEAD_STAT_FLUSH_FLOW,	"flush_flow" },		\
		{ FAIRLEAD_STAT_FLUSH_CONTROL,	"flush_control" },	\
		{ FAIRLEAD_STAT_FLUSH_GONE,	"flush_gone" },		\
		{ FAIRLEAD_STAT_RX_BURSTS,	"rx_bursts" },		\
		{ FAIRLEAD_STAT_RX_LEFT,	"rx_left" },		\
		{ FAIRLEAD_STAT_DROP_CSUM,	"drop_csum" },		\
		{ FAIRLEAD_STAT_DROP_RX,	"drop_rx" })

/* BPF programs see the arguments below as they are (docs/module.md): new ones go behind the others.
 * All are called with BH off. netns: inode of the network namespace, as in /proc/PID/ns/net. */

/* A burst is about to be sent. skb: its first datagram, still by itself. */
TRACE_EVENT(fairlead_flush,
	TP_PROTO(const struct sk_buff *skb, const struct net_device *dev, unsigned int datagrams,
		 unsigned int bytes, unsigned int reason, unsigned int netns),

	TP_ARGS(skb, dev, datagrams, bytes, reason, netns),

	TP_STRUCT__entry(
		__field(const void *, skb)
		__field(int, ifindex)
		__field(unsigned int, datagrams)
		__field(unsigned int, bytes)
		__field(unsigned int, reason)
		__field(unsigned int, netns)
	),

	TP_fast_assign(
		__entry->skb = skb;
		__entry->ifindex = dev->ifindex;
		__entry->datagrams = datagrams;
		__entry->bytes = bytes;
		__entry->reason = reason;
		__entry->netns = netns;
	),

	TP_printk("skb=%p ifindex=%d datagrams=%u bytes=%u reason=%s netns=%u", __entry->skb,
		  __entry->ifindex, __entry->datagrams, __entry->bytes,
		  show_reason(__entry->reason), __entry->netns)
);

/* A datagram is about to be dropped by the module. */
TRACE_EVENT(fairlead_drop,
	TP_PROTO(const struct sk_buff *skb, unsigned int reason, unsigned int netns),

	TP_ARGS(skb, reason, netns),

	TP_STRUCT__entry(
		__field(const void *, skb)
		__field(unsigned int, len)
		__field(unsigned int, reason)
		__field(unsigned int, netns)
	),

	TP_fast_assign(
		__entry->skb = skb;
		__entry->len = skb->len;
		__entry->reason = reason;
		__entry->netns = netns;
	),

	TP_printk("skb=%p len=%u reason=%s netns=%u", __entry->skb, __entry->len,
		  show_reason(__entry->reason), __entry->netns)
);

/* Datagrams that were merged are about to reach WireGuard, split by the module (rx_bursts: skb is the
 * first, by itself), or left to the kernel to split (rx_left: skb is all of them). */
TRACE_EVENT(fairlead_receive,
	TP_PROTO(const struct sk_buff *skb, const struct net_device *dev, unsigned int datagrams,
		 unsigned int reason, unsigned int netns),

	TP_ARGS(skb, dev, datagrams, reason, netns),

	TP_STRUCT__entry(
		__field(const void *, skb)
		__field(int, ifindex)
		__field(unsigned int, datagrams)
		__field(unsigned int, reason)
		__field(unsigned int, netns)
	),

	TP_fast_assign(
		__entry->skb = skb;
		__entry->ifindex = dev->ifindex;
		__entry->datagrams = datagrams;
		__entry->reason = reason;
		__entry->netns = netns;
	),

	TP_printk("skb=%p ifindex=%d datagrams=%u reason=%s netns=%u", __entry->skb,
		  __entry->ifindex, __entry->datagrams, show_reason(__entry->reason),
		  __entry->netns)
);

/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
