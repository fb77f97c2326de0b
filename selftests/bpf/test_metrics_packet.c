// SPDX-License-Identifier: GPL-2.0
/* The metrics programs packet by packet, with BPF_PROG_TEST_RUN on the running kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "metrics_env.h"
#include "metrics_frame.h"
#include "../../tools/metrics/maps.h"
#include "bpf/metrics.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/ethernet.h>
#include <netinet/in.h>

static struct metrics_bpf *skel;
static struct fl_metrics_maps maps;
static int cpus;

static int load(void **state)
{
	(void)state;
	env_enter();
	cpus = libbpf_num_possible_cpus();
	skel = metrics_bpf__open();
	if (!skel)
		return -1;
	skel->rodata->fl_link_len = ETH_HLEN;
	skel->rodata->fl_cpus = cpus;
	if (metrics_bpf__load(skel))
		return -1;
	maps = env_maps(skel->obj);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	metrics_bpf__destroy(skel);
	return 0;
}

/* Three peers: slots 0, 1, 2 are node-1, node-2, node-3. node-3 has, besides, everything that
 * nobody else has in 100.0.0.0/8 and fd00:244::/32. */
static int fill(void **state)
{
	struct fl_mesh *none = env_mesh(0), *mesh = env_mesh(3);
	struct fl_metrics_counts nothing[cpus];
	struct fl_node *n = &mesh->nodes[3];
	uint32_t zero = 0;
	int ret;

	(void)state;
	memset(nothing, 0, sizeof(nothing));
	n->pod_cidrs[0] = env_v4(0x64000000, 8);
	n->pod_cidrs[1] = env_v6(0x0244, 0, 32);
	/* Counters start from zero in every test. */
	for (uint32_t chunk = 0; chunk < FL_METRICS_CHUNKS; chunk++)
		bpf_map_delete_elem(maps.fd[FL_MAP_COUNTS], &chunk);
	bpf_map_update_elem(maps.fd[FL_MAP_OTHER], &zero, nothing, BPF_ANY);
	ret = fl_metrics_fill(&maps, none, &none->nodes[0]) ?:
		      fl_metrics_fill(&maps, mesh, &mesh->nodes[0]);
	env_mesh_free(none);
	env_mesh_free(mesh);
	return ret;
}

static struct fl_metrics_counts counts(uint32_t slot)
{
	struct fl_metrics_counts all[cpus], sum = { 0 };
	uint32_t index;
	int fd = env_counts(&maps, slot, &index);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &index, all), 0);
	close(fd);
	for (int i = 0; i < cpus; i++) {
		sum.rx_packets += all[i].rx_packets;
		sum.rx_bytes += all[i].rx_bytes;
		sum.tx_packets += all[i].tx_packets;
		sum.tx_bytes += all[i].tx_bytes;
	}
	return sum;
}

static void assert_counts_at(uint32_t slot, uint64_t rx_packets, uint64_t rx_bytes,
			     uint64_t tx_packets, uint64_t tx_bytes, int line)
{
	struct fl_metrics_counts c = counts(slot);

	if (c.rx_packets != rx_packets || c.rx_bytes != rx_bytes || c.tx_packets != tx_packets ||
	    c.tx_bytes != tx_bytes)
		fail_msg("line %d: slot %d: rx %llu/%llu tx %llu/%llu", line, (int)slot,
			 (unsigned long long)c.rx_packets, (unsigned long long)c.rx_bytes,
			 (unsigned long long)c.tx_packets, (unsigned long long)c.tx_bytes);
}

#define assert_counts(slot, ...) assert_counts_at(slot, __VA_ARGS__, __LINE__)
#define UNMATCHED		 FL_METRICS_UNMATCHED

/* Run it; the verdict must always be "go on", and the packet unchanged. */
static void run_ctx(struct bpf_program *prog, const struct packet *p, struct __sk_buff *ctx)
{
	uint8_t out[sizeof(p->data)];
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = p->len,
			    .data_out = out, .data_size_out = sizeof(out), .ctx_in = ctx,
			    .ctx_size_in = ctx ? sizeof(*ctx) : 0);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
	assert_int_equal(opts.data_size_out, p->len);
	assert_memory_equal(out, p->data, p->len);
}

static void rx(struct packet p)
{
	run_ctx(skel->progs.fl_metrics_rx, &p, NULL);
}

static void tx(struct packet p)
{
	run_ctx(skel->progs.fl_metrics_tx, &p, NULL);
}

static void tx_gso(struct packet p, uint32_t gso_size, uint32_t gso_segs)
{
	struct __sk_buff ctx = { .gso_size = gso_size, .gso_segs = gso_segs };

	run_ctx(skel->progs.fl_metrics_tx, &p, &ctx);
}

/* ---- the peer ---- */

static void test_v4_by_address(void **state)
{
	(void)state;
	rx(v4("10.200.0.1", "10.200.0.0", IPPROTO_UDP, 100, 5));
	tx(v4("10.200.0.0", "10.200.0.2", IPPROTO_UDP, 300, 5));
	assert_counts(0, 1, 100, 0, 0);
	assert_counts(1, 0, 0, 1, 300);
	assert_counts(2, 0, 0, 0, 0);
	assert_counts(UNMATCHED, 0, 0, 0, 0);
}

static void test_v6_by_address(void **state)
{
	(void)state;
	rx(v6("fd00:200::1", "fd00:200::", IPPROTO_UDP, 1280));
	tx(v6("fd00:200::", "fd00:200::2", IPPROTO_UDP, 48));
	assert_counts(0, 1, 1280, 0, 0);
	assert_counts(1, 0, 0, 1, 48);
	assert_counts(UNMATCHED, 0, 0, 0, 0);
}

/* WireGuard's rule: source on the way in, destination on the way out, the other end is nothing. */
static void test_the_other_end_is_nothing(void **state)
{
	(void)state;
	rx(v4("192.0.2.1", "10.200.0.1", IPPROTO_UDP, 60, 5));
	tx(v6("fd00:200::1", "2001:db8::1", IPPROTO_UDP, 60));
	assert_counts(0, 0, 0, 0, 0);
	assert_counts(UNMATCHED, 1, 60, 1, 60);
}

static void test_longest_prefix_wins(void **state)
{
	(void)state;
	tx(v4("10.0.0.1", "100.0.1.77", IPPROTO_UDP, 60, 5)); /* node-1's /24 in node-3's /8 */
	tx(v4("10.0.0.1", "100.0.2.77", IPPROTO_UDP, 60, 5));
	tx(v4("10.0.0.1", "100.0.3.77", IPPROTO_UDP, 60, 5)); /* nobody's but node-3's */
	tx(v4("10.0.0.1", "101.0.1.77", IPPROTO_UDP, 60, 5));
	tx(v6("::1", "fd00:244::177", IPPROTO_UDP, 60));
	tx(v6("::1", "fd00:244::377", IPPROTO_UDP, 60));
	tx(v6("::1", "fd00:245::177", IPPROTO_UDP, 60));
	assert_counts(0, 0, 0, 2, 120);
	assert_counts(1, 0, 0, 1, 60);
	assert_counts(2, 0, 0, 2, 120);
	assert_counts(UNMATCHED, 0, 0, 2, 120);
}

static void test_families_are_apart(void **state)
{
	struct fl_mesh *mesh = env_mesh(2);
	struct fl_prefix *a = mesh->nodes[1].pod_cidrs, *b = mesh->nodes[2].pod_cidrs;

	(void)state;
	a[0] = env_v4(0, 0);
	a[1] = env_v4(0x01020300, 24);
	b[0] = (struct fl_prefix){ .family = AF_INET6, .len = 0 };
	b[1] = env_v6(1, 0, 32);
	assert_int_equal(fl_metrics_fill(&maps, mesh, &mesh->nodes[0]), FL_OK);
	env_mesh_free(mesh);
	tx(v4("10.0.0.1", "203.0.113.9", IPPROTO_UDP, 60, 5));
	tx(v6("::1", "2001:db8::9", IPPROTO_UDP, 80));
	tx(v6("::1", "::ffff:203.0.113.9", IPPROTO_UDP, 80));
	tx(v6("::1", "0102:0300::", IPPROTO_UDP, 80)); /* the bytes of 1.2.3.0 */
	assert_counts(0, 0, 0, 1, 60);
	assert_counts(1, 0, 0, 3, 240);
}

/* ---- what is no packet of a peer ---- */

static void test_not_ip(void **state)
{
	struct packet arp = eth(ETHERTYPE_ARP);

	(void)state;
	arp.len += 28;
	rx(arp);
	tx(arp);
	assert_counts(UNMATCHED, 1, 28, 1, 28);
}

static void test_truncated(void **state)
{
	struct packet p = v4("10.200.0.1", "10.200.0.1", IPPROTO_UDP, 100, 5);
	struct packet q = v6("fd00:200::1", "fd00:200::1", IPPROTO_UDP, 100);
	uint64_t bytes = 0, n = 0;

	(void)state;
	/* Newer kernels refuse some or all of these themselves; the attach test sends them by a
	 * tun device, where nobody does. */
	for (uint32_t len = 1; len < 40; len++) {
		DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = q.data,
				    .data_size_in = ETH_HLEN + len);

		if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.fl_metrics_rx), &opts))
			continue;
		assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
		bytes += len;
		n++;
	}
	for (uint32_t len = 1; len < 20; len++) {
		DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.data,
				    .data_size_in = ETH_HLEN + len);

		if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.fl_metrics_rx), &opts))
			continue;
		assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
		bytes += len;
		n++;
	}
	assert_counts(UNMATCHED, n, bytes, 0, 0);
	p.len = ETH_HLEN + 20;
	rx(p);
	q.len = ETH_HLEN + 40;
	rx(q);
	assert_counts(0, 2, 60, 0, 0);
}

static void test_wrong_version(void **state)
{
	struct packet p = v4("10.200.0.1", "10.200.0.1", IPPROTO_UDP, 100, 5);
	struct packet q = v6("fd00:200::1", "fd00:200::1", IPPROTO_UDP, 100);

	(void)state;
	p.data[ETH_HLEN] = 0x65;
	q.data[ETH_HLEN] = 0x40;
	rx(p);
	rx(q);
	p.data[ETH_HLEN] = 0x44; /* a header of 16 bytes */
	rx(p);
	assert_counts(UNMATCHED, 3, 300, 0, 0);
}

/* ---- one skb of many packets ---- */

static void test_gso_tcp4(void **state)
{
	(void)state;
	/* Headers 20 + 32, payload 1000 in segments of 300: four packets. */
	tx_gso(v4("10.0.0.1", "10.200.0.1", IPPROTO_TCP, 1052, 5), 300, 4);
	assert_counts(0, 0, 0, 4, 1052 + 3 * 52);
}

static void test_gso_tcp4_options(void **state)
{
	(void)state;
	tx_gso(v4("10.0.0.1", "10.200.0.1", IPPROTO_TCP, 1060, 7), 500, 2);
	assert_counts(0, 0, 0, 2, 1060 + 60);
}

static void test_gso_tcp6(void **state)
{
	(void)state;
	tx_gso(v6("::1", "fd00:200::1", IPPROTO_TCP, 1060), 100, 10);
	assert_counts(0, 0, 0, 10, 1060 + 9 * 60);
}

static void test_gso_tcp6_extension(void **state)
{
	struct packet p = v6("::1", "fd00:200::1", IPPROTO_HOPOPTS, 1076);
	uint8_t *h = p.data + ETH_HLEN + 40;

	(void)state;
	h[0] = IPPROTO_DSTOPTS; /* 8 bytes, then 8 of the next */
	h[8] = IPPROTO_TCP;
	h[16 + 12] = 5 << 4;
	tx_gso(p, 500, 2);
	assert_counts(0, 0, 0, 2, 1076 + 76);
}

static void test_gso_udp(void **state)
{
	(void)state;
	tx_gso(v4("10.0.0.1", "10.200.0.1", IPPROTO_UDP, 1028, 5), 400, 3);
	tx_gso(v6("::1", "fd00:200::1", IPPROTO_UDP, 1048), 400, 3);
	assert_counts(0, 0, 0, 6, 1028 + 2 * 28 + 1048 + 2 * 48);
}

static void test_gso_received(void **state)
{
	struct packet p = v4("10.200.0.1", "10.0.0.1", IPPROTO_TCP, 1052, 5);
	struct __sk_buff ctx = { .gso_size = 500, .gso_segs = 2 };

	(void)state;
	run_ctx(skel->progs.fl_metrics_rx, &p, &ctx);
	assert_counts(0, 2, 1052 + 52, 0, 0);
}

/* A tap device may leave it to the kernel to count the segments. */
static void test_gso_uncounted(void **state)
{
	(void)state;
	tx_gso(v4("10.0.0.1", "10.200.0.1", IPPROTO_TCP, 1052, 5), 300, 0);
	tx_gso(v4("10.0.0.1", "10.200.0.2", IPPROTO_TCP, 1052, 5), 1000, 0);
	assert_counts(0, 0, 0, 4, 1052 + 3 * 52);
	assert_counts(1, 0, 0, 1, 1052);
}

static void test_gso_unmatched(void **state)
{
	(void)state;
	tx_gso(v4("10.0.0.1", "192.0.2.1", IPPROTO_TCP, 1052, 5), 300, 4);
	assert_counts(UNMATCHED, 0, 0, 4, 1052 + 3 * 52);
}

static void test_prefix_without_counters(void **state)
{
	uint32_t chunk = 0;

	(void)state;
	assert_int_equal(bpf_map_delete_elem(maps.fd[FL_MAP_COUNTS], &chunk), 0);
	tx(v4("10.0.0.1", "10.200.0.1", IPPROTO_UDP, 60, 5));
	assert_counts(UNMATCHED, 0, 0, 1, 60);
}

/* ---- the price ---- */

/* Figures, see docs/metrics.md; the times only with FAIRLEAD_BENCH=1. */
static void bench(void **state)
{
	static const uint32_t sizes[] = { 3, 10, 100, 1000, 10000 };
	int rx_fd = bpf_program__fd(skel->progs.fl_metrics_rx);
	int tx_fd = bpf_program__fd(skel->progs.fl_metrics_tx);
	struct packet p4 = v4("10.0.0.1", "10.0.0.2", IPPROTO_UDP, 100, 5), g4, p6;
	int base = idle_prog();

	(void)state;
	printf("# verified instructions: rx %u, tx %u, show %u\n",
	       verified(skel->progs.fl_metrics_rx), verified(skel->progs.fl_metrics_tx),
	       verified(skel->progs.fl_metrics_show));
	if (!getenv("FAIRLEAD_BENCH")) {
		close(base);
		return;
	}
	printf("# a program that does nothing: %.0f ns\n", nanoseconds(base, &p4, 0, 0));
	close(base);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct fl_mesh *mesh = env_mesh(sizes[i]);
		char dst[32], dst6[64];

		assert_int_equal(fl_metrics_fill(&maps, mesh, &mesh->nodes[0]), FL_OK);
		env_mesh_free(mesh);
		snprintf(dst, sizeof(dst), "10.200.%u.%u", sizes[i] / 2 >> 8, sizes[i] / 2 & 255);
		snprintf(dst6, sizeof(dst6), "fd00:200::%x", sizes[i] / 2);
		p4 = v4(dst, dst, IPPROTO_UDP, 100, 5);
		g4 = v4(dst, dst, IPPROTO_TCP, 1052, 5);
		p6 = v6(dst6, dst6, IPPROTO_UDP, 100);
		printf("# %5u peers, ns a packet: IPv4 rx %.0f tx %.0f, GSO tx %.0f, IPv6 rx %.0f tx %.0f\n",
		       sizes[i], nanoseconds(rx_fd, &p4, 0, 0), nanoseconds(tx_fd, &p4, 0, 0),
		       nanoseconds(tx_fd, &g4, 300, 4), nanoseconds(rx_fd, &p6, 0, 0),
		       nanoseconds(tx_fd, &p6, 0, 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_v4_by_address, fill),
		cmocka_unit_test_setup(test_v6_by_address, fill),
		cmocka_unit_test_setup(test_the_other_end_is_nothing, fill),
		cmocka_unit_test_setup(test_longest_prefix_wins, fill),
		cmocka_unit_test_setup(test_families_are_apart, fill),
		cmocka_unit_test_setup(test_not_ip, fill),
		cmocka_unit_test_setup(test_truncated, fill),
		cmocka_unit_test_setup(test_wrong_version, fill),
		cmocka_unit_test_setup(test_gso_tcp4, fill),
		cmocka_unit_test_setup(test_gso_tcp4_options, fill),
		cmocka_unit_test_setup(test_gso_tcp6, fill),
		cmocka_unit_test_setup(test_gso_tcp6_extension, fill),
		cmocka_unit_test_setup(test_gso_udp, fill),
		cmocka_unit_test_setup(test_gso_received, fill),
		cmocka_unit_test_setup(test_gso_uncounted, fill),
		cmocka_unit_test_setup(test_gso_unmatched, fill),
		cmocka_unit_test_setup(test_prefix_without_counters, fill),
		cmocka_unit_test_setup(bench, fill),
	};

	return cmocka_run_group_tests_name("metrics, packet by packet", tests, load, unload);
}
