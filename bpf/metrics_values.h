/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_VALUES_H
#define FL_METRICS_VALUES_H

/*
 * For programs that fill families of the node: fl_count(), fl_set() and fl_observe() by the id of
 * a value in metrics_families.h. An object that includes this has its maps replaced by the pinned
 * ones. Any context: additions are atomic, because a program may run in process context and be
 * interrupted by another one on the same CPU; each CPU has its own copy, so they do not contend.
 * An object that defines FL_VALUES_BH_OFF has no value in common with others and always runs with BH
 * off: its additions need not be.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "metrics_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FL_METRICS_COUNTERS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} metrics_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_METRICS_GAUGES_MAX);
	__type(key, __u32);
	__type(value, __u64);
} metrics_gauges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FL_METRICS_HISTOGRAMS_MAX);
	__type(key, __u32);
	__type(value, struct fl_metrics_histogram);
} metrics_histograms SEC(".maps");

static __always_inline void fl_add(__u64 *to, __u64 n)
{
#ifdef FL_VALUES_BH_OFF
	*to += n;
#else
	__sync_fetch_and_add(to, n);
#endif
}

/* A counter goes up by n. */
static __always_inline void fl_count(__u32 id, __u64 n)
{
	__u64 *c = bpf_map_lookup_elem(&metrics_counters, &id);

	if (c)
		fl_add(c, n);
}

/* A gauge has this value from now on. */
static __always_inline void fl_set(__u32 id, __u64 value)
{
	__u64 *g = bpf_map_lookup_elem(&metrics_gauges, &id);

	if (g)
		*g = value;
}

/* The bucket of a value: the smallest i for which value <= 2^i, at most `last`. */
static __always_inline __u32 fl_bucket(__u64 value, __u32 last)
{
	__u32 i = 0;

	if (value <= 1)
		return 0;
	value--;
	if (value >> 32) /* longer than an hour */
		return last;
	if (value >> 16) {
		value >>= 16;
		i += 16;
	}
	if (value >> 8) {
		value >>= 8;
		i += 8;
	}
	if (value >> 4) {
		value >>= 4;
		i += 4;
	}
	if (value >> 2) {
		value >>= 2;
		i += 2;
	}
	i += 1 + (value >> 1);
	return i < last ? i : last;
}

static __always_inline void fl_observe_bucket(__u32 id, __u32 bucket, __u64 sum)
{
	struct fl_metrics_histogram *h = bpf_map_lookup_elem(&metrics_histograms, &id);

	if (!h || bucket >= FL_METRICS_BUCKETS)
		return;
	fl_add(&h->bucket[bucket], 1);
	fl_add(&h->sum, sum);
}

/* A histogram of FL_SECONDS; the time is in nanoseconds. */
static __always_inline void fl_observe_ns(__u32 id, __u64 ns)
{
	fl_observe_bucket(id, fl_bucket((ns + 999) / 1000, FL_METRICS_BUCKETS - 1), ns);
}

/* A histogram of FL_SIZES. */
static __always_inline void fl_observe_size(__u32 id, __u64 n)
{
	fl_observe_bucket(id, fl_bucket(n, FL_METRICS_SIZES - 1), n);
}

#endif
