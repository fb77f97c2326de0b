// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/msg.h"

#include <net/if.h>
#include <string.h>

const char *fl_mesh_opt_config;
const char *fl_mesh_opt_key;
const char *fl_mesh_opt_interface = FL_MESH_IFNAME;
const char *fl_mesh_opt_out;
bool fl_mesh_opt_show_keys;

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

static const struct fl_opt node_opts[] = { OPT_CONFIG, OPT_KEY, OPT_INTERFACE, { 0 } };

static const struct fl_opt genkey_opts[] = {
	{ 'o', "out", FL_OPT_STR, &fl_mesh_opt_out, "FILE",
	  "write the key to a new file of mode 0600, and print its public key" },
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
	{ 0, "show-keys", FL_OPT_FLAG, &fl_mesh_opt_show_keys, NULL, "print the private key, too" },
	{ 0 },
};

const struct fl_verb fl_mesh_verbs[] = {
	{ "genkey", "", "make a private key", genkey_opts, 0, 0, fl_mesh_genkey },
	{ "pubkey", "", "print the public key of a private key", pubkey_opts, 0, 0,
	  fl_mesh_pubkey },
	{ "plan", "", "print what `up` would change, and change nothing", node_opts, 0, 0,
	  fl_mesh_plan },
	{ "up", "", "make this node's kernel what the mesh file says", node_opts, 0, 0,
	  fl_mesh_up },
	{ "verify", "", "ask whether the kernel still is what the mesh file says", node_opts, 0, 0,
	  fl_mesh_verify },
	{ "down", "", "remove the mesh from this node's kernel", down_opts, 0, 0, fl_mesh_down },
	{ "show", "", "print the peers, their state and their traffic", show_opts, 0, 0,
	  fl_mesh_show },
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
