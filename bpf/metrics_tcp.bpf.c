// SPDX-License-Identifier: GPL-2.0
/*
 * Round-trip times of the TCP connections that this node and its pods have through the mesh, as
 * TCP itself measures them: no probes, and nothing to pay for other connections. A sockops program
 * on the root of the cgroups sees every connection when it is established and asks to be called
 * for each measurement if the other end is a peer's. Connections that were there before are not
 * seen.
 */

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "metrics_counts.h"
#include "metrics_search.h"
#include "metrics_shared.h"
#include "metrics_values.h"

char LICENSE[] SEC("license") = "GPL";

#define AF_INET	 2
#define AF_INET6 10

/* Whose the connection is, found when it was established. */
struct owner {
	__u32 slot;
	__u32 generation; /* of the prefixes then */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct owner);
} metrics_owners SEC(".maps");

/* The trie and not the cache: sockops may run with BH on. */
static __always_inline __u32 search(struct bpf_sock_ops *ctx)
{
	union {
		__u32 words[4];
		__u64 halves[2];
	} addr = { 0 };
	__u32 family = 6;

	if (ctx->family == AF_INET) {
		family = 4;
		addr.words[0] = ctx->remote_ip4;
	} else if (ctx->family == AF_INET6) {
		addr.words[0] = ctx->remote_ip6[0];
		addr.words[1] = ctx->remote_ip6[1];
		addr.words[2] = ctx->remote_ip6[2];
		addr.words[3] = ctx->remote_ip6[3];
		/* ::ffff:a.b.c.d, an IPv4 connection of an IPv6 socket (RFC 4291, 2.5.5.2) */
		if (!addr.halves[0] && addr.words[2] == bpf_htonl(0xffff)) {
			family = 4;
			addr.words[0] = addr.words[3];
			addr.words[2] = addr.words[3] = 0;
		}
	} else {
		return FL_METRICS_UNMATCHED;
	}
	return fl_search_trie(family, addr.halves);
}

static __always_inline void begin(struct bpf_sock_ops *ctx)
{
	const struct fl_metrics_node *node = fl_node();
	struct bpf_sock *sk = ctx->sk;
	struct owner owner, *o;

	if (!node || !sk)
		return;
	owner.generation = *(volatile const __u32 *)&node->generation;
	owner.slot = search(ctx);
	if (owner.slot == FL_METRICS_UNMATCHED)
		return;
	o = bpf_sk_storage_get(&metrics_owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!o) /* no memory: not measured */
		return;
	*o = owner;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
}

static __always_inline void measured(struct bpf_sock_ops *ctx)
{
	const struct fl_metrics_node *node = fl_node();
	__u32 us = ctx->srtt_us >> 3; /* struct tcp_sock keeps eighths */
	struct bpf_sock *sk = ctx->sk;
	struct fl_metrics_counts *c;
	struct owner *o;

	if (!node || !sk)
		return;
	/* Another program may have asked for the call. */
	o = bpf_sk_storage_get(&metrics_owners, sk, NULL, 0);
	if (!o)
		return;
	if (o->generation != node->generation) {
		o->generation = node->generation;
		o->slot = search(ctx);
	}
	c = fl_counts(o->slot);
	if (!c)
		return;
	__sync_fetch_and_add(&c->rtt_us, us);
	__sync_fetch_and_add(&c->rtt_us_count, 1);
	fl_observe_ns(FL_RTT_ALL, us * 1000ULL);
}

SEC("sockops")
int fl_metrics_tcp(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		begin(ctx);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		measured(ctx);
		break;
	}
	return 1;
}
