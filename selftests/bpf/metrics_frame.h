/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TEST_METRICS_FRAME_H
#define FL_TEST_METRICS_FRAME_H

/* Frames for BPF_PROG_TEST_RUN, and what a program costs. After cmocka.h. */

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdint.h>

struct packet {
	uint8_t data[2048];
	uint32_t len; /* with the Ethernet header */
};

static inline struct packet eth(uint16_t proto)
{
	struct packet p = { .len = ETH_HLEN };

	p.data[12] = proto >> 8;
	p.data[13] = proto & 0xff;
	return p;
}

/* An IPv4 packet of `len` bytes in all, `ihl` words of header. */
static inline struct packet v4(const char *src, const char *dst, uint8_t proto, uint32_t len,
			       uint8_t ihl)
{
	struct packet p = eth(ETHERTYPE_IP);
	uint8_t *h = p.data + ETH_HLEN;

	h[0] = 4 << 4 | ihl;
	h[2] = len >> 8;
	h[3] = len & 0xff;
	h[8] = 64;
	h[9] = proto;
	inet_pton(AF_INET, src, h + 12);
	inet_pton(AF_INET, dst, h + 16);
	if (proto == IPPROTO_TCP)
		h[ihl * 4 + 12] = 8 << 4; /* 32 bytes: with timestamps */
	p.len += len;
	return p;
}

static inline struct packet v6(const char *src, const char *dst, uint8_t proto, uint32_t len)
{
	struct packet p = eth(ETHERTYPE_IPV6);
	uint8_t *h = p.data + ETH_HLEN;

	h[0] = 6 << 4;
	h[4] = (len - 40) >> 8;
	h[5] = (len - 40) & 0xff;
	h[6] = proto;
	h[7] = 64;
	inet_pton(AF_INET6, src, h + 8);
	inet_pton(AF_INET6, dst, h + 24);
	if (proto == IPPROTO_TCP)
		h[40 + 12] = 5 << 4;
	p.len += len;
	return p;
}

/* ---- the price ---- */

static inline double nanoseconds(int prog, const struct packet *p, uint32_t gso_size,
				 uint32_t gso_segs)
{
	struct __sk_buff ctx = { .gso_size = gso_size, .gso_segs = gso_segs };
	double best = 1e9;

	for (int i = 0; i < 5; i++) {
		DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data,
				    .data_size_in = p->len, .ctx_in = &ctx,
				    .ctx_size_in = sizeof(ctx), .repeat = 1000000);

		assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
		if (opts.duration < best)
			best = opts.duration;
	}
	return best;
}

static inline uint32_t verified(struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	return info.verified_insns;
}

/* What BPF_PROG_TEST_RUN itself takes, with a program that does nothing. */
static inline int idle_prog(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nothing", "GPL", insns, 2, NULL);
}

#endif
