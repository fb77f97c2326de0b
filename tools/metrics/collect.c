// SPDX-License-Identifier: GPL-2.0
#include "collect.h"
#include "tc.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../mesh/wg.h"
#include "bpf/metrics_module.skel.h"
#include "bpf/metrics_tcp.skel.h"
#include "bpf/metrics_wireguard.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- what they have in common ---- */

const char *const fl_metrics_map_names[FL_N_MAPS] = {
	[FL_MAP_PREFIX] = "metrics_prefix",
	[FL_MAP_COUNTS] = "metrics_counts",
	[FL_MAP_OTHER] = "metrics_other",
	[FL_MAP_PEERS] = "metrics_peers",
	[FL_MAP_NODE] = "metrics_node",
	[FL_MAP_LANES] = "metrics_lanes",
	[FL_MAP_LANE_COUNTS] = "metrics_lane_counts",
	[FL_MAP_SESSIONS] = "metrics_sessions",
	[FL_MAP_COUNTERS] = "metrics_counters",
	[FL_MAP_GAUGES] = "metrics_gauges",
	[FL_MAP_HISTOGRAMS] = "metrics_histograms",
	[FL_MAP_DRIFT] = "metrics_drift",
};

int fl_collect_share(struct bpf_object *obj, const struct fl_metrics_maps *maps)
{
	for (int i = 0; i < FL_N_MAPS; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, fl_metrics_map_names[i]);
		int err = map ? bpf_map__reuse_fd(map, maps->fd[i]) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int read_node(const struct fl_metrics_maps *maps, struct fl_metrics_node *node)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, node);
}

unsigned int fl_collect_get(const struct fl_metrics_maps *maps, enum fl_metrics_collector by)
{
	struct fl_metrics_node node;

	return read_node(maps, &node) ? 0 : node.epoch[by];
}

/* FNV-1a. The same object is not loaded again: that takes long, and `accel on` is run often. */
static __u32 hash(const void *data, size_t len)
{
	const unsigned char *p = data;
	__u32 h = 2166136261U;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619U;
	return h;
}

static bool pinned(const char *prog)
{
	char path[128];

	snprintf(path, sizeof(path), FL_METRICS_LINKS "/%s", prog);
	return !access(path, F_OK);
}

bool fl_collect_is(const struct fl_metrics_maps *maps, enum fl_metrics_collector by,
		   const void *object, size_t size)
{
	struct fl_metrics_node node;

	return !read_node(maps, &node) && node.epoch[by] && node.object[by] == hash(object, size);
}

void fl_collect_became(const struct fl_metrics_maps *maps, enum fl_metrics_collector by,
		       const void *object, size_t size)
{
	struct fl_metrics_node node;
	__u32 zero = 0;

	if (read_node(maps, &node))
		return;
	node.object[by] = hash(object, size);
	bpf_map_update_elem(maps->fd[FL_MAP_NODE], &zero, &node, BPF_EXIST);
}

int fl_collect_set(const struct fl_metrics_maps *maps, enum fl_metrics_collector by,
		   unsigned int epoch)
{
	struct fl_metrics_node node;
	__u32 zero = 0;

	if (read_node(maps, &node))
		return -errno;
	if (node.epoch[by] == epoch)
		return 0;
	node.epoch[by] = epoch;
	return bpf_map_update_elem(maps->fd[FL_MAP_NODE], &zero, &node, BPF_EXIST) ? -errno : 0;
}

static void link_path(char *path, size_t size, const char *prog, const char *suffix)
{
	snprintf(path, size, FL_METRICS_LINKS "/%s%s", prog, suffix);
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Is what the pinned link runs this program, with this map? */
static bool link_runs(int link_fd, const struct bpf_program *prog, int map_fd)
{
	struct bpf_link_info link = { 0 };
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(link), ids[16], want = map_id(map_fd);
	bool same = false;
	int fd;

	if (bpf_obj_get_info_by_fd(link_fd, &link, &len))
		return false;
	fd = bpf_prog_get_fd_by_id(link.prog_id);
	if (fd < 0)
		return false;
	info.map_ids = (uintptr_t)ids;
	info.nr_map_ids = sizeof(ids) / sizeof(*ids);
	len = sizeof(info);
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) &&
	    fl_same_prog(bpf_program__fd(prog), info.tag))
		for (__u32 i = 0; i < info.nr_map_ids && i < sizeof(ids) / sizeof(*ids); i++)
			same |= ids[i] == want;
	close(fd);
	return same;
}

static bool pinned_runs(const struct bpf_program *prog, int map_fd)
{
	char path[128];
	bool same;
	int fd;

	link_path(path, sizeof(path), bpf_program__name(prog), "");
	fd = bpf_obj_get(path);
	if (fd < 0)
		return false;
	same = link_runs(fd, prog, map_fd);
	close(fd);
	return same;
}

/* ---- tcp ---- */

/* Where the second version of the control groups is mounted. */
static char *cgroup_root(void)
{
	char *text, *save = NULL, *found = NULL;

	if (fl_file_read("/proc/self/mountinfo", 1 << 20, &text, NULL))
		return NULL;
	for (char *line = strtok_r(text, "\n", &save); line && !found;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *type = strstr(line, " - cgroup2 ");
		char root[256], dir[1024];

		/* ID PARENT MAJOR:MINOR ROOT DIR ..., proc(5) */
		if (type && sscanf(line, "%*s %*s %*s %255s %1023s", root, dir) == 2 &&
		    !strcmp(root, "/"))
			found = fl_strdup(dir);
	}
	free(text);
	return found;
}

/* A link to the root of the control groups can be given another program in place. */
static int attach_tcp(struct metrics_tcp_bpf *skel, const struct fl_metrics_maps *maps)
{
	const struct bpf_program *prog = skel->progs.fl_metrics_tcp;
	char path[128], *root;
	int fd, link, err = 0;

	link_path(path, sizeof(path), bpf_program__name(prog), "");
	link = bpf_obj_get(path);
	if (link >= 0) {
		if (!link_runs(link, prog, maps->fd[FL_MAP_NODE]))
			err = bpf_link_update(link, bpf_program__fd(prog), NULL) ? -errno : 0;
		close(link);
		return err;
	}
	root = cgroup_root();
	if (!root)
		return -ENOENT;
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(root);
	if (fd < 0)
		return -errno;
	link = bpf_link_create(bpf_program__fd(prog), fd, BPF_CGROUP_SOCK_OPS, NULL);
	err = link < 0 ? -errno : 0;
	close(fd);
	if (!err && bpf_obj_pin(link, path))
		err = -errno;
	if (link >= 0)
		close(link);
	return err;
}

static void collect_tcp(const struct fl_metrics_maps *maps)
{
	struct metrics_tcp_bpf *skel;
	const void *object;
	size_t size;
	int err;

	object = metrics_tcp_bpf__elf_bytes(&size);
	if (pinned("fl_metrics_tcp") && fl_collect_is(maps, FL_BY_TCP, object, size))
		return;
	skel = metrics_tcp_bpf__open();
	err = skel ? 0 : -errno;
	err = err ?: fl_collect_share(skel->obj, maps);
	err = err ?: metrics_tcp_bpf__load(skel);
	err = err ?: attach_tcp(skel, maps);
	if (err == -ENOENT)
		fl_warn("metrics: no cgroup2 is mounted: no round-trip times; mount it: mount -t cgroup2 none /sys/fs/cgroup");
	else if (err)
		fl_warn("metrics: cannot attach to the root of the control groups: %s: no round-trip times",
			strerror(-err));
	fl_collect_set(maps, FL_BY_TCP, !err);
	if (!err)
		fl_collect_became(maps, FL_BY_TCP, object, size);
	metrics_tcp_bpf__destroy(skel);
}

/* ---- traces ---- */

/* Programs whose function is not there to be traced, neither in the kernel nor in the module, are
 * not loaded: a compiler may have made it disappear. Returns how many are. */
static unsigned int select_traceable(struct bpf_object *obj, const char *module)
{
	struct btf *vmlinux, *btf;
	struct bpf_program *prog;
	unsigned int n = 0;
	char path[64];

	/* Built into the kernel or not. Reading the kernel's types takes long. */
	snprintf(path, sizeof(path), "/sys/module/%s", module);
	if (access(path, F_OK))
		return 0;
	vmlinux = btf__load_vmlinux_btf();
	btf = vmlinux ? btf__load_module_btf(module, vmlinux) : NULL;
	bpf_object__for_each_program(prog, obj)
	{
		const char *function = strchr(bpf_program__section_name(prog), '/') + 1;
		const struct btf *in = btf ?: vmlinux;
		bool there = in && btf__find_by_name_kind(in, function, BTF_KIND_FUNC) > 0;

		n += there;
		bpf_program__set_autoload(prog, there);
	}
	btf__free(btf);
	btf__free(vmlinux);
	return n;
}

/* Attach under another name. Returns 0 or -errno. */
static int attach_new(struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach(prog);
	char path[128];
	int err;

	if (!link)
		return -errno;
	link_path(path, sizeof(path), bpf_program__name(prog), "_new");
	unlink(path);
	err = bpf_link__pin(link, path);
	bpf_link__destroy(link); /* the pin holds it from here on */
	return err;
}

/* The new links get the names of the old ones, which end with that; or go away themselves. */
static void rename_new(const struct bpf_object *obj, bool keep)
{
	struct bpf_program *prog;
	char from[128], to[128];

	bpf_object__for_each_program(prog, obj)
	{
		link_path(from, sizeof(from), bpf_program__name(prog), "_new");
		link_path(to, sizeof(to), bpf_program__name(prog), "");
		if (!keep || (rename(from, to) && errno != ENOENT))
			unlink(from);
	}
}

/* See bpf/metrics_epoch.h: new programs beside the old ones, hand over, old ones away. */
static int replace_traces(struct bpf_object *obj, const struct fl_metrics_maps *maps,
			  enum fl_metrics_collector by, unsigned int epoch)
{
	struct bpf_program *prog;
	int err = 0;

	bpf_object__for_each_program(prog, obj)
	{
		if (!bpf_program__autoload(prog))
			continue;
		err = attach_new(prog);
		if (err)
			break;
	}
	err = err ?: fl_collect_set(maps, by, epoch);
	rename_new(obj, !err);
	return err;
}

static bool traces_current(const struct bpf_object *obj, const struct fl_metrics_maps *maps)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		if (bpf_program__autoload(prog) && !pinned_runs(prog, maps->fd[FL_MAP_NODE]))
			return false;
	}
	return true;
}

/* ---- wireguard ---- */

static __u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Sessions that are older than the traces: the time of their handshake is WireGuard's to tell. */
static void seed_sessions(const struct fl_metrics_maps *maps, unsigned int ifindex)
{
	__u64 now = clock_ns(CLOCK_REALTIME), boot = clock_ns(CLOCK_BOOTTIME);
	struct fl_lane lane = { .link.ifindex = ifindex };
	int fd = maps->fd[FL_MAP_SESSIONS], err;
	struct fl_nl nl;

	if (fl_nl_open(&nl))
		return;
	err = nl.wg_family ? fl_wg_read(&nl, &lane) : -ENOENT;
	for (size_t i = 0; i < lane.n_peers && !err; i++) {
		const struct fl_peer *p = &lane.peers[i];
		__u64 age = now - p->handshake * 1000000000ULL;
		struct fl_metrics_session s;

		if (!p->handshake || bpf_map_lookup_elem(fd, &p->public_key, &s) ||
		    s.handshake_sec >= (__u64)p->handshake)
			continue;
		s.handshake_sec = p->handshake;
		s.handshake_boot = age < boot ? boot - age : 0;
		bpf_map_update_elem(fd, &p->public_key, &s, BPF_EXIST);
	}
	fl_lane_free(&lane);
	fl_nl_close(&nl);
}

static void collect_wireguard(const struct fl_metrics_maps *maps, unsigned int ifindex)
{
	struct metrics_wireguard_bpf *skel;
	unsigned int epoch = fl_collect_get(maps, FL_BY_WIREGUARD);
	const void *object;
	size_t size;
	int err;

	object = metrics_wireguard_bpf__elf_bytes(&size);
	if (pinned("fl_wg_complete") && fl_collect_is(maps, FL_BY_WIREGUARD, object, size)) {
		seed_sessions(maps, ifindex);
		return;
	}
	skel = metrics_wireguard_bpf__open();
	if (!skel) {
		fl_warn("metrics: cannot open the traces of WireGuard: %s", strerror(errno));
		return;
	}
	if (!select_traceable(skel->obj, "wireguard")) {
		/* Nothing to be done about it: fairlead_collector_attached says so. */
		fl_collect_set(maps, FL_BY_WIREGUARD, 0);
		metrics_wireguard_bpf__destroy(skel);
		return;
	}
	seed_sessions(maps, ifindex);
	skel->rodata->fl_epoch = epoch + 1;
	err = fl_collect_share(skel->obj, maps);
	err = err ?: metrics_wireguard_bpf__load(skel);
	if (!err && (!epoch || !traces_current(skel->obj, maps)))
		err = replace_traces(skel->obj, maps, FL_BY_WIREGUARD, epoch + 1);
	if (!err)
		fl_collect_became(maps, FL_BY_WIREGUARD, object, size);
	else
		fl_warn("metrics: cannot trace WireGuard: %s: no handshakes, queue times and drops of it",
			strerror(-err));
	metrics_wireguard_bpf__destroy(skel);
}

/* ---- the module ---- */

static __u32 net_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : (__u32)st.st_ino;
}

void fl_collect_module(const struct fl_metrics_maps *maps)
{
	/* No number of programs of before, which may be there for a moment yet. */
	unsigned int epoch = (clock_ns(CLOCK_BOOTTIME) >> 20) + 1;
	struct metrics_module_bpf *skel;
	const void *object;
	size_t size;
	int err;

	/* While one of these is attached the module cannot be unloaded, nor come back as another. */
	object = metrics_module_bpf__elf_bytes(&size);
	if (pinned("fl_module_flush") && fl_collect_is(maps, FL_BY_MODULE, object, size))
		return;
	if (access("/sys/module/fairlead", F_OK)) {
		fl_collect_set(maps, FL_BY_MODULE, 0);
		return;
	}
	skel = metrics_module_bpf__open();
	err = skel ? 0 : -errno;
	if (!err) {
		skel->rodata->fl_epoch = epoch;
		skel->rodata->fl_netns = net_namespace();
		err = fl_collect_share(skel->obj, maps);
	}
	err = err ?: metrics_module_bpf__load(skel);
	err = err ?: replace_traces(skel->obj, maps, FL_BY_MODULE, epoch);
	if (!err)
		fl_collect_became(maps, FL_BY_MODULE, object, size);
	else if (err == -ENOENT)
		fl_warn("metrics: the module that is loaded is of another version: none of its counters; "
			"`fairlead accel off module` and `on` take the new one");
	else
		fl_warn("metrics: cannot trace the module: %s: none of its counters",
			strerror(-err));
	metrics_module_bpf__destroy(skel);
}

void fl_collect_module_stop(const struct fl_metrics_maps *maps)
{
	struct metrics_module_bpf *skel = metrics_module_bpf__open();
	struct bpf_program *prog;
	char path[128];

	fl_collect_set(maps, FL_BY_MODULE, 0);
	if (!skel)
		return;
	bpf_object__for_each_program(prog, skel->obj)
	{
		link_path(path, sizeof(path), bpf_program__name(prog), "");
		unlink(path);
	}
	metrics_module_bpf__destroy(skel);
}

/* ---- all ---- */

void fl_collect(const struct fl_metrics_maps *maps, unsigned int ifindex)
{
	if (mkdir(FL_METRICS_LINKS, 0700) && errno != EEXIST) {
		fl_warn(FL_METRICS_LINKS ": cannot make it: %s", strerror(errno));
		return;
	}
	collect_tcp(maps);
	collect_wireguard(maps, ifindex);
	fl_collect_module(maps);
}

void fl_collect_stop(void)
{
	DIR *dir = opendir(FL_METRICS_LINKS);
	const struct dirent *entry;

	/* Whatever version made them. */
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(FL_METRICS_LINKS);
}
