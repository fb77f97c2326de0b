// SPDX-License-Identifier: GPL-2.0
#include "conf.h"

#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 10,000 nodes with everything they can have are under 4 MB. */
#define FILE_MAX (64 << 20)

enum section { SEC_NONE, SEC_MESH, SEC_NODE, SEC_UNKNOWN };

enum key {
	KEY_NAME,
	KEY_LISTEN_PORT,
	KEY_LANES,
	KEY_MTU,
	KEY_STRICT,
	KEY_PSKS,
	KEY_PUBLIC_KEY,
	KEY_ENDPOINT,
	KEY_ADDRESS,
	KEY_POD_CIDR,
	KEY_KEEPALIVE,
	KEY_NODE_MTU,
	KEY_NODE_LANES,
	KEY_CPUS,
	N_KEYS,
};

struct fl_conf_errors {
	struct conf_error {
		unsigned int line;
		unsigned int seq; /* keeps the order of errors of one line */
		char *text;
	} * list;
	size_t n;
};

struct parser {
	struct fl_mesh *mesh;
	struct fl_conf_errors errors;

	const char *pos, *end; /* what has not been read */
	unsigned int line;     /* number of the line that was read last */
	bool pending;	       /* libinih has that line and did not call back yet */

	enum section section;
	unsigned int mesh_line;	   /* of [Mesh], 0: none yet */
	unsigned int seen[N_KEYS]; /* lines of the keys of this section */
	unsigned int mtu_line, port_line;

	struct fl_node_lines *lines; /* a node each */
	size_t room_nodes, room_claims;
};

/* ---- messages ---- */

/* Text of the file in a message: short, and without bytes that would drive a terminal. */
struct quoted {
	char s[84];
};

static struct quoted quote(const char *text)
{
	struct quoted q;
	size_t n = 0;

	q.s[n++] = '\'';
	while (*text && n < 70) {
		unsigned char c = *text++;

		q.s[n++] = c < 0x20 || c >= 0x7f ? '?' : c;
	}
	strcpy(q.s + n, *text ? "...'" : "'");
	return q;
}

#define Q(text) (quote(text).s)

void fl_conf_error(struct fl_conf_errors *errors, unsigned int line, const char *key,
		   const char *fmt, ...)
{
	struct conf_error *e;
	va_list ap;
	char *what;

	if (!(errors->n & (errors->n - 1)))
		errors->list = fl_realloc(errors->list, errors->n ? 2 * errors->n : 1,
					  sizeof(*errors->list));
	va_start(ap, fmt);
	what = fl_vasprintf(fmt, ap);
	va_end(ap);
	e = &errors->list[errors->n];
	e->line = line;
	e->seq = errors->n++;
	e->text = fl_asprintf("%s: %s", key, what);
	free(what);
}

static int cmp_error(const void *a, const void *b)
{
	const struct conf_error *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->seq < y->seq ? -1 : 1;
}

static void print_errors(const struct fl_mesh *mesh, struct fl_conf_errors *errors)
{
	if (errors->n)
		qsort(errors->list, errors->n, sizeof(*errors->list), cmp_error);
	for (size_t i = 0; i < errors->n; i++) {
		fl_err("%s:%u: %s", mesh->path, errors->list[i].line, errors->list[i].text);
		free(errors->list[i].text);
	}
	free(errors->list);
}

#define ERR(p, key, ...) fl_conf_error(&(p)->errors, (p)->line, key, __VA_ARGS__)

/* ---- values ---- */

static bool parse_uint(const char *text, unsigned int max, unsigned int *val)
{
	unsigned int v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = 10 * v + (*text - '0');
		if (v > max)
			return false;
	}
	*val = v;
	return true;
}

static bool valid_name(const char *name)
{
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n && n <= FL_MESH_NAME_MAX && !name[n];
}

#define NAME_RULE "a name has 1 to 63 characters of A-Z a-z 0-9 . _ -"

static struct fl_node *node(struct parser *p)
{
	return &p->mesh->nodes[p->mesh->n_nodes - 1];
}

static void set_name(struct parser *p, const char *key, const char *text)
{
	if (!valid_name(text)) {
		ERR(p, key, "%s is not a name; " NAME_RULE, Q(text));
		return;
	}
	free(p->mesh->name);
	p->mesh->name = fl_strdup(text);
}

static void set_listen_port(struct parser *p, const char *key, const char *text)
{
	unsigned int val;

	if (!parse_uint(text, 65535, &val) || !val)
		ERR(p, key, "%s is not a port; write a number from 1 to 65535", Q(text));
	else
		p->mesh->listen_port = val;
	p->port_line = p->line;
}

static void set_lanes(struct parser *p, const char *key, const char *text)
{
	unsigned int val = 0;

	if (strcasecmp(text, "auto") != 0 && (!parse_uint(text, FL_MESH_LANES, &val) || !val))
		ERR(p, key, "%s is not a number of lanes; write 1 to 16, or auto", Q(text));
	else
		p->mesh->lanes = val;
}

static void set_node_lanes(struct parser *p, const char *key, const char *text)
{
	unsigned int val;

	if (!parse_uint(text, FL_MESH_LANES, &val) || !val)
		ERR(p, key, "%s is not a number of lanes; write 1 to 16", Q(text));
	else
		node(p)->lanes = val;
}

static void set_cpus(struct parser *p, const char *key, const char *text)
{
	unsigned int val;

	if (!parse_uint(text, 65536, &val) || !val)
		ERR(p, key, "%s is not a number of CPUs; write what nproc prints on the node",
		    Q(text));
	else
		node(p)->cpus = val;
}

static void set_node_mtu(struct parser *p, const char *key, const char *text)
{
	unsigned int val;

	if (!parse_uint(text, FL_MTU_MAX, &val) || val < FL_MTU_MIN_V4)
		ERR(p, key, "%s is not a usable MTU; write %u to %u", Q(text), FL_MTU_MIN_V4,
		    FL_MTU_MAX);
	else
		node(p)->mtu = val;
}

static void set_mtu(struct parser *p, const char *key, const char *text)
{
	unsigned int val = 0;

	if (strcasecmp(text, "auto") != 0 &&
	    (!parse_uint(text, FL_MTU_MAX, &val) || val < FL_MTU_MIN_V4))
		ERR(p, key, "%s is not a usable MTU; write %u to %u, or auto", Q(text),
		    FL_MTU_MIN_V4, FL_MTU_MAX);
	else
		p->mesh->mtu = val;
	p->mtu_line = p->line;
}

static void set_strict(struct parser *p, const char *key, const char *text)
{
	if (!strcasecmp(text, "yes"))
		p->mesh->strict = true;
	else if (!strcasecmp(text, "no"))
		p->mesh->strict = false;
	else
		ERR(p, key, "%s is neither yes nor no", Q(text));
}

static void set_psks(struct parser *p, const char *key, const char *text)
{
	static const char *const modes[] = { "off", "files", "derived" };

	for (unsigned int i = 0; i < 3; i++)
		if (!strcasecmp(text, modes[i])) {
			p->mesh->psks = i;
			return;
		}
	ERR(p, key, "%s is none of off, files, derived (a key itself never stands in this file)",
	    Q(text));
}

static void set_public_key(struct parser *p, const char *key, const char *text)
{
	struct fl_key *k = &node(p)->public_key;

	if (!fl_key_parse(k, text)) {
		ERR(p, key,
		    "%s is not a key; write the 44 characters that `fairlead mesh pubkey` prints",
		    Q(text));
		return;
	}
	if (fl_key_is_low_order(k))
		ERR(p, key,
		    "this key is %s and protects nothing; write what `fairlead mesh pubkey` prints",
		    fl_key_is_zero(k) ? "zero" : "a point of small order");
	else
		p->lines[p->mesh->n_nodes - 1].public_key = p->line;
}

/* RFC 1123 2.1, with the underscore that real zones have. A last label of digits only is no name
 * but an address that was mistyped. */
static bool valid_host(const char *host)
{
	size_t label = 0;
	bool digits = true;

	if (!*host || strlen(host) > 253)
		return false;
	for (const char *s = host; *s; s++) {
		if (*s == '.') {
			if (!label || s[-1] == '-')
				return false;
			if (!s[1])
				break;
			label = 0;
			digits = true;
			continue;
		}
		if (!isalnum((unsigned char)*s) && *s != '_' && (*s != '-' || !label))
			return false;
		digits = digits && isdigit((unsigned char)*s);
		if (++label > 63)
			return false;
	}
	return !digits && host[strlen(host) - 1] != '-';
}

static void add_endpoint(struct parser *p, const char *key, const char *text)
{
	struct fl_node *n = node(p);
	struct fl_endpoint ep = { 0 };
	char host[256];
	const char *end, *port = NULL;
	const char *why;
	unsigned int val = 0; /* 0: ListenPort, known at the end of the file */
	struct fl_prefix addr;
	bool bracket = *text == '[';

	if (bracket) {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':')) {
			ERR(p, key, "%s is not an endpoint; write [IPv6 address]:port",
			    Q(text - 1));
			return;
		}
		if (end[1])
			port = end + 2;
	} else {
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':')) {
			ERR(p, key,
			    "%s: an IPv6 endpoint needs brackets, since its port follows a colon; "
			    "write [ADDRESS] or [ADDRESS]:PORT",
			    Q(text));
			return;
		}
		if (end)
			port = end + 1;
		else
			end = text + strlen(text);
	}
	if (port && (!parse_uint(port, 65535, &val) || !val)) {
		ERR(p, key, "%s is not a port; write a number from 1 to 65535", Q(port));
		return;
	}
	if ((size_t)(end - text) >= sizeof(host)) {
		ERR(p, key, "a host name has at most 253 characters");
		return;
	}
	memcpy(host, text, end - text);
	host[end - text] = '\0';

	if (!strchr(host, '/') && fl_prefix_parse(&addr, host) &&
	    bracket == (addr.family == AF_INET6)) {
		why = fl_prefix_unusable(&addr);
		if (why) {
			ERR(p, key, "%s %s; write an address that other nodes can reach", host,
			    why);
			return;
		}
		ep.addr.ss_family = addr.family;
		if (addr.family == AF_INET)
			((struct sockaddr_in *)&ep.addr)->sin_addr = addr.v4;
		else
			((struct sockaddr_in6 *)&ep.addr)->sin6_addr = addr.v6;
	} else if (bracket || !valid_host(host)) {
		ERR(p, key, "%s is neither an %s", Q(host),
		    bracket ? "IPv6 address nor anything else that belongs in brackets" :
			      "address nor a host name");
		return;
	}
	ep.host = fl_strdup(host);
	ep.port = val;
	ep.line = p->line;
	n->endpoints = fl_realloc(n->endpoints, n->n_endpoints + 1, sizeof(ep));
	n->endpoints[n->n_endpoints++] = ep;
}

static void claim(struct parser *p, const struct fl_prefix *prefix, unsigned int n,
		  unsigned int line, bool pod)
{
	struct fl_mesh *mesh = p->mesh;

	if (mesh->n_claims == p->room_claims) {
		p->room_claims = p->room_claims ? 2 * p->room_claims : 16;
		mesh->claims = fl_realloc(mesh->claims, p->room_claims, sizeof(*mesh->claims));
	}
	mesh->claims[mesh->n_claims++] = (struct fl_claim){
		.prefix = *prefix,
		.node = n,
		.line = line,
		.parent = FL_NO_PARENT,
		.pod = pod,
	};
}

static bool parse_prefix(struct parser *p, const char *key, const char *text,
			 struct fl_prefix *prefix, const char *example)
{
	const char *why;

	if (!fl_prefix_parse(prefix, text)) {
		ERR(p, key, "%s is not an address%s; write one like %s", Q(text),
		    strchr(text, '/') ? " with a prefix length" : "", example);
		return false;
	}
	/* The length matters: 0.0.0.0/0 and ::/0 have a remedy of their own. */
	why = prefix->len ? fl_prefix_unusable(prefix) : NULL;
	if (why)
		ERR(p, key, "%s %s; write one like %s", Q(text), why, example);
	return !why;
}

static void add_address(struct parser *p, const char *key, const char *text)
{
	struct fl_node *n = node(p);
	struct fl_prefix prefix;
	char s[FL_PREFIX_STR];

	if (!parse_prefix(p, key, text, &prefix, "10.200.0.11 or fd00:200::11"))
		return;
	if (!fl_prefix_is_host(&prefix)) {
		prefix.len = fl_prefix_bits(&prefix);
		ERR(p, key, "%s is more than one address; write %s (pods have PodCIDR)", Q(text),
		    fl_prefix_format(&prefix, s));
		return;
	}
	n->addresses = fl_realloc(n->addresses, n->n_addresses + 1, sizeof(prefix));
	n->addresses[n->n_addresses++] = prefix;
	claim(p, &prefix, p->mesh->n_nodes - 1, p->line, false);
}

static void add_pod_cidr(struct parser *p, const char *key, const char *text)
{
	struct fl_node *n = node(p);
	struct fl_prefix prefix, masked;
	char s[FL_PREFIX_STR];

	if (!parse_prefix(p, key, text, &prefix, "10.244.1.0/24 or fd00:244:1::/64"))
		return;
	if (!prefix.len) {
		ERR(p, key, "%s is every address there is; write the range of this node's pods",
		    Q(text));
		return;
	}
	masked = prefix;
	fl_prefix_mask(&masked);
	if (fl_prefix_cmp(&masked, &prefix)) {
		ERR(p, key, "%s has bits set behind its prefix length; write %s", Q(text),
		    fl_prefix_format(&masked, s));
		return;
	}
	n->pod_cidrs = fl_realloc(n->pod_cidrs, n->n_pod_cidrs + 1, sizeof(prefix));
	n->pod_cidrs[n->n_pod_cidrs++] = prefix;
	claim(p, &prefix, p->mesh->n_nodes - 1, p->line, true);
}

static void set_keepalive(struct parser *p, const char *key, const char *text)
{
	unsigned int val = 0;

	if (strcasecmp(text, "off") != 0 && !parse_uint(text, 65535, &val))
		ERR(p, key, "%s is not a time; write seconds from 1 to 65535, or off", Q(text));
	else
		node(p)->keepalive = val;
}

/* ---- keys and sections ---- */

static const struct key_def {
	const char *name;
	enum section section;
	bool list; /* comma-separated, and may be given again to add to it */
	void (*set)(struct parser *p, const char *key, const char *text);
} keys[N_KEYS] = {
	[KEY_NAME] = { "Name", SEC_MESH, false, set_name },
	[KEY_LISTEN_PORT] = { "ListenPort", SEC_MESH, false, set_listen_port },
	[KEY_LANES] = { "Lanes", SEC_MESH, false, set_lanes },
	[KEY_MTU] = { "MTU", SEC_MESH, false, set_mtu },
	[KEY_STRICT] = { "Strict", SEC_MESH, false, set_strict },
	[KEY_PSKS] = { "PresharedKeys", SEC_MESH, false, set_psks },
	[KEY_PUBLIC_KEY] = { "PublicKey", SEC_NODE, false, set_public_key },
	[KEY_ENDPOINT] = { "Endpoint", SEC_NODE, true, add_endpoint },
	[KEY_ADDRESS] = { "Address", SEC_NODE, true, add_address },
	[KEY_POD_CIDR] = { "PodCIDR", SEC_NODE, true, add_pod_cidr },
	[KEY_KEEPALIVE] = { "PersistentKeepalive", SEC_NODE, false, set_keepalive },
	[KEY_NODE_MTU] = { "MTU", SEC_NODE, false, set_node_mtu },
	[KEY_NODE_LANES] = { "Lanes", SEC_NODE, false, set_node_lanes },
	[KEY_CPUS] = { "CPUs", SEC_NODE, false, set_cpus },
};

/* What wg(8) and wg-quick(8) have and a mesh file has not. */
static const struct {
	const char *name, *remedy;
} foreign_keys[] = {
	{ "AllowedIPs", "a node's allowed IPs are its Address and PodCIDR" },
	{ "PrivateKey", "a mesh file is the same on every node; the key belongs in " FL_NODE_KEY
			", and this one must be replaced if others read the file" },
	{ "PresharedKey", "keys of pairs stand in files of their own, or are derived; write "
			  "PresharedKeys = files or derived in [Mesh]" },
	{ "FwMark", "this version sets no mark" },
	{ "DNS", "a mesh sets no name servers" },
	{ "Table", "routes are made in the main table" },
	{ "SaveConfig", "nothing is ever written to a mesh file" },
	{ "PreUp", "no commands are run" },
	{ "PostUp", "no commands are run" },
	{ "PreDown", "no commands are run" },
	{ "PostDown", "no commands are run" },
};

/* Levenshtein distance without regard to case; anything over 31 characters is far away. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[33], n = strlen(b);

	if (n > 31 || strlen(a) > 31)
		return 99;
	for (unsigned int j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned int i = 1; a[i - 1]; i++) {
		unsigned int diag = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= n; j++) {
			unsigned int up = row[j];
			unsigned int best = diag + (tolower((unsigned char)a[i - 1]) !=
						    tolower((unsigned char)b[j - 1]));

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diag = up;
		}
	}
	return row[n];
}

static void unknown_key(struct parser *p, const char *name)
{
	const struct key_def *best = NULL;
	unsigned int best_d = 4; /* three typing errors */

	for (size_t i = 0; i < sizeof(foreign_keys) / sizeof(foreign_keys[0]); i++) {
		if (!strcasecmp(name, foreign_keys[i].name)) {
			ERR(p, foreign_keys[i].name, "unknown key; %s", foreign_keys[i].remedy);
			return;
		}
	}
	for (size_t i = 0; i < N_KEYS; i++) {
		unsigned int d = distance(name, keys[i].name);

		if (keys[i].section == p->section && d < best_d && d < strlen(keys[i].name)) {
			best = &keys[i];
			best_d = d;
		}
	}
	if (best)
		ERR(p, Q(name), "unknown key; did you mean %s?", best->name);
	else
		ERR(p, Q(name), "unknown key; %s",
		    p->section == SEC_MESH ?
			    "[Mesh] has Name, ListenPort, Lanes, MTU, Strict, PresharedKeys" :
			    "[Node] has PublicKey, Endpoint, Address, PodCIDR, PersistentKeepalive, "
			    "MTU, Lanes, CPUs");
}

/* One item of a list, or the whole value; without the white space around it. */
static void set_list(struct parser *p, const struct key_def *def, char *text)
{
	for (char *item = text; item;) {
		char *next = strchr(item, ',');
		char *end = next ? next : item + strlen(item);

		while (end > item && isspace((unsigned char)end[-1]))
			end--;
		while (item < end && isspace((unsigned char)*item))
			item++;
		*end = '\0';
		if (*item)
			def->set(p, def->name, item);
		else
			ERR(p, def->name, "an item of the list is empty; take the comma away");
		item = next ? next + 1 : NULL;
	}
}

/* libinih's: never returns 0, since it reports no more than the first line that failed. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	const struct key_def *def = NULL;
	unsigned int *seen;
	char *copy;

	(void)section; /* cut at 49 characters, and "" as sections are read by read_line() */
	p->pending = false;
	if (p->section == SEC_UNKNOWN)
		return 1; /* said once, at its head */
	/* Some are in both sections. */
	for (size_t i = 0; i < N_KEYS && (!def || def->section != p->section); i++)
		if (!strcasecmp(name, keys[i].name))
			def = &keys[i];
	if (p->section == SEC_NONE) {
		ERR(p, Q(name),
		    "stands before the first section; begin with [Mesh] or [Node \"NAME\"]");
		return 1;
	}
	if (!def) {
		unknown_key(p, name);
		return 1;
	}
	if (def->section != p->section) {
		ERR(p, def->name, "belongs in %s, not here",
		    def->section == SEC_MESH ? "[Mesh]" : "a [Node]");
		return 1;
	}
	seen = &p->seen[def - keys];
	if (*seen && !def->list) {
		ERR(p, def->name, "given again (first in line %u); keep one of them", *seen);
		return 1;
	}
	*seen = p->line;
	if (!*value) {
		ERR(p, def->name, "has no value; write %s = VALUE or take the line away",
		    def->name);
		return 1;
	}
	if (!def->list) {
		def->set(p, def->name, value);
		return 1;
	}
	copy = fl_strdup(value);
	set_list(p, def, copy);
	free(copy);
	return 1;
}

static void end_section(struct parser *p)
{
	if (p->section == SEC_NODE) {
		if (!p->seen[KEY_PUBLIC_KEY])
			fl_conf_error(&p->errors, node(p)->line, "PublicKey",
				      "missing in [Node \"%s\"]; write what `fairlead mesh pubkey` "
				      "prints on that node",
				      node(p)->name);
		p->lines[p->mesh->n_nodes - 1].address = p->seen[KEY_ADDRESS];
	}
	memset(p->seen, 0, sizeof(p->seen));
}

static void begin_node(struct parser *p, const char *name)
{
	struct fl_mesh *mesh = p->mesh;

	if (mesh->n_nodes == p->room_nodes) {
		p->room_nodes = p->room_nodes ? 2 * p->room_nodes : 16;
		mesh->nodes = fl_realloc(mesh->nodes, p->room_nodes, sizeof(*mesh->nodes));
		p->lines = fl_realloc(p->lines, p->room_nodes, sizeof(*p->lines));
	}
	memset(&p->lines[mesh->n_nodes], 0, sizeof(*p->lines));
	mesh->nodes[mesh->n_nodes++] = (struct fl_node){
		.name = fl_strdup(name),
		.line = p->line,
	};
	if (!valid_name(name))
		ERR(p, "[Node]", "%s is not a name; " NAME_RULE, Q(name));
}

/* text: "[…", white space around it stripped. */
static void begin_section(struct parser *p, char *text)
{
	char *end = text + strlen(text) - 1, *s;
	size_t word;

	end_section(p);
	p->section = SEC_UNKNOWN;
	if (end == text || *end != ']') {
		ERR(p, Q(text), "a section ends with ]; write [Mesh] or [Node \"NAME\"]");
		return;
	}
	*end = '\0';
	s = text + 1 + strspn(text + 1, " \t");
	word = strcspn(s, " \t\"");
	if (word == 4 && !strncasecmp(s, "Mesh", 4) && !s[4 + strspn(s + 4, " \t")]) {
		p->section = SEC_MESH;
		if (p->mesh_line)
			ERR(p, "[Mesh]", "given again (first in line %u); keep one of them",
			    p->mesh_line);
		else
			p->mesh_line = p->line;
	} else if (word == 4 && !strncasecmp(s, "Node", 4)) {
		s += 4 + strspn(s + 4, " \t");
		end = *s == '"' ? strchr(s + 1, '"') : NULL;
		if (!end || end[1 + strspn(end + 1, " \t")]) {
			ERR(p, "[Node]", "its name stands in quotes; write [Node \"NAME\"]");
			return;
		}
		*end = '\0';
		p->section = SEC_NODE;
		begin_node(p, s + 1);
	} else {
		*end = ']';
		ERR(p, Q(text), "unknown section; %s",
		    word == 9 && !strncasecmp(s, "Interface", 9) ?
			    "write [Mesh] for it" :
		    word == 4 && !strncasecmp(s, "Peer", 4) ?
			    "write [Node \"NAME\"] for it" :
			    "there are [Mesh] and [Node \"NAME\"]");
	}
}

static void missing_equals(struct parser *p)
{
	if (p->pending)
		ERR(p, "line", "neither a section nor KEY = VALUE; write # before a comment");
	p->pending = false;
}

/*
 * libinih's reader. It sees every line first, because libinih (as Debian and others build it) cuts
 * lines at 199 and section names at 49 characters without a word to its caller, calls nobody for a
 * section without keys, takes an indented line for more of the value above, knows "#" only at the
 * start of a line, and gives no line numbers. So lines are checked, counted and freed of comments
 * here, sections are read here, and libinih gets the lines with keys, one at a time.
 */
static char *read_line(char *buf, int size, void *stream)
{
	struct parser *p = stream;
	const char *start, *eol, *end;
	size_t len;

	missing_equals(p);
	if (p->pos == p->end || size < 2)
		return NULL;
	p->line++;
	start = p->pos;
	eol = memchr(start, '\n', p->end - start);
	end = eol ? eol : p->end;
	p->pos = eol ? eol + 1 : p->end;

	if (p->line == 1 && end - start >= 3 && !memcmp(start, "\xef\xbb\xbf", 3))
		start += 3;
	if (memchr(start, '\0', end - start)) {
		ERR(p, "line", "holds a NUL byte; a mesh file is text (UTF-8, not UTF-16)");
		p->pos = p->end; /* what follows would only repeat it */
		return strcpy(buf, "\n");
	}
	while (start < end && isspace((unsigned char)*start))
		start++;
	/* A comment, or an inline one: # or ; after white space. */
	for (const char *s = start; s < end; s++) {
		if ((*s == '#' || *s == ';') && (s == start || isspace((unsigned char)s[-1]))) {
			end = s;
			break;
		}
	}
	while (end > start && isspace((unsigned char)end[-1]))
		end--;
	for (const char *s = start; s < end; s++) {
		unsigned char c = *s;

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			ERR(p, "line", "holds the control character 0x%02x; retype the line", c);
			return strcpy(buf, "\n");
		}
	}
	len = end - start;
	if (len + 2 > (size_t)size) {
		ERR(p, "line",
		    "is %zu characters long, %d are allowed; give Endpoint, Address or PodCIDR "
		    "again on the next line for the rest of a list",
		    len, size - 2);
		/* Its key was seen, so that it is not reported as missing as well. */
		if (!strncasecmp(start, "PublicKey", 9))
			p->seen[KEY_PUBLIC_KEY] = p->line;
		return strcpy(buf, "\n");
	}
	memcpy(buf, start, len);
	buf[len] = '\0';
	if (*buf == '[') {
		begin_section(p, buf);
		return strcpy(buf, "\n");
	}
	p->pending = len;
	return strcpy(buf + len, "\n") - len;
}

struct fl_prefix fl_mesh_ula(const struct fl_key *public_key)
{
	static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "fairlead ula 1";
	struct fl_prefix p = { .family = AF_INET6, .len = 128 };

	crypto_generichash_blake2b_salt_personal(p.bytes, sizeof(p.bytes), public_key->bytes,
						 sizeof(public_key->bytes), NULL, 0, NULL,
						 personal);
	p.bytes[0] = 0xfd;
	return p;
}

unsigned int fl_mesh_auto_lanes(unsigned int cpus)
{
	unsigned int lanes = cpus / 2;

	return lanes < 1 ? 1 : lanes > FL_MESH_LANES ? FL_MESH_LANES : lanes;
}

unsigned int fl_mesh_lanes(const struct fl_node *a, const struct fl_node *b)
{
	return a->lanes < b->lanes ? a->lanes : b->lanes;
}

/* Who is behind a NAT keeps it open by sending, too; the shorter time is for the tighter NAT. */
uint16_t fl_mesh_keepalive(const struct fl_node *a, const struct fl_node *b)
{
	if (!a->keepalive || !b->keepalive)
		return a->keepalive + b->keepalive;
	return a->keepalive < b->keepalive ? a->keepalive : b->keepalive;
}

/* "50000": the last port that leaves room for the lanes. */
static void check_ports(struct parser *p, unsigned int line, const char *key, unsigned int port,
			unsigned int lanes)
{
	if (port + lanes - 1 > 65535)
		fl_conf_error(&p->errors, line, key,
			      "%s%u and the %u port%s after it, one a lane, go beyond 65535; write "
			      "at most %u",
			      *key == 'E' ? "port " : "", port, lanes - 1, lanes == 2 ? "" : "s",
			      65535 - lanes + 1);
}

/* What can be said only when the whole file is known. */
static void finish(struct parser *p)
{
	struct fl_mesh *mesh = p->mesh;
	bool v6 = false;

	if (!mesh->n_nodes)
		ERR(p, "[Node]", "no node in this file; write a [Node \"NAME\"] section for each");
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		struct fl_node *n = &mesh->nodes[i];

		if (!n->lanes)
			n->lanes = mesh->lanes ? mesh->lanes : fl_mesh_auto_lanes(n->cpus);
		if (n->lanes > mesh->max_lanes)
			mesh->max_lanes = n->lanes;
	}
	if (mesh->max_lanes)
		/* The default leaves room, so the line is there. */
		check_ports(p, p->port_line, "ListenPort", mesh->listen_port, mesh->max_lanes);
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		struct fl_node *n = &mesh->nodes[i];

		for (size_t j = 0; j < n->n_endpoints; j++) {
			struct fl_endpoint *ep = &n->endpoints[j];

			if (!ep->port)
				ep->port = mesh->listen_port;
			else
				check_ports(p, ep->line, "Endpoint", ep->port, n->lanes);
			if (ep->addr.ss_family != AF_UNSPEC)
				fl_sockaddr_set_port(&ep->addr, ep->port);
		}
		/* Not where the address was there but wrong: one error is enough. */
		if (!n->n_addresses && !p->lines[i].address && p->lines[i].public_key) {
			n->addresses = fl_zalloc(sizeof(*n->addresses));
			n->addresses[n->n_addresses++] = fl_mesh_ula(&n->public_key);
			claim(p, n->addresses, i, n->line, false);
		}
	}
	for (size_t i = 0; i < mesh->n_claims; i++)
		v6 |= mesh->claims[i].prefix.family == AF_INET6;
	if (v6 && mesh->mtu && mesh->mtu < FL_MTU_MIN_V6)
		fl_conf_error(
			&p->errors, p->mtu_line, "MTU",
			"%u is too small for the IPv6 addresses of this mesh; write %u to %u, "
			"or auto",
			mesh->mtu, FL_MTU_MIN_V6, FL_MTU_MAX);
}

struct fl_mesh *fl_mesh_parse(const char *path, const char *text, size_t len)
{
	struct parser p = { .pos = text, .end = text + len };
	struct fl_mesh *mesh = fl_zalloc(sizeof(*mesh));
	bool failed;

	p.mesh = mesh;
	mesh->path = fl_strdup(path);
	mesh->listen_port = FL_MESH_PORT;
	mesh->lanes = 1;

	ini_parse_stream(read_line, &p, on_key, &p);
	missing_equals(&p);
	end_section(&p);
	if (!p.line)
		p.line = 1;
	if (!mesh->name)
		mesh->name = fl_strdup("mesh");
	finish(&p);
	fl_mesh_check(mesh, p.lines, &p.errors);

	failed = p.errors.n;
	print_errors(mesh, &p.errors);
	free(p.lines);
	if (!failed)
		return mesh;
	fl_mesh_free(mesh);
	return NULL;
}

struct fl_mesh *fl_mesh_load(const char *path)
{
	struct fl_mesh *mesh;
	char *text;
	size_t len;
	int err = fl_file_read(path, FILE_MAX, &text, &len);

	if (err) {
		fl_err("%s: cannot read the mesh file: %s%s", path, strerror(-err),
		       err == -ENOENT ? "; mesh.conf(5) says how to write one" : "");
		return NULL;
	}
	mesh = fl_mesh_parse(path, text, len);
	free(text);
	return mesh;
}

void fl_mesh_free(struct fl_mesh *mesh)
{
	if (!mesh)
		return;
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		struct fl_node *n = &mesh->nodes[i];

		for (size_t j = 0; j < n->n_endpoints; j++)
			free(n->endpoints[j].host);
		free(n->endpoints);
		free(n->addresses);
		free(n->pod_cidrs);
		free(n->name);
	}
	free(mesh->nodes);
	free(mesh->by_key);
	free(mesh->claims);
	free(mesh->name);
	free(mesh->path);
	free(mesh);
}

struct fl_node *fl_mesh_find(const struct fl_mesh *mesh, const struct fl_key *public_key)
{
	size_t lo = 0, hi = mesh->n_nodes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int diff = fl_key_cmp(&mesh->by_key[mid]->public_key, public_key);

		if (!diff)
			return mesh->by_key[mid];
		if (diff < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct fl_node *fl_mesh_named(const struct fl_mesh *mesh, const char *name)
{
	for (size_t i = 0; i < mesh->n_nodes; i++)
		if (!strcmp(mesh->nodes[i].name, name))
			return &mesh->nodes[i];
	return NULL;
}

const struct fl_claim *fl_mesh_owner(const struct fl_mesh *mesh, const struct fl_prefix *addr)
{
	size_t lo = 0, hi = mesh->n_claims;
	unsigned int i;

	/* The last claim that does not come after the address: it, or one around it, holds it. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fl_prefix_cmp(&mesh->claims[mid].prefix, addr) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo ? lo - 1 : FL_NO_PARENT; i != FL_NO_PARENT; i = mesh->claims[i].parent)
		if (fl_prefix_contains(&mesh->claims[i].prefix, addr))
			return &mesh->claims[i];
	return NULL;
}
