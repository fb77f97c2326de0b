// SPDX-License-Identifier: GPL-2.0
#include "conf.h"

#include "../lib/mem.h"

#include <stdlib.h>
#include <string.h>

/*
 * Each check sorts and looks at neighbours. Of two that clash, the later one in the file gets the
 * error and names the earlier one.
 */

static int cmp_by_key(const void *a, const void *b)
{
	const struct fl_node *x = *(struct fl_node *const *)a, *y = *(struct fl_node *const *)b;
	int diff = fl_key_cmp(&x->public_key, &y->public_key);

	return diff ? diff : (x > y) - (x < y);
}

static int cmp_by_name(const void *a, const void *b)
{
	const struct fl_node *x = *(struct fl_node *const *)a, *y = *(struct fl_node *const *)b;
	int diff = strcmp(x->name, y->name);

	return diff ? diff : (x > y) - (x < y);
}

static void check_names(struct fl_mesh *mesh, struct fl_conf_errors *errors)
{
	struct fl_node **sorted = fl_zalloc(mesh->n_nodes * sizeof(struct fl_node *));

	for (size_t i = 0; i < mesh->n_nodes; i++)
		sorted[i] = &mesh->nodes[i];
	qsort(sorted, mesh->n_nodes, sizeof(struct fl_node *), cmp_by_name);
	for (size_t i = 1; i < mesh->n_nodes; i++)
		if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
			fl_conf_error(errors, sorted[i]->line, "[Node]",
				      "a second node \"%s\" (first in line %u); give each node a "
				      "name of its own",
				      sorted[i]->name, sorted[i - 1]->line);
	free(sorted);
}

static void check_keys(struct fl_mesh *mesh, const struct fl_node_lines *lines,
		       struct fl_conf_errors *errors)
{
	mesh->by_key = fl_zalloc(mesh->n_nodes * sizeof(struct fl_node *));
	for (size_t i = 0; i < mesh->n_nodes; i++)
		mesh->by_key[i] = &mesh->nodes[i];
	qsort(mesh->by_key, mesh->n_nodes, sizeof(struct fl_node *), cmp_by_key);
	for (size_t i = 1; i < mesh->n_nodes; i++) {
		const struct fl_node *a = mesh->by_key[i - 1], *b = mesh->by_key[i];
		unsigned int a_line = lines[a - mesh->nodes].public_key;
		unsigned int b_line = lines[b - mesh->nodes].public_key;

		if (a_line && b_line && !fl_key_cmp(&a->public_key, &b->public_key))
			fl_conf_error(
				errors, b_line, "PublicKey",
				"node \"%s\" has the key of node \"%s\" (line %u); make a key "
				"for each with `fairlead mesh genkey`",
				b->name, a->name, a_line);
	}
}

static int cmp_claim(const void *a, const void *b)
{
	const struct fl_claim *x = a, *y = b;
	int diff = fl_prefix_cmp(&x->prefix, &y->prefix);

	return diff ? diff : (x->line > y->line) - (x->line < y->line);
}

static const char *claim_key(const struct fl_claim *c)
{
	return c->pod ? "PodCIDR" : "Address";
}

static void clash(const struct fl_mesh *mesh, const struct fl_claim *a, const struct fl_claim *b,
		  struct fl_conf_errors *errors)
{
	const struct fl_claim *first = a->line <= b->line ? a : b;
	const struct fl_claim *later = first == a ? b : a;
	char s[FL_PREFIX_STR], t[FL_PREFIX_STR];

	fl_prefix_format(&first->prefix, s);
	fl_prefix_format(&later->prefix, t);
	if (first->node != later->node)
		fl_conf_error(errors, later->line, claim_key(later),
			      "%s %s %s of node \"%s\" (line %u); no two nodes can share addresses",
			      t, strcmp(s, t) ? "overlaps" : "is also", s,
			      mesh->nodes[first->node].name, first->line);
	else
		fl_conf_error(errors, later->line, claim_key(later),
			      "%s is given twice (first in line %u); keep one of them", t,
			      first->line);
}

/*
 * Sorted by address, then length, what holds a prefix comes before it, and prefixes nest or are
 * disjoint. So the claims around the current one are a stack, and parent links are that stack.
 */
static void check_claims(struct fl_mesh *mesh, struct fl_conf_errors *errors)
{
	unsigned int around = FL_NO_PARENT;

	if (mesh->n_claims)
		qsort(mesh->claims, mesh->n_claims, sizeof(*mesh->claims), cmp_claim);
	for (size_t i = 0; i < mesh->n_claims; i++) {
		struct fl_claim *c = &mesh->claims[i];
		unsigned int up;

		while (around != FL_NO_PARENT &&
		       !fl_prefix_contains(&mesh->claims[around].prefix, &c->prefix))
			around = mesh->claims[around].parent;
		c->parent = around;
		around = i;
		for (up = c->parent; up != FL_NO_PARENT; up = mesh->claims[up].parent) {
			const struct fl_claim *outer = &mesh->claims[up];

			/* A node's own address may lie in its own pod range. */
			if (outer->node == c->node && fl_prefix_cmp(&outer->prefix, &c->prefix))
				continue;
			clash(mesh, outer, c, errors);
			break;
		}
	}
}

struct place {
	const struct fl_node *node;
	const struct fl_endpoint *ep;
};

static int cmp_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	const struct fl_prefix px = fl_prefix_of(&x->ep->addr), py = fl_prefix_of(&y->ep->addr);
	int diff = fl_prefix_cmp(&px, &py);

	if (!diff)
		diff = (int)x->ep->port - (int)y->ep->port;
	return diff ? diff : (x->ep->line > y->ep->line) - (x->ep->line < y->ep->line);
}

static void check_endpoints(struct fl_mesh *mesh, struct fl_conf_errors *errors)
{
	struct place *places;
	size_t n = 0;

	for (size_t i = 0; i < mesh->n_nodes; i++)
		n += mesh->nodes[i].n_endpoints;
	places = fl_zalloc(n * sizeof(*places));
	n = 0;
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		const struct fl_node *node = &mesh->nodes[i];

		for (size_t j = 0; j < node->n_endpoints; j++) {
			const struct fl_endpoint *ep = &node->endpoints[j];
			const struct fl_claim *c;
			struct fl_prefix addr;

			if (ep->addr.ss_family == AF_UNSPEC)
				continue;
			places[n++] = (struct place){ node, ep };
			addr = fl_prefix_of(&ep->addr);
			c = fl_mesh_owner(mesh, &addr);
			if (c) {
				char s[FL_PREFIX_STR];

				fl_conf_error(
					errors, ep->line, "Endpoint",
					"%s lies in %s, %s of node \"%s\" (line %u), so the "
					"tunnel would swallow itself; write an address of the "
					"network below",
					ep->host, fl_prefix_format(&c->prefix, s), claim_key(c),
					mesh->nodes[c->node].name, c->line);
			}
		}
	}
	if (n)
		qsort(places, n, sizeof(*places), cmp_place);
	for (size_t i = 1; i < n; i++) {
		const struct place *a = &places[i - 1], *b = &places[i];
		char s[FL_SOCKADDR_STR];

		if (fl_sockaddr_eq(&a->ep->addr, &b->ep->addr))
			fl_conf_error(errors, b->ep->line, "Endpoint",
				      "%s is also an endpoint of node \"%s\" (line %u); each node "
				      "has its own",
				      fl_sockaddr_format(&b->ep->addr, s), a->node->name,
				      a->ep->line);
		else if (fl_sockaddr_same_addr(&a->ep->addr, &b->ep->addr) &&
			 b->ep->port < a->ep->port + a->node->lanes)
			fl_conf_error(
				errors, b->ep->line, "Endpoint",
				"%s is the port of a lane of node \"%s\" (line %u), which has "
				"%u ports from %u on; leave %u ports between them",
				fl_sockaddr_format(&b->ep->addr, s), a->node->name, a->ep->line,
				a->node->lanes, a->ep->port, a->node->lanes);
	}
	free(places);
}

void fl_mesh_check(struct fl_mesh *mesh, const struct fl_node_lines *lines,
		   struct fl_conf_errors *errors)
{
	if (!mesh->n_nodes)
		return;
	check_names(mesh, errors);
	check_keys(mesh, lines, errors);
	check_claims(mesh, errors);
	check_endpoints(mesh, errors);
}
