// SPDX-License-Identifier: GPL-2.0
#include "accel.h"
#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "../mesh/conf.h"
#include "../mesh/plan.h"
#include "../metrics/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *opt_config = FL_MESH_CONF;
static const char *opt_key = FL_NODE_KEY;
static const char *opt_interface = "fl0";
static const char *opt_module;
static const char *opt_group;

/* Names of enum fairlead_stat, for both outputs. */
static const struct {
	enum fairlead_stat stat;
	const char *name, *what;
} stats[] = {
	{ FAIRLEAD_STAT_HELD, "held", "datagrams held to form a burst" },
	{ FAIRLEAD_STAT_BURSTS, "bursts", "bursts sent" },
	{ FAIRLEAD_STAT_LONE, "lone", "datagrams sent at once, as none came close behind lately" },
	{ FAIRLEAD_STAT_CONTROL, "control", "handshakes and keepalives, never held" },
	{ FAIRLEAD_STAT_FLUSH_END, "flush_end", "bursts ended by: the worker's run was over" },
	{ FAIRLEAD_STAT_FLUSH_FULL, "flush_full", "  full" },
	{ FAIRLEAD_STAT_FLUSH_SHORT, "flush_short", "  a shorter datagram" },
	{ FAIRLEAD_STAT_FLUSH_FLOW, "flush_flow", "  another flow" },
	{ FAIRLEAD_STAT_FLUSH_CONTROL, "flush_control", "  a control message" },
	{ FAIRLEAD_STAT_FLUSH_GONE, "flush_gone", "  switched off, CPU or namespace gone" },
	{ FAIRLEAD_STAT_BYPASS_CONTEXT, "bypass_context",
	  "datagrams not held: no CPU-bound worker sent it" },
	{ FAIRLEAD_STAT_BYPASS_SHAPE, "bypass_shape", "  shape (fragment, options, XFRM, ...)" },
	{ FAIRLEAD_STAT_BYPASS_CONNTRACK, "bypass_conntrack", "  connection not confirmed yet" },
	{ FAIRLEAD_STAT_BYPASS_OWNER, "bypass_owner", "  socket charge cannot be moved" },
	{ FAIRLEAD_STAT_BYPASS_HEADROOM, "bypass_headroom", "  no room for the link header" },
	{ FAIRLEAD_STAT_CSUM, "csum", "checksums completed in software" },
	{ FAIRLEAD_STAT_RX_MERGED, "rx_merged", "received datagrams that joined the one before" },
	{ FAIRLEAD_STAT_RX_BURSTS, "rx_bursts", "received bursts, split just before WireGuard" },
	{ FAIRLEAD_STAT_RX_SPLIT, "rx_split", "  datagrams in them" },
	{ FAIRLEAD_STAT_RX_LEFT, "rx_left", "received bursts that the kernel split" },
	{ FAIRLEAD_STAT_RX_HOLDS, "rx_holds", "deliveries that waited for more to be decrypted" },
	{ FAIRLEAD_STAT_RX_SINGLE, "rx_single",
	  "received datagrams that came alone, straight to WireGuard" },
	{ FAIRLEAD_STAT_RX_ROUTED, "rx_routed",
	  "received packets that took the route of the one before" },
	{ FAIRLEAD_STAT_DROP_CSUM, "drop_csum", "dropped: no memory to complete a checksum" },
	{ FAIRLEAD_STAT_DROP_RX, "drop_rx", "dropped: IPsec policy, or WireGuard refused it" },
};

#define N_STATS (sizeof(stats) / sizeof(*stats))

enum part { MODULE = 1, METRICS = 2 };

/* The parts that are named, or all. */
static int parts(int argc, char **argv, unsigned int *mask)
{
	*mask = argc ? 0 : MODULE | METRICS;
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "module"))
			*mask |= MODULE;
		else if (!strcmp(argv[i], "metrics"))
			*mask |= METRICS;
		else
			return fl_usage(
				"accel: there is no part '%s'; the parts are module and metrics",
				argv[i]);
	}
	return FL_OK;
}

static int refused(int err, const char *said)
{
	if (err == -EPERM)
		return fl_fail("the module: not permitted: needs CAP_NET_ADMIN: run as root");
	return fl_fail("the module: %s%s%s", strerror(-err), *said ? ": " : "", said);
}

static int module_on(const struct fl_mesh *mesh)
{
	unsigned int lanes = mesh->lanes ? mesh->lanes : FL_MESH_LANES;
	struct fl_port_range range = {
		.first = mesh->listen_port,
		.last = mesh->listen_port + lanes - 1,
	};
	char said[256];
	int err, ret;

	err = fl_module_set(&range, 1, said);
	if (err == -ENOENT) {
		ret = fl_module_load(opt_module);
		if (ret != FL_OK)
			return ret;
		err = fl_module_set(&range, 1, said);
	}
	return err ? refused(err, said) : FL_OK;
}

/* Who this node is, for the metrics: its peers are all the others. */
static const struct fl_node *find_self(const struct fl_mesh *mesh)
{
	const struct fl_node *self;
	struct fl_key *private_key, public_key;
	char text[FL_KEY_BASE64];

	private_key = fl_key_read_file(opt_key);
	if (!private_key)
		return NULL;
	fl_key_public(&public_key, private_key);
	fl_key_free(private_key);
	self = fl_mesh_find(mesh, &public_key);
	if (!self)
		fl_err("%s: no node has this node's public key %s (made from %s)", mesh->path,
		       fl_key_format(&public_key, text), opt_key);
	return self;
}

/* On all lanes of this node; those that are there count though others are not. */
static int metrics_on(const struct fl_mesh *mesh, const struct fl_node *self)
{
	char name[IFNAMSIZ];
	int ret = FL_OK;

	if (!fl_lane_name(opt_interface, self->lanes - 1, name))
		return fl_fail("--interface: '%s' is too long for the names of %u lanes",
			       opt_interface, self->lanes);
	for (unsigned int i = 0; i < self->lanes; i++) {
		fl_lane_name(opt_interface, i, name);
		if (fl_metrics_attach(mesh, self, name))
			ret = FL_FAILED;
	}
	return ret || !opt_group ? ret : fl_metrics_allow(opt_group);
}

static int run_on(int argc, char **argv)
{
	unsigned int mask, done = 0;
	const struct fl_node *self;
	struct fl_mesh *mesh;
	int ret = FL_OK;

	if (parts(argc, argv, &mask))
		return FL_USAGE;
	mesh = fl_mesh_load(opt_config);
	if (!mesh)
		return FL_FAILED;
	self = find_self(mesh);
	if (self) {
		if ((mask & MODULE) && module_on(mesh) == FL_OK) {
			done |= MODULE;
			if (!(mask & METRICS) && fl_metrics_module(true))
				ret = FL_DEGRADED;
		}
		if ((mask & METRICS) && metrics_on(mesh, self) == FL_OK)
			done |= METRICS;
	}
	fl_mesh_free(mesh);
	if (done == mask)
		return ret;
	if (!done)
		return FL_FAILED;
	/* Each part is of use without the other. */
	fl_warn("only the %s is on", done == MODULE ? "module" : "metrics part");
	return FL_DEGRADED;
}

static int module_off(void)
{
	struct fl_module_state st;
	char said[256];
	int err;

	err = fl_module_set(NULL, 0, said);
	if (err == -ENOENT)
		return FL_OK;
	if (err)
		return refused(err, said);
	err = fl_module_get(&st, said);
	if (err)
		return refused(err, said);
	fl_module_state_free(&st);
	fl_metrics_module(false);
	/* Another namespace may still use it: then it stays. */
	return st.namespaces ? FL_OK : fl_module_unload();
}

static int run_off(int argc, char **argv)
{
	unsigned int mask;
	int ret = FL_OK, err;

	if (parts(argc, argv, &mask))
		return FL_USAGE;
	if (mask & MODULE)
		ret = module_off();
	if (mask & METRICS) {
		err = fl_metrics_detach();
		ret = ret ? ret : err;
	}
	return ret;
}

static void bucket_name(unsigned int i, char out[16])
{
	if (i < 2)
		snprintf(out, 16, "%u", 1 << i);
	else
		snprintf(out, 16, "%u-%u", (1 << (i - 1)) + 1, 1 << i);
}

/* The metrics of every lane that there is; of the first, if there is none. */
struct lane_metrics {
	char name[FL_MESH_LANES][IFNAMSIZ];
	bool attached[FL_MESH_LANES];
	unsigned int n, n_attached;
	struct fl_metrics_status of_node;
	bool pinned;
};

/* Not if_nametoindex(): the kernel starts modprobe for a name that is not there. */
static bool is_there(const struct if_nameindex *all, const char *name)
{
	for (; all && all->if_index; all++)
		if (strcmp(all->if_name, name) == 0)
			return true;
	return false;
}

static void read_metrics(struct lane_metrics *m)
{
	struct if_nameindex *all = if_nameindex();

	*m = (struct lane_metrics){ 0 };
	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		char name[IFNAMSIZ];

		if (!fl_lane_name(opt_interface, i, name))
			break;
		if (i && !is_there(all, name))
			continue;
		m->pinned = fl_metrics_status(name, &m->of_node);
		memcpy(m->name[m->n], name, sizeof(name));
		m->attached[m->n] = m->of_node.attached;
		m->n_attached += m->of_node.attached;
		m->n++;
	}
	if_freenameindex(all);
}

static void status_json(bool loaded, const struct fl_module_state *st, const struct lane_metrics *m)
{
	struct json_object *doc = fl_json_new(1), *mod = json_object_new_object(),
			   *met = json_object_new_object(), *sub;
	char name[16];

	json_object_object_add(doc, "module", mod);
	fl_json_bool(mod, "loaded", loaded);
	fl_json_str(mod, "version", loaded ? st->version : NULL);
	fl_json_bool(mod, "on", st->n_ports > 0);
	sub = json_object_new_array();
	for (unsigned int i = 0; i < st->n_ports; i++) {
		struct json_object *range = json_object_new_object();

		fl_json_int(range, "first", st->ports[i].first);
		fl_json_int(range, "last", st->ports[i].last);
		json_object_array_add(sub, range);
	}
	json_object_object_add(mod, "ports", sub);
	fl_json_int(mod, "namespaces", st->namespaces);
	fl_json_int(mod, "receivers", st->receivers);
	sub = json_object_new_object();
	for (size_t i = 0; i < N_STATS; i++)
		fl_json_u64(sub, stats[i].name, st->stat[stats[i].stat]);
	json_object_object_add(mod, "counters", sub);
	sub = json_object_new_object();
	for (unsigned int i = 0; i < FAIRLEAD_BURST_BUCKETS; i++) {
		bucket_name(i, name);
		fl_json_u64(sub, name, st->bursts[i]);
	}
	json_object_object_add(mod, "burst_sizes", sub);

	json_object_object_add(doc, "metrics", met);
	fl_json_str(met, "interface", opt_interface);
	fl_json_bool(met, "pinned", m->pinned);
	fl_json_bool(met, "attached", m->n_attached == m->n);
	sub = json_object_new_array();
	for (unsigned int i = 0; i < m->n; i++) {
		struct json_object *lane = json_object_new_object();

		fl_json_str(lane, "interface", m->name[i]);
		fl_json_bool(lane, "attached", m->attached[i]);
		json_object_array_add(sub, lane);
	}
	json_object_object_add(met, "lanes", sub);
	fl_json_int(met, "peers", m->of_node.peers);
	fl_json_int(met, "prefixes", m->of_node.prefixes);
	fl_json_print(doc);
}

static void status_text(bool loaded, const struct fl_module_state *st, const struct lane_metrics *m)
{
	struct fl_table *t;
	char name[16];

	if (!loaded) {
		puts("module:   not loaded (`fairlead accel on` loads it)");
	} else {
		printf("module:   version %s, %s", st->version,
		       st->n_ports ? "on, UDP port" : "off here");
		for (unsigned int i = 0; i < st->n_ports; i++) {
			printf("%s%u", i ? ", " : " ", st->ports[i].first);
			if (st->ports[i].last != st->ports[i].first)
				printf("-%u", st->ports[i].last);
		}
		if (st->n_ports)
			printf(", merging what %u socket%s receive%s", st->receivers,
			       st->receivers == 1 ? "" : "s", st->receivers == 1 ? "s" : "");
		putchar('\n');
	}
	for (unsigned int on = 2; on-- > 0;) {
		const char *before = on ? "metrics:  on " : "metrics:  not attached to ";

		if (m->n_attached == (on ? 0 : m->n))
			continue;
		for (unsigned int i = 0; i < m->n; i++) {
			if (m->attached[i] != (on == 1))
				continue;
			printf("%s%s", before, m->name[i]);
			before = ", ";
		}
		if (on)
			printf(", %u peers, %u prefixes", m->of_node.peers, m->of_node.prefixes);
		putchar('\n');
	}
	if (!loaded)
		return;
	putchar('\n');
	t = fl_table_new();
	fl_table_col(t, "COUNT", FL_RIGHT);
	fl_table_col(t, "OF", FL_LEFT);
	for (size_t i = 0; i < N_STATS; i++) {
		fl_table_cell(t, "%" PRIu64, st->stat[stats[i].stat]);
		fl_table_cell(t, "%s", stats[i].what);
	}
	for (unsigned int i = 0; i < FAIRLEAD_BURST_BUCKETS; i++) {
		bucket_name(i, name);
		fl_table_cell(t, "%" PRIu64, st->bursts[i]);
		fl_table_cell(t, "bursts of %s", name);
	}
	fl_table_print(t, stdout);
}

static int run_status(int argc, char **argv)
{
	struct fl_module_state st;
	struct lane_metrics m;
	char said[256];
	bool loaded;
	int err;

	(void)argc;
	(void)argv;
	err = fl_module_get(&st, said);
	if (err && err != -ENOENT)
		return refused(err, said);
	loaded = !err;
	read_metrics(&m);
	if (fl_json)
		status_json(loaded, &st, &m);
	else
		status_text(loaded, &st, &m);
	fl_module_state_free(&st);
	return loaded && st.n_ports && m.n_attached == m.n ? FL_OK : FL_DEGRADED;
}

static const struct fl_opt on_opts[] = {
	{ 'c', "config", FL_OPT_STR, &opt_config, "FILE", "mesh file (default " FL_MESH_CONF ")" },
	{ 'k', "key", FL_OPT_STR, &opt_key, "FILE", "key file (default " FL_NODE_KEY ")" },
	{ 'i', "interface", FL_OPT_STR, &opt_interface, "NAME", "first lane (default fl0)" },
	{ 'm', "module", FL_OPT_STR, &opt_module, "FILE", "load this fairlead.ko" },
	{ 'g', "group", FL_OPT_STR, &opt_group, "NAME", "who may read the metrics besides root" },
	{ 0 },
};

static const struct fl_opt interface_opts[] = {
	{ 'i', "interface", FL_OPT_STR, &opt_interface, "NAME", "first lane (default fl0)" },
	{ 0 },
};

const struct fl_verb fl_accel_verbs[] = {
	{ "on", "[module] [metrics]", "Load the module and attach the BPF programs", on_opts, 0, 2,
	  run_on },
	{ "off", "[module] [metrics]", "Switch off what `on` switched on", interface_opts, 0, 2,
	  run_off },
	{ "status", "", "Show what is on, and the module's counters", interface_opts, 0, 0,
	  run_status },
	{ 0 },
};
