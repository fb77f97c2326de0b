/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TABLE_H
#define FL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * A table for people: columns as wide as their widest cell, two spaces between, the last column
 * ragged. Width is counted in UTF-8 code points. Lives until fl_table_print() or fl_table_free().
 */
struct fl_table;

enum fl_align { FL_LEFT, FL_RIGHT };

struct fl_table *fl_table_new(void); /* never NULL: exits on lack of memory, as all of lib/ does */

void fl_table_col(struct fl_table *t, const char *title, enum fl_align align);

/* Append the next cell, row by row; copied. NULL is printed as "-". */
void fl_table_cell(struct fl_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Print title row (if any column has a title) and rows, then free the table. */
void fl_table_print(struct fl_table *t, FILE *f);

/*
 * The same for a terminal that is `width` columns wide: columns that do not fit come below in
 * further tables, each of which begins with the first `keys` columns. 0: no limit.
 */
void fl_table_print_folded(struct fl_table *t, FILE *f, size_t keys, size_t width);

/* Columns of the terminal that stdout is, 0 if it is none. */
size_t fl_terminal_width(void);

void fl_table_free(struct fl_table *t);

/* Colour only on a terminal and without NO_COLOR; returns the escape sequence or "". */
enum fl_colour { FL_PLAIN, FL_BOLD, FL_RED, FL_GREEN, FL_YELLOW };
const char *fl_colour(enum fl_colour c);

#endif
