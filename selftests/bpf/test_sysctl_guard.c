// SPDX-License-Identifier: GPL-2.0
/*
 * The program that watches kernel parameters, on the running kernel: many writers at once, upgrades, and
 * what it costs. With FAIRLEAD_BENCH=1 it prints the cost and measures for longer. Who is
 * seen and refused is tested in cli/tune_watch.sh.
 */
#include "../../tools/lib/bpffs.h"
#include "../../tools/lib/mem.h"
#include "../../tools/lib/msg.h"
#include "../../tools/tune/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WATCHED	     "net.ipv4.tcp_retries2"
#define FILE_OF(key) "/proc/sys/net/ipv4/" key
#define WRITERS	     8

static const struct fl_owners nobody;

/* An emulated CPU takes its time. */
static int scaled(int times)
{
	return getenv("FAIRLEAD_BENCH") ? 50 * times : getenv("FAIRLEAD_LAB") ? times / 8 : times;
}

static void watch(const char *key)
{
	char *keys[] = { (char *)key };

	assert_int_equal(fl_guard_set(keys, 1, false, &nobody), FL_OK);
}

static void unwatch(void)
{
	bool was;

	assert_int_equal(fl_guard_remove(&was), FL_OK);
	assert_true(was);
}

static void put(const char *file, int n)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d\n", n) < 2)
		_exit(1);
	close(fd);
}

/* So far, by all writers and by the reader: shared memory. */
struct progress {
	uint64_t written, read;
};

/*
 * Each writes its own numbers, and the event that has one must have its writer, too. Together they go
 * round the ring twice before they wait for the reader: however late it gets the CPU, it loses some
 * and sees some.
 */
static void writer(int nr, int writes, struct progress *p)
{
	const int rest = 2 * FL_SYSCTL_EVENTS / WRITERS;
	char name[FL_SYSCTL_COMM];
	FILE *comm = fopen("/proc/self/comm", "w");

	snprintf(name, sizeof(name), "writer %d", nr);
	if (!comm || fputs(name, comm) < 0 || fclose(comm))
		_exit(1);
	for (int i = 0; i < writes; i++) {
		put(FILE_OF("tcp_retries2"), 10 * (i % 20 + 1) + nr);
		__atomic_add_fetch(&p->written, 1, __ATOMIC_SEQ_CST);
		while (i % rest == rest - 1 &&
		       __atomic_load_n(&p->written, __ATOMIC_SEQ_CST) >
			       __atomic_load_n(&p->read, __ATOMIC_SEQ_CST) + FL_SYSCTL_EVENTS / 2)
			usleep(200);
	}
	_exit(0);
}

static void check_event(const struct fl_sysctl_event *e)
{
	char name[FL_SYSCTL_COMM];

	snprintf(name, sizeof(name), "writer %d", atoi(e->new) % 10);
	if (strcmp(e->comm, name))
		fail_msg("'%s' wrote '%s'", e->comm, e->new);
	assert_int_equal(e->by, FL_SYSCTL_BY_OTHER);
}

static void test_many_writers(void **state)
{
	const int writes = scaled(2000);
	unsigned int seen = 0, lost = 0, running = WRITERS;
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct fl_sysctl_counts counts = { 0 };
	struct fl_sysctl_event e;
	struct fl_sysctl_slot slot;
	struct fl_guard g;
	uint64_t n = 0;

	(void)state;
	assert_ptr_not_equal(progress, MAP_FAILED);
	watch(WATCHED);
	assert_true(fl_guard_open(&g));
	for (int i = 0; i < WRITERS; i++)
		if (!fork())
			writer(i, writes, progress);
	while (running || n < fl_guard_next(&g)) {
		int status;

		while (running && waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			running--;
		}
		while (n < fl_guard_next(&g)) {
			enum fl_guard_read r = fl_guard_event(&g, n, &e);

			if (r == FL_GUARD_NOT_YET)
				break;
			if (r == FL_GUARD_READ)
				check_event(&e);
			*(r == FL_GUARD_READ ? &seen : &lost) += 1;
			__atomic_store_n(&progress->read, ++n, __ATOMIC_SEQ_CST);
		}
	}
	assert_int_equal(seen + lost, WRITERS * writes);
	assert_true(seen > FL_SYSCTL_EVENTS);
	assert_true(fl_guard_slot(&g, 0, &slot, &counts));
	assert_string_equal(slot.name, WATCHED);
	assert_int_equal(counts.changed[FL_SYSCTL_BY_OTHER] + counts.same, WRITERS * writes);
	fl_guard_close(&g);
	unwatch();
	munmap(progress, sizeof(*progress));
}

static __u32 link_id(__u32 *prog)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(FL_GUARD_LINK);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	*prog = info.prog_id;
	return info.id;
}

/* The link stays, so that there is no moment without a program. */
static void test_upgrade(void **state)
{
	struct fl_sysctl_counts counts;
	struct fl_sysctl_slot slot;
	__u32 link, prog, new_prog;
	struct fl_guard g;
	int fd;

	(void)state;
	watch(WATCHED);
	link = link_id(&prog);
	put(FILE_OF("tcp_retries2"), 30);
	watch(WATCHED);
	assert_int_equal(link_id(&new_prog), link);
	assert_int_not_equal(prog, new_prog);
	assert_true(fl_guard_open(&g));
	assert_true(fl_guard_slot(&g, 0, &slot, &counts));
	assert_int_equal(counts.changed[FL_SYSCTL_BY_OTHER], 1);
	fl_guard_close(&g);

	/* A version whose counters have another shape, */
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sysctl_counts", 4, 8, 1, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fl_bpffs_pin(fd, FL_BPFFS_MAPS "/sysctl_counts"), 0);
	close(fd);
	assert_false(fl_guard_open(&g));
	watch(WATCHED);
	assert_int_equal(link_id(&prog), link);
	put(FILE_OF("tcp_retries2"), 31);
	put(FILE_OF("tcp_retries2"), 32);
	assert_true(fl_guard_open(&g));
	assert_true(fl_guard_slot(&g, 0, &slot, &counts));
	assert_int_equal(counts.changed[FL_SYSCTL_BY_OTHER], 2);
	fl_guard_close(&g);

	/* or pins that somebody has removed. */
	unlink(FL_BPFFS_MAPS "/sysctl_events");
	watch(WATCHED);
	assert_int_equal(link_id(&prog), link);
	unwatch();
	assert_int_not_equal(access(FL_BPFFS_DIR, F_OK), 0);
}

/* ---- the keys that are watched ---- */

static void test_keys(void **state)
{
	char *many[FL_SYSCTL_KEYS_MAX + 1];
	struct fl_sysctl_counts counts;
	struct fl_sysctl_slot slot;
	struct fl_guard g;

	(void)state;
	for (int i = 0; i <= FL_SYSCTL_KEYS_MAX; i++)
		many[i] = fl_asprintf("net.ipv4.key%d", i);
	fl_msg_stream = fopen("/dev/null", "w");
	assert_int_equal(fl_guard_set(many, FL_SYSCTL_KEYS_MAX + 1, false, &nobody), FL_FAILED);
	assert_int_not_equal(access(FL_BPFFS_DIR, F_OK), 0);
	fclose(fl_msg_stream);
	fl_msg_stream = NULL;

	/* Twice all there is room for: slots are used again, with counters from zero. */
	watch(WATCHED);
	put(FILE_OF("tcp_retries2"), 33);
	assert_int_equal(fl_guard_set(many, FL_SYSCTL_KEYS_MAX, false, &nobody), FL_OK);
	assert_true(fl_guard_open(&g));
	for (int i = 0; i < FL_SYSCTL_KEYS_MAX; i++) {
		assert_true(fl_guard_slot(&g, i, &slot, &counts));
		assert_int_equal(counts.changed[FL_SYSCTL_BY_OTHER], 0);
	}
	fl_guard_close(&g);
	watch(WATCHED);
	put(FILE_OF("tcp_retries2"), 34);
	assert_true(fl_guard_open(&g));
	assert_int_equal(g.conf.slots, 1);
	assert_true(fl_guard_slot(&g, 0, &slot, &counts));
	assert_string_equal(slot.name, WATCHED);
	assert_int_equal(counts.changed[FL_SYSCTL_BY_OTHER], 1);
	assert_false(fl_guard_slot(&g, 1, &slot, &counts));
	fl_guard_close(&g);
	unwatch();
	for (int i = 0; i <= FL_SYSCTL_KEYS_MAX; i++)
		free(many[i]);
}

static void test_patterns(void **state)
{
	static const struct {
		const char *file;
		const char *key; /* the pattern that sees it; NULL: none */
	} t[] = {
		/* 0 */ { "conf/lo/rp_filter", "net.ipv4.conf.*.rp_filter" },
		{ "conf/all/rp_filter", NULL },
		{ "conf/default/rp_filter", NULL },
		{ "conf/lxc1/rp_filter", "net.ipv4.conf.lxc*.rp_filter" },
		{ "conf/lxc/rp_filter", "net.ipv4.conf.lxc*.rp_filter" },
		/* 5 */ { "conf/lx/rp_filter", "net.ipv4.conf.*.rp_filter" },
		{ "conf/abcdefghijklmno/rp_filter", "net.ipv4.conf.*.rp_filter" },
		{ "conf/eth0.100/rp_filter", "net.ipv4.conf.*.rp_filter" },
		{ "conf/lxc1/forwarding", NULL },
		{ "neigh/lxc1/mcast_solicit", "net.ipv4.neigh.lxc*.mcast_solicit" },
		/* 10 */ { "neigh/lo/mcast_solicit", NULL },
		{ "conf/lxc2/rp_filter", "net.ipv4.conf.lxc2.rp_filter" },
		/* Names of 14, 16 and 19 bytes: the filter sees 15. */
		{ "conf/lo/route_localnet", "net.ipv4.conf.*.route_localnet" },
		{ "conf/lo/accept_redirects", "net.ipv4.conf.*.accept_redirects" },
		{ "conf/lo/drop_gratuitous_arp", "net.ipv4.conf.*.drop_gratuitous_arp" },
		/* 15 */ { "conf/lo/accept_source_route", NULL },
	};
	char *keys[] = { "net.ipv4.conf.*.rp_filter",	       "net.ipv4.conf.lxc*.rp_filter",
			 "net.ipv4.conf.lxc2.rp_filter",       "net.ipv4.neigh.lxc*.mcast_solicit",
			 "net.ipv4.conf.*.route_localnet",     "net.ipv4.conf.*.accept_redirects",
			 "net.ipv4.conf.*.drop_gratuitous_arp" };
	struct fl_sysctl_counts counts;
	struct fl_sysctl_slot slot;
	struct fl_sysctl_event e;
	struct fl_guard g;
	uint64_t next = 0;

	(void)state;
	if (system("ip link add lxc1 type veth peer name lxc && ip link add lx type veth peer name abcdefghijklmno && "
		   "ip link add eth0.100 type veth peer name lxc2"))
		fail_msg("cannot make interfaces");
	assert_int_equal(fl_guard_set(keys, sizeof(keys) / sizeof(*keys), false, &nobody), FL_OK);
	assert_true(fl_guard_open(&g));
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *file = fl_asprintf("/proc/sys/net/ipv4/%s", t[i].file);
		char *ifname = fl_strdup(strchr(t[i].file, '/') + 1);

		ifname[strcspn(ifname, "/")] = '\0';
		put(file, 1);
		if ((fl_guard_next(&g) != next) != (t[i].key != NULL))
			fail_msg("%zu: %s", i, file);
		if (t[i].key) {
			assert_int_equal(fl_guard_event(&g, next++, &e), FL_GUARD_READ);
			fl_guard_slot(&g, e.slot, &slot, &counts);
			if (strcmp(slot.name, t[i].key))
				fail_msg("%zu: %s: %s", i, file, slot.name);
			/* An exact key needs no interface. */
			assert_string_equal(e.ifname, strchr(slot.name, '*') ? ifname : "");
		}
		free(file);
		free(ifname);
	}
	fl_guard_close(&g);
	unwatch();
}

/* ---- what it costs ---- */

static double ns_each(const char *file, bool write, int times)
{
	int fd = open(file, (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	struct timespec a, b;
	char buf[64];

	assert_true(fd >= 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < times; i++) {
		/* Every one from the start of the file, or the kernel ignores it. */
		if ((write ? pwrite(fd, "9\n", 2, 0) : pread(fd, buf, sizeof(buf), 0)) < 2)
			fail_msg("%s: %s", file, strerror(errno));
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	close(fd);
	return ((b.tv_sec - a.tv_sec) * 1e9 + b.tv_nsec - a.tv_nsec) / times;
}

/* Nanoseconds that the program itself takes for each of those. */
static double program_ns(const char *file, bool write, int times)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info), id;
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME), fd;

	assert_true(stats >= 0);
	link_id(&id);
	ns_each(file, write, times);
	close(stats);
	fd = bpf_prog_get_fd_by_id(id);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.run_cnt ? (double)info.run_time_ns / info.run_cnt : 0;
}

/* Puts a program in the place of ours that does nothing, what any program there costs; or that asks a write for
 * the last part of its key's name, without which none knows what is written. */
static void watch_instead(bool name)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 0 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 2, .imm = 0, .off = 5 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -2 * FL_SYSCTL_BASE },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 2 * FL_SYSCTL_BASE },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = BPF_F_SYSCTL_BASE_NAME },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sysctl_get_name },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const int n = sizeof(insns) / sizeof(*insns), from = name ? 0 : n - 2;
	int link = bpf_obj_get(FL_GUARD_LINK), prog;

	prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SYSCTL, "instead", "GPL", insns + from, n - from,
			     NULL);
	assert_true(link >= 0 && prog >= 0);
	assert_int_equal(bpf_link_update(link, prog, NULL), 0);
	close(prog);
	close(link);
}

static int by_size(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

#define ROUNDS_MAX 101

static void test_cost(void **state)
{
	static const struct {
		const char *what, *file;
		bool write;
	} t[] = {
		{ "read, another key", FILE_OF("tcp_keepalive_probes"), false },
		{ "write, another key", FILE_OF("tcp_keepalive_probes"), true },
		{ "write, another key of an interface", FILE_OF("conf/lo/arp_notify"), true },
		{ "write, a watched key", FILE_OF("tcp_retries2"), true },
	};
	enum { WITHOUT, NOTHING, NAME, OURS, PROGRAMS };
	const int rounds = getenv("FAIRLEAD_BENCH") ? ROUNDS_MAX : getenv("FAIRLEAD_LAB") ? 1 : 11;
	int times = getenv("FAIRLEAD_BENCH") ? 10000 : scaled(2000);
	double ns[sizeof(t) / sizeof(*t)][PROGRAMS][ROUNDS_MAX], program[sizeof(t) / sizeof(*t)];

	(void)state;
	/* Turn and turn about, so that whatever else the machine does hits both. */
	for (int r = 0; r < rounds; r++)
		for (int on = 0; on < PROGRAMS; on++) {
			if (on)
				watch(WATCHED);
			if (on == NOTHING || on == NAME)
				watch_instead(on == NAME);
			for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
				ns[i][on][r] = ns_each(t[i].file, t[i].write, times);
			if (on)
				unwatch();
		}
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		watch(WATCHED); /* a new program, with new statistics */
		program[i] = program_ns(t[i].file, t[i].write, times);
	}
	unwatch();
	/* Of rounds that something else disturbed nothing is to be learnt: the faster ones count. */
	printf("# ns, lower quartile of %3d rounds      without  empty   name   ours  its own clock\n",
	       rounds);
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		for (int on = 0; on < PROGRAMS; on++)
			qsort(ns[i][on], rounds, sizeof(double), by_size);
		printf("# %-36s %8.0f %6.0f %6.0f %6.0f %14.0f\n", t[i].what,
		       ns[i][WITHOUT][rounds / 4], ns[i][NOTHING][rounds / 4],
		       ns[i][NAME][rounds / 4], ns[i][OURS][rounds / 4], program[i]);
	}
	/* Far from what a program that loops, or takes the long way for keys that are none of its
	 * business, would cost; the machine may be busy. */
	for (size_t i = 0; i < 3; i++)
		if (ns[i][OURS][0] - ns[i][WITHOUT][0] > (getenv("FAIRLEAD_LAB") ? 1000000 : 10000))
			fail_msg("%s: %.0f ns more", t[i].what, ns[i][OURS][0] - ns[i][WITHOUT][0]);
}

/* Microseconds of one `sysctl -w` of another key, as an operator or a script runs it. */
static double us_of_a_command(void)
{
	char *argv[] = { "sysctl", "-qw", "net.ipv4.tcp_keepalive_probes=9", NULL };
	struct timespec a, b;
	int status;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(status, 0);
	return (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
}

/* Mean and its standard error, of the faster three quarters. */
static void print_mean(const char *what, double *us, int n)
{
	double sum = 0, squares = 0;

	qsort(us, n, sizeof(*us), by_size);
	n = n * 3 / 4;
	for (int i = 0; i < n; i++)
		sum += us[i];
	for (int i = 0; i < n; i++)
		squares += (us[i] - sum / n) * (us[i] - sum / n);
	printf("# us, sysctl -w %-10s %8.1f +- %.1f\n", what, sum / n, sqrt(squares / (n - 1) / n));
}

static void bench_command(void **state)
{
	enum { BLOCKS = 40, EACH = 20 };
	static double us[2][BLOCKS * EACH];

	(void)state;
	if (!getenv("FAIRLEAD_BENCH"))
		return;
	for (int block = 0; block < BLOCKS; block++)
		for (int on = 0; on < 2; on++) {
			/* Loaded and attached for both, so that both find the caches alike. */
			watch(WATCHED);
			if (!on)
				unwatch();
			usleep(50000);
			for (int i = 0; i < EACH; i++)
				us[on][block * EACH + i] = us_of_a_command();
			if (on)
				unwatch();
		}
	print_mean("unwatched", us[0], BLOCKS * EACH);
	print_mean("watched", us[1], BLOCKS * EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_writers), cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_keys),	     cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_cost),	     cmocka_unit_test(bench_command),
	};

	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=755")) {
		printf("Bail out! namespaces and a bpffs of our own need root: %s\n",
		       strerror(errno));
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
