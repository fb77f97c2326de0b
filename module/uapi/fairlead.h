/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_FAIRLEAD_H
#define _UAPI_FAIRLEAD_H

/*
 * Generic netlink family "fairlead", version 1.
 *
 * Everything is per network namespace: a request acts on the namespace of the socket that sent
 * it. Both commands need CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 * FAIRLEAD_CMD_SET: which UDP ports are WireGuard's: what they send is coalesced, what
 *	they receive is merged. Declarative: the request holds the
 *	whole set, as up to FAIRLEAD_PORTS_MAX of FAIRLEAD_A_PORTS; none means off. Repeating a
 *	request changes nothing. Counters are kept.
 *	Errors: -EINVAL (a range that ends before it starts, port 0, an unknown attribute; the
 *	extended ACK says which), -E2BIG (more ranges), -ENOMEM, -EPERM, -EOPNOTSUPP (a PREEMPT_RT kernel).
 *
 * FAIRLEAD_CMD_GET: one reply with FAIRLEAD_A_VERSION, FAIRLEAD_A_NAMESPACES, the
 *	FAIRLEAD_A_PORTS in force, FAIRLEAD_A_RECEIVERS, FAIRLEAD_A_STATS and FAIRLEAD_A_BURSTS.
 */
#define FAIRLEAD_GENL_NAME    "fairlead"
#define FAIRLEAD_GENL_VERSION 1

enum fairlead_cmd {
	FAIRLEAD_CMD_UNSPEC,
	FAIRLEAD_CMD_GET,
	FAIRLEAD_CMD_SET,
	__FAIRLEAD_CMD_MAX,
};
#define FAIRLEAD_CMD_MAX (__FAIRLEAD_CMD_MAX - 1)

enum fairlead_attr {
	FAIRLEAD_A_UNSPEC,
	FAIRLEAD_A_VERSION, /* string: version of the module */
	FAIRLEAD_A_PORTS,   /* nest of enum fairlead_ports_attr, repeated */
	FAIRLEAD_A_STATS,   /* nest of u64, type = enum fairlead_stat */
	FAIRLEAD_A_BURSTS,  /* nest of u64, type = 1 + bucket: bursts of up to 2^bucket datagrams */
	FAIRLEAD_A_NAMESPACES, /* u32: network namespaces in which ports are set */
	FAIRLEAD_A_RECEIVERS,  /* u32: WireGuard's sockets whose datagrams GRO merges */
	__FAIRLEAD_A_MAX,
};
#define FAIRLEAD_A_MAX (__FAIRLEAD_A_MAX - 1)

enum fairlead_ports_attr {
	FAIRLEAD_PORTS_A_UNSPEC,
	FAIRLEAD_PORTS_A_FIRST, /* u16, host order, 1..65535 */
	FAIRLEAD_PORTS_A_LAST,	/* u16, host order, FIRST..65535, inclusive */
	__FAIRLEAD_PORTS_A_MAX,
};
#define FAIRLEAD_PORTS_A_MAX (__FAIRLEAD_PORTS_A_MAX - 1)

/* Datagrams are counted once in exactly one of HELD, LONE, CONTROL and the BYPASS_ counters; bursts once
 * in exactly one of the FLUSH_ counters. */
enum fairlead_stat {
	FAIRLEAD_STAT_UNSPEC,
	FAIRLEAD_STAT_HELD,		/* datagrams that were held to form a burst */
	FAIRLEAD_STAT_CONTROL,		/* handshake messages and keepalives: never held */
	FAIRLEAD_STAT_BYPASS_CONTEXT,	/* not sent by a CPU-bound worker: the end is not known */
	FAIRLEAD_STAT_BYPASS_SHAPE,	/* fragments, options, frag lists, VLAN, extensions, XFRM */
	FAIRLEAD_STAT_BYPASS_CONNTRACK, /* connection not confirmed yet */
	FAIRLEAD_STAT_BYPASS_OWNER,	/* a socket charge that cannot be moved */
	FAIRLEAD_STAT_BYPASS_HEADROOM,	/* no room for the link layer header */
	FAIRLEAD_STAT_BURSTS,		/* bursts sent, those of one datagram included */
	FAIRLEAD_STAT_FLUSH_END,	/* the worker's run was over */
	FAIRLEAD_STAT_FLUSH_FULL,	/* count or bytes at the device's limit */
	FAIRLEAD_STAT_FLUSH_SHORT,	/* a shorter datagram ends a burst */
	FAIRLEAD_STAT_FLUSH_FLOW,	/* the next datagram differs in more than its payload */
	FAIRLEAD_STAT_FLUSH_CONTROL,	/* a control message must not overtake */
	FAIRLEAD_STAT_FLUSH_GONE,	/* switched off, namespace or CPU gone */
	FAIRLEAD_STAT_CSUM,		/* checksums completed because the device cannot */
	FAIRLEAD_STAT_DROP_CSUM,	/* datagrams dropped: no memory to complete a checksum */
	FAIRLEAD_STAT_RX_MERGED,	/* datagrams that GRO appended to the one before */
	FAIRLEAD_STAT_RX_BURSTS,	/* merged packets that were split before WireGuard */
	FAIRLEAD_STAT_RX_SPLIT,		/* datagrams that these held */
	FAIRLEAD_STAT_RX_LEFT,		/* merged packets that were left to the kernel to split */
	FAIRLEAD_STAT_DROP_RX,		/* dropped on receipt: XFRM policy, or WireGuard refused */
	FAIRLEAD_STAT_RX_HOLDS, /* times that a peer's NAPI waited for more to be decrypted */
	FAIRLEAD_STAT_RX_SINGLE, /* datagrams that came by themselves and went straight to WireGuard */
	FAIRLEAD_STAT_RX_ROUTED, /* packets, merged or single, that got the route of an equal one before */
	FAIRLEAD_STAT_LONE, /* sent at once: none came lately that could be merged with another */
	__FAIRLEAD_STAT_MAX,
};
#define FAIRLEAD_STAT_MAX      (__FAIRLEAD_STAT_MAX - 1)

#define FAIRLEAD_PORTS_MAX     64 /* ranges of ports in a request */
#define FAIRLEAD_BURST_MAX     64 /* datagrams in a burst: the kernel's UDP_MAX_SEGMENTS on 6.1 */
#define FAIRLEAD_BURST_BUCKETS 7  /* 1, 2, 3-4, 5-8, 9-16, 17-32, 33-64 */

#endif
