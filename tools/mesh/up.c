// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/msg.h"
#include "../metrics/metrics.h"
#include "confirm.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* `plan`, `verify`, `up` and `down`: one path with four endings. */

struct run {
	struct fl_mesh *mesh;
	struct fl_node *self;
	struct fl_key *private_key;
	struct fl_nl nl;
	struct fl_host host;
	struct fl_plan have, want;
	struct fl_want_report report;
	struct fl_ops ops;
};

static void end(struct run *r)
{
	fl_ops_free(&r->ops);
	fl_plan_free(&r->want);
	fl_plan_free(&r->have);
	fl_host_free(&r->host);
	fl_nl_close(&r->nl);
	fl_key_free(r->private_key);
	fl_mesh_free(r->mesh);
}

/* What the file may say but this version cannot do must not look done. */
static int unsupported(const struct fl_mesh *mesh)
{
	if (mesh->strict)
		return fl_fail(
			"%s: Strict = yes needs the guard, which this version does not have: "
			"set Strict = no, and know that pod traffic without a peer is not "
			"stopped",
			mesh->path);
	return FL_OK;
}

static int not_in_mesh(const struct fl_mesh *mesh, const struct fl_key *public_key,
		       const char *key_path)
{
	char text[FL_KEY_BASE64], names[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < mesh->n_nodes; i++) {
		size_t len = strlen(mesh->nodes[i].name);

		if (n + len + 8 > sizeof(names)) {
			strcpy(names + n, ", ...");
			break;
		}
		n += sprintf(names + n, "%s%s", i ? ", " : "", mesh->nodes[i].name);
	}
	return fl_fail("%s: no node has this node's public key, %s (of %s); give it to one of the "
		       "%zu nodes (%s) or add a node",
		       mesh->path, fl_key_format(public_key, text), key_path, mesh->n_nodes, names);
}

static int open_netlink(struct run *r)
{
	int err = fl_nl_open(&r->nl);

	if (err)
		return fl_fail("cannot open netlink: %s", fl_nl_strerror(err));
	return r->nl.wg_family ? FL_OK : fl_mesh_no_wireguard();
}

/* Up to the list of operations. Returns enum fl_exit; end() is due in any case. */
static int begin(struct run *r)
{
	const char *config = fl_mesh_opt_config ? fl_mesh_opt_config : FL_MESH_CONF;
	const char *key_path = fl_mesh_opt_key ? fl_mesh_opt_key : FL_NODE_KEY;
	struct fl_key public_key;
	int status;

	memset(r, 0, sizeof(*r));
	fl_plan_init(&r->want);
	fl_plan_init(&r->have);
	if (!fl_mesh_valid_ifname(fl_mesh_opt_interface))
		return FL_USAGE;
	r->mesh = fl_mesh_load(config);
	if (!r->mesh)
		return FL_FAILED;
	status = unsupported(r->mesh);
	if (status)
		return status;
	r->private_key = fl_key_read_file(key_path);
	if (!r->private_key)
		return FL_FAILED;
	fl_key_public(&public_key, r->private_key);
	r->self = fl_mesh_find(r->mesh, &public_key);
	if (!r->self)
		return not_in_mesh(r->mesh, &public_key, key_path);
	status = open_netlink(r);
	if (status)
		return status;
	if (fl_state_read(&r->nl, fl_mesh_opt_interface, r->self->lanes, &r->have, &r->host))
		return FL_FAILED;
	fl_state_name(&r->have, r->mesh);
	if (fl_want(&r->nl, r->mesh, r->self, r->private_key, fl_mesh_opt_interface, &r->have,
		    &r->host, time(NULL), &r->want, &r->report))
		return FL_FAILED;
	r->ops = fl_plan_diff(&r->want, &r->have);
	return FL_OK;
}

static struct json_object *document(const struct run *r)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA);

	fl_json_str(o, "interface", fl_mesh_opt_interface);
	fl_json_str(o, "mesh", r->mesh ? r->mesh->name : NULL);
	fl_json_str(o, "node", r->self ? r->self->name : NULL);
	json_object_object_add(o, "changes", fl_ops_json(&r->ops));
	return o;
}

static int print_plan(const char *nothing)
{
	struct run r;
	int status = begin(&r);

	if (!status) {
		if (fl_json) {
			fl_json_print(document(&r));
		} else {
			fl_ops_print(&r.ops, stdout);
			if (!r.ops.n)
				printf("%s: %s\n", fl_mesh_opt_interface, nothing);
		}
		if (r.ops.n || r.report.no_endpoint)
			status = FL_DEGRADED;
	}
	end(&r);
	return status;
}

int fl_mesh_plan(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return print_plan("nothing to do");
}

int fl_mesh_verify(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return print_plan("as the mesh file says");
}

/* Forwarding is not ours to set, but pods wait in vain without it. */
static void check_forwarding(const struct fl_node *self)
{
	static const struct {
		sa_family_t family;
		const char *path, *key;
	} families[] = {
		{ AF_INET, "/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward" },
		{ AF_INET6, "/proc/sys/net/ipv6/conf/all/forwarding",
		  "net.ipv6.conf.all.forwarding" },
	};

	for (size_t i = 0; i < 2; i++) {
		bool pods = false;
		char *text;

		for (size_t j = 0; j < self->n_pod_cidrs; j++)
			pods |= self->pod_cidrs[j].family == families[i].family;
		if (!pods || fl_file_read(families[i].path, 64, &text, NULL))
			continue;
		if (*text == '0')
			fl_warn("%s is 0, so this node's pods will not be reached; `fairlead tune "
				"apply kubernetes` sets it",
				families[i].key);
		free(text);
	}
}

/* "30s", "2m", "90": seconds, 0 if it is none of these. */
static unsigned int seconds_of(const char *text)
{
	unsigned int n = 0;
	char unit = 's';
	int end = 0;

	if (*text < '0' || *text > '9' || sscanf(text, "%4u%n", &n, &end) != 1)
		return 0;
	if (text[end])
		unit = text[end++];
	if (text[end] || (unit != 's' && unit != 'm'))
		return 0;
	n *= unit == 'm' ? 60 : 1;
	return n > 3600 ? 0 : n;
}

/* Enough for a handshake and its first repetition (REKEY_TIMEOUT, 5 s), if there is that much. */
static unsigned int before_seconds(unsigned int confirm)
{
	return confirm / 2 < 6 ? confirm / 2 : 6;
}

/* The change, and its proof if one is asked for. */
static int change(struct run *r, unsigned int confirm)
{
	struct fl_baseline *before = NULL;
	int status = FL_OK;

	if (confirm)
		before = fl_confirm_before(&r->nl, &r->have, &r->want, before_seconds(confirm));
	if (fl_apply(&r->nl, fl_mesh_opt_interface, &r->ops)) {
		status = FL_FAILED;
		goto out;
	}
	fl_kick(&r->ops);
	if (!confirm || fl_confirm(&r->nl, fl_mesh_opt_interface, &r->want, before, confirm))
		goto out;
	status = FL_FAILED;
	if (fl_undo(&r->nl, fl_mesh_opt_interface, &r->have) >= 0)
		fl_err("not confirmed: what was done is undone");
out:
	fl_baseline_free(before);
	return status;
}

int fl_mesh_up(int argc, char **argv)
{
	unsigned int confirm = 0;
	struct run r;
	int status;

	(void)argc;
	(void)argv;
	if (fl_mesh_opt_confirm) {
		confirm = seconds_of(fl_mesh_opt_confirm);
		if (!confirm)
			return fl_usage("--confirm: '%s' is not a time; write 1s to 60m",
					fl_mesh_opt_confirm);
	}
	status = begin(&r);
	if (status)
		goto out;
	status = r.ops.n ? change(&r, confirm) : FL_OK;
	if (status)
		goto out;
	check_forwarding(r.self);
	if (r.report.no_endpoint)
		status = FL_DEGRADED;
	for (unsigned int i = 0; i < r.self->lanes; i++)
		if (fl_metrics_sync(r.mesh, r.self, r.want.lanes[i].link.name))
			status = FL_DEGRADED; /* it has said what is wrong; the mesh is up */
	if (fl_json) {
		struct json_object *o = document(&r);

		fl_json_int(o, "writes", r.nl.writes);
		fl_json_print(o);
	} else if (r.ops.n) {
		printf("%s: up, node %s of mesh %s, %zu peer%s, %zu change%s%s\n",
		       fl_mesh_opt_interface, r.self->name, r.mesh->name, r.want.lanes[0].n_peers,
		       r.want.lanes[0].n_peers == 1 ? "" : "s", r.ops.n, r.ops.n == 1 ? "" : "s",
		       confirm ? ", confirmed" : "");
	} else {
		printf("%s: up already, nothing to do\n", fl_mesh_opt_interface);
	}
out:
	end(&r);
	return status;
}

/* Whether down may remove what is there; prints why not. */
static bool is_ours(const struct fl_plan *have)
{
	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		const struct fl_link *link = &have->lanes[i].link;

		if (!link->ifindex)
			continue;
		if (!fl_link_is_wireguard(link)) {
			fl_err("%s is no WireGuard interface, so it is left alone", link->name);
			return false;
		}
		if (!fl_is_alias(link->alias)) {
			fl_err("%s is a WireGuard interface that `fairlead mesh up` has neither "
			       "made nor adopted (its alias does not begin with '%s'), so it is "
			       "left alone; remove it with: ip link del %s",
			       link->name, FL_ALIAS, link->name);
			return false;
		}
		if (!i && strchr(link->alias + strlen(FL_ALIAS), ' ')) {
			fl_err("%s is a lane of another mesh ('%s'); name its first interface",
			       link->name, link->alias);
			return false;
		}
	}
	return true;
}

int fl_mesh_down(int argc, char **argv)
{
	static const int forget[FL_FAMILIES] = { -1, -1 };
	int status = FL_OK, saved[FL_FAMILIES], err;
	struct run r = { 0 };
	bool there;

	(void)argc;
	(void)argv;
	if (!fl_mesh_valid_ifname(fl_mesh_opt_interface))
		return FL_USAGE;
	fl_plan_init(&r.want);
	fl_plan_init(&r.have);
	err = fl_nl_open(&r.nl);
	if (err) {
		status = fl_fail("cannot open netlink: %s", fl_nl_strerror(err));
		goto out;
	}
	if (fl_state_read(&r.nl, fl_mesh_opt_interface, 1, &r.have, NULL) || !is_ours(&r.have)) {
		status = FL_FAILED;
		goto out;
	}
	there = fl_plan_exists(&r.have);
	/* An empty wish: without a link, and with it nothing else. */
	fl_hash_saved(fl_mesh_opt_interface, saved);
	for (unsigned int f = 0; f < FL_FAMILIES; f++)
		if (r.have.hash_policy[f] == FL_HASH_L4)
			r.want.hash_policy[f] = saved[f];
	r.ops = fl_plan_diff(&r.want, &r.have);
	if (r.ops.n && fl_apply(&r.nl, fl_mesh_opt_interface, &r.ops)) {
		status = FL_FAILED;
		goto out;
	}
	/* Where somebody else has set the policy since, what it was does not matter any more. */
	if (saved[FL_V4] >= 0 || saved[FL_V6] >= 0)
		fl_hash_save(fl_mesh_opt_interface, forget);
	if (fl_json) {
		struct json_object *o = document(&r);

		fl_json_int(o, "writes", r.nl.writes);
		fl_json_print(o);
	} else {
		printf("%s: %s\n", fl_mesh_opt_interface, there ? "down" : "already down");
	}
out:
	end(&r);
	return status;
}
