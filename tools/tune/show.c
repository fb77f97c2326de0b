// SPDX-License-Identifier: GPL-2.0
#include "show.h"
#include "../lib/json.h"
#include "../lib/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int screen_width(void)
{
	struct winsize w;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col >= 60)
		return w.ws_col < 120 ? w.ws_col : 120;
	return 100;
}

/* Break at blanks, every line indented. */
void fl_show_wrapped(const char *text, int indent)
{
	int room = screen_width() - indent;

	while (*text) {
		int len = (int)strlen(text);

		if (len > room) {
			len = room;
			while (len > 0 && text[len] != ' ')
				len--;
			if (!len)
				len = (int)strcspn(text, " ");
		}
		printf("%*s%.*s\n", indent, "", len, text);
		text += len;
		text += strspn(text, " ");
	}
}

/* A long list of ports must not push the other columns off the screen, nor may the kernel's tabs. */
char *fl_show_cell(const char *value)
{
	size_t len = strlen(value);
	char *text;

	if (!len)
		return fl_strdup("(empty)");
	text = len <= 20 ? fl_strdup(value) : fl_asprintf("%.17s...", value);
	for (char *p = text; *p; p++)
		*p = *p == '\t' ? ' ' : *p;
	return text;
}

struct json_object *fl_show_json_strings(char *const *list, int n)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(array, json_object_new_string(list[i]));
	return array;
}

void fl_show_json_num(struct json_object *o, const char *key, fl_num n)
{
	if (n < 0)
		fl_json_int(o, key, (int64_t)n);
	else
		fl_json_u64(o, key, (uint64_t)n);
}

struct json_object *fl_show_json_writers(const struct fl_catalog_key *key)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < key->n_writers; i++) {
		struct json_object *o = json_object_new_object();

		fl_json_str(o, "who", key->writers[i].who);
		fl_json_str(o, "how", key->writers[i].how);
		json_object_array_add(array, o);
	}
	return array;
}

char *fl_show_range(const struct fl_value_type *t)
{
	char low[FL_NUM_TEXT], high[FL_NUM_TEXT];

	if (t->kind == FL_VALUE_PORTS || t->kind == FL_VALUE_STRING)
		return fl_strdup("-");
	return fl_asprintf("%s..%s", fl_num_text(t->min, low), fl_num_text(t->max, high));
}

char *fl_show_type(const struct fl_value_type *t)
{
	if (t->kind == FL_VALUE_INTS)
		return fl_asprintf("ints %d", t->count);
	return fl_strdup(fl_value_kind_names[t->kind]);
}

char *fl_show_version(unsigned int v)
{
	return v ? fl_asprintf("%u.%u", v >> 8, v & 255) : NULL;
}

static struct json_object *json_defaults(const struct fl_catalog_key *k)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < k->n_defaults; i++) {
		struct json_object *o = json_object_new_object();
		char *since = fl_show_version(k->defaults[i].since);

		fl_json_str(o, "value", k->defaults[i].value);
		fl_json_str(o, "depends", k->defaults[i].depends);
		fl_json_str(o, "since", since);
		json_object_array_add(array, o);
		free(since);
	}
	return array;
}

struct json_object *fl_show_json_key(const struct fl_catalog_key *k)
{
	struct json_object *o = json_object_new_object();
	char *type = fl_show_type(&k->type), *since = fl_show_version(k->since);
	char *until = fl_show_version(k->until), *pod_safe = fl_show_version(k->pod_safe);
	bool numeric = k->type.kind != FL_VALUE_PORTS && k->type.kind != FL_VALUE_STRING;

	fl_json_str(o, "key", k->name);
	fl_json_str(o, "does", k->does);
	fl_json_str(o, "unit", *k->unit ? k->unit : NULL);
	fl_json_str(o, "type", type);
	if (numeric) {
		fl_show_json_num(o, "min", k->type.min);
		fl_show_json_num(o, "max", k->type.max);
	} else {
		fl_json_str(o, "min", NULL);
		fl_json_str(o, "max", NULL);
	}
	fl_json_str(o, "scope", fl_scope_names[k->scope]);
	fl_json_str(o, "reaches_pods", fl_catalog_reach(k));
	json_object_object_add(o, "defaults", json_defaults(k));
	fl_json_str(o, "effective", k->effective ? fl_effective_names[k->effective] : NULL);
	fl_json_str(o, "irrevocable", k->irrevocable);
	fl_json_bool(o, "optional", k->optional);
	fl_json_str(o, "pod_safe_since", pod_safe);
	fl_json_str(o, "note", k->note);
	fl_json_bool(o, "rounded", k->rounded);
	fl_show_json_num(o, "cost_bytes_per_unit", k->cost);
	fl_json_str(o, "since", since);
	fl_json_str(o, "until", until);
	fl_json_str(o, "module", k->module);
	json_object_object_add(o, "writers", fl_show_json_writers(k));
	json_object_object_add(o, "after", fl_show_json_strings(k->after, k->n_after));
	json_object_object_add(o, "resets", fl_show_json_strings(k->resets, k->n_resets));
	fl_json_str(o, "source", k->source);
	free(type);
	free(since);
	free(until);
	free(pod_safe);
	return o;
}
