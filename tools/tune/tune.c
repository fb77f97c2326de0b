// SPDX-License-Identifier: GPL-2.0
#include "apply.h"
#include "fact.h"
#include "guard.h"
#include "watch.h"
#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define JSON_SCHEMA 1

static bool opt_keys, opt_all, opt_irrevocable;
static const char *opt_facts;

/* ---- what all verbs begin with ------------------------------------------------------------------ */

struct job {
	const struct fl_fact *facts;
	struct fl_catalog catalog;
	struct fl_profiles profiles;
	struct fl_tune_plan plan;
	struct fl_journal journal;
	int lock;
};

/* Catalogue, profiles, facts and what they come to: all that can be checked without looking at the kernel. */
static int load(struct job *job, char *const *names, int n, const char *facts)
{
	job->facts = fl_facts(facts);
	if (!job->facts)
		return facts ? FL_USAGE : FL_FAILED;
	if (fl_catalog_load(&job->catalog))
		return FL_FAILED;
	for (int i = 0; i < n; i++)
		if (fl_profiles_add(&job->profiles, &job->catalog, names[i]))
			return FL_FAILED;
	return fl_tune_evaluate(&job->plan, &job->profiles, job->facts) ? FL_FAILED : FL_OK;
}

static void unload(struct job *job)
{
	fl_tune_plan_free(&job->plan);
	fl_profiles_free(&job->profiles);
	fl_catalog_free(&job->catalog);
	fl_journal_free(&job->journal);
	if (job->lock > 0)
		close(job->lock);
}

static int need_root(const char *verb)
{
	if (geteuid() == 0)
		return FL_OK;
	return fl_fail("tune %s: writes kernel parameters and needs root; try sudo", verb);
}

/* ---- printing ----------------------------------------------------------------------------------- */

static int screen_width(void)
{
	struct winsize w;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col >= 60)
		return w.ws_col < 120 ? w.ws_col : 120;
	return 100;
}

/* Break at blanks, every line indented. */
static void print_wrapped(const char *text, int indent)
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

static void print_writers(const struct fl_catalog_key *key)
{
	for (int i = 0; i < key->n_writers; i++) {
		char *text = fl_asprintf("also written by %s: %s", key->writers[i].who,
					 key->writers[i].how);

		print_wrapped(text, 4);
		free(text);
	}
}

/* Bytes when all that the value allows is in use; "" when that is nothing or beyond any machine. */
static void cost_text(const struct fl_tune_item *it, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	fl_num bytes = fl_value_number(it->wanted);
	int u = 0;

	*buf = '\0';
	if (!it->set->key->cost || __builtin_mul_overflow(bytes, it->set->key->cost, &bytes) ||
	    bytes >> 50)
		return;
	while (bytes >= 10240 && u < 4) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, size, "%d %s", (int)bytes, units[u]);
}

/* A long list of ports must not push the other columns off the screen, nor may the kernel's tabs. */
static char *cell(const char *value)
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

static bool shown(const struct fl_tune_item *it)
{
	return opt_all || it->state == FL_TUNE_CHANGE;
}

/* The table; below each row the reason and who else writes the key, unless it is done already. */
static void print_items(const struct fl_tune_plan *plan, bool done)
{
	struct fl_table *t = fl_table_new();
	char *text = NULL, *line, *save = NULL;
	size_t size;
	FILE *f;

	fl_table_col(t, "KEY", FL_LEFT);
	fl_table_col(t, done ? "WAS" : "NOW", FL_RIGHT);
	fl_table_col(t, done ? "IS NOW" : "WANTED", FL_RIGHT);
	fl_table_col(t, "IN PODS", FL_LEFT);
	fl_table_col(t, "COST <=", FL_RIGHT);
	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];
		char *now, *wanted, cost[32];

		if (!shown(it))
			continue;
		now = it->now ? cell(it->now) : fl_strdup(fl_tune_state_names[it->state]);
		wanted = cell(it->wanted);
		cost_text(it, cost, sizeof(cost));
		fl_table_cell(t, "%s", it->set->name);
		fl_table_cell(t, "%s", now);
		fl_table_cell(t, "%s%s", it->set->raise && !done ? ">= " : "", wanted);
		fl_table_cell(t, "%s", fl_catalog_reach(it->set->key));
		fl_table_cell(t, "%s", *cost ? cost : "-");
		free(now);
		free(wanted);
	}
	f = done ? NULL : open_memstream(&text, &size);
	if (!f) {
		fl_table_print(t, stdout);
		return;
	}
	fl_table_print(t, f);
	fclose(f);
	line = strtok_r(text, "\n", &save);
	if (line)
		puts(line);
	for (int i = 0; i < plan->n; i++) {
		if (!shown(&plan->items[i]))
			continue;
		line = strtok_r(NULL, "\n", &save);
		printf("%s%s%s\n", fl_colour(FL_BOLD), line ? line : "", fl_colour(FL_PLAIN));
		print_wrapped(plan->items[i].set->why, 4);
		print_writers(plan->items[i].set->key);
	}
	free(text);
}

static void print_deferred(const struct fl_tune_plan *plan)
{
	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];

		if (it->state == FL_TUNE_DEFERRED)
			printf("deferred: %s: module %s is not loaded; load it (modules-load.d) and apply again\n",
			       it->set->name, it->set->key->module);
		else if (it->state == FL_TUNE_ABSENT)
			printf("absent: %s: not in this kernel version\n", it->set->name);
	}
}

static void print_summary(const struct fl_tune_plan *plan, const char *change)
{
	printf("%d key%s: %d %s, %d already right, %d deferred", plan->n, plan->n == 1 ? "" : "s",
	       plan->count[FL_TUNE_CHANGE], change, plan->count[FL_TUNE_OK],
	       plan->count[FL_TUNE_DEFERRED]);
	if (plan->count[FL_TUNE_ABSENT])
		printf(", %d absent", plan->count[FL_TUNE_ABSENT]);
	puts("");
}

static struct json_object *json_strings(char *const *list, int n)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_object_array_add(array, json_object_new_string(list[i]));
	return array;
}

static void json_num(struct json_object *o, const char *key, fl_num n)
{
	if (n < 0)
		fl_json_int(o, key, (int64_t)n);
	else
		fl_json_u64(o, key, (uint64_t)n);
}

static struct json_object *json_writers(const struct fl_catalog_key *key)
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

static struct json_object *json_facts(const struct fl_fact *facts)
{
	struct json_object *o = json_object_new_object();

	for (const struct fl_fact *f = facts; f->name; f++)
		json_num(o, f->name, f->value);
	return o;
}

static struct json_object *json_item(const struct fl_tune_item *it)
{
	struct json_object *o = json_object_new_object();
	const struct fl_setting *s = it->set;
	fl_num cost;

	fl_json_str(o, "key", s->name);
	fl_json_str(o, "state", fl_tune_state_names[it->state]);
	fl_json_str(o, "now", it->now);
	fl_json_str(o, "wanted", it->wanted);
	fl_json_bool(o, "raise_only", s->raise);
	fl_json_str(o, "why", s->why);
	fl_json_str(o, "expression", s->value);
	fl_json_str(o, "profile", s->profile);
	fl_json_str(o, "file", s->file);
	fl_json_int(o, "line", s->line);
	fl_json_str(o, "scope", fl_scope_names[s->key->scope]);
	fl_json_str(o, "reaches_pods", fl_catalog_reach(s->key));
	fl_json_str(o, "module", s->key->module);
	if (s->key->cost &&
	    !__builtin_mul_overflow(fl_value_number(it->wanted), s->key->cost, &cost) &&
	    cost <= INT64_MAX)
		json_num(o, "cost_bytes", cost);
	else
		fl_json_str(o, "cost_bytes", NULL);
	json_object_object_add(o, "writers", json_writers(s->key));
	return o;
}

static void json_plan(const struct job *job, char *const *names, int n)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *items = json_object_new_array();

	json_object_object_add(doc, "profiles", json_strings(names, n));
	json_object_object_add(doc, "facts", json_facts(job->facts));
	for (int s = 0; s < FL_TUNE_STATES; s++)
		fl_json_int(doc, fl_tune_state_names[s], job->plan.count[s]);
	for (int i = 0; i < job->plan.n; i++)
		json_object_array_add(items, json_item(&job->plan.items[i]));
	json_object_object_add(doc, "keys", items);
	fl_json_print(doc);
}

/* ---- list, facts -------------------------------------------------------------------------------- */

static char *range_text(const struct fl_value_type *t)
{
	char low[FL_NUM_TEXT], high[FL_NUM_TEXT];

	if (t->kind == FL_VALUE_PORTS || t->kind == FL_VALUE_STRING)
		return fl_strdup("-");
	return fl_asprintf("%s..%s", fl_num_text(t->min, low), fl_num_text(t->max, high));
}

static char *type_text(const struct fl_value_type *t)
{
	if (t->kind == FL_VALUE_INTS)
		return fl_asprintf("ints %d", t->count);
	return fl_strdup(fl_value_kind_names[t->kind]);
}

static char *version_text(unsigned int v)
{
	return v ? fl_asprintf("%u.%u", v >> 8, v & 255) : NULL;
}

static struct json_object *json_key(const struct fl_catalog_key *k)
{
	struct json_object *o = json_object_new_object();
	char *type = type_text(&k->type), *since = version_text(k->since);
	char *until = version_text(k->until);
	bool numeric = k->type.kind != FL_VALUE_PORTS && k->type.kind != FL_VALUE_STRING;

	fl_json_str(o, "key", k->name);
	fl_json_str(o, "does", k->does);
	fl_json_str(o, "unit", *k->unit ? k->unit : NULL);
	fl_json_str(o, "type", type);
	if (numeric) {
		json_num(o, "min", k->type.min);
		json_num(o, "max", k->type.max);
	} else {
		fl_json_str(o, "min", NULL);
		fl_json_str(o, "max", NULL);
	}
	fl_json_str(o, "scope", fl_scope_names[k->scope]);
	fl_json_str(o, "reaches_pods", fl_catalog_reach(k));
	fl_json_bool(o, "reversible", k->reversible);
	fl_json_bool(o, "rounded", k->rounded);
	json_num(o, "cost_bytes_per_unit", k->cost);
	fl_json_str(o, "since", since);
	fl_json_str(o, "until", until);
	fl_json_str(o, "module", k->module);
	json_object_object_add(o, "writers", json_writers(k));
	json_object_object_add(o, "after", json_strings(k->after, k->n_after));
	json_object_object_add(o, "resets", json_strings(k->resets, k->n_resets));
	fl_json_str(o, "source", k->source);
	free(type);
	free(since);
	free(until);
	return o;
}

static void list_keys(const struct fl_catalog *c)
{
	struct json_object *doc, *keys;
	struct fl_table *t;

	if (fl_json) {
		doc = fl_json_new(JSON_SCHEMA);
		keys = json_object_new_array();
		for (int i = 0; i < c->n; i++)
			json_object_array_add(keys, json_key(&c->keys[i]));
		json_object_object_add(doc, "keys", keys);
		fl_json_print(doc);
		return;
	}
	t = fl_table_new();
	fl_table_col(t, "KEY", FL_LEFT);
	fl_table_col(t, "TYPE", FL_LEFT);
	fl_table_col(t, "RANGE", FL_LEFT);
	fl_table_col(t, "SCOPE", FL_LEFT);
	fl_table_col(t, "WHAT IT DOES", FL_LEFT);
	for (int i = 0; i < c->n; i++) {
		char *range = range_text(&c->keys[i].type), *type = type_text(&c->keys[i].type);

		fl_table_cell(t, "%s", c->keys[i].name);
		fl_table_cell(t, "%s", type);
		fl_table_cell(t, "%s", range);
		fl_table_cell(t, "%s", fl_scope_names[c->keys[i].scope]);
		fl_table_cell(t, "%s", c->keys[i].does);
		free(range);
		free(type);
	}
	fl_table_print(t, stdout);
}

/* Each profile is loaded by itself, so that a broken one is named and the others are listed. */
static int list_profiles(const struct fl_catalog *c, char **names)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *array = json_object_new_array();
	struct fl_table *t = fl_table_new();
	int status = FL_OK;

	fl_table_col(t, "PROFILE", FL_LEFT);
	fl_table_col(t, "KEYS", FL_RIGHT);
	fl_table_col(t, "INCLUDES", FL_LEFT);
	fl_table_col(t, "WHAT IT IS FOR", FL_LEFT);
	for (; *names; names++) {
		struct fl_profiles one = { 0 };
		struct json_object *o;
		struct fl_profile *p;

		if (fl_profiles_add(&one, c, *names)) {
			fl_profiles_free(&one);
			status = FL_FAILED;
			continue;
		}
		/* Included ones come before it. */
		p = &one.list[one.n - 1];
		fl_table_cell(t, "%s", p->name);
		fl_table_cell(t, "%d", one.n_settings);
		fl_table_cell(t, "%s", p->include ? p->include : "-");
		fl_table_cell(t, "%s", p->description);
		o = json_object_new_object();
		fl_json_str(o, "profile", p->name);
		fl_json_str(o, "description", p->description);
		fl_json_str(o, "file", p->file);
		fl_json_str(o, "include", p->include);
		fl_json_int(o, "keys", one.n_settings);
		json_object_array_add(array, o);
		fl_profiles_free(&one);
	}
	json_object_object_add(doc, "profiles", array);
	if (fl_json) {
		fl_json_print(doc);
		fl_table_free(t);
	} else {
		json_object_put(doc);
		fl_table_print(t, stdout);
	}
	return status;
}

static int run_list(int argc, char **argv)
{
	struct fl_catalog c;
	char **names;
	int status = FL_OK;

	(void)argc;
	(void)argv;
	if (fl_catalog_load(&c))
		return FL_FAILED;
	if (opt_keys) {
		list_keys(&c);
	} else {
		names = fl_profile_names();
		status = names ? list_profiles(&c, names) : FL_FAILED;
		for (char **n = names; n && *n; n++)
			free(*n);
		free(names);
	}
	fl_catalog_free(&c);
	return status;
}

static int run_facts(int argc, char **argv)
{
	const struct fl_fact *facts = fl_facts(opt_facts);
	struct json_object *doc;
	char buf[FL_NUM_TEXT];
	struct fl_table *t;

	(void)argc;
	(void)argv;
	if (!facts)
		return opt_facts ? FL_USAGE : FL_FAILED;
	if (fl_json) {
		doc = fl_json_new(JSON_SCHEMA);
		json_object_object_add(doc, "facts", json_facts(facts));
		fl_json_print(doc);
		return FL_OK;
	}
	t = fl_table_new();
	fl_table_col(t, "FACT", FL_LEFT);
	fl_table_col(t, "VALUE", FL_RIGHT);
	fl_table_col(t, "WHAT IT IS", FL_LEFT);
	for (const struct fl_fact *f = facts; f->name; f++) {
		fl_table_cell(t, "%s", f->name);
		fl_table_cell(t, "%s", fl_num_text(f->value, buf));
		fl_table_cell(t, "%s", f->help);
	}
	fl_table_print(t, stdout);
	return FL_OK;
}

/* ---- plan, verify ------------------------------------------------------------------------------- */

static int compare(struct job *job, char *const *names, int n, const char *facts)
{
	int status = load(job, names, n, facts);

	if (status)
		return status;
	if (fl_tune_compare(&job->plan))
		return FL_FAILED;
	return job->plan.count[FL_TUNE_CHANGE] ? FL_DEGRADED : FL_OK;
}

static void print_plan(const struct job *job, char *const *names, int n, const char *change,
		       bool done)
{
	bool rows = opt_all && job->plan.n;

	if (fl_json) {
		json_plan(job, names, n);
		return;
	}
	if (rows || job->plan.count[FL_TUNE_CHANGE])
		print_items(&job->plan, done);
	print_deferred(&job->plan);
	print_summary(&job->plan, change);
}

static int run_plan(int argc, char **argv)
{
	struct job job = { 0 };
	int status = compare(&job, argv, argc, opt_facts);

	if (status == FL_OK || status == FL_DEGRADED)
		print_plan(&job, argv, argc, "to set", false);
	unload(&job);
	return status;
}

static int run_verify(int argc, char **argv)
{
	const char *facts = opt_facts;
	struct job job = { 0 };
	int status;

	if (fl_journal_load(&job.journal))
		return FL_FAILED;
	if (job.journal.pending.n)
		fl_warn("an earlier `tune apply` was interrupted; the next apply or revert undoes it");
	if (!argc) {
		argc = job.journal.n_profiles;
		argv = job.journal.profiles;
		facts = facts ? facts : job.journal.facts;
	}
	if (!argc) {
		unload(&job);
		return fl_usage(
			"tune verify: nothing is applied since boot; say which PROFILE to compare with");
	}
	status = compare(&job, argv, argc, facts);
	if (status == FL_OK || status == FL_DEGRADED)
		print_plan(&job, argv, argc, "drifted", false);
	unload(&job);
	return status;
}

/* ---- apply, revert ------------------------------------------------------------------------------ */

/* The lock, the journal, and what a crash left behind put right. */
static int begin(struct job *job)
{
	int undone;

	job->lock = fl_journal_lock();
	if (job->lock < 0 || fl_journal_load(&job->journal) || fl_guard_announce())
		return FL_FAILED;
	if (!job->journal.pending.n)
		return FL_OK;
	undone = fl_tune_recover(&job->journal);
	if (undone < 0)
		return FL_FAILED;
	fl_warn("an earlier `tune apply` was interrupted; %d key%s put back first", undone,
		undone == 1 ? "" : "s");
	return FL_OK;
}

static int run_apply(int argc, char **argv)
{
	struct job job = { 0 };
	int status = need_root("apply");

	/* The profiles before the lock: a mistake in them must not change anything, not even mend. */
	if (!status)
		status = load(&job, argv, argc, opt_facts);
	if (!status)
		status = begin(&job);
	if (!status && fl_tune_compare(&job.plan))
		status = FL_FAILED;
	if (!status &&
	    fl_tune_apply(&job.journal, &job.plan, argv, argc, opt_facts, opt_irrevocable))
		status = FL_FAILED;
	if (!status)
		print_plan(&job, argv, argc, "set", true);
	unload(&job);
	return status;
}

static void print_revert(const struct fl_revert *r, int n)
{
	struct fl_table *t = fl_table_new();
	int count[FL_REVERT_RESULTS] = { 0 };

	fl_table_col(t, "KEY", FL_LEFT);
	fl_table_col(t, "WAS", FL_RIGHT);
	fl_table_col(t, "IS NOW", FL_RIGHT);
	fl_table_col(t, "", FL_LEFT);
	for (int i = n - 1; i >= 0; i--) {
		bool back = r[i].result == FL_REVERT_DONE || r[i].result == FL_REVERT_SAME;
		char *was = cell(r[i].now ? r[i].now : "-");
		char *is = cell(back ? r[i].entry->original : r[i].now ? r[i].now : "-");

		count[r[i].result]++;
		if (r[i].result == FL_REVERT_SAME) {
			free(was);
			free(is);
			continue;
		}
		fl_table_cell(t, "%s", r[i].entry->key);
		fl_table_cell(t, "%s", was);
		fl_table_cell(t, "%s", is);
		if (r[i].result == FL_REVERT_LEFT)
			fl_table_cell(t, "left: somebody else has set it since we wrote '%s'",
				      r[i].entry->wrote);
		else if (r[i].result == FL_REVERT_GONE)
			fl_table_cell(t, "gone: its interface or module is no longer there");
		else
			fl_table_cell(t, "%s", fl_revert_result_names[r[i].result]);
		free(was);
		free(is);
	}
	fl_table_print(t, stdout);
	printf("%d key%s: %d restored, %d held the original already, %d left, %d gone, %d failed\n",
	       n, n == 1 ? "" : "s", count[FL_REVERT_DONE], count[FL_REVERT_SAME],
	       count[FL_REVERT_LEFT], count[FL_REVERT_GONE], count[FL_REVERT_FAILED]);
}

static void json_revert(const struct fl_revert *r, int n)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *keys = json_object_new_array();

	for (int i = n - 1; i >= 0; i--) {
		struct json_object *o = json_object_new_object();

		fl_json_str(o, "key", r[i].entry->key);
		fl_json_str(o, "result", fl_revert_result_names[r[i].result]);
		fl_json_str(o, "was", r[i].now);
		fl_json_str(o, "wrote", r[i].entry->wrote);
		fl_json_str(o, "original", r[i].entry->original);
		json_object_array_add(keys, o);
	}
	json_object_object_add(doc, "keys", keys);
	fl_json_print(doc);
}

static int run_revert(int argc, char **argv)
{
	struct job job = { 0 };
	struct fl_revert *r;
	int status = need_root("revert"), n, failed, left = 0;

	(void)argc;
	(void)argv;
	if (!status)
		status = begin(&job);
	if (status) {
		unload(&job);
		return status;
	}
	n = job.journal.keys.n;
	r = fl_zalloc((size_t)n * sizeof(*r));
	failed = fl_tune_revert(&job.journal, r);
	if (fl_json)
		json_revert(r, n);
	else if (n)
		print_revert(r, n);
	else
		puts("nothing to revert: fairlead tune has changed nothing since boot");
	for (int i = 0; i < n; i++) {
		left += r[i].result == FL_REVERT_LEFT;
		free(r[i].now);
	}
	free(r);
	unload(&job);
	return failed ? FL_FAILED : left ? FL_DEGRADED : FL_OK;
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define OPT_FACT                                                                                   \
	{                                                                                          \
		0, "fact", FL_OPT_STR, &opt_facts, "NAME=N[,...]",                                 \
			"use these facts instead of the machine's"                                 \
	}
#define OPT_ALL                                                                                    \
	{                                                                                          \
		'a', "all", FL_OPT_FLAG, &opt_all, NULL, "show keys that hold already, too"        \
	}

static const struct fl_opt list_opts[] = {
	{ 'k', "keys", FL_OPT_FLAG, &opt_keys, NULL,
	  "list the catalogue's keys instead of the profiles" },
	{ 0 },
};
static const struct fl_opt plan_opts[] = { OPT_ALL, OPT_FACT, { 0 } };
static const struct fl_opt facts_opts[] = { OPT_FACT, { 0 } };
static const struct fl_opt apply_opts[] = {
	OPT_ALL,
	OPT_FACT,
	{ 0, "irrevocable", FL_OPT_FLAG, &opt_irrevocable, NULL,
	  "set keys, too, that cannot be set back before the next boot" },
	{ 0 },
};

const struct fl_verb fl_tune_verbs[] = {
	{ "list", "", "List the profiles, or the keys that are known", list_opts, 0, 0, run_list },
	{ "facts", "", "Show what expressions know about this machine", facts_opts, 0, 0,
	  run_facts },
	{ "plan", "PROFILE...", "Show what apply would change, and why; change nothing", plan_opts,
	  1, -1, run_plan },
	{ "apply", "PROFILE...", "Set the profiles' keys; all of them or none", apply_opts, 1, -1,
	  run_apply },
	{ "verify", "[PROFILE...]", "Compare with what was applied, or with these profiles",
	  plan_opts, 0, -1, run_verify },
	{ "revert", "", "Put back what was there before apply", NULL, 0, 0, run_revert },
	{ "watch", "[PROFILE...]", "Catch who writes the profiles' keys, or refuse it",
	  fl_tune_watch_opts, 0, -1, fl_tune_watch },
	{ "unwatch", "", "Stop watching and refusing", NULL, 0, 0, fl_tune_unwatch },
	{ 0 },
};
