// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/complete.h"
#include "../lib/msg.h"
#include "psk.h"

#include <net/if.h>
#include <string.h>

const char *fl_mesh_opt_config;
const char *fl_mesh_opt_key;
const char *fl_mesh_opt_interface = FL_MESH_IFNAME;
const char *fl_mesh_opt_out;
const char *fl_mesh_opt_graph = "ascii";
const char *fl_mesh_opt_format = "wg-quick";
bool fl_mesh_opt_show_keys;
bool fl_mesh_opt_ping;
unsigned int fl_mesh_opt_watch;
unsigned int fl_mesh_opt_count = 3;
const char *fl_mesh_opt_confirm;
const char *fl_mesh_opt_psk;

#define OPT_CONFIG                                                                                 \
	{                                                                                          \
		'c', "config", FL_OPT_STR, &fl_mesh_opt_config, "FILE",                            \
			"the mesh file; " FL_MESH_CONF " if not given"                             \
	}
#define OPT_KEY                                                                                    \
	{                                                                                          \
		'k', "key", FL_OPT_STR, &fl_mesh_opt_key, "FILE",                                  \
			"this node's private key; " FL_NODE_KEY " if not given"                    \
	}
#define OPT_INTERFACE                                                                              \
	{                                                                                          \
		'i', "interface", FL_OPT_STR, &fl_mesh_opt_interface, "NAME",                      \
			"the WireGuard interface; " FL_MESH_IFNAME " if not given"                 \
	}

#define OPT_PSK                                                                                    \
	{                                                                                          \
		0, "psk", FL_OPT_STR, &fl_mesh_opt_psk, "PATH",                                    \
			"the mesh secret, or the directory of preshared keys; " FL_PSK_SECRET      \
			" or " FL_PSK_DIR " if not given"                                          \
	}

static const struct fl_opt node_opts[] = { OPT_CONFIG, OPT_KEY, OPT_INTERFACE, OPT_PSK, { 0 } };

static const struct fl_opt up_opts[] = {
	OPT_CONFIG,
	OPT_KEY,
	OPT_INTERFACE,
	OPT_PSK,
	{ 0, "confirm", FL_OPT_STR, &fl_mesh_opt_confirm, "TIME",
	  "undo it unless every reachable peer answers within TIME, such as 30s" },
	{ 0 },
};

static const struct fl_opt genkey_opts[] = {
	{ 'o', "out", FL_OPT_STR, &fl_mesh_opt_out, "FILE",
	  "write the key to a new file of mode 0600, and print its public key" },
	{ 0 },
};

static const struct fl_opt genpsk_opts[] = {
	{ 'o', "out", FL_OPT_STR, &fl_mesh_opt_out, "FILE", "write it to a new file of mode 0600" },
	{ 0 },
};

static const struct fl_opt pubkey_opts[] = {
	{ 'k', "key", FL_OPT_STR, &fl_mesh_opt_key, "FILE",
	  "read the private key from a file instead of standard input" },
	{ 0 },
};

static const struct fl_opt down_opts[] = { OPT_INTERFACE, { 0 } };

static const struct fl_opt show_opts[] = {
	OPT_CONFIG,
	OPT_INTERFACE,
	{ 'w', "watch", FL_OPT_UINT, &fl_mesh_opt_watch, "SECONDS",
	  "print it again and again, with rates" },
	{ 'p', "ping", FL_OPT_FLAG, &fl_mesh_opt_ping, NULL,
	  "ask every peer for an answer first: with round trips, and who has stalled" },
	{ 0, "show-keys", FL_OPT_FLAG, &fl_mesh_opt_show_keys, NULL, "print the private key, too" },
	{ 0 },
};

static const struct fl_opt look_opts[] = { OPT_CONFIG, OPT_INTERFACE, { 0 } };

static const struct fl_opt graph_opts[] = {
	OPT_CONFIG,
	OPT_INTERFACE,
	{ 'f', "format", FL_OPT_STR, &fl_mesh_opt_graph, "ascii|dot",
	  "for people, or for Graphviz; ascii if not given" },
	{ 0 },
};

static const struct fl_opt export_opts[] = {
	OPT_CONFIG,
	{ 'i', "interface", FL_OPT_STR, &fl_mesh_opt_interface, "NAME",
	  "the interface there; " FL_MESH_IFNAME " if not given" },
	{ 'f', "format", FL_OPT_STR, &fl_mesh_opt_format, "wg|wg-quick|networkd",
	  "whose format; wg-quick if not given" },
	{ 'k', "key", FL_OPT_STR, &fl_mesh_opt_key, "FILE",
	  "write this private key into it, instead of where it is" },
	OPT_PSK,
	{ 'o', "out", FL_OPT_STR, &fl_mesh_opt_out, "DIR", "write files into this directory" },
	{ 0 },
};

static const struct fl_opt ping_opts[] = {
	OPT_CONFIG,
	OPT_INTERFACE,
	{ 'n', "count", FL_OPT_UINT, &fl_mesh_opt_count, "NUMBER",
	  "how many packets to each address over each lane; 3 if not given" },
	{ 0 },
};

/* The nodes of the mesh file. */
static void complete_nodes(void)
{
	const char *path = fl_complete_option("config", "c");
	FILE *messages = fl_msg_stream;
	struct fl_mesh *mesh;

	fl_msg_stream = fopen("/dev/null", "w");
	mesh = fl_mesh_load(path ? path : FL_MESH_CONF);
	if (fl_msg_stream)
		fclose(fl_msg_stream);
	fl_msg_stream = messages;
	for (size_t i = 0; mesh && i < mesh->n_nodes; i++)
		fl_complete_word(mesh->nodes[i].name);
	fl_mesh_free(mesh);
}

const struct fl_verb fl_mesh_verbs[] = {
	{ "genkey", "", "make a private key", genkey_opts, 0, 0, fl_mesh_genkey },
	{ "genpsk", "", "make a mesh secret, or a preshared key", genpsk_opts, 0, 0,
	  fl_mesh_genpsk },
	{ "pubkey", "", "print the public key of a private key", pubkey_opts, 0, 0,
	  fl_mesh_pubkey },
	{ "plan", "", "print what `up` would change, and change nothing", node_opts, 0, 0,
	  fl_mesh_plan },
	{ "up", "", "make this node's kernel what the mesh file says", up_opts, 0, 0, fl_mesh_up },
	{ "verify", "", "ask whether the kernel still is what the mesh file says", node_opts, 0, 0,
	  fl_mesh_verify },
	{ "down", "", "remove the mesh from this node's kernel", down_opts, 0, 0, fl_mesh_down },
	{ "show", "", "print the peers, their state and their traffic", show_opts, 0, 0,
	  fl_mesh_show },
	{ "graph", "", "draw this node and its tunnels", graph_opts, 0, 0, fl_mesh_graph },
	{ "export", "NODE", "write a node's configuration for a machine without Fairlead",
	  export_opts, 1, 1, fl_mesh_export, complete_nodes },
	{ "import", "[NAME=]FILE...", "make a mesh file of wg-quick's files", NULL, 1, -1,
	  fl_mesh_import },
	{ "ping", "[NODE...]", "ask nodes for an answer through the tunnel, over every lane",
	  ping_opts, 0, -1, fl_mesh_ping, complete_nodes },
	{ "check", "[NODE...]", "measure what sizes of packets the paths to nodes carry", look_opts,
	  0, -1, fl_mesh_check_paths, complete_nodes },
	{ 0 },
};

bool fl_mesh_valid_ifname(const char *name)
{
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	if (strlen(name) >= IFNAMSIZ)
		fl_err("--interface: '%s' has %zu characters; the kernel allows %d", name,
		       strlen(name), IFNAMSIZ - 1);
	else if (!n || name[n] || !strcmp(name, ".") || !strcmp(name, ".."))
		fl_err("--interface: not a name; write letters, digits and . _ - only");
	else
		return true;
	return false;
}

int fl_mesh_no_wireguard(void)
{
	return fl_fail("this kernel has no WireGuard: load the module (modprobe wireguard), or use "
		       "a kernel that has it (5.6 or later, CONFIG_WIREGUARD)");
}
