// SPDX-License-Identifier: GPL-2.0
#include "guard.h"
#include "sysctl.h"
#include "../lib/bpffs.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../metrics/metrics.h"
#include "bpf/sysctl.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WHO	 "tune watch"
#define ANNOUNCE FL_BPFFS_DIR "/tune_announce"

static const char *const map_names[FL_GUARD_MAPS] = {
	[FL_GUARD_CONF] = "sysctl_conf",     [FL_GUARD_STATE] = "sysctl_state",
	[FL_GUARD_NAMES] = "sysctl_names",   [FL_GUARD_SLOTS] = "sysctl_slots",
	[FL_GUARD_COUNTS] = "sysctl_counts", [FL_GUARD_OWNERS] = "sysctl_owners",
	[FL_GUARD_SELF] = "sysctl_self",     [FL_GUARD_EVENTS] = "sysctl_events",
};

/* ---- pins --------------------------------------------------------------------------------------- */

static void map_path(char *path, size_t size, int i)
{
	snprintf(path, size, FL_BPFFS_MAPS "/%s", map_names[i]);
}

static void close_maps(int *map)
{
	for (int i = 0; i < FL_GUARD_MAPS; i++)
		if (map[i] >= 0)
			close(map[i]);
}

enum pins { PINS_NONE, PINS_CURRENT, PINS_STALE };

/* Open the pinned maps; obj says what shape they must have. The caller closes them. */
static enum pins open_maps(const struct bpf_object *obj, int *map)
{
	struct fl_sysctl_conf conf;
	int found = 0, good = 0;
	__u32 zero = 0;
	char path[128];

	for (int i = 0; i < FL_GUARD_MAPS; i++) {
		map_path(path, sizeof(path), i);
		map[i] = bpf_obj_get(path);
		if (map[i] < 0)
			continue;
		found++;
		good += fl_bpffs_same_shape(map[i],
					    bpf_object__find_map_by_name(obj, map_names[i]));
	}
	if (!found)
		return PINS_NONE;
	if (good < FL_GUARD_MAPS || bpf_map_lookup_elem(map[FL_GUARD_CONF], &zero, &conf) ||
	    conf.layout != FL_SYSCTL_LAYOUT)
		return PINS_STALE;
	return PINS_CURRENT;
}

static void unpin_all(void)
{
	char path[128];

	unlink(FL_GUARD_LINK);
	unlink(ANNOUNCE);
	for (int i = 0; i < FL_GUARD_MAPS; i++) {
		map_path(path, sizeof(path), i);
		unlink(path);
	}
}

static int pin(int fd, const char *path)
{
	int err = fl_bpffs_pin(fd, path);

	return err ? fl_fail("%s: cannot pin: %s", path, strerror(-err)) : FL_OK;
}

static int pin_maps(const int *map)
{
	char path[128];

	for (int i = 0; i < FL_GUARD_MAPS; i++) {
		map_path(path, sizeof(path), i);
		if (pin(map[i], path))
			return FL_FAILED;
	}
	return FL_OK;
}

/* ---- the root of the control groups ------------------------------------------------------------- */

/* Returns a descriptor, or -1 after a message. The root has the inode number 1; what a container
 * sees as root has not. */
static int open_root(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool mounted = false;
	struct mntent *m;
	struct stat st;
	int fd = -1;

	while (f && fd < 0 && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		mounted = true;
		fd = open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) || st.st_ino != 1)) {
			close(fd);
			fd = -1;
		}
	}
	if (f)
		endmntent(f);
	if (fd >= 0)
		return fd;
	if (mounted)
		fl_err(WHO
		       ": the root of the control groups cannot be seen from here; run it on the node itself, not in a container");
	else
		fl_err(WHO
		       ": no cgroup2 file system is mounted; mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	return -1;
}

static int attach(struct sysctl_bpf *skel)
{
	struct bpf_link *link;
	int root, err, ret;

	root = open_root();
	if (root < 0)
		return FL_FAILED;
	link = bpf_program__attach_cgroup(skel->progs.fl_sysctl_write, root);
	err = errno;
	close(root);
	if (!link && err == EPERM)
		return fl_fail(
			WHO
			": another program has the root of the control groups for itself; `bpftool cgroup tree` shows it");
	if (!link)
		return fl_fail(WHO ": cannot attach to the root of the control groups: %s%s",
			       strerror(err),
			       err == EINVAL ? "; is the kernel built with CONFIG_CGROUP_BPF?" :
					       "");
	ret = pin(bpf_link__fd(link), FL_GUARD_LINK);
	bpf_link__destroy(link); /* the pin holds it from here on */
	return ret;
}

/* In one step: no write passes between the old program and the new one. */
static int replace(struct sysctl_bpf *skel, bool *attached)
{
	struct bpf_link *link = bpf_link__open(FL_GUARD_LINK);
	int err;

	*attached = link != NULL;
	if (!link)
		return FL_OK;
	err = bpf_link__update_program(link, skel->progs.fl_sysctl_write);
	bpf_link__destroy(link);
	return err ? fl_fail(FL_GUARD_LINK ": cannot put the new program in place: %s",
			     strerror(-err)) :
		     FL_OK;
}

/* ---- what is watched ---------------------------------------------------------------------------- */

struct want {
	struct fl_sysctl_name name;
	struct fl_sysctl_match match;
};

struct wants {
	struct want *w;
	int n;
};

/* net/ipv4/conf/lxc*.rp_filter: table, "lxc", "rp_filter". */
static int by_interface(const char *path, struct fl_sysctl_name *name, char *prefix)
{
	static const char *const tables[FL_SYSCTL_TABLES] = {
		[FL_SYSCTL_IPV4_CONF] = "net/ipv4/conf/",
		[FL_SYSCTL_IPV6_CONF] = "net/ipv6/conf/",
		[FL_SYSCTL_IPV4_NEIGH] = "net/ipv4/neigh/",
		[FL_SYSCTL_IPV6_NEIGH] = "net/ipv6/neigh/",
	};

	for (__u32 t = FL_SYSCTL_EXACT + 1; t < FL_SYSCTL_TABLES; t++) {
		size_t len = strlen(tables[t]), part;

		if (strncmp(path, tables[t], len) != 0)
			continue;
		path += len;
		part = strcspn(path, "/");
		if (!part || path[part - 1] != '*' || part > FL_SYSCTL_IFNAME - 1 || !path[part] ||
		    strcspn(path, "*?[@") != part - 1)
			return -1;
		memcpy(prefix, path, part - 1);
		name->table = t;
		snprintf(name->text, sizeof(name->text), "%s", path + part + 1);
		return 0;
	}
	return -1;
}

static int add_want(struct wants *ws, const char *key, unsigned int slot)
{
	char *path = fl_sysctl_path(key) + strlen("/proc/sys/");
	struct fl_sysctl_name name = { .table = FL_SYSCTL_EXACT };
	char prefix[FL_SYSCTL_IFNAME] = "";
	struct want *w = NULL;
	int err = 0;

	if (strpbrk(path, "*?[@"))
		err = by_interface(path, &name, prefix);
	else
		memcpy(name.text, path, strlen(path)); /* shorter than FL_SYSCTL_NAME: checked */
	free(path - strlen("/proc/sys/"));
	if (err)
		return err;
	for (int i = 0; i < ws->n && !w; i++)
		if (!memcmp(&ws->w[i].name, &name, sizeof(name)))
			w = &ws->w[i];
	if (!w) {
		ws->w = fl_realloc(ws->w, (size_t)ws->n + 1, sizeof(*ws->w));
		w = &ws->w[ws->n++];
		*w = (struct want){ .name = name };
	}
	if (w->match.n == FL_SYSCTL_GLOBS)
		return fl_fail(WHO ": %s: more than %d patterns for one key", key, FL_SYSCTL_GLOBS);
	w->match.glob[w->match.n].slot = slot;
	memcpy(w->match.glob[w->match.n++].prefix, prefix, sizeof(prefix));
	return 0;
}

/*
 * A slot for each key: the one that has or had its name, else one that nobody had, so that old events
 * keep their names, else any that is not wanted. Returns how many keys got one.
 */
static int give_slots(const struct fl_sysctl_slot *slots, char *const *keys, int n, int *slot)
{
	bool taken[FL_SYSCTL_KEYS_MAX] = { false };
	int given = 0;

	for (int k = 0; k < n; k++) {
		slot[k] = -1;
		for (int i = 0; i < FL_SYSCTL_KEYS_MAX && slot[k] < 0; i++)
			if (!strcmp(slots[i].name, keys[k]))
				slot[k] = i;
		if (slot[k] >= 0)
			taken[slot[k]] = true;
	}
	for (int k = 0; k < n; k++) {
		for (int i = 0; i < FL_SYSCTL_KEYS_MAX && slot[k] < 0; i++)
			if (!taken[i] && !*slots[i].name)
				slot[k] = i;
		for (int i = 0; i < FL_SYSCTL_KEYS_MAX && slot[k] < 0; i++)
			if (!taken[i])
				slot[k] = i;
		if (slot[k] < 0)
			break;
		taken[slot[k]] = true;
		given++;
	}
	return given;
}

static int store(int fd, const void *key, const void *value)
{
	if (!bpf_map_update_elem(fd, key, value, BPF_ANY))
		return FL_OK;
	return fl_fail(WHO ": cannot store what to watch: %s", strerror(errno));
}

static void set_filter(struct fl_sysctl_conf *conf, const struct fl_sysctl_name *name)
{
	const char *slash = strrchr(name->text, '/'), *last = slash ? slash + 1 : name->text;
	__u64 base[FL_SYSCTL_BASE / 8] = { 0 };
	__u32 bit;

	memcpy(base, last, strnlen(last, sizeof(base)));
	bit = fl_sysctl_filter_bit(base[0], base[1]);
	conf->filter[bit / 64] |= 1ULL << (bit % 64);
}

static int fill_names(const int *map, char *const *keys, int n, struct fl_sysctl_conf *conf)
{
	struct fl_sysctl_slot *slots = fl_zalloc(FL_SYSCTL_KEYS_MAX * sizeof(*slots));
	int *given = fl_zalloc((size_t)n * sizeof(*given));
	bool used[FL_SYSCTL_KEYS_MAX] = { false };
	struct fl_sysctl_name name, *prev = NULL, next;
	const struct fl_sysctl_counts none = { 0 };
	struct wants ws = { 0 };
	int ret = FL_OK;

	for (__u32 i = 0; i < FL_SYSCTL_KEYS_MAX; i++)
		bpf_map_lookup_elem(map[FL_GUARD_SLOTS], &i, &slots[i]);
	for (int i = 0; i < n && !ret; i++)
		/* As it is, it has to do as a label of a metric. */
		if (strpbrk(keys[i], "\"\\"))
			ret = fl_fail(WHO
				      ": %s: has a character that no interface's name should have",
				      keys[i]);
		else if (strlen(keys[i]) >= FL_SYSCTL_NAME)
			ret = fl_fail(WHO ": %s: longer than %d characters; cannot be watched",
				      keys[i], FL_SYSCTL_NAME - 1);
	if (!ret && give_slots(slots, keys, n, given) < n)
		ret = fl_fail(WHO ": more than %d keys", FL_SYSCTL_KEYS_MAX);
	for (int i = 0; i < n && !ret; i++) {
		__u32 slot = (__u32)given[i];

		ret = add_want(&ws, keys[i], slot);
		if (ret < 0) {
			fl_warn(WHO
				": %s: only '*' and 'PREFIX*' can stand for interfaces here; not watched",
				keys[i]);
			ret = FL_OK;
			continue;
		}
		if (!ret && strcmp(slots[slot].name, keys[i]) != 0) {
			snprintf(slots[slot].name, sizeof(slots[slot].name), "%s", keys[i]);
			ret = store(map[FL_GUARD_COUNTS], &slot, &none);
		}
		used[slot] = true;
	}
	conf->slots = conf->keys = 0;
	for (__u32 i = 0; i < FL_SYSCTL_KEYS_MAX && !ret; i++) {
		if (used[i])
			conf->slots = i + 1;
		conf->keys += used[i];
		if (!used[i] && !slots[i].used)
			continue;
		slots[i].used = used[i];
		ret = store(map[FL_GUARD_SLOTS], &i, &slots[i]);
	}
	memset(conf->filter, 0, sizeof(conf->filter));
	for (int i = 0; i < ws.n && !ret; i++) {
		set_filter(conf, &ws.w[i].name);
		ret = store(map[FL_GUARD_NAMES], &ws.w[i].name, &ws.w[i].match);
	}
	/* Last, what is not wanted any more. */
	while (!ret && !bpf_map_get_next_key(map[FL_GUARD_NAMES], prev, &next)) {
		bool wanted = false;

		for (int i = 0; i < ws.n && !wanted; i++)
			wanted = !memcmp(&ws.w[i].name, &next, sizeof(next));
		if (!wanted && !bpf_map_delete_elem(map[FL_GUARD_NAMES], &next)) {
			prev = NULL; /* the walk cannot go on from what is not there */
			continue;
		}
		name = next;
		prev = &name;
	}
	free(ws.w);
	free(given);
	free(slots);
	return ret;
}

static int fill_owners(int fd, const struct fl_owners *o)
{
	struct fl_sysctl_step step, *prev = NULL, next;
	int ret = FL_OK;

	for (int i = 0; i < o->n && !ret; i++)
		ret = store(fd, &o->e[i].step, &o->e[i].node);
	while (!ret && !bpf_map_get_next_key(fd, prev, &next)) {
		bool wanted = false;

		for (int i = 0; i < o->n && !wanted; i++)
			wanted = !memcmp(&o->e[i].step, &next, sizeof(next));
		if (!wanted && !bpf_map_delete_elem(fd, &next)) {
			prev = NULL;
			continue;
		}
		step = next;
		prev = &step;
	}
	return ret;
}

static __u32 namespace(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) ? 0 : (__u32)st.st_ino;
}

static uint64_t unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * A map at a time, while the old settings are in force: what is wanted is there before what is not
 * goes. With `enforce` owners come before keys, so that no owner is refused in between.
 */
static int fill(const int *map, char *const *keys, int n, bool enforce,
		const struct fl_owners *owners)
{
	struct fl_sysctl_conf conf = { 0 };
	__u32 zero = 0;
	int ret;

	bpf_map_lookup_elem(map[FL_GUARD_CONF], &zero, &conf);
	if (conf.layout != FL_SYSCTL_LAYOUT)
		conf = (struct fl_sysctl_conf){ .since_ms = unix_ms() };
	conf.layout = FL_SYSCTL_LAYOUT;
	conf.enforce = enforce;
	conf.net_ns = namespace("net");
	conf.ipc_ns = namespace("ipc");
	conf.user_ns = namespace("user");
	memset(conf.owners, 0, sizeof(conf.owners));
	for (int i = 0, len = 0; i < owners->n_names && len < (int)sizeof(conf.owners); i++)
		len += snprintf(conf.owners + len, sizeof(conf.owners) - (size_t)len, "%s%s",
				i ? "," : "", owners->names[i]);
	ret = fill_owners(map[FL_GUARD_OWNERS], owners);
	if (!ret)
		ret = fill_names(map, keys, n, &conf);
	if (!ret)
		ret = store(map[FL_GUARD_CONF], &zero, &conf);
	return ret;
}

/* ---- what others call --------------------------------------------------------------------------- */

static int load(struct sysctl_bpf *skel, const int *reuse, int *map)
{
	int err;

	for (int i = 0; reuse && i < FL_GUARD_MAPS; i++) {
		err = bpf_map__reuse_fd(bpf_object__find_map_by_name(skel->obj, map_names[i]),
					reuse[i]);
		if (err)
			return fl_fail(WHO ": cannot use the pinned %s: %s", map_names[i],
				       strerror(-err));
	}
	err = sysctl_bpf__load(skel);
	if (err)
		return fl_bpffs_load_error(WHO, -err);
	for (int i = 0; i < FL_GUARD_MAPS; i++)
		map[i] = bpf_map__fd(bpf_object__find_map_by_name(skel->obj, map_names[i]));
	return FL_OK;
}

static int set_locked(struct sysctl_bpf *skel, char *const *keys, int n, bool enforce,
		      const struct fl_owners *owners)
{
	int pinned[FL_GUARD_MAPS], map[FL_GUARD_MAPS] = { 0 }, ret;
	enum pins pins = open_maps(skel->obj, pinned);
	bool attached = false;

	if (pins == PINS_STALE)
		fl_warn(WHO
			": what is there is of another version; replacing it, counters start from zero");
	ret = load(skel, pins == PINS_CURRENT ? pinned : NULL, map);
	if (!ret)
		ret = fill(map, keys, n, enforce, owners);
	if (!ret)
		ret = replace(skel, &attached);
	if (!ret && pins != PINS_CURRENT)
		ret = pin_maps(map);
	if (!ret)
		ret = pin(bpf_program__fd(skel->progs.fl_sysctl_announce), ANNOUNCE);
	if (!ret)
		ret = fl_metrics_tune(true);
	if (!ret && !attached)
		ret = attach(skel);
	/* What worked before goes on working; half of something new is removed. */
	if (ret && pins == PINS_NONE && !attached) {
		unpin_all();
		fl_metrics_tune(false);
	}
	close_maps(pinned);
	return ret;
}

static struct sysctl_bpf *open_skeleton(void)
{
	struct sysctl_bpf *skel;

	fl_bpffs_quiet();
	skel = sysctl_bpf__open();
	if (!skel)
		fl_err(WHO ": cannot open the BPF object: %s", strerror(errno));
	return skel;
}

int fl_guard_set(char *const *keys, int n, bool enforce, const struct fl_owners *owners)
{
	struct sysctl_bpf *skel;
	int lock, ret;

	ret = fl_bpffs_ready(WHO);
	if (ret)
		return ret;
	skel = open_skeleton();
	if (!skel)
		return FL_FAILED;
	lock = fl_bpffs_lock();
	if (lock < 0) {
		sysctl_bpf__destroy(skel);
		return FL_FAILED;
	}
	ret = set_locked(skel, keys, n, enforce, owners);
	fl_bpffs_unlock(lock);
	sysctl_bpf__destroy(skel);
	return ret;
}

int fl_guard_remove(bool *was)
{
	int lock, ret;

	*was = false;
	if (geteuid())
		return fl_fail("tune unwatch: needs root, to remove BPF programs; try sudo");
	if (access(FL_BPFFS_DIR, F_OK))
		return FL_OK;
	lock = fl_bpffs_lock();
	if (lock < 0)
		return FL_FAILED;
	*was = !access(FL_GUARD_LINK, F_OK);
	unpin_all(); /* nobody else holds the link: it ends with its pin */
	ret = fl_metrics_tune(false);
	fl_bpffs_unlock(lock);
	return ret;
}

int fl_guard_announce(void)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);
	int fd = bpf_obj_get(ANNOUNCE), err;

	if (fd < 0)
		return FL_OK;
	err = bpf_prog_test_run_opts(fd, &opts);
	close(fd);
	if (err || opts.retval)
		return fl_fail(
			ANNOUNCE
			": cannot tell the program of `tune watch` who writes: %s; `fairlead tune unwatch` removes it",
			strerror(err ? errno : -(int)opts.retval));
	return FL_OK;
}

bool fl_guard_open(struct fl_guard *g)
{
	struct sysctl_bpf *skel;
	__u32 zero = 0;
	bool ok;

	if (geteuid() || access(FL_GUARD_LINK, F_OK))
		return false;
	skel = open_skeleton();
	if (!skel)
		return false;
	ok = open_maps(skel->obj, g->map) == PINS_CURRENT &&
	     !bpf_map_lookup_elem(g->map[FL_GUARD_CONF], &zero, &g->conf);
	if (!ok)
		close_maps(g->map);
	sysctl_bpf__destroy(skel);
	return ok;
}

void fl_guard_close(struct fl_guard *g)
{
	close_maps(g->map);
}

uint64_t fl_guard_next(const struct fl_guard *g)
{
	struct fl_sysctl_state state = { 0 };
	__u32 zero = 0;

	bpf_map_lookup_elem(g->map[FL_GUARD_STATE], &zero, &state);
	return state.next;
}

enum fl_guard_read fl_guard_event(const struct fl_guard *g, uint64_t number,
				  struct fl_sysctl_event *e)
{
	__u32 index = number % FL_SYSCTL_EVENTS;

	/* The second copy proves that nobody had begun to overwrite the first. */
	for (int i = 0; i < 2; i++) {
		struct fl_sysctl_event copy;

		if (bpf_map_lookup_elem(g->map[FL_GUARD_EVENTS], &index, i ? &copy : e))
			return FL_GUARD_LOST;
		if ((i ? &copy : e)->begin > number + 1)
			return FL_GUARD_LOST;
		if ((i ? &copy : e)->begin < number + 1 || (i ? &copy : e)->end != number + 1)
			return FL_GUARD_NOT_YET;
	}
	return FL_GUARD_READ;
}

bool fl_guard_slot(const struct fl_guard *g, unsigned int slot, struct fl_sysctl_slot *key,
		   struct fl_sysctl_counts *counts)
{
	__u32 i = slot;

	*key = (struct fl_sysctl_slot){ 0 };
	bpf_map_lookup_elem(g->map[FL_GUARD_SLOTS], &i, key);
	return !bpf_map_lookup_elem(g->map[FL_GUARD_COUNTS], &i, counts) && key->used;
}
