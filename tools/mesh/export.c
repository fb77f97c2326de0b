// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "psk.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * `mesh export`: the configuration of one node for a machine with WireGuard but without Fairlead,
 * as wg(8), wg-quick(8) or systemd.netdev(5) read it.
 *
 * The node's private key is on the node and nowhere else, so the configuration names the file that
 * it is in. Only with --key does it hold the key itself.
 */

enum format { WG, WG_QUICK, NETWORKD, N_FORMATS };

static const char *const formats[N_FORMATS] = { "wg", "wg-quick", "networkd" };

struct export
{
	const struct fl_mesh *mesh;
	const struct fl_node *node;
	enum format format;
	struct fl_key *private_key; /* NULL: named, not written */
	struct fl_psk_source psks;
	bool secret;	      /* the text holds a key */
	char *text, *network; /* network: the second file of networkd */
	size_t len, network_len;
};

static void addresses(FILE *f, const char *key, const struct fl_prefix *list, size_t n, bool each)
{
	char s[FL_PREFIX_STR];

	for (size_t i = 0; i < n; i++) {
		if (each || !i)
			fprintf(f, "%s%s = ", i ? "\n" : "", key);
		fprintf(f, "%s%s", each || !i ? "" : ", ", fl_prefix_format(&list[i], s));
	}
	if (n)
		fputc('\n', f);
}

static void allowed(FILE *f, const struct fl_node *peer)
{
	char s[FL_PREFIX_STR];

	fputs("AllowedIPs = ", f);
	for (size_t i = 0; i < peer->n_addresses; i++)
		fprintf(f, "%s%s", i ? ", " : "", fl_prefix_format(&peer->addresses[i], s));
	for (size_t i = 0; i < peer->n_pod_cidrs; i++)
		fprintf(f, ", %s", fl_prefix_format(&peer->pod_cidrs[i], s));
	fputc('\n', f);
}

static void endpoint(FILE *f, const struct fl_node *peer)
{
	for (size_t i = 0; i < peer->n_endpoints; i++) {
		const struct fl_endpoint *ep = &peer->endpoints[i];
		bool brackets = strchr(ep->host, ':') != NULL;

		/* The others are for a person to choose from. */
		fprintf(f, "%sEndpoint = %s%s%s:%u\n", i ? "# or: " : "", brackets ? "[" : "",
			ep->host, brackets ? "]" : "", ep->port);
	}
}

static int peer_section(struct export *e, FILE *f, const struct fl_node *peer)
{
	struct fl_key *psk = fl_key_new();
	char key[FL_KEY_BASE64];
	int got;

	fprintf(f, "\n# %s\n%s\nPublicKey = %s\n", peer->name,
		e->format == NETWORKD ? "[WireGuardPeer]" : "[Peer]",
		fl_key_format(&peer->public_key, key));
	got = fl_psk_get(&e->psks, peer, psk);
	if (got > 0) {
		fprintf(f, "PresharedKey = %s\n", fl_key_format(psk, key));
		sodium_memzero(key, sizeof(key));
		e->secret = true;
	}
	fl_key_free(psk);
	allowed(f, peer);
	endpoint(f, peer);
	if (fl_mesh_keepalive(e->node, peer))
		fprintf(f, "PersistentKeepalive = %u\n", fl_mesh_keepalive(e->node, peer));
	return got < 0 ? -1 : 0;
}

static void private_key(struct export *e, FILE *f)
{
	char key[FL_KEY_BASE64];

	if (e->private_key) {
		fprintf(f, "PrivateKey = %s\n", fl_key_format(e->private_key, key));
		sodium_memzero(key, sizeof(key));
		e->secret = true;
	} else if (e->format == WG_QUICK) {
		fputs("PostUp = wg set %i private-key /etc/wireguard/%i.key\n", f);
	} else if (e->format == NETWORKD) {
		fprintf(f, "PrivateKeyFile = /etc/systemd/network/%s.key\n", fl_mesh_opt_interface);
	} else {
		fprintf(f,
			"# The private key is set apart: wg set %s private-key /etc/wireguard/%s.key\n",
			fl_mesh_opt_interface, fl_mesh_opt_interface);
	}
}

/* 0: the mesh file leaves it to the machine. */
static unsigned int mtu(const struct export *e)
{
	if (e->node->mtu && e->mesh->mtu)
		return e->node->mtu < e->mesh->mtu ? e->node->mtu : e->mesh->mtu;
	return e->node->mtu + e->mesh->mtu;
}

static int main_file(struct export *e, FILE *f)
{
	char key[FL_KEY_BASE64];
	int err = 0;

	fprintf(f, "# Node %s of mesh %s, written by fairlead mesh export.\n", e->node->name,
		e->mesh->name);
	if (e->format == NETWORKD) {
		fprintf(f, "[NetDev]\nName = %s\nKind = wireguard\n\n[WireGuard]\n",
			fl_mesh_opt_interface);
	} else {
		fputs("[Interface]\n", f);
	}
	/* For who reads it, and for `mesh import`. */
	fprintf(f, "# PublicKey = %s\n", fl_key_format(&e->node->public_key, key));
	private_key(e, f);
	fprintf(f, "ListenPort = %u\n", e->mesh->listen_port);
	/* Routes to what the peers have, which wg-quick makes unasked. */
	if (e->format == NETWORKD)
		fputs("RouteTable = main\n", f);
	if (e->format == WG_QUICK) {
		addresses(f, "Address", e->node->addresses, e->node->n_addresses, false);
		if (mtu(e))
			fprintf(f, "MTU = %u\n", mtu(e));
	}
	for (size_t i = 0; i < e->mesh->n_nodes; i++)
		if (&e->mesh->nodes[i] != e->node && peer_section(e, f, &e->mesh->nodes[i]))
			err = -1;
	return err;
}

static void network_file(const struct export *e, FILE *f)
{
	fprintf(f, "# Node %s of mesh %s, written by fairlead mesh export.\n[Match]\nName = %s\n",
		e->node->name, e->mesh->name, fl_mesh_opt_interface);
	if (mtu(e))
		fprintf(f, "\n[Link]\nMTUBytes = %u\n", mtu(e));
	fputs("\n[Network]\n", f);
	addresses(f, "Address", e->node->addresses, e->node->n_addresses, true);
}

static int make_text(struct export *e)
{
	FILE *f = open_memstream(&e->text, &e->len);
	int err;

	if (!f)
		return -1;
	err = main_file(e, f);
	fclose(f);
	if (e->format != NETWORKD)
		return err;
	f = open_memstream(&e->network, &e->network_len);
	if (!f)
		return -1;
	network_file(e, f);
	fclose(f);
	return err;
}

/* Names of files: fl0.conf, or 50-fl0.netdev and 50-fl0.network. */
static char *path_of(const struct export *e, const char *suffix)
{
	return fl_asprintf("%s/%s%s.%s", fl_mesh_opt_out, e->format == NETWORKD ? "50-" : "",
			   fl_mesh_opt_interface, suffix);
}

static int write_file(const struct export *e, const char *suffix, const char *text, size_t len,
		      mode_t mode)
{
	char *path = path_of(e, suffix);
	int err = fl_file_write(path, text, len, mode);

	if (err)
		fl_err("%s: cannot write: %s", path, strerror(-err));
	else
		printf("%s\n", path);
	free(path);
	return err;
}

static int write_files(const struct export *e)
{
	/* systemd-networkd reads as another user, so a secret there wants a group of its own; root
	 * alone is safe and the page says what to do. */
	mode_t mode = e->secret ? 0600 : 0644;
	struct stat st;

	if (stat(fl_mesh_opt_out, &st) || !S_ISDIR(st.st_mode))
		return fl_fail("--out: %s is no directory", fl_mesh_opt_out);
	if (write_file(e, e->format == NETWORKD ? "netdev" : "conf", e->text, e->len, mode))
		return FL_FAILED;
	if (e->format == NETWORKD && write_file(e, "network", e->network, e->network_len, 0644))
		return FL_FAILED;
	return FL_OK;
}

static int print_text(const struct export *e)
{
	struct stat st;

	if (e->secret && !fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) &&
	    (st.st_mode & S_IRWXO))
		fl_warn("others can read the file that this goes to, and it holds keys; use --out "
			"DIR, or set the umask to 077");
	if (e->format == NETWORKD)
		printf("# ---- /etc/systemd/network/50-%s.netdev\n", fl_mesh_opt_interface);
	fwrite(e->text, 1, e->len, stdout);
	if (e->format == NETWORKD) {
		printf("\n# ---- /etc/systemd/network/50-%s.network\n", fl_mesh_opt_interface);
		fwrite(e->network, 1, e->network_len, stdout);
	}
	return FL_OK;
}

static int open_export(struct export *e, const char *name, struct fl_mesh *mesh)
{
	struct fl_key public_key;

	e->mesh = mesh;
	e->node = fl_mesh_named(mesh, name);
	if (!e->node)
		return fl_fail("%s: there is no node \"%s\" in it", mesh->path, name);
	if (e->node->lanes > 1)
		return fl_fail("%s:%u: node \"%s\" has %u lanes, on which the others would send, "
			       "and a machine without Fairlead has one; write Lanes = 1 in its "
			       "section, and run `fairlead mesh up` on the others",
			       mesh->path, e->node->line, name, e->node->lanes);
	if (fl_mesh_opt_key) {
		e->private_key = fl_key_read_file(fl_mesh_opt_key);
		if (!e->private_key)
			return FL_FAILED;
		fl_key_public(&public_key, e->private_key);
		if (fl_key_cmp(&public_key, &e->node->public_key) != 0)
			return fl_fail("%s: not the private key of node \"%s\"", fl_mesh_opt_key,
				       name);
	}
	if (mesh->psks == FL_PSK_FILES && !fl_mesh_opt_psk)
		return fl_fail("%s: PresharedKeys = files: the keys of node \"%s\" are on that "
			       "node; name its directory with --psk",
			       mesh->path, name);
	return fl_psk_open(&e->psks, mesh, e->node) ? FL_FAILED : FL_OK;
}

int fl_mesh_export(int argc, char **argv)
{
	struct fl_mesh *mesh = NULL;
	struct export e = { .format = N_FORMATS };
	int status;

	(void)argc;
	if (!fl_mesh_valid_ifname(fl_mesh_opt_interface))
		return FL_USAGE;
	for (unsigned int i = 0; i < N_FORMATS; i++)
		if (!strcmp(fl_mesh_opt_format, formats[i]))
			e.format = i;
	if (e.format == N_FORMATS)
		return fl_usage("--format: '%s' is none of wg, wg-quick, networkd",
				fl_mesh_opt_format);
	if (fl_json)
		return fl_usage("mesh export: its output has a format of its own, so no --json");
	mesh = fl_mesh_load(fl_mesh_opt_config ? fl_mesh_opt_config : FL_MESH_CONF);
	status = mesh ? open_export(&e, argv[0], mesh) : FL_FAILED;
	if (!status && make_text(&e))
		status = FL_FAILED;
	if (!status)
		status = fl_mesh_opt_out ? write_files(&e) : print_text(&e);
	if (e.text)
		sodium_memzero(e.text, e.len);
	free(e.text);
	free(e.network);
	fl_psk_close(&e.psks);
	fl_key_free(e.private_key);
	fl_mesh_free(mesh);
	return status;
}
