// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "state.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *state(const struct fl_peer *p, int64_t now)
{
	if (!p->handshake)
		return "never";
	return fl_session_alive(p, now) ? "up" : "stale";
}

/* A clock that went back must not make an age negative. */
static int64_t age(const struct fl_peer *p, int64_t now)
{
	return now > p->handshake ? now - p->handshake : 0;
}

static const char *format_age(const struct fl_peer *p, int64_t now, char out[32])
{
	int64_t s = age(p, now);

	if (!p->handshake)
		return "never";
	if (s < 60)
		snprintf(out, 32, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(out, 32, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 32, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, 32, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
	return out;
}

static const char *format_bytes(uint64_t n, char out[32])
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = n;
	int i = -1;

	if (n < 1024) {
		snprintf(out, 32, "%" PRIu64 " B", n);
		return out;
	}
	while (v >= 1024 && i < 5) {
		v /= 1024;
		i++;
	}
	snprintf(out, 32, "%.1f %s", v, unit[i]);
	return out;
}

static char *format_allowed(const struct fl_peer *p)
{
	char *text = fl_zalloc(p->n_allowed * (FL_PREFIX_STR + 2) + 1), *end = text;
	char s[FL_PREFIX_STR];

	for (size_t i = 0; i < p->n_allowed; i++)
		end += sprintf(end, "%s%s", i ? ", " : "", fl_prefix_format(&p->allowed[i], s));
	return text;
}

/* Peers in the order of the file, then those that are not in it. */
static int cmp_shown(const void *a, const void *b)
{
	const struct fl_peer *x = a, *y = b;

	if (x->node && y->node)
		return (x->node > y->node) - (x->node < y->node);
	if (x->node || y->node)
		return x->node ? -1 : 1;
	return fl_key_cmp(&x->public_key, &y->public_key);
}

static void show_text(const struct fl_plan *plan, const struct fl_node *self, int64_t now)
{
	char key[FL_KEY_BASE64], t[32], u[32], ep[FL_SOCKADDR_STR];
	const struct fl_link *link = &plan->link;
	struct fl_table *table;

	printf("%s%s%s: %s, node %s, mesh %s\n", fl_colour(FL_BOLD), link->name,
	       fl_colour(FL_PLAIN), link->up ? "up" : "down", self ? self->name : "(unknown)",
	       link->alias && !strncmp(link->alias, FL_ALIAS, strlen(FL_ALIAS)) ?
		       link->alias + strlen(FL_ALIAS) :
		       "(unknown)");
	printf("  public key %s\n",
	       link->private_key ? fl_key_format(&link->public_key, key) : "(none)");
	printf("  private key %s\n", !link->private_key	   ? "(none)" :
				     fl_mesh_opt_show_keys ? fl_key_format(link->private_key, key) :
							     "(hidden)");
	sodium_memzero(key, sizeof(key));
	printf("  listening on port %u, MTU %u\n", link->listen_port, link->mtu);
	if (!plan->n_peers)
		return;
	putchar('\n');
	table = fl_table_new();
	fl_table_col(table, "PEER", FL_LEFT);
	fl_table_col(table, "STATE", FL_LEFT);
	fl_table_col(table, "HANDSHAKE", FL_RIGHT);
	fl_table_col(table, "RECEIVED", FL_RIGHT);
	fl_table_col(table, "SENT", FL_RIGHT);
	fl_table_col(table, "ENDPOINT", FL_LEFT);
	fl_table_col(table, "ALLOWED IPS", FL_LEFT);
	for (size_t i = 0; i < plan->n_peers; i++) {
		const struct fl_peer *p = &plan->peers[i];
		const char *word = state(p, now);
		char *allowed = format_allowed(p);
		enum fl_colour c = *word == 'u' ? FL_GREEN : *word == 's' ? FL_YELLOW : FL_RED;

		if (p->name)
			fl_table_cell(table, "%s", p->name);
		else
			fl_table_cell(table, "(unknown) %s", fl_key_format(&p->public_key, key));
		fl_table_cell(table, "%s%s%s", fl_colour(c), word, fl_colour(FL_PLAIN));
		fl_table_cell(table, "%s", format_age(p, now, t));
		fl_table_cell(table, "%s", format_bytes(p->rx, t));
		fl_table_cell(table, "%s", format_bytes(p->tx, u));
		fl_table_cell(table, "%s", fl_sockaddr_format(&p->endpoint, ep));
		fl_table_cell(table, "%s", p->n_allowed ? allowed : "(none)");
		free(allowed);
	}
	fl_table_print(table, stdout);
}

static struct json_object *json_peer(const struct fl_peer *p, int64_t now)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();
	char key[FL_KEY_BASE64], s[FL_PREFIX_STR], ep[FL_SOCKADDR_STR];

	fl_json_str(o, "name", p->name);
	fl_json_str(o, "public_key", fl_key_format(&p->public_key, key));
	fl_json_bool(o, "preshared_key", p->psk != NULL);
	fl_json_str(o, "endpoint",
		    p->endpoint.ss_family ? fl_sockaddr_format(&p->endpoint, ep) : NULL);
	fl_json_str(o, "state", state(p, now));
	json_object_object_add(o, "latest_handshake",
			       p->handshake ? json_object_new_int64(p->handshake) : NULL);
	json_object_object_add(o, "handshake_age",
			       p->handshake ? json_object_new_int64(age(p, now)) : NULL);
	fl_json_u64(o, "rx_bytes", p->rx);
	fl_json_u64(o, "tx_bytes", p->tx);
	fl_json_int(o, "persistent_keepalive", p->keepalive);
	for (size_t i = 0; i < p->n_allowed; i++)
		json_object_array_add(a,
				      json_object_new_string(fl_prefix_format(&p->allowed[i], s)));
	json_object_object_add(o, "allowed_ips", a);
	return o;
}

static void show_json(const struct fl_plan *plan, const struct fl_node *self, int64_t now)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA), *a = json_object_new_array();
	const struct fl_link *link = &plan->link;
	char key[FL_KEY_BASE64], s[FL_PREFIX_STR];

	fl_json_str(o, "interface", link->name);
	fl_json_str(o, "mesh",
		    link->alias && !strncmp(link->alias, FL_ALIAS, strlen(FL_ALIAS)) ?
			    link->alias + strlen(FL_ALIAS) :
			    NULL);
	fl_json_str(o, "node", self ? self->name : NULL);
	fl_json_bool(o, "up", link->up);
	fl_json_str(o, "public_key",
		    link->private_key ? fl_key_format(&link->public_key, key) : NULL);
	fl_json_str(o, "private_key",
		    !link->private_key	  ? NULL :
		    fl_mesh_opt_show_keys ? fl_key_format(link->private_key, key) :
					    "(hidden)");
	sodium_memzero(key, sizeof(key));
	fl_json_int(o, "listen_port", link->listen_port);
	fl_json_int(o, "mtu", link->mtu);
	fl_json_int(o, "fwmark", link->fwmark);
	for (size_t i = 0; i < plan->n_addrs; i++)
		json_object_array_add(a,
				      json_object_new_string(fl_prefix_format(&plan->addrs[i], s)));
	json_object_object_add(o, "addresses", a);
	a = json_object_new_array();
	for (size_t i = 0; i < plan->n_peers; i++)
		json_object_array_add(a, json_peer(&plan->peers[i], now));
	json_object_object_add(o, "peers", a);
	fl_json_print(o);
}

int fl_mesh_show(int argc, char **argv)
{
	const char *config = fl_mesh_opt_config ? fl_mesh_opt_config : FL_MESH_CONF;
	struct fl_mesh *mesh = NULL;
	const struct fl_node *self = NULL;
	struct fl_nl nl = { 0 };
	struct fl_plan plan = { 0 };
	int status = FL_OK, err;

	(void)argc;
	(void)argv;
	if (!fl_mesh_valid_ifname(fl_mesh_opt_interface))
		return FL_USAGE;
	err = fl_nl_open(&nl);
	if (err) {
		status = fl_fail("cannot open netlink: %s", fl_nl_strerror(err));
		goto out;
	}
	if (!nl.wg_family) {
		status = fl_mesh_no_wireguard();
		goto out;
	}
	/* Names are a service: without a mesh file the peers are there all the same. */
	if (fl_mesh_opt_config || !access(config, F_OK)) {
		mesh = fl_mesh_load(config);
		if (!mesh)
			status = FL_DEGRADED;
	}
	if (fl_state_read(&nl, fl_mesh_opt_interface, &plan, NULL)) {
		status = FL_FAILED;
	} else if (!plan.link.ifindex) {
		status = fl_fail("there is no interface %s; `fairlead mesh up` makes it",
				 fl_mesh_opt_interface);
	} else if (strcmp(plan.link.kind, "wireguard")) {
		status = fl_fail("%s is no WireGuard interface", plan.link.name);
	} else {
		int64_t now = time(NULL);

		for (size_t i = 0; mesh && i < plan.n_peers; i++) {
			plan.peers[i].node = fl_mesh_find(mesh, &plan.peers[i].public_key);
			plan.peers[i].name = plan.peers[i].node ? plan.peers[i].node->name : NULL;
		}
		if (mesh && plan.link.private_key)
			self = fl_mesh_find(mesh, &plan.link.public_key);
		if (plan.n_peers)
			qsort(plan.peers, plan.n_peers, sizeof(*plan.peers), cmp_shown);
		if (fl_json)
			show_json(&plan, self, now);
		else
			show_text(&plan, self, now);
	}
out:
	fl_plan_free(&plan);
	fl_nl_close(&nl);
	fl_mesh_free(mesh);
	return status;
}
