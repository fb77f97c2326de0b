/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_KERNEL_SYSCTL_H
#define FL_KERNEL_SYSCTL_H

/* The kernel's own types, as far as sysctl.bpf.c uses them; see kernel.h. */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Which namespace a kernel parameter belongs to: the set that its table was registered in. */
struct ctl_table_set {
	int (*is_seen)(struct ctl_table_set *set); /* NULL: of no namespace */
};

struct ctl_table_header {
	struct ctl_table_set *set;
};

struct bpf_sysctl_kern {
	struct ctl_table_header *head;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
	struct ctl_table_set sysctls;
};

struct ipc_namespace {
	struct ns_common ns;
	struct ctl_table_set mq_set, ipc_set;
};

struct user_namespace {
	struct ns_common ns;
	struct ctl_table_set set;
};

struct kernfs_node {
	const char *name;
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[1]; /* level + 1 of them: the root first, itself last */
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	struct task_struct *group_leader;
	struct css_set *cgroups;
	__u64 start_boottime;
	char comm[16];
};

#pragma clang attribute pop

#endif
