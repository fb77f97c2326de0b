/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TEST_METRICS_ENV_H
#define FL_TEST_METRICS_ENV_H

/*
 * What the tests of the metrics programs share: namespaces of their own, and meshes made by hand.
 * Node i of a mesh has the address 10.200.x.y/32, fd00:200::i/128 and the pod CIDRs 10.(i).0/24 …
 * as addresses() says; node 0 is the one that counts.
 */

#include "../../tools/lib/mem.h"
#include "../../tools/lib/msg.h"
#include "../../tools/mesh/conf.h"
#include "../../tools/metrics/maps.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* A mount and a network namespace of our own, with an empty bpffs. Exits if it cannot be had:
 * these tests need root and nothing else. */
static inline void env_enter(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=755")) {
		printf("Bail out! namespaces and a bpffs of our own need root: %s\n",
		       strerror(errno));
		exit(1);
	}
}

/* The maps of an object that is loaded. */
static inline struct fl_metrics_maps env_maps(const struct bpf_object *obj)
{
	struct fl_metrics_maps maps;

	for (int i = 0; i < FL_N_MAPS; i++)
		maps.fd[i] =
			bpf_map__fd(bpf_object__find_map_by_name(obj, fl_metrics_map_names[i]));
	return maps;
}

/* Have every family printed, as if all collectors were attached. After the first fill. */
static inline void env_collect_all(const struct fl_metrics_maps *maps)
{
	struct fl_metrics_node node;
	uint32_t zero = 0;

	bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, &node);
	for (int i = 0; i < FL_N_COLLECTORS; i++)
		node.epoch[i] = 1;
	bpf_map_update_elem(maps->fd[FL_MAP_NODE], &zero, &node, BPF_ANY);
}

/* The map that has the counters of a slot, to be closed, and where in it they are; -1: none. */
static inline int env_counts(const struct fl_metrics_maps *maps, uint32_t slot, uint32_t *index)
{
	/* Before 6.7 looking into a map of maps waits for an RCU grace period: not for each slot. */
	static uint32_t last_map, last_chunk, last_id;
	uint32_t chunk = slot / FL_METRICS_CHUNK;
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd;

	*index = 0;
	if (slot == FL_METRICS_UNMATCHED)
		return dup(maps->fd[FL_MAP_OTHER]);
	*index = slot % FL_METRICS_CHUNK;
	if (bpf_obj_get_info_by_fd(maps->fd[FL_MAP_COUNTS], &info, &len))
		return -1;
	if (last_id && info.id == last_map && chunk == last_chunk) {
		fd = bpf_map_get_fd_by_id(last_id);
		if (fd >= 0)
			return fd;
	}
	last_map = info.id;
	last_chunk = chunk;
	if (bpf_map_lookup_elem(maps->fd[FL_MAP_COUNTS], &chunk, &last_id))
		last_id = 0;
	return last_id ? bpf_map_get_fd_by_id(last_id) : -1;
}

static inline struct fl_prefix env_v4(uint32_t addr, uint8_t len)
{
	return (struct fl_prefix){ .family = AF_INET, .len = len, .v4.s_addr = htonl(addr) };
}

static inline struct fl_prefix env_v6(uint16_t subnet, uint32_t host, uint8_t len)
{
	struct fl_prefix p = { .family = AF_INET6, .len = len };

	p.v6.s6_addr[0] = 0xfd;
	p.v6.s6_addr[2] = subnet >> 8;
	p.v6.s6_addr[3] = subnet & 0xff;
	for (int i = 0; i < 4; i++)
		p.v6.s6_addr[15 - i] = host >> 8 * i;
	return p;
}

static inline void env_node(struct fl_node *n, const char *name, uint32_t i)
{
	*n = (struct fl_node){ .name = fl_strdup(name), .line = i + 1 };
	n->public_key.bytes[0] = 1;
	memcpy(n->public_key.bytes + 4, &i, sizeof(i));
	n->lanes = 1;
	n->n_addresses = 2;
	n->addresses = fl_zalloc(2 * sizeof(*n->addresses));
	n->addresses[0] = env_v4(0x0ac80000 + i, 32); /* 10.200.0.0 + i */
	n->addresses[1] = env_v6(0x0200, i, 128);     /* fd00:200::i */
	n->n_pod_cidrs = 2;
	n->pod_cidrs = fl_zalloc(2 * sizeof(*n->pod_cidrs));
	n->pod_cidrs[0] = env_v4(0x64000000 + (i << 8), 24); /* 100.0.0.0/24 + i */
	n->pod_cidrs[1] = env_v6(0x0244, i << 8, 120);
}

/* n peers, "node-1" to "node-n", and this node, "node-0". */
static inline struct fl_mesh *env_mesh(uint32_t n)
{
	struct fl_mesh *m = fl_zalloc(sizeof(*m));
	char name[32];

	m->path = fl_strdup("mesh.conf");
	m->name = fl_strdup("test");
	m->n_nodes = n + 1;
	m->nodes = fl_zalloc(m->n_nodes * sizeof(*m->nodes));
	for (uint32_t i = 0; i <= n; i++) {
		snprintf(name, sizeof(name), "node-%u", i);
		env_node(&m->nodes[i], name, i);
	}
	return m;
}

static inline void env_mesh_free(struct fl_mesh *m)
{
	for (size_t i = 0; i < m->n_nodes; i++) {
		free(m->nodes[i].name);
		free(m->nodes[i].addresses);
		free(m->nodes[i].pod_cidrs);
	}
	free(m->nodes);
	free(m->name);
	free(m->path);
	free(m);
}

#endif
