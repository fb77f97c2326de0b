// SPDX-License-Identifier: GPL-2.0
#include "model.h"
#include "../lib/mem.h"
#include "../metrics/exposition.h"

#include <json-c/linkhash.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct fl_top *fl_top_new(void)
{
	struct fl_top *t = fl_zalloc(sizeof(*t));

	t->index = lh_kchar_table_new(64, NULL);
	if (!t->index)
		fl_zalloc(SIZE_MAX); /* out of memory, said as everywhere */
	return t;
}

static void free_peer(struct fl_top_peer *p)
{
	free(p->name);
	free(p);
}

void fl_top_free(struct fl_top *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_peers; i++)
		free_peer(t->peers[i]);
	for (size_t i = 0; i < t->n_lanes; i++)
		free(t->lanes[i].name);
	for (size_t i = 0; i < t->n_events; i++)
		free(t->events[i].name);
	for (size_t i = 0; i < t->n_gauges; i++)
		free(t->gauges[i].name);
	lh_table_free(t->index);
	free(t->peers);
	free(t->lanes);
	free(t->events);
	free(t->gauges);
	free(t);
}

static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	return fl_realloc(array, n ? 2 * n : 1, size);
}

static void push(struct fl_history *h, double val)
{
	h->val[h->n++ % FL_TOP_HISTORY] = (float)val;
}

double fl_history_at(const struct fl_history *h, size_t ago)
{
	return ago < h->n && ago < FL_TOP_HISTORY ? h->val[(h->n - 1 - ago) % FL_TOP_HISTORY] : 0;
}

/* ---- one reading ---- */

static void count(struct fl_rate *r, const struct fl_sample *s, double seconds)
{
	uint64_t now = strtoull(s->value, NULL, 10);

	r->per_s = r->known && now >= r->last && seconds > 0 ? (double)(now - r->last) / seconds :
							       0;
	r->last = now;
	r->known = true;
}

static struct fl_top_peer *peer(struct fl_top *t, const char *name)
{
	struct fl_top_peer *p;
	void *found;

	if (lh_table_lookup_ex(t->index, name, &found)) {
		p = found;
	} else {
		p = fl_zalloc(sizeof(*p));
		*p = (struct fl_top_peer){ .name = fl_strdup(name),
					   .rtt = NAN,
					   .handshake = NAN,
					   .state = FL_STATE_UNKNOWN };
		lh_table_insert(t->index, p->name, p);
		t->peers = grow(t->peers, t->n_peers, sizeof(void *));
		t->peers[t->n_peers++] = p;
	}
	p->seen = true;
	return p;
}

static struct fl_top_lane *lane(struct fl_top *t, const char *name)
{
	struct fl_top_lane *l;

	for (size_t i = 0; i < t->n_lanes; i++) {
		if (!strcmp(t->lanes[i].name, name)) {
			t->lanes[i].seen = true;
			return &t->lanes[i];
		}
	}
	t->lanes = grow(t->lanes, t->n_lanes, sizeof(*t->lanes));
	l = &t->lanes[t->n_lanes++];
	*l = (struct fl_top_lane){ .name = fl_strdup(name), .seen = true };
	return l;
}

/* Takes the name. */
static struct fl_top_event *event(struct fl_top *t, char *name)
{
	struct fl_top_event *ev;

	for (size_t i = 0; i < t->n_events; i++) {
		if (!strcmp(t->events[i].name, name)) {
			free(name);
			t->events[i].seen = true;
			return &t->events[i];
		}
	}
	t->events = grow(t->events, t->n_events, sizeof(*t->events));
	ev = &t->events[t->n_events++];
	*ev = (struct fl_top_event){ .name = name, .seen = true };
	return ev;
}

/* "fairlead_wireguard_drops_total{reason="no_session"}" is "wireguard no_session": that they are
 * drops says the line that has them. */
static char *plain_name(const struct fl_family *f, const struct fl_sample *s)
{
	const char *name = f->name;
	size_t len;
	char *text, *more;

	if (!strncmp(name, "fairlead_", 9))
		name += 9;
	len = strlen(name);
	if (len > 6 && !strcmp(name + len - 6, "_total"))
		len -= 6;
	if (len > 6 && !strncmp(name + len - 6, "_drops", 6))
		len -= 6;
	text = fl_asprintf("%.*s", (int)len, name);
	for (char *c = text; *c; c++)
		if (*c == '_')
			*c = ' ';
	for (size_t i = 0; i < s->n_labels; i++) {
		more = fl_asprintf("%s %s", text, s->labels[i].value);
		free(text);
		text = more;
	}
	return text;
}

/* Families of peers, by the rest of their name. */
static void peer_sample(struct fl_top *t, const char *what, const struct fl_sample *s, double dt)
{
	const char *name = fl_sample_label(s, "peer");
	struct fl_top_peer *p;
	double val;

	if (!name)
		return;
	p = peer(t, name);
	val = strtod(s->value, NULL);
	if (!strcmp(what, "receive_bytes_total")) {
		count(&p->rx_bytes, s, dt);
	} else if (!strcmp(what, "transmit_bytes_total")) {
		count(&p->tx_bytes, s, dt);
	} else if (!strcmp(what, "receive_packets_total")) {
		count(&p->rx_packets, s, dt);
	} else if (!strcmp(what, "transmit_packets_total")) {
		count(&p->tx_packets, s, dt);
	} else if (!strcmp(what, "last_handshake_time_seconds")) {
		p->handshake = val;
		t->has_handshake = true;
	} else if (!strcmp(what, "state")) {
		p->state = val == 0 ? FL_STATE_DOWN :
			   val == 1 ? FL_STATE_HANDSHAKE :
			   val == 2 ? FL_STATE_UP :
				      FL_STATE_UNKNOWN;
		t->has_state = true;
	}
}

/* The mean of what came since the reading before; where nothing came, the last one stands. Of a
 * histogram, the same two samples are taken. */
static void peer_rtt(struct fl_top *t, const struct fl_family *f)
{
	double sum = NAN;

	for (size_t i = 0; i < f->n_samples; i++) {
		const struct fl_sample *s = &f->samples[i];
		const char *name = fl_sample_label(s, "peer");
		struct fl_top_peer *p;
		double n, fresh;

		if (!name)
			continue;
		t->has_peer_rtt = true;
		if (!strcmp(s->suffix, "_sum"))
			sum = strtod(s->value, NULL);
		if (strcmp(s->suffix, "_count") != 0 || isnan(sum))
			continue;
		p = peer(t, name);
		n = strtod(s->value, NULL);
		fresh = n - p->rtt_count;
		if (fresh < 0)
			p->rtt = n > 0 ? sum / n : NAN;
		else if (fresh > 0)
			p->rtt = (sum - p->rtt_sum) / fresh;
		p->rtt_sum = sum;
		p->rtt_count = n;
		sum = NAN;
	}
}

static bool has_word(const char *name, const char *word)
{
	return strstr(name, word) != NULL;
}

static void resource(struct fl_top *t, const char *name, double value, bool used)
{
	struct fl_top_gauge *g = NULL;

	if (!name)
		return;
	for (size_t i = 0; i < t->n_gauges && !g; i++)
		if (!strcmp(t->gauges[i].name, name))
			g = &t->gauges[i];
	if (!g) {
		t->gauges = grow(t->gauges, t->n_gauges, sizeof(*t->gauges));
		g = &t->gauges[t->n_gauges++];
		*g = (struct fl_top_gauge){ .name = fl_strdup(name) };
	}
	*(used ? &g->used : &g->limit) = value;
}

double fl_top_percent(const struct fl_top_gauge *g)
{
	return g->limit > 0 ? 100 * g->used / g->limit : 0;
}

static int fuller(const void *a, const void *b)
{
	double pa = fl_top_percent(a), pb = fl_top_percent(b);

	return (pa < pb) - (pa > pb);
}

static void node_family(struct fl_top *t, const struct fl_family *f, double dt)
{
	bool is_counter = !strcmp(f->type, "counter");
	const char *name;

	if (!strcmp(f->name, "fairlead_rtt_seconds")) {
		struct fl_histogram now = { 0 };

		for (size_t i = 0; i < f->n_samples; i++)
			fl_histogram_add(&now, &f->samples[i]);
		t->rtt = t->has_rtt ? fl_histogram_since(&now, &t->rtt_before) : now;
		t->rtt_before = now;
		t->has_rtt = true;
		return;
	}
	for (size_t i = 0; i < f->n_samples; i++) {
		const struct fl_sample *s = &f->samples[i];

		name = fl_sample_label(s, "lane");
		if (name && !strcmp(f->name, "fairlead_lane_receive_bytes_total"))
			count(&lane(t, name)->rx_bytes, s, dt);
		else if (name && !strcmp(f->name, "fairlead_lane_transmit_bytes_total"))
			count(&lane(t, name)->tx_bytes, s, dt);
		else if (is_counter &&
			 (has_word(f->name, "_drops") || has_word(f->name, "_refused") ||
			  has_word(f->name, "_cleartext_packets") ||
			  (has_word(f->name, "_unmatched_") && has_word(f->name, "_packets"))))
			count(&event(t, plain_name(f, s))->count, s, dt);
		else if (!strcmp(f->name, "fairlead_resource_used") ||
			 !strcmp(f->name, "fairlead_resource_limit"))
			resource(t, fl_sample_label(s, "resource"), strtod(s->value, NULL),
				 strcmp(f->name, "fairlead_resource_used") == 0);
	}
}

/* Take out what this reading did not have. */
static void sweep(struct fl_top *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_peers; i++) {
		if (t->peers[i]->seen) {
			t->peers[n++] = t->peers[i];
		} else {
			lh_table_delete(t->index, t->peers[i]->name);
			free_peer(t->peers[i]);
		}
	}
	t->n_peers = n;
	n = 0;
	for (size_t i = 0; i < t->n_lanes; i++) {
		if (t->lanes[i].seen)
			t->lanes[n++] = t->lanes[i];
		else
			free(t->lanes[i].name);
	}
	t->n_lanes = n;
	n = 0;
	for (size_t i = 0; i < t->n_events; i++) {
		if (t->events[i].seen)
			t->events[n++] = t->events[i];
		else
			free(t->events[i].name);
	}
	t->n_events = n;
}

void fl_top_update(struct fl_top *t, const struct fl_exposition *e, double now)
{
	static const char prefix[] = "fairlead_peer_";
	double dt = t->readings ? now - t->at : 0;

	for (size_t i = 0; i < t->n_peers; i++)
		t->peers[i]->seen = false;
	for (size_t i = 0; i < t->n_lanes; i++)
		t->lanes[i].seen = false;
	for (size_t i = 0; i < t->n_events; i++)
		t->events[i].seen = false;
	for (size_t i = 0; i < t->n_gauges; i++)
		free(t->gauges[i].name);
	t->n_gauges = 0;
	t->has_handshake = t->has_state = t->has_peer_rtt = false;
	if (!fl_exposition_find(e, "fairlead_rtt_seconds"))
		t->has_rtt = false;

	for (size_t i = 0; i < e->n_families; i++) {
		const struct fl_family *f = &e->families[i];

		if (!strcmp(f->name, "fairlead_peer_rtt_seconds"))
			peer_rtt(t, f);
		else if (strncmp(f->name, prefix, sizeof(prefix) - 1) != 0)
			node_family(t, f, dt);
		else
			for (size_t j = 0; j < f->n_samples; j++)
				peer_sample(t, f->name + sizeof(prefix) - 1, &f->samples[j], dt);
	}
	sweep(t);
	if (t->n_gauges)
		qsort(t->gauges, t->n_gauges, sizeof(*t->gauges), fuller);

	t->rx_bytes = t->tx_bytes = t->rx_packets = t->tx_packets = 0;
	t->up = 0;
	for (size_t i = 0; i < t->n_peers; i++) {
		struct fl_top_peer *p = t->peers[i];

		t->rx_bytes += p->rx_bytes.per_s;
		t->tx_bytes += p->tx_bytes.per_s;
		t->rx_packets += p->rx_packets.per_s;
		t->tx_packets += p->tx_packets.per_s;
		t->up += p->state == FL_STATE_UP;
		if (t->readings)
			push(&p->bytes, p->rx_bytes.per_s + p->tx_bytes.per_s);
	}
	if (t->readings) {
		push(&t->rx, t->rx_bytes);
		push(&t->tx, t->tx_bytes);
	}
	t->at = now;
	t->readings++;
}

/* ---- order ---- */

static const char *const sort_names[FL_N_SORTS] = {
	[FL_SORT_TOTAL] = "total", [FL_SORT_RX] = "rx",	      [FL_SORT_TX] = "tx",
	[FL_SORT_RTT] = "rtt",	   [FL_SORT_STATE] = "state", [FL_SORT_HANDSHAKE] = "handshake",
	[FL_SORT_NAME] = "name",
};

const char *fl_top_sort_name(enum fl_top_sort sort)
{
	return sort_names[sort];
}

enum fl_top_sort fl_top_sort_parse(const char *name)
{
	int i = 0;

	while (i < FL_N_SORTS && strcmp(sort_names[i], name) != 0)
		i++;
	return i;
}

/* What the peer is sorted by, the greatest first. */
static double weight(const struct fl_top_peer *p, enum fl_top_sort sort)
{
	switch (sort) {
	case FL_SORT_RX:
		return p->rx_bytes.per_s;
	case FL_SORT_TX:
		return p->tx_bytes.per_s;
	case FL_SORT_RTT:
		return isnan(p->rtt) ? -1 : p->rtt;
	case FL_SORT_HANDSHAKE:
		return isnan(p->handshake) ? -INFINITY : -p->handshake;
	case FL_SORT_STATE:
		return -p->state;
	case FL_SORT_NAME:
		return 0;
	default:
		return p->rx_bytes.per_s + p->tx_bytes.per_s;
	}
}

struct order {
	enum fl_top_sort sort;
	bool reverse;
};

/* Numbers in names count as numbers: node-2 before node-10. */
static int compare(const void *a, const void *b, void *arg)
{
	const struct fl_top_peer *pa = *(const struct fl_top_peer *const *)a;
	const struct fl_top_peer *pb = *(const struct fl_top_peer *const *)b;
	const struct order *o = arg;
	double wa = weight(pa, o->sort), wb = weight(pb, o->sort);
	int c;

	if (wa != wb)
		return (wa < wb ? 1 : -1) * (o->reverse ? -1 : 1);
	c = strverscmp(pa->name, pb->name);
	return o->sort == FL_SORT_NAME && o->reverse ? -c : c;
}

size_t fl_top_order(const struct fl_top *t, enum fl_top_sort sort, bool reverse, const char *filter,
		    const struct fl_top_peer **out)
{
	struct order o = { sort, reverse };
	size_t n = 0;

	for (size_t i = 0; i < t->n_peers; i++)
		if (!*filter || strcasestr(t->peers[i]->name, filter))
			out[n++] = t->peers[i];
	if (n)
		qsort_r(out, n, sizeof(void *), compare, &o);
	return n;
}

/* ---- text ---- */

char *fl_top_si(char *buf, double value)
{
	static const char prefixes[] = " kMGTPE";
	int i = 0;

	for (; value >= 999.5 && prefixes[i + 1]; i++)
		value /= 1000;
	if (!i)
		snprintf(buf, 16, "%.0f", value);
	else
		snprintf(buf, 16, "%.*f%c",
			 value < 9.995 ? 2 :
			 value < 99.95 ? 1 :
					 0,
			 value, prefixes[i]);
	return buf;
}

char *fl_top_seconds(char *buf, double seconds)
{
	if (isnan(seconds))
		snprintf(buf, 16, "-");
	else if (seconds < 999.5e-6)
		snprintf(buf, 16, "%.0f us", seconds * 1e6);
	else if (seconds < 0.9995)
		snprintf(buf, 16, "%.*f ms",
			 seconds < 9.995e-3 ? 2 :
			 seconds < 99.95e-3 ? 1 :
					      0,
			 seconds * 1e3);
	else
		snprintf(buf, 16, "%.3g s", seconds);
	return buf;
}

char *fl_top_age(char *buf, double when, double now)
{
	unsigned int s;

	if (isnan(when) || when == 0) {
		snprintf(buf, 16, "%s", isnan(when) ? "-" : "never");
		return buf;
	}
	s = now > when ? (unsigned int)fmin(now - when, 99 * 86400.0) : 0;
	if (s < 60)
		snprintf(buf, 16, "%us", s);
	else if (s < 3600)
		snprintf(buf, 16, "%um%02us", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 16, "%uh%02um", s / 3600, s / 60 % 60);
	else
		snprintf(buf, 16, "%ud%02uh", s / 86400 % 100, s / 3600 % 24);
	return buf;
}
