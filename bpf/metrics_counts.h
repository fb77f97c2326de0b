/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_COUNTS_H
#define FL_METRICS_COUNTS_H

/* Counters by peer. An object that includes this has its map replaced by the pinned one. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "metrics_shared.h"

/*
 * Key: slot % FL_METRICS_CHUNK, value: struct fl_metrics_counts. Sizes instead of types, because the
 * tool makes the inner maps without BTF, and kernel 6.1 takes a map whose types it knows and one
 * whose types it does not know for different kinds (bpf_map_meta_equal() compares timer_off, which
 * is -ENOENT for the one and -EINVAL for the other).
 */
struct fl_chunk {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FL_METRICS_CHUNK);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct fl_metrics_counts));
};

/*
 * Chunks, because ten thousand peers must be possible and three must not cost as much. A per-CPU
 * hash without preallocation would do that too, but takes its memory with GFP_NOWAIT, and ten
 * thousand insertions are more than the per-CPU allocator has at hand.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FL_METRICS_CHUNKS);
	__type(key, __u32); /* slot / FL_METRICS_CHUNK */
	__array(values, struct fl_chunk);
} metrics_counts SEC(".maps");

/* This CPU's counters of a slot; NULL if it has none. */
static __always_inline struct fl_metrics_counts *fl_counts(__u32 slot)
{
	__u32 chunk = slot / FL_METRICS_CHUNK, index = slot % FL_METRICS_CHUNK;
	void *counts = bpf_map_lookup_elem(&metrics_counts, &chunk);

	return counts ? bpf_map_lookup_elem(counts, &index) : NULL;
}

#endif
