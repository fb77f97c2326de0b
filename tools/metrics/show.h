/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_SHOW_H
#define FL_METRICS_SHOW_H

#include <stdio.h>

/*
 * A reading of the metrics for people and for programs. Neither knows a family by name, so that
 * both show whatever a later version counts.
 */

struct fl_exposition;
struct json_object;

/*
 * Tables on f. First the values that a node has once; then a table for each set of label names
 * (peer; lane; lane and reason; …), with a row for each set of values and a column for each
 * family; tables wider than `width` (0: any) are folded. Info families become columns of the table
 * of their first label, histograms become a count and quantiles.
 */
void fl_metrics_print(const struct fl_exposition *e, FILE *f, size_t width);

/* The document of `fairlead metrics --json`. */
struct json_object *fl_metrics_json(const struct fl_exposition *e);

#endif
