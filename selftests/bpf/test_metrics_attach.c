// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching, keeping and removing the metrics, with traffic through a tun device: like WireGuard's
 * it has no link layer, and what the kernel sends to it can be read, what is written to it is
 * received.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "metrics_env.h"
#include "../../tools/metrics/collect.h"
#include "../../tools/metrics/exposition.h"
#include "../../tools/metrics/interface.h"
#include "../../tools/metrics/maps.h"
#include "../../tools/metrics/metrics.h"
#include "../../tools/lib/file.h"
#include "bpf/metrics.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/classifier.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/route.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LANE "fl0"

static struct nl_sock *rtnl;
static int tun = -1;

/* ---- the lane ---- */

static int lane_up(const char *name, int flags)
{
	struct rtnl_link *change = rtnl_link_alloc(), *old;
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local;
	int ifindex;

	assert_true(fd >= 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	ifindex = if_nametoindex(name);
	assert_int_equal(rtnl_link_get_kernel(rtnl, ifindex, NULL, &old), 0);
	rtnl_link_set_flags(change, IFF_UP);
	assert_int_equal(rtnl_link_change(rtnl, old, change, 0), 0);
	rtnl_link_put(old);
	rtnl_link_put(change);
	/* 10.200.0.0/16 and fd00:200::/64 are on the other side. */
	assert_int_equal(nl_addr_parse("10.200.0.0/16", AF_INET, &local), 0);
	rtnl_addr_set_ifindex(addr, ifindex);
	rtnl_addr_set_local(addr, local);
	assert_int_equal(rtnl_addr_add(rtnl, addr, 0), 0);
	nl_addr_put(local);
	rtnl_addr_put(addr);
	addr = rtnl_addr_alloc();
	assert_int_equal(nl_addr_parse("fd00:200::ffff/64", AF_INET6, &local), 0);
	rtnl_addr_set_ifindex(addr, ifindex);
	rtnl_addr_set_local(addr, local);
	rtnl_addr_set_flags(addr, IFA_F_NODAD);
	assert_int_equal(rtnl_addr_add(rtnl, addr, 0), 0);
	nl_addr_put(local);
	rtnl_addr_put(addr);
	return fd;
}

/* What the device sends by itself (router solicitations, MLD) is counted as well, as it must
 * be: tests compare with the device, or look at one peer. */
struct device {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

static struct device device(void)
{
	struct rtnl_link *l;
	struct device d;

	assert_int_equal(rtnl_link_get_kernel(rtnl, 0, LANE, &l), 0);
	d.rx_packets = rtnl_link_get_stat(l, RTNL_LINK_RX_PACKETS);
	d.rx_bytes = rtnl_link_get_stat(l, RTNL_LINK_RX_BYTES);
	d.tx_packets = rtnl_link_get_stat(l, RTNL_LINK_TX_PACKETS);
	d.tx_bytes = rtnl_link_get_stat(l, RTNL_LINK_TX_BYTES);
	rtnl_link_put(l);
	return d;
}

/* A tun device counts a packet as sent when it is read. */
static void drain(void)
{
	struct pollfd p = { tun, POLLIN };
	char buf[1 << 17];

	while (poll(&p, 1, 20) == 1)
		while (read(tun, buf, sizeof(buf)) > 0)
			;
}

static void receive(const char *src, int family, size_t len)
{
	uint8_t p[2048] = { family == 4 ? 0x45 : 0x60 };

	if (family == 4) {
		p[2] = len >> 8;
		p[3] = len;
		p[8] = 64;
		p[9] = IPPROTO_UDP;
		inet_pton(AF_INET, src, p + 12);
		inet_pton(AF_INET, "10.200.0.0", p + 16);
	} else {
		p[4] = (len - 40) >> 8;
		p[5] = len - 40;
		p[6] = IPPROTO_UDP;
		p[7] = 64;
		inet_pton(AF_INET6, src, p + 8);
		inet_pton(AF_INET6, "fd00:200::ffff", p + 24);
	}
	assert_int_equal(write(tun, p, len), len);
}

static void send_to(const char *dst, int family, size_t payload)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char data[2048] = { 0 };

	assert_true(fd >= 0);
	if (family == 4) {
		inet_pton(AF_INET, dst, &a4.sin_addr);
		assert_int_equal(sendto(fd, data, payload, 0, (void *)&a4, sizeof(a4)), payload);
	} else {
		inet_pton(AF_INET6, dst, &a6.sin6_addr);
		assert_int_equal(sendto(fd, data, payload, 0, (void *)&a6, sizeof(a6)), payload);
	}
	close(fd);
}

/* ---- the file ---- */

static struct fl_exposition *read_file(void)
{
	struct fl_exposition *e;
	size_t len;
	char *text;

	assert_int_equal(fl_file_read(FL_METRICS_FILE, 64 << 20, &text, &len), 0);
	e = fl_exposition_parse(FL_METRICS_FILE, text, len);
	assert_non_null(e);
	free(text);
	return e;
}

/* The sample of a peer, or, with NULL, of the family; -1: there is none. */
static int64_t value(const char *name, const char *peer)
{
	struct fl_exposition *e = read_file();
	int64_t val = -1;

	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *f = &e->families[i];

		for (size_t j = 0; j < f->n_samples && !strcmp(f->name, name); j++) {
			const char *label = fl_sample_label(&f->samples[j], "peer");

			if (!peer || (label && !strcmp(label, peer)))
				val = strtoll(f->samples[j].value, NULL, 10);
		}
	}
	fl_exposition_free(e);
	return val;
}

/* Sum of a family's samples. */
static uint64_t total(const char *name)
{
	struct fl_exposition *e = read_file();
	uint64_t sum = 0;

	for (size_t i = 0; i < e->n_families; i++)
		for (size_t j = 0; j < e->families[i].n_samples; j++)
			if (!strcmp(e->families[i].name, name))
				sum += strtoull(e->families[i].samples[j].value, NULL, 10);
	fl_exposition_free(e);
	return sum;
}

#define RX_PACKETS "fairlead_peer_receive_packets_total"
#define RX_BYTES   "fairlead_peer_receive_bytes_total"
#define TX_PACKETS "fairlead_peer_transmit_packets_total"
#define TX_BYTES   "fairlead_peer_transmit_bytes_total"

/* ---- fl_metrics_* with its messages ---- */

static char *said;
static size_t said_len;

static void listen_begin(void)
{
	free(said);
	said = NULL;
	fl_msg_stream = open_memstream(&said, &said_len);
}

static void listen_end(void)
{
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;
}

static int on_lane(uint32_t peers, const char *lane, bool sync)
{
	struct fl_mesh *m = env_mesh(peers);
	int ret;

	listen_begin();
	ret = sync ? fl_metrics_sync(m, &m->nodes[0], lane) :
		     fl_metrics_attach(m, &m->nodes[0], lane);
	listen_end();
	env_mesh_free(m);
	return ret;
}

static int attach(uint32_t peers)
{
	return on_lane(peers, LANE, false);
}

static int detach(void)
{
	int ret;

	listen_begin();
	ret = fl_metrics_detach();
	listen_end();
	return ret;
}

/* Our BPF programs and maps on the whole machine, by name: a detach must leave none. No other test
 * of the metrics may run at the same time. */
static unsigned int ours(void)
{
	unsigned int n = 0;
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len))
			n += !strncmp(info.name, "fl_metrics", 10) ||
			     !strncmp(info.name, "fl_underlay", 11) ||
			     !strncmp(info.name, "fl_wg_", 6);
		close(fd);
	}
	id = 0;
	while (!bpf_map_get_next_id(id, &id)) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_map_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len))
			n += !strncmp(info.name, "metrics_", 8);
		close(fd);
	}
	return n;
}

/* The kernel frees them after a grace period. */
static bool ours_become(unsigned int n)
{
	for (int i = 0; i < 200 && ours() != n; i++)
		usleep(50000);
	return ours() == n;
}

/* How many there are when no more go away. */
static unsigned int settled(void)
{
	unsigned int n = 0, same = 0;

	while (same < 10) {
		usleep(50000);
		same = ours() == n ? same + 1 : 0;
		n = ours();
	}
	return n;
}

static bool has_clsact(const char *name)
{
	struct nl_cache *cache;
	struct rtnl_qdisc *q;
	bool found;

	assert_int_equal(rtnl_qdisc_alloc_cache(rtnl, &cache), 0);
	q = rtnl_qdisc_get_by_parent(cache, if_nametoindex(name), TC_H_CLSACT);
	found = q != NULL;
	if (q)
		rtnl_qdisc_put(q);
	nl_cache_free(cache);
	return found;
}

static int n_filters(const char *name, bool egress)
{
	struct nl_cache *cache;
	int n = 0;

	if (rtnl_cls_alloc_cache(
		    rtnl, if_nametoindex(name),
		    TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS), &cache))
		return 0;
	/* A priority is listed as well, with handle 0. */
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
		n += rtnl_tc_get_handle(TC_CAST(o)) != 0;
	nl_cache_free(cache);
	return n;
}

static struct fl_metrics_status status(void)
{
	struct fl_metrics_status st;

	fl_metrics_status(LANE, &st);
	return st;
}

/* ---- tests ---- */

static int setup(void **state)
{
	(void)state;
	tun = lane_up(LANE, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	detach();
	if (tun >= 0)
		close(tun);
	tun = -1;
	return 0;
}

static void test_counts_both_ways(void **state)
{
	(void)state;
	assert_int_equal(attach(3), FL_OK);
	receive("10.200.0.1", 4, 128);
	receive("fd00:200::2", 6, 1280);
	receive("192.0.2.1", 4, 60);
	send_to("10.200.0.3", 4, 100);
	send_to("fd00:200::3", 6, 100);
	drain();
	assert_int_equal(value(RX_PACKETS, "node-1"), 1);
	assert_int_equal(value(RX_BYTES, "node-1"), 128);
	assert_int_equal(value(RX_PACKETS, "node-2"), 1);
	assert_int_equal(value(RX_BYTES, "node-2"), 1280);
	assert_int_equal(value(TX_PACKETS, "node-3"), 2);
	assert_int_equal(value(TX_BYTES, "node-3"), 128 + 148);
	assert_int_equal(value("fairlead_unmatched_receive_packets_total", NULL), 1);
	assert_int_equal(value("fairlead_unmatched_receive_bytes_total", NULL), 60);
	assert_int_equal(value(RX_PACKETS, "node-0"), -1);
	/* What the device itself counts: the kernel's reader finds it. */
	assert_int_equal(value("fairlead_lane_drops_total", NULL), 0);
}

static struct device counted(void)
{
	return (struct device){
		.rx_packets = total(RX_PACKETS) + total("fairlead_unmatched_receive_packets_total"),
		.rx_bytes = total(RX_BYTES) + total("fairlead_unmatched_receive_bytes_total"),
		.tx_packets =
			total(TX_PACKETS) + total("fairlead_unmatched_transmit_packets_total"),
		.tx_bytes = total(TX_BYTES) + total("fairlead_unmatched_transmit_bytes_total"),
	};
}

/* What the device and we have counted while it sent nothing by itself. */
static void both(struct device *dev, struct device *ours)
{
	struct device again;

	do {
		drain();
		*dev = device();
		*ours = counted();
		drain();
		again = device();
	} while (memcmp(dev, &again, sizeof(again)));
}

/* Exactly what the device says, bytes and packets, both ways. */
static void test_as_the_device(void **state)
{
	struct device a, b, ours_a, ours_b;

	(void)state;
	assert_int_equal(attach(3), FL_OK);
	both(&a, &ours_a);
	for (int i = 0; i < 500; i++) {
		send_to(i & 1 ? "10.200.0.1" : "10.200.0.99", 4, 1 + i);
		send_to(i & 1 ? "fd00:200::2" : "fd00:200::99", 6, 1 + i);
		receive(i & 1 ? "10.200.0.3" : "192.0.2.7", 4, 28 + i);
		receive(i & 1 ? "fd00:200::3" : "2001:db8::", 6, 48 + i);
		if (i % 50 == 0)
			drain();
	}
	for (size_t len = 1; len < 20; len++) { /* truncated: nobody's, but counted */
		uint8_t cut[20] = { 0x45 };

		assert_int_equal(write(tun, cut, len), len);
	}
	both(&b, &ours_b);
	assert_int_equal(b.rx_packets - a.rx_packets, 1019);
	assert_int_equal(ours_b.rx_packets - ours_a.rx_packets, 1019);
	assert_int_equal(ours_b.rx_bytes - ours_a.rx_bytes, b.rx_bytes - a.rx_bytes);
	assert_int_equal(ours_b.tx_packets - ours_a.tx_packets, b.tx_packets - a.tx_packets);
	assert_int_equal(ours_b.tx_bytes - ours_a.tx_bytes, b.tx_bytes - a.tx_bytes);
	assert_int_equal(total(RX_PACKETS), 500);
	assert_int_equal(total(TX_PACKETS), 500);
}

/* A GSO packet of 10 segments in, as a device with receive offload has it. */
static void test_gso_from_a_device(void **state)
{
	uint8_t buf[sizeof(struct virtio_net_hdr) + 10040] = { 0 };
	struct virtio_net_hdr *vh = (void *)buf;
	uint8_t *ip = buf + sizeof(*vh);

	(void)state;
	close(tun);
	tun = lane_up(LANE, IFF_VNET_HDR);
	assert_int_equal(attach(1), FL_OK);
	vh->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vh->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	vh->hdr_len = 40;
	vh->gso_size = 1000;
	vh->csum_start = 20;
	vh->csum_offset = 16;
	ip[0] = 0x45;
	ip[2] = 10040 >> 8;
	ip[3] = 10040 & 0xff;
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	inet_pton(AF_INET, "10.200.0.1", ip + 12);
	inet_pton(AF_INET, "10.200.0.0", ip + 16);
	ip[20 + 12] = 5 << 4;
	assert_int_equal(write(tun, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(value(RX_PACKETS, "node-1"), 10);
	assert_int_equal(value(RX_BYTES, "node-1"), 10 * 1040);
}

static void test_twice(void **state)
{
	unsigned int n;

	(void)state;
	assert_true(ours_become(0));
	assert_int_equal(attach(3), FL_OK);
	receive("10.200.0.1", 4, 128);
	/* From the second time on the file has an iterator of its own, and the filters are still
	 * the first ones. */
	assert_int_equal(attach(3), FL_OK);
	n = settled();
	for (int i = 0; i < 3; i++)
		assert_int_equal(attach(3), FL_OK);
	assert_int_equal(value(RX_PACKETS, "node-1"), 1);
	assert_int_equal(n_filters(LANE, false), 1);
	assert_int_equal(n_filters(LANE, true), 1);
	receive("10.200.0.1", 4, 128);
	assert_int_equal(value(RX_PACKETS, "node-1"), 2);
	assert_int_equal(value("fairlead_lane_receive_packets_total", NULL), 2);
	assert_true(ours_become(n));
}

static void test_detach_leaves_nothing(void **state)
{
	struct fl_metrics_status st;

	(void)state;
	assert_true(ours_become(0));
	assert_int_equal(attach(3), FL_OK);
	assert_true(ours() > 0);
	assert_true(has_clsact(LANE));
	assert_int_equal(detach(), FL_OK);
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
	assert_false(has_clsact(LANE));
	assert_true(ours_become(0));
	assert_false(fl_metrics_status(LANE, &st));
	assert_int_equal(detach(), FL_OK);
	assert_string_equal(said ?: "", "");
}

/* What is not ours stays: another directory, another filter, a qdisc that was there. */
static void test_detach_leaves_the_rest(void **state)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(LANE),
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	(void)state;
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(mkdir("/sys/fs/bpf/fairlead", 0700), 0);
	assert_int_equal(mkdir("/sys/fs/bpf/fairlead/other", 0700), 0);
	assert_int_equal(attach(3), FL_OK);
	assert_int_equal(detach(), FL_OK);
	assert_true(has_clsact(LANE));
	assert_int_equal(n_filters(LANE, false), 0);
	assert_int_equal(access("/sys/fs/bpf/fairlead/other", F_OK), 0);
	assert_int_equal(access("/sys/fs/bpf/fairlead/maps", F_OK), -1);
	rmdir("/sys/fs/bpf/fairlead/other");
	rmdir("/sys/fs/bpf/fairlead");
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

/* A program that lets everything pass, somebody else's. */
static int foreign_prog(const char *name)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void test_foreign_filters(void **state)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(LANE),
			    .attach_point = BPF_TC_EGRESS);
	int fd = foreign_prog("foreign");
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, mine, .handle = 1, .priority = 2, .prog_fd = fd);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, same_place, .handle = 0xfa1, .priority = 1, .prog_fd = fd);

	(void)state;
	/* Beside ours: both run, and the qdisc that we made is not empty at the end. */
	assert_int_equal(attach(1), FL_OK);
	assert_int_equal(bpf_tc_attach(&hook, &mine), 0);
	send_to("10.200.0.1", 4, 100);
	assert_int_equal(value(TX_PACKETS, "node-1"), 1);
	assert_int_equal(detach(), FL_OK);
	assert_int_equal(n_filters(LANE, true), 1);
	assert_true(has_clsact(LANE));
	/* In our place: refused, nothing left of ours. */
	assert_int_equal(bpf_tc_attach(&hook, &same_place), 0);
	assert_int_equal(attach(1), FL_FAILED);
	assert_non_null(strstr(said, "another program's filter"));
	assert_int_equal(n_filters(LANE, false), 0);
	assert_int_equal(n_filters(LANE, true), 2);
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
	close(fd);
}

static void test_survives_the_tool(void **state)
{
	pid_t pid;
	int st;

	(void)state;
	pid = fork();
	if (!pid)
		_exit(attach(2));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	receive("10.200.0.2", 4, 100);
	receive("10.200.0.2", 4, 100);
	assert_int_equal(value(RX_BYTES, "node-2"), 200);
}

static void test_sync(void **state)
{
	(void)state;
	/* Nothing pinned: nothing done, nothing said. */
	assert_int_equal(on_lane(2, LANE, true), FL_OK);
	assert_string_equal(said ?: "", "");
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
	assert_int_equal(attach(2), FL_OK);
	receive("10.200.0.2", 4, 100);
	assert_int_equal(on_lane(5, LANE, true), FL_OK);
	assert_int_equal(value(RX_BYTES, "node-2"), 100);
	assert_int_equal(value(RX_BYTES, "node-5"), 0);
	assert_int_equal(status().peers, 5);
	assert_int_equal(status().prefixes, 20);
	assert_int_equal(on_lane(1, LANE, true), FL_OK);
	assert_int_equal(value(RX_BYTES, "node-2"), -1);
	assert_int_equal(status().peers, 1);
}

/* `mesh down`, `mesh up`: the filters went with the device, sync puts them on the new one. */
static void test_device_recreated(void **state)
{
	(void)state;
	assert_int_equal(attach(2), FL_OK);
	receive("10.200.0.2", 4, 100);
	assert_true(status().attached);
	close(tun);
	assert_false(status().attached);
	assert_int_equal(value(RX_BYTES, "node-2"), 100);
	tun = lane_up(LANE, 0);
	assert_true(status().pinned);
	assert_false(status().attached);
	assert_int_equal(on_lane(2, LANE, true), FL_OK);
	assert_true(status().attached);
	receive("10.200.0.2", 4, 100);
	assert_int_equal(value(RX_BYTES, "node-2"), 200);
	assert_int_equal(detach(), FL_OK);
	assert_false(has_clsact(LANE));
}

static void test_several_lanes(void **state)
{
	int first = tun, second = lane_up("fl1", 0);

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	assert_int_equal(on_lane(2, "fl1", false), FL_OK);
	receive("10.200.0.1", 4, 100);
	tun = second;
	receive("10.200.0.1", 4, 100);
	tun = first;
	assert_int_equal(value(RX_PACKETS, "node-1"), 2);
	assert_int_equal(detach(), FL_OK);
	assert_false(has_clsact(LANE));
	assert_false(has_clsact("fl1"));
	close(second);
}

/* A tool of another version: maps of another shape. */
static void test_stale_layout(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	receive("10.200.0.2", 4, 100);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "metrics_peers", 4, 8, 10, NULL);
	assert_true(fd >= 0);
	assert_int_equal(unlink("/sys/fs/bpf/fairlead/maps/metrics_peers"), 0);
	assert_int_equal(bpf_obj_pin(fd, "/sys/fs/bpf/fairlead/maps/metrics_peers"), 0);
	close(fd);
	assert_false(status().pinned);
	assert_int_equal(attach(2), FL_OK);
	assert_non_null(strstr(said, "another version"));
	assert_true(status().attached);
	assert_int_equal(n_filters(LANE, false), 1);
	receive("10.200.0.2", 4, 100);
	assert_int_equal(value(RX_BYTES, "node-2"), 100);
	assert_int_equal(attach(2), FL_OK);
	assert_string_equal(said, "");
}

static void test_stale_number(void **state)
{
	struct fl_metrics_node node;
	__u32 zero = 0;
	int fd;

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	fd = bpf_obj_get("/sys/fs/bpf/fairlead/maps/metrics_node");
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &node), 0);
	node.layout++;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &node, 0), 0);
	close(fd);
	assert_int_equal(on_lane(2, LANE, true), FL_OK);
	assert_non_null(strstr(said, "another version"));
	assert_true(status().attached);
}

/* A file that is there for other counters is no wish to have the lanes counted. */
static void test_sync_without_lanes(void **state)
{
	const struct fl_metrics_gauge gauge = { FL_USED_MAPS, 7 };

	(void)state;
	assert_int_equal(fl_metrics_gauges(FL_BY_PRESSURE, &gauge, 1), FL_OK);
	assert_int_equal(value("fairlead_resource_used", NULL), 7);
	assert_int_equal(on_lane(2, LANE, true), FL_OK);
	assert_false(status().attached);
	assert_false(has_clsact(LANE));
	assert_int_equal(attach(2), FL_OK);
	assert_true(status().attached);
	assert_int_equal(value("fairlead_resource_used", NULL), 7);
}

static void test_detach_of_stale(void **state)
{
	(void)state;
	assert_int_equal(attach(2), FL_OK);
	assert_int_equal(unlink("/sys/fs/bpf/fairlead/maps/metrics_lanes"), 0);
	assert_int_equal(detach(), FL_OK);
	assert_int_equal(n_filters(LANE, false), 0);
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
}

#define TCP_LINK "/sys/fs/bpf/fairlead/links/fl_metrics_tcp"

static struct bpf_link_info tcp_link(char prog[BPF_OBJ_NAME_LEN])
{
	struct bpf_link_info link = { 0 };
	struct bpf_prog_info info = { 0 };
	int fd = bpf_obj_get(TCP_LINK), prog_fd;
	__u32 len = sizeof(link);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &link, &len), 0);
	close(fd);
	prog_fd = bpf_prog_get_fd_by_id(link.prog_id);
	len = sizeof(info);
	assert_int_equal(bpf_obj_get_info_by_fd(prog_fd, &info, &len), 0);
	close(prog_fd);
	strcpy(prog, info.name);
	return link;
}

/* Another version's program is replaced inside its link, so that there is always one. */
static void test_link_is_updated(void **state)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_link_info first, second;
	char name[BPF_OBJ_NAME_LEN];
	struct fl_metrics_node node;
	int old, link, fd;
	__u32 zero = 0;

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	first = tcp_link(name);
	assert_string_equal(name, "fl_metrics_tcp");
	/* The same again: nothing is touched. */
	assert_int_equal(attach(2), FL_OK);
	second = tcp_link(name);
	assert_int_equal(first.id, second.id);
	assert_int_equal(first.prog_id, second.prog_id);

	old = bpf_prog_load(BPF_PROG_TYPE_SOCK_OPS, "older", "GPL", insns, 2, NULL);
	assert_true(old >= 0);
	link = bpf_obj_get(TCP_LINK);
	assert_int_equal(bpf_link_update(link, old, NULL), 0);
	close(link);
	close(old);
	fd = bpf_obj_get("/sys/fs/bpf/fairlead/maps/metrics_node");
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &node), 0);
	node.object[FL_BY_TCP]++;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &node, 0), 0);
	close(fd);
	tcp_link(name);
	assert_string_equal(name, "older");
	assert_int_equal(attach(2), FL_OK);
	assert_string_equal(said, "");
	second = tcp_link(name);
	assert_int_equal(first.id, second.id);
	assert_string_equal(name, "fl_metrics_tcp");
}

/* ---- another version ---- */

/* The last instruction, an exit or a jump, moves by one: the same program, with another tag. */
static int longer(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	size_t n = bpf_program__insn_cnt(prog);
	struct bpf_insn *insns = fl_zalloc((n + 1) * sizeof(*insns));

	(void)opts;
	(void)cookie;
	memcpy(insns, bpf_program__insns(prog), n * sizeof(*insns));
	insns[n] = insns[n - 1];
	if (insns[n].code == (BPF_JMP | BPF_JA))
		insns[n].off--;
	else
		assert_int_equal(insns[n].code, BPF_JMP | BPF_EXIT);
	insns[n - 1] = (struct bpf_insn){ .code = BPF_JMP | BPF_JA };
	assert_int_equal(bpf_program__set_insns(prog, insns, n + 1), 0);
	free(insns);
	return 0;
}

/* The programs of a lane, with the maps that are pinned. The caller destroys. */
static struct metrics_bpf *load_lane(bool other)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = longer);
	struct metrics_bpf *skel;
	struct fl_metrics_maps maps;
	char path[128];
	int handler = 0;

	if (other)
		handler = libbpf_register_prog_handler("tc", BPF_PROG_TYPE_SCHED_CLS, 0, &opts);
	skel = metrics_bpf__open();
	assert_non_null(skel);
	bpf_program__set_autoload(skel->progs.fl_metrics_show, false);
	for (int i = 0; i < FL_N_MAPS; i++) {
		snprintf(path, sizeof(path), "/sys/fs/bpf/fairlead/maps/%s",
			 fl_metrics_map_names[i]);
		maps.fd[i] = bpf_obj_get(path);
	}
	assert_int_equal(fl_collect_share(skel->obj, &maps), 0);
	assert_int_equal(metrics_bpf__load(skel), 0);
	for (int i = 0; i < FL_N_MAPS; i++)
		close(maps.fd[i]);
	if (other)
		assert_int_equal(libbpf_unregister_prog_handler(handler), 0);
	return skel;
}

static __u32 attached_prog(void)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(LANE),
			    .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 0xfa1, .priority = 1);

	assert_int_equal(bpf_tc_query(&hook, &opts), 0);
	return opts.prog_id;
}

#define FLOOD 20000

/* Packets come while one version takes the other's place again and again: each is counted once. */
static void test_replaced_under_traffic(void **state)
{
	struct metrics_bpf *skel[2];
	unsigned int replaced = 0;
	__u32 last;
	pid_t pid;

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	skel[0] = load_lane(false);
	skel[1] = load_lane(true);
	last = attached_prog();
	pid = fork();
	if (!pid) {
		for (int i = 0; i < FLOOD; i++)
			receive("10.200.0.2", 4, 100);
		_exit(0);
	}
	for (unsigned int i = 1; !waitpid(pid, NULL, WNOHANG); i++) {
		struct fl_metrics_maps maps = env_maps(skel[i & 1]->obj);
		struct fl_tc tc = fl_lane_tc(&maps);
		__u32 now;
		bool made;

		tc.prog_fd[0] = bpf_program__fd(skel[i & 1]->progs.fl_metrics_rx);
		tc.prog_fd[1] = bpf_program__fd(skel[i & 1]->progs.fl_metrics_tx);
		assert_int_equal(fl_tc_attach(if_nametoindex(LANE), LANE, &tc, &made), FL_OK);
		now = attached_prog();
		replaced += now != last;
		last = now;
	}
	assert_in_range(replaced, 10, ~0U);
	assert_int_equal(value(RX_PACKETS, "node-2"), FLOOD);
	assert_int_equal(value(RX_BYTES, "node-2"), FLOOD * 100);
	assert_int_equal(n_filters(LANE, false), 1);
	metrics_bpf__destroy(skel[0]);
	metrics_bpf__destroy(skel[1]);
}

/* A reader that has the file open while it is replaced reads what it opened, whole. */
static void test_replaced_while_read(void **state)
{
	char buf[1 << 16];
	size_t size = 0;
	ssize_t n;
	int fd;

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	fd = open(FL_METRICS_FILE, O_RDONLY);
	n = read(fd, buf, 100);
	assert_int_equal(n, 100);
	size = n;
	assert_int_equal(attach(2), FL_OK);
	while ((n = read(fd, buf + size, sizeof(buf) - size)) > 0)
		size += n;
	assert_int_equal(n, 0);
	close(fd);
	assert_memory_equal(buf + size - 6, "# EOF\n", 6);
}

/* ---- refusals ---- */

static void test_no_interface(void **state)
{
	(void)state;
	assert_int_equal(on_lane(2, "fl9", false), FL_FAILED);
	assert_string_equal(said, "fairlead: metrics: no interface fl9; bring the mesh up first\n");
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
}

static void test_link_layer(void **state)
{
	(void)state;
	assert_int_equal(on_lane(2, "lo", false), FL_FAILED);
	assert_non_null(strstr(said, "lo has link-layer headers"));
	assert_false(has_clsact("lo"));
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
}

/* In a child: a mount namespace without the bpffs, or other rights. */
static int in_child(int (*fn)(void), char *out, size_t size)
{
	int fds[2], st;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		int ret = fn();

		if (write(fds[1], said ?: "", said ? said_len : 0) < 0)
			_exit(99);
		_exit(ret);
	}
	close(fds[1]);
	n = read(fds[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return WEXITSTATUS(st);
}

static int without_bpffs(void)
{
	if (unshare(CLONE_NEWNS) || umount2("/sys/fs/bpf", MNT_DETACH))
		return 98;
	/* The machine's own may lie below. */
	umount2("/sys/fs/bpf", MNT_DETACH);
	return attach(2);
}

static void test_no_bpffs(void **state)
{
	char out[512];

	(void)state;
	assert_int_equal(in_child(without_bpffs, out, sizeof(out)), FL_FAILED);
	assert_string_equal(
		out,
		"fairlead: /sys/fs/bpf: no BPF file system there; mount it: mount -t bpf bpf /sys/fs/bpf\n");
}

static int as_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		return 98;
	return attach(2);
}

static int read_as_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		return 98;
	return open(FL_METRICS_FILE, O_RDONLY) < 0 && errno == EACCES ? 0 : 97;
}

static void test_no_root(void **state)
{
	struct fl_metrics_status st;
	struct stat s;
	char out[512];

	(void)state;
	assert_int_equal(in_child(as_nobody, out, sizeof(out)), FL_FAILED);
	assert_string_equal(out, "fairlead: metrics: needs root, to load BPF programs\n");
	assert_int_equal(attach(2), FL_OK);
	assert_int_equal(in_child(read_as_nobody, out, sizeof(out)), 0);
	assert_int_equal(stat(FL_METRICS_FILE, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0400);
	assert_int_equal(s.st_uid, 0);
	/* Not only the directory keeps others out. */
	assert_int_equal(chmod("/sys/fs/bpf/fairlead", 0755), 0);
	assert_int_equal(in_child(read_as_nobody, out, sizeof(out)), 0);
	assert_true(fl_metrics_status(LANE, &st));
}

/* A group that nobody of this test is in: root's own groups do not matter. */
#define READERS "daemon"

/* 0: the file can be read and nothing else can be done. */
static int read_as_group(void)
{
	const struct group *gr = getgrnam(READERS);
	char buf[16];
	int fd;

	if (!gr || setgroups(0, NULL) || setgid(gr->gr_gid) || setuid(65534))
		return 98;
	fd = open(FL_METRICS_FILE, O_RDONLY);
	if (fd < 0)
		return 97;
	if (read(fd, buf, sizeof(buf)) != sizeof(buf) || memcmp(buf, "# TYPE fairlead_", 16))
		return 96;
	if (open(FL_METRICS_FILE, O_RDWR) >= 0 || !unlink(FL_METRICS_FILE) ||
	    !chmod(FL_METRICS_FILE, 0644))
		return 95;
	if (bpf_obj_get("/sys/fs/bpf/fairlead/maps/metrics_peers") >= 0 ||
	    bpf_obj_get("/sys/fs/bpf/fairlead/metrics") >= 0)
		return 94;
	if (!access("/sys/fs/bpf/fairlead/maps/metrics_peers", F_OK) ||
	    !mkdir("/sys/fs/bpf/fairlead/x", 0700))
		return 93;
	return 0;
}

static int allow(const char *group)
{
	int ret;

	listen_begin();
	ret = fl_metrics_allow(group);
	listen_end();
	return ret;
}

static void test_group(void **state)
{
	struct stat s;
	char out[512];

	(void)state;
	assert_int_equal(attach(2), FL_OK);
	assert_int_equal(in_child(read_as_group, out, sizeof(out)), 97);
	assert_int_equal(allow(READERS), FL_OK);
	assert_string_equal(said, "");
	assert_int_equal(in_child(read_as_group, out, sizeof(out)), 0);
	assert_int_equal(in_child(read_as_nobody, out, sizeof(out)), 0);
	/* A new file, the same readers. */
	assert_int_equal(attach(3), FL_OK);
	assert_int_equal(in_child(read_as_group, out, sizeof(out)), 0);
	assert_int_equal(in_child(read_as_nobody, out, sizeof(out)), 0);
	assert_int_equal(allow("no-such-group"), FL_FAILED);
	assert_non_null(strstr(said, "there is no group 'no-such-group'"));
	assert_int_equal(in_child(read_as_group, out, sizeof(out)), 0);
	/* Closed further up. */
	assert_int_equal(chmod("/sys/fs/bpf", 0700), 0);
	assert_int_equal(allow(READERS), FL_OK);
	assert_non_null(strstr(said, "mode 0700"));
	assert_int_equal(chmod("/sys/fs/bpf", 0755), 0);
	assert_int_equal(allow("root"), FL_OK);
	assert_int_equal(in_child(read_as_group, out, sizeof(out)), 97);
	assert_int_equal(stat(FL_METRICS_FILE, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0400);
}

static int without_cap_bpf(void)
{
	/* CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON leave; root stays root. */
	struct __user_cap_header_struct hdr = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { 0 };

	if (syscall(SYS_capget, &hdr, caps))
		return 98;
	for (int i = 0; i < 2; i++) {
		caps[i].permitted &= ~(i ? CAP_TO_MASK(CAP_BPF) | CAP_TO_MASK(CAP_PERFMON) :
					   CAP_TO_MASK(CAP_SYS_ADMIN));
		caps[i].effective = caps[i].permitted;
	}
	if (syscall(SYS_capset, &hdr, caps))
		return 98;
	return attach(2);
}

static void test_no_capability(void **state)
{
	char out[1024];

	(void)state;
	assert_int_equal(in_child(without_cap_bpf, out, sizeof(out)), FL_FAILED);
	assert_non_null(strstr(out, "CAP_BPF"));
	assert_int_equal(access("/sys/fs/bpf/fairlead", F_OK), -1);
	assert_false(has_clsact(LANE));
}

static int enter(void **state)
{
	(void)state;
	env_enter();
	rtnl = nl_socket_alloc();
	return nl_connect(rtnl, NETLINK_ROUTE);
}

static int leave(void **state)
{
	(void)state;
	nl_socket_free(rtnl);
	free(said);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts_both_ways),
		TEST(test_as_the_device),
		TEST(test_gso_from_a_device),
		TEST(test_twice),
		TEST(test_detach_leaves_nothing),
		TEST(test_detach_leaves_the_rest),
		TEST(test_foreign_filters),
		TEST(test_survives_the_tool),
		TEST(test_sync),
		TEST(test_device_recreated),
		TEST(test_several_lanes),
		TEST(test_stale_layout),
		TEST(test_stale_number),
		TEST(test_sync_without_lanes),
		TEST(test_detach_of_stale),
		TEST(test_link_is_updated),
		TEST(test_replaced_under_traffic),
		TEST(test_replaced_while_read),
		TEST(test_no_interface),
		TEST(test_link_layer),
		TEST(test_no_bpffs),
		TEST(test_no_root),
		TEST(test_group),
		TEST(test_no_capability),
	};

	return cmocka_run_group_tests_name("metrics, attached", tests, enter, leave);
}
