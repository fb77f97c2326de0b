/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_SESSIONS_H
#define FL_METRICS_SESSIONS_H

/* Sessions by key. An object that includes this has its map replaced by the pinned one. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "metrics_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FL_METRICS_PEERS_MAX);
	__type(key, struct fl_metrics_key);
	__type(value, struct fl_metrics_session);
} metrics_sessions SEC(".maps");

#endif
