/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_CONF_H
#define FL_MESH_CONF_H

#include "../lib/key.h"
#include "prefix.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The mesh file, mesh.conf(5), as plain data. Nothing in here knows of a kernel. */

#define FL_MESH_CONF	 "/etc/fairlead/mesh.conf"
#define FL_NODE_KEY	 "/etc/fairlead/node.key"

#define FL_MESH_NAME_MAX 63
#define FL_MESH_PORT	 51820
#define FL_MESH_LANES	 16
/* IPv6 needs 1280 (RFC 8200, 5), IPv4 576 (RFC 1122, 3.3.2). */
#define FL_MTU_MIN_V4 576
#define FL_MTU_MIN_V6 1280
/* A UDP datagram's 65535 without IPv6 and UDP header and WireGuard's 32 bytes around a packet. */
#define FL_MTU_MAX (65535 - 40 - 8 - 32)

/* Where preshared keys come from: psk.h. */
enum fl_psk_mode { FL_PSK_OFF, FL_PSK_FILES, FL_PSK_DERIVED };

/* A candidate, best first. A host name stays text until the mesh is brought up. */
struct fl_endpoint {
	char *host; /* address without brackets, or name */
	uint16_t port;
	unsigned int line;
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
	unsigned int mtu;   /* 0: not given */
	unsigned int lanes; /* 1 or more after loading */
	unsigned int cpus;  /* 0: not given */
};

/* That a prefix belongs to a node. */
struct fl_claim {
	struct fl_prefix prefix;
	unsigned int node;   /* index */
	unsigned int line;   /* of the key, or of the section for a derived address */
	unsigned int parent; /* index of the smallest claim around it, or FL_NO_PARENT */
	bool pod;	     /* PodCIDR, not Address */
};

#define FL_NO_PARENT (~0U)

struct fl_mesh {
	char *path;
	char *name;
	uint16_t listen_port;	/* of lane 0; lane i listens on listen_port + i */
	unsigned int lanes;	/* 0: auto */
	unsigned int max_lanes; /* of any node */
	unsigned int mtu;	/* 0: auto */
	bool strict;
	enum fl_psk_mode psks;
	struct fl_node *nodes; /* in the order of the file */
	size_t n_nodes;
	struct fl_node **by_key; /* the same, sorted by public key */
	struct fl_claim *claims; /* sorted with fl_prefix_cmp() */
	size_t n_claims;
};

/*
 * Read and check a mesh file. Every error is printed as "FILE:LINE: KEY: what is wrong; what
 * would be right", all of them, not only the first. Returns NULL if there was one.
 */
struct fl_mesh *fl_mesh_load(const char *path);
struct fl_mesh *fl_mesh_parse(const char *path, const char *text, size_t len);
void fl_mesh_free(struct fl_mesh *mesh);

/* The node with this key, or NULL. */
struct fl_node *fl_mesh_find(const struct fl_mesh *mesh, const struct fl_key *public_key);

/* The node with this name, or NULL. Looks at all of them. */
struct fl_node *fl_mesh_named(const struct fl_mesh *mesh, const char *name);

/* How many lanes there are between two nodes: what both have. */
unsigned int fl_mesh_lanes(const struct fl_node *a, const struct fl_node *b);

/* How often two nodes send each other a keepalive, seconds; 0: never. */
uint16_t fl_mesh_keepalive(const struct fl_node *a, const struct fl_node *b);

/* How many lanes `Lanes = auto` gives a node. One WireGuard tunnel keeps about one core busy with
 * what it does packet by packet, and its en- and decryption work on the others: half the CPUs. */
unsigned int fl_mesh_auto_lanes(unsigned int cpus);

/* The claim that holds this address (the smallest), or NULL. */
const struct fl_claim *fl_mesh_owner(const struct fl_mesh *mesh, const struct fl_prefix *addr);

/*
 * The overlay address of a node that has none in the file: fd, then the first 15 bytes after the
 * first of BLAKE2b-128(public key), with the personalization "fairlead ula 1". It lies in fd00::/8
 * (RFC 4193) and changes only with the key.
 */
struct fl_prefix fl_mesh_ula(const struct fl_key *public_key);

/* What conf.c knows of where things stood, for check.c. */
struct fl_conf_errors;
void fl_conf_error(struct fl_conf_errors *errors, unsigned int line, const char *key,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

struct fl_node_lines {
	unsigned int public_key; /* 0: not given or no key */
	unsigned int address;
};

/* What must hold between nodes: no name, key, address or endpoint twice, no endpoint inside the
 * mesh. Sorts, so O(n log n). Fills by_key and claims[].parent. */
void fl_mesh_check(struct fl_mesh *mesh, const struct fl_node_lines *lines,
		   struct fl_conf_errors *errors);

#endif
