// SPDX-License-Identifier: GPL-2.0
/*
 * Pins and attachments of the metrics programs.
 *
 *	/sys/fs/bpf/fairlead/metrics		the file: a link to the iterator
 *	/sys/fs/bpf/fairlead/maps/metrics_*	the maps that outlive the tool
 *
 * The tc programs are held by the filters on the lanes, the iterator by the file.
 */
#include "collect.h"
#include "interface.h"
#include "maps.h"
#include "metrics.h"
#include "../lib/bpffs.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "bpf/metrics.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef FL_VERSION
#define FL_VERSION "unknown"
#endif

#define FILE_NEW FL_BPFFS_DIR "/metrics_new" /* bpffs allows no dot in a name */

/* ---- pins ---- */

enum pins { PINS_NONE, PINS_CURRENT, PINS_STALE };

static void map_path(char *path, size_t size, int i)
{
	snprintf(path, size, FL_BPFFS_MAPS "/%s", fl_metrics_map_names[i]);
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
		good += fl_bpffs_same_shape(
			maps->fd[i], bpf_object__find_map_by_name(obj, fl_metrics_map_names[i]));
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

/* Who may read the old file may read the new one. */
static int keep_rights(const char *path)
{
	struct stat st;
	bool shared = !stat(FL_METRICS_FILE, &st) && st.st_gid;

	if (shared && chown(path, 0, st.st_gid))
		return -1;
	return chmod(path, shared ? 0440 : 0400);
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
	if (bpf_link__pin(link, FILE_NEW) || keep_rights(FILE_NEW) ||
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

/* ---- what `tune watch` counts ---- */

/* The file prints it from the maps of that. */
static const char *const tune_maps[] = { "sysctl_conf", "sysctl_slots", "sysctl_counts" };

#define TUNE_CONF   FL_BPFFS_MAPS "/sysctl_conf"
#define N_TUNE_MAPS (int)(sizeof(tune_maps) / sizeof(*tune_maps))

/* Let the file have them, if they are there and as they should be. Returns whether. */
static bool share_tune(const struct bpf_object *obj)
{
	int fd[N_TUNE_MAPS], good = 0, ret = 0;
	struct fl_sysctl_conf conf;
	char path[128];
	__u32 zero = 0;

	for (int i = 0; i < N_TUNE_MAPS; i++) {
		snprintf(path, sizeof(path), FL_BPFFS_MAPS "/%s", tune_maps[i]);
		fd[i] = bpf_obj_get(path);
		good += fd[i] >= 0 &&
			fl_bpffs_same_shape(fd[i], bpf_object__find_map_by_name(obj, tune_maps[i]));
	}
	if (good == N_TUNE_MAPS && !bpf_map_lookup_elem(fd[0], &zero, &conf) &&
	    conf.layout == FL_SYSCTL_LAYOUT)
		for (int i = 0; i < N_TUNE_MAPS && !ret; i++)
			ret = bpf_map__reuse_fd(bpf_object__find_map_by_name(obj, tune_maps[i]),
						fd[i]);
	else
		ret = -1;
	for (int i = 0; i < N_TUNE_MAPS; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return !ret;
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

static struct fl_metrics_maps skeleton_maps(const struct metrics_bpf *skel)
{
	struct fl_metrics_maps maps;

	for (int i = 0; i < FL_N_MAPS; i++)
		maps.fd[i] = bpf_map__fd(
			bpf_object__find_map_by_name(skel->obj, fl_metrics_map_names[i]));
	return maps;
}

/* number: that of the interface which the programs are for. */
static int load_skeleton(struct metrics_bpf *skel, const struct fl_metrics_maps *reuse,
			 __u32 number)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct fl_metrics_maps maps;
	bool tuned;

	if (cpus < 1)
		return fl_fail("metrics: cannot tell the number of CPUs: %s", strerror(-cpus));
	skel->rodata->fl_cpus = cpus;
	snprintf((char *)skel->rodata->fl_version, sizeof(skel->rodata->fl_version), "%s",
		 FL_VERSION);
	skel->rodata->fl_lane = number;
	err = reuse ? fl_collect_share(skel->obj, reuse) : 0;
	if (err)
		return fl_fail("metrics: cannot use the pinned maps: %s", strerror(-err));
	tuned = share_tune(skel->obj);
	err = metrics_bpf__load(skel);
	if (err)
		return fl_bpffs_load_error("metrics", -err);
	maps = skeleton_maps(skel);
	fl_metrics_begin(&maps);
	fl_collect_set(&maps, FL_BY_TUNE, tuned);
	return FL_OK;
}

/* The file, without touching lanes: for those who count something else. The maps are made if they are
 * not there. */
static int file_locked(void)
{
	struct metrics_bpf *skel = open_skeleton();
	struct fl_metrics_maps pinned, maps;
	enum pins pins;
	int ret;

	if (!skel)
		return FL_FAILED;
	pins = open_maps(skel->obj, &pinned);
	if (pins == PINS_STALE)
		fl_warn("metrics: the pinned maps are of another version; replacing them, counters start from zero");
	bpf_program__set_autoload(skel->progs.fl_metrics_rx, false);
	bpf_program__set_autoload(skel->progs.fl_metrics_tx, false);
	ret = load_skeleton(skel, pins == PINS_CURRENT ? &pinned : NULL, 0);
	if (!ret) {
		maps = skeleton_maps(skel);
		if (pins != PINS_CURRENT)
			ret = pin_maps(&maps);
		ret = ret ?: pin_file(skel);
		if (ret && pins == PINS_NONE)
			unpin_maps();
	}
	close_maps(&pinned);
	metrics_bpf__destroy(skel);
	return ret;
}

/* What is pinned, or false. The caller closes the maps. */
static bool open_pinned(struct fl_metrics_maps *maps)
{
	struct metrics_bpf *skel = open_skeleton();
	bool current = skel && open_maps(skel->obj, maps) == PINS_CURRENT;

	if (skel && !current)
		close_maps(maps);
	metrics_bpf__destroy(skel);
	return current;
}

static bool counted_by(enum fl_metrics_collector by)
{
	struct fl_metrics_maps maps;
	bool counted = false;

	if (open_pinned(&maps)) {
		counted = fl_collect_get(&maps, by);
		close_maps(&maps);
	}
	return counted;
}

static int attach_locked(const struct fl_mesh *mesh, const struct fl_node *self,
			 unsigned int ifindex, const char *ifname)
{
	struct metrics_bpf *skel = open_skeleton();
	struct fl_metrics_maps pinned, maps;
	bool laned = false, fresh;
	enum pins pins;
	struct fl_tc tc;
	int ret, number = 0;

	if (!skel)
		return FL_FAILED;
	pins = open_maps(skel->obj, &pinned);
	fresh = pins != PINS_CURRENT;
	if (pins == PINS_STALE)
		fl_warn("metrics: the pinned maps are of another version; replacing them, counters start from zero");

	if (!fresh) {
		number = fl_interface_number(&pinned, ifindex, ifname);
		if (number < 0) {
			ret = FL_FAILED;
			goto out;
		}
	}
	ret = load_skeleton(skel, fresh ? NULL : &pinned, number);
	if (ret)
		goto out;
	maps = skeleton_maps(skel);
	ret = fl_metrics_fill(&maps, mesh, self);
	if (ret)
		goto out;
	tc = fl_lane_tc(&maps);
	tc.prog_fd[0] = bpf_program__fd(skel->progs.fl_metrics_rx);
	tc.prog_fd[1] = bpf_program__fd(skel->progs.fl_metrics_tx);
	ret = fl_interface_attach(&maps, ifindex, ifname, FL_LANE_WG, &tc);
	if (ret)
		goto out;
	laned = true;
	if (fresh)
		ret = pin_maps(&maps);
	ret = ret ?: pin_file(skel);
	if (!ret) {
		fl_underlay_attach(&maps, mesh);
		fl_collect(&maps, ifindex);
	}
out:
	if (ret && fresh) {
		if (laned)
			fl_interface_detach(ifindex, maps.fd[FL_MAP_LANES]);
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

int fl_metrics_allow(const char *group)
{
	const struct group *gr = getgrnam(group);
	struct stat st;
	int lock, ret = FL_OK;

	if (!gr)
		return fl_fail("metrics: there is no group '%s'; make it: groupadd --system %s",
			       group, group);
	lock = fl_bpffs_lock();
	if (lock < 0)
		return FL_FAILED;
	/* Maps and links stay root's. The file is opened to others last. */
	if (chown(FL_BPFFS_DIR, 0, gr->gr_gid) || chmod(FL_BPFFS_DIR, gr->gr_gid ? 0750 : 0700) ||
	    chown(FL_METRICS_FILE, 0, gr->gr_gid) ||
	    chmod(FL_METRICS_FILE, gr->gr_gid ? 0440 : 0400))
		ret = fl_fail(FL_METRICS_FILE ": cannot give it to group %s: %s", group,
			      strerror(errno));
	else if (gr->gr_gid && !stat(FL_BPFFS, &st) && !(st.st_mode & 0001) &&
		 !(st.st_gid == gr->gr_gid && (st.st_mode & 0010)))
		fl_warn("metrics: " FL_BPFFS
			" has mode %04o: group %s cannot get past it; let it: chmod o+x " FL_BPFFS,
			st.st_mode & 07777, group);
	fl_bpffs_unlock(lock);
	return ret;
}

int fl_metrics_sync(const struct fl_mesh *mesh, const struct fl_node *self, const char *ifname)
{
	struct fl_metrics_maps maps;
	struct metrics_bpf *skel;
	unsigned int ifindex;
	enum pins pins;
	struct fl_tc tc;
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
	tc = fl_lane_tc(&maps);
	if (pins == PINS_CURRENT && !fl_collect_get(&maps, FL_BY_LANE)) {
		ret = FL_OK; /* the file is there for other counters */
	} else if (pins == PINS_CURRENT && fl_tc_attached(ifindex, &tc)) {
		ret = fl_metrics_fill(&maps, mesh, self);
		if (!ret)
			fl_underlay_attach(&maps, mesh);
	} else {
		ret = attach_locked(mesh, self, ifindex, ifname);
	}
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
		fl_interface_detach(i->if_index, maps.fd[FL_MAP_LANES]);
	if (!all)
		ret = fl_fail("metrics: cannot list the interfaces: %s", strerror(errno));
	if_freenameindex(all);
	if (maps.fd[FL_MAP_LANES] >= 0)
		close(maps.fd[FL_MAP_LANES]);
	if (unlink(FL_METRICS_FILE) && errno != ENOENT)
		ret = fl_fail(FL_METRICS_FILE ": cannot remove: %s", strerror(errno));
	unlink(FILE_NEW);
	fl_collect_stop();
	unpin_maps();
	/* Of what the file had, that is still counted. */
	if (!access(TUNE_CONF, F_OK) && file_locked())
		ret = FL_FAILED;
	metrics_bpf__destroy(skel);
	fl_bpffs_unlock(lock);
	return ret;
}

int fl_metrics_tune(bool on)
{
	if (on)
		return file_locked();
	if (access(FL_METRICS_FILE, F_OK))
		return FL_OK;
	if (counted_by(FL_BY_LANE) || counted_by(FL_BY_PRESSURE) || counted_by(FL_BY_DRIFT))
		return file_locked();
	unlink(FL_METRICS_FILE);
	unpin_maps();
	return FL_OK;
}

/* For those whose families a tool fills: the pinned maps, made if they are not there. Returns the lock,
 * or -1 after a message. */
static int open_to_fill(struct fl_metrics_maps *maps)
{
	int lock;

	if (fl_bpffs_ready("metrics"))
		return -1;
	lock = fl_bpffs_lock();
	if (lock < 0)
		return -1;
	if (!open_pinned(maps) && (file_locked() || !open_pinned(maps))) {
		fl_bpffs_unlock(lock);
		return -1;
	}
	return lock;
}

static int store(int fd, __u32 number, const void *value)
{
	if (bpf_map_update_elem(fd, &number, value, BPF_ANY))
		return fl_fail("metrics: cannot store a value: %s", strerror(errno));
	return FL_OK;
}

/* Their families are in the file from here on. */
static int filled(struct fl_metrics_maps *maps, int lock, enum fl_metrics_collector by, int ret)
{
	if (!ret && fl_collect_set(maps, by, 1))
		ret = fl_fail("metrics: cannot store who counts: %s", strerror(errno));
	close_maps(maps);
	fl_bpffs_unlock(lock);
	return ret;
}

int fl_metrics_gauges(enum fl_metrics_collector by, const struct fl_metrics_gauge *gauges, size_t n)
{
	struct fl_metrics_maps maps;
	int lock = open_to_fill(&maps), ret = FL_OK;

	if (lock < 0)
		return FL_FAILED;
	for (size_t i = 0; i < n && !ret; i++)
		ret = store(maps.fd[FL_MAP_GAUGES], gauges[i].number, &gauges[i].value);
	return filled(&maps, lock, by, ret);
}

/* Where in all the key is, or is to be; -1: there is no room. */
static int drift_slot(const struct fl_metrics_drift *all, const char *key)
{
	int unused = -1;

	for (int i = 0; i < FL_SYSCTL_KEYS_MAX; i++) {
		if (all[i].used && !strcmp(all[i].key, key))
			return i;
		if (!all[i].used && unused < 0)
			unused = i;
	}
	return unused;
}

static int fill_drift(int fd, struct fl_metrics_drift *all, const struct fl_metrics_verified *keys,
		      size_t n)
{
	bool kept[FL_SYSCTL_KEYS_MAX] = { false };
	size_t left_out = 0;
	int ret = FL_OK;

	for (__u32 i = 0; i < FL_SYSCTL_KEYS_MAX; i++)
		if (bpf_map_lookup_elem(fd, &i, &all[i]))
			return fl_fail("metrics: cannot read what drifted: %s", strerror(errno));
	for (size_t k = 0; k < n && !ret; k++) {
		struct fl_metrics_drift d = { 0 };
		int slot = -1;

		if (fl_metrics_escape(d.key, sizeof(d.key), keys[k].name) > 0)
			slot = drift_slot(all, d.key);
		if (slot < 0) {
			left_out++;
			continue;
		}
		kept[slot] = true;
		d.drifted = keys[k].drifted;
		/* A reader sees the key only when it is whole. */
		if (!all[slot].used)
			ret = store(fd, slot, &d);
		d.used = 1;
		if (!ret && memcmp(&all[slot], &d, sizeof(d)))
			ret = store(fd, slot, &d);
		all[slot] = d;
	}
	for (int i = 0; i < FL_SYSCTL_KEYS_MAX && !ret; i++) {
		if (!all[i].used || kept[i])
			continue;
		all[i].used = 0;
		ret = store(fd, i, &all[i]);
	}
	if (left_out)
		fl_warn("metrics: %zu keys are not in the file: there is room for %u", left_out,
			FL_SYSCTL_KEYS_MAX);
	return ret;
}

int fl_metrics_drift(const struct fl_metrics_verified *keys, size_t n)
{
	struct fl_metrics_drift *all;
	uint64_t now = (uint64_t)time(NULL);
	struct fl_metrics_maps maps;
	int lock = open_to_fill(&maps), ret;

	if (lock < 0)
		return FL_FAILED;
	all = fl_zalloc(FL_SYSCTL_KEYS_MAX * sizeof(*all));
	ret = fill_drift(maps.fd[FL_MAP_DRIFT], all, keys, n);
	free(all);
	if (!ret)
		ret = store(maps.fd[FL_MAP_GAUGES], FL_VERIFIED_AT, &now);
	return filled(&maps, lock, FL_BY_DRIFT, ret);
}

int fl_metrics_module(bool on)
{
	struct fl_metrics_maps maps;
	int lock;

	if (geteuid() || access(FL_METRICS_LINKS, F_OK))
		return FL_OK;
	lock = fl_bpffs_lock();
	if (lock < 0)
		return FL_FAILED;
	if (open_pinned(&maps)) {
		if (on)
			fl_collect_module(&maps);
		else
			fl_collect_module_stop(&maps);
		close_maps(&maps);
	}
	fl_bpffs_unlock(lock);
	return FL_OK;
}

bool fl_metrics_status(const char *ifname, struct fl_metrics_status *st)
{
	struct metrics_bpf *skel = NULL;
	struct fl_metrics_node node;
	struct fl_metrics_maps maps;
	unsigned int ifindex = if_nametoindex(ifname);
	struct fl_tc tc;
	__u32 zero = 0;

	*st = (struct fl_metrics_status){ 0 };
	if (geteuid() || access(FL_METRICS_FILE, F_OK))
		return false;
	skel = open_skeleton();
	if (!skel)
		return false;
	st->pinned = open_maps(skel->obj, &maps) == PINS_CURRENT;
	if (st->pinned) {
		tc = fl_lane_tc(&maps);
		st->attached = ifindex && fl_tc_attached(ifindex, &tc);
		if (!bpf_map_lookup_elem(maps.fd[FL_MAP_NODE], &zero, &node))
			st->peers = node.peers;
		st->prefixes = fl_metrics_count_prefixes(&maps);
	}
	close_maps(&maps);
	metrics_bpf__destroy(skel);
	return st->pinned;
}
