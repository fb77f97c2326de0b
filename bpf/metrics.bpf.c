// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of the lanes and the file that prints them, together with what the other programs count.
 *
 * Two tc programs on clsact of every lane interface find a packet's peer as WireGuard does, by
 * longest prefix of the source on the way in and of the destination on the way out, and count it.
 * tc rather than a trace of wireguard.ko: it needs no BTF of a module, so it works everywhere.
 *
 * An iterator over `rows` prints the file. It has no side effects: bpf_seq_read() calls it again
 * for an element whose output did not fit. It formats its text itself: ten thousand peers are a
 * hundred thousand lines, and bpf_seq_printf() takes several times as long for each.
 */

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "kernel.h"
#include "metrics_counts.h"
#include "metrics_search.h"
#include "metrics_sessions.h"
#include "metrics_shared.h"
#include "metrics_values.h"
#include "packet.h"
#include "sysctl_counts.h"

char LICENSE[] SEC("license") = "GPL";

/* A lane has no link-layer header. BPF_PROG_TEST_RUN insists on one: the tests set its length. */
const volatile __u32 fl_link_len = 0;
const volatile __u32 fl_cpus = 1; /* possible CPUs */
const volatile __u32 fl_lane = 0; /* number of the interface, in metrics_lanes */
const volatile char fl_version[FL_METRICS_VERSION] = "";

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
	__uint(max_entries, FL_METRICS_LANES_MAX);
	__type(key, __u32);
	__type(value, struct fl_metrics_lane);
} metrics_lanes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FL_METRICS_LANES_MAX);
	__type(key, __u32);
	__type(value, struct fl_metrics_counts);
} metrics_lane_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_SYSCTL_KEYS_MAX);
	__type(key, __u32); /* slot */
	__type(value, struct fl_metrics_drift);
} metrics_drift SEC(".maps");

/* Something to walk over, in order; the values are not used. Not pinned: the iterator holds it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_METRICS_N_NODE_FAMILIES +
				    FL_METRICS_N_KEY_FAMILIES * FL_METRICS_KEY_ROWS +
				    FL_METRICS_N_PEER_FAMILIES * FL_METRICS_ROWS);
	__type(key, __u32);
	__type(value, __u8);
} metrics_rows SEC(".maps");

/* ---- counting ---- */

static __always_inline struct fl_metrics_counts *counts_of(__u32 slot)
{
	__u32 zero = 0;

	return fl_counts(slot) ?: bpf_map_lookup_elem(&metrics_other, &zero);
}

static __always_inline void add(struct fl_metrics_counts *c, const struct fl_wire *w, bool received)
{
	if (!c) /* never; the verifier wants to see it */
		return;
	if (received) {
		c->rx_packets += w->packets;
		c->rx_bytes += w->bytes;
	} else {
		c->tx_packets += w->packets;
		c->tx_bytes += w->bytes;
	}
}

/*
 * BH is off and each CPU has its own copy, so plain additions are exact. The verdict is always
 * "not mine": whatever filters follow, decide.
 */
static __always_inline int count(struct __sk_buff *skb, bool received)
{
	__u32 slot = FL_METRICS_UNMATCHED, lane = fl_lane;
	struct fl_packet p = { 0 };
	struct fl_wire w;

	if (fl_packet_parse(skb, fl_link_len, received, &p)) {
		slot = fl_search(p.family, p.addr);
		w = fl_packet_wire(skb, fl_link_len, &p);
	} else {
		w = fl_packet_wire(skb, fl_link_len, NULL);
	}
	add(counts_of(slot), &w, received);
	add(bpf_map_lookup_elem(&metrics_lane_counts, &lane), &w, received);
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

/* ---- the table ---- */

struct value {
	__u32 number;
	char labels[FL_METRICS_VALUE];
};

struct family {
	char name[64];
	char type[16];
	char unit[16];
	char help[FL_METRICS_HELP];
	__u32 name_len;
	__u32 collector;
	__u32 source;
	__u32 field;
	__u32 n_values;
	struct value values[FL_METRICS_VALUES];
};

#define FL_OF_NODE(f)		offsetof(struct fl_metrics_node, f)
#define FL_OF_COUNTS(f)		offsetof(struct fl_metrics_counts, f)
#define FL_OF_SESSION(f)	offsetof(struct fl_metrics_session, f)
#define FL_OF_WRITES(f)		offsetof(struct fl_sysctl_counts, f)
#define ONE(id, number, text)	+1
#define VALUE(id, number, text) { number, text },
#define FAMILY(name, type, unit, by, source, field, list, help)                                    \
	{ name,	      type,   unit,  help,	  sizeof(name) - 1,                                \
	  FL_BY_##by, source, field, 0 list(ONE), { list(VALUE) } },

static const struct family families[] = { FL_METRICS_FAMILIES(FAMILY) };

#define COLLECTOR(id, name) name,
static const char collectors[][16] = { FL_COLLECTORS(COLLECTOR) };

/* Bounds of FL_SECONDS: 2^i microseconds. */
static const char seconds[FL_METRICS_BUCKETS - 1][16] = {
	"0.000001", "0.000002", "0.000004", "0.000008", "0.000016", "0.000032", "0.000064",
	"0.000128", "0.000256", "0.000512", "0.001024", "0.002048", "0.004096", "0.008192",
	"0.016384", "0.032768", "0.065536", "0.131072", "0.262144", "0.524288", "1.048576",
};

/* ---- text ---- */

#define put(seq, text) bpf_seq_write(seq, text, sizeof(text) - 1)

struct text {
	char s[32];
};

static const __u64 powers[20] = {
	0ULL,
	10ULL,
	100ULL,
	1000ULL,
	10000ULL,
	100000ULL,
	1000000ULL,
	10000000ULL,
	100000000ULL,
	1000000000ULL,
	10000000000ULL,
	100000000000ULL,
	1000000000000ULL,
	10000000000000ULL,
	100000000000000ULL,
	1000000000000000ULL,
	10000000000000000ULL,
	100000000000000000ULL,
	1000000000000000000ULL,
	10000000000000000000ULL,
};

/*
 * Decimal, and a newline; returns the length, 0 for no text. Division by ten is a multiplication
 * (exact below 2^32), because a division takes the processor longer than all the rest. Not static,
 * so that it is verified once and not at each of its callers.
 */
__noinline int fl_decimal(struct text *t, __u64 v)
{
	__u32 n = 1, at;

	if (!t)
		return 0;
	while (n < 20 && v >= powers[n])
		n++;
	at = n;
	t->s[at & 31] = '\n';
	for (int part = 0; part < 3; part++) {
		bool last = v <= 999999999;
		__u64 high = last ? 0 : v / 1000000000;
		__u32 low = v - high * 1000000000;

		for (int j = 0; j < 9 && at; j++) {
			__u32 q = low * 0xcccccccdULL >> 35;

			at--;
			t->s[at & 31] = '0' + (low - q * 10);
			low = q;
		}
		if (last)
			break;
		v = high;
	}
	return n + 1;
}

static __always_inline void put_number(struct seq_file *seq, __u64 v)
{
	struct text t = { 0 };

	bpf_seq_write(seq, t.s, fl_decimal(&t, v) & 31);
}

/* A text whose length is data; the verifier wants to see that it is not longer than its room. */
#define put_len(seq, text, len)                                                                    \
	do {                                                                                       \
		__u32 n_ = (len);                                                                  \
                                                                                                   \
		if (n_ <= sizeof(text))                                                            \
			bpf_seq_write(seq, text, n_);                                              \
	} while (0)

#define put_name(seq, f) put_len(seq, (f)->name, (f)->name_len)

/* ---- sums ---- */

static __always_inline __u64 pick(const struct fl_metrics_counts *c, __u32 field)
{
	switch (field) {
	case offsetof(struct fl_metrics_counts, rx_packets):
		return c->rx_packets;
	case offsetof(struct fl_metrics_counts, rx_bytes):
		return c->rx_bytes;
	case offsetof(struct fl_metrics_counts, tx_packets):
		return c->tx_packets;
	case offsetof(struct fl_metrics_counts, tx_bytes):
		return c->tx_bytes;
	case offsetof(struct fl_metrics_counts, rtt_us):
		return c->rtt_us;
	default:
		return c->rtt_us_count;
	}
}

struct sum {
	void *counts; /* a map with the counts of every CPU, */
	__u32 index;  /* in it */
	__u32 field;
	__u64 value;
};

static long add_counts(__u32 cpu, struct sum *s)
{
	struct fl_metrics_counts *c = bpf_map_lookup_percpu_elem(s->counts, &s->index, cpu);

	if (!c)
		return 1;
	s->value += pick(c, s->field);
	return 0;
}

static long add_counter(__u32 cpu, struct sum *s)
{
	__u64 *c = bpf_map_lookup_percpu_elem(&metrics_counters, &s->index, cpu);

	if (!c)
		return 1;
	s->value += *c;
	return 0;
}

static long add_bucket(__u32 cpu, struct sum *s)
{
	struct fl_metrics_histogram *h =
		bpf_map_lookup_percpu_elem(&metrics_histograms, &s->index, cpu);

	if (!h)
		return 1;
	if (s->field < FL_METRICS_BUCKETS)
		s->value += h->bucket[s->field];
	else
		s->value += h->sum;
	return 0;
}

static __always_inline __u64 sum_counts(void *counts, __u32 index, __u32 field)
{
	struct sum s = { .counts = counts, .index = index, .field = field };

	bpf_loop(fl_cpus, add_counts, &s, 0);
	return s.value;
}

/* ---- families of the node ---- */

struct row {
	struct seq_file *seq;
	const struct family *family;
	const struct fl_metrics_node *node;
	void *counts; /* of the peers of this row */
	__u64 now;    /* bpf_ktime_get_boot_ns() */
	__u32 first;  /* slot of a peer or a key */
};

struct histogram {
	struct row *row;
	const struct value *value;
	__u64 count; /* of the buckets so far: they are printed as sums */
	__u32 last;  /* bucket */
};

/* bpf_seq_printf() wants no letter behind %s, and prints nothing if there is one. */
static long show_bucket(__u32 i, struct histogram *h)
{
	struct sum s = { .index = h->value->number, .field = i };
	const struct family *f = h->row->family;
	const char *labels = h->value->labels, *le = *labels ? ",le" : "le";
	struct seq_file *seq = h->row->seq;

	bpf_loop(fl_cpus, add_bucket, &s, 0);
	h->count += s.value;
	if (i >= h->last)
		BPF_SEQ_PRINTF(seq, "%s_bucket{%s%s=\"+Inf\"} ", f->name, labels, le);
	else if (f->source == FL_SIZES)
		BPF_SEQ_PRINTF(seq, "%s_bucket{%s%s=\"%u\"} ", f->name, labels, le, 1U << i);
	else if (i < FL_METRICS_BUCKETS - 1)
		BPF_SEQ_PRINTF(seq, "%s_bucket{%s%s=\"%s\"} ", f->name, labels, le, seconds[i]);
	put_number(seq, h->count);
	return 0;
}

/* name_suffix{labels}, and a space. */
#define put_suffix(seq, f, suffix, v)                                                              \
	do {                                                                                       \
		if ((v)->labels[0])                                                                \
			BPF_SEQ_PRINTF(seq, "%s" suffix "{%s} ", (f)->name, (v)->labels);          \
		else                                                                               \
			BPF_SEQ_PRINTF(seq, "%s" suffix " ", (f)->name);                           \
	} while (0)

static __always_inline void show_histogram(struct row *row, const struct value *v)
{
	struct sum s = { .index = v->number, .field = FL_METRICS_BUCKETS };
	bool sizes = row->family->source == FL_SIZES;
	struct histogram h = {
		.row = row,
		.value = v,
		.last = (sizes ? FL_METRICS_SIZES : FL_METRICS_BUCKETS) - 1,
	};

	bpf_loop(h.last + 1, show_bucket, &h, 0);
	put_suffix(row->seq, row->family, "_sum", v);
	bpf_loop(fl_cpus, add_bucket, &s, 0);
	if (sizes)
		put_number(row->seq, s.value);
	else
		BPF_SEQ_PRINTF(row->seq, "%llu.%09llu\n", s.value / 1000000000,
			       s.value % 1000000000);
	/* That of the last bucket, whatever was counted meanwhile. */
	put_suffix(row->seq, row->family, "_count", v);
	put_number(row->seq, h.count);
}

static long show_value(__u32 i, struct row *row)
{
	const struct family *f = row->family;
	const struct value *v;
	struct sum s = { 0 };
	__u64 *gauge;

	if (i >= FL_METRICS_VALUES)
		return 1;
	v = &f->values[i];
	switch (f->source) {
	case FL_COUNTER:
		s.index = v->number;
		bpf_loop(fl_cpus, add_counter, &s, 0);
		put_suffix(row->seq, f, "", v);
		put_number(row->seq, s.value);
		break;
	case FL_GAUGE:
		s.index = v->number;
		gauge = bpf_map_lookup_elem(&metrics_gauges, &s.index);
		if (!gauge || *gauge == FL_METRICS_NO_VALUE)
			break;
		put_suffix(row->seq, f, "", v);
		put_number(row->seq, *gauge);
		break;
	default:
		show_histogram(row, v);
		break;
	}
	return 0;
}

/* ---- lanes ---- */

/* All network namespaces, a list under RCU; its type is not in BTF. Not there in a kernel without
 * CONFIG_KALLSYMS_ALL. */
extern const void net_namespace_list __ksym __weak;

/* container_of() for the kernel's types: the offset is that of the kernel that runs. */
#define outer(ptr, type, member) ((type *)((void *)(ptr)-bpf_core_field_offset(type, member)))

struct find {
	const struct fl_metrics_lane *lane;
	struct list_head *at;
	struct net_device *dev;
};

static long find_net(__u32 i, struct find *find)
{
	struct list_head *at = find->at;
	struct net *net = outer(at, struct net, list);

	if (!at || at == (void *)&net_namespace_list)
		return 1;
	if (BPF_CORE_READ(net, ns.inum) == find->lane->netns)
		return 1;
	find->at = BPF_CORE_READ(at, next);
	return 0;
}

static long find_dev(__u32 i, struct find *find)
{
	struct hlist_node *at = (void *)find->at;
	struct net_device *dev;

	if (!at)
		return 1;
	dev = outer(at, struct net_device, index_hlist);
	if ((__u32)BPF_CORE_READ(dev, ifindex) == find->lane->ifindex) {
		find->dev = dev;
		return 1;
	}
	find->at = (void *)BPF_CORE_READ(at, next);
	return 0;
}

/* The lane's namespace: in most cases the reader's own, which is found at once. */
static __always_inline struct net *lane_net(struct find *find)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);

	if (net && BPF_CORE_READ(net, ns.inum) == find->lane->netns)
		return net;
	if (!&net_namespace_list)
		return NULL;
	find->at = BPF_CORE_READ((struct list_head *)&net_namespace_list, next);
	bpf_loop(1 << 16, find_net, find, 0);
	if (!find->at || find->at == (void *)&net_namespace_list)
		return NULL;
	return outer(find->at, struct net, list);
}

/*
 * The device of a lane, or NULL: by the inode number of its namespace and its index there, as
 * dev_get_by_index() finds it. Iterators run on the RCU read side, which both lists are made for;
 * and all reads are probes, which give zeroes where there is nothing.
 */
static __always_inline struct net_device *lane_device(const struct fl_metrics_lane *lane)
{
	struct find find = { .lane = lane };
	struct net *net = lane_net(&find);
	struct hlist_head *heads;

	if (!net)
		return NULL;
	heads = BPF_CORE_READ(net, dev_index_head);
	/* NETDEV_HASHBITS of include/net/net_namespace.h: 256 heads of one pointer each. */
	if (bpf_probe_read_kernel(&find.at, sizeof(find.at),
				  (void *)heads + (lane->ifindex & 255) * sizeof(void *)))
		return NULL;
	bpf_loop(1 << 16, find_dev, &find, 0);
	return find.dev;
}

/*
 * What drivers/net/wireguard counts in its device. tx_errors: no peer, no endpoint, not IP, no
 * memory, no route. tx_dropped: a full queue while there is no session. rx_frame_errors: not IP,
 * or a source that is not the peer's. rx_length_errors: a length that is not the packet's.
 */
static __always_inline void show_drops(struct row *row, const struct fl_metrics_lane *lane)
{
	struct net_device *dev = lane_device(lane);
	const char *name = row->family->name;

	if (!dev)
		return;
	BPF_SEQ_PRINTF(row->seq,
		       "%s{lane=\"%s\",reason=\"transmit\"} %lu\n"
		       "%s{lane=\"%s\",reason=\"transmit_queue\"} %lu\n",
		       name, lane->ifname, BPF_CORE_READ(dev, stats.tx_errors), name, lane->ifname,
		       BPF_CORE_READ(dev, stats.tx_dropped));
	BPF_SEQ_PRINTF(row->seq,
		       "%s{lane=\"%s\",reason=\"receive_source\"} %lu\n"
		       "%s{lane=\"%s\",reason=\"receive_length\"} %lu\n",
		       name, lane->ifname, BPF_CORE_READ(dev, stats.rx_frame_errors), name,
		       lane->ifname, BPF_CORE_READ(dev, stats.rx_length_errors));
}

static long show_lane(__u32 i, struct row *row)
{
	const struct fl_metrics_lane *lane = bpf_map_lookup_elem(&metrics_lanes, &i);
	const struct family *f = row->family;

	if (!lane || lane->kind != FL_LANE_WG)
		return 0;
	if (f->source == FL_LANE_DROPS) {
		show_drops(row, lane);
		return 0;
	}
	BPF_SEQ_PRINTF(row->seq, "%s{lane=\"%s\"} ", f->name, lane->ifname);
	put_number(row->seq, sum_counts(&metrics_lane_counts, i, f->field));
	return 0;
}

/* ---- families of the peers ---- */

/* A number with three or six digits behind the point, and a newline. */
#define put_thousandths(seq, whole, part) BPF_SEQ_PRINTF(seq, "%llu.%03u\n", whole, (__u32)(part))

static __always_inline void show_info(struct row *row, const struct fl_metrics_peer *peer)
{
	put_name(row->seq, row->family);
	/* Without the brace and the space at its end. */
	put_len(row->seq, peer->labels, peer->labels_len - 2);
	put(row->seq, ",");
	put_len(row->seq, peer->info, peer->info_len);
	put(row->seq, "} 1\n");
}

static __always_inline void show_summary(struct row *row, const struct fl_metrics_peer *peer,
					 __u32 index)
{
	const __u32 of_count = offsetof(struct fl_metrics_counts, rtt_us_count);
	__u64 sum = sum_counts(row->counts, index, row->family->field) -
		    pick(&peer->base, row->family->field);

	put_name(row->seq, row->family);
	put(row->seq, "_count");
	put_len(row->seq, peer->labels, peer->labels_len);
	put_number(row->seq,
		   sum_counts(row->counts, index, of_count) - pick(&peer->base, of_count));
	put_name(row->seq, row->family);
	put(row->seq, "_sum");
	put_len(row->seq, peer->labels, peer->labels_len);
	if (!sum)
		put(row->seq, "0\n");
	else
		BPF_SEQ_PRINTF(row->seq, "%llu.%06llu\n", sum / 1000000, sum % 1000000);
}

#define SECOND 1000000000ULL

/*
 * REJECT_AFTER_TIME and REKEY_ATTEMPT_TIME of drivers/net/wireguard/messages.h: so long a session
 * lasts, and so long WireGuard repeats its initiation before it gives up.
 */
static __always_inline __u32 state_of(const struct fl_metrics_session *s, __u64 now)
{
	if (s->handshake_boot && now - s->handshake_boot < 180 * SECOND)
		return 2;
	if (s->initiated_boot && now - s->initiated_boot < 90 * SECOND)
		return 1;
	return 0;
}

static __always_inline void show_session(struct row *row, const struct fl_metrics_peer *peer)
{
	const struct fl_metrics_session *s = bpf_map_lookup_elem(&metrics_sessions, &peer->key);

	if (!s)
		return;
	put_name(row->seq, row->family);
	put_len(row->seq, peer->labels, peer->labels_len);
	switch (row->family->source) {
	case FL_PEER_STATE:
		put_number(row->seq, state_of(s, row->now));
		break;
	case FL_PEER_SESSION:
		put_number(row->seq, s->handshakes);
		break;
	default:
		put_number(row->seq, s->handshake_sec);
		break;
	}
}

static long show_peer(__u32 i, struct row *row)
{
	const struct family *f = row->family;
	__u32 slot = row->first + i, index = slot % FL_METRICS_CHUNK;
	struct fl_metrics_peer *peer = bpf_map_lookup_elem(&metrics_peers, &slot);

	if (!peer)
		return 0;
	switch (f->source) {
	case FL_PEER_INFO:
		show_info(row, peer);
		break;
	case FL_PEER_START:
		put_name(row->seq, f);
		put_len(row->seq, peer->labels, peer->labels_len);
		put_thousandths(row->seq, peer->start_ms / 1000, peer->start_ms % 1000);
		break;
	case FL_PEER_COUNT:
		put_name(row->seq, f);
		put_len(row->seq, peer->labels, peer->labels_len);
		put_number(row->seq,
			   sum_counts(row->counts, index, f->field) - pick(&peer->base, f->field));
		break;
	case FL_PEER_SECONDS:
		show_summary(row, peer, index);
		break;
	default:
		show_session(row, peer);
		break;
	}
	return 0;
}

/* ---- kernel parameters ---- */

static __always_inline void show_sysctl(struct row *row)
{
	struct fl_sysctl_conf *conf;
	__u32 zero = 0;

	conf = bpf_map_lookup_elem(&sysctl_conf, &zero);
	if (!conf)
		return;
	switch (row->family->source) {
	case FL_SYSCTL_NUMBER:
		BPF_SEQ_PRINTF(row->seq, "%s %u\n", row->family->name, conf->keys);
		break;
	case FL_SYSCTL_ENFORCED:
		BPF_SEQ_PRINTF(row->seq, "%s %u\n", row->family->name, conf->enforce);
		break;
	default:
		BPF_SEQ_PRINTF(row->seq, "%s %llu.%03llu\n", row->family->name,
			       conf->since_ms / 1000, conf->since_ms % 1000);
		break;
	}
}

static __always_inline void show_drift(struct row *row, __u32 slot)
{
	struct fl_metrics_drift *d = bpf_map_lookup_elem(&metrics_drift, &slot);

	if (d && d->used)
		BPF_SEQ_PRINTF(row->seq, "%s{key=\"%s\"} %u\n", row->family->name, d->key,
			       d->drifted);
}

/* A key has no character that must be escaped: the tool sees to that. */
static long show_key(__u32 i, struct row *row)
{
	const char *name = row->family->name;
	struct fl_sysctl_counts *c;
	struct fl_sysctl_slot *key;
	__u32 slot = row->first + i;

	if (row->family->source == FL_KEY_DRIFT) {
		show_drift(row, slot);
		return 0;
	}
	key = bpf_map_lookup_elem(&sysctl_slots, &slot);
	c = bpf_map_lookup_elem(&sysctl_counts, &slot);
	if (!key || !c || !key->used)
		return 0;
	if (row->family->source == FL_KEY_CHANGES) {
		BPF_SEQ_PRINTF(row->seq, "%s{key=\"%s\",by=\"fairlead\"} %llu\n", name, key->name,
			       c->changed[FL_SYSCTL_BY_FAIRLEAD]);
		BPF_SEQ_PRINTF(row->seq, "%s{key=\"%s\",by=\"owner\"} %llu\n", name, key->name,
			       c->changed[FL_SYSCTL_BY_OWNER]);
		BPF_SEQ_PRINTF(row->seq, "%s{key=\"%s\",by=\"other\"} %llu\n", name, key->name,
			       c->changed[FL_SYSCTL_BY_OTHER]);
		return 0;
	}
	BPF_SEQ_PRINTF(row->seq, "%s{key=\"%s\"} %llu\n", name, key->name,
		       row->family->field == FL_OF_WRITES(same) ? c->same : c->refused);
	return 0;
}

/* ---- the file ---- */

static __always_inline void show_head(struct seq_file *seq, const struct family *f)
{
	BPF_SEQ_PRINTF(seq, "# TYPE %s %s\n", f->name, f->type);
	if (f->unit[0])
		BPF_SEQ_PRINTF(seq, "# UNIT %s %s\n", f->name, f->unit);
	BPF_SEQ_PRINTF(seq, "# HELP %s %s\n", f->name, f->help);
}

static __always_inline bool attached(const struct fl_metrics_node *node, __u32 collector)
{
	return collector < FL_METRICS_COLLECTORS_MAX && node->epoch[collector];
}

/* What the file says of itself is there whoever else counts. */
static __always_inline bool shown(const struct fl_metrics_node *node, const struct family *f)
{
	return f->source <= FL_COLLECTOR || attached(node, f->collector);
}

static __always_inline void show_collectors(struct row *row)
{
	for (__u32 i = 0; i < FL_N_COLLECTORS; i++)
		BPF_SEQ_PRINTF(row->seq, "%s{collector=\"%s\"} %u\n", row->family->name,
			       collectors[i], attached(row->node, i));
}

static __always_inline void show_of_node(struct row *row)
{
	const struct family *f = row->family;
	struct seq_file *seq = row->seq;
	__u32 zero = 0;

	switch (f->source) {
	case FL_BUILD:
		BPF_SEQ_PRINTF(seq, "%s{version=\"%s\"} 1\n", f->name, fl_version);
		break;
	case FL_NODE_START:
		BPF_SEQ_PRINTF(seq, "%s ", f->name);
		put_thousandths(seq, row->node->start_ms / 1000, row->node->start_ms % 1000);
		break;
	case FL_COLLECTOR:
		show_collectors(row);
		break;
	case FL_NODE:
		BPF_SEQ_PRINTF(seq, "%s %u\n", f->name, row->node->peers);
		break;
	case FL_UNMATCHED:
		BPF_SEQ_PRINTF(seq, "%s ", f->name);
		put_number(seq, sum_counts(&metrics_other, zero, f->field));
		break;
	case FL_LANE:
	case FL_LANE_DROPS:
		bpf_loop(FL_METRICS_LANES_MAX, show_lane, row, 0);
		break;
	case FL_SYSCTL_NUMBER:
	case FL_SYSCTL_ENFORCED:
	case FL_SYSCTL_START:
		show_sysctl(row);
		break;
	default:
		bpf_loop(f->n_values, show_value, row, 0);
		break;
	}
}

static __always_inline void show_of_peers(struct row *row)
{
	__u32 chunk = row->first / FL_METRICS_CHUNK, n = row->node->slots;

	if (row->first >= n)
		return;
	n -= row->first;
	row->counts = bpf_map_lookup_elem(&metrics_counts, &chunk);
	if (!row->counts)
		return;
	row->now = bpf_ktime_get_boot_ns();
	bpf_loop(n < FL_METRICS_ROW_PEERS ? n : FL_METRICS_ROW_PEERS, show_peer, row, 0);
}

SEC("iter/bpf_map_elem")
int fl_metrics_show(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key, index;
	struct row row = { .seq = ctx->meta->seq };

	if (!key) {
		put(row.seq, "# EOF\n");
		return 0;
	}
	index = *key;
	if (index >= FL_METRICS_N_NODE_FAMILIES + FL_METRICS_N_KEY_FAMILIES * FL_METRICS_KEY_ROWS) {
		index -= FL_METRICS_N_NODE_FAMILIES +
			 FL_METRICS_N_KEY_FAMILIES * FL_METRICS_KEY_ROWS;
		row.first = index % FL_METRICS_ROWS * FL_METRICS_ROW_PEERS;
		index = FL_METRICS_N_NODE_FAMILIES + FL_METRICS_N_KEY_FAMILIES +
			index / FL_METRICS_ROWS;
	} else if (index >= FL_METRICS_N_NODE_FAMILIES) {
		index -= FL_METRICS_N_NODE_FAMILIES;
		row.first = index % FL_METRICS_KEY_ROWS * FL_METRICS_ROW_KEYS;
		index = FL_METRICS_N_NODE_FAMILIES + index / FL_METRICS_KEY_ROWS;
	}
	row.node = fl_node();
	if (!row.node || index >= FL_METRICS_N_FAMILIES)
		return 0;
	row.family = &families[index];
	if (!shown(row.node, row.family))
		return 0;
	if (!row.first)
		show_head(row.seq, row.family);
	if (FL_METRICS_IS_PEER(row.family->source))
		show_of_peers(&row);
	else if (FL_METRICS_IS_KEY(row.family->source))
		bpf_loop(FL_METRICS_ROW_KEYS, show_key, &row, 0);
	else
		show_of_node(&row);
	return 0;
}
