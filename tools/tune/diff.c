// SPDX-License-Identifier: GPL-2.0
#include "explain.h"
#include "other.h"
#include "plan.h"
#include "show.h"
#include "sysctl.h"
#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA 1

struct side {
	const char *name;
	char *ours; /* NULL: the profiles do not set it, or the kernel does not have it */
	const struct fl_other_value *theirs;
};

static void diff_row(struct fl_table *t, struct json_object *array, const struct side *s)
{
	struct json_object *o;
	char *a, *b;

	if (array) {
		o = json_object_new_object();
		fl_json_str(o, "key", s->name);
		fl_json_str(o, "ours", s->ours);
		fl_json_str(o, "theirs", s->theirs ? s->theirs->value : NULL);
		fl_json_str(o, "note", s->theirs ? s->theirs->note : NULL);
		json_object_array_add(array, o);
		return;
	}
	a = s->ours ? fl_show_cell(s->ours) : fl_strdup("-");
	b = s->theirs ? fl_show_cell(s->theirs->value) : fl_strdup("-");
	fl_table_cell(t, "%s", s->name);
	fl_table_cell(t, "%s", a);
	fl_table_cell(t, "%s", b);
	fl_table_cell(t, "%s", s->theirs && s->theirs->note ? s->theirs->note : "");
	free(a);
	free(b);
}

/* What our side has for a key of theirs: with profiles, what these want; else what the kernel holds. */
static char *ours_of(const struct fl_tune_plan *plan, bool profiles, const struct fl_catalog *c,
		     const char *name)
{
	const struct fl_catalog_key *key = fl_catalog_find(c, name);
	const char *why;
	char *raw, *text;

	for (int i = 0; i < plan->n; i++)
		if (!strcmp(plan->items[i].name, name))
			return fl_strdup(plan->items[i].wanted);
	if (profiles || !key || fl_sysctl_read(name, &raw))
		return NULL;
	text = fl_value_canonical(&key->type, raw, &why);
	free(raw);
	return text;
}

int fl_tune_diff(const char *against, char *const *profiles, int n, const struct fl_fact *facts,
		 bool all)
{
	struct json_object *doc = NULL, *array = NULL;
	struct fl_catalog catalog = { 0 };
	struct fl_profiles p = { 0 };
	struct fl_tune_plan plan = { 0 };
	struct fl_other other = { 0 };
	struct fl_table *t = NULL;
	int differ = 0, same = 0, only = 0, status = FL_FAILED;

	if (fl_catalog_load(&catalog) || fl_other_load(&other, &catalog, against))
		goto out;
	for (int i = 0; i < n; i++)
		if (fl_profiles_add(&p, &catalog, profiles[i]))
			goto out;
	if (fl_tune_evaluate(&plan, &p, facts))
		goto out;
	t = fl_table_new();
	fl_table_col(t, "KEY", FL_LEFT);
	fl_table_col(t, n ? "PROFILES" : "HERE", FL_RIGHT);
	fl_table_col(t, other.name, FL_RIGHT);
	fl_table_col(t, "", FL_LEFT);
	if (fl_json)
		array = json_object_new_array();
	for (int i = 0; i < other.n; i++) {
		struct side s = { other.values[i].name, NULL, &other.values[i] };
		bool equal;

		s.ours = ours_of(&plan, n > 0, &catalog, s.name);
		equal = s.ours && !strcmp(s.ours, s.theirs->value);
		differ += !equal;
		same += equal;
		if (!equal || all || fl_json)
			diff_row(t, array, &s);
		free(s.ours);
	}
	for (int i = 0; i < plan.n; i++) {
		struct side s = { plan.items[i].name, plan.items[i].wanted, NULL };

		if (fl_other_find(&other, s.name))
			continue;
		only++;
		if (all || fl_json)
			diff_row(t, array, &s);
	}
	if (fl_json) {
		doc = fl_json_new(JSON_SCHEMA);
		fl_json_str(doc, "against", other.name);
		fl_json_str(doc, "description", other.description);
		fl_json_str(doc, "date", other.date);
		json_object_object_add(doc, "sources",
				       fl_show_json_strings(other.sources, other.n_sources));
		json_object_object_add(doc, "profiles", fl_show_json_strings(profiles, n));
		fl_json_int(doc, "differ", differ);
		fl_json_int(doc, "same", same);
		fl_json_int(doc, "only_ours", only);
		json_object_object_add(doc, "keys", array);
		fl_json_print(doc);
	} else {
		if (differ || all)
			fl_table_print(t, stdout);
		else
			fl_table_free(t);
		t = NULL;
		printf("%s: %s\n", other.name, other.description);
		for (int i = 0; i < other.n_sources; i++)
			printf("source: %s, looked up %s\n", other.sources[i], other.date);
		printf("%d key%s differ, %d the same", differ, differ == 1 ? "" : "s", same);
		if (n)
			printf(", %d that only the profiles set", only);
		puts("");
	}
	status = differ ? FL_DEGRADED : FL_OK;
out:
	if (t)
		fl_table_free(t);
	fl_tune_plan_free(&plan);
	fl_profiles_free(&p);
	fl_other_free(&other);
	fl_catalog_free(&catalog);
	return status;
}
