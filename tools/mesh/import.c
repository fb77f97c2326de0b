// SPDX-License-Identifier: GPL-2.0
#include "import.h"

#include "../lib/cli.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "mesh.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/*
 * The files are read line by line and not with libinih, which cuts lines of more than 200
 * characters and does not say where one [Peer] ends and the next begins.
 */

#define FILE_MAX (16 << 20)

struct node {
	char *name;	     /* NULL: not known yet */
	bool mine;	     /* has a file of its own */
	unsigned int number; /* in the order of the files or, without one, as they were seen */
	struct fl_key key;
	struct fl_prefix *addresses, *pods;
	size_t n_addresses, n_pods;
	char **endpoints; /* host, brackets and all, without a port that follows from the mesh's */
	unsigned int *ports;
	size_t n_endpoints;
	unsigned int listen_port, mtu, keepalive; /* 0: not given */
};

struct fl_import {
	struct node **nodes; /* sorted by key */
	size_t n_nodes;
	unsigned int files;

	/* of the file being read */
	const char *path;
	unsigned int line;
	int errors;
	enum { NOWHERE, INTERFACE, PEER } section;
	struct node self; /* until its key is known */
	bool self_key;
	struct node *peer; /* NULL: no PublicKey yet */
	char *comment;	   /* the last one: may be the name of the next peer */
	unsigned int peer_line;
	struct node pending; /* what a [Peer] said before its PublicKey */
	unsigned int warned; /* bits: which keys without a place were said */
};

static void error(struct fl_import *im, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void error(struct fl_import *im, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = fl_vasprintf(fmt, ap);
	va_end(ap);
	fl_err("%s:%u: %s", im->path, im->line, text);
	free(text);
	im->errors++;
}

/* Text of the file in a message, without bytes that would drive a terminal. */
static const char *quote(const char *text)
{
	static char out[72];
	size_t n = 0;

	for (; *text && n < sizeof(out) - 4; text++)
		out[n++] = *text < 0x20 || *text >= 0x7f ? '?' : *text;
	strcpy(out + n, *text ? "..." : "");
	return out;
}

static void free_node(struct node *n)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		free(n->endpoints[i]);
	free(n->endpoints);
	free(n->ports);
	free(n->addresses);
	free(n->pods);
	free(n->name);
	*n = (struct node){ 0 };
}

struct fl_import *fl_import_new(void)
{
	return fl_zalloc(sizeof(struct fl_import));
}

void fl_import_free(struct fl_import *im)
{
	for (size_t i = 0; im && i < im->n_nodes; i++) {
		free_node(im->nodes[i]);
		free(im->nodes[i]);
	}
	if (im)
		free(im->nodes);
	free(im);
}

/* ---- collecting ---- */

/* The node with this key, made if there is none. */
static struct node *node_of(struct fl_import *im, const struct fl_key *key)
{
	size_t lo = 0, hi = im->n_nodes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int diff = fl_key_cmp(&im->nodes[mid]->key, key);

		if (!diff)
			return im->nodes[mid];
		if (diff < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!(im->n_nodes & (im->n_nodes - 1)))
		im->nodes = fl_realloc(im->nodes, im->n_nodes ? 2 * im->n_nodes : 1,
				       sizeof(struct node *));
	memmove(im->nodes + lo + 1, im->nodes + lo, (im->n_nodes - lo) * sizeof(struct node *));
	im->nodes[lo] = fl_zalloc(sizeof(struct node));
	im->nodes[lo]->key = *key;
	im->nodes[lo]->number = im->n_nodes++;
	return im->nodes[lo];
}

static void add_prefix(struct fl_prefix **list, size_t *n, const struct fl_prefix *p)
{
	for (size_t i = 0; i < *n; i++)
		if (!fl_prefix_cmp(&(*list)[i], p))
			return;
	*list = fl_realloc(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = *p;
}

static void add_endpoint(struct node *n, const char *host, unsigned int port)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		if (!strcmp(n->endpoints[i], host) && n->ports[i] == port)
			return;
	n->endpoints = fl_realloc(n->endpoints, n->n_endpoints + 1, sizeof(char *));
	n->ports = fl_realloc(n->ports, n->n_endpoints + 1, sizeof(*n->ports));
	n->endpoints[n->n_endpoints] = fl_strdup(host);
	n->ports[n->n_endpoints++] = port;
}

/* What was said of a node, to what is known of it. */
static void merge(struct node *to, const struct node *from)
{
	for (size_t i = 0; i < from->n_addresses; i++)
		add_prefix(&to->addresses, &to->n_addresses, &from->addresses[i]);
	for (size_t i = 0; i < from->n_pods; i++)
		add_prefix(&to->pods, &to->n_pods, &from->pods[i]);
	for (size_t i = 0; i < from->n_endpoints; i++)
		add_endpoint(to, from->endpoints[i], from->ports[i]);
	if (from->listen_port)
		to->listen_port = from->listen_port;
	if (from->mtu)
		to->mtu = from->mtu;
	if (from->keepalive && (!to->keepalive || from->keepalive < to->keepalive))
		to->keepalive = from->keepalive;
	if (from->name && !to->name)
		to->name = fl_strdup(from->name);
}

/* ---- values ---- */

static bool get_number(const char *text, unsigned int max, unsigned int *val)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || v > max)
		return false;
	*val = v;
	return true;
}

static bool get_key(struct fl_import *im, const char *name, const char *text, struct fl_key *key)
{
	if (fl_key_parse(key, text) && !fl_key_is_zero(key))
		return true;
	/* Not the text itself, which may be a private key with one character too few. */
	error(im, "%s: not a key: 44 characters of base64", name);
	return false;
}

/* Each item of a list, without the white space around it. */
static void each(struct fl_import *im, char *text, void (*take)(struct fl_import *im, char *item))
{
	for (char *item = text, *next; item; item = next) {
		char *end;

		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		while (isspace((unsigned char)*item))
			item++;
		end = item + strlen(item);
		while (end > item && isspace((unsigned char)end[-1]))
			*--end = '\0';
		/* wg-quick allows an empty list. */
		if (*item)
			take(im, item);
	}
}

static void take_address(struct fl_import *im, char *item)
{
	struct fl_prefix p;

	if (!fl_prefix_parse(&p, item)) {
		error(im, "Address: '%s' is not an address", quote(item));
		return;
	}
	/* The length is that of the network, which routes say in a mesh. */
	p.len = fl_prefix_bits(&p);
	add_prefix(&im->self.addresses, &im->self.n_addresses, &p);
}

static void take_allowed(struct fl_import *im, char *item)
{
	struct fl_prefix p;

	/* The kernel's newer "+" and "-", as wg(8) writes them, have no place in a file. */
	if (!fl_prefix_parse(&p, item)) {
		error(im, "AllowedIPs: '%s' is not an address with a prefix length", quote(item));
		return;
	}
	if (!p.len) {
		error(im,
		      "AllowedIPs: '%s' sends everything to this peer, and in a mesh a node "
		      "gets what is its own; write the ranges behind it",
		      quote(item));
		return;
	}
	fl_prefix_mask(&p);
	add_prefix(&im->pending.pods, &im->pending.n_pods, &p);
}

static void take_endpoint(struct fl_import *im, char *text)
{
	char *colon = strrchr(text, ':');
	unsigned int port;

	if (!colon || colon == text || !get_number(colon + 1, 65535, &port) || !port ||
	    (*text != '[' && strchr(text, ':') != colon)) {
		error(im, "Endpoint: '%s' is not an endpoint; write HOST:PORT or [IPv6]:PORT",
		      quote(text));
		return;
	}
	*colon = '\0';
	/* It goes into the mesh file as it is. */
	if (strcspn(text, " \t,#;\"=") != strlen(text)) {
		error(im, "Endpoint: '%s' is neither an address nor a host name", quote(text));
		return;
	}
	add_endpoint(&im->pending, text, port);
}

/* ---- keys ---- */

static const struct {
	const char *name, *why;
} no_place[] = {
	{ "PresharedKey", "keys do not belong in a mesh file; see PresharedKeys in mesh.conf(5)" },
	{ "DNS", "a mesh sets no name servers" },
	{ "Table", "routes are made in the main table" },
	{ "FwMark", "a mesh sets no mark" },
	{ "SaveConfig", "nothing is ever written to a mesh file" },
	{ "PreUp", "no commands are run" },
	{ "PostUp", "no commands are run" },
	{ "PreDown", "no commands are run" },
	{ "PostDown", "no commands are run" },
};

static bool is_no_place(struct fl_import *im, const char *name)
{
	for (unsigned int i = 0; i < sizeof(no_place) / sizeof(no_place[0]); i++) {
		if (strcasecmp(name, no_place[i].name) != 0)
			continue;
		if (!(im->warned & 1U << i))
			fl_warn("%s:%u: %s is left out: %s", im->path, im->line, no_place[i].name,
				no_place[i].why);
		im->warned |= 1U << i;
		return true;
	}
	return false;
}

static void interface_key(struct fl_import *im, const char *name, char *value)
{
	struct fl_key *private_key;

	if (!strcasecmp(name, "PrivateKey")) {
		private_key = fl_key_new();
		if (get_key(im, "PrivateKey", value, private_key)) {
			fl_key_public(&im->self.key, private_key);
			im->self_key = true;
		}
		fl_key_free(private_key);
	} else if (!strcasecmp(name, "Address")) {
		each(im, value, take_address);
	} else if (!strcasecmp(name, "ListenPort")) {
		if (!get_number(value, 65535, &im->self.listen_port))
			error(im, "ListenPort: '%s' is not a port", quote(value));
	} else if (!strcasecmp(name, "MTU")) {
		if (!get_number(value, FL_MTU_MAX, &im->self.mtu) || im->self.mtu < FL_MTU_MIN_V4)
			error(im, "MTU: '%s' is not an MTU; write %u to %u, or take it out",
			      quote(value), FL_MTU_MIN_V4, FL_MTU_MAX);
	} else if (!is_no_place(im, name)) {
		error(im, "'%s': unknown key of [Interface]", quote(name));
	}
}

static void peer_key(struct fl_import *im, const char *name, char *value)
{
	unsigned int seconds = 0;
	struct fl_key key;

	if (!strcasecmp(name, "PublicKey")) {
		if (im->peer)
			error(im, "PublicKey: given again in one [Peer]");
		else if (get_key(im, "PublicKey", value, &key))
			im->peer = node_of(im, &key);
	} else if (!strcasecmp(name, "AllowedIPs")) {
		each(im, value, take_allowed);
	} else if (!strcasecmp(name, "Endpoint")) {
		take_endpoint(im, value);
	} else if (!strcasecmp(name, "PersistentKeepalive")) {
		if (strcasecmp(value, "off") != 0 && !get_number(value, 65535, &seconds))
			error(im, "PersistentKeepalive: '%s' is not a time", quote(value));
		/* Whose file it is wants to be kept reachable. */
		if (seconds && (!im->self.keepalive || seconds < im->self.keepalive))
			im->self.keepalive = seconds;
	} else if (!is_no_place(im, name)) {
		error(im, "'%s': unknown key of [Peer]", quote(name));
	}
}

/* ---- sections and lines ---- */

static void end_peer(struct fl_import *im)
{
	if (im->section == PEER && im->peer)
		merge(im->peer, &im->pending);
	else if (im->section == PEER) {
		im->line = im->peer_line;
		error(im, "[Peer]: has no PublicKey");
	}
	free_node(&im->pending);
	im->peer = NULL;
}

static bool valid_name(const char *name)
{
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n && n <= FL_MESH_NAME_MAX && !name[n];
}

/* "# worker-2" before or behind [Peer]; "# PublicKey = KEY" in an [Interface] without PrivateKey. */
static void take_comment(struct fl_import *im, char *text)
{
	char *value = strchr(text, '=');
	struct fl_key key;

	while (isspace((unsigned char)*text))
		text++;
	if (im->section == INTERFACE && !strncasecmp(text, "PublicKey", 9) && value) {
		value++;
		while (isspace((unsigned char)*value))
			value++;
		if (!im->self_key && fl_key_parse(&key, value)) {
			im->self.key = key;
			im->self_key = true;
		}
		return;
	}
	free(im->comment);
	im->comment = valid_name(text) ? fl_strdup(text) : NULL;
	if (im->section == PEER && im->line == im->peer_line + 1 && im->comment) {
		free(im->pending.name);
		im->pending.name = im->comment;
		im->comment = NULL;
	}
}

static void take_section(struct fl_import *im, const char *text)
{
	unsigned int line = im->line;

	end_peer(im);
	im->line = line;
	if (!strcasecmp(text, "[Interface]")) {
		im->section = INTERFACE;
	} else if (!strcasecmp(text, "[Peer]")) {
		im->section = PEER;
		im->peer_line = line;
		im->pending.name = im->comment;
		im->comment = NULL;
	} else {
		error(im, "'%s': not a section of wg-quick(8); there are [Interface] and [Peer]",
		      quote(text));
		im->section = NOWHERE;
	}
}

static void take_line(struct fl_import *im, char *text)
{
	char *comment = strchr(text, '#'), *end, *value;

	if (comment)
		*comment++ = '\0';
	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	if (!*text) {
		if (comment) {
			end = comment + strlen(comment);
			while (end > comment && isspace((unsigned char)end[-1]))
				*--end = '\0';
			take_comment(im, comment);
		}
		return;
	}
	if (*text == '[') {
		take_section(im, text);
		return;
	}
	free(im->comment);
	im->comment = NULL;
	value = strchr(text, '=');
	if (!value || value == text) {
		error(im, "neither a section nor KEY = VALUE");
		return;
	}
	end = value;
	*value++ = '\0';
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*value))
		value++;
	if (im->section == INTERFACE)
		interface_key(im, text, value);
	else if (im->section == PEER)
		peer_key(im, text, value);
	else
		error(im, "'%s': stands before [Interface] or [Peer]", quote(text));
}

/* "DIR/worker-1.conf": worker-1; or what stands before '=' in NAME=FILE. */
static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t n = strlen(base);

	if (n > 5 && !strcmp(base + n - 5, ".conf"))
		n -= 5;
	return fl_asprintf("%.*s", (int)n, base);
}

static void end_file(struct fl_import *im, char *name)
{
	struct node *n;

	im->line = 1;
	if (!valid_name(name)) {
		error(im,
		      "'%s' is no name for a node; a name has 1 to 63 characters of A-Z a-z "
		      "0-9 . _ -; say NAME=FILE",
		      quote(name));
	} else if (!im->self_key) {
		if (!im->errors)
			error(im, "[Interface]: without PrivateKey it is not known whose file this "
				  "is; put a line in it: # PublicKey = KEY");
	} else {
		n = node_of(im, &im->self.key);
		if (n->mine)
			error(im, "has the key of node \"%s\"; each node has its own", n->name);
		free(n->name);
		n->name = fl_strdup(name);
		n->mine = true;
		n->number = im->files++;
		merge(n, &im->self);
	}
}

static int add_named(struct fl_import *im, char *name, const char *path, const char *text,
		     size_t len)
{
	const char *end = text + len;

	im->path = path;
	im->line = 0;
	im->errors = 0;
	im->warned = 0;
	im->section = NOWHERE;
	im->self = (struct node){ 0 };
	im->self_key = false;
	while (text < end) {
		const char *newline = memchr(text, '\n', end - text);
		size_t n = (newline ? newline : end) - text;
		char *line = fl_zalloc(n + 1);

		memcpy(line, text, n);
		im->line++;
		if (memchr(line, '\0', n))
			error(im, "holds a NUL byte");
		else
			take_line(im, line);
		/* It may have held a private key. */
		explicit_bzero(line, n);
		free(line);
		text += n + 1;
	}
	end_peer(im);
	free(im->comment);
	im->comment = NULL;
	end_file(im, name);
	free_node(&im->self);
	return im->errors ? -1 : 0;
}

int fl_import_add(struct fl_import *im, const char *path, const char *text, size_t len)
{
	char *name = name_of(path);
	int err = add_named(im, name, path, text, len);

	free(name);
	return err;
}

/* ---- the mesh file ---- */

/* The port that most nodes listen on. */
static unsigned int common_port(const struct fl_import *im)
{
	unsigned int *count = fl_zalloc(65536 * sizeof(*count)), best = FL_MESH_PORT;

	for (size_t i = 0; i < im->n_nodes; i++)
		if (im->nodes[i]->listen_port)
			count[im->nodes[i]->listen_port]++;
	for (unsigned int port = 1; port < 65536; port++)
		if (count[port] > count[best])
			best = port;
	free(count);
	return best;
}

static int cmp_number(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->mine != y->mine)
		return x->mine ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* What others send to a node, and is not its address, is behind it. Of one that has no file, what
 * is a single address is its own. */
static void print_prefixes(FILE *f, const struct node *n)
{
	char s[FL_PREFIX_STR];
	size_t addresses = 0, pods = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; !pass && i < n->n_addresses; i++)
			fprintf(f, "Address   = %s\n", fl_prefix_format(&n->addresses[i], s));
		addresses += pass ? 0 : n->n_addresses;
		for (size_t i = 0; i < n->n_pods; i++) {
			const struct fl_prefix *p = &n->pods[i];
			bool own = false;

			for (size_t j = 0; j < n->n_addresses; j++)
				own |= !fl_prefix_cmp(&n->addresses[j], p);
			if (own)
				continue;
			if (!n->mine && fl_prefix_is_host(p)) {
				if (!pass && ++addresses)
					fprintf(f, "Address   = %s\n", fl_prefix_format(p, s));
			} else if (pass && ++pods) {
				fprintf(f, "PodCIDR   = %s\n", fl_prefix_format(p, s));
			}
		}
	}
}

static void print_node(FILE *f, const struct node *n, unsigned int port, unsigned int *unnamed)
{
	char key[FL_KEY_BASE64];

	fl_key_format(&n->key, key);
	if (n->name)
		fprintf(f, "\n[Node \"%s\"]\n", n->name);
	else
		fprintf(f, "\n# no file has its name\n[Node \"peer-%u\"]\n", ++*unnamed);
	fprintf(f, "PublicKey = %s\n", key);
	for (size_t i = 0; i < n->n_endpoints; i++) {
		unsigned int p = n->ports[i];

		/* It will listen on the mesh's port. One that is forwarded to it stays. */
		fprintf(f, "Endpoint  = %s", n->endpoints[i]);
		if (p != port && p != n->listen_port)
			fprintf(f, ":%u", p);
		fputc('\n', f);
	}
	print_prefixes(f, n);
	if (n->keepalive)
		fprintf(f, "PersistentKeepalive = %u\n", n->keepalive);
	if (n->mtu)
		fprintf(f, "MTU       = %u\n", n->mtu);
}

char *fl_import_text(struct fl_import *im)
{
	unsigned int port = common_port(im), unnamed = 0;
	struct node **sorted = fl_zalloc(im->n_nodes * sizeof(struct node *));
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		exit(fl_fail("out of memory"));
	if (im->n_nodes)
		memcpy(sorted, im->nodes, im->n_nodes * sizeof(struct node *));
	if (im->n_nodes)
		qsort(sorted, im->n_nodes, sizeof(struct node *), cmp_number);
	fprintf(f, "[Mesh]\nListenPort = %u\n", port);
	for (size_t i = 0; i < im->n_nodes; i++) {
		const struct node *n = sorted[i];

		if (n->mine && n->listen_port && n->listen_port != port)
			fl_warn("node \"%s\" listened on port %u and will listen on %u as the "
				"others do: open it in its firewall",
				n->name, n->listen_port, port);
		print_node(f, n, port, &unnamed);
	}
	fclose(f);
	free(sorted);
	return text;
}

int fl_mesh_import(int argc, char **argv)
{
	struct fl_import *im = fl_import_new();
	struct fl_mesh *mesh;
	int status = FL_OK;
	char *out;

	if (fl_json) {
		fl_import_free(im);
		return fl_usage("mesh import: it prints a mesh file, so no --json");
	}
	for (int i = 0; i < argc; i++) {
		char *equals = strchr(argv[i], '='), *path = argv[i], *name, *text;
		size_t len;
		int err;

		/* A directory may have one in its name. */
		if (equals && memchr(argv[i], '/', equals - argv[i]))
			equals = NULL;
		if (equals)
			path = equals + 1;
		err = fl_file_read(path, FILE_MAX, &text, &len);
		if (err) {
			status = fl_fail("%s: cannot read: %s", path, strerror(-err));
			continue;
		}
		name = equals ? fl_asprintf("%.*s", (int)(equals - argv[i]), argv[i]) :
				name_of(path);
		if (add_named(im, name, path, text, len))
			status = FL_FAILED;
		explicit_bzero(text, len);
		free(text);
		free(name);
	}
	if (!status) {
		out = fl_import_text(im);
		fputs(out, stdout);
		/* What wg-quick allows and a mesh does not, such as one range for two nodes. */
		mesh = fl_mesh_parse("standard output", out, strlen(out));
		if (!mesh)
			status = fl_fail("the mesh file needs these repairs before it can be used");
		fl_mesh_free(mesh);
		free(out);
	}
	fl_import_free(im);
	return status;
}
