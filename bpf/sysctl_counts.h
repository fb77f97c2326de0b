/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_SYSCTL_COUNTS_H
#define FL_SYSCTL_COUNTS_H

/* What is watched and how often it was written: fl_sysctl_write counts, the metrics file prints. An
 * object that includes this has its maps replaced by the pinned ones. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "sysctl_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_sysctl_conf);
} sysctl_conf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_SYSCTL_KEYS_MAX);
	__type(key, __u32);
	__type(value, struct fl_sysctl_slot);
} sysctl_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_SYSCTL_KEYS_MAX);
	__type(key, __u32); /* slot */
	__type(value, struct fl_sysctl_counts);
} sysctl_counts SEC(".maps");

#endif
