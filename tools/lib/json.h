/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_JSON_H
#define FL_JSON_H

#include <json-c/json.h>

/*
 * JSON output: one document a command, `{"schema": N, …}`. A field is never left out because it
 * is empty: "never", null or []. The schema number goes up when a field changes meaning or goes.
 */
struct json_object *fl_json_new(int schema);
void fl_json_str(struct json_object *o, const char *key, const char *val); /* NULL: null */
void fl_json_int(struct json_object *o, const char *key, int64_t val);
void fl_json_u64(struct json_object *o, const char *key, uint64_t val);
void fl_json_bool(struct json_object *o, const char *key, int val);

/* Print on stdout, with a newline, and release the document. */
void fl_json_print(struct json_object *o);

#endif
