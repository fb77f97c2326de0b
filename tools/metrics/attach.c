// SPDX-License-Identifier: GPL-2.0
/*
 * Pins and attachments of the metrics programs.
 *
 *	/sys/fs/bpf/fairlead/metrics		the file: a link to the iterator
 *	/sys/fs/bpf/fairlead/maps/metrics_*	the maps that outlive the tool
 *
 * The tc programs are held by the filters on the lanes, the iterator by the file.
 */
#include "maps.h"
#include "metrics.h"
#include "../lib/bpffs.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "bpf/metrics.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/route/classifier.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef FL_VERSION
#define FL_VERSION "unknown"
#endif

#define FILE_NEW FL_BPFFS_DIR "/metrics_new" /* bpffs allows no dot in a name */

/* First of all filters, so that what others drop afterwards has been counted; a handle that
 * nobody takes by counting from 1. */
#define FILTER_PRIORITY 1
#define FILTER_HANDLE	0xfa1

static const char *const map_names[FL_N_MAPS] = {
	[FL_MAP_PREFIX] = "metrics_prefix", [FL_MAP_COUNTS] = "metrics_counts",
	[FL_MAP_OTHER] = "metrics_other",   [FL_MAP_PEERS] = "metrics_peers",
	[FL_MAP_NODE] = "metrics_node",	    [FL_MAP_LANES] = "metrics_lanes",
};

static const struct direction {
	enum bpf_tc_attach_point point;
	const char *prog, *name;
} directions[] = {
	{ BPF_TC_INGRESS, "fl_metrics_rx", "ingress" },
	{ BPF_TC_EGRESS, "fl_metrics_tx", "egress" },
};

/* ---- pins ---- */

enum pins { PINS_NONE, PINS_CURRENT, PINS_STALE };

static void map_path(char *path, size_t size, int i)
{
	snprintf(path, size, FL_BPFFS_MAPS "/%s", map_names[i]);
}

static void close_maps(struct fl_metrics_maps *maps)
{
	for (int i = 0; i < FL_N_MAPS; i++)
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
}

/* Open the pinned maps; obj says what shape they must have. The caller closes them. */
static enum pins open_maps(const struct bpf_object *obj, struct fl_metrics_maps *maps)
{
	int found = 0, good = 0;
	struct fl_metrics_node node;
	__u32 zero = 0;
	char path[128];

	for (int i = 0; i < FL_N_MAPS; i++) {
		map_path(path, sizeof(path), i);
		maps->fd[i] = bpf_obj_get(path);
		if (maps->fd[i] < 0)
			continue;
		found++;
		good += fl_bpffs_same_shape(maps->fd[i],
					    bpf_object__find_map_by_name(obj, map_names[i]));
	}
	if (!found)
		return PINS_NONE;
	if (good < FL_N_MAPS || bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, &node) ||
	    node.layout != FL_METRICS_LAYOUT)
		return PINS_STALE;
	return PINS_CURRENT;
}

static void unpin_maps(void)
{
	char path[128];

	for (int i = 0; i < FL_N_MAPS; i++) {
		map_path(path, sizeof(path), i);
		unlink(path);
	}
}

static int pin_maps(const struct fl_metrics_maps *maps)
{
	char path[128];

	for (int i = 0; i < FL_N_MAPS; i++) {
		map_path(path, sizeof(path), i);
		unlink(path); /* of a map of another layout */
		if (bpf_obj_pin(maps->fd[i], path)) {
			fl_err("%s: cannot pin: %s", path, strerror(errno));
			unpin_maps();
			return FL_FAILED;
		}
	}
	return FL_OK;
}

/* The new file takes the old one's place in one step; who has the old one open reads on. */
static int pin_file(const struct metrics_bpf *skel)
{
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = { .map.map_fd = bpf_map__fd(skel->maps.metrics_rows) };
	struct bpf_link *link;
	int ret = FL_FAILED;

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	link = bpf_program__attach_iter(skel->progs.fl_metrics_show, &opts);
	if (!link)
		return fl_fail("metrics: cannot attach the iterator: %s", strerror(errno));
	unlink(FILE_NEW);
	if (bpf_link__pin(link, FILE_NEW) || chmod(FILE_NEW, 0400) ||
	    rename(FILE_NEW, FL_METRICS_FILE)) {
		fl_err(FL_METRICS_FILE ": cannot pin: %s", strerror(errno));
		unlink(FILE_NEW);
	} else {
		ret = FL_OK;
	}
	bpf_link__destroy(link); /* the pin holds it from here on */
	return ret;
}

/* ---- before anything is touched ---- */

/* The programs take the IP header to be where the packet begins. Returns the index, or 0. */
static unsigned int check_interface(const char *ifname)
{
	unsigned int ifindex = if_nametoindex(ifname);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	if (!ifindex) {
		fl_err("metrics: no interface %s; bring the mesh up first", ifname);
	} else if (fd < 0) {
		fl_err("metrics: cannot open a socket: %s", strerror(errno));
		ifindex = 0;
	} else {
		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
		if (ioctl(fd, SIOCGIFHWADDR, &ifr) || ifr.ifr_hwaddr.sa_family != ARPHRD_NONE) {
			fl_err("metrics: %s has link-layer headers, so it is no WireGuard interface; nothing attached",
			       ifname);
			ifindex = 0;
		}
	}
	if (fd >= 0)
		close(fd);
	return ifindex;
}

/* ---- tc ---- */

struct filter {
	bool found, ours;
	__u8 tag[BPF_TAG_SIZE];
	bool uses_counts; /* of the pinned map that was asked about */
};

static __u32 map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.id : 0;
}

static struct filter query(unsigned int ifindex, const struct direction *d, int counts_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = d->point);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
			    .priority = FILTER_PRIORITY);
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info), ids[16], id = map_id(counts_fd);
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
		f.ours = !strcmp(info.name, d->prog);
		memcpy(f.tag, info.tag, sizeof(f.tag));
		for (__u32 i = 0; i < info.nr_map_ids && i < sizeof(ids) / sizeof(*ids); i++)
			f.uses_counts |= id && ids[i] == id;
	}
	close(fd);
	return f;
}

static bool attached(unsigned int ifindex, int counts_fd)
{
	for (int i = 0; i < 2; i++) {
		struct filter f = query(ifindex, &directions[i], counts_fd);

		if (!f.ours || !f.uses_counts)
			return false;
	}
	return true;
}

static bool same_tag(int prog_fd, const __u8 *tag)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(prog_fd, &info, &len) &&
	       !memcmp(info.tag, tag, sizeof(info.tag));
}

static struct fl_metrics_lane_key lane_key(unsigned int ifindex)
{
	struct fl_metrics_lane_key key = { .ifindex = ifindex };
	struct stat st;

	if (!stat("/proc/self/ns/net", &st))
		key.netns = st.st_ino;
	return key;
}

static int attach_one(unsigned int ifindex, const char *ifname, const struct direction *d,
		      int prog_fd, int counts_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = d->point);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
			    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	struct filter f = query(ifindex, d, counts_fd);
	int err;

	if (f.found && !f.ours)
		return fl_fail(
			"metrics: %s %s: another program's filter has priority %u, handle %#x; remove it: tc filter del dev %s %s prio %u",
			ifname, d->name, FILTER_PRIORITY, FILTER_HANDLE, ifname, d->name,
			FILTER_PRIORITY);
	if (f.ours && f.uses_counts && same_tag(prog_fd, f.tag))
		return FL_OK;
	err = bpf_tc_attach(&hook, &opts);
	if (err)
		return fl_fail("metrics: %s %s: cannot attach: %s", ifname, d->name,
			       strerror(-err));
	return FL_OK;
}

static void detach_one(unsigned int ifindex, const struct direction *d)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = d->point);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE,
			    .priority = FILTER_PRIORITY);

	if (query(ifindex, d, -1).ours)
		bpf_tc_detach(&hook, &opts);
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

/* Off one interface, whatever of ours is on it. lanes_fd < 0: whose the qdisc is, is not known. */
static void detach_lane(unsigned int ifindex, int lanes_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct fl_metrics_lane_key key = lane_key(ifindex);
	struct fl_metrics_lane lane;

	for (int i = 0; i < 2; i++)
		detach_one(ifindex, &directions[i]);
	if (lanes_fd < 0 || bpf_map_lookup_elem(lanes_fd, &key, &lane))
		return;
	if (lane.made_clsact && clsact_empty(ifindex))
		bpf_tc_hook_destroy(&hook);
	bpf_map_delete_elem(lanes_fd, &key);
}

/* Lanes of this network namespace that are gone: their filters went with the device. */
static void forget_lanes(int lanes_fd)
{
	struct fl_metrics_lane_key key, next, *prev = NULL, here = lane_key(0);
	char name[IF_NAMESIZE];

	while (!bpf_map_get_next_key(lanes_fd, prev, &next)) {
		bool gone = next.netns == here.netns && !if_indextoname(next.ifindex, name);

		if (gone && !bpf_map_delete_elem(lanes_fd, &next)) {
			prev = NULL; /* the walk cannot go on from what is not there */
			continue;
		}
		key = next;
		prev = &key;
	}
}

static int attach_lane(const struct metrics_bpf *skel, const struct fl_metrics_maps *maps,
		       unsigned int ifindex, const char *ifname)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int prog_fd[] = { bpf_program__fd(skel->progs.fl_metrics_rx),
			  bpf_program__fd(skel->progs.fl_metrics_tx) };
	struct fl_metrics_lane_key key = lane_key(ifindex);
	struct fl_metrics_lane lane = { 0 };
	bool known, was_attached = attached(ifindex, maps->fd[FL_MAP_COUNTS]);
	int err;

	forget_lanes(maps->fd[FL_MAP_LANES]);
	known = !bpf_map_lookup_elem(maps->fd[FL_MAP_LANES], &key, &lane);
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return fl_fail("metrics: %s: cannot make its clsact qdisc: %s", ifname,
			       strerror(-err));
	if (!err)
		lane.made_clsact = 1;
	if (!err || !known) {
		snprintf(lane.ifname, sizeof(lane.ifname), "%s", ifname);
		if (bpf_map_update_elem(maps->fd[FL_MAP_LANES], &key, &lane, BPF_ANY))
			return fl_fail("metrics: cannot store a lane: %s", strerror(errno));
	}
	for (int i = 0; i < 2; i++) {
		if (attach_one(ifindex, ifname, &directions[i], prog_fd[i],
			       maps->fd[FL_MAP_COUNTS])) {
			/* Half of what was not there before is worse than nothing. */
			if (!was_attached)
				detach_lane(ifindex, maps->fd[FL_MAP_LANES]);
			return FL_FAILED;
		}
	}
	return FL_OK;
}

/* ---- what others call ---- */

static struct metrics_bpf *open_skeleton(void)
{
	struct metrics_bpf *skel;

	fl_bpffs_quiet();
	skel = metrics_bpf__open();
	if (!skel)
		fl_err("metrics: cannot open the BPF object: %s", strerror(errno));
	return skel;
}

static int load_skeleton(struct metrics_bpf *skel, const struct fl_metrics_maps *reuse)
{
	int cpus = libbpf_num_possible_cpus(), err;

	if (cpus < 1)
		return fl_fail("metrics: cannot tell the number of CPUs: %s", strerror(-cpus));
	skel->rodata->fl_cpus = cpus;
	snprintf((char *)skel->rodata->fl_version, sizeof(skel->rodata->fl_version), "%s",
		 FL_VERSION);
	for (int i = 0; reuse && i < FL_N_MAPS; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, map_names[i]);

		err = bpf_map__reuse_fd(map, reuse->fd[i]);
		if (err)
			return fl_fail("metrics: cannot use the pinned %s: %s", map_names[i],
				       strerror(-err));
	}
	err = metrics_bpf__load(skel);
	return err ? fl_bpffs_load_error("metrics", -err) : FL_OK;
}

static struct fl_metrics_maps skeleton_maps(const struct metrics_bpf *skel)
{
	struct fl_metrics_maps maps;

	for (int i = 0; i < FL_N_MAPS; i++)
		maps.fd[i] = bpf_map__fd(bpf_object__find_map_by_name(skel->obj, map_names[i]));
	return maps;
}

static int attach_locked(const struct fl_mesh *mesh, const struct fl_node *self,
			 unsigned int ifindex, const char *ifname)
{
	struct metrics_bpf *skel = open_skeleton();
	struct fl_metrics_maps pinned, maps;
	bool laned = false, fresh;
	enum pins pins;
	int ret;

	if (!skel)
		return FL_FAILED;
	pins = open_maps(skel->obj, &pinned);
	fresh = pins != PINS_CURRENT;
	if (pins == PINS_STALE)
		fl_warn("metrics: the pinned maps are of another version; replacing them, counters start from zero");

	ret = load_skeleton(skel, fresh ? NULL : &pinned);
	if (ret)
		goto out;
	maps = skeleton_maps(skel);
	ret = fl_metrics_fill(&maps, mesh, self);
	if (ret)
		goto out;
	ret = attach_lane(skel, &maps, ifindex, ifname);
	if (ret)
		goto out;
	laned = true;
	if (fresh)
		ret = pin_maps(&maps);
	ret = ret ?: pin_file(skel);
out:
	if (ret && fresh) {
		if (laned)
			detach_lane(ifindex, maps.fd[FL_MAP_LANES]);
		if (pins == PINS_NONE)
			unpin_maps();
	}
	close_maps(&pinned);
	metrics_bpf__destroy(skel);
	return ret;
}

int fl_metrics_attach(const struct fl_mesh *mesh, const struct fl_node *self, const char *ifname)
{
	unsigned int ifindex;
	int lock, ret;

	if (geteuid())
		return fl_fail("metrics: needs root, to load BPF programs");
	if (fl_bpffs_ready("metrics"))
		return FL_FAILED;
	ifindex = check_interface(ifname);
	if (!ifindex)
		return FL_FAILED;
	lock = fl_bpffs_lock();
	if (lock < 0)
		return FL_FAILED;
	ret = attach_locked(mesh, self, ifindex, ifname);
	fl_bpffs_unlock(lock);
	return ret;
}

int fl_metrics_sync(const struct fl_mesh *mesh, const struct fl_node *self, const char *ifname)
{
	struct fl_metrics_maps maps;
	struct metrics_bpf *skel;
	unsigned int ifindex;
	enum pins pins;
	int lock, ret;

	if (geteuid() || access(FL_METRICS_FILE, F_OK))
		return FL_OK;
	ifindex = check_interface(ifname);
	if (!ifindex)
		return FL_FAILED;
	lock = fl_bpffs_lock();
	if (lock < 0)
		return FL_FAILED;
	skel = open_skeleton();
	if (!skel) {
		fl_bpffs_unlock(lock);
		return FL_FAILED;
	}
	pins = open_maps(skel->obj, &maps);
	if (pins == PINS_CURRENT && attached(ifindex, maps.fd[FL_MAP_COUNTS]))
		ret = fl_metrics_fill(&maps, mesh, self);
	else
		ret = attach_locked(mesh, self, ifindex, ifname);
	close_maps(&maps);
	metrics_bpf__destroy(skel);
	fl_bpffs_unlock(lock);
	return ret;
}

int fl_metrics_detach(void)
{
	struct fl_metrics_maps maps;
	struct metrics_bpf *skel;
	struct if_nameindex *all;
	int lock, ret = FL_OK;

	if (geteuid())
		return fl_fail("metrics: needs root, to remove BPF programs");
	if (fl_bpffs_mounted())
		return FL_FAILED;
	if (access(FL_BPFFS_DIR, F_OK))
		return FL_OK;
	lock = fl_bpffs_lock();
	if (lock < 0)
		return FL_FAILED;
	skel = open_skeleton();
	if (!skel) {
		fl_bpffs_unlock(lock);
		return FL_FAILED;
	}
	/* Maps of another layout cannot say whose a qdisc was: then it stays. */
	if (open_maps(skel->obj, &maps) != PINS_CURRENT) {
		close_maps(&maps);
		maps.fd[FL_MAP_LANES] = -1;
	} else {
		for (int i = 0; i < FL_N_MAPS; i++)
			if (i != FL_MAP_LANES)
				close(maps.fd[i]);
	}
	all = if_nameindex();
	for (struct if_nameindex *i = all; i && i->if_index; i++)
		detach_lane(i->if_index, maps.fd[FL_MAP_LANES]);
	if (!all)
		ret = fl_fail("metrics: cannot list the interfaces: %s", strerror(errno));
	if_freenameindex(all);
	if (maps.fd[FL_MAP_LANES] >= 0)
		close(maps.fd[FL_MAP_LANES]);
	if (unlink(FL_METRICS_FILE) && errno != ENOENT)
		ret = fl_fail(FL_METRICS_FILE ": cannot remove: %s", strerror(errno));
	unlink(FILE_NEW);
	unpin_maps();
	metrics_bpf__destroy(skel);
	fl_bpffs_unlock(lock);
	return ret;
}

bool fl_metrics_status(const char *ifname, struct fl_metrics_status *st)
{
	struct metrics_bpf *skel = NULL;
	struct fl_metrics_node node;
	struct fl_metrics_maps maps;
	unsigned int ifindex = if_nametoindex(ifname);
	__u32 zero = 0;

	*st = (struct fl_metrics_status){ 0 };
	if (geteuid() || access(FL_METRICS_FILE, F_OK))
		return false;
	skel = open_skeleton();
	if (!skel)
		return false;
	st->pinned = open_maps(skel->obj, &maps) == PINS_CURRENT;
	if (st->pinned) {
		st->attached = ifindex && attached(ifindex, maps.fd[FL_MAP_COUNTS]);
		if (!bpf_map_lookup_elem(maps.fd[FL_MAP_NODE], &zero, &node))
			st->peers = node.peers;
		st->prefixes = fl_metrics_count_prefixes(&maps);
	}
	close_maps(&maps);
	metrics_bpf__destroy(skel);
	return st->pinned;
}
