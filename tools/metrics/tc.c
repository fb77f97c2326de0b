// SPDX-License-Identifier: GPL-2.0
#include "tc.h"
#include "../lib/msg.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <netlink/route/classifier.h>
#include <netlink/socket.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define FILTER_PRIORITY 1
#define FILTER_HANDLE	0xfa1

static const enum bpf_tc_attach_point points[] = { BPF_TC_INGRESS, BPF_TC_EGRESS };
static const char *const point_names[] = { "ingress", "egress" };

struct filter {
	bool found, ours;
	__u8 tag[BPF_TAG_SIZE];
	bool uses_map; /* the one that was asked about */
};

static __u32 map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.id : 0;
}

static struct filter query(unsigned int ifindex, const struct fl_tc *tc, int i)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = points[i]);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
			    .priority = FILTER_PRIORITY);
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info), ids[16], id = map_id(tc->map_fd);
	struct filter f = { 0 };
	int fd;

	if (bpf_tc_query(&hook, &opts))
		return f;
	f.found = true;
	fd = bpf_prog_get_fd_by_id(opts.prog_id);
	if (fd < 0)
		return f;
	info.map_ids = (uintptr_t)ids;
	info.nr_map_ids = sizeof(ids) / sizeof(*ids);
	if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
		f.ours = !strcmp(info.name, tc->name[i]);
		memcpy(f.tag, info.tag, sizeof(f.tag));
		f.uses_map = tc->map_fd < 0;
		for (__u32 k = 0; k < info.nr_map_ids && k < sizeof(ids) / sizeof(*ids); k++)
			f.uses_map |= id && ids[k] == id;
	}
	close(fd);
	return f;
}

bool fl_same_prog(int prog_fd, const unsigned char *tag)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(prog_fd, &info, &len) &&
	       !memcmp(info.tag, tag, sizeof(info.tag));
}

bool fl_tc_attached(unsigned int ifindex, const struct fl_tc *tc)
{
	for (int i = 0; i < 2; i++) {
		struct filter f = query(ifindex, tc, i);

		if (!f.ours || !f.uses_map)
			return false;
	}
	return true;
}

static int attach_one(unsigned int ifindex, const char *ifname, const struct fl_tc *tc, int i)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = points[i]);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
			    .prog_fd = tc->prog_fd[i], .flags = BPF_TC_F_REPLACE);
	struct filter f = query(ifindex, tc, i);
	int err;

	if (f.found && !f.ours)
		return fl_fail(
			"metrics: %s %s: another program's filter has priority %u, handle %#x; remove it: tc filter del dev %s %s prio %u",
			ifname, point_names[i], FILTER_PRIORITY, FILTER_HANDLE, ifname,
			point_names[i], FILTER_PRIORITY);
	if (f.ours && f.uses_map && fl_same_prog(tc->prog_fd[i], f.tag))
		return FL_OK;
	err = bpf_tc_attach(&hook, &opts);
	if (err)
		return fl_fail("metrics: %s %s: cannot attach: %s", ifname, point_names[i],
			       strerror(-err));
	return FL_OK;
}

int fl_tc_attach(unsigned int ifindex, const char *ifname, const struct fl_tc *tc,
		 bool *made_clsact)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	bool was_attached = fl_tc_attached(ifindex, tc);
	int err;

	*made_clsact = false;
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return fl_fail("metrics: %s: cannot make its clsact qdisc: %s", ifname,
			       strerror(-err));
	*made_clsact = !err;
	for (int i = 0; i < 2; i++) {
		if (!attach_one(ifindex, ifname, tc, i))
			continue;
		/* Half of what was not there before is worse than nothing. */
		if (!was_attached)
			fl_tc_detach(ifindex, tc);
		if (*made_clsact)
			fl_tc_remove_clsact(ifindex);
		return FL_FAILED;
	}
	return FL_OK;
}

void fl_tc_detach(unsigned int ifindex, const struct fl_tc *tc)
{
	for (int i = 0; i < 2; i++) {
		DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
				    .attach_point = points[i]);
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
				    .priority = FILTER_PRIORITY);

		if (query(ifindex, tc, i).ours)
			bpf_tc_detach(&hook, &opts);
	}
}

/* No filter of anybody, either way. */
static bool clsact_empty(unsigned int ifindex)
{
	struct nl_sock *sk = nl_socket_alloc();
	bool empty = sk && !nl_connect(sk, NETLINK_ROUTE);

	for (int i = 0; i < 2 && empty; i++) {
		__u32 parent = TC_H_MAKE(TC_H_CLSACT, i ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
		struct nl_cache *cache;

		empty = !rtnl_cls_alloc_cache(sk, ifindex, parent, &cache);
		if (!empty)
			break;
		empty = nl_cache_is_empty(cache);
		nl_cache_free(cache);
	}
	nl_socket_free(sk);
	return empty;
}

void fl_tc_remove_clsact(unsigned int ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (clsact_empty(ifindex))
		bpf_tc_hook_destroy(&hook);
}
