/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TOP_MODEL_H
#define FL_TOP_MODEL_H

#include "../metrics/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What `fairlead top` shows: rates between two readings of the metrics, and their history. It
 * takes the families it knows, does without those that are not there, and knows nothing of
 * terminals.
 */

#define FL_TOP_HISTORY 64 /* readings */

struct fl_exposition;

/* A counter that is read again and again. */
struct fl_rate {
	uint64_t last;
	double per_s; /* since the reading before; 0 after a reset, and at first */
	bool known;   /* `last` is a value */
};

/* Ring of the last values; the newest is at [(n - 1) % FL_TOP_HISTORY]. */
struct fl_history {
	float val[FL_TOP_HISTORY];
	size_t n;
};

/* The value of so many readings ago, 0: the newest; 0.0 before the first. */
double fl_history_at(const struct fl_history *h, size_t ago);

struct fl_top_peer {
	char *name;
	struct fl_rate rx_bytes, tx_bytes, rx_packets, tx_packets;
	struct fl_history bytes; /* per second, both ways together */
	double rtt; /* seconds, mean since the reading before, else the last known; NAN */
	double rtt_sum, rtt_count;
	double handshake; /* Unix time of the last one; 0: never; NAN: not known */
	int state;	  /* enum fl_top_state */
	bool seen;	  /* in this reading; else it is gone with the next sweep */
};

/* As fairlead_peer_state has it. */
enum fl_top_state { FL_STATE_UNKNOWN = -1, FL_STATE_DOWN, FL_STATE_HANDSHAKE, FL_STATE_UP };

struct fl_top_lane {
	char *name;
	struct fl_rate rx_bytes, tx_bytes;
	bool seen;
};

/* What should not happen: "wireguard no_session". */
struct fl_top_event {
	char *name;
	struct fl_rate count;
	bool seen;
};

/* What can run out, the fullest first: "conntrack". */
struct fl_top_gauge {
	char *name;
	double used, limit;
};

struct fl_top {
	struct fl_top_peer **peers;
	size_t n_peers;
	struct lh_table *index; /* name -> peer */
	struct fl_top_lane *lanes;
	size_t n_lanes;
	struct fl_top_event *events;
	size_t n_events;
	struct fl_top_gauge *gauges;
	size_t n_gauges;
	double rx_bytes, tx_bytes, rx_packets, tx_packets; /* per second, of all peers */
	struct fl_history rx, tx;			   /* bytes per second */
	struct fl_histogram rtt_before, rtt;		   /* all; since the reading before */
	bool has_rtt, has_peer_rtt, has_handshake, has_state;
	unsigned int up; /* peers with a session, where has_state */
	double at;	 /* of the last reading, on the monotonic clock */
	size_t readings;
};

/* How full it is. */
double fl_top_percent(const struct fl_top_gauge *g);

struct fl_top *fl_top_new(void);
void fl_top_free(struct fl_top *t);

/* Take in a reading that was made at `now`, seconds of the monotonic clock. */
void fl_top_update(struct fl_top *t, const struct fl_exposition *e, double now);

enum fl_top_sort {
	FL_SORT_TOTAL, /* both ways */
	FL_SORT_RX,
	FL_SORT_TX,
	FL_SORT_RTT,
	FL_SORT_HANDSHAKE, /* the longest ago first, never before all */
	FL_SORT_STATE,	   /* down first */
	FL_SORT_NAME,
	FL_N_SORTS,
};

/* "total", "rx", …; and back: FL_N_SORTS if there is none. */
const char *fl_top_sort_name(enum fl_top_sort sort);
enum fl_top_sort fl_top_sort_parse(const char *name);

/*
 * Peers whose name has `filter` in it (without regard to case; "": all), the greatest first, or
 * last with `reverse`. Equals are sorted by name, so that rows do not jump. Returns the number;
 * the array has room for t->n_peers.
 */
size_t fl_top_order(const struct fl_top *t, enum fl_top_sort sort, bool reverse, const char *filter,
		    const struct fl_top_peer **out);

/* Three digits and a prefix, "1.23G". In buf, which has at least 16 bytes. */
char *fl_top_si(char *buf, double value);
/* "310 us", "12.3 ms"; "-" for NAN. */
char *fl_top_seconds(char *buf, double seconds);
/* "12s", "3m12s", "2h05m", "3d04h"; "never" for a time of 0, "-" for NAN. `now` as `when`. */
char *fl_top_age(char *buf, double when, double now);

#endif
