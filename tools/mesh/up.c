// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/msg.h"
#include "../metrics/metrics.h"
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
	if (mesh->lanes != 1)
		return fl_fail("%s: Lanes = %s: this version has one lane: set Lanes = 1",
			       mesh->path, mesh->lanes ? "2 or more" : "auto");
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
	if (fl_state_read(&r->nl, fl_mesh_opt_interface, &r->have, &r->host))
		return FL_FAILED;
	if (r->have.link.ifindex && strcmp(r->have.link.kind, "wireguard"))
		return fl_fail("%s exists and is no WireGuard interface%s%s; remove or rename it, "
			       "or name another with --interface",
			       r->have.link.name, r->have.link.kind[0] ? " but of type " : "",
			       r->have.link.kind);
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

int fl_mesh_up(int argc, char **argv)
{
	struct run r;
	int status = begin(&r);

	(void)argc;
	(void)argv;
	if (status)
		goto out;
	if (r.ops.n && fl_apply(&r.nl, &r.ops)) {
		status = FL_FAILED;
		goto out;
	}
	check_forwarding(r.self);
	if (r.report.no_endpoint)
		status = FL_DEGRADED;
	if (fl_metrics_sync(r.mesh, r.self, fl_mesh_opt_interface))
		status = FL_DEGRADED; /* it has said what is wrong; the mesh is up all the same */
	if (fl_json) {
		struct json_object *o = document(&r);

		fl_json_int(o, "writes", r.nl.writes);
		fl_json_print(o);
	} else if (r.ops.n) {
		printf("%s: up, node %s of mesh %s, %zu peer%s, %zu change%s\n",
		       fl_mesh_opt_interface, r.self->name, r.mesh->name, r.want.n_peers,
		       r.want.n_peers == 1 ? "" : "s", r.ops.n, r.ops.n == 1 ? "" : "s");
	} else {
		printf("%s: up already, nothing to do\n", fl_mesh_opt_interface);
	}
out:
	end(&r);
	return status;
}

int fl_mesh_down(int argc, char **argv)
{
	struct run r = { 0 };
	const struct fl_link *link = &r.have.link;
	int status = FL_OK, err;

	(void)argc;
	(void)argv;
	if (!fl_mesh_valid_ifname(fl_mesh_opt_interface))
		return FL_USAGE;
	err = fl_nl_open(&r.nl);
	if (err) {
		status = fl_fail("cannot open netlink: %s", fl_nl_strerror(err));
		goto out;
	}
	if (fl_state_read(&r.nl, fl_mesh_opt_interface, &r.have, NULL)) {
		status = FL_FAILED;
		goto out;
	}
	if (link->ifindex && strcmp(link->kind, "wireguard")) {
		status = fl_fail("%s is no WireGuard interface, so it is left alone", link->name);
		goto out;
	}
	if (link->ifindex && (!link->alias || strncmp(link->alias, FL_ALIAS, strlen(FL_ALIAS)))) {
		status = fl_fail("%s is a WireGuard interface that `fairlead mesh up` has neither "
				 "made nor adopted (its alias does not begin with '%s'), so it is "
				 "left alone; remove it with: ip link del %s",
				 link->name, FL_ALIAS, link->name);
		goto out;
	}
	/* An empty wish: without a link, and with it nothing else. */
	r.ops = fl_plan_diff(&r.want, &r.have);
	if (r.ops.n && fl_apply(&r.nl, &r.ops)) {
		status = FL_FAILED;
		goto out;
	}
	if (fl_json) {
		struct json_object *o = document(&r);

		fl_json_int(o, "writes", r.nl.writes);
		fl_json_print(o);
	} else {
		printf("%s: %s\n", fl_mesh_opt_interface, r.ops.n ? "down" : "already down");
	}
out:
	end(&r);
	return status;
}
