/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_SEARCH_H
#define FL_METRICS_SEARCH_H

/*
 * Whose an address is. The longest prefix decides, as in WireGuard. A trie of ten thousand nodes
 * costs some twenty cache misses, so each CPU remembers where its last addresses led. What it
 * remembers is void when the tool has changed the prefixes: then metrics_node.generation differs.
 *
 * An object that includes this has its maps replaced by the pinned ones, but for the cache.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "metrics_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FL_METRICS_PREFIXES_MAX);
	__type(key, struct fl_metrics_prefix);
	__type(value, __u32); /* slot */
} metrics_prefix SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_metrics_node);
} metrics_node SEC(".maps");

struct fl_found {
	__u64 addr[2];
	__u32 family; /* 0: nothing here */
	__u32 generation;
	__u32 slot;
	__u32 unused;
};

#define FL_FOUND_BITS 8

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << FL_FOUND_BITS);
	__type(key, __u32);
	__type(value, struct fl_found);
} metrics_found SEC(".maps");

static __always_inline const struct fl_metrics_node *fl_node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&metrics_node, &zero);
}

static __always_inline __u32 fl_search_trie(__u32 family, const __u64 addr[2])
{
	struct fl_metrics_prefix key = { .family = family };
	__u32 *slot;

	key.prefixlen = FL_METRICS_PREFIX_FAMILY_BITS + (family == 4 ? 32 : 128);
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	slot = bpf_map_lookup_elem(&metrics_prefix, &key);
	return slot ? *slot : FL_METRICS_UNMATCHED;
}

/*
 * The slot of an address, or FL_METRICS_UNMATCHED. family 4 or 6; an IPv4 address is the first
 * four bytes, the rest zeroes.
 *
 * Context: BH off, because the cache is of this CPU and has no lock.
 */
static __always_inline __u32 fl_search(__u32 family, const __u64 addr[2])
{
	__u32 index = (addr[0] ^ addr[1]) * 0x9e3779b97f4a7c15ULL >> (64 - FL_FOUND_BITS);
	const struct fl_metrics_node *node = fl_node();
	struct fl_found *f;
	__u32 generation;

	f = bpf_map_lookup_elem(&metrics_found, &index);
	if (!node || !f) /* never */
		return FL_METRICS_UNMATCHED;
	/* Read before the trie: if that changes in between, the entry is void already. */
	generation = *(volatile const __u32 *)&node->generation;
	if (f->family == family && f->generation == generation && f->addr[0] == addr[0] &&
	    f->addr[1] == addr[1])
		return f->slot;
	f->slot = fl_search_trie(family, addr);
	f->generation = generation;
	f->addr[0] = addr[0];
	f->addr[1] = addr[1];
	f->family = family;
	return f->slot;
}

#endif
