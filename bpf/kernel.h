/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_KERNEL_H
#define FL_KERNEL_H

/*
 * The kernel's own types, as far as the programs use them. preserve_access_index makes libbpf
 * find each field by name in the BTF of the kernel that runs, so nothing of the build machine's
 * kernel gets into an object.
 */

#include <stdbool.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key; /* NULL: the walk is over */
};

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct list_head list;
	struct ns_common ns;
	struct hlist_head *dev_index_head;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

struct net_device;

struct sk_buff {
	struct net_device *dev;
};

struct net_device_stats {
	unsigned long rx_errors;
	unsigned long tx_errors;
	unsigned long tx_dropped;
	unsigned long rx_length_errors;
	unsigned long rx_frame_errors;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	int ifindex;
	possible_net_t nd_net;
	struct hlist_node index_hlist;
	struct net_device_stats stats;
};

/* wireguard.ko, drivers/net/wireguard */

struct sk_buff_head {
	struct sk_buff *next;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct noise_handshake {
	__u8 remote_static[32];
};

struct wg_peer {
	struct sk_buff_head staged_packet_queue;
	struct noise_handshake handshake;
	struct timespec64 walltime_last_handshake;
};

#pragma clang attribute pop

#endif
