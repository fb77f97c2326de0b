// SPDX-License-Identifier: GPL-2.0
/*
 * The programs besides those of the lanes, on the running kernel: the underlay's packet by packet,
 * with BPF_PROG_TEST_RUN; TCP's with connections over the loopback device of a namespace. Those of
 * WireGuard need WireGuard: selftests/vm/metrics.sh has them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "metrics_env.h"
#include "metrics_frame.h"
#include "../../tools/metrics/collect.h"
#include "../../module/uapi/fairlead.h"
#include "bpf/metrics.skel.h"
#include "bpf/metrics_module.skel.h"
#include "bpf/metrics_tcp.skel.h"
#include "bpf/metrics_underlay.skel.h"
#include "bpf/metrics_wireguard.skel.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PORT  51820
#define NETNS 4026531840U

static struct metrics_bpf *skel;
static struct metrics_underlay_bpf *underlay;
static struct metrics_tcp_bpf *tcp;
static struct metrics_module_bpf *module, *elsewhere; /* in another network namespace */
static struct fl_metrics_maps maps;
static int cpus, link_fd = -1;
static char cgroup[128];

static struct fl_metrics_histogram histogram(uint32_t id)
{
	struct fl_metrics_histogram all[cpus], sum = { 0 };

	assert_int_equal(bpf_map_lookup_elem(maps.fd[FL_MAP_HISTOGRAMS], &id, all), 0);
	for (int i = 0; i < cpus; i++) {
		sum.sum += all[i].sum;
		for (int k = 0; k < FL_METRICS_BUCKETS; k++)
			sum.bucket[k] += all[i].bucket[k];
	}
	return sum;
}

static uint64_t counter(uint32_t id)
{
	uint64_t all[cpus], sum = 0;

	assert_int_equal(bpf_map_lookup_elem(maps.fd[FL_MAP_COUNTERS], &id, all), 0);
	for (int i = 0; i < cpus; i++)
		sum += all[i];
	return sum;
}

/* node-1 is 127.0.0.5 and ::1, besides, so that TCP reaches it. */
static int fill(void **state)
{
	struct fl_mesh *mesh = env_mesh(3);
	struct fl_metrics_histogram none[cpus];
	uint64_t zeroes[cpus];
	int ret;

	(void)state;
	memset(none, 0, sizeof(none));
	memset(zeroes, 0, sizeof(zeroes));
	for (uint32_t i = 0; i < FL_METRICS_HISTOGRAMS_MAX; i++)
		bpf_map_update_elem(maps.fd[FL_MAP_HISTOGRAMS], &i, none, BPF_ANY);
	for (uint32_t i = 0; i < FL_METRICS_COUNTERS_MAX; i++)
		bpf_map_update_elem(maps.fd[FL_MAP_COUNTERS], &i, zeroes, BPF_ANY);
	mesh->listen_port = PORT;
	mesh->nodes[0].lanes = 2;
	mesh->nodes[1].pod_cidrs[0] = env_v4(0x7f000005, 32);
	mesh->nodes[1].pod_cidrs[1] = (struct fl_prefix){ .family = AF_INET6, .len = 128 };
	mesh->nodes[1].pod_cidrs[1].v6.s6_addr[15] = 1;
	ret = fl_metrics_fill(&maps, mesh, &mesh->nodes[0]);
	env_mesh_free(mesh);
	return ret;
}

static int load(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = -1;

	(void)state;
	env_enter();
	cpus = libbpf_num_possible_cpus();
	skel = metrics_bpf__open();
	underlay = metrics_underlay_bpf__open();
	tcp = metrics_tcp_bpf__open();
	module = metrics_module_bpf__open();
	elsewhere = metrics_module_bpf__open();
	if (!skel || !underlay || !tcp || !module || !elsewhere)
		return -1;
	/* There are no skbs and devices for BPF_PROG_TEST_RUN to hand over: NULL is in namespace 0. */
	module->rodata->fl_netns = NETNS;
	elsewhere->rodata->fl_netns = NETNS + 1;
	skel->rodata->fl_cpus = cpus;
	if (metrics_bpf__load(skel))
		return -1;
	maps = env_maps(skel->obj);
	if (fl_collect_share(underlay->obj, &maps) || metrics_underlay_bpf__load(underlay) ||
	    fl_collect_share(tcp->obj, &maps) || metrics_tcp_bpf__load(tcp) ||
	    fl_collect_share(module->obj, &maps) || metrics_module_bpf__load(module) ||
	    fl_collect_share(elsewhere->obj, &maps) || metrics_module_bpf__load(elsewhere))
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		return -1;
	close(fd);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	metrics_module_bpf__destroy(elsewhere);
	metrics_module_bpf__destroy(module);
	metrics_tcp_bpf__destroy(tcp);
	metrics_underlay_bpf__destroy(underlay);
	metrics_bpf__destroy(skel);
	return 0;
}

/* ---- the underlay ---- */

static void run(struct bpf_program *prog, struct packet p, uint32_t gso_size, uint32_t gso_segs)
{
	struct __sk_buff ctx = { .gso_size = gso_size, .gso_segs = gso_segs };
	uint8_t out[sizeof(p.data)];
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.data, .data_size_in = p.len,
			    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
			    .ctx_size_in = sizeof(ctx));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
	assert_int_equal(opts.data_size_out, p.len);
	assert_memory_equal(out, p.data, p.len);
}

static struct packet udp4(const char *dst, uint16_t sport, uint16_t dport)
{
	struct packet p = v4("192.0.2.1", dst, IPPROTO_UDP, 1060, 5);
	uint8_t *h = p.data + ETH_HLEN + 20;

	h[0] = sport >> 8;
	h[1] = sport & 0xff;
	h[2] = dport >> 8;
	h[3] = dport & 0xff;
	return p;
}

static struct packet udp6(const char *dst, uint16_t sport, uint16_t dport)
{
	struct packet p = v6("2001:db8::1", dst, IPPROTO_UDP, 1080);
	uint8_t *h = p.data + ETH_HLEN + 40;

	h[0] = sport >> 8;
	h[1] = sport & 0xff;
	h[2] = dport >> 8;
	h[3] = dport & 0xff;
	return p;
}

static void tx(struct packet p, uint32_t segs)
{
	run(underlay->progs.fl_underlay_tx, p, segs > 1 ? 100 : 0, segs);
}

static void rx(struct packet p, uint32_t segs)
{
	run(underlay->progs.fl_underlay_rx, p, segs > 1 ? 100 : 0, segs);
}

static uint64_t total(const struct fl_metrics_histogram *h)
{
	uint64_t n = 0;

	for (int i = 0; i < FL_METRICS_BUCKETS; i++)
		n += h->bucket[i];
	return n;
}

static void test_burst_sizes(void **state)
{
	static const struct {
		uint32_t segs, bucket;
	} cases[] = { { 0, 0 },	 { 1, 0 },  { 2, 1 },  { 3, 2 },  { 4, 2 },
		      { 5, 3 },	 { 8, 3 },  { 9, 4 },  { 16, 4 }, { 17, 5 },
		      { 32, 5 }, { 33, 6 }, { 64, 6 }, { 65, 7 }, { 1000, 7 } };
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t before = histogram(FL_BURST_TX).bucket[cases[i].bucket];

		tx(udp4("192.0.2.2", PORT, 7), cases[i].segs);
		sum += cases[i].segs ?: 1;
		if (histogram(FL_BURST_TX).bucket[cases[i].bucket] != before + 1)
			fail_msg("%u datagrams are not in bucket %u", cases[i].segs,
				 cases[i].bucket);
	}
	assert_int_equal(histogram(FL_BURST_TX).sum, sum);
	assert_int_equal(histogram(FL_BURST_RX).sum, 0);
}

/* Of all lanes, and of no other port: the source of what leaves, the destination of what comes. */
static void test_ports(void **state)
{
	struct fl_metrics_histogram h;

	(void)state;
	tx(udp4("192.0.2.2", PORT - 1, PORT), 1);
	tx(udp4("192.0.2.2", PORT, 1), 1);
	tx(udp6("2001:db8::2", PORT + 1, 1), 1);
	tx(udp6("2001:db8::2", PORT + 2, PORT), 1);
	h = histogram(FL_BURST_TX);
	assert_int_equal(total(&h), 2);
	rx(udp4("192.0.2.2", PORT, PORT - 1), 1);
	rx(udp4("192.0.2.2", 1, PORT), 3);
	rx(udp6("2001:db8::2", 1, PORT + 1), 1);
	rx(udp6("2001:db8::2", 1, PORT + 2), 1);
	h = histogram(FL_BURST_RX);
	assert_int_equal(total(&h), 2);
	assert_int_equal(h.sum, 4);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 0);
}

static void test_fragments_are_no_bursts(void **state)
{
	struct packet p = udp4("192.0.2.2", PORT, PORT);
	struct fl_metrics_histogram h;

	(void)state;
	p.data[ETH_HLEN + 6] = 0x20; /* more follow */
	tx(p, 1);
	rx(p, 1);
	p.data[ETH_HLEN + 6] = 0;
	p.data[ETH_HLEN + 7] = 9; /* not the first */
	tx(p, 1);
	rx(p, 1);
	p.data[ETH_HLEN + 7] = 0;
	p.data[ETH_HLEN + 6] = 0x40; /* don't fragment */
	tx(p, 1);
	h = histogram(FL_BURST_TX);
	assert_int_equal(total(&h), 1);
	h = histogram(FL_BURST_RX);
	assert_int_equal(total(&h), 0);
}

static void test_cleartext(void **state)
{
	struct packet g = v4("10.0.0.1", "100.0.2.9", IPPROTO_TCP, 1052, 5);

	(void)state;
	tx(v4("10.0.0.1", "10.200.0.2", IPPROTO_ICMP, 84, 5), 1); /* an address */
	tx(v4("10.0.0.1", "100.0.2.9", IPPROTO_TCP, 52, 5), 1);	  /* a pod */
	tx(v6("fd00::1", "fd00:244::277", IPPROTO_TCP, 60), 1);
	tx(udp4("100.0.2.9", 5000, PORT), 1);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 4);
	assert_int_equal(counter(FL_CLEARTEXT_BYTE), 84 + 52 + 60 + 1060);
	run(underlay->progs.fl_underlay_tx, g, 300, 4);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 8);
	assert_int_equal(counter(FL_CLEARTEXT_BYTE), 84 + 52 + 60 + 1060 + 1052 + 3 * 52);
}

/* Not a peer's destination, our own, not IP, too short, and everything that comes in. */
static void test_not_cleartext(void **state)
{
	struct packet arp = eth(ETHERTYPE_ARP), cut = v4("10.0.0.1", "10.200.0.2", 1, 60, 5);

	(void)state;
	arp.len += 28;
	tx(arp, 1);
	cut.data[ETH_HLEN] = 0x65;
	tx(cut, 1);
	tx(v4("10.200.0.2", "192.0.2.2", IPPROTO_TCP, 60, 5), 1);
	tx(v4("10.0.0.1", "10.200.0.0", IPPROTO_TCP, 60, 5), 1);
	tx(v6("fd00::1", "2001:db8::2", IPPROTO_TCP, 60), 1);
	rx(v4("10.0.0.1", "10.200.0.2", IPPROTO_TCP, 60, 5), 1);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 0);
	assert_int_equal(counter(FL_CLEARTEXT_BYTE), 0);
}

/* What was found is remembered, but not beyond a change of the mesh. */
static void test_search_is_not_stale(void **state)
{
	struct fl_mesh *mesh = env_mesh(2);

	(void)state;
	tx(v4("10.0.0.1", "100.0.2.9", IPPROTO_TCP, 52, 5), 1);
	tx(v4("10.0.0.1", "100.0.9.9", IPPROTO_TCP, 52, 5), 1);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 1);
	mesh->nodes[2].pod_cidrs[0] = env_v4(0x64000900, 24);
	assert_int_equal(fl_metrics_fill(&maps, mesh, &mesh->nodes[0]), FL_OK);
	env_mesh_free(mesh);
	tx(v4("10.0.0.1", "100.0.2.9", IPPROTO_TCP, 52, 5), 1);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 1);
	tx(v4("10.0.0.1", "100.0.9.9", IPPROTO_TCP, 52, 5), 1);
	assert_int_equal(counter(FL_CLEARTEXT_PACKET), 2);
}

/* ---- TCP ---- */

/* A control group of our own with this process in it: others' connections are not ours to count. */
static int enter_cgroup(void **state)
{
	char path[160], root[128] = "";
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[1024];
	int fd;

	(void)state;
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 "))
			sscanf(line, "%*s %*s %*s %*s %127s", root);
	fclose(f);
	if (!*root) {
		print_message("no cgroup2 is mounted\n");
		return -1;
	}
	snprintf(cgroup, sizeof(cgroup), "%.80s/fairlead-test-%d", root, getpid());
	if (mkdir(cgroup, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%d", getpid()) < 0 || fclose(f))
		return -1;
	fd = open(cgroup, O_RDONLY | O_DIRECTORY);
	link_fd = bpf_link_create(bpf_program__fd(tcp->progs.fl_metrics_tcp), fd,
				  BPF_CGROUP_SOCK_OPS, NULL);
	close(fd);
	return link_fd < 0 ? -1 : fill(state);
}

static int leave_cgroup(void **state)
{
	char path[160];
	FILE *f;

	(void)state;
	close(link_fd);
	snprintf(path, sizeof(path), "%.80s/../cgroup.procs", cgroup);
	f = fopen(path, "w");
	if (f) {
		fprintf(f, "%d", getpid());
		fclose(f);
	}
	return rmdir(cgroup);
}

/* A connection to dst, a hundred small answers long. */
static void talk(int family, const char *dst)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(7000) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(7000) };
	void *addr = family == AF_INET ? (void *)&a4 : (void *)&a6;
	socklen_t len = family == AF_INET ? sizeof(a4) : sizeof(a6);
	int on = 1, server = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), client, peer;
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(7000) };
	char c = 'x';

	if (family == AF_INET)
		inet_pton(AF_INET, dst, &a4.sin_addr);
	else
		inet_pton(AF_INET6, dst, &a6.sin6_addr);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(server, (void *)&any, sizeof(any)), 0);
	assert_int_equal(listen(server, 1), 0);
	client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, addr, len), 0);
	peer = accept(server, NULL, NULL);
	assert_true(peer >= 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(send(client, &c, 1, 0), 1);
		assert_int_equal(recv(peer, &c, 1, 0), 1);
		assert_int_equal(send(peer, &c, 1, 0), 1);
		assert_int_equal(recv(client, &c, 1, 0), 1);
	}
	close(client);
	close(peer);
	close(server);
}

static struct fl_metrics_counts counts(uint32_t slot)
{
	struct fl_metrics_counts all[cpus], sum = { 0 };
	uint32_t index;
	int fd = env_counts(&maps, slot, &index);

	assert_int_equal(bpf_map_lookup_elem(fd, &index, all), 0);
	close(fd);
	for (int i = 0; i < cpus; i++) {
		sum.rtt_us += all[i].rtt_us;
		sum.rtt_us_count += all[i].rtt_us_count;
	}
	return sum;
}

/* Both ends are on this machine, and the other end of each is at the address: both measure. */
static void check_rtt(int family, const char *dst)
{
	struct fl_metrics_counts before = counts(0), c;
	struct fl_metrics_histogram h0 = histogram(FL_RTT_ALL), h;
	uint64_t n;

	talk(family, dst);
	c = counts(0);
	n = c.rtt_us_count - before.rtt_us_count;
	h = histogram(FL_RTT_ALL);
	assert_true(n >= 50 && n <= 1000);
	assert_int_equal(total(&h) - total(&h0), n);
	assert_int_equal(h.sum - h0.sum, (c.rtt_us - before.rtt_us) * 1000);
	/* The mean of a loopback: more than nothing, less than 10 ms. */
	assert_true(c.rtt_us - before.rtt_us < n * 10000);
	assert_true(c.rtt_us > before.rtt_us);
}

static void test_rtt_ipv4(void **state)
{
	(void)state;
	check_rtt(AF_INET, "127.0.0.5");
}

static void test_rtt_ipv6(void **state)
{
	(void)state;
	check_rtt(AF_INET6, "::1");
}

static void test_rtt_mapped(void **state)
{
	(void)state;
	check_rtt(AF_INET6, "::ffff:127.0.0.5");
}

static void test_rtt_of_others(void **state)
{
	(void)state;
	talk(AF_INET, "127.0.0.6");
	assert_int_equal(histogram(FL_RTT_ALL).sum, 0);
}

/* ---- the module ---- */

/* As the module's tracepoints call it: flush is skb, dev, datagrams, bytes, reason, namespace. */
static void run_raw(const struct bpf_program *prog, const uint64_t args[6])
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args,
			    .ctx_size_in = 6 * sizeof(*args));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	assert_int_equal(opts.retval, 0);
}

static void flush(const struct metrics_module_bpf *m, uint64_t datagrams, uint64_t reason)
{
	run_raw(m->progs.fl_module_flush, (uint64_t[6]){ 0, 0, datagrams, 1500, reason, NETNS });
}

static void count_module(unsigned int epoch)
{
	fl_collect_set(&maps, FL_BY_MODULE, epoch);
}

static void test_module_flushes(void **state)
{
	static const struct {
		uint64_t stat;
		uint32_t id;
	} reasons[] = {
		{ FAIRLEAD_STAT_FLUSH_END, FL_FLUSH_END },
		{ FAIRLEAD_STAT_FLUSH_FULL, FL_FLUSH_FULL },
		{ FAIRLEAD_STAT_FLUSH_SHORT, FL_FLUSH_SHORT },
		{ FAIRLEAD_STAT_FLUSH_FLOW, FL_FLUSH_FLOW },
		{ FAIRLEAD_STAT_FLUSH_CONTROL, FL_FLUSH_CONTROL },
		{ FAIRLEAD_STAT_FLUSH_GONE, FL_FLUSH_GONE },
	};
	const int n = sizeof(reasons) / sizeof(*reasons);
	struct fl_metrics_histogram h;

	(void)state;
	count_module(1);
	for (int i = 0; i < n; i++)
		for (int k = 0; k <= i; k++)
			flush(module, 1ULL << i, reasons[i].stat);
	for (int i = 0; i < n; i++)
		assert_int_equal(counter(reasons[i].id), i + 1);
	h = histogram(FL_MODULE_BURST_TX);
	for (int i = 0; i < n; i++)
		assert_int_equal(h.bucket[i], i + 1);
	assert_int_equal(h.sum, 1 + 2 * 2 + 3 * 4 + 4 * 8 + 5 * 16 + 6 * 32);
	/* A reason of a later module: the burst is one all the same. */
	flush(module, FAIRLEAD_BURST_MAX, 999);
	assert_int_equal(histogram(FL_MODULE_BURST_TX).bucket[6], 1);
}

static void test_module_receives_and_drops(void **state)
{
	(void)state;
	count_module(1);
	run_raw(module->progs.fl_module_receive,
		(uint64_t[6]){ 0, 0, 45, FAIRLEAD_STAT_RX_BURSTS, NETNS });
	run_raw(module->progs.fl_module_receive,
		(uint64_t[6]){ 0, 0, 3, FAIRLEAD_STAT_RX_LEFT, NETNS });
	assert_int_equal(histogram(FL_MODULE_BURST_RX).bucket[6], 1);
	assert_int_equal(histogram(FL_MODULE_BURST_RX).sum, 45);
	assert_int_equal(counter(FL_MODULE_LEFT), 1);
	for (int i = 0; i < 3; i++)
		run_raw(module->progs.fl_module_drop,
			(uint64_t[6]){ 0, i ? FAIRLEAD_STAT_DROP_RX : FAIRLEAD_STAT_DROP_CSUM,
				       NETNS });
	assert_int_equal(counter(FL_DROP_CSUM), 1);
	assert_int_equal(counter(FL_DROP_RX), 2);
}

/* Another namespace's bursts, and programs that have been replaced, count nothing. */
static void test_module_of_others(void **state)
{
	(void)state;
	count_module(1);
	flush(elsewhere, 4, FAIRLEAD_STAT_FLUSH_END);
	run_raw(elsewhere->progs.fl_module_receive,
		(uint64_t[6]){ 0, 0, 2, FAIRLEAD_STAT_RX_BURSTS, NETNS });
	run_raw(elsewhere->progs.fl_module_drop, (uint64_t[6]){ 0, FAIRLEAD_STAT_DROP_RX, NETNS });
	count_module(2);
	flush(module, 4, FAIRLEAD_STAT_FLUSH_END);
	count_module(0);
	flush(module, 4, FAIRLEAD_STAT_FLUSH_END);
	assert_int_equal(histogram(FL_MODULE_BURST_TX).sum, 0);
	assert_int_equal(histogram(FL_MODULE_BURST_RX).sum, 0);
	assert_int_equal(counter(FL_FLUSH_END) + counter(FL_DROP_RX), 0);
}

/* ---- the price ---- */

#define RUNS 50000

/* What the traces read of WireGuard's types, laid out anyhow: it is not in every kernel. */
static int fake_wireguard(char *path)
{
	struct btf *btf = btf__new_empty();
	int u64 = btf__add_int(btf, "long", 8, 0), ptr = btf__add_ptr(btf, 0);
	int head, handshake, bytes, time64, fd, err = -1;
	const void *raw;
	__u32 size;

	head = btf__add_struct(btf, "sk_buff_head", 8);
	btf__add_field(btf, "next", ptr, 0, 0);
	bytes = btf__add_array(btf, u64, btf__add_int(btf, "char", 1, 0), 32);
	handshake = btf__add_struct(btf, "noise_handshake", 32);
	btf__add_field(btf, "remote_static", bytes, 0, 0);
	time64 = btf__add_struct(btf, "timespec64", 16);
	btf__add_field(btf, "tv_sec", u64, 0, 0);
	btf__add_field(btf, "tv_nsec", u64, 64, 0);
	btf__add_struct(btf, "wg_peer", 64);
	btf__add_field(btf, "staged_packet_queue", head, 0, 0);
	btf__add_field(btf, "handshake", handshake, 64, 0);
	btf__add_field(btf, "walltime_last_handshake", time64, 384, 0);
	raw = btf__raw_data(btf, &size);
	fd = mkstemp(path);
	if (raw && fd >= 0)
		err = write(fd, raw, size) == (ssize_t)size ? 0 : -1;
	if (fd >= 0)
		close(fd);
	btf__free(btf);
	return err;
}

/* Nanoseconds of a run, as the kernel's statistics have it. */
static double stats_ns(int prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(prog, &info, &len), 0);
	return info.run_cnt ? (double)info.run_time_ns / info.run_cnt : 0;
}

/*
 * Those traces that run for each message; the others run for a handshake. As raw tracepoints, whose
 * arguments look the same to a program and which BPF_PROG_TEST_RUN runs anywhere; so without the entry
 * into a trace. Each message has another address, as if it were one of many that are on their way.
 */
static void bench_traces(double idle)
{
	static const char *const names[] = { "fl_wg_encrypt_in", "fl_wg_encrypt_out",
					     "fl_wg_decrypt_in", "fl_wg_lookup",
					     "fl_wg_decrypt_out" };
	static uint64_t peer[8];
	char path[] = "/tmp/fairlead-test-btf.XXXXXX";
	LIBBPF_OPTS(bpf_object_open_opts, open_opts, .btf_custom_path = path);
	struct bpf_program *prog, *run[5];
	struct bpf_object *wg;
	const void *elf;
	char *copy;
	size_t size;

	assert_int_equal(fake_wireguard(path), 0);
	elf = metrics_wireguard_bpf__elf_bytes(&size);
	copy = fl_zalloc(size);
	memcpy(copy, elf, size);
	/* What a program is, libbpf has from the name of its section, also where BTF has that. */
	for (char *c = copy; c + 7 < copy + size; c++)
		if (!memcmp(c, "fentry/", 7) || !memcmp(c, "fexit/", 6))
			memcpy(c, "raw_tp/", 7);
	wg = bpf_object__open_mem(copy, size, &open_opts);
	assert_non_null(wg);
	bpf_object__for_each_program(prog, wg)
	{
		bool hot = false;

		for (size_t i = 0; i < 5; i++)
			hot |= !strcmp(bpf_program__name(prog), names[i]);
		bpf_program__set_autoload(prog, hot);
	}
	assert_int_equal(fl_collect_share(wg, &maps), 0);
	assert_int_equal(bpf_object__load(wg), 0);
	for (size_t i = 0; i < 5; i++)
		run[i] = bpf_object__find_program_by_name(wg, names[i]);
	fl_collect_set(&maps, FL_BY_WIREGUARD, 1);
	for (uint64_t i = 0; i < RUNS; i++) {
		uint64_t skb = (i + 1) << 8, at = (uintptr_t)peer;

		run_raw(run[0], (uint64_t[6]){ at });
		run_raw(run[1], (uint64_t[6]){ at, skb });
		run_raw(run[2], (uint64_t[6]){ at, skb });
		run_raw(run[3], (uint64_t[6]){ at, 2, 1, at, at });
		run_raw(run[4], (uint64_t[6]){ skb, at, 1 });
	}
	printf("# ns a message of WireGuard's traces:");
	for (size_t i = 0; i < 5; i++)
		printf(" %s %.0f%s", names[i] + 6, stats_ns(bpf_program__fd(run[i])) - idle,
		       i < 4 ? "," : "\n");
	bpf_object__close(wg);
	free(copy);
	unlink(path);
}

static void bench_stats(void **state)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int stats, idle, beside, fd, link;

	(void)state;
	if (!getenv("FAIRLEAD_BENCH"))
		return;
	/* On the same calls as TCP's, with what they find in the caches: a program that does nothing. */
	beside = bpf_prog_load(BPF_PROG_TYPE_SOCK_OPS, "nothing", "GPL", insns, 2, NULL);
	fd = open(cgroup, O_RDONLY | O_DIRECTORY);
	link = bpf_link_create(beside, fd, BPF_CGROUP_SOCK_OPS, NULL);
	assert_true(link >= 0);
	close(fd);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	idle = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "nothing", "GPL", insns, 2, NULL);
	count_module(1);
	for (int i = 0; i < RUNS; i++) {
		bpf_prog_test_run_opts(idle, &opts);
		flush(module, 11, FAIRLEAD_STAT_FLUSH_END);
	}
	for (int i = 0; i < RUNS / 500; i++)
		talk(AF_INET, "127.0.0.5");
	printf("# ns a burst of the module: %.0f; a call of tcp: %.0f\n",
	       stats_ns(bpf_program__fd(module->progs.fl_module_flush)) - stats_ns(idle),
	       stats_ns(bpf_program__fd(tcp->progs.fl_metrics_tcp)) - stats_ns(beside));
	close(link);
	close(beside);
	bench_traces(stats_ns(idle));
	close(idle);
	close(stats);
}

static void bench(void **state)
{
	static const uint32_t sizes[] = { 10, 10000 };
	int rx_fd = bpf_program__fd(underlay->progs.fl_underlay_rx);
	int tx_fd = bpf_program__fd(underlay->progs.fl_underlay_tx);
	struct packet wg = udp4("192.0.2.2", PORT, PORT), wg6 = udp6("2001:db8::2", PORT, PORT);
	struct packet other = udp4("192.0.2.2", 1, 1), other6 = udp6("2001:db8::2", 1, 1);

	(void)state;
	printf("# verified instructions: module flush %u, receive %u, drop %u\n",
	       verified(module->progs.fl_module_flush), verified(module->progs.fl_module_receive),
	       verified(module->progs.fl_module_drop));
	printf("# verified instructions: underlay rx %u, tx %u, tcp %u\n",
	       verified(underlay->progs.fl_underlay_rx), verified(underlay->progs.fl_underlay_tx),
	       verified(tcp->progs.fl_metrics_tcp));
	for (size_t i = 0; getenv("FAIRLEAD_BENCH") && i < 2; i++) {
		struct fl_mesh *mesh = env_mesh(sizes[i]);

		mesh->listen_port = PORT;
		assert_int_equal(fl_metrics_fill(&maps, mesh, &mesh->nodes[0]), FL_OK);
		env_mesh_free(mesh);
		printf("# %5u peers, ns a packet of the underlay: WireGuard's IPv4 rx %.0f tx %.0f, IPv6 rx %.0f tx %.0f; others IPv4 rx %.0f tx %.0f, IPv6 rx %.0f tx %.0f\n",
		       sizes[i], nanoseconds(rx_fd, &wg, 0, 0), nanoseconds(tx_fd, &wg, 0, 0),
		       nanoseconds(rx_fd, &wg6, 0, 0), nanoseconds(tx_fd, &wg6, 0, 0),
		       nanoseconds(rx_fd, &other, 0, 0), nanoseconds(tx_fd, &other, 0, 0),
		       nanoseconds(rx_fd, &other6, 0, 0), nanoseconds(tx_fd, &other6, 0, 0));
	}
}

#define IN_CGROUP(fn) cmocka_unit_test_setup_teardown(fn, enter_cgroup, leave_cgroup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_burst_sizes, fill),
		cmocka_unit_test_setup(test_ports, fill),
		cmocka_unit_test_setup(test_fragments_are_no_bursts, fill),
		cmocka_unit_test_setup(test_cleartext, fill),
		cmocka_unit_test_setup(test_not_cleartext, fill),
		cmocka_unit_test_setup(test_search_is_not_stale, fill),
		cmocka_unit_test_setup(test_module_flushes, fill),
		cmocka_unit_test_setup(test_module_receives_and_drops, fill),
		cmocka_unit_test_setup(test_module_of_others, fill),
		IN_CGROUP(test_rtt_ipv4),
		IN_CGROUP(test_rtt_ipv6),
		IN_CGROUP(test_rtt_mapped),
		IN_CGROUP(test_rtt_of_others),
		cmocka_unit_test_setup(bench, fill),
		IN_CGROUP(bench_stats),
	};

	return cmocka_run_group_tests_name("metrics, the other programs", tests, load, unload);
}
