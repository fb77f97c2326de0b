/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_SHOW_H
#define FL_TUNE_SHOW_H

#include "catalog.h"

/* How the verbs of `tune` print what several of them print. */

struct json_object;

/* Break at blanks to the width of the screen, every line indented. */
void fl_show_wrapped(const char *text, int indent);

/* A value, for a cell of a table: short and without tabs. All texts belong to the caller. */
char *fl_show_cell(const char *value);
char *fl_show_range(const struct fl_value_type *t); /* "0..65535", "-" */
char *fl_show_type(const struct fl_value_type *t);  /* "ints 2" */
char *fl_show_version(unsigned int v);		    /* "6.12"; NULL for 0 */

/* A number that may need all 64 bits, with a sign or without. */
void fl_show_json_num(struct json_object *o, const char *key, fl_num n);
struct json_object *fl_show_json_strings(char *const *list, int n);
struct json_object *fl_show_json_writers(const struct fl_catalog_key *key);

/* All that the catalogue knows about a key. */
struct json_object *fl_show_json_key(const struct fl_catalog_key *k);

#endif
