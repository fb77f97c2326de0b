// SPDX-License-Identifier: GPL-2.0
#include "apply.h"
#include "complete.h"
#include "deferred.h"
#include "explain.h"
#include "fact.h"
#include "guard.h"
#include "invariant.h"
#include "pressure.h"
#include "render.h"
#include "show.h"
#include "watch.h"
#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "../metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JSON_SCHEMA 1

static bool opt_keys, opt_all, opt_irrevocable, opt_metrics;
static const char *opt_facts, *opt_who, *opt_against;

/* ---- what all verbs begin with ------------------------------------------------------------------ */

struct job {
	const struct fl_fact *facts;
	struct fl_catalog catalog;
	struct fl_profiles profiles;
	struct fl_tune_plan plan;
	struct fl_warnings warnings;
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
	fl_warnings_free(&job->warnings);
	fl_tune_plan_free(&job->plan);
	fl_profiles_free(&job->profiles);
	fl_catalog_free(&job->catalog);
	fl_journal_free(&job->journal);
	if (job->lock > 0)
		close(job->lock);
}

static void look_at_invariants(struct job *job)
{
	struct fl_machine m;

	fl_machine_init(&m, job->facts);
	fl_invariants(&job->warnings, &job->catalog, &job->plan, &m);
	fl_machine_free(&m);
}

static int need_root(const char *verb)
{
	if (geteuid() == 0)
		return FL_OK;
	return fl_fail("tune %s: writes kernel parameters and needs root; try sudo", verb);
}

/* ---- printing ----------------------------------------------------------------------------------- */

static void print_writers(const struct fl_catalog_key *key)
{
	for (int i = 0; i < key->n_writers; i++) {
		char *text = fl_asprintf("also written by %s: %s", key->writers[i].who,
					 key->writers[i].how);

		fl_show_wrapped(text, 4);
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
		now = it->now ? fl_show_cell(it->now) : fl_strdup(fl_tune_state_names[it->state]);
		wanted = fl_show_cell(it->wanted);
		cost_text(it, cost, sizeof(cost));
		fl_table_cell(t, "%s", it->name);
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
		fl_show_wrapped(plan->items[i].set->why, 4);
		print_writers(plan->items[i].set->key);
	}
	free(text);
}

static void print_deferred_key(const struct fl_tune_item *it)
{
	if (it->set->pattern && !strcmp(it->name, it->set->name))
		printf("deferred: %s: no interface matches it now\n", it->name);
	else
		printf("deferred: %s: module %s is not loaded; load it (modules-load.d) and apply again\n",
		       it->name, it->set->key->module);
}

static void print_deferred(const struct fl_tune_plan *plan)
{
	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];

		if (it->state == FL_TUNE_DEFERRED)
			print_deferred_key(it);
		else if (it->state == FL_TUNE_ABSENT)
			printf("absent: %s: this kernel does not have it\n", it->name);
	}
}

static void print_warnings(const struct fl_warnings *w)
{
	for (int i = 0; i < w->n; i++) {
		printf("%swarning: %s:%s\n", fl_colour(FL_YELLOW), w->w[i].invariant,
		       fl_colour(FL_PLAIN));
		fl_show_wrapped(w->w[i].text, 4);
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

static struct json_object *json_facts(const struct fl_fact *facts)
{
	struct json_object *o = json_object_new_object();

	for (const struct fl_fact *f = facts; f->name; f++)
		fl_show_json_num(o, f->name, f->value);
	return o;
}

static struct json_object *json_item(const struct fl_journal *j, const struct fl_tune_item *it)
{
	struct json_object *o = json_object_new_object();
	const struct fl_setting *s = it->set;
	fl_num cost;

	fl_json_str(o, "key", it->name);
	fl_json_str(o, "state", fl_tune_state_names[it->state]);
	fl_json_str(o, "now", it->now);
	fl_json_str(o, "wanted", it->wanted);
	fl_json_bool(o, "came_since_apply",
		     it->state == FL_TUNE_CHANGE && fl_journal_deferred(j, s->name));
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
		fl_show_json_num(o, "cost_bytes", cost);
	else
		fl_json_str(o, "cost_bytes", NULL);
	json_object_object_add(o, "writers", fl_show_json_writers(s->key));
	return o;
}

static struct json_object *json_warnings(const struct fl_warnings *w)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < w->n; i++) {
		struct json_object *o = json_object_new_object();

		fl_json_str(o, "invariant", w->w[i].invariant);
		fl_json_str(o, "text", w->w[i].text);
		json_object_array_add(array, o);
	}
	return array;
}

static void json_plan(const struct job *job, char *const *names, int n)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *items = json_object_new_array();

	json_object_object_add(doc, "profiles", fl_show_json_strings(names, n));
	json_object_object_add(doc, "facts", json_facts(job->facts));
	for (int s = 0; s < FL_TUNE_STATES; s++)
		fl_json_int(doc, fl_tune_state_names[s], job->plan.count[s]);
	for (int i = 0; i < job->plan.n; i++)
		json_object_array_add(items, json_item(&job->journal, &job->plan.items[i]));
	json_object_object_add(doc, "keys", items);
	json_object_object_add(doc, "warnings", json_warnings(&job->warnings));
	fl_json_print(doc);
}

/* ---- list, facts -------------------------------------------------------------------------------- */

static void list_keys(const struct fl_catalog *c)
{
	struct json_object *doc, *keys;
	struct fl_table *t;

	if (fl_json) {
		doc = fl_json_new(JSON_SCHEMA);
		keys = json_object_new_array();
		for (int i = 0; i < c->n; i++)
			json_object_array_add(keys, fl_show_json_key(&c->keys[i]));
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
		char *range = fl_show_range(&c->keys[i].type),
		     *type = fl_show_type(&c->keys[i].type);

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
	look_at_invariants(job);
	return job->plan.count[FL_TUNE_CHANGE] ? FL_DEGRADED : FL_OK;
}

/* Drift that is nobody's fault: what was not there to be set has come. */
static void print_came(const struct job *job)
{
	for (int i = 0; i < job->plan.n; i++) {
		const struct fl_tune_item *it = &job->plan.items[i];

		if (it->state == FL_TUNE_CHANGE &&
		    fl_journal_deferred(&job->journal, it->set->name))
			printf("came since it was applied: %s; apply again\n", it->name);
	}
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
	print_came(job);
	print_warnings(&job->warnings);
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

/* What is not there, or not yet, has neither drifted nor not. */
static int drift_metrics(const struct fl_tune_plan *plan)
{
	struct fl_metrics_verified *keys = fl_zalloc((size_t)plan->n * sizeof(*keys) + 1);
	size_t n = 0;
	int ret;

	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];

		if (it->state == FL_TUNE_OK || it->state == FL_TUNE_CHANGE)
			keys[n++] = (struct fl_metrics_verified){ it->name,
								  it->state == FL_TUNE_CHANGE };
	}
	ret = fl_metrics_drift(keys, n);
	free(keys);
	return ret;
}

static int run_verify(int argc, char **argv)
{
	const char *facts = opt_facts;
	struct job job = { 0 };
	int status;

	if (opt_metrics && fl_json)
		return fl_usage("tune verify: only one of --metrics and --json");
	if (fl_journal_load(&job.journal))
		return FL_FAILED;
	if (job.journal.pending.n)
		fl_warn("an earlier `tune apply` was interrupted; the next apply or revert undoes it");
	if (!argc) {
		argc = job.journal.n_profiles;
		argv = job.journal.profiles;
		facts = facts ? facts : job.journal.facts;
	}
	if (!argc && opt_metrics) { /* nothing that could drift */
		unload(&job);
		return fl_metrics_drift(NULL, 0);
	}
	if (!argc) {
		unload(&job);
		return fl_usage(
			"tune verify: nothing is applied since boot; say which PROFILE to compare with");
	}
	status = compare(&job, argv, argc, facts);
	if (status != FL_OK && status != FL_DEGRADED)
		;
	else if (opt_metrics)
		status = drift_metrics(&job.plan);
	else
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
	if (!status) {
		look_at_invariants(&job);
		print_plan(&job, argv, argc, "set", true);
	}
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
		char *was = fl_show_cell(r[i].now ? r[i].now : "-");
		char *is = fl_show_cell(back ? r[i].entry->original : r[i].now ? r[i].now : "-");

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
		else if (r[i].result == FL_REVERT_STAYS)
			fl_table_cell(t, "stays: it cannot be set back before the next boot");
		else if (r[i].result == FL_REVERT_GONE)
			fl_table_cell(t, "gone: its interface or module is no longer there");
		else
			fl_table_cell(t, "%s", fl_revert_result_names[r[i].result]);
		free(was);
		free(is);
	}
	fl_table_print(t, stdout);
	printf("%d key%s: %d restored, %d held the original already, %d left, %d gone, %d failed",
	       n, n == 1 ? "" : "s", count[FL_REVERT_DONE], count[FL_REVERT_SAME],
	       count[FL_REVERT_LEFT], count[FL_REVERT_GONE], count[FL_REVERT_FAILED]);
	if (count[FL_REVERT_STAYS])
		printf(", %d until the next boot", count[FL_REVERT_STAYS]);
	puts("");
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
		left += r[i].result == FL_REVERT_LEFT || r[i].result == FL_REVERT_STAYS;
		free(r[i].now);
	}
	free(r);
	unload(&job);
	return failed ? FL_FAILED : left ? FL_DEGRADED : FL_OK;
}

/* ---- explain, owners, diff ---------------------------------------------------------------------- */

static int run_explain(int argc, char **argv)
{
	const struct fl_fact *facts = fl_facts(opt_facts);

	if (!facts)
		return opt_facts ? FL_USAGE : FL_FAILED;
	return fl_tune_explain(argv, argc, facts);
}

static int run_owners(int argc, char **argv)
{
	return fl_tune_owners(argv, argc, opt_who);
}

static int run_diff(int argc, char **argv)
{
	const struct fl_fact *facts = fl_facts(opt_facts);

	if (!facts)
		return opt_facts ? FL_USAGE : FL_FAILED;
	if (!opt_against)
		return fl_usage(
			"tune diff: say --against aks, eks, bottlerocket, openshift or talos");
	return fl_tune_diff(opt_against, argv, argc, facts, opt_all);
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
static const struct fl_opt verify_opts[] = {
	OPT_ALL,
	OPT_FACT,
	{ 'm', "metrics", FL_OPT_FLAG, &opt_metrics, NULL,
	  "put it into the metrics file, and print nothing" },
	{ 0 },
};
static const struct fl_opt facts_opts[] = { OPT_FACT, { 0 } };
static const struct fl_opt apply_opts[] = {
	OPT_ALL,
	OPT_FACT,
	{ 0, "irrevocable", FL_OPT_FLAG, &opt_irrevocable, NULL,
	  "set keys, too, that cannot be set back before the next boot" },
	{ 0 },
};

static const struct fl_opt explain_opts[] = { OPT_FACT, { 0 } };
static const struct fl_opt owners_opts[] = {
	{ 0, "who", FL_OPT_STR, &opt_who, "NAME", "only what this one writes; \"file\" for files" },
	{ 0 },
};
static const struct fl_opt diff_opts[] = {
	{ 0, "against", FL_OPT_STR, &opt_against, "aks|eks|bottlerocket|openshift|talos",
	  "the platform to compare with" },
	{ 'a', "all", FL_OPT_FLAG, &opt_all, NULL, "show keys that are the same, too" },
	OPT_FACT,
	{ 0 },
};

const struct fl_verb fl_tune_verbs[] = {
	{ "list", "", "List the profiles, or the keys that are known", list_opts, 0, 0, run_list },
	{ "facts", "", "Show what expressions know about this machine", facts_opts, 0, 0,
	  run_facts },
	{ "plan", "PROFILE...", "Show what apply would change, and why; change nothing", plan_opts,
	  1, -1, run_plan, fl_tune_complete_profiles },
	{ "apply", "PROFILE...", "Set the profiles' keys; all of them or none", apply_opts, 1, -1,
	  run_apply, fl_tune_complete_profiles },
	{ "verify", "[PROFILE...]", "Compare with what was applied, or with these profiles",
	  verify_opts, 0, -1, run_verify, fl_tune_complete_profiles },
	{ "explain", "KEY...", "Show all that is known about a key, and who sets it here",
	  explain_opts, 1, -1, run_explain, fl_tune_complete_keys },
	{ "owners", "[KEY...]", "Show who else writes keys, and where to set them there",
	  owners_opts, 0, -1, run_owners, fl_tune_complete_keys },
	{ "diff", "--against NAME [PROFILE...]", "Compare with what another platform sets",
	  diff_opts, 0, -1, run_diff, fl_tune_complete_profiles },
	{ "revert", "", "Put back what was there before apply", NULL, 0, 0, run_revert },
	{ "deferred", "[MODULE]", "Set what apply had to defer, now that it is there",
	  fl_tune_deferred_opts, 0, 1, fl_tune_deferred },
	{ "watch", "[PROFILE...]", "Catch who writes the profiles' keys, or refuse it",
	  fl_tune_watch_opts, 0, -1, fl_tune_watch, fl_tune_complete_profiles },
	{ "unwatch", "", "Stop watching and refusing", NULL, 0, 0, fl_tune_unwatch },
	{ "pressure", "", "Show how much is left of what can run out", fl_tune_pressure_opts, 0, 0,
	  fl_tune_pressure },
	{ "render", "PROFILE...", "Write the profiles as files for the root of an image",
	  fl_tune_render_opts, 0, -1, fl_tune_render, fl_tune_complete_profiles },
	{ 0 },
};
