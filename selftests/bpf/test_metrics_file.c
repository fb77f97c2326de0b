// SPDX-License-Identifier: GPL-2.0
/*
 * The text that the iterator prints: complete, in order, each thing once, from 0 to 10,000 peers,
 * whatever the reader's buffer; and what changes in the mesh do to slots and counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "metrics_env.h"
#include "../../tools/metrics/exposition.h"
#include "../../tools/metrics/maps.h"
#include "bpf/metrics.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static struct metrics_bpf *skel;
static struct fl_metrics_maps maps;
static struct bpf_link *iter;
static int cpus;

static int load(void **state)
{
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = { 0 };

	(void)state;
	cpus = libbpf_num_possible_cpus();
	skel = metrics_bpf__open();
	if (!skel)
		return -1;
	skel->rodata->fl_cpus = cpus;
	strcpy((char *)skel->rodata->fl_version, "1.2.3-test");
	if (metrics_bpf__load(skel))
		return -1;
	maps = env_maps(skel->obj);
	info.map.map_fd = bpf_map__fd(skel->maps.metrics_rows);
	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	iter = bpf_program__attach_iter(skel->progs.fl_metrics_show, &opts);
	return iter ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	bpf_link__destroy(iter);
	metrics_bpf__destroy(skel);
	return 0;
}

/* Everything, in reads of `chunk` bytes. The caller frees it. */
static char *slurp(size_t chunk, size_t *len)
{
	int fd = bpf_iter_create(bpf_link__fd(iter));
	size_t size = 0, room = 1 << 16;
	char *text = malloc(room);
	ssize_t n;

	assert_true(fd >= 0);
	for (;;) {
		if (room - size < chunk + 1)
			text = realloc(text, room = 2 * room + chunk);
		n = read(fd, text + size, chunk);
		if (n < 0)
			fail_msg("read after %zu bytes: %s", size, strerror(errno));
		if (!n)
			break;
		size += n;
	}
	close(fd);
	text[size] = '\0';
	*len = size;
	return text;
}

static struct fl_exposition *read_file(void)
{
	struct fl_exposition *e;
	size_t len;
	char *text = slurp(1 << 16, &len);

	e = fl_exposition_parse("metrics", text, len);
	assert_non_null(e);
	free(text);
	return e;
}

static const struct fl_family *family(const struct fl_exposition *e, const char *name)
{
	for (size_t i = 0; i < e->n_families; i++)
		if (!strcmp(e->families[i].name, name))
			return &e->families[i];
	fail_msg("no family %s", name);
	return NULL;
}

/* The one sample with this label value; a second one is a failure. */
static const char *value(const struct fl_family *f, const char *peer)
{
	const char *found = NULL;

	for (size_t i = 0; i < f->n_samples; i++) {
		const char *name = fl_sample_label(&f->samples[i], "peer");

		if (name && !strcmp(name, peer)) {
			assert_null(found);
			found = f->samples[i].value;
		}
	}
	return found;
}

/* As if packets had come, on every CPU other ones, so that the sum is what counts. */
static void add_counts(uint32_t slot, uint64_t base)
{
	struct fl_metrics_counts all[cpus];
	uint32_t index;
	int fd = env_counts(&maps, slot, &index);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &index, all), 0);
	for (int i = 0; i < cpus; i++) {
		all[i].rx_packets += base + i;
		all[i].rx_bytes += base * 10 + i;
		all[i].tx_packets += base * 100 + i;
		all[i].tx_bytes += base * 1000 + i;
	}
	assert_int_equal(bpf_map_update_elem(fd, &index, all, BPF_EXIST), 0);
	close(fd);
}

static uint64_t summed(uint64_t base)
{
	return base * cpus + (uint64_t)cpus * (cpus - 1) / 2;
}

static int fill(struct fl_mesh *m)
{
	int ret = fl_metrics_fill(&maps, m, &m->nodes[0]);

	env_collect_all(&maps);
	return ret;
}

static void fill_n(uint32_t n)
{
	struct fl_mesh *m = env_mesh(n);

	assert_int_equal(fill(m), FL_OK);
	env_mesh_free(m);
}

static int empty(void **state)
{
	(void)state;
	fill_n(0);
	return 0;
}

/* ---- size ---- */

static void check_complete(uint32_t n)
{
	static const char *const fields[] = {
		"fairlead_peer_receive_packets_total",
		"fairlead_peer_receive_bytes_total",
		"fairlead_peer_transmit_packets_total",
		"fairlead_peer_transmit_bytes_total",
	};
	struct fl_exposition *e;
	uint64_t scale = 1;
	char want[64];

	fill_n(0);
	fill_n(n);
	for (uint32_t i = 0; i < n; i++)
		add_counts(i, i + 7);
	e = read_file();
	assert_int_equal(e->n_families, FL_METRICS_N_FAMILIES);
	snprintf(want, sizeof(want), "%u", n);
	assert_string_equal(family(e, "fairlead_peers")->samples[0].value, want);
	assert_int_equal(family(e, "fairlead_peer_info")->n_samples, n);
	assert_int_equal(family(e, "fairlead_peer_start_time_seconds")->n_samples, n);
	for (int k = 0; k < 4; k++, scale *= 10) {
		const struct fl_family *f = family(e, fields[k]);

		/* By slot, which is the order of the mesh file: the same on every read. */
		assert_int_equal(f->n_samples, n);
		for (uint32_t i = 0; i < n; i++) {
			snprintf(want, sizeof(want), "node-%u", i + 1);
			assert_string_equal(fl_sample_label(&f->samples[i], "peer"), want);
			snprintf(want, sizeof(want), "%llu",
				 (unsigned long long)summed((i + 7) * scale));
			assert_string_equal(f->samples[i].value, want);
		}
	}
	fl_exposition_free(e);
}

static void test_no_peer(void **state)
{
	(void)state;
	check_complete(0);
}

static void test_1_peer(void **state)
{
	(void)state;
	check_complete(1);
}

static void test_2_peers(void **state)
{
	(void)state;
	check_complete(2);
}

/* Rows hold 32 peers. */
static void test_around_a_row(void **state)
{
	(void)state;
	check_complete(31);
	check_complete(32);
	check_complete(33);
}

static void test_1000_peers(void **state)
{
	(void)state;
	check_complete(1000);
}

/* CPU time of a reading, without what the test does with the text. */
static void test_10000_peers(void **state)
{
	static char buf[1 << 16];
	struct timespec a, b;
	size_t len = 0;
	ssize_t n;
	int fd;

	(void)state;
	check_complete(10000);
	fd = bpf_iter_create(bpf_link__fd(iter));
	assert_true(fd >= 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		len += n;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	close(fd);
	assert_int_equal(n, 0);
	printf("# 10,000 peers: %zu bytes in %.1f ms of CPU time\n", len,
	       (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
}

/* What no kernel does otherwise than another need not take half a minute of an emulated one. */
static void skip_if_emulated(void)
{
	if (!getenv("FAIRLEAD_LAB"))
		return;
	printf("# %d peers: not in an emulated guest\n", FL_METRICS_PEERS_MAX);
	skip();
}

static void test_full(void **state)
{
	struct fl_mesh *m;

	(void)state;
	skip_if_emulated();
	m = env_mesh(FL_METRICS_PEERS_MAX);
	assert_int_equal(fill(m), FL_OK);
	env_mesh_free(m);
	check_complete(FL_METRICS_PEERS_MAX);
}

static void test_one_too_many(void **state)
{
	struct fl_mesh *m = env_mesh(FL_METRICS_PEERS_MAX + 1);
	struct fl_exposition *e;
	char *msg = NULL;
	size_t len;

	(void)state;
	fill_n(2);
	fl_msg_stream = open_memstream(&msg, &len);
	assert_int_equal(fill(m), FL_FAILED);
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	assert_non_null(strstr(msg, "16385 peers"));
	free(msg);
	env_mesh_free(m);
	e = read_file();
	assert_int_equal(family(e, "fairlead_peer_info")->n_samples, 2);
	fl_exposition_free(e);
}

/* The longest names there can be: a row must fit into the iterator's buffer. */
static void test_longest_names(void **state)
{
	struct fl_mesh *m = env_mesh(100);
	struct fl_exposition *e;
	char name[FL_METRICS_LABEL];

	(void)state;
	for (uint32_t i = 1; i <= 100; i++) {
		memset(name, 'a', sizeof(name) - 1);
		snprintf(name + sizeof(name) - 11, 11, "%010u", i);
		free(m->nodes[i].name);
		m->nodes[i].name = fl_strdup(name);
	}
	assert_int_equal(fill(m), FL_OK);
	for (uint32_t i = 0; i < 100; i++)
		add_counts(i, UINT64_MAX / 1000 / cpus - cpus);
	e = read_file();
	assert_int_equal(family(e, "fairlead_peer_info")->n_samples, 100);
	assert_non_null(value(family(e, "fairlead_peer_transmit_bytes_total"), name));
	fl_exposition_free(e);
	free(m->nodes[1].name);
	m->nodes[1].name = fl_zalloc(FL_METRICS_LABEL + 1);
	memset(m->nodes[1].name, 'b', FL_METRICS_LABEL);
	fl_msg_stream = fopen("/dev/null", "w");
	assert_int_equal(fill(m), FL_FAILED);
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	env_mesh_free(m);
}

/* Whatever size the reads have, the text is the same: no row is cut, lost or repeated. */
static void test_any_reader(void **state)
{
	static const size_t chunks[] = { 1, 7, 100, 4095, 4096, 32768, 32769, 1 << 20 };
	size_t len, want_len;
	char *want, *text;

	(void)state;
	fill_n(120); /* 50 kB: more than the iterator's buffer of 32 */
	want = slurp(1 << 16, &want_len);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
		text = slurp(chunks[i], &len);
		assert_int_equal(len, want_len);
		assert_memory_equal(text, want, len);
		free(text);
	}
	free(want);
}

/* ---- text ---- */

static void test_head(void **state)
{
	const struct fl_family *f;
	struct fl_exposition *e;
	size_t len;
	char *text;

	(void)state;
	fill_n(1);
	text = slurp(1 << 16, &len);
	assert_memory_equal(
		text,
		"# TYPE fairlead_build_info gauge\n"
		"# HELP fairlead_build_info Version of the Fairlead that made this file; the value is 1.\n"
		"fairlead_build_info{version=\"1.2.3-test\"} 1\n",
		strlen("# TYPE fairlead_build_info gauge\n") + 88);
	assert_string_equal(text + len - 6, "# EOF\n");
	assert_non_null(strstr(text, "# TYPE fairlead_peer_receive_bytes_total counter\n"
				     "# UNIT fairlead_peer_receive_bytes_total bytes\n"
				     "# HELP fairlead_peer_receive_bytes_total "));
	free(text);
	e = read_file();
	f = family(e, "fairlead_peer_info");
	assert_string_equal(fl_sample_label(&f->samples[0], "public_key"),
			    "AQAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	fl_exposition_free(e);
}

static void test_nasty_names(void **state)
{
	static const char *const names[] = {
		"a\"b",
		"back\\slash",
		"new\nline",
		"tab\there",
		"} 5\nfairlead_peers 99",
		"# EOF",
		"%s%n%d",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2",
		"",
	};
	size_t n = sizeof(names) / sizeof(*names);
	struct fl_mesh *m = env_mesh(n);
	struct fl_exposition *e;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		free(m->nodes[i + 1].name);
		m->nodes[i + 1].name = fl_strdup(names[i]);
	}
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	assert_int_equal(e->n_families, FL_METRICS_N_FAMILIES);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(value(family(e, "fairlead_peer_receive_bytes_total"), names[i]),
				    "0");
	fl_exposition_free(e);
	env_mesh_free(m);
}

static void test_start_time(void **state)
{
	struct fl_exposition *e;
	double t;

	(void)state;
	fill_n(1);
	e = read_file();
	t = strtod(value(family(e, "fairlead_peer_start_time_seconds"), "node-1"), NULL);
	assert_true(t <= (double)time(NULL) + 1 && t >= (double)time(NULL) - 5);
	fl_exposition_free(e);
}

static void test_unmatched(void **state)
{
	struct fl_exposition *e;
	char want[32];

	(void)state;
	add_counts(FL_METRICS_UNMATCHED, 5);
	e = read_file();
	snprintf(want, sizeof(want), "%llu", (unsigned long long)summed(5));
	assert_string_equal(family(e, "fairlead_unmatched_receive_packets_total")->samples[0].value,
			    want);
	snprintf(want, sizeof(want), "%llu", (unsigned long long)summed(5000));
	assert_string_equal(family(e, "fairlead_unmatched_transmit_bytes_total")->samples[0].value,
			    want);
	fl_exposition_free(e);
}

static const char *sample(const struct fl_family *f, const char *suffix, const char *label,
			  const char *val)
{
	for (size_t i = 0; i < f->n_samples; i++) {
		const char *has = label ? fl_sample_label(&f->samples[i], label) : NULL;

		if (!strcmp(f->samples[i].suffix, suffix) && (!label || (has && !strcmp(has, val))))
			return f->samples[i].value;
	}
	fail_msg("%s: no sample %s %s %s", f->name, suffix, label, val);
	return NULL;
}

static void set_histogram(uint32_t id, const struct fl_metrics_histogram *h)
{
	struct fl_metrics_histogram all[cpus];

	for (int i = 0; i < cpus; i++)
		all[i] = *h;
	assert_int_equal(bpf_map_update_elem(maps.fd[FL_MAP_HISTOGRAMS], &id, all, BPF_ANY), 0);
}

/* Buckets are sums of all below, bounds are in base units, and there is nothing beyond +Inf. */
static void test_histograms(void **state)
{
	struct fl_metrics_histogram h = { .sum = 1500000000 };
	const struct fl_family *f;
	struct fl_exposition *e;
	char want[64];

	(void)state;
	h.bucket[0] = 1;
	h.bucket[3] = 10;
	h.bucket[20] = 100;
	h.bucket[21] = 1000;
	set_histogram(FL_RTT_ALL, &h);
	fill_n(1);
	e = read_file();
	f = family(e, "fairlead_rtt_seconds");
	assert_int_equal(f->n_samples, FL_METRICS_BUCKETS + 2);
	snprintf(want, sizeof(want), "%d", cpus);
	assert_string_equal(sample(f, "_bucket", "le", "0.000001"), want);
	assert_string_equal(sample(f, "_bucket", "le", "0.000004"), want);
	snprintf(want, sizeof(want), "%d", cpus * 11);
	assert_string_equal(sample(f, "_bucket", "le", "0.000008"), want);
	assert_string_equal(sample(f, "_bucket", "le", "0.524288"), want);
	snprintf(want, sizeof(want), "%d", cpus * 111);
	assert_string_equal(sample(f, "_bucket", "le", "1.048576"), want);
	snprintf(want, sizeof(want), "%d", cpus * 1111);
	assert_string_equal(sample(f, "_bucket", "le", "+Inf"), want);
	assert_string_equal(sample(f, "_count", NULL, NULL), want);
	snprintf(want, sizeof(want), "%.9f", cpus * 1.5);
	assert_string_equal(sample(f, "_sum", NULL, NULL), want);
	fl_exposition_free(e);

	h = (struct fl_metrics_histogram){ .sum = 77, .bucket = { 1, 0, 2, [7] = 4 } };
	set_histogram(FL_BURST_RX, &h);
	e = read_file();
	f = family(e, "fairlead_underlay_burst_datagrams");
	assert_int_equal(f->n_samples, 2 * (FL_METRICS_SIZES + 2));
	for (size_t i = 0; i < f->n_samples; i++)
		assert_string_equal(fl_sample_label(&f->samples[i], "direction"),
				    i < f->n_samples / 2 ? "transmit" : "receive");
	/* The second half is what comes. */
	snprintf(want, sizeof(want), "%d", cpus * 3);
	assert_string_equal(f->samples[FL_METRICS_SIZES + 2 + 2].value, want);
	assert_string_equal(fl_sample_label(&f->samples[FL_METRICS_SIZES + 2 + 6], "le"), "64");
	assert_string_equal(f->samples[FL_METRICS_SIZES + 2 + 6].value, want);
	snprintf(want, sizeof(want), "%d", cpus * 77);
	assert_string_equal(f->samples[FL_METRICS_SIZES + 2 + FL_METRICS_SIZES].value, want);
	fl_exposition_free(e);
}

/* Every number of digits, to the last one. */
static void test_digits(void **state)
{
	uint64_t all[cpus], v = 0;
	uint32_t key = FL_CLEARTEXT_PACKET;
	struct fl_exposition *e;
	char want[32];

	(void)state;
	fill_n(0);
	for (int i = 0; i < 20; i++, v = v * 10 + i % 10) {
		for (int k = 0; k < 3; k++) {
			memset(all, 0, sizeof(all));
			all[0] = k == 0 ? v : k == 1 ? v + 1 : i == 19 ? UINT64_MAX : v * 9 / 10;
			assert_int_equal(bpf_map_update_elem(maps.fd[FL_MAP_COUNTERS], &key, all,
							     BPF_ANY),
					 0);
			e = read_file();
			snprintf(want, sizeof(want), "%llu", (unsigned long long)all[0]);
			assert_string_equal(
				family(e, "fairlead_cleartext_packets_total")->samples[0].value,
				want);
			fl_exposition_free(e);
		}
	}
}

/* Families whose programs are not attached are not there; which, is. */
static void test_collectors(void **state)
{
	struct fl_metrics_node node;
	struct fl_exposition *e;
	__u32 zero = 0;

	(void)state;
	fill_n(2);
	bpf_map_lookup_elem(maps.fd[FL_MAP_NODE], &zero, &node);
	node.epoch[FL_BY_TCP] = 0;
	node.epoch[FL_BY_WIREGUARD] = 0;
	bpf_map_update_elem(maps.fd[FL_MAP_NODE], &zero, &node, BPF_ANY);
	e = read_file();
	for (size_t i = 0; i < e->n_families; i++)
		if (strstr(e->families[i].name, "rtt") ||
		    strstr(e->families[i].name, "handshake") ||
		    strstr(e->families[i].name, "wireguard"))
			fail_msg("%s is there", e->families[i].name);
	assert_string_equal(
		sample(family(e, "fairlead_collector_attached"), "", "collector", "lane"), "1");
	assert_string_equal(
		sample(family(e, "fairlead_collector_attached"), "", "collector", "tcp"), "0");
	family(e, "fairlead_cleartext_packets_total");
	fl_exposition_free(e);
	env_collect_all(&maps);
}

/* In the order of their numbers, by name; interfaces of the underlay are none. */
static void test_lanes(void **state)
{
	struct fl_metrics_lane lane = { .kind = FL_LANE_WG, .ifname = "fl0" }, none = { 0 };
	struct fl_metrics_counts all[cpus];
	const struct fl_family *f;
	struct fl_exposition *e;
	char want[32];

	(void)state;
	fill_n(1);
	memset(all, 0, sizeof(all));
	for (uint32_t i = 0; i < 3; i++) {
		lane.kind = i == 1 ? FL_LANE_UNDERLAY : FL_LANE_WG;
		lane.ifname[2] = '0' + i;
		for (int k = 0; k < cpus; k++)
			all[k].tx_bytes = 1000 * (i + 1) + k;
		bpf_map_update_elem(maps.fd[FL_MAP_LANES], &i, &lane, BPF_ANY);
		bpf_map_update_elem(maps.fd[FL_MAP_LANE_COUNTS], &i, all, BPF_ANY);
	}
	e = read_file();
	f = family(e, "fairlead_lane_transmit_bytes_total");
	assert_int_equal(f->n_samples, 2);
	snprintf(want, sizeof(want), "%d", cpus * 1000 + cpus * (cpus - 1) / 2);
	assert_string_equal(sample(f, "", "lane", "fl0"), want);
	snprintf(want, sizeof(want), "%d", cpus * 3000 + cpus * (cpus - 1) / 2);
	assert_string_equal(sample(f, "", "lane", "fl2"), want);
	/* No device of that name: no drops of it, rather than wrong ones. */
	assert_int_equal(family(e, "fairlead_lane_drops_total")->n_samples, 0);
	fl_exposition_free(e);
	for (uint32_t i = 0; i < 3; i++)
		bpf_map_update_elem(maps.fd[FL_MAP_LANES], &i, &none, BPF_ANY);
}

static void test_sessions(void **state)
{
	struct fl_mesh *m = env_mesh(3);
	struct fl_metrics_session s = { .handshakes = 7, .handshake_sec = 1700000000 };
	struct fl_exposition *e;
	struct timespec now;

	(void)state;
	assert_int_equal(fill(m), FL_OK);
	clock_gettime(CLOCK_BOOTTIME, &now);
	s.handshake_boot = now.tv_sec * 1000000000ULL;
	bpf_map_update_elem(maps.fd[FL_MAP_SESSIONS], m->nodes[1].public_key.bytes, &s, BPF_EXIST);
	/* A session lasts 180 seconds; the machine may not run for so long yet. */
	s.handshake_boot = 1;
	s.initiated_boot = now.tv_sec * 1000000000ULL;
	bpf_map_update_elem(maps.fd[FL_MAP_SESSIONS], m->nodes[2].public_key.bytes, &s, BPF_EXIST);
	e = read_file();
	assert_string_equal(value(family(e, "fairlead_peer_state"), "node-1"), "2");
	assert_string_equal(value(family(e, "fairlead_peer_state"), "node-2"),
			    now.tv_sec > 180 ? "1" : "2");
	assert_string_equal(value(family(e, "fairlead_peer_state"), "node-3"), "0");
	assert_string_equal(value(family(e, "fairlead_peer_handshakes_total"), "node-1"), "7");
	assert_string_equal(value(family(e, "fairlead_peer_handshakes_total"), "node-3"), "0");
	assert_string_equal(value(family(e, "fairlead_peer_last_handshake_time_seconds"), "node-1"),
			    "1700000000");
	fl_exposition_free(e);
	/* A session goes with its key. */
	free(m->nodes[1].name);
	m->nodes[1].name = fl_strdup("renamed");
	m->nodes[2].public_key.bytes[31] ^= 1;
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	assert_string_equal(value(family(e, "fairlead_peer_handshakes_total"), "renamed"), "7");
	assert_string_equal(value(family(e, "fairlead_peer_handshakes_total"), "node-2"), "0");
	fl_exposition_free(e);
	env_mesh_free(m);
}

/* Endpoint and allowed IPs, as many as there is room for. */
static void test_info(void **state)
{
	struct fl_mesh *m = env_mesh(2);
	struct fl_endpoint ep = { .host = "2001:db8::7", .port = 51820 };
	const struct fl_family *f;
	struct fl_exposition *e;
	const char *text;

	(void)state;
	m->nodes[1].endpoints = &ep;
	m->nodes[1].n_endpoints = 1;
	free(m->nodes[2].pod_cidrs);
	m->nodes[2].n_pod_cidrs = 100;
	m->nodes[2].pod_cidrs = fl_zalloc(100 * sizeof(struct fl_prefix));
	for (uint32_t i = 0; i < 100; i++)
		m->nodes[2].pod_cidrs[i] = env_v6(0x244, 0xffff0000 + (i << 8), 120);
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	f = family(e, "fairlead_peer_info");
	assert_string_equal(fl_sample_label(&f->samples[0], "endpoint"), "[2001:db8::7]:51820");
	assert_string_equal(fl_sample_label(&f->samples[0], "allowed_ips"),
			    "10.200.0.1/32,fd00:200::1/128,100.0.1.0/24,fd00:244::100/120");
	assert_string_equal(fl_sample_label(&f->samples[1], "endpoint"), "");
	text = fl_sample_label(&f->samples[1], "allowed_ips");
	assert_true(strlen(text) > 300);
	assert_string_equal(text + strlen(text) - 7, "/120...");
	fl_exposition_free(e);
	m->nodes[1].endpoints = NULL;
	m->nodes[1].n_endpoints = 0;
	env_mesh_free(m);
}

/* ---- change ---- */

static const char *rx_packets(const struct fl_exposition *e, const char *peer)
{
	return value(family(e, "fairlead_peer_receive_packets_total"), peer);
}

static uint32_t slot_of(const char *addr)
{
	struct fl_metrics_prefix key = { .prefixlen = 64, .family = 4 };
	uint32_t slot = 12345678;

	inet_pton(AF_INET, addr, key.addr);
	bpf_map_lookup_elem(maps.fd[FL_MAP_PREFIX], &key, &slot);
	return slot;
}

/* node-2 leaves, node-4 comes: the others keep slot and count; what was node-2's is gone. */
static void test_one_goes_one_comes(void **state)
{
	struct fl_mesh *m = env_mesh(3);
	struct fl_exposition *e;
	char want[32];

	(void)state;
	assert_int_equal(fill(m), FL_OK);
	for (uint32_t i = 0; i < 3; i++)
		add_counts(i, 10 + i);
	free(m->nodes[2].name);
	free(m->nodes[2].addresses);
	free(m->nodes[2].pod_cidrs);
	env_node(&m->nodes[2], "node-4", 4);
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	assert_int_equal(family(e, "fairlead_peer_info")->n_samples, 3);
	assert_null(rx_packets(e, "node-2"));
	assert_string_equal(rx_packets(e, "node-4"), "0");
	snprintf(want, sizeof(want), "%llu", (unsigned long long)summed(10));
	assert_string_equal(rx_packets(e, "node-1"), want);
	snprintf(want, sizeof(want), "%llu", (unsigned long long)summed(12));
	assert_string_equal(rx_packets(e, "node-3"), want);
	assert_int_equal(slot_of("10.200.0.2"), 12345678);
	assert_int_equal(slot_of("10.200.0.4"), 3);
	assert_int_equal(fl_metrics_count_prefixes(&maps), 12);
	fl_exposition_free(e);
	env_mesh_free(m);
}

static void test_rename_keeps_counters(void **state)
{
	struct fl_mesh *m = env_mesh(2);
	struct fl_exposition *e;
	char want[32], start[32];

	(void)state;
	assert_int_equal(fill(m), FL_OK);
	add_counts(1, 10);
	e = read_file();
	snprintf(start, sizeof(start), "%s",
		 value(family(e, "fairlead_peer_start_time_seconds"), "node-2"));
	fl_exposition_free(e);
	strcpy(m->nodes[2].name, "renam");
	usleep(2000);
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	snprintf(want, sizeof(want), "%llu", (unsigned long long)summed(10));
	assert_null(rx_packets(e, "node-2"));
	assert_string_equal(rx_packets(e, "renam"), want);
	assert_string_equal(value(family(e, "fairlead_peer_start_time_seconds"), "renam"), start);
	fl_exposition_free(e);
	env_mesh_free(m);
}

/* Another key is another peer: from zero, and a later start says so. */
static void test_new_key_starts_anew(void **state)
{
	struct fl_mesh *m = env_mesh(2);
	struct fl_exposition *e;
	double before, after;

	(void)state;
	assert_int_equal(fill(m), FL_OK);
	add_counts(1, 10);
	e = read_file();
	before = strtod(value(family(e, "fairlead_peer_start_time_seconds"), "node-2"), NULL);
	fl_exposition_free(e);
	m->nodes[2].public_key.bytes[31] ^= 1;
	usleep(2000);
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	assert_int_equal(family(e, "fairlead_peer_info")->n_samples, 2);
	assert_string_equal(rx_packets(e, "node-2"), "0");
	after = strtod(value(family(e, "fairlead_peer_start_time_seconds"), "node-2"), NULL);
	assert_true(after > before);
	/* In its old place: a reader that goes by must not see the name again later. */
	assert_int_equal(slot_of("10.200.0.2"), 1);
	fl_exposition_free(e);
	env_mesh_free(m);
}

static void test_prefix_moves(void **state)
{
	struct fl_mesh *m = env_mesh(2);
	struct fl_prefix p;

	(void)state;
	assert_int_equal(fill(m), FL_OK);
	assert_int_equal(slot_of("100.0.1.9"), 0);
	p = m->nodes[1].pod_cidrs[0];
	m->nodes[1].pod_cidrs[0] = m->nodes[2].pod_cidrs[0];
	m->nodes[2].pod_cidrs[0] = p;
	assert_int_equal(fill(m), FL_OK);
	assert_int_equal(slot_of("100.0.1.9"), 1);
	assert_int_equal(slot_of("100.0.2.9"), 0);
	env_mesh_free(m);
}

/* A prefix with host bits is the prefix, also when it is there already. */
static void test_host_bits(void **state)
{
	struct fl_mesh *m = env_mesh(1);

	(void)state;
	m->nodes[1].pod_cidrs[0] = env_v4(0x640001ff, 20);
	m->nodes[1].pod_cidrs[1] = env_v6(0x0244, 0xffff, 121);
	assert_int_equal(fill(m), FL_OK);
	assert_int_equal(fill(m), FL_OK);
	assert_int_equal(fl_metrics_count_prefixes(&maps), 4);
	assert_int_equal(slot_of("100.0.15.255"), 0);
	assert_int_equal(slot_of("100.0.16.0"), 12345678);
	/* The same prefix, written otherwise, is not a new one and an old one to be removed. */
	m->nodes[1].pod_cidrs[0] = env_v4(0x64000e01, 20);
	assert_int_equal(fill(m), FL_OK);
	assert_int_equal(fl_metrics_count_prefixes(&maps), 4);
	assert_int_equal(slot_of("100.0.15.255"), 0);
	env_mesh_free(m);
}

/* Every slot in use, then every peer another one: slots must be reused. */
static void test_all_replaced(void **state)
{
	struct fl_exposition *e;
	struct fl_mesh *m;

	(void)state;
	skip_if_emulated();
	m = env_mesh(FL_METRICS_PEERS_MAX);
	assert_int_equal(fill(m), FL_OK);
	for (uint32_t i = 0; i < 100; i++)
		add_counts(i, 9);
	for (size_t i = 1; i < m->n_nodes; i++) {
		m->nodes[i].public_key.bytes[31] ^= 1;
		m->nodes[i].name[0] = 'N';
	}
	assert_int_equal(fill(m), FL_OK);
	e = read_file();
	assert_int_equal(family(e, "fairlead_peer_info")->n_samples, FL_METRICS_PEERS_MAX);
	for (uint32_t i = 1; i <= 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "Node-%u", i);
		assert_string_equal(rx_packets(e, name), "0");
	}
	fl_exposition_free(e);
	env_mesh_free(m);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Peers come and go while others read: no name twice in a family, no family twice. */
static void test_read_while_changing(void **state)
{
	struct timespec begin, now = { 0 };
	const char *names[512];
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct fl_mesh *few = env_mesh(50), *many = env_mesh(400);

		/* Half of those that stay get another key, so that slots are given anew. */
		for (size_t i = 1; i <= 50; i += 2)
			few->nodes[i].public_key.bytes[31] ^= 1;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < 100000; i++)
			if (fill(i & 1 ? few : many))
				_exit(1);
		_exit(0);
	}
	/* Two seconds, and on a slow machine a few reads at least. */
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int k = 0; k < 5 || now.tv_sec < begin.tv_sec + 2; k++) {
		struct fl_exposition *e = read_file();

		clock_gettime(CLOCK_MONOTONIC, &now);

		assert_int_equal(e->n_families, FL_METRICS_N_FAMILIES);
		for (size_t i = 0; i < e->n_families; i++) {
			const struct fl_family *f = &e->families[i];

			if (f->n_samples < 2 || !fl_sample_label(&f->samples[0], "peer") ||
			    *f->samples[0].suffix)
				continue;
			for (size_t j = 0; j < f->n_samples; j++)
				names[j] = fl_sample_label(&f->samples[j], "peer");
			qsort(names, f->n_samples, sizeof(*names), by_name);
			for (size_t j = 1; j < f->n_samples; j++)
				if (!strcmp(names[j - 1], names[j]))
					fail_msg("read %d: %s has %s twice", k, f->name, names[j]);
		}
		fl_exposition_free(e);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- rights and secrets ---- */

static void test_no_private_key(void **state)
{
	unsigned char secret[32], public[32];
	struct fl_mesh *m = env_mesh(1);
	char b64[48], hex[65];
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(crypto_box_keypair(public, secret), 0);
	memcpy(m->nodes[0].public_key.bytes, public, sizeof(public));
	assert_int_equal(fill(m), FL_OK);
	text = slurp(1 << 16, &len);
	sodium_bin2base64(b64, sizeof(b64), secret, 32, sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2hex(hex, sizeof(hex), secret, 32);
	assert_null(memmem(text, len, b64, strlen(b64)));
	assert_null(memmem(text, len, hex, strlen(hex)));
	assert_null(memmem(text, len, secret, 32));
	free(text);
	env_mesh_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_peer, empty),
		cmocka_unit_test_setup(test_1_peer, empty),
		cmocka_unit_test_setup(test_2_peers, empty),
		cmocka_unit_test_setup(test_around_a_row, empty),
		cmocka_unit_test_setup(test_1000_peers, empty),
		cmocka_unit_test_setup(test_10000_peers, empty),
		cmocka_unit_test_setup(test_full, empty),
		cmocka_unit_test_setup(test_one_too_many, empty),
		cmocka_unit_test_setup(test_longest_names, empty),
		cmocka_unit_test_setup(test_any_reader, empty),
		cmocka_unit_test_setup(test_head, empty),
		cmocka_unit_test_setup(test_nasty_names, empty),
		cmocka_unit_test_setup(test_start_time, empty),
		cmocka_unit_test_setup(test_unmatched, empty),
		cmocka_unit_test_setup(test_histograms, empty),
		cmocka_unit_test_setup(test_digits, empty),
		cmocka_unit_test_setup(test_collectors, empty),
		cmocka_unit_test_setup(test_lanes, empty),
		cmocka_unit_test_setup(test_sessions, empty),
		cmocka_unit_test_setup(test_info, empty),
		cmocka_unit_test_setup(test_one_goes_one_comes, empty),
		cmocka_unit_test_setup(test_rename_keeps_counters, empty),
		cmocka_unit_test_setup(test_new_key_starts_anew, empty),
		cmocka_unit_test_setup(test_prefix_moves, empty),
		cmocka_unit_test_setup(test_host_bits, empty),
		cmocka_unit_test_setup(test_all_replaced, empty),
		cmocka_unit_test_setup(test_read_while_changing, empty),
		cmocka_unit_test_setup(test_no_private_key, empty),
	};

	return cmocka_run_group_tests_name("metrics, the file", tests, load, unload);
}
