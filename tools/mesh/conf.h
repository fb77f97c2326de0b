/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_CONF_H
#define FL_MESH_CONF_H

#include "../lib/key.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The mesh file, mesh.conf(5), as plain data. Nothing in here knows of a kernel. */

#define FL_MESH_CONF "/etc/fairlead/mesh.conf"
#define FL_NODE_KEY  "/etc/fairlead/node.key"

struct fl_prefix {
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint8_t len;	    /* 0..32 or 0..128 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* A candidate, best first. A host name stays text until the mesh is brought up. */
struct fl_endpoint {
	char *host; /* address without brackets, or name */
	uint16_t port;
	struct sockaddr_storage addr; /* ss_family AF_UNSPEC while host is a name */
};

struct fl_node {
	char *name;
	unsigned int line; /* of the section, for messages */
	struct fl_key public_key;
	struct fl_endpoint *endpoints;
	size_t n_endpoints;
	struct fl_prefix *addresses; /* overlay; at least one after loading */
	size_t n_addresses;
	struct fl_prefix *pod_cidrs;
	size_t n_pod_cidrs;
	uint16_t keepalive; /* seconds, 0: off */
};

struct fl_mesh {
	char *path;
	char *name;
	uint16_t listen_port; /* of lane 0; lane i listens on listen_port + i */
	unsigned int lanes;
	unsigned int mtu; /* 0: auto */
	bool strict;
	struct fl_node *nodes;
	size_t n_nodes;
};

/*
 * Read and check a mesh file. Every error is printed as "FILE:LINE: KEY: what is wrong and what
 * would be right", all of them, not only the first. Returns NULL if there was one.
 */
struct fl_mesh *fl_mesh_load(const char *path);
struct fl_mesh *fl_mesh_parse(const char *path, const char *text, size_t len);
void fl_mesh_free(struct fl_mesh *mesh);

/* The node with this key, or NULL. */
struct fl_node *fl_mesh_find(const struct fl_mesh *mesh, const struct fl_key *public_key);

#endif
