// SPDX-License-Identifier: GPL-2.0
#include "interface.h"
#include "collect.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../mesh/conf.h"
#include "../mesh/nl.h"
#include "../mesh/route.h"
#include "bpf/metrics_underlay.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- numbers ---- */

static __u64 this_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

static bool read_lane(int fd, __u32 number, struct fl_metrics_lane *lane)
{
	return !bpf_map_lookup_elem(fd, &number, lane) && lane->kind != FL_LANE_NONE;
}

/* Its number, or a free one with lane->kind FL_LANE_NONE, or -1: full. */
static int find(int fd, unsigned int ifindex, const char *ifname, struct fl_metrics_lane *lane)
{
	__u64 netns = this_netns();
	int named = -1, unused = -1;

	for (__u32 i = 0; i < FL_METRICS_LANES_MAX; i++) {
		if (!read_lane(fd, i, lane)) {
			unused = unused < 0 ? (int)i : unused;
			continue;
		}
		if (lane->netns != netns)
			continue;
		if (lane->ifindex == ifindex)
			return (int)i;
		if (!strcmp(lane->ifname, ifname))
			named = (int)i;
	}
	/* Its old device is gone, or has another name by now; its qdisc is not this one's. */
	if (named >= 0 && read_lane(fd, named, lane)) {
		lane->made_clsact = 0;
		return named;
	}
	*lane = (struct fl_metrics_lane){ .kind = FL_LANE_NONE };
	return unused;
}

/* Underlay devices of this namespace that are gone. A lane keeps its number: it may come back. */
static void forget_gone(int fd)
{
	struct fl_metrics_lane lane, none = { 0 };
	__u64 netns = this_netns();
	char name[IF_NAMESIZE];

	for (__u32 i = 0; i < FL_METRICS_LANES_MAX; i++)
		if (read_lane(fd, i, &lane) && lane.netns == netns &&
		    lane.kind == FL_LANE_UNDERLAY && !if_indextoname(lane.ifindex, name))
			bpf_map_update_elem(fd, &i, &none, BPF_ANY);
}

int fl_interface_number(const struct fl_metrics_maps *maps, unsigned int ifindex,
			const char *ifname)
{
	struct fl_metrics_lane lane;
	int number;

	forget_gone(maps->fd[FL_MAP_LANES]);
	number = find(maps->fd[FL_MAP_LANES], ifindex, ifname, &lane);
	if (number < 0)
		fl_err("metrics: %s: programs are on %u interfaces already, which is all there is room for",
		       ifname, FL_METRICS_LANES_MAX);
	return number;
}

/* What a number has counted for another interface is not the new one's. Nobody counts there. */
static int clear(const struct fl_metrics_maps *maps, __u32 number)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct fl_metrics_counts *none;

	if (cpus < 1)
		return fl_fail("metrics: cannot tell the number of CPUs: %s", strerror(-cpus));
	none = fl_zalloc(cpus * sizeof(*none));
	err = bpf_map_update_elem(maps->fd[FL_MAP_LANE_COUNTS], &number, none, BPF_ANY);
	free(none);
	return err ? fl_fail("metrics: cannot store counters: %s", strerror(errno)) : FL_OK;
}

/* ---- programs ---- */

struct fl_tc fl_lane_tc(const struct fl_metrics_maps *maps)
{
	return (struct fl_tc){
		.name = { "fl_metrics_rx", "fl_metrics_tx" },
		.prog_fd = { -1, -1 },
		.map_fd = maps ? maps->fd[FL_MAP_NODE] : -1,
	};
}

static struct fl_tc underlay_tc(const struct fl_metrics_maps *maps)
{
	return (struct fl_tc){
		.name = { "fl_underlay_rx", "fl_underlay_tx" },
		.prog_fd = { -1, -1 },
		.map_fd = maps ? maps->fd[FL_MAP_NODE] : -1,
	};
}

int fl_interface_attach(const struct fl_metrics_maps *maps, unsigned int ifindex,
			const char *ifname, enum fl_metrics_lane_kind kind, const struct fl_tc *tc)
{
	int fd = maps->fd[FL_MAP_LANES], number;
	struct fl_metrics_lane lane, old;
	bool made;

	number = find(fd, ifindex, ifname, &lane);
	if (number < 0)
		return FL_FAILED;
	old = lane;
	if (lane.kind == FL_LANE_NONE && clear(maps, number))
		return FL_FAILED;
	if (fl_tc_attach(ifindex, ifname, tc, &made))
		return FL_FAILED;
	lane.made_clsact |= made;
	lane.netns = this_netns();
	lane.ifindex = ifindex;
	lane.kind = kind;
	memset(lane.ifname, 0, sizeof(lane.ifname));
	snprintf(lane.ifname, sizeof(lane.ifname), "%s", ifname);
	if (!memcmp(&old, &lane, sizeof(lane)) || !bpf_map_update_elem(fd, &number, &lane, BPF_ANY))
		return FL_OK;
	fl_err("metrics: cannot store an interface: %s", strerror(errno));
	fl_tc_detach(ifindex, tc);
	if (made)
		fl_tc_remove_clsact(ifindex);
	return FL_FAILED;
}

void fl_interface_detach(unsigned int ifindex, int lanes_fd)
{
	struct fl_tc lanes = fl_lane_tc(NULL), underlay = underlay_tc(NULL);
	struct fl_metrics_lane lane, none = { 0 };
	__u64 netns = this_netns();

	fl_tc_detach(ifindex, &lanes);
	fl_tc_detach(ifindex, &underlay);
	for (__u32 i = 0; i < FL_METRICS_LANES_MAX && lanes_fd >= 0; i++) {
		if (!read_lane(lanes_fd, i, &lane) || lane.netns != netns ||
		    lane.ifindex != ifindex)
			continue;
		if (lane.made_clsact)
			fl_tc_remove_clsact(ifindex);
		bpf_map_update_elem(lanes_fd, &i, &none, BPF_ANY);
	}
}

/* ---- the underlay ---- */

/* Indices of interfaces, each once. */
struct devices {
	unsigned int ifindex[FL_METRICS_LANES_MAX];
	size_t n;
};

static bool has(const struct devices *d, unsigned int ifindex)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->ifindex[i] == ifindex)
			return true;
	return false;
}

static bool is_ethernet(const char *ifname)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	bool yes;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	yes = fd >= 0 && !ioctl(fd, SIOCGIFHWADDR, &ifr) &&
	      ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	if (fd >= 0)
		close(fd);
	return yes;
}

static void add_device(struct devices *d, unsigned int ifindex)
{
	char ifname[IF_NAMESIZE];

	if (d->n < FL_METRICS_LANES_MAX && !has(d, ifindex) && if_indextoname(ifindex, ifname) &&
	    is_ethernet(ifname))
		d->ifindex[d->n++] = ifindex;
}

/* Devices by which endpoints are routed. Host names are not asked for: this must not wait. */
static struct devices underlay_devices(const struct fl_mesh *mesh)
{
	static const struct fl_host no_host;
	struct devices d = { .n = 0 };
	struct fl_way *ways;
	size_t room = 0, n = 0;
	struct fl_nl nl;

	for (size_t i = 0; i < mesh->n_nodes; i++)
		room += mesh->nodes[i].n_endpoints;
	if (!room || fl_nl_open(&nl))
		return d;
	ways = fl_zalloc(room * sizeof(*ways));
	for (size_t i = 0; i < mesh->n_nodes; i++)
		for (size_t k = 0; k < mesh->nodes[i].n_endpoints; k++)
			if (mesh->nodes[i].endpoints[k].addr.ss_family != AF_UNSPEC)
				ways[n++].addr = fl_prefix_of(&mesh->nodes[i].endpoints[k].addr);
	if (!fl_route_ways(&nl, &no_host, ways, n))
		for (size_t i = 0; i < n; i++)
			if (!ways[i].err)
				add_device(&d, ways[i].ifindex);
	free(ways);
	fl_nl_close(&nl);
	return d;
}

/* Programs go from devices that are no longer of the underlay. */
static void leave_others(int fd, const struct devices *d)
{
	struct fl_metrics_lane lane;
	__u64 netns = this_netns();

	for (__u32 i = 0; i < FL_METRICS_LANES_MAX; i++)
		if (read_lane(fd, i, &lane) && lane.netns == netns &&
		    lane.kind == FL_LANE_UNDERLAY && !has(d, lane.ifindex))
			fl_interface_detach(lane.ifindex, fd);
}

static bool all_attached(const struct fl_metrics_maps *maps, const struct devices *d)
{
	struct fl_tc tc = underlay_tc(maps);

	for (size_t i = 0; i < d->n; i++)
		if (!fl_tc_attached(d->ifindex[i], &tc))
			return false;
	return true;
}

void fl_underlay_attach(const struct fl_metrics_maps *maps, const struct fl_mesh *mesh)
{
	struct devices d = underlay_devices(mesh);
	struct fl_tc tc = underlay_tc(maps);
	struct metrics_underlay_bpf *skel = NULL;
	char ifname[IF_NAMESIZE];
	unsigned int on = 0;
	const void *object;
	size_t size;
	int err = 0;

	forget_gone(maps->fd[FL_MAP_LANES]);
	leave_others(maps->fd[FL_MAP_LANES], &d);
	object = metrics_underlay_bpf__elf_bytes(&size);
	if (d.n && all_attached(maps, &d) && fl_collect_is(maps, FL_BY_UNDERLAY, object, size))
		return;
	if (d.n) {
		skel = metrics_underlay_bpf__open();
		err = skel ? fl_collect_share(skel->obj, maps) : -errno;
		err = err ?: metrics_underlay_bpf__load(skel);
	}
	if (err) {
		fl_warn("metrics: cannot load the programs of the underlay: %s: no bursts, no clear text counted",
			strerror(-err));
	} else if (d.n) {
		tc.prog_fd[0] = bpf_program__fd(skel->progs.fl_underlay_rx);
		tc.prog_fd[1] = bpf_program__fd(skel->progs.fl_underlay_tx);
	}
	for (size_t i = 0; i < d.n && !err; i++)
		if (if_indextoname(d.ifindex[i], ifname) &&
		    fl_interface_number(maps, d.ifindex[i], ifname) >= 0 &&
		    !fl_interface_attach(maps, d.ifindex[i], ifname, FL_LANE_UNDERLAY, &tc))
			on++;
	fl_collect_set(maps, FL_BY_UNDERLAY, on || (d.n && all_attached(maps, &d)));
	if (on)
		fl_collect_became(maps, FL_BY_UNDERLAY, object, size);
	metrics_underlay_bpf__destroy(skel);
}
