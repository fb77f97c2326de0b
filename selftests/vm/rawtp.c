// SPDX-License-Identifier: GPL-2.0
/*
 * A BPF program on the module's tracepoint fairlead_flush, as a raw tracepoint: by its arguments alone,
 * which are therefore an interface (docs/module.md).
 *
 *   rawtp           until SIGINT; then print, one a line, REASON BURSTS DATAGRAMS for each reason seen
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REASONS 64

enum { ARG_DATAGRAMS = 2, ARG_REASON = 4 };

static void die(const char *what)
{
	fprintf(stderr, "rawtp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_signal(int sig)
{
	(void)sig;
}

#define INSN(c, d, s, o, i)                                                                        \
	{                                                                                          \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                \
	}
#define ADD_AT(offset) INSN(BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_0, BPF_REG_1, offset, BPF_ADD)

int main(void)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "reasons", 4, 16, REASONS, NULL), prog;
	/* value = &map[reason]; value[0] += 1; value[1] += datagrams */
	struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, 8 * ARG_DATAGRAMS, 0),
		INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_2, BPF_REG_1, 8 * ARG_REASON, 0),
		INSN(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_2, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 3, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		ADD_AT(0),
		INSN(BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_0, BPF_REG_6, 8, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t block, old;

	if (map < 0)
		die("map");
	prog = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "flush", "GPL", insns,
			     sizeof(insns) / sizeof(insns[0]), NULL);
	if (prog < 0)
		die("program");
	if (bpf_raw_tracepoint_open("fairlead_flush", prog) < 0)
		die("tracepoint fairlead_flush");
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigprocmask(SIG_BLOCK, &block, &old);
	sigaction(SIGINT, &action, NULL);
	puts("ready");
	fflush(stdout);
	sigsuspend(&old);
	for (uint32_t reason = 0; reason < REASONS; reason++) {
		uint64_t value[2] = { 0 };

		if (!bpf_map_lookup_elem(map, &reason, value) && value[0])
			printf("%u %llu %llu\n", reason, (unsigned long long)value[0],
			       (unsigned long long)value[1]);
	}
	return 0;
}
