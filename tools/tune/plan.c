// SPDX-License-Identifier: GPL-2.0
#include "plan.h"
#include "interface.h"
#include "sysctl.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const fl_tune_state_names[FL_TUNE_STATES] = {
	[FL_TUNE_OK] = "ok",
	[FL_TUNE_CHANGE] = "change",
	[FL_TUNE_DEFERRED] = "deferred",
	[FL_TUNE_ABSENT] = "absent",
};

#define BAD(s, fmt, ...)                                                                           \
	(fl_err("%s:%u: %s: " fmt, (s)->file, (s)->line, (s)->name, ##__VA_ARGS__), -1)

static int evaluate(struct fl_tune_item *it, const struct fl_fact *facts)
{
	const struct fl_setting *s = it->set;
	struct fl_expr_error err;

	it->wanted = fl_value_wanted(&s->key->type, s->value, facts, &err);
	if (it->wanted)
		return 0;
	if (err.column)
		return BAD(s, "'%s', character %zu: %s", s->value, err.column, err.what);
	return BAD(s, "%s", err.what);
}

static int missing(struct fl_tune_item *it, unsigned int kernel)
{
	const struct fl_setting *s = it->set;
	const struct fl_catalog_key *k = s->key;

	if (kernel && ((k->since && kernel < k->since) || (k->until && kernel > k->until))) {
		it->state = FL_TUNE_ABSENT;
		return 0;
	}
	if (k->module) {
		it->state = FL_TUNE_DEFERRED;
		return 0;
	}
	if (k->optional) {
		it->state = FL_TUNE_ABSENT;
		return 0;
	}
	if (k->scope == FL_SCOPE_INIT_ONLY)
		return BAD(
			s,
			"only the initial network namespace has it; run fairlead on the node itself");
	if (strchr(k->name, '*'))
		return BAD(
			s,
			"no such interface, or this kernel does not have the key; remove it from the profile");
	return BAD(s, "this kernel does not have it; remove it from the profile");
}

static int compare(struct fl_tune_item *it, unsigned int kernel)
{
	const struct fl_setting *s = it->set;
	const char *why;
	char *raised;
	int err;

	if (s->pattern && !strcmp(it->name, s->name)) {
		it->state = FL_TUNE_DEFERRED;
		return 0;
	}
	err = fl_sysctl_read(it->name, &it->raw);
	/* An interface that went away between the two: the pattern does not stand for it any more. */
	if (err == -ENOENT && s->pattern && !s->key->module) {
		it->state = FL_TUNE_ABSENT;
		return 0;
	}
	if (err == -ENOENT)
		return missing(it, kernel);
	if (err)
		return BAD(s, "cannot read: %s", fl_sysctl_strerror(err));
	it->now = fl_value_canonical(&s->key->type, it->raw, &why);
	if (!it->now)
		return BAD(s,
			   "the kernel says '%.60s', which is %s; the catalogue (%s:%u) is wrong",
			   it->raw, why, s->key->file, s->key->line);
	if (s->raise) {
		raised = fl_value_raise(&s->key->type, it->now, it->wanted);
		free(it->wanted);
		it->wanted = raised;
	}
	it->state = strcmp(it->now, it->wanted) ? FL_TUNE_CHANGE : FL_TUNE_OK;
	return 0;
}

struct order {
	const struct fl_profiles *p;
	struct fl_tune_plan *plan;
	bool *taken;
};

/* Depth first: what has to be written before goes before. The catalogue has no circles. */
static void take(struct order *o, int i)
{
	const struct fl_catalog_key *key = o->p->settings[i].key;

	if (o->taken[i])
		return;
	o->taken[i] = true;
	for (int a = 0; a < key->n_after; a++)
		for (int j = 0; j < o->p->n_settings; j++)
			if (!strcmp(o->p->settings[j].key->name, key->after[a]))
				take(o, j);
	o->plan->items[o->plan->n].name = fl_strdup(o->p->settings[i].name);
	o->plan->items[o->plan->n++].set = &o->p->settings[i];
}

int fl_tune_evaluate(struct fl_tune_plan *plan, const struct fl_profiles *p,
		     const struct fl_fact *facts)
{
	size_t n = (size_t)p->n_settings;
	struct order o = { .p = p, .plan = plan, .taken = fl_zalloc(n * sizeof(bool)) };
	int err = 0;

	*plan = (struct fl_tune_plan){ .items = fl_zalloc(n * sizeof(*plan->items)) };
	for (int i = 0; i < p->n_settings; i++)
		take(&o, i);
	free(o.taken);
	for (int i = 0; i < plan->n; i++)
		err |= evaluate(&plan->items[i], facts);
	return err;
}

/* Does another setting say what this key is to be? One that names it, or a later pattern. */
static bool overruled(const struct fl_tune_plan *plan, const struct fl_setting *by,
		      const char *name)
{
	char *interface = fl_interface_of(by->key->name, name);
	bool yes = false;

	for (int i = 0; i < plan->n && !yes; i++) {
		const struct fl_setting *s = plan->items[i].set;

		if (s == by)
			continue;
		if (s->pattern)
			yes = interface && s->key == by->key && s->rank > by->rank &&
			      fl_interface_match(s->name, interface);
		else
			yes = !strcmp(s->name, name);
	}
	free(interface);
	return yes;
}

/* Put the keys that patterns stand for in their place. A pattern that stands for none stays. */
static int expand(struct fl_tune_plan *plan)
{
	struct fl_tune_plan all = { 0 };

	for (int i = 0; i < plan->n; i++) {
		struct fl_tune_item *it = &plan->items[i];
		char **keys = it->set->pattern ? fl_interface_keys(it->set->name) : NULL;
		size_t n = 0;

		if (it->set->pattern && !keys)
			goto failed;
		while (keys && keys[n])
			n++;
		all.items = fl_realloc(all.items, (size_t)all.n + n + 1, sizeof(*all.items));
		if (!n)
			all.items[all.n++] = (struct fl_tune_item){
				.set = it->set,
				.name = fl_strdup(it->name),
				.wanted = fl_strdup(it->wanted),
			};
		for (size_t k = 0; k < n; k++)
			if (!overruled(plan, it->set, keys[k]))
				all.items[all.n++] = (struct fl_tune_item){
					.set = it->set,
					.name = fl_strdup(keys[k]),
					.wanted = fl_strdup(it->wanted),
				};
		fl_interface_keys_free(keys);
	}
	fl_tune_plan_free(plan);
	*plan = all;
	return 0;
failed:
	fl_tune_plan_free(&all);
	return -1;
}

static bool is_oneway(const struct fl_tune_item *it)
{
	return it->state == FL_TUNE_CHANGE && fl_catalog_irrevocable(it->set->key, it->wanted);
}

/* Keep what concerns one interface, under the names of its keys. */
static void keep_interface(struct fl_tune_plan *plan, const char *interface)
{
	struct fl_tune_plan kept = { .items = fl_zalloc((size_t)plan->n * sizeof(*kept.items)) };

	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];
		char *name;

		if (!strchr(it->set->key->name, '*'))
			continue;
		name = fl_interface_key(it->set->key->name, interface);
		if (it->set->pattern ? fl_interface_match(it->set->name, interface) &&
					       !overruled(plan, it->set, name) :
				       !strcmp(it->name, name))
			kept.items[kept.n++] = (struct fl_tune_item){
				.set = it->set,
				.name = name,
				.wanted = fl_strdup(it->wanted),
			};
		else
			free(name);
	}
	fl_tune_plan_free(plan);
	*plan = kept;
}

/* What cannot be set back is written after all else, when nothing else can fail any more. */
static void oneway_last(struct fl_tune_plan *plan)
{
	struct fl_tune_item *items = fl_zalloc((size_t)plan->n * sizeof(*items));
	int n = 0;

	for (int last = 0; last <= 1; last++)
		for (int i = 0; i < plan->n; i++)
			if (is_oneway(&plan->items[i]) == last)
				items[n++] = plan->items[i];
	free(plan->items);
	plan->items = items;
}

static int compare_all(struct fl_tune_plan *plan)
{
	unsigned int kernel = fl_kernel_version();
	int err = 0;

	for (int i = 0; i < plan->n; i++)
		err |= compare(&plan->items[i], kernel);
	if (!err)
		oneway_last(plan);
	for (int i = 0; !err && i < plan->n; i++)
		plan->count[plan->items[i].state]++;
	return err;
}

int fl_tune_compare(struct fl_tune_plan *plan)
{
	return expand(plan) ? -1 : compare_all(plan);
}

int fl_tune_compare_interface(struct fl_tune_plan *plan, const char *interface)
{
	keep_interface(plan, interface);
	return compare_all(plan);
}

void fl_tune_plan_free(struct fl_tune_plan *plan)
{
	for (int i = 0; i < plan->n; i++) {
		free(plan->items[i].name);
		free(plan->items[i].raw);
		free(plan->items[i].now);
		free(plan->items[i].wanted);
	}
	free(plan->items);
	*plan = (struct fl_tune_plan){ 0 };
}
