/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_SYSCTL_SHARED_H
#define FL_SYSCTL_SHARED_H

#include <linux/types.h>

/* What the program that watches kernel parameters and the tool share: the values of the pinned maps. */

/* Goes up when a field of a pinned value changes meaning without changing a size. A changed size
 * is found by comparing the shapes of the maps. */
#define FL_SYSCTL_LAYOUT     2

#define FL_SYSCTL_KEYS_MAX   512
#define FL_SYSCTL_OWNERS_MAX 256 /* steps of all owners together */
#define FL_SYSCTL_EVENTS     256 /* kept; the oldest is overwritten. A power of two */
#define FL_SYSCTL_DEPTH	     16	 /* levels of control groups that are looked at */

#define FL_SYSCTL_NAME	     96	 /* path below /proc/sys and its NUL; the longest there is has 60 */
#define FL_SYSCTL_VALUE	     128 /* text of a value and its NUL; longer ones are cut */
#define FL_SYSCTL_CGROUP     512 /* path of a control group and its NUL */
#define FL_SYSCTL_STEP	     96	 /* one part of such a path and its NUL; a container's has 86 */
#define FL_SYSCTL_COMM	     16
#define FL_SYSCTL_IFNAME     16
#define FL_SYSCTL_GLOBS	     8
#define FL_SYSCTL_OWNERS     512

/* Where an interface's name is a part of the path. */
enum fl_sysctl_table {
	FL_SYSCTL_EXACT, /* nowhere: the whole path counts */
	FL_SYSCTL_IPV4_CONF,
	FL_SYSCTL_IPV6_CONF,
	FL_SYSCTL_IPV4_NEIGH,
	FL_SYSCTL_IPV6_NEIGH,
	FL_SYSCTL_TABLES,
};

/* Key of the map of watched parameters. */
struct fl_sysctl_name {
	__u32 table;		   /* enum fl_sysctl_table */
	char text[FL_SYSCTL_NAME]; /* the path, or in a table of interfaces its last part */
};

/* Its value. Only the first is used for FL_SYSCTL_EXACT. */
struct fl_sysctl_match {
	__u32 n;
	struct {
		__u32 slot;
		char prefix[FL_SYSCTL_IFNAME]; /* interfaces whose name begins with it; "": all but
						  'all' and 'default' */
	} glob[FL_SYSCTL_GLOBS];
};

/* Who wrote. */
enum fl_sysctl_by {
	FL_SYSCTL_BY_FAIRLEAD, /* a process that ran fl_sysctl_announce */
	FL_SYSCTL_BY_OWNER,    /* matches a declared owner */
	FL_SYSCTL_BY_OTHER,
	FL_SYSCTL_BYS,
};

/* By slot: the key's canonical name, written by the tool. It stays when the key is not watched any
 * more, for the events that are about it, until the slot is needed for another. */
struct fl_sysctl_slot {
	char name[FL_SYSCTL_NAME];
	__u32 used;
};

/* Counters are added to atomically and never set back while the key is watched. */
struct fl_sysctl_counts {
	__u64 changed[FL_SYSCTL_BYS]; /* let through, and the text differs from what was there */
	__u64 same;		      /* let through: it writes what is there already */
	__u64 refused;
};

/*
 * A filter by the last part of a key's path, so that a write to a key that is not watched is known for one
 * before its whole path is put together and looked up: a bit for each watched key, and by chance for some others.
 */
#define FL_SYSCTL_BASE	      16 /* bytes of the last part that count; zeroes after a shorter one */
#define FL_SYSCTL_FILTER_BITS 12

static inline __u32 fl_sysctl_filter_bit(__u64 first, __u64 second)
{
	return (__u32)(((first ^ (second * 0x9e3779b97f4a7c15ULL)) * 0xc2b2ae3d27d4eb4fULL) >>
		       (64 - FL_SYSCTL_FILTER_BITS));
}

/* One element, written by the tool. */
struct fl_sysctl_conf {
	__u32 layout;  /* FL_SYSCTL_LAYOUT */
	__u32 enforce; /* refuse what comes from FL_SYSCTL_BY_OTHER */
	/* Inodes of the node's namespaces: a pod that sets its own value changes nothing here. */
	__u32 net_ns, ipc_ns, user_ns;
	__u32 slots; /* one more than the highest in use */
	__u32 keys;
	__u32 unused;
	__u64 since_ms;		       /* Unix time from which is counted */
	char owners[FL_SYSCTL_OWNERS]; /* as they were given, for people */
	__u64 filter[(1 << FL_SYSCTL_FILTER_BITS) / 64];
};

/* One element, written by the program: the number of the next event. */
struct fl_sysctl_state {
	__u64 next;
};

#define FL_SYSCTL_EV_REFUSED	0x01
#define FL_SYSCTL_EV_SAME	0x02
#define FL_SYSCTL_EV_OLD_CUT	0x04 /* longer than FL_SYSCTL_VALUE */
#define FL_SYSCTL_EV_NEW_CUT	0x08
#define FL_SYSCTL_EV_CGROUP_CUT 0x10
#define FL_SYSCTL_EV_NO_OLD	0x20 /* the kernel could not read it */

/*
 * A write to a watched key. Event n is at n % FL_SYSCTL_EVENTS. `begin` is written first and `end`
 * last, both n + 1: a reader copies the element twice, and has event n whole if both copies have
 * n + 1 at both ends.
 */
struct fl_sysctl_event {
	__u64 begin;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 cgroup;  /* its id */
	__u32 slot;
	__u32 flags;
	__u32 by;  /* enum fl_sysctl_by */
	__u32 pid; /* of the process, in the initial PID namespace */
	__u32 uid;
	__u32 unused;
	char comm[FL_SYSCTL_COMM];     /* of the process, not of its thread */
	char ifname[FL_SYSCTL_IFNAME]; /* in a table of interfaces; else "" */
	char old[FL_SYSCTL_VALUE],
		new[FL_SYSCTL_VALUE]; /* as the kernel and the writer have them */
	char path[FL_SYSCTL_CGROUP];  /* "/a/b"; "" for the root */
	__u64 end;
};

/*
 * Declared owners, as a tree of control groups. Node 0 is the root; {node, FL_SYSCTL_CHILD, part
 * of the path} leads to the node below it, and {node, FL_SYSCTL_COMM_AT, name of the process} says that
 * such a process, in that group or below, owns the keys.
 */
enum { FL_SYSCTL_CHILD, FL_SYSCTL_COMM_AT };

struct fl_sysctl_step {
	__u32 node;
	__u32 kind;
	char text[FL_SYSCTL_STEP];
};

struct fl_sysctl_node {
	__u32 node;
	__u32 owner; /* whatever runs in that group or below owns the keys */
};

#endif
