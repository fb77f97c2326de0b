// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of the lanes and the file that prints them.
 *
 * Two tc programs on clsact of every lane interface find a packet's peer as WireGuard does, by
 * longest prefix of the source on the way in and of the destination on the way out, and count it.
 * tc rather than a trace of wireguard.ko: it needs no BTF of a module, so it works everywhere.
 * Where that BTF exists, a trace of wg_allowedips_lookup_{src,dst} could hand over the peer and
 * save the search; it would replace find_slot() and nothing else.
 *
 * An iterator over `rows` prints the file. It has no side effects: bpf_seq_read() calls it again
 * for an element whose output did not fit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kernel.h"
#include "metrics_shared.h"
#include "packet.h"

char LICENSE[] SEC("license") = "GPL";

/* A lane has no link-layer header. BPF_PROG_TEST_RUN insists on one: the tests set its length. */
const volatile __u32 fl_link_len = 0;
const volatile __u32 fl_cpus = 1; /* possible CPUs */
const volatile char fl_version[FL_METRICS_VERSION] = "";

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FL_METRICS_PREFIXES_MAX);
	__type(key, struct fl_metrics_prefix);
	__type(value, __u32); /* slot */
} metrics_prefix SEC(".maps");

/*
 * Key: slot % FL_METRICS_CHUNK, value: struct fl_metrics_counts. Sizes instead of types, because the
 * tool makes the inner maps without BTF, and kernel 6.1 takes a map whose types it knows and one
 * whose types it does not know for different kinds (bpf_map_meta_equal() compares timer_off, which
 * is -ENOENT for the one and -EINVAL for the other).
 */
struct chunk {
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
	__array(values, struct chunk);
} metrics_counts SEC(".maps");

/* Of packets that lead to no peer. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_metrics_counts);
} metrics_other SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FL_METRICS_PEERS_MAX);
	__type(key, __u32); /* slot */
	__type(value, struct fl_metrics_peer);
} metrics_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_metrics_node);
} metrics_node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FL_METRICS_LANES_MAX);
	__type(key, struct fl_metrics_lane_key);
	__type(value, struct fl_metrics_lane);
} metrics_lanes SEC(".maps");

/* Something to walk over, in order; the values are not used. Not pinned: the iterator holds it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_METRICS_N_FAMILIES *FL_METRICS_ROWS);
	__type(key, __u32);
	__type(value, __u8);
} metrics_rows SEC(".maps");

/* ---- counting ---- */

static __always_inline __u32 find_slot(const struct fl_packet *p)
{
	struct fl_metrics_prefix key = { .family = p->family };
	__u32 *slot;

	key.prefixlen = FL_METRICS_PREFIX_FAMILY_BITS + (p->family == 4 ? 32 : 128);
	__builtin_memcpy(key.addr, p->addr, sizeof(key.addr));
	slot = bpf_map_lookup_elem(&metrics_prefix, &key);
	return slot ? *slot : FL_METRICS_UNMATCHED;
}

static __always_inline struct fl_metrics_counts *counts_of(__u32 slot)
{
	__u32 chunk = slot / FL_METRICS_CHUNK, index = slot % FL_METRICS_CHUNK, zero = 0;
	void *counts = bpf_map_lookup_elem(&metrics_counts, &chunk);

	if (counts)
		return bpf_map_lookup_elem(counts, &index);
	return bpf_map_lookup_elem(&metrics_other, &zero);
}

/*
 * BH is off and each CPU has its own copy, so plain additions are exact. The verdict is always
 * "not mine": whatever filters follow, decide.
 */
static __always_inline int count(struct __sk_buff *skb, bool received)
{
	__u32 slot = FL_METRICS_UNMATCHED;
	struct fl_metrics_counts *c;
	struct fl_packet p = { 0 };
	struct fl_wire w;

	if (fl_packet_parse(skb, fl_link_len, received, &p)) {
		slot = find_slot(&p);
		w = fl_packet_wire(skb, fl_link_len, &p);
	} else {
		w = fl_packet_wire(skb, fl_link_len, NULL);
	}
	c = counts_of(slot);
	if (!c) /* never; the verifier wants to see it */
		return TC_ACT_UNSPEC;
	if (received) {
		c->rx_packets += w.packets;
		c->rx_bytes += w.bytes;
	} else {
		c->tx_packets += w.packets;
		c->tx_bytes += w.bytes;
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int fl_metrics_rx(struct __sk_buff *skb)
{
	return count(skb, true);
}

SEC("tc")
int fl_metrics_tx(struct __sk_buff *skb)
{
	return count(skb, false);
}

/* ---- printing ---- */

struct family {
	char name[64];
	char type[16];
	char unit[16];
	char help[FL_METRICS_HELP];
	__u32 source;
	__u32 field;
};

/* FL_NODE means another struct; its offset is taken by the same word. */
#define FIELD_FL_BUILD(f)      0
#define FIELD_FL_NODE(f)       offsetof(struct fl_metrics_node, f)
#define FIELD_FL_UNMATCHED(f)  offsetof(struct fl_metrics_counts, f)
#define FIELD_FL_PEER_INFO(f)  0
#define FIELD_FL_PEER_START(f) 0
#define FIELD_FL_PEER_COUNT(f) offsetof(struct fl_metrics_counts, f)
#define FAMILY(name, type, unit, source, field, help)                                              \
	{ name, type, unit, help, source, FIELD_##source(field) },

static const struct family families[] = { FL_METRICS_FAMILIES(FAMILY) };

struct sum {
	__u64 value;
	__u32 slot;
	__u32 field;
};

static __always_inline __u64 pick(const struct fl_metrics_counts *c, __u32 field)
{
	switch (field) {
	case offsetof(struct fl_metrics_counts, rx_packets):
		return c->rx_packets;
	case offsetof(struct fl_metrics_counts, rx_bytes):
		return c->rx_bytes;
	case offsetof(struct fl_metrics_counts, tx_packets):
		return c->tx_packets;
	default:
		return c->tx_bytes;
	}
}

static long add_cpu(__u32 cpu, struct sum *s)
{
	__u32 chunk = s->slot / FL_METRICS_CHUNK, index = s->slot % FL_METRICS_CHUNK, zero = 0;
	void *counts = bpf_map_lookup_elem(&metrics_counts, &chunk);
	struct fl_metrics_counts *c;

	if (counts)
		c = bpf_map_lookup_percpu_elem(counts, &index, cpu);
	else
		c = bpf_map_lookup_percpu_elem(&metrics_other, &zero, cpu);
	if (!c)
		return 1;
	s->value += pick(c, s->field);
	return 0;
}

static __always_inline __u64 sum_counts(__u32 slot, __u32 field)
{
	struct sum s = { .slot = slot, .field = field };

	bpf_loop(fl_cpus, add_cpu, &s, 0);
	return s.value;
}

struct row {
	struct seq_file *seq;
	const struct family *family;
	__u32 first; /* slot */
};

static long show_peer(__u32 i, struct row *row)
{
	const struct family *f = row->family;
	struct seq_file *seq = row->seq;
	__u32 slot = row->first + i;
	struct fl_metrics_peer *peer = bpf_map_lookup_elem(&metrics_peers, &slot);

	if (!peer)
		return 0;
	switch (f->source) {
	case FL_PEER_INFO:
		BPF_SEQ_PRINTF(seq, "%s{peer=\"%s\",public_key=\"%s\"} 1\n", f->name, peer->name,
			       peer->public_key);
		break;
	case FL_PEER_START:
		BPF_SEQ_PRINTF(seq, "%s{peer=\"%s\"} %llu.%03llu\n", f->name, peer->name,
			       peer->start_ms / 1000, peer->start_ms % 1000);
		break;
	case FL_PEER_COUNT:
		BPF_SEQ_PRINTF(seq, "%s{peer=\"%s\"} %llu\n", f->name, peer->name,
			       sum_counts(slot, f->field) - pick(&peer->base, f->field));
		break;
	}
	return 0;
}

static __always_inline void show_head(struct seq_file *seq, const struct family *f)
{
	BPF_SEQ_PRINTF(seq, "# TYPE %s %s\n", f->name, f->type);
	if (f->unit[0])
		BPF_SEQ_PRINTF(seq, "# UNIT %s %s\n", f->name, f->unit);
	BPF_SEQ_PRINTF(seq, "# HELP %s %s\n", f->name, f->help);
}

SEC("iter/bpf_map_elem")
int fl_metrics_show(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	__u32 *key = ctx->key, zero = 0, index, n;
	const struct fl_metrics_node *node;
	const struct family *f;
	struct row row;

	if (!key) {
		BPF_SEQ_PRINTF(seq, "# EOF\n");
		return 0;
	}
	index = *key / FL_METRICS_ROWS;
	row.first = *key % FL_METRICS_ROWS * FL_METRICS_ROW_PEERS;
	node = bpf_map_lookup_elem(&metrics_node, &zero);
	if (!node || index >= FL_METRICS_N_FAMILIES)
		return 0;
	f = &families[index];
	if (!row.first)
		show_head(seq, f);
	switch (f->source) {
	case FL_BUILD:
		if (!row.first)
			BPF_SEQ_PRINTF(seq, "%s{version=\"%s\"} 1\n", f->name, fl_version);
		return 0;
	case FL_NODE:
		if (!row.first)
			BPF_SEQ_PRINTF(seq, "%s %u\n", f->name, node->peers);
		return 0;
	case FL_UNMATCHED:
		if (!row.first)
			BPF_SEQ_PRINTF(seq, "%s %llu\n", f->name,
				       sum_counts(FL_METRICS_UNMATCHED, f->field));
		return 0;
	}
	if (row.first >= node->slots)
		return 0;
	n = node->slots - row.first;
	row.seq = seq;
	row.family = f;
	bpf_loop(n < FL_METRICS_ROW_PEERS ? n : FL_METRICS_ROW_PEERS, show_peer, &row, 0);
	return 0;
}
