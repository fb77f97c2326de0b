/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_SHARED_H
#define FL_METRICS_SHARED_H

#include <linux/types.h>

#include "metrics_families.h"

/* What the metrics programs and the tool share: the values of the pinned maps. */

/* Goes up when a field of a pinned value changes meaning without changing a size. A changed size
 * is found by comparing the shapes of the maps. */
#define FL_METRICS_LAYOUT	1

#define FL_METRICS_PEERS_MAX	16384
#define FL_METRICS_PREFIXES_MAX (8 * FL_METRICS_PEERS_MAX)
#define FL_METRICS_LANES_MAX	64

/* Counters are made for so many slots at a time. */
#define FL_METRICS_CHUNK   256
#define FL_METRICS_CHUNKS  (FL_METRICS_PEERS_MAX / FL_METRICS_CHUNK)

#define FL_METRICS_LABEL   256 /* escaped text of a label and its NUL; node names are <= 253 */
#define FL_METRICS_HELP	   256
#define FL_METRICS_VERSION 32

/*
 * The file is printed in rows, one call of the iterator's program each: a row is one family and
 * up to this many peers. What one call prints must fit, whole, into the seq_file buffer of
 * bpf_seq_read(), 8 pages, or the read ends with E2BIG: 32 peers times about 360 bytes do.
 */
#define FL_METRICS_ROW_PEERS 32
#define FL_METRICS_ROWS	     (FL_METRICS_PEERS_MAX / FL_METRICS_ROW_PEERS)

/*
 * Key of the longest-prefix map. The family is part of the key, in front, so that one map holds
 * both: 0.0.0.0/0 must not match an IPv6 packet, nor ::/0 an IPv4 one. prefixlen counts the 32
 * bits of the family as well.
 */
struct fl_metrics_prefix {
	__u32 prefixlen;
	__u32 family; /* 4 or 6 */
	__u8 addr[16];
};

#define FL_METRICS_PREFIX_FAMILY_BITS 32

/*
 * Per CPU, by slot. Only the tc programs write it, each CPU its own copy, and nobody ever sets it
 * back: what a slot had counted when its peer got it is the peer's base, and is subtracted.
 */
struct fl_metrics_counts {
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
};

/* The slot of packets that lead to no peer. */
#define FL_METRICS_UNMATCHED 0xffffffffU

/* By slot: what is printed about a peer. Text is escaped as OpenMetrics wants it in a label. */
struct fl_metrics_peer {
	char name[FL_METRICS_LABEL];
	char public_key[48]; /* base64 */
	__u64 start_ms;	     /* Unix time */
	struct fl_metrics_counts base;
};

/* One element: facts about the whole. */
struct fl_metrics_node {
	__u32 layout; /* FL_METRICS_LAYOUT */
	__u32 peers;
	__u32 slots; /* one more than the highest slot in use */
	__u32 unused;
};

/* Interfaces that carry the programs; only the tool reads it. */
struct fl_metrics_lane_key {
	__u64 netns; /* inode number of the network namespace */
	__u32 ifindex;
	__u32 unused;
};

struct fl_metrics_lane {
	char ifname[16];
	__u32 made_clsact; /* the qdisc is ours to remove */
	__u32 unused;
};

enum fl_metrics_source {
	FL_BUILD,
	FL_NODE,
	FL_UNMATCHED,
	FL_PEER_INFO, /* from here on: a sample for every peer */
	FL_PEER_START,
	FL_PEER_COUNT,
};

#endif
