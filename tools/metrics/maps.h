/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_MAPS_H
#define FL_METRICS_MAPS_H

#include "bpf/metrics_shared.h"

#include <stddef.h>

/* The pinned maps of the metrics programs, and what is written into them. */

struct fl_mesh;
struct fl_node;

enum fl_metrics_map {
	FL_MAP_PREFIX,
	FL_MAP_COUNTS,
	FL_MAP_OTHER,
	FL_MAP_PEERS,
	FL_MAP_NODE,
	FL_MAP_LANES,
	FL_MAP_LANE_COUNTS,
	FL_MAP_SESSIONS,
	FL_MAP_COUNTERS,
	FL_MAP_GAUGES,
	FL_MAP_HISTOGRAMS,
	FL_MAP_DRIFT,
	FL_N_MAPS,
};

struct fl_metrics_maps {
	int fd[FL_N_MAPS];
};

/* Names of the maps, in the objects and of the pins. */
extern const char *const fl_metrics_map_names[FL_N_MAPS];

/*
 * Make peers and prefixes those of the mesh without self. Writes only what differs. Counters go
 * with the public key: a peer that is renamed keeps them, one whose key changes starts from zero.
 * A name never moves to another slot while its node stays, so that a reader cannot meet it twice.
 * Prints its messages; returns enum fl_exit. What is wrong with the mesh is found before anything
 * is written.
 */
int fl_metrics_fill(const struct fl_metrics_maps *maps, const struct fl_mesh *mesh,
		    const struct fl_node *self);

/* Maps that are new count from now on. */
void fl_metrics_begin(const struct fl_metrics_maps *maps);

/* Prefixes in the map. */
unsigned int fl_metrics_count_prefixes(const struct fl_metrics_maps *maps);

/*
 * Text for a label value between quotes: \, " and newline escaped, bytes that are not UTF-8
 * replaced by U+FFFD. Returns the length, or -1 if it does not fit in size with its NUL.
 */
int fl_metrics_escape(char *out, size_t size, const char *text);

#endif
