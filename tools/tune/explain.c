// SPDX-License-Identifier: GPL-2.0
#include "explain.h"
#include "boot.h"
#include "interface.h"
#include "journal.h"
#include "other.h"
#include "plan.h"
#include "show.h"
#include "sysctl.h"
#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA 1

/* ---- what counts on an interface ---------------------------------------------------------------- */

static fl_num value_of(const char *catalog_name, const char *interface, bool *there)
{
	char *name = fl_interface_key(catalog_name, interface), *raw;
	fl_num n = 0;

	*there = !fl_sysctl_read(name, &raw);
	if (*there) {
		n = fl_value_number(raw);
		free(raw);
	}
	free(name);
	return n;
}

static const char *const effective_text[FL_EFFECTIVES] = {
	[FL_EFFECTIVE_OWN] = "the interface's own value counts; 'all' does not",
	[FL_EFFECTIVE_ALL] = "the value of 'all' counts",
	[FL_EFFECTIVE_MAX] = "the larger of 'all' and the interface's own value counts",
	[FL_EFFECTIVE_MIN] = "the smaller of 'all' and the interface's own value counts",
	[FL_EFFECTIVE_OR] = "on if 'all' or the interface's own value is",
	[FL_EFFECTIVE_AND] = "on if both 'all' and the interface's own value are",
	[FL_EFFECTIVE_REDIRECTS] =
		"on an interface that forwards: on if both 'all' and its own value are; else if either is",
};

/* The key asked for may be the pattern itself, 'all', 'default' or one interface: all are shown, but
 * for one interface only that. */
static bool wanted_interface(const struct fl_catalog_key *key, const char *name,
			     const char *interface)
{
	char *asked = fl_interface_of(key->name, name);
	bool all = !asked || strpbrk(asked, "*?[@") || !strcmp(asked, "all") ||
		   !strcmp(asked, "default");
	bool wanted = all || !strcmp(asked, interface);

	free(asked);
	return wanted;
}

static void effective_rows(const struct fl_catalog_key *key, const char *name, struct fl_table *t,
			   struct json_object *array)
{
	char **interfaces = fl_interface_list();
	bool there, forwards;
	fl_num all = value_of(key->name, "all", &there);

	for (char **i = interfaces; i && *i; i++) {
		char a[FL_NUM_TEXT], b[FL_NUM_TEXT], c[FL_NUM_TEXT];
		fl_num own, now;

		if (!wanted_interface(key, name, *i))
			continue;
		own = value_of(key->name, *i, &there);
		if (!there)
			continue;
		forwards = value_of("net.ipv4.conf.*.forwarding", *i, &there) != 0;
		now = fl_effective(key->effective, all, own, forwards);
		if (array) {
			struct json_object *o = json_object_new_object();

			fl_json_str(o, "interface", *i);
			fl_show_json_num(o, "own", own);
			fl_show_json_num(o, "all", all);
			fl_show_json_num(o, "effective", now);
			json_object_array_add(array, o);
		} else {
			fl_table_cell(t, "  %s", *i);
			fl_table_cell(t, "%s", fl_num_text(own, a));
			fl_table_cell(t, "%s", fl_num_text(all, b));
			fl_table_cell(t, "%s", fl_num_text(now, c));
		}
	}
	fl_interface_keys_free(interfaces);
}

static void print_effective(const struct fl_catalog_key *key, const char *name)
{
	struct fl_table *t = fl_table_new();

	printf("on an interface: %s\n", effective_text[key->effective]);
	fl_table_col(t, "  INTERFACE", FL_LEFT);
	fl_table_col(t, "OWN", FL_RIGHT);
	fl_table_col(t, "ALL", FL_RIGHT);
	fl_table_col(t, "COUNTS", FL_RIGHT);
	effective_rows(key, name, t, NULL);
	fl_table_print(t, stdout);
}

/* ---- the parts of an explanation ---------------------------------------------------------------- */

struct known {
	struct fl_catalog catalog;
	struct fl_boot boot;
	struct fl_journal journal;
	struct fl_other *others;
	int n_others;
	struct fl_profiles *profiles; /* each with what it includes */
	char **profile_names;
	int n_profiles;
	const struct fl_fact *facts;
};

/* What cannot be loaded is said and left out: an explanation is not spoilt by a broken profile. The
 * catalogue is what it is all about. */
static int know(struct known *k, const struct fl_fact *facts)
{
	char **names;

	*k = (struct known){ .facts = facts };
	if (fl_catalog_load(&k->catalog))
		return -1;
	fl_boot_load(&k->boot);
	if (fl_journal_load(&k->journal))
		fl_warn("what fairlead tune wrote is not shown");
	names = fl_other_names();
	for (char **n = names; *n; n++) {
		k->others = fl_realloc(k->others, (size_t)k->n_others + 1, sizeof(*k->others));
		if (!fl_other_load(&k->others[k->n_others], &k->catalog, *n))
			k->n_others++;
		free(*n);
	}
	free(names);
	k->profile_names = fl_profile_names();
	for (char **n = k->profile_names; n && *n; n++) {
		k->profiles =
			fl_realloc(k->profiles, (size_t)k->n_profiles + 1, sizeof(*k->profiles));
		k->profiles[k->n_profiles] = (struct fl_profiles){ 0 };
		if (fl_profiles_add(&k->profiles[k->n_profiles], &k->catalog, *n))
			fl_profiles_free(&k->profiles[k->n_profiles]);
		k->n_profiles++;
	}
	return 0;
}

static void forget(struct known *k)
{
	for (int i = 0; i < k->n_profiles; i++) {
		fl_profiles_free(&k->profiles[i]);
		free(k->profile_names[i]);
	}
	for (int i = 0; i < k->n_others; i++)
		fl_other_free(&k->others[i]);
	free(k->profiles);
	free(k->profile_names);
	free(k->others);
	fl_boot_free(&k->boot);
	fl_journal_free(&k->journal);
	fl_catalog_free(&k->catalog);
}

/* Does a setting speak of this key? Of a pattern: of what it stands for, or of the pattern itself. */
static bool speaks_of(const struct fl_setting *s, const struct fl_catalog_key *key,
		      const char *name)
{
	char *interface;
	bool yes;

	if (!strcmp(s->name, name) || (s->key == key && !strcmp(key->name, name)))
		return true;
	if (!s->pattern || s->key != key)
		return false;
	interface = fl_interface_of(key->name, name);
	yes = interface && strcmp(interface, "all") != 0 && strcmp(interface, "default") != 0 &&
	      fl_interface_match(s->name, interface);
	free(interface);
	return yes;
}

static const char *reach_text(const struct fl_catalog_key *key)
{
	switch (key->scope) {
	case FL_SCOPE_NODE:
		return "one value for the machine, pods included";
	case FL_SCOPE_INIT_ONLY:
		return "one value for the machine, pods included; only the node itself can set it";
	case FL_SCOPE_INHERITED:
		return "one a network namespace; new pods take over the node's value, running ones keep theirs";
	case FL_SCOPE_RESET:
		return "one a network namespace; pods start from the kernel's default, so this will not reach them";
	default:
		return "one an IPC namespace; pods start from the kernel's default, so this will not reach them";
	}
}

static void print_default(const struct fl_catalog_key *key)
{
	const struct fl_default *d = fl_catalog_default(key, fl_kernel_version());

	if (d && d->value)
		printf("default: %s\n", *d->value ? d->value : "(empty)");
	else if (d)
		printf("default: depends on the %s\n", d->depends);
}

static void print_catalog(const struct fl_catalog_key *key)
{
	char *type = fl_show_type(&key->type), *range = fl_show_range(&key->type);
	char *since = fl_show_version(key->since), *until = fl_show_version(key->until);
	char *pod = fl_show_version(key->pod_safe);

	fl_show_wrapped(key->does, 2);
	printf("type: %s%s%s%s%s\n", type, *range != '-' ? ", " : "", *range != '-' ? range : "",
	       *key->unit ? ", counts: " : "", key->unit);
	print_default(key);
	printf("reach: %s\n", reach_text(key));
	if (pod)
		printf("in a pod: securityContext.sysctls, safe from Kubernetes %s on\n", pod);
	else if (key->scope == FL_SCOPE_INHERITED || key->scope == FL_SCOPE_RESET ||
		 key->scope == FL_SCOPE_IPC)
		puts("in a pod: securityContext.sysctls, once the kubelet's allowedUnsafeSysctls has it");
	if (key->irrevocable && !strcmp(key->irrevocable, "any"))
		puts("one-way: cannot be set back before the next boot");
	else if (key->irrevocable)
		printf("one-way: once it is %s it cannot be set back before the next boot\n",
		       key->irrevocable);
	if (key->cost > 1)
		printf("cost: %d bytes each, when used\n", (int)key->cost);
	if (since || until)
		printf("kernel: %s%s%s%s\n", since ? "from " : "", since ? since : "",
		       until ? " up to " : "", until ? until : "");
	if (key->module)
		printf("module: %s\n", key->module);
	if (key->note) {
		puts("note:");
		fl_show_wrapped(key->note, 2);
	}
	free(type);
	free(range);
	free(since);
	free(until);
	free(pod);
}

static void print_writers(const struct fl_catalog_key *key)
{
	if (key->n_writers)
		puts("also written by:");
	for (int i = 0; i < key->n_writers; i++) {
		char *text = fl_asprintf("%s: %s", key->writers[i].who, key->writers[i].how);

		fl_show_wrapped(text, 2);
		free(text);
	}
}

/* The canonical value that a line in a file of sysctl.d stands for; its text as it is when it is none. */
static char *line_value(const struct fl_catalog_key *key, const struct fl_boot_line *l)
{
	const char *why;
	char *value = l->value ? fl_value_canonical(&key->type, l->value, &why) : NULL;

	return value ? value : fl_strdup(l->value ? l->value : "(excepted from globs)");
}

static void print_files(const struct known *k, const struct fl_catalog_key *key, const char *name)
{
	const struct fl_boot_line *systemd = fl_boot_winner(&k->boot, FL_BOOT_SYSTEMD, name);
	const struct fl_boot_line *procps = fl_boot_winner(&k->boot, FL_BOOT_PROCPS, name);
	bool any = false;

	for (size_t i = 0; i < k->boot.n; i++) {
		const struct fl_boot_line *l = &k->boot.lines[i];
		char *value;

		if (!fl_boot_matches(l, name))
			continue;
		if (!any)
			puts("set in files, in the order of boot:");
		any = true;
		value = line_value(key, l);
		printf("  %s:%u: %s%s%s%s\n", l->file, l->line, value,
		       l->hidden ? " (hidden by a file of this name in a folder before)" : "",
		       l == systemd ? " <- systemd-sysctl ends with this" : "",
		       l == procps ? " <- sysctl --system ends with this" : "");
		free(value);
	}
	if (!any)
		puts("set in files: none; at boot it keeps the kernel's default");
	else if (!systemd)
		puts("  systemd-sysctl sets it nowhere");
}

static void print_journal(const struct known *k, const struct fl_catalog_key *key, const char *name,
			  const char *now)
{
	const struct fl_journal_entry *e = fl_journal_find(&k->journal.keys, name);
	const char *why;
	char *wrote;

	if (!e)
		return;
	wrote = fl_value_canonical(&key->type, e->wrote, &why);
	printf("fairlead tune: %s '%s', was '%s'%s\n",
	       e->side ? "the kernel changed it with another key to" : "wrote", e->wrote,
	       e->original,
	       now && wrote && strcmp(now, wrote) != 0 ? "; somebody else has set it since" : "");
	free(wrote);
}

static void print_profiles(const struct known *k, const struct fl_catalog_key *key,
			   const char *name)
{
	for (int i = 0; i < k->n_profiles; i++)
		for (int j = 0; j < k->profiles[i].n_settings; j++) {
			const struct fl_setting *s = &k->profiles[i].settings[j];
			struct fl_expr_error err = { 0 };
			char *value;

			/* Where it is written, not in each that includes that. */
			if (!speaks_of(s, key, name) ||
			    strcmp(s->profile, k->profile_names[i]) != 0)
				continue;
			value = fl_value_wanted(&key->type, s->value, k->facts, &err);
			printf("profile %s: %s%s%s%s%s\n", s->profile,
			       strcmp(s->name, name) != 0 ? s->name : "",
			       strcmp(s->name, name) != 0 ? " " : "", s->raise ? ">= " : "",
			       value ? value : s->value,
			       value && strcmp(value, s->value) != 0 ? ", here" : "");
			fl_show_wrapped(s->why, 2);
			free(value);
		}
}

static void print_others(const struct known *k, const char *name)
{
	for (int i = 0; i < k->n_others; i++) {
		const struct fl_other_value *v = fl_other_find(&k->others[i], name);

		if (v)
			printf("%s: %s%s%s%s\n", k->others[i].name, v->value, v->note ? " (" : "",
			       v->note ? v->note : "", v->note ? ")" : "");
	}
}

/* What the kernel holds, canonical; NULL after saying why not. */
static char *now_of(const struct fl_catalog_key *key, const char *name)
{
	char *raw, *now;
	const char *why;
	int err;

	if (strpbrk(name, "*?[@"))
		return NULL;
	err = fl_sysctl_read(name, &raw);
	if (err) {
		if (!fl_json)
			printf("now: %s%s%s\n",
			       err == -ENOENT ? "not there" : fl_sysctl_strerror(err),
			       err == -ENOENT && key->module ? "; it comes with the module " : "",
			       err == -ENOENT && key->module ? key->module : "");
		return NULL;
	}
	now = fl_value_canonical(&key->type, raw, &why);
	if (!now)
		now = fl_strdup(raw);
	free(raw);
	return now;
}

static void explain(const struct known *k, const struct fl_catalog_key *key, const char *name)
{
	char *now;

	printf("%s%s%s\n", fl_colour(FL_BOLD), name, fl_colour(FL_PLAIN));
	now = now_of(key, name);
	if (now)
		printf("now: %s\n", *now ? now : "(empty)");
	print_catalog(key);
	if (key->effective)
		print_effective(key, name);
	print_journal(k, key, name, now);
	print_files(k, key, name);
	print_writers(key);
	print_profiles(k, key, name);
	print_others(k, name);
	printf("source: %s\n", key->source);
	free(now);
}

/* ---- the same as JSON --------------------------------------------------------------------------- */

static struct json_object *json_files(const struct known *k, const struct fl_catalog_key *key,
				      const char *name)
{
	const struct fl_boot_line *systemd = fl_boot_winner(&k->boot, FL_BOOT_SYSTEMD, name);
	const struct fl_boot_line *procps = fl_boot_winner(&k->boot, FL_BOOT_PROCPS, name);
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < k->boot.n; i++) {
		const struct fl_boot_line *l = &k->boot.lines[i];
		struct json_object *o;
		char *value;

		if (!fl_boot_matches(l, name))
			continue;
		o = json_object_new_object();
		value = l->value ? line_value(key, l) : NULL;
		fl_json_str(o, "file", l->file);
		fl_json_int(o, "line", l->line);
		fl_json_str(o, "as", l->name);
		fl_json_str(o, "value", value);
		fl_json_bool(o, "hidden", l->hidden);
		fl_json_bool(o, "systemd", l == systemd);
		fl_json_bool(o, "procps", l == procps);
		json_object_array_add(array, o);
		free(value);
	}
	return array;
}

static struct json_object *json_profiles(const struct known *k, const struct fl_catalog_key *key,
					 const char *name)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < k->n_profiles; i++)
		for (int j = 0; j < k->profiles[i].n_settings; j++) {
			const struct fl_setting *s = &k->profiles[i].settings[j];
			struct fl_expr_error err = { 0 };
			struct json_object *o;
			char *value;

			if (!speaks_of(s, key, name) ||
			    strcmp(s->profile, k->profile_names[i]) != 0)
				continue;
			value = fl_value_wanted(&key->type, s->value, k->facts, &err);
			o = json_object_new_object();
			fl_json_str(o, "profile", s->profile);
			fl_json_str(o, "as", s->name);
			fl_json_str(o, "value", value);
			fl_json_str(o, "expression", s->value);
			fl_json_bool(o, "raise_only", s->raise);
			fl_json_str(o, "why", s->why);
			fl_json_str(o, "file", s->file);
			fl_json_int(o, "line", s->line);
			json_object_array_add(array, o);
			free(value);
		}
	return array;
}

static struct json_object *json_others(const struct known *k, const char *name)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < k->n_others; i++) {
		const struct fl_other_value *v = fl_other_find(&k->others[i], name);
		struct json_object *o;

		if (!v)
			continue;
		o = json_object_new_object();
		fl_json_str(o, "platform", k->others[i].name);
		fl_json_str(o, "value", v->value);
		fl_json_str(o, "note", v->note);
		fl_json_str(o, "date", k->others[i].date);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *json_explain(const struct known *k, const struct fl_catalog_key *key,
					const char *name)
{
	struct json_object *o = json_object_new_object();
	struct json_object *effective = json_object_new_array(), *ours = NULL;
	const struct fl_journal_entry *e = fl_journal_find(&k->journal.keys, name);
	char *now = now_of(key, name);

	fl_json_str(o, "key", name);
	fl_json_str(o, "now", now);
	json_object_object_add(o, "catalogue", fl_show_json_key(key));
	if (key->effective)
		effective_rows(key, name, NULL, effective);
	json_object_object_add(o, "effective", effective);
	if (e) {
		ours = json_object_new_object();
		fl_json_str(ours, "wrote", e->wrote);
		fl_json_str(ours, "original", e->original);
		fl_json_bool(ours, "side_effect", e->side);
	}
	json_object_object_add(o, "fairlead", ours);
	json_object_object_add(o, "files", json_files(k, key, name));
	json_object_object_add(o, "profiles", json_profiles(k, key, name));
	json_object_object_add(o, "others", json_others(k, name));
	free(now);
	return o;
}

static const struct fl_catalog_key *find_key(const struct fl_catalog *c, const char *text,
					     char **name)
{
	const struct fl_catalog_key *key;

	*name = fl_sysctl_name(text);
	if (!*name) {
		fl_err("'%s' is not the name of a kernel parameter; write it like net.ipv4.ip_forward",
		       text);
		return NULL;
	}
	key = fl_catalog_find(c, *name);
	if (!key) {
		fl_err("%s: not in the catalogue; `fairlead tune list --keys` lists what is", text);
		free(*name);
	}
	return key;
}

int fl_tune_explain(char *const *keys, int n, const struct fl_fact *facts)
{
	struct json_object *doc = NULL, *array = NULL;
	int status = FL_OK;
	struct known k;

	if (know(&k, facts)) {
		forget(&k);
		return FL_FAILED;
	}
	if (fl_json) {
		doc = fl_json_new(JSON_SCHEMA);
		array = json_object_new_array();
	}
	for (int i = 0; i < n; i++) {
		const struct fl_catalog_key *key;
		char *name;

		key = find_key(&k.catalog, keys[i], &name);
		if (!key) {
			status = FL_FAILED;
			continue;
		}
		if (fl_json)
			json_object_array_add(array, json_explain(&k, key, name));
		else
			explain(&k, key, name);
		if (!fl_json && i < n - 1)
			puts("");
		free(name);
	}
	if (fl_json) {
		json_object_object_add(doc, "keys", array);
		fl_json_print(doc);
	}
	forget(&k);
	return status;
}

/* ---- owners ------------------------------------------------------------------------------------- */

static void owner_row(struct fl_table *t, struct json_object *array, const char *key,
		      const char *who, const char *how)
{
	struct json_object *o;

	if (!array) {
		fl_table_cell(t, "%s", key);
		fl_table_cell(t, "%s", who);
		fl_table_cell(t, "%s", how);
		return;
	}
	o = json_object_new_object();
	fl_json_str(o, "key", key);
	fl_json_str(o, "who", who);
	fl_json_str(o, "how", how);
	json_object_array_add(array, o);
}

/* Files on this machine that set a key are owners, too: they write it at boot and at every upgrade of
 * their package. */
static int owners_of(const struct known *k, const struct fl_catalog_key *key, const char *name,
		     const char *who, struct fl_table *t, struct json_object *array)
{
	int rows = 0;

	for (int i = 0; i < key->n_writers; i++)
		if (!who || !fnmatch(who, key->writers[i].who, FNM_CASEFOLD)) {
			owner_row(t, array, name, key->writers[i].who, key->writers[i].how);
			rows++;
		}
	for (size_t i = 0; i < k->boot.n; i++) {
		const struct fl_boot_line *l = &k->boot.lines[i];
		bool of_pattern = strchr(name, '*') && fl_catalog_find(&k->catalog, l->name) == key;
		char *file, *how, *value;

		if (l->hidden || !l->value || (!of_pattern && !fl_boot_matches(l, name)) ||
		    (who && strcmp(who, "file") != 0))
			continue;
		file = fl_asprintf("%s:%u", l->file, l->line);
		value = line_value(key, l);
		how = fl_asprintf("%s sets %s at boot", file, value);
		owner_row(t, array, of_pattern ? l->name : name, "file", how);
		rows++;
		free(how);
		free(value);
		free(file);
	}
	return rows;
}

int fl_tune_owners(char *const *keys, int n, const char *who)
{
	struct json_object *doc = NULL, *array = NULL;
	struct fl_table *t = fl_table_new();
	int status = FL_OK, rows = 0;
	struct known k = { 0 };

	if (fl_catalog_load(&k.catalog)) {
		fl_table_free(t);
		return FL_FAILED;
	}
	fl_boot_load(&k.boot);
	if (fl_json) {
		doc = fl_json_new(JSON_SCHEMA);
		array = json_object_new_array();
	}
	fl_table_col(t, "KEY", FL_LEFT);
	fl_table_col(t, "WHO", FL_LEFT);
	fl_table_col(t, "HOW TO SET IT THERE", FL_LEFT);
	for (int i = 0; !n && i < k.catalog.n; i++)
		rows += owners_of(&k, &k.catalog.keys[i], k.catalog.keys[i].name, who, t, array);
	for (int i = 0; i < n; i++) {
		const struct fl_catalog_key *key;
		char *name;

		key = find_key(&k.catalog, keys[i], &name);
		if (!key) {
			status = FL_FAILED;
			continue;
		}
		rows += owners_of(&k, key, name, who, t, array);
		free(name);
	}
	if (fl_json) {
		json_object_object_add(doc, "owners", array);
		fl_json_print(doc);
		fl_table_free(t);
	} else if (rows) {
		fl_table_print(t, stdout);
	} else {
		fl_table_free(t);
		if (!status)
			puts("nobody else that is known writes them");
	}
	forget(&k);
	return status;
}
