// SPDX-License-Identifier: GPL-2.0
#include "mesh.h"

#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "echo.h"
#include "icmp.h"
#include "look.h"
#include "stall.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct view {
	const struct fl_plan *plan;
	const struct fl_link *link;
	const struct fl_node *self;
	struct fl_shown *peers;
	size_t n_peers;
	int64_t now;
	bool rates, rtt; /* are known */
};

static const char *format_bytes(uint64_t n, char out[32])
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = n / 1024.0;
	int i = 0;

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

/* Whence the endpoint of a lane is. */
static const char *source_of(const struct fl_peer *p, unsigned int lane)
{
	bool names = false;

	if (!p->endpoint.ss_family)
		return NULL;
	for (size_t i = 0; p->node && i < p->node->n_endpoints; i++) {
		const struct fl_endpoint *ep = &p->node->endpoints[i];

		if (ep->port + lane != fl_sockaddr_port(&p->endpoint))
			continue;
		if (ep->addr.ss_family == AF_UNSPEC)
			names = true;
		else if (fl_sockaddr_same_addr(&ep->addr, &p->endpoint))
			return "file";
	}
	/* Only a resolver knows whether it is one of the name's addresses. */
	return names ? "name" : p->node ? "learned" : "unknown";
}

/* How much of the traffic each lane has, in percent: "52/48". */
static void format_balance(const struct fl_shown *s, char *out, size_t size)
{
	uint64_t all = s->rx + s->tx;
	size_t n = 0;

	snprintf(out, size, "-");
	for (unsigned int i = 0; all && i < FL_MESH_LANES && n < size; i++)
		if (s->lanes[i])
			n += snprintf(out + n, size - n, "%s%.0f", n ? "/" : "",
				      100.0 * (s->lanes[i]->rx + s->lanes[i]->tx) / all);
}

static const char *format_rate(double rate, char out[48])
{
	char bytes[32];

	if (rate < 0)
		return "-";
	snprintf(out, 48, "%s/s", format_bytes(rate, bytes));
	return out;
}

static void cell_rtt(struct fl_table *table, int64_t us)
{
	if (us < 0)
		fl_table_cell(table, "-");
	else
		fl_table_cell(table, "%.2f ms", us / 1000.0);
}

static void show_text(const struct view *v)
{
	char key[FL_KEY_BASE64], t[32], r[48], ep[FL_SOCKADDR_STR], balance[80];
	const struct fl_link *link = v->link;
	const char *mesh = fl_look_mesh(link);
	struct fl_table *table;
	unsigned int lanes = 0;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		lanes += v->plan->lanes[i].link.ifindex != 0;
	printf("%s%s%s: %s, node %s, mesh %s\n", fl_colour(FL_BOLD), link->name,
	       fl_colour(FL_PLAIN), link->up ? "up" : "down", v->self ? v->self->name : "(unknown)",
	       mesh ? mesh : "(unknown)");
	printf("  public key %s\n",
	       link->private_key ? fl_key_format(&link->public_key, key) : "(none)");
	printf("  private key %s\n", !link->private_key	   ? "(none)" :
				     fl_mesh_opt_show_keys ? fl_key_format(link->private_key, key) :
							     "(hidden)");
	sodium_memzero(key, sizeof(key));
	printf("  listening on port %u, MTU %u\n", link->listen_port, link->mtu);
	if (lanes > 1) {
		printf("  %u lanes:", lanes);
		for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
			const struct fl_link *l = &v->plan->lanes[i].link;

			if (l->ifindex)
				printf(" %s %s%s", l->name, l->up ? "up" : "down",
				       --lanes ? "," : "\n");
		}
		lanes = 2;
	}
	if (!v->n_peers)
		return;
	putchar('\n');
	table = fl_table_new();
	fl_table_col(table, "PEER", FL_LEFT);
	fl_table_col(table, "STATE", FL_LEFT);
	if (lanes > 1) {
		fl_table_col(table, "LANES UP", FL_RIGHT);
		fl_table_col(table, "BALANCE %", FL_LEFT);
	}
	fl_table_col(table, "HANDSHAKE", FL_RIGHT);
	if (v->rtt)
		fl_table_col(table, "RTT", FL_RIGHT);
	fl_table_col(table, "RECEIVED", FL_RIGHT);
	fl_table_col(table, "SENT", FL_RIGHT);
	if (v->rates) {
		fl_table_col(table, "RECEIVING", FL_RIGHT);
		fl_table_col(table, "SENDING", FL_RIGHT);
	}
	fl_table_col(table, "ENDPOINT", FL_LEFT);
	fl_table_col(table, "FROM", FL_LEFT);
	fl_table_col(table, "ALLOWED IPS", FL_LEFT);
	for (size_t i = 0; i < v->n_peers; i++) {
		const struct fl_shown *s = &v->peers[i];
		const struct fl_peer *p = s->first;
		char *allowed = format_allowed(p);
		enum fl_colour c = !strcmp(s->state, "up")    ? FL_GREEN :
				   !strcmp(s->state, "stale") ? FL_YELLOW :
								FL_RED;

		if (p->name)
			fl_table_cell(table, "%s", p->name);
		else
			fl_table_cell(table, "(unknown) %s", fl_key_format(&p->public_key, key));
		fl_table_cell(table, "%s%s%s", fl_colour(c), s->state, fl_colour(FL_PLAIN));
		if (lanes > 1) {
			format_balance(s, balance, sizeof(balance));
			fl_table_cell(table, "%u of %u", s->n_up, s->n_lanes);
			fl_table_cell(table, "%s", balance);
		}
		fl_table_cell(table, "%s", fl_look_age(s->handshake, v->now, t));
		if (v->rtt)
			cell_rtt(table, s->least_rtt);
		fl_table_cell(table, "%s", format_bytes(s->rx, t));
		fl_table_cell(table, "%s", format_bytes(s->tx, t));
		if (v->rates) {
			fl_table_cell(table, "%s", format_rate(s->rx_rate, r));
			fl_table_cell(table, "%s", format_rate(s->tx_rate, r));
		}
		fl_table_cell(table, "%s", fl_sockaddr_format(&p->endpoint, ep));
		fl_table_cell(table, "%s",
			      p->endpoint.ss_family ? source_of(p, s->first_lane) : "-");
		fl_table_cell(table, "%s", p->n_allowed ? allowed : "(none)");
		free(allowed);
	}
	fl_table_print(table, stdout);
}

static void json_handshake(struct json_object *o, int64_t handshake, int64_t now)
{
	json_object_object_add(o, "latest_handshake",
			       handshake ? json_object_new_int64(handshake) : NULL);
	json_object_object_add(
		o, "handshake_age",
		handshake ? json_object_new_int64(now > handshake ? now - handshake : 0) : NULL);
}

static void json_endpoint(struct json_object *o, const struct fl_peer *p, unsigned int lane)
{
	char ep[FL_SOCKADDR_STR];

	fl_json_str(o, "endpoint",
		    p->endpoint.ss_family ? fl_sockaddr_format(&p->endpoint, ep) : NULL);
	fl_json_str(o, "endpoint_from", source_of(p, lane));
}

static void json_rtt(struct json_object *o, int64_t us)
{
	json_object_object_add(o, "rtt_ms", us < 0 ? NULL : json_object_new_double(us / 1000.0));
}

static struct json_object *json_lane(const struct view *v, const struct fl_shown *s,
				     unsigned int lane)
{
	const struct fl_peer *p = s->lanes[lane];
	struct json_object *o = json_object_new_object();

	fl_json_str(o, "interface", v->plan->lanes[lane].link.name);
	fl_json_str(o, "state", s->stalled & 1U << lane ? "stalled" : fl_look_state(p, v->now));
	json_handshake(o, p->handshake, v->now);
	json_rtt(o, s->rtt[lane]);
	fl_json_u64(o, "rx_bytes", p->rx);
	fl_json_u64(o, "tx_bytes", p->tx);
	json_endpoint(o, p, lane);
	return o;
}

static void json_rate(struct json_object *o, const char *key, double rate)
{
	json_object_object_add(o, key, rate < 0 ? NULL : json_object_new_int64((int64_t)rate));
}

static struct json_object *json_peer(const struct view *v, const struct fl_shown *s)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();
	char key[FL_KEY_BASE64], text[FL_PREFIX_STR];
	const struct fl_peer *p = s->first;

	fl_json_str(o, "name", p->name);
	fl_json_str(o, "public_key", fl_key_format(&p->public_key, key));
	fl_json_bool(o, "preshared_key", p->psk != NULL);
	json_endpoint(o, p, s->first_lane);
	fl_json_str(o, "state", s->state);
	json_handshake(o, s->handshake, v->now);
	json_rtt(o, s->least_rtt);
	fl_json_u64(o, "rx_bytes", s->rx);
	fl_json_u64(o, "tx_bytes", s->tx);
	json_rate(o, "rx_bytes_per_second", s->rx_rate);
	json_rate(o, "tx_bytes_per_second", s->tx_rate);
	fl_json_int(o, "persistent_keepalive", p->keepalive);
	for (size_t i = 0; i < p->n_allowed; i++)
		json_object_array_add(
			a, json_object_new_string(fl_prefix_format(&p->allowed[i], text)));
	json_object_object_add(o, "allowed_ips", a);
	a = json_object_new_array();
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (s->lanes[i])
			json_object_array_add(a, json_lane(v, s, i));
	json_object_object_add(o, "lanes", a);
	return o;
}

static void show_json(const struct view *v)
{
	struct json_object *o = fl_json_new(FL_MESH_SCHEMA), *a = json_object_new_array();
	const struct fl_lane *first = &v->plan->lanes[0];
	const struct fl_link *link = v->link;
	char key[FL_KEY_BASE64], s[FL_PREFIX_STR];

	fl_json_str(o, "interface", link->name);
	fl_json_str(o, "mesh", fl_look_mesh(link));
	fl_json_str(o, "node", v->self ? v->self->name : NULL);
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
	for (size_t i = 0; i < first->n_addrs; i++)
		json_object_array_add(
			a, json_object_new_string(fl_prefix_format(&first->addrs[i], s)));
	json_object_object_add(o, "addresses", a);
	a = json_object_new_array();
	for (unsigned int i = 0; i < FL_MESH_LANES; i++)
		if (v->plan->lanes[i].link.ifindex)
			json_object_array_add(a,
					      json_object_new_string(v->plan->lanes[i].link.name));
	json_object_object_add(o, "lanes", a);
	a = json_object_new_array();
	for (size_t i = 0; i < v->n_peers; i++)
		json_object_array_add(a, json_peer(v, &v->peers[i]));
	json_object_object_add(o, "peers", a);
	fl_json_print(o);
}

/* ---- rates ---- */

/* What a peer's lanes had when they were looked at before. */
struct before {
	struct fl_key public_key;
	uint64_t rx, tx;
	struct fl_stall lanes[FL_MESH_LANES];
};

struct history {
	struct before *list; /* sorted by public key */
	size_t n;
	int64_t at; /* fl_now_us(), 0: never */
};

static int cmp_before(const void *a, const void *b)
{
	return fl_key_cmp(&((const struct before *)a)->public_key,
			  &((const struct before *)b)->public_key);
}

/* Counters begin anew when a peer is removed and added. */
static double rate(uint64_t now, uint64_t then, int64_t us)
{
	return now < then || us <= 0 ? -1 : (now - then) * 1e6 / us;
}

/* Puts what has changed since the last look into the view. True if that does not tell yet whether
 * some peer has stalled; `asked`, by node, are those that have not. */
static bool compare(struct view *v, struct history *h, const struct fl_mesh *mesh, bool *asked)
{
	struct before *list = fl_zalloc(v->n_peers * sizeof(*list));
	int64_t now = fl_now_us();
	bool any = false;

	for (size_t i = 0; i < v->n_peers; i++) {
		struct fl_shown *s = &v->peers[i];
		struct before *b = &list[i], *old = NULL;
		bool undecided = false;

		b->public_key = s->first->public_key;
		if (h->n)
			old = bsearch(b, h->list, h->n, sizeof(*b), cmp_before);
		if (old) {
			memcpy(b->lanes, old->lanes, sizeof(b->lanes));
			s->rx_rate = rate(s->rx, old->rx, now - h->at);
			s->tx_rate = rate(s->tx, old->tx, now - h->at);
		}
		b->rx = s->rx;
		b->tx = s->tx;
		for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
			const struct fl_peer *p = s->lanes[lane];

			if (!p)
				continue;
			if (!fl_stalled(&b->lanes[lane], p, now)) {
				undecided |= b->lanes[lane].waiting && fl_session_alive(p, v->now);
			} else if (s->n_up) {
				s->state = "stalled";
				s->stalled |= 1U << lane;
			}
		}
		if (asked && s->first->node)
			asked[s->first->node - mesh->nodes] = undecided;
		any |= undecided;
	}
	free(h->list);
	if (v->n_peers)
		qsort(list, v->n_peers, sizeof(*list), cmp_before);
	*h = (struct history){ list, v->n_peers, now };
	return any;
}

/* ---- round trips ---- */

/* By node of the mesh file. */
struct asked {
	bool *nodes; /* to be asked; NULL: nobody is */
	int64_t (*rtt)[FL_MESH_LANES];
};

static void asked_init(struct asked *a, const struct fl_mesh *mesh)
{
	a->nodes = fl_zalloc(mesh->n_nodes * sizeof(*a->nodes));
	a->rtt = fl_zalloc(mesh->n_nodes * sizeof(*a->rtt));
	memset(a->nodes, true, mesh->n_nodes * sizeof(*a->nodes));
	memset(a->rtt, 0xff, mesh->n_nodes * sizeof(*a->rtt));
}

static void asked_free(struct asked *a)
{
	free(a->nodes);
	free(a->rtt);
}

static int ask(const struct fl_look_run *run, struct asked *a)
{
	struct fl_echo e;
	/* Twice, since the first may wait for a handshake; not where it goes on anyway. */
	int err = fl_echo_open(&e, &run->plan, fl_mesh_opt_watch ? 1 : 2);

	for (size_t i = 0; !err && i < run->mesh->n_nodes; i++)
		if (a->nodes[i] && &run->mesh->nodes[i] != run->self)
			fl_echo_add(&e, &run->mesh->nodes[i], FL_ECHO_ONE, time(NULL));
	if (!err)
		fl_echo_run(&e, fl_mesh_opt_watch);
	for (size_t i = 0; i < e.n; i++) {
		const struct fl_target *t = &e.targets[i];

		if (t->received)
			a->rtt[t->node - run->mesh->nodes][t->lane] = t->least;
	}
	fl_echo_close(&e);
	return err ? FL_FAILED : FL_OK;
}

static void take_rtt(struct view *v, const struct asked *a, const struct fl_mesh *mesh)
{
	for (size_t i = 0; i < v->n_peers; i++) {
		struct fl_shown *s = &v->peers[i];
		const int64_t *rtt;

		if (!s->first->node)
			continue;
		rtt = a->rtt[s->first->node - mesh->nodes];
		for (unsigned int lane = 0; lane < FL_MESH_LANES; lane++) {
			s->rtt[lane] = rtt[lane];
			if (rtt[lane] >= 0 && (s->least_rtt < 0 || rtt[lane] < s->least_rtt))
				s->least_rtt = rtt[lane];
		}
	}
}

/* ---- the verb ---- */

/* Look at what was read and, if h is not NULL, at what it was before. Returns as compare(). */
static bool look(const struct fl_look_run *run, struct view *v, struct history *h, struct asked *a)
{
	free(v->peers);
	*v = (struct view){
		.plan = &run->plan,
		.link = &run->plan.lanes[0].link,
		.self = run->self,
		.now = time(NULL),
		.rates = fl_mesh_opt_watch,
		.rtt = a->nodes != NULL,
	};
	v->peers = fl_look_peers(&run->plan, v->now, &v->n_peers);
	if (a->nodes)
		take_rtt(v, a, run->mesh);
	return h && compare(v, h, run->mesh, a->nodes);
}

static void print(const struct view *v)
{
	if (fl_json)
		show_json(v);
	else
		show_text(v);
}

/* Until a signal ends it, or nobody reads any more. */
static int watch(struct fl_look_run *run, struct view *v, struct history *h, struct asked *a)
{
	bool terminal = isatty(STDOUT_FILENO) && !fl_json;
	int status = FL_OK;

	for (;;) {
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		print(v);
		if (!terminal && !fl_json)
			putchar('\n');
		if (fflush(stdout))
			return FL_OK;
		sleep(fl_mesh_opt_watch);
		if (a->nodes) {
			asked_free(a);
			asked_init(a, run->mesh);
			status = ask(run, a);
		}
		if (!status)
			status = fl_look_again(run);
		if (status)
			return status;
		look(run, v, h, a);
	}
}

/* Ask everybody once, and those whose session is alive but who are silent again and again, until
 * they are heard of or their silence has lasted long enough to say that they have stalled. */
static int ping(struct fl_look_run *run, struct view *v, struct history *h, struct asked *a)
{
	int status;
	bool undecided;

	do {
		status = ask(run, a);
		if (!status)
			status = fl_look_again(run);
		if (status)
			return status;
		undecided = look(run, v, h, a);
	} while (undecided && !fl_mesh_opt_watch);
	return FL_OK;
}

int fl_mesh_show(int argc, char **argv)
{
	struct history history = { 0 };
	struct asked asked = { 0 };
	struct view v = { 0 };
	struct fl_look_run run;
	int status;

	(void)argc;
	(void)argv;
	status = fl_look_begin(&run, fl_mesh_opt_ping ? FL_LOOK_MESH : 0);
	if (status)
		goto out;
	look(&run, &v, fl_mesh_opt_ping || fl_mesh_opt_watch ? &history : NULL, &asked);
	if (fl_mesh_opt_ping) {
		asked_init(&asked, run.mesh);
		status = ping(&run, &v, &history, &asked);
	}
	if (!status && fl_mesh_opt_watch)
		status = watch(&run, &v, &history, &asked);
	else if (!status)
		print(&v);
	if (!status && run.broken)
		status = FL_DEGRADED;
out:
	free(v.peers);
	free(history.list);
	asked_free(&asked);
	fl_look_end(&run);
	return status;
}
