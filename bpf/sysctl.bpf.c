// SPDX-License-Identifier: GPL-2.0
/*
 * Who writes kernel parameters: every write below /proc/sys passes through fl_sysctl_write, at the
 * root of the control groups. A write to a watched key is counted, kept with who did it and from
 * where, and refused when that is wanted and the writer owns nothing. All other accesses leave it as
 * soon as they can.
 *
 * The metrics file prints the counters (metrics.bpf.c).
 *
 * It runs in process context of the writer, with migration disabled, and can be preempted:
 * an event is therefore filled in where it stays, in an element that its number gives to this call alone,
 * and not in memory of the CPU.
 */

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "kernel_sysctl.h"
#include "sysctl_counts.h"
#include "sysctl_shared.h"

char LICENSE[] SEC("license") = "GPL";

/* Verdicts of a cgroup/sysctl program; a refused write fails with EPERM. */
#define REFUSE 0
#define ALLOW  1

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_sysctl_state);
} sysctl_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * FL_SYSCTL_KEYS_MAX); /* the new ones come before the old ones go */
	__type(key, struct fl_sysctl_name);
	__type(value, struct fl_sysctl_match);
} sysctl_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * FL_SYSCTL_OWNERS_MAX); /* likewise */
	__type(key, struct fl_sysctl_step);
	__type(value, struct fl_sysctl_node);
} sysctl_owners SEC(".maps");

/* Processes of Fairlead's own that may write: number and start, since numbers are used again. Old
 * ones need not be removed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} sysctl_self SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FL_SYSCTL_EVENTS);
	__type(key, __u32);
	__type(value, struct fl_sysctl_event);
} sysctl_events SEC(".maps");

/* ---- which key, and whose ---- */

/* The part after the first `len` bytes, up to the next slash: the interface. */
static __always_inline void interface(const char *text, __u32 len, char *ifname)
{
	for (__u32 i = 0; i < FL_SYSCTL_IFNAME - 1; i++) {
		ifname[i] = text[len + i];
		if (text[len + i] == '/' || !text[len + i]) {
			ifname[i] = '\0';
			break;
		}
	}
}

static __always_inline bool begins(const char *text, const char *with, __u32 len)
{
	for (__u32 i = 0; i < len; i++)
		if (text[i] != with[i])
			return false;
	return true;
}

#define BEGINS(text, literal) begins(text, literal, sizeof(literal) - 1)

static __always_inline __u32 table_of(const char *text, char *ifname)
{
	__u32 table = FL_SYSCTL_EXACT;

	if (!BEGINS(text, "net/ipv"))
		return table;
	if (BEGINS(text + 7, "4/conf/"))
		table = FL_SYSCTL_IPV4_CONF;
	else if (BEGINS(text + 7, "6/conf/"))
		table = FL_SYSCTL_IPV6_CONF;
	else if (BEGINS(text + 7, "4/neigh/"))
		table = FL_SYSCTL_IPV4_NEIGH;
	else if (BEGINS(text + 7, "6/neigh/"))
		table = FL_SYSCTL_IPV6_NEIGH;
	if (table == FL_SYSCTL_IPV4_CONF || table == FL_SYSCTL_IPV6_CONF)
		interface(text, sizeof("net/ipv4/conf/") - 1, ifname);
	else if (table != FL_SYSCTL_EXACT)
		interface(text, sizeof("net/ipv4/neigh/") - 1, ifname);
	return table;
}

static __always_inline bool glob(const char *prefix, const char *ifname)
{
	if (!prefix[0])
		return !(BEGINS(ifname, "all\0") || BEGINS(ifname, "default\0"));
	for (__u32 i = 0; i < FL_SYSCTL_IFNAME; i++) {
		if (!prefix[i])
			return true;
		if (prefix[i] != ifname[i])
			return false;
	}
	return false;
}

#define NOT_WATCHED 0xffffffffU

static __always_inline bool may_be_watched(struct bpf_sysctl *ctx,
					   const struct fl_sysctl_conf *conf)
{
	/* Room for more than counts: the kernel copies words, but the end of a name that is cut byte by byte,
	 * and to read what has just been written in other pieces stalls a CPU. */
	__u64 base[2 * FL_SYSCTL_BASE / 8];
	__u32 bit;

	base[0] = base[1] = 0;
	bpf_sysctl_get_name(ctx, (char *)base, sizeof(base), BPF_F_SYSCTL_BASE_NAME);
	bit = fl_sysctl_filter_bit(base[0], base[1]);
	return conf->filter[bit / 64] >> (bit % 64) & 1;
}

/* The slot of the key that is written, NOT_WATCHED for most. An exact name goes before a pattern. */
static __always_inline __u32 find_slot(struct bpf_sysctl *ctx, struct fl_sysctl_name *name,
				       char *ifname)
{
	struct fl_sysctl_match *m;

	if (bpf_sysctl_get_name(ctx, name->text, sizeof(name->text), 0) < 0)
		return NOT_WATCHED; /* longer than any that can be watched */
	m = bpf_map_lookup_elem(&sysctl_names, name);
	if (m)
		return m->glob[0].slot;
	name->table = table_of(name->text, ifname);
	if (name->table == FL_SYSCTL_EXACT)
		return NOT_WATCHED;
	__builtin_memset(name->text, 0, sizeof(name->text));
	if (bpf_sysctl_get_name(ctx, name->text, sizeof(name->text), BPF_F_SYSCTL_BASE_NAME) < 0)
		return NOT_WATCHED;
	m = bpf_map_lookup_elem(&sysctl_names, name);
	if (!m)
		return NOT_WATCHED;
	/* The last that matches, as in a profile. */
	for (int i = FL_SYSCTL_GLOBS - 1; i >= 0; i--)
		if ((__u32)i < m->n && glob(m->glob[i].prefix, ifname))
			return m->glob[i].slot;
	return NOT_WATCHED;
}

#define NAMESPACE_OF(set, type, member)                                                            \
	BPF_CORE_READ((struct type *)((void *)(set)-bpf_core_field_offset(struct type, member)),   \
		      ns.inum)

/*
 * Is it the node's own value? Not "who writes" decides this but which namespace's table the key is
 * in: the file may have been opened elsewhere.
 */
static __always_inline bool of_node(struct bpf_sysctl *ctx, char first,
				    const struct fl_sysctl_conf *conf)
{
	struct ctl_table_set *set = BPF_CORE_READ((struct bpf_sysctl_kern *)ctx, head, set);

	if (!set || !BPF_CORE_READ(set, is_seen))
		return true;
	switch (first) {
	case 'n': /* net/ */
		return NAMESPACE_OF(set, net, sysctls) == conf->net_ns;
	case 'u': /* user/ */
		return NAMESPACE_OF(set, user_namespace, set) == conf->user_ns;
	case 'k': /* kernel/ */
		if (bpf_core_field_exists(struct ipc_namespace, ipc_set))
			return NAMESPACE_OF(set, ipc_namespace, ipc_set) == conf->ipc_ns;
		return true;
	case 'f': /* fs/mqueue/ */
		if (bpf_core_field_exists(struct ipc_namespace, mq_set))
			return NAMESPACE_OF(set, ipc_namespace, mq_set) == conf->ipc_ns;
		return true;
	}
	return true;
}

/* ---- who ---- */

struct walk {
	struct cgroup *cgroup;
	struct fl_sysctl_event *e;
	__u32 off;  /* into e->path */
	__u32 node; /* of the tree of owners */
	bool in_tree, owner, cut;
	char comm[FL_SYSCTL_COMM];
};

/* One level: 0 is the root, which has no name. Append the name to the path, and follow the tree. */
static long descend(__u32 level, struct walk *w)
{
	struct cgroup **ancestors =
		(void *)w->cgroup + bpf_core_field_offset(struct cgroup, ancestors);
	struct fl_sysctl_step step = { .node = w->node, .kind = FL_SYSCTL_CHILD };
	struct fl_sysctl_node *node;
	struct cgroup *cgroup;
	const char *name;
	__u32 off = w->off;
	long len;

	if (!level)
		goto comm;
	if (bpf_probe_read_kernel(&cgroup, sizeof(cgroup), &ancestors[level]))
		return 1;
	name = BPF_CORE_READ(cgroup, kn, name);
	if (off > FL_SYSCTL_CGROUP - FL_SYSCTL_STEP - 1) {
		w->cut = true;
	} else {
		w->e->path[off] = '/';
		len = bpf_probe_read_kernel_str(&w->e->path[off + 1], FL_SYSCTL_STEP, name);
		if (len > 0)
			w->off = off + len; /* without the NUL, with the slash */
	}
	if (!w->in_tree)
		return 0;
	len = bpf_probe_read_kernel_str(step.text, sizeof(step.text), name);
	node = len > 0 ? bpf_map_lookup_elem(&sysctl_owners, &step) : NULL;
	if (!node) {
		w->in_tree = false;
		return 0;
	}
	w->node = node->node;
	if (node->owner)
		w->owner = true;
	step.node = node->node;
	__builtin_memset(step.text, 0, sizeof(step.text));
comm:
	step.kind = FL_SYSCTL_COMM_AT;
	__builtin_memcpy(step.text, w->comm, sizeof(w->comm));
	if (bpf_map_lookup_elem(&sysctl_owners, &step))
		w->owner = true;
	return 0;
}

static __always_inline __u32 find_writer(struct fl_sysctl_event *e)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	/* It cannot go while the program runs, under RCU. */
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	struct walk w = { .cgroup = cgroup, .e = e, .in_tree = true };
	__u64 start = BPF_CORE_READ(leader, start_boottime), *announced;
	int level = BPF_CORE_READ(cgroup, level);

	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = bpf_get_current_uid_gid();
	e->cgroup = BPF_CORE_READ(cgroup, kn, id);
	bpf_probe_read_kernel_str(w.comm, sizeof(w.comm), &leader->comm);
	__builtin_memcpy(e->comm, w.comm, sizeof(e->comm));
	e->path[0] = '\0';
	if (level < 0 || level > FL_SYSCTL_DEPTH) {
		w.cut = true;
		level = FL_SYSCTL_DEPTH;
	}
	bpf_loop(level + 1, descend, &w, 0);
	if (w.cut)
		e->flags |= FL_SYSCTL_EV_CGROUP_CUT;

	announced = bpf_map_lookup_elem(&sysctl_self, &e->pid);
	if (announced && *announced == start)
		return FL_SYSCTL_BY_FAIRLEAD;
	return w.owner ? FL_SYSCTL_BY_OWNER : FL_SYSCTL_BY_OTHER;
}

/* ---- what ---- */

/* A tab is a blank, a newline the end. */
static __always_inline char plain(char c)
{
	return c == '\t' ? ' ' : c == '\n' ? '\0' : c;
}

static __always_inline bool same(const struct fl_sysctl_event *e)
{
	if (e->flags & (FL_SYSCTL_EV_OLD_CUT | FL_SYSCTL_EV_NEW_CUT | FL_SYSCTL_EV_NO_OLD))
		return false;
	for (int i = 0; i < FL_SYSCTL_VALUE; i++) {
		char old = plain(e->old[i]), new = plain(e->new[i]);

		if (old != new)
			return false;
		if (!old)
			return true;
	}
	return false;
}

static __always_inline void read_values(struct bpf_sysctl *ctx, struct fl_sysctl_event *e)
{
	long n = bpf_sysctl_get_current_value(ctx, e->old, sizeof(e->old));

	/* -E2BIG is -7: the beginning is there. */
	if (n == -7)
		e->flags |= FL_SYSCTL_EV_OLD_CUT;
	else if (n < 0)
		e->flags |= FL_SYSCTL_EV_NO_OLD;
	if (n < 0 && n != -7)
		e->old[0] = '\0';
	n = bpf_sysctl_get_new_value(ctx, e->new, sizeof(e->new));
	if (n < 0)
		e->flags |= FL_SYSCTL_EV_NEW_CUT;
	if (n < 0 && n != -7)
		e->new[0] = '\0';
	if (same(e))
		e->flags |= FL_SYSCTL_EV_SAME;
}

static __always_inline void add(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* A function of its own, so that what is none of our business does not pay for its stack. */
static __noinline int look(struct bpf_sysctl *ctx)
{
	char ifname[FL_SYSCTL_IFNAME] = "", first;
	struct fl_sysctl_counts *counts;
	struct fl_sysctl_state *state;
	struct fl_sysctl_conf *conf;
	struct fl_sysctl_event *e;
	struct fl_sysctl_name name;
	__u32 zero = 0, slot, index;
	int verdict = ALLOW;
	__u64 number;

	conf = bpf_map_lookup_elem(&sysctl_conf, &zero);
	if (!conf)
		return ALLOW;
	__builtin_memset(&name, 0, sizeof(name)); /* FL_SYSCTL_EXACT */
	slot = find_slot(ctx, &name, ifname);
	if (slot == NOT_WATCHED)
		return ALLOW;
	/* In a table of interfaces the path is "net/…". */
	first = name.table == FL_SYSCTL_EXACT ? name.text[0] : 'n';
	state = bpf_map_lookup_elem(&sysctl_state, &zero);
	counts = bpf_map_lookup_elem(&sysctl_counts, &slot);
	if (!state || !counts || !of_node(ctx, first, conf))
		return ALLOW;

	number = __sync_fetch_and_add(&state->next, 1);
	index = number % FL_SYSCTL_EVENTS;
	e = bpf_map_lookup_elem(&sysctl_events, &index);
	if (!e)
		return ALLOW;
	__sync_lock_test_and_set(&e->begin, number + 1); /* a full barrier */
	e->time_ns = bpf_ktime_get_boot_ns();
	e->slot = slot;
	e->flags = 0;
	__builtin_memcpy(e->ifname, ifname, sizeof(e->ifname));
	e->by = find_writer(e);
	read_values(ctx, e);

	if (e->flags & FL_SYSCTL_EV_SAME) {
		add(&counts->same);
	} else if (conf->enforce && e->by == FL_SYSCTL_BY_OTHER) {
		e->flags |= FL_SYSCTL_EV_REFUSED;
		add(&counts->refused);
		verdict = REFUSE;
	} else if (e->by < FL_SYSCTL_BYS) {
		add(&counts->changed[e->by]);
	}
	__sync_lock_test_and_set(&e->end, number + 1);
	return verdict;
}

SEC("cgroup/sysctl")
int fl_sysctl_write(struct bpf_sysctl *ctx)
{
	struct fl_sysctl_conf *conf;
	__u32 zero = 0;

	if (!ctx->write)
		return ALLOW;
	conf = bpf_map_lookup_elem(&sysctl_conf, &zero);
	if (!conf || !may_be_watched(ctx, conf))
		return ALLOW;
	return look(ctx);
}

/*
 * Run by the tool (BPF_PROG_RUN) before it writes: the process that runs it is Fairlead. It cannot
 * say so itself, because in a PID namespace it does not know the number that the kernel gave it.
 */
SEC("syscall")
int fl_sysctl_announce(void *ctx)
{
	struct task_struct *leader =
		BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);
	__u64 start = BPF_CORE_READ(leader, start_boottime);
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	(void)ctx;
	return bpf_map_update_elem(&sysctl_self, &pid, &start, BPF_ANY);
}
