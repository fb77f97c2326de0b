// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "look.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * `mesh graph`: this node and its tunnels, which is what this node knows: the other nodes' tunnels
 * among themselves are theirs to tell. One line a peer, so a mesh of 10,000 is 10,000 lines.
 */

static const char *colour_of(const char *state)
{
	return !strcmp(state, "up") ? "forestgreen" : !strcmp(state, "stale") ? "orange" : "red";
}

/* A name has no characters that DOT or a terminal would take for their own, a key has "/+=". */
static const char *label(const struct fl_peer *p, char key[FL_KEY_BASE64])
{
	return p->name ? p->name : fl_key_format(&p->public_key, key);
}

static void addresses(const struct fl_node *node, const char *between)
{
	char s[INET6_ADDRSTRLEN];

	for (size_t i = 0; node && i < node->n_addresses; i++)
		printf("%s%s", between,
		       inet_ntop(node->addresses[i].family, node->addresses[i].bytes, s,
				 sizeof(s)));
}

static void print_dot(const struct fl_look_run *run, const struct fl_shown *peers, size_t n,
		      int64_t now)
{
	const char *self = run->self ? run->self->name : run->plan.lanes[0].link.name;
	const char *mesh = fl_look_mesh(&run->plan.lanes[0].link);
	char key[FL_KEY_BASE64], age[32];

	printf("graph \"%s\" {\n\tlayout=twopi; overlap=false; root=\"%s\";\n"
	       "\tnode [shape=box, fontname=\"sans-serif\"];\n\t\"%s\" [style=bold, label=\"%s",
	       mesh ? mesh : "mesh", self, self, self);
	addresses(run->self, "\\n");
	puts("\"];");
	for (size_t i = 0; i < n; i++) {
		const struct fl_shown *s = &peers[i];

		fl_look_age(s->handshake, now, age);
		printf("\t\"%s\" [label=\"%s", label(s->first, key), label(s->first, key));
		addresses(s->first->node, "\\n");
		printf("\"];\n\t\"%s\" -- \"%s\" [color=%s, label=\"%s", self, label(s->first, key),
		       colour_of(s->state), s->state);
		if (s->handshake)
			printf(" %s", age);
		if (s->n_lanes > 1)
			printf(", %u of %u lanes", s->n_up, s->n_lanes);
		puts("\"];");
	}
	puts("}");
}

/* Columns that fit a narrow terminal; states line up. */
static void print_ascii(const struct fl_look_run *run, const struct fl_shown *peers, size_t n,
			int64_t now)
{
	char key[FL_KEY_BASE64], age[32], ep[FL_SOCKADDR_STR];
	int width = 0;

	printf("%s%s%s", fl_colour(FL_BOLD),
	       run->self ? run->self->name : run->plan.lanes[0].link.name, fl_colour(FL_PLAIN));
	addresses(run->self, "  ");
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		int len = strlen(label(peers[i].first, key));

		width = len > width ? len : width;
	}
	for (size_t i = 0; i < n; i++) {
		const struct fl_shown *s = &peers[i];
		enum fl_colour c = !strcmp(s->state, "up")    ? FL_GREEN :
				   !strcmp(s->state, "stale") ? FL_YELLOW :
								FL_RED;

		printf("%s%s%s%s  %-*s  %-5s %6s  %s", i + 1 < n ? "|" : "`", fl_colour(c),
		       !strcmp(s->state, "up") ? "====" : "- - ", fl_colour(FL_PLAIN), width,
		       label(s->first, key), s->state,
		       s->handshake ? fl_look_age(s->handshake, now, age) : "-",
		       fl_sockaddr_format(&s->first->endpoint, ep));
		if (s->n_lanes > 1)
			printf("  %u of %u lanes", s->n_up, s->n_lanes);
		addresses(s->first->node, "  ");
		putchar('\n');
	}
}

static void print_json(const struct fl_look_run *run, const struct fl_shown *peers, size_t n)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA), *a = json_object_new_array();
	char key[FL_KEY_BASE64];

	fl_json_str(o, "mesh", fl_look_mesh(&run->plan.lanes[0].link));
	fl_json_str(o, "node", run->self ? run->self->name : NULL);
	for (size_t i = 0; i < n; i++) {
		struct json_object *e = json_object_new_object();

		fl_json_str(e, "name", peers[i].first->name);
		fl_json_str(e, "public_key", fl_key_format(&peers[i].first->public_key, key));
		fl_json_str(e, "state", peers[i].state);
		fl_json_int(e, "lanes", peers[i].n_lanes);
		fl_json_int(e, "lanes_up", peers[i].n_up);
		json_object_array_add(a, e);
	}
	json_object_object_add(o, "tunnels", a);
	fl_json_print(o);
}

int fl_mesh_graph(int argc, char **argv)
{
	bool dot = !strcmp(fl_mesh_opt_graph, "dot");
	struct fl_look_run run;
	struct fl_shown *peers;
	int64_t now = time(NULL);
	int status;
	size_t n;

	(void)argc;
	(void)argv;
	if (!dot && strcmp(fl_mesh_opt_graph, "ascii") != 0)
		return fl_usage("--format: '%s' is neither ascii nor dot", fl_mesh_opt_graph);
	status = fl_look_begin(&run, 0);
	if (!status) {
		peers = fl_look_peers(&run.plan, now, &n);
		if (fl_json)
			print_json(&run, peers, n);
		else if (dot)
			print_dot(&run, peers, n, now);
		else
			print_ascii(&run, peers, n, now);
		free(peers);
		if (run.broken)
			status = FL_DEGRADED;
	}
	fl_look_end(&run);
	return status;
}
