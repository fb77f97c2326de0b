// SPDX-License-Identifier: GPL-2.0
/*
 * Keys that come with a module are not there before it is loaded, and those of an interface not before
 * the interface is. tools/udev/60-fairlead.rules calls this when it is: the profiles that were applied since
 * boot are looked at again, but only for keys of that module or interface, so that nothing else that somebody
 * has set in the meantime is touched.
 */
#include "deferred.h"
#include "apply.h"
#include "fact.h"
#include "guard.h"
#include "interface.h"
#include "sysctl.h"
#include "../lib/json.h"
#include "../lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define JSON_SCHEMA 1

static const char *opt_interface;

/*
 * The journal's lock, but waiting for it: an apply that is at work now may have looked before the module was
 * there. Returns a descriptor to close, -1 if nothing was ever applied (no journal), -2 after a message.
 */
static int wait_for_lock(void)
{
	int fd = open(FL_JOURNAL_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return -1;
	if (fd < 0 || flock(fd, LOCK_EX)) {
		fl_err(FL_JOURNAL_DIR ": cannot lock it: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -2;
	}
	return fd;
}

/* Keep the keys of a module. Others may be missing meanwhile, and that is no matter of this call. */
static void keep_module(struct fl_tune_plan *plan, const char *module)
{
	int n = 0;

	for (int i = 0; i < plan->n; i++) {
		struct fl_tune_item it = plan->items[i];

		plan->items[i] = (struct fl_tune_item){ 0 };
		if (it.set->key->module && !strcmp(it.set->key->module, module)) {
			plan->items[n++] = it;
			continue;
		}
		free(it.name);
		free(it.wanted);
	}
	plan->n = n;
}

/* What a module or an interface brings is new, so it holds the kernel's defaults, whatever was set before
 * it went; the plan has no other keys. Without either, those that were never there to be set. */
static bool is_late(const struct fl_tune_item *it, const struct fl_journal *j, const char *module)
{
	const struct fl_setting *s = it->set;

	if (module || opt_interface)
		return true;
	return (s->key->module || s->pattern) && !fl_journal_find(&j->keys, it->name);
}

static int keep_late(struct fl_tune_plan *plan, const struct fl_journal *j, const char *module)
{
	int n = 0;

	for (int i = 0; i < plan->n; i++) {
		struct fl_tune_item *it = &plan->items[i];

		if (it->state != FL_TUNE_CHANGE)
			continue;
		if (is_late(it, j, module)) {
			n++;
			continue;
		}
		it->state = FL_TUNE_OK;
		plan->count[FL_TUNE_CHANGE]--;
		plan->count[FL_TUNE_OK]++;
	}
	return n;
}

/* Pods come and go, and their interfaces' names do not come back: the journal would only grow. */
static bool is_gone(const char *key)
{
	static const char *const tables[] = { "net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.",
					      "net.ipv6.neigh." };
	bool of_interface = false, gone;
	char *path;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		of_interface = of_interface || !strncmp(key, tables[i], strlen(tables[i]));
	if (!of_interface)
		return false;
	path = fl_sysctl_path(key);
	gone = access(path, F_OK) && errno == ENOENT;
	free(path);
	return gone;
}

/* Listing them also waits until the kernel has finished making one: udev may be faster. */
static bool is_there(const char *interface)
{
	char **names = fl_interface_list();
	bool there = false;

	for (char **n = names; n && *n; n++)
		there = there || !strcmp(*n, interface);
	fl_interface_keys_free(names);
	return there;
}

static int compare(struct fl_tune_plan *plan, const char *module)
{
	if (module)
		keep_module(plan, module);
	return opt_interface ? fl_tune_compare_interface(plan, opt_interface) :
			       fl_tune_compare(plan);
}

static void report(const struct fl_tune_plan *plan)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *keys = json_object_new_array();

	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];
		struct json_object *o;

		if (it->state != FL_TUNE_CHANGE)
			continue;
		if (!fl_json)
			printf("%s = %s\n", it->name, it->wanted);
		o = json_object_new_object();
		fl_json_str(o, "key", it->name);
		fl_json_str(o, "was", it->now);
		fl_json_str(o, "is", it->wanted);
		json_object_array_add(keys, o);
	}
	json_object_object_add(doc, "keys", keys);
	if (fl_json)
		fl_json_print(doc);
	else
		json_object_put(doc);
}

static int set(struct fl_journal *j, const char *module)
{
	const struct fl_fact *facts = fl_facts(j->facts);
	struct fl_profiles profiles = { 0 };
	struct fl_catalog catalog = { 0 };
	struct fl_tune_plan plan = { 0 };
	int ret = facts && !fl_catalog_load(&catalog) ? FL_OK : FL_FAILED;

	for (int i = 0; i < j->n_profiles && !ret; i++)
		if (fl_profiles_add(&profiles, &catalog, j->profiles[i]))
			ret = FL_FAILED;
	if (!ret && (fl_tune_evaluate(&plan, &profiles, facts) || compare(&plan, module)))
		ret = FL_FAILED;
	if (!ret && keep_late(&plan, j, module)) {
		if (opt_interface)
			fl_journal_forget(&j->keys, is_gone);
		ret = fl_guard_announce();
		if (!ret && fl_tune_apply(j, &plan, j->profiles, j->n_profiles, j->facts, false))
			ret = FL_FAILED;
	}
	if (!ret)
		report(&plan);
	fl_tune_plan_free(&plan);
	fl_profiles_free(&profiles);
	fl_catalog_free(&catalog);
	return ret;
}

int fl_tune_deferred(int argc, char **argv)
{
	struct fl_journal journal = { 0 };
	int lock, ret = FL_OK;

	if (opt_interface && argc)
		return fl_usage("tune deferred: say MODULE or --interface, not both");
	if (opt_interface && (!*opt_interface || strchr(opt_interface, '/')))
		return fl_usage("tune deferred: --interface: '%s' is not the name of an interface",
				opt_interface);
	if (geteuid())
		return fl_fail("tune deferred: writes kernel parameters and needs root; try sudo");
	lock = wait_for_lock();
	if (lock == -2)
		return FL_FAILED;
	if (lock < 0 || (opt_interface && !is_there(opt_interface))) {
		if (lock >= 0)
			close(lock);
		report(&(struct fl_tune_plan){ 0 });
		return FL_OK;
	}
	if (fl_journal_load(&journal))
		ret = FL_FAILED;
	else if (journal.pending.n)
		ret = fl_fail(
			"tune deferred: an earlier `tune apply` was interrupted; apply again, or revert");
	else
		ret = set(&journal, argc ? argv[0] : NULL);
	fl_journal_free(&journal);
	close(lock);
	return ret;
}

const struct fl_opt fl_tune_deferred_opts[] = {
	{ 0, "interface", FL_OPT_STR, &opt_interface, "NAME",
	  "those of an interface that has just come" },
	{ 0 },
};
