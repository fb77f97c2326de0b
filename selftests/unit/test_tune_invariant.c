// SPDX-License-Identifier: GPL-2.0
/* Each invariant between keys: a machine where it holds, and one where it is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/lib/mem.h"
#include "tools/tune/invariant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fl_catalog catalog;

static int setup(void **state)
{
	const char *top = getenv("TOP");
	char dir[4096];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/sysctl", top ? top : ".");
	setenv("FAIRLEAD_DATADIR", dir, 1);
	return fl_catalog_load(&catalog);
}

static int teardown(void **state)
{
	(void)state;
	fl_catalog_free(&catalog);
	return 0;
}

/*
 * A case: what the kernel holds and what the plan sets, as "KEY VALUE; KEY VALUE", the kubelet's
 * configuration, and the invariant that must be broken, with a part of its text; or NULL, and then
 * none is. Interfaces are eth0, whose route comes from router advertisements, and fl0, WireGuard.
 */
static const struct {
	const char *holds, *sets, *kubelet, *broken, *text;
} cases[] = {
	/* 01 */ { "", "", NULL, NULL, NULL },
	/* 02 */
	{ "net.ipv4.neigh.default.gc_thresh1 128; net.ipv4.neigh.default.gc_thresh2 512; net.ipv4.neigh.default.gc_thresh3 1024",
	  "", NULL, NULL, NULL },
	/* 03 */
	{ "net.ipv4.neigh.default.gc_thresh1 128; net.ipv4.neigh.default.gc_thresh2 512",
	  "net.ipv4.neigh.default.gc_thresh3 512", NULL, "neighbour-thresholds",
	  "gc_thresh2 (512) is not below gc_thresh3 (512)" },
	/* 04 */
	{ "net.ipv6.neigh.default.gc_thresh2 512; net.ipv6.neigh.default.gc_thresh3 1024",
	  "net.ipv6.neigh.default.gc_thresh1 4096", NULL, "neighbour-thresholds",
	  "net.ipv6.neigh.default.gc_thresh1 (4096) is not below gc_thresh2" },
	/* 05 */
	{ "net.netfilter.nf_conntrack_buckets 65536", "net.netfilter.nf_conntrack_max 262144", NULL,
	  NULL, NULL },
	/* 06 */
	{ "net.netfilter.nf_conntrack_buckets 65535", "net.netfilter.nf_conntrack_max 262144", NULL,
	  "conntrack-buckets", "set it to 65536" },
	/* 07 */
	{ "net.ipv4.ip_local_port_range 32768 60999; net.ipv4.ip_local_reserved_ports ", "", NULL,
	  NULL, NULL },
	/* 08 */
	{ "net.ipv4.ip_local_reserved_ports 10249-10250,10256",
	  "net.ipv4.ip_local_port_range 1024 65535", NULL, "node-ports",
	  "has 2768 of the NodePorts" },
	/* 09 */
	{ "net.ipv4.ip_local_reserved_ports 10249-10250,10256,30000-32767; net.ipv4.ip_local_port_range 1024 65535",
	  "", NULL, NULL, NULL },
	/* 10 */
	{ "net.ipv4.ip_local_reserved_ports 10249,10256,30000-32766; net.ipv4.ip_local_port_range 1024 65535",
	  "", NULL, "node-ports", "has 1 of the NodePorts" },
	/* 11 */
	{ "net.ipv4.ip_local_reserved_ports 10249,10256,30000-32767; net.ipv4.ip_local_port_range 1024 65535",
	  "", NULL, "component-ports", "port 10250 of the kubelet" },
	/* 12 */
	{ "net.ipv4.ip_unprivileged_port_start 1024; net.ipv4.ip_local_port_range 32768 60999", "",
	  NULL, NULL, NULL },
	/* 13 */
	{ "net.ipv4.ip_unprivileged_port_start 40000; net.ipv4.ip_local_port_range 32768 60999", "",
	  NULL, "unprivileged-ports", "lower it" },
	/* 14 */
	{ "net.ipv6.conf.eth0.accept_ra 1; net.ipv6.conf.fl0.accept_ra 1; net.ipv6.conf.all.forwarding 0",
	  "", NULL, NULL, NULL },
	/* 15 */
	{ "net.ipv6.conf.eth0.accept_ra 1; net.ipv6.conf.fl0.accept_ra 1",
	  "net.ipv6.conf.all.forwarding 1", NULL, "accept-ra",
	  "net.ipv6.conf.eth0.accept_ra is not 2" },
	/* 16 */
	{ "net.ipv6.conf.fl0.accept_ra 1",
	  "net.ipv6.conf.all.forwarding 1; net.ipv6.conf.eth0.accept_ra 2", NULL, NULL, NULL },
	/* 17 */
	{ "net.ipv4.conf.all.rp_filter 0; net.ipv4.conf.fl0.rp_filter 1", "", NULL,
	  "wireguard-rp-filter", "net.ipv4.conf.fl0.rp_filter: strict" },
	/* 18: the larger counts, so a loose one goes before a strict 'all' */
	{ "net.ipv4.conf.all.rp_filter 1; net.ipv4.conf.fl0.rp_filter 2; net.ipv4.conf.all.src_valid_mark 1",
	  "", NULL, NULL, NULL },
	/* 19 */
	{ "net.ipv4.conf.fl0.rp_filter 0; net.ipv4.conf.eth0.rp_filter 0; net.ipv4.conf.all.src_valid_mark 1",
	  "net.ipv4.conf.all.rp_filter 1", NULL, "wireguard-rp-filter", "'all', 1" },
	/* 20 */
	{ "net.ipv4.conf.all.rp_filter 1; net.ipv4.conf.fl0.rp_filter 2; net.ipv4.conf.all.src_valid_mark 0",
	  "", NULL, "wireguard-mark", "set src_valid_mark to 1" },
	/* 21: what others have done is not this plan's fault */
	{ "net.ipv4.ip_forward 0", "", NULL, NULL, NULL },
	/* 22 */ { "", "net.ipv4.ip_forward 0", NULL, "cni", "no pod is reached" },
	/* 23 */ { "", "net.ipv4.conf.all.forwarding 0", NULL, "cni", "no pod is reached" },
	/* 24 */
	{ "", "net.ipv4.conf.all.rp_filter 1", NULL, "cni", "strict on every interface" },
	/* 25 */ { "", "net.ipv4.conf.all.rp_filter 2", NULL, NULL, NULL },
	/* 26 */ { "", "net.bridge.bridge-nf-call-iptables 0", NULL, "cni", "bridge CNI" },
	/* 27 */ { "", "user.max_user_namespaces 0", NULL, "cni", "hostUsers: false" },
	/* 28 */ { "", "kernel.unprivileged_userns_clone 0", NULL, "cni", "user namespaces" },
	/* 29 */ { "", "kernel.modules_disabled 1", NULL, "cni", "modules" },
	/* 30 */ { "", "kernel.yama.ptrace_scope 3", NULL, "cni", "ptrace" },
	/* 31 */ { "", "net.ipv6.conf.all.disable_ipv6 1", NULL, "cni", "dual-stack" },
	/* 32 */
	{ "vm.overcommit_memory 0", "", "protectKernelDefaults: true\n", "kubelet-defaults",
	  "refuses to start unless it is 1" },
	/* 33 */
	{ "vm.overcommit_memory 0", "", "kind: x\nprotectKernelDefaults: \"true\"\n",
	  "kubelet-defaults", "vm.overcommit_memory is 0" },
	/* 34 */ { "vm.overcommit_memory 0", "", "protectKernelDefaults: false\n", NULL, NULL },
	/* 35 */ { "vm.overcommit_memory 0", "", "# protectKernelDefaults: true\n", NULL, NULL },
	/* 36 */ { "vm.overcommit_memory 0", "", NULL, NULL, NULL },
	/* 37 */
	{ "", "kernel.panic 20", "", "kubelet-defaults", "the kubelet sets 10 when it starts" },
	/* 38 */ { "", "kernel.panic 10", "protectKernelDefaults: true\n", NULL, NULL },
	/* 39 */ { "", "net.ipv4.tcp_rmem 4096 131072 6291456", NULL, NULL, NULL },
	/* 40 */
	{ "", "net.ipv4.tcp_rmem 4096 8388608 6291456", NULL, "tuple-order", "have to grow" },
	/* 41 */
	{ "", "net.ipv4.tcp_wmem 8192 4096 4194304", NULL, "tuple-order", "net.ipv4.tcp_wmem" },
	/* 42 */
	{ "vm.dirty_ratio 20", "vm.dirty_background_ratio 20", NULL, "low-above-high",
	  "vm.dirty_background_ratio (20) is not below vm.dirty_ratio (20)" },
	/* 43: 0 stands for dirty_bytes */
	{ "vm.dirty_ratio 0", "vm.dirty_background_ratio 10", NULL, NULL, NULL },
	/* 44 */
	{ "net.core.rmem_default 212992", "net.core.rmem_max 100000", NULL, "low-above-high",
	  "net.core.rmem_max" },
	/* 45 */ { "net.core.wmem_default 212992", "net.core.wmem_max 212992", NULL, NULL, NULL },
	/* 46 */
	{ "net.ipv4.ipfrag_low_thresh 3145728", "net.ipv4.ipfrag_high_thresh 1048576", NULL,
	  "low-above-high", "ipfrag_high_thresh" },
	/* 47 */
	{ "fs.file-max 100000", "fs.nr_open 1048576", NULL, "low-above-high", "fs.file-max" },
	/* 48 */
	{ "net.core.somaxconn 4096", "net.ipv4.tcp_max_syn_backlog 16384", NULL, "listen-backlog",
	  "raise that too" },
	/* 49 */
	{ "net.ipv4.tcp_max_syn_backlog 16384", "net.core.somaxconn 4096", NULL, NULL, NULL },
	/* 50 */
	{ "kernel.threads-max 1000", "kernel.pid_max 4194304", NULL, "threads",
	  "less than 32 for each of 110 pods" },
	/* 51 */ { "kernel.threads-max 100000", "kernel.pid_max 4194304", NULL, NULL, NULL },
	/* 52 */
	{ "kernel.keys.root_maxbytes 20000000", "kernel.keys.root_maxkeys 1000000", NULL,
	  "key-bytes", "set it to 25000000" },
	/* 53: 8 GiB of memory; 384 bytes a connection */
	{ "net.netfilter.nf_conntrack_buckets 4194304", "net.netfilter.nf_conntrack_max 16777216",
	  NULL, "memory", "6144 MiB" },
	/* 54 */
	{ "net.netfilter.nf_conntrack_buckets 4194304", "net.netfilter.nf_conntrack_max 4194304",
	  NULL, NULL, NULL },
	/* 55: no limit at all is no promise of memory */
	{ "", "fs.inotify.max_user_watches 2147483647", NULL, NULL, NULL },
	/* 56 */
	{ "net.core.default_qdisc fq_codel", "net.ipv4.tcp_congestion_control bbr", NULL, "pacing",
	  "set it to fq" },
	/* 57 */
	{ "net.core.default_qdisc fq_codel",
	  "net.ipv4.tcp_congestion_control bbr; net.core.default_qdisc fq", NULL, NULL, NULL },
	/* 58: either is enough to send redirects */
	{ "net.ipv4.conf.eth0.send_redirects 1", "net.ipv4.conf.all.send_redirects 0", NULL,
	  "all-alone", "does not reach eth0, whose own value is 1" },
	/* 59 */
	{ "net.ipv4.conf.eth0.send_redirects 0; net.ipv4.conf.fl0.send_redirects 0",
	  "net.ipv4.conf.all.send_redirects 0", NULL, NULL, NULL },
	/* 60: either is enough to log them */
	{ "net.ipv4.conf.eth0.log_martians 0", "net.ipv4.conf.all.log_martians 1", NULL, NULL,
	  NULL },
	/* 61: both have to allow source routes */
	{ "net.ipv4.conf.eth0.accept_source_route 1", "net.ipv4.conf.all.accept_source_route 0",
	  NULL, NULL, NULL },
	/* 62 */
	{ "net.ipv4.conf.eth0.accept_source_route 0", "net.ipv4.conf.all.accept_source_route 1",
	  NULL, "all-alone", "does not reach eth0" },
	/* 63: redirects, on an interface that forwards and on one that does not */
	{ "net.ipv4.conf.eth0.accept_redirects 1; net.ipv4.conf.eth0.forwarding 1",
	  "net.ipv4.conf.all.accept_redirects 0", NULL, NULL, NULL },
	/* 64 */
	{ "net.ipv4.conf.eth0.accept_redirects 1; net.ipv4.conf.eth0.forwarding 0",
	  "net.ipv4.conf.all.accept_redirects 0", NULL, "all-alone", "set net.ipv4.conf.*.accept" },
	/* 65: in IPv6 'all' does not count */
	{ "net.ipv6.conf.eth0.accept_redirects 1", "net.ipv6.conf.all.accept_redirects 0", NULL,
	  "all-alone", "does not reach eth0" },
	/* 66: but these are written to every interface by the kernel */
	{ "net.ipv6.conf.eth0.disable_ipv6 1", "net.ipv6.conf.all.disable_ipv6 0", NULL, NULL,
	  NULL },
	/* 67: of the larger 'all' is meant to leave the choice */
	{ "net.ipv4.conf.eth0.rp_filter 1", "net.ipv4.conf.all.rp_filter 0", NULL, NULL, NULL },
};

/* The value of a key in "KEY VALUE; KEY VALUE"; NULL: not in it. */
static char *lookup(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (*text) {
		size_t end = strcspn(text, ";");

		if (end > len && !strncmp(text, name, len) && text[len] == ' ')
			return fl_asprintf("%.*s", (int)(end - len) - 1, text + len + 1);
		text += end;
		text += strspn(text, "; ");
	}
	return NULL;
}

static char *read_key(void *ctx, const struct fl_catalog *c, const char *name)
{
	assert_non_null(fl_catalog_find(c, name));
	return lookup(ctx, name);
}

static bool by_ra(const char *interface)
{
	return !strcmp(interface, "eth0");
}

static bool is_wireguard(const char *interface)
{
	return !strcmp(interface, "fl0");
}

static void make_plan(struct fl_tune_plan *plan, struct fl_setting *settings, const char *text)
{
	*plan = (struct fl_tune_plan){ .items = fl_zalloc(8 * sizeof(*plan->items)) };
	while (*text) {
		size_t end = strcspn(text, ";"), blank = strcspn(text, " ");
		struct fl_tune_item *it = &plan->items[plan->n];

		it->name = fl_asprintf("%.*s", (int)blank, text);
		it->wanted = fl_asprintf("%.*s", (int)(end - blank) - 1, text + blank + 1);
		it->state = FL_TUNE_CHANGE;
		settings[plan->n].name = it->name;
		settings[plan->n].key = fl_catalog_find(&catalog, it->name);
		assert_non_null(settings[plan->n].key);
		it->set = &settings[plan->n++];
		text += end;
		text += strspn(text, "; ");
	}
}

static void test_cases(void **state)
{
	static char *interfaces[] = { "eth0", "fl0", NULL };
	static const struct fl_fact facts[] = {
		{ "ram", (fl_num)8 << 30, "" },
		{ "max_pods", 110, "" },
		{ 0 },
	};
	bool broken[64] = { false };
	int known = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_machine m = {
			.facts = facts,
			.read = read_key,
			.interfaces = interfaces,
			.routed_by_ra = by_ra,
			.wireguard = is_wireguard,
			.kubelet_config = cases[i].kubelet,
			.ctx = (void *)cases[i].holds,
		};
		struct fl_setting settings[8] = { 0 };
		struct fl_warnings w = { 0 };
		struct fl_tune_plan plan;
		bool found = false;

		make_plan(&plan, settings, cases[i].sets);
		fl_invariants(&w, &catalog, &plan, &m);
		if (!cases[i].broken && w.n)
			fail_msg("%zu: %s: %s", i + 1, w.w[0].invariant, w.w[0].text);
		for (int j = 0; cases[i].broken && j < w.n; j++)
			found |= !strcmp(w.w[j].invariant, cases[i].broken) &&
				 strstr(w.w[j].text, cases[i].text);
		if (cases[i].broken && !found)
			fail_msg("%zu: %s is not broken with '%s' but %s: %s", i + 1,
				 cases[i].broken, cases[i].text, w.n ? w.w[0].invariant : "none",
				 w.n ? w.w[0].text : "");
		for (int k = 0; cases[i].broken && fl_invariant_name(k); k++)
			broken[k] |= !strcmp(fl_invariant_name(k), cases[i].broken);
		fl_warnings_free(&w);
		fl_tune_plan_free(&plan);
	}
	for (; fl_invariant_name(known); known++)
		if (!broken[known])
			fail_msg("no case breaks %s", fl_invariant_name(known));
	assert_true(known >= 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests_name("tune invariants", tests, setup, teardown);
}
