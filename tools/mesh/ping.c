// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "echo.h"
#include "look.h"

#include <string.h>
#include <time.h>

/* `mesh ping`: every address of a node, over every lane to it. */

#define COUNT_MAX 1000

static void cell_ms(struct fl_table *table, const struct fl_target *t, int64_t us)
{
	if (t->received)
		fl_table_cell(table, "%.2f ms", us / 1000.0);
	else
		fl_table_cell(table, "-");
}

static void print_text(const struct fl_echo *e)
{
	struct fl_table *table = fl_table_new();
	char s[INET6_ADDRSTRLEN];

	fl_table_col(table, "NODE", FL_LEFT);
	fl_table_col(table, "ADDRESS", FL_LEFT);
	fl_table_col(table, "LANE", FL_LEFT);
	fl_table_col(table, "ANSWERS", FL_RIGHT);
	fl_table_col(table, "LEAST", FL_RIGHT);
	fl_table_col(table, "MEAN", FL_RIGHT);
	fl_table_col(table, "MOST", FL_RIGHT);
	fl_table_col(table, "", FL_LEFT);
	for (size_t i = 0; i < e->n; i++) {
		const struct fl_target *t = &e->targets[i];

		fl_table_cell(table, "%s", t->node->name);
		fl_table_cell(table, "%s", inet_ntop(t->dst.family, t->dst.bytes, s, sizeof(s)));
		fl_table_cell(table, "%s", e->plan->lanes[t->lane].link.name);
		fl_table_cell(table, "%s%u of %u%s",
			      fl_colour(t->received == t->sent ? FL_GREEN :
					t->received	       ? FL_YELLOW :
								 FL_RED),
			      t->received, t->sent, fl_colour(FL_PLAIN));
		cell_ms(table, t, t->least);
		cell_ms(table, t, t->received ? t->sum / t->received : 0);
		cell_ms(table, t, t->most);
		fl_table_cell(table, "%s", t->err ? strerror(-t->err) : "");
	}
	fl_table_print(table, stdout);
}

static void json_ms(struct json_object *o, const char *key, const struct fl_target *t, int64_t us)
{
	json_object_object_add(o, key, t->received ? json_object_new_double(us / 1000.0) : NULL);
}

static void print_json(const struct fl_echo *e)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA), *a = json_object_new_array();
	char s[INET6_ADDRSTRLEN];

	fl_json_str(o, "interface", fl_mesh_opt_interface);
	for (size_t i = 0; i < e->n; i++) {
		const struct fl_target *t = &e->targets[i];
		struct json_object *ping = json_object_new_object();

		fl_json_str(ping, "node", t->node->name);
		fl_json_str(ping, "address", inet_ntop(t->dst.family, t->dst.bytes, s, sizeof(s)));
		fl_json_str(ping, "interface", e->plan->lanes[t->lane].link.name);
		fl_json_int(ping, "sent", t->sent);
		fl_json_int(ping, "received", t->received);
		json_ms(ping, "rtt_min_ms", t, t->least);
		json_ms(ping, "rtt_mean_ms", t, t->received ? t->sum / t->received : 0);
		json_ms(ping, "rtt_max_ms", t, t->most);
		fl_json_str(ping, "error", t->err ? strerror(-t->err) : NULL);
		json_object_array_add(a, ping);
	}
	json_object_object_add(o, "pings", a);
	fl_json_print(o);
}

static int status_of(const struct fl_echo *e)
{
	size_t sent = 0, received = 0;

	for (size_t i = 0; i < e->n; i++) {
		sent += e->targets[i].sent;
		received += e->targets[i].received;
	}
	return received == sent ? FL_OK : received ? FL_DEGRADED : FL_FAILED;
}

int fl_mesh_ping(int argc, char **argv)
{
	struct fl_look_run run;
	struct fl_echo e;
	int status;

	if (!fl_mesh_opt_count || fl_mesh_opt_count > COUNT_MAX)
		return fl_usage("--count: write a number from 1 to %u", COUNT_MAX);
	status = fl_look_begin(&run, FL_LOOK_MESH);
	if (!status)
		status = fl_look_nodes(&run, argc, argv);
	if (status)
		goto out;
	if (fl_echo_open(&e, &run.plan, fl_mesh_opt_count)) {
		status = FL_FAILED;
		goto out_echo;
	}
	for (size_t i = 0; i < run.n_nodes; i++)
		fl_echo_add(&e, run.nodes[i], FL_ECHO_ALL, time(NULL));
	if (!e.n) {
		status = fl_fail("nothing to ask: this node and the others have no address of one "
				 "family, or the mesh is not up; see `fairlead mesh plan`");
		goto out_echo;
	}
	fl_echo_run(&e, 0);
	if (fl_json)
		print_json(&e);
	else
		print_text(&e);
	status = status_of(&e);
out_echo:
	fl_echo_close(&e);
out:
	fl_look_end(&run);
	return status;
}
