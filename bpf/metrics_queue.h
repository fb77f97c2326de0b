/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_QUEUE_H
#define FL_METRICS_QUEUE_H

/*
 * How long packets wait inside something: one of every so many is marked when it goes in and looked
 * for when it comes out, by the address of its skb. A packet that never comes out is forgotten when
 * another takes its place; an address that is used again after that, by another packet, would be a
 * measurement too long: a mark older than a second is therefore not one.
 */

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "metrics_values.h"

#define FL_QUEUE_EVERY 32 /* of this CPU's packets */
#define FL_QUEUE_MARKS 64 /* at a time; a power of two */

struct fl_mark {
	__u64 skb;
	__u64 since; /* bpf_ktime_get_ns() */
};

/* Sharing it between CPUs is what it is for: decryption runs on another CPU than reception. */
struct fl_queue {
	struct fl_mark marks[FL_QUEUE_MARKS];
};

static __always_inline struct fl_mark *fl_queue_place(struct fl_queue *q, __u64 skb)
{
	/* skbs are 256 bytes apart or a little less. */
	return &q->marks[(skb >> 8 ^ skb >> 14) & (FL_QUEUE_MARKS - 1)];
}

/* A packet goes in. *turn counts this CPU's packets. Returns whether it was marked. */
static __always_inline bool fl_queue_in(struct fl_queue *q, __u32 *turn, __u64 skb)
{
	struct fl_mark *m;

	if (++*turn % FL_QUEUE_EVERY)
		return false;
	m = fl_queue_place(q, skb);
	m->skb = 0; /* nobody takes the time of one for that of the other */
	m->since = bpf_ktime_get_ns();
	*(volatile __u64 *)&m->skb = skb;
	return true;
}

/* A packet comes out; id is that of a histogram of FL_SECONDS. */
static __always_inline void fl_queue_out(struct fl_queue *q, __u64 skb, __u32 id)
{
	struct fl_mark *m = fl_queue_place(q, skb);
	__u64 ns;

	if (m->skb != skb)
		return;
	ns = bpf_ktime_get_ns() - m->since;
	m->skb = 0;
	if (ns < 1000000000)
		fl_observe_ns(id, ns);
}

#endif
