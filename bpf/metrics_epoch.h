/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_EPOCH_H
#define FL_METRICS_EPOCH_H

/*
 * Links of traces cannot be updated in place. So that nothing is counted twice or not at all while
 * programs are replaced, the new ones are attached beside the old ones, and only those count whose
 * number is in metrics_node.epoch: writing it is the moment of the change.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "metrics_search.h"

const volatile __u32 fl_epoch = 1;

static __always_inline bool fl_counting(__u32 collector)
{
	const struct fl_metrics_node *node = fl_node();

	return node && *(volatile const __u32 *)&node->epoch[collector] == fl_epoch;
}

#endif
