/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_SHARED_H
#define FL_METRICS_SHARED_H

#include <linux/types.h>

#include "metrics_families.h"
#include "sysctl_shared.h"

/* What the metrics programs and the tool share: the values of the pinned maps. */

/* Goes up when a field of a pinned value changes meaning without changing a size. A changed size
 * is found by comparing the shapes of the maps. */
#define FL_METRICS_LAYOUT	2

#define FL_METRICS_PEERS_MAX	16384
#define FL_METRICS_PREFIXES_MAX (8 * FL_METRICS_PEERS_MAX)
#define FL_METRICS_LANES_MAX	64 /* interfaces, lanes and underlay together */

/* Counters are made for so many slots at a time. */
#define FL_METRICS_CHUNK   256
#define FL_METRICS_CHUNKS  (FL_METRICS_PEERS_MAX / FL_METRICS_CHUNK)

#define FL_METRICS_LABEL   256 /* escaped text of a label and its NUL; node names are <= 253 */
#define FL_METRICS_VALUES  20  /* of a family */
#define FL_METRICS_VALUE   40  /* labels of a value, and the NUL */
#define FL_METRICS_LABELS  (FL_METRICS_LABEL + 16)
#define FL_METRICS_INFO	   512 /* the labels of fairlead_peer_info besides the peer */
#define FL_METRICS_HELP	   256
#define FL_METRICS_VERSION 32
#define FL_METRICS_KEY	   32 /* bytes of a public key */

/* Room in the maps of values, for families to come. */
#define FL_METRICS_COUNTERS_MAX	  256
#define FL_METRICS_GAUGES_MAX	  256
#define FL_METRICS_HISTOGRAMS_MAX 32
#define FL_METRICS_COLLECTORS_MAX 16

/*
 * The file is printed in rows, one call of the iterator's program each: a row is a family of the
 * node, or a family of the peers and up to this many peers. What one call prints must fit, whole,
 * into the seq_file buffer of bpf_seq_read(), 8 pages, or the read ends with E2BIG: 32 peers with
 * the longest labels of fairlead_peer_info do.
 */
#define FL_METRICS_ROW_PEERS 32
#define FL_METRICS_ROWS	     (FL_METRICS_PEERS_MAX / FL_METRICS_ROW_PEERS)

/* The same for families of kernel parameters: three samples of some 160 bytes at most for a key. */
#define FL_METRICS_ROW_KEYS 32
#define FL_METRICS_KEY_ROWS (FL_SYSCTL_KEYS_MAX / FL_METRICS_ROW_KEYS)

/* A gauge with it is not printed: nothing is known. */
#define FL_METRICS_NO_VALUE (~0ULL)

enum fl_metrics_source {
	FL_BUILD,
	FL_NODE_START,
	FL_COLLECTOR,
	FL_NODE,
	FL_LANE, /* a sample for every lane */
	FL_LANE_DROPS,
	FL_UNMATCHED,
	FL_COUNTER, /* of metrics_counters */
	FL_GAUGE,   /* of metrics_gauges */
	FL_SECONDS, /* of metrics_histograms, bounds of time */
	FL_SIZES,   /* of metrics_histograms, bounds of number */
	FL_SYSCTL_NUMBER,
	FL_SYSCTL_ENFORCED,
	FL_SYSCTL_START,
	FL_KEY_CHANGES, /* from here on: a sample for every kernel parameter that is watched */
	FL_KEY_WRITES,
	FL_KEY_DRIFT, /* or that was compared with what was applied */
	FL_PEER_INFO, /* from here on: a sample for every peer */
	FL_PEER_START,
	FL_PEER_COUNT,
	FL_PEER_SECONDS, /* sum and count of a summary: FIELD, and FIELD_count behind it */
	FL_PEER_STATE,
	FL_PEER_SESSION,
	FL_PEER_HANDSHAKE,
};

#define FL_METRICS_IS_PEER(source) ((source) >= FL_PEER_INFO)
#define FL_METRICS_IS_KEY(source)  ((source) >= FL_KEY_CHANGES && !FL_METRICS_IS_PEER(source))

/* By slot: a kernel parameter and whether it drifted. Written by the tool; a key stays where it is. */
struct fl_metrics_drift {
	char key[128]; /* escaped, with its NUL */
	__u32 used;    /* written last, and taken back before the key changes */
	__u32 drifted;
};

enum fl_metrics_collector {
#define FL_METRICS_C(id, name) FL_BY_##id,
	FL_COLLECTORS(FL_METRICS_C)
#undef FL_METRICS_C
		FL_N_COLLECTORS
};

#define FL_METRICS_ONE(name, type, unit, collector, source, field, values, help) +1
#define FL_METRICS_PEER(name, type, unit, collector, source, field, values, help)                  \
	+FL_METRICS_IS_PEER(source)
#define FL_METRICS_KEY_OF(name, type, unit, collector, source, field, values, help)                \
	+FL_METRICS_IS_KEY(source)
#define FL_METRICS_N_FAMILIES	   (0 FL_METRICS_FAMILIES(FL_METRICS_ONE))
#define FL_METRICS_N_PEER_FAMILIES (0 FL_METRICS_FAMILIES(FL_METRICS_PEER))
#define FL_METRICS_N_KEY_FAMILIES  (0 FL_METRICS_FAMILIES(FL_METRICS_KEY_OF))
#define FL_METRICS_N_NODE_FAMILIES                                                                 \
	(FL_METRICS_N_FAMILIES - FL_METRICS_N_KEY_FAMILIES - FL_METRICS_N_PEER_FAMILIES)

/* The numbers of all values. */
enum fl_metrics_value {
#define FL_METRICS_V(id, number, labels)				       id = (number),
#define FL_METRICS_F(name, type, unit, collector, source, field, values, help) values(FL_METRICS_V)
	FL_METRICS_FAMILIES(FL_METRICS_F)
#undef FL_METRICS_F
#undef FL_METRICS_V
};

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
 * Per CPU, by slot, and by lane. Only the programs write it, each CPU its own copy, and nobody ever
 * sets it back: what a slot had counted when its peer got it is the peer's base, and is subtracted.
 */
struct fl_metrics_counts {
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 rtt_us; /* sum */
	__u64 rtt_us_count;
};

/* The slot of packets that lead to no peer. */
#define FL_METRICS_UNMATCHED 0xffffffffU

struct fl_metrics_key {
	__u8 bytes[FL_METRICS_KEY];
};

/* By slot: what is printed about a peer. Text is escaped as OpenMetrics wants it in a label. */
struct fl_metrics_peer {
	char labels[FL_METRICS_LABELS]; /* {peer="..."} and a space */
	char info[FL_METRICS_INFO];	/* public_key="...",endpoint="...",allowed_ips="..." */
	__u32 labels_len, info_len;	/* without the NUL */
	struct fl_metrics_key key;
	__u64 start_ms; /* Unix time */
	struct fl_metrics_counts base;
};

/* By public key: what is known of the WireGuard session with a peer. Written by the programs. */
struct fl_metrics_session {
	__u64 handshakes;     /* completed since the peer is counted */
	__u64 handshake_sec;  /* Unix time of the last, 0: never */
	__u64 handshake_boot; /* the same, bpf_ktime_get_boot_ns() */
	__u64 initiated_boot; /* when this node last sent a handshake initiation */
};

/* Per CPU. bucket[i] counts what is <= 2^i (microseconds, or a number) and in no bucket before;
 * the last has the rest. */
#define FL_METRICS_BUCKETS 22
#define FL_METRICS_SIZES   8 /* buckets that are printed of FL_SIZES: 1, 2, ... 64, +Inf */

struct fl_metrics_histogram {
	__u64 sum; /* nanoseconds, or a number */
	__u64 bucket[FL_METRICS_BUCKETS];
};

/* One element: facts about the whole. */
struct fl_metrics_node {
	__u32 layout; /* FL_METRICS_LAYOUT */
	__u32 peers;
	__u32 slots;	  /* one more than the highest slot in use */
	__u32 generation; /* of the prefixes: a cached search of another one is void */
	__u64 start_ms;	  /* Unix time */
	__u16 port_first; /* WireGuard's UDP ports here, of all lanes */
	__u16 port_last;
	__u32 unused;
	/*
	 * By collector: 0, not attached; else the number of its programs that count. While programs
	 * are replaced, old and new ones are attached, and writing this number hands over.
	 */
	__u32 epoch[FL_METRICS_COLLECTORS_MAX];
	__u32 object[FL_METRICS_COLLECTORS_MAX]; /* hash of the object that they came from */
};

/* Interfaces that carry the programs, by number: lanes and underlay. */
enum fl_metrics_lane_kind { FL_LANE_NONE, FL_LANE_WG, FL_LANE_UNDERLAY };

struct fl_metrics_lane {
	__u64 netns; /* inode number of the network namespace */
	__u32 ifindex;
	__u32 kind;
	char ifname[16];
	__u32 made_clsact; /* the qdisc is ours to remove */
	__u32 unused;
};

#endif
