// SPDX-License-Identifier: GPL-2.0
/*
 * What fairlead.ko does with bursts, and what it drops: raw tracepoints of the module, whose arguments
 * are an interface (docs/module.md) and need no BTF of it. They run once for a burst, so that a datagram
 * pays its share of that. The module calls them with BH off.
 *
 * The module counts all of this itself, but its counters go with it. A program on a tracepoint holds
 * the module: `accel off` takes these away before it unloads it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FL_VALUES_BH_OFF
#include "../module/uapi/fairlead.h"
#include "metrics_epoch.h"
#include "metrics_shared.h"
#include "metrics_values.h"

char LICENSE[] SEC("license") = "GPL";

/* The module works for every network namespace that asked it to; this is the one that is counted. */
const volatile __u32 fl_netns = 0;

static __always_inline bool mine(__u32 netns)
{
	return netns == fl_netns && fl_counting(FL_BY_MODULE);
}

/* skb, dev, datagrams, bytes, reason, namespace */
SEC("raw_tp/fairlead_flush")
int fl_module_flush(struct bpf_raw_tracepoint_args *ctx)
{
	if (!mine(ctx->args[5]))
		return 0;
	fl_observe_size(FL_MODULE_BURST_TX, ctx->args[2]);
	switch (ctx->args[4]) {
	case FAIRLEAD_STAT_FLUSH_END:
		fl_count(FL_FLUSH_END, 1);
		break;
	case FAIRLEAD_STAT_FLUSH_FULL:
		fl_count(FL_FLUSH_FULL, 1);
		break;
	case FAIRLEAD_STAT_FLUSH_SHORT:
		fl_count(FL_FLUSH_SHORT, 1);
		break;
	case FAIRLEAD_STAT_FLUSH_FLOW:
		fl_count(FL_FLUSH_FLOW, 1);
		break;
	case FAIRLEAD_STAT_FLUSH_CONTROL:
		fl_count(FL_FLUSH_CONTROL, 1);
		break;
	case FAIRLEAD_STAT_FLUSH_GONE:
		fl_count(FL_FLUSH_GONE, 1);
		break;
	}
	return 0;
}

/* skb, dev, datagrams, reason, namespace */
SEC("raw_tp/fairlead_receive")
int fl_module_receive(struct bpf_raw_tracepoint_args *ctx)
{
	if (!mine(ctx->args[4]))
		return 0;
	if (ctx->args[3] == FAIRLEAD_STAT_RX_BURSTS)
		fl_observe_size(FL_MODULE_BURST_RX, ctx->args[2]);
	else
		fl_count(FL_MODULE_LEFT, 1);
	return 0;
}

/* skb, reason, namespace */
SEC("raw_tp/fairlead_drop")
int fl_module_drop(struct bpf_raw_tracepoint_args *ctx)
{
	if (!mine(ctx->args[2]))
		return 0;
	fl_count(ctx->args[1] == FAIRLEAD_STAT_DROP_CSUM ? FL_DROP_CSUM : FL_DROP_RX, 1);
	return 0;
}
