// SPDX-License-Identifier: GPL-2.0
#include "catalog.h"
#include "ini.h"
#include "sysctl.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

const char *const fl_scope_names[FL_SCOPES] = {
	[FL_SCOPE_NODE] = "node",
	[FL_SCOPE_INIT_ONLY] = "netns-init-only",
	[FL_SCOPE_INHERITED] = "netns-inherited",
	[FL_SCOPE_RESET] = "netns-reset",
	[FL_SCOPE_IPC] = "ipcns-reset",
};

const char *const fl_effective_names[FL_EFFECTIVES] = {
	[FL_EFFECTIVE_NONE] = "",   [FL_EFFECTIVE_OWN] = "own",
	[FL_EFFECTIVE_ALL] = "all", [FL_EFFECTIVE_MAX] = "max",
	[FL_EFFECTIVE_MIN] = "min", [FL_EFFECTIVE_OR] = "or",
	[FL_EFFECTIVE_AND] = "and", [FL_EFFECTIVE_REDIRECTS] = "redirects",
};

const char *fl_datadir(void)
{
	const char *dir = getenv("FAIRLEAD_DATADIR");

	return dir && *dir ? dir : FL_DATADIR;
}

unsigned int fl_kernel_version(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return major << 8 | (minor & 255);
}

/* ---- one field a function: 0, or -1 after a message --------------------------------------------- */

struct field {
	const struct fl_ini_entry *e;
	struct fl_catalog_key *key;
};

#define BAD(f, fmt, ...)                                                                           \
	(fl_err("%s:%u: %s: " fmt, (f)->e->file, (f)->e->line, (f)->e->name, ##__VA_ARGS__), -1)

static int set_text(const struct field *f, char **text)
{
	if (*text)
		return BAD(f, "given twice for one key");
	*text = fl_strdup(f->e->value);
	return 0;
}

static int set_does(const struct field *f)
{
	return set_text(f, &f->key->does);
}

static int set_unit(const struct field *f)
{
	return set_text(f, &f->key->unit);
}

static int set_source(const struct field *f)
{
	return set_text(f, &f->key->source);
}

static int set_module(const struct field *f)
{
	return set_text(f, &f->key->module);
}

static int one_of(const struct field *f, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(f->e->value, names[i]))
			return i;
	return BAD(f, "'%s' is not known; fairlead-profile(5) lists what is", f->e->value);
}

/* "int", or "ints 2": the count is part of the type. */
static int set_type(const struct field *f)
{
	struct fl_value_type *t = &f->key->type;
	int kind;

	if (t->count)
		return BAD(f, "given twice for one key");
	t->count = 1;
	if (sscanf(f->e->value, "ints %d", &t->count) == 1) {
		if (t->count < 2 || t->count > FL_VALUE_MAX_INTS)
			return BAD(f, "from 2 to %d numbers make a tuple", FL_VALUE_MAX_INTS);
		t->kind = FL_VALUE_INTS;
	} else {
		kind = one_of(f, fl_value_kind_names, FL_VALUE_KINDS);
		if (kind < 0)
			return -1;
		if (kind == FL_VALUE_INTS)
			return BAD(f, "say how many: 'ints 2'");
		t->kind = (enum fl_value_kind)kind;
	}
	return 0;
}

static int set_range(const struct field *f)
{
	struct fl_value_type *t = &f->key->type;
	const char *dots = strstr(f->e->value, "..");

	if (!dots || fl_num_parse(f->e->value, (size_t)(dots - f->e->value), &t->min) ||
	    fl_num_parse(dots + 2, strlen(dots + 2), &t->max) || t->min > t->max)
		return BAD(f, "'%s' is not a range such as 0..65535", f->e->value);
	return 0;
}

static int yes_no(const struct field *f, bool *out)
{
	if (strcmp(f->e->value, "yes") != 0 && strcmp(f->e->value, "no") != 0)
		return BAD(f, "'%s' is neither yes nor no", f->e->value);
	*out = *f->e->value == 'y';
	return 0;
}

/* Checked against the type when the whole key is there. */
static int set_irrevocable(const struct field *f)
{
	return set_text(f, &f->key->irrevocable);
}

static int set_effective(const struct field *f)
{
	int i = one_of(f, fl_effective_names, FL_EFFECTIVES);

	if (i < 0)
		return -1;
	f->key->effective = (enum fl_effective)i;
	return 0;
}

static int set_optional(const struct field *f)
{
	return yes_no(f, &f->key->optional);
}

static int set_note(const struct field *f)
{
	return set_text(f, &f->key->note);
}

static int set_rounded(const struct field *f)
{
	return yes_no(f, &f->key->rounded);
}

static int set_cost(const struct field *f)
{
	if (fl_num_parse(f->e->value, strlen(f->e->value), &f->key->cost) || f->key->cost < 0 ||
	    f->key->cost > INT_MAX)
		return BAD(f, "'%s' is not a count of bytes a unit", f->e->value);
	return 0;
}

static int version_of(const struct field *f, const char *text, unsigned int *out)
{
	unsigned int major, minor;
	char rest;

	if (sscanf(text, "%u.%u%c", &major, &minor, &rest) != 2 || major > 255 || minor > 255)
		return BAD(f, "'%s' is not a version such as 6.12", text);
	*out = major << 8 | minor;
	return 0;
}

/* "netns-init-only", and another line "netns-reset since 6.8" for what later kernels made of it. */
static int set_scope(const struct field *f)
{
	struct fl_catalog_key *key = f->key;
	const char *text = f->e->value, *since = strstr(text, " since ");
	size_t len = since ? (size_t)(since - text) : strlen(text);
	unsigned int version = 0, kernel = fl_kernel_version();
	int i = 0;

	while (i < FL_SCOPES &&
	       (strlen(fl_scope_names[i]) != len || memcmp(fl_scope_names[i], text, len) != 0))
		i++;
	if (i == FL_SCOPES)
		return BAD(f, "'%.*s' is not known; fairlead-profile(5) lists what is", (int)len,
			   text);
	if (since && version_of(f, since + strlen(" since "), &version))
		return -1;
	if (!since && key->scope != FL_SCOPES)
		return BAD(f, "given twice for one key");
	if (!kernel || version <= kernel)
		key->scope = (enum fl_scope)i;
	return 0;
}

static int version(const struct field *f, unsigned int *out)
{
	return version_of(f, f->e->value, out);
}

/* "4096", "4096 since 6.12", or "(what it depends on)". Values are checked when the type is known. */
static int add_default(const struct field *f)
{
	struct fl_catalog_key *key = f->key;
	struct fl_default d = { 0 };
	const char *text = f->e->value, *since = strstr(text, " since ");
	size_t len = since ? (size_t)(since - text) : strlen(text);

	if (key->n_defaults == FL_CATALOG_MAX_DEFAULTS)
		return BAD(f, "more than %d", FL_CATALOG_MAX_DEFAULTS);
	if (*text == '(') {
		len = strlen(text);
		if (text[len - 1] != ')')
			return BAD(f, "what it depends on stands between ( and )");
		d.depends = fl_asprintf("%.*s", (int)len - 2, text + 1);
	} else {
		if (since && version_of(f, since + strlen(" since "), &d.since))
			return -1;
		d.value = fl_asprintf("%.*s", (int)len, text);
	}
	key->defaults[key->n_defaults++] = d;
	return 0;
}

static int set_pod_safe(const struct field *f)
{
	return version(f, &f->key->pod_safe);
}

static int set_since(const struct field *f)
{
	return version(f, &f->key->since);
}

static int set_until(const struct field *f)
{
	return version(f, &f->key->until);
}

/* "kube-proxy: conntrack.maxPerCore in its configuration". */
static int add_writer(const struct field *f)
{
	struct fl_catalog_key *key = f->key;
	const char *colon = strstr(f->e->value, ": ");

	if (!colon || colon == f->e->value)
		return BAD(f, "wants 'WHO: HOW to set it there'");
	if (key->n_writers == FL_CATALOG_MAX_WRITERS)
		return BAD(f, "more than %d writers", FL_CATALOG_MAX_WRITERS);
	key->writers[key->n_writers++] = (struct fl_writer){
		.who = fl_asprintf("%.*s", (int)(colon - f->e->value), f->e->value),
		.how = fl_strdup(colon + 2),
	};
	return 0;
}

static int add_link(const struct field *f, char **links, int *n)
{
	char *name = fl_sysctl_name(f->e->value);

	if (!name)
		return BAD(f, "'%s' is not the name of a kernel parameter", f->e->value);
	if (*n == FL_CATALOG_MAX_LINKS) {
		free(name);
		return BAD(f, "more than %d", FL_CATALOG_MAX_LINKS);
	}
	links[(*n)++] = name;
	return 0;
}

static int add_after(const struct field *f)
{
	return add_link(f, f->key->after, &f->key->n_after);
}

static int add_resets(const struct field *f)
{
	return add_link(f, f->key->resets, &f->key->n_resets);
}

static const struct {
	const char *name;
	int (*set)(const struct field *f);
} fields[] = {
	{ "Does", set_does },		{ "Unit", set_unit },
	{ "Type", set_type },		{ "Range", set_range },
	{ "Default", add_default },	{ "Scope", set_scope },
	{ "Effective", set_effective }, { "Irrevocable", set_irrevocable },
	{ "Cost", set_cost },		{ "Rounded", set_rounded },
	{ "Since", set_since },		{ "Until", set_until },
	{ "Module", set_module },	{ "Optional", set_optional },
	{ "PodSafe", set_pod_safe },	{ "Writer", add_writer },
	{ "After", add_after },		{ "Resets", add_resets },
	{ "Note", set_note },		{ "Source", set_source },
};

/* ---- a file ------------------------------------------------------------------------------------- */

struct parse {
	struct fl_catalog *c;
	unsigned int section_nr;
};

static int new_key(struct parse *p, const struct fl_ini_entry *e)
{
	struct fl_catalog *c = p->c;
	struct fl_catalog_key *key;
	char *name;

	if (strcmp(e->name, "Name") != 0) {
		fl_err("%s:%u: %s: a [Key] section begins with Name", e->file, e->line, e->name);
		return -1;
	}
	name = fl_sysctl_name(e->value);
	if (!name) {
		fl_err("%s:%u: Name: '%s' is not the name of a kernel parameter", e->file, e->line,
		       e->value);
		return -1;
	}
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->keys[i].name, name)) {
			fl_err("%s:%u: Name: %s is already described at %s:%u; one place a key",
			       e->file, e->line, name, c->keys[i].file, c->keys[i].line);
			free(name);
			return -1;
		}
	if (!(c->n & (c->n - 1)))
		c->keys = fl_realloc(c->keys, c->n ? 2 * (size_t)c->n : 1, sizeof(*c->keys));
	key = &c->keys[c->n++];
	*key = (struct fl_catalog_key){
		.file = fl_strdup(e->file),
		.line = e->line,
		.name = name,
		.scope = FL_SCOPES,
		.type = { .min = INT_MIN, .max = INT_MAX },
	};
	p->section_nr = e->section_nr;
	return 0;
}

static int on_entry(void *ctx, const struct fl_ini_entry *e)
{
	struct parse *p = ctx;

	if (strcmp(e->section, "Key") != 0) {
		fl_err("%s:%u: %s: belongs to no [Key] section", e->file, e->line, e->name);
		return -1;
	}
	if (e->section_nr != p->section_nr)
		return new_key(p, e);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!strcmp(fields[i].name, e->name)) {
			struct field f = { e, &p->c->keys[p->c->n - 1] };

			if (!*e->value)
				return BAD(&f, "is empty; leave it out instead");
			return fields[i].set(&f);
		}
	fl_err("%s:%u: %s: unknown field; fairlead-profile(5) lists them", e->file, e->line,
	       e->name);
	return -1;
}

int fl_catalog_parse(struct fl_catalog *c, const char *file, const char *text, size_t len)
{
	struct parse p = { .c = c, .section_nr = UINT_MAX };

	return fl_ini_parse(file, text, len, on_entry, &p);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static int check_after(const struct fl_catalog *c, const struct fl_catalog_key *key, int depth)
{
	/* A chain longer than there are keys goes in a circle. */
	if (depth > c->n) {
		fl_err("%s:%u: %s: After leads back to itself", key->file, key->line, key->name);
		return -1;
	}
	for (int i = 0; i < key->n_after; i++) {
		const struct fl_catalog_key *before = fl_catalog_find(c, key->after[i]);

		if (!before) {
			fl_err("%s:%u: %s: After names %s, which is not in the catalogue",
			       key->file, key->line, key->name, key->after[i]);
			return -1;
		}
		if (check_after(c, before, depth + 1))
			return -1;
	}
	return 0;
}

/* Replace a value as it was written by its canonical text. */
static int check_value(const struct fl_catalog_key *k, const char *field, char **value)
{
	const char *why;
	char *text = fl_value_canonical(&k->type, *value, &why);

	if (!text) {
		fl_err("%s:%u: %s: %s: '%s' is %s", k->file, k->line, k->name, field, *value, why);
		return -1;
	}
	free(*value);
	*value = text;
	return 0;
}

static int check_values(struct fl_catalog_key *k)
{
	int err = 0;

	for (int i = 0; i < k->n_defaults; i++)
		if (k->defaults[i].value)
			err |= check_value(k, "Default", &k->defaults[i].value);
	if (k->irrevocable && strcmp(k->irrevocable, "any") != 0)
		err |= check_value(k, "Irrevocable", &k->irrevocable);
	if (!k->effective != !strchr(k->name, '*')) {
		fl_err("%s:%u: %s: Effective %s", k->file, k->line, k->name,
		       k->effective ?
			       "is for keys with '*' only" :
			       "is missing: which counts, the interface's value or that of 'all'?");
		err = -1;
	}
	return err;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct fl_catalog_key *)a)->name,
		      ((const struct fl_catalog_key *)b)->name);
}

int fl_catalog_check(struct fl_catalog *c)
{
	int err = 0;

	for (int i = 0; i < c->n; i++) {
		struct fl_catalog_key *k = &c->keys[i];
		const char *missing = !k->does		    ? "Does" :
				      !k->type.count	    ? "Type" :
				      k->scope == FL_SCOPES ? "Scope" :
				      !k->source	    ? "Source" :
							      NULL;

		if (missing) {
			fl_err("%s:%u: %s: %s is missing", k->file, k->line, k->name, missing);
			err = -1;
		}
		if (!missing)
			err |= check_values(k);
		if (!k->unit)
			k->unit = fl_strdup("");
	}
	if (err)
		return err;
	if (c->n)
		qsort(c->keys, (size_t)c->n, sizeof(*c->keys), compare_names);
	for (int i = 0; i < c->n; i++)
		if (check_after(c, &c->keys[i], 0))
			return -1;
	return 0;
}

static int is_conf(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return *d->d_name != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".conf");
}

int fl_catalog_load(struct fl_catalog *c)
{
	char *dir = fl_asprintf("%s/catalog", fl_datadir());
	struct dirent **files;
	int n, err = 0;

	*c = (struct fl_catalog){ 0 };
	n = scandir(dir, &files, is_conf, alphasort);
	if (n < 0) {
		fl_err("%s: cannot open: %s; `make install` puts it there, FAIRLEAD_DATADIR can say where else it is",
		       dir, strerror(errno));
		free(dir);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char *path = fl_asprintf("%s/%s", dir, files[i]->d_name);
		struct parse p = { .c = c, .section_nr = UINT_MAX };

		if (!err)
			err = fl_ini_load(path, on_entry, &p);
		free(path);
		free(files[i]);
	}
	free(files);
	free(dir);
	if (!err)
		err = fl_catalog_check(c);
	if (err)
		fl_catalog_free(c);
	return err;
}

void fl_catalog_free(struct fl_catalog *c)
{
	for (int i = 0; i < c->n; i++) {
		struct fl_catalog_key *k = &c->keys[i];

		for (int j = 0; j < k->n_writers; j++) {
			free(k->writers[j].who);
			free(k->writers[j].how);
		}
		for (int j = 0; j < k->n_defaults; j++) {
			free(k->defaults[j].value);
			free(k->defaults[j].depends);
		}
		for (int j = 0; j < k->n_after; j++)
			free(k->after[j]);
		for (int j = 0; j < k->n_resets; j++)
			free(k->resets[j]);
		free(k->file);
		free(k->name);
		free(k->does);
		free(k->unit);
		free(k->module);
		free(k->irrevocable);
		free(k->note);
		free(k->source);
	}
	free(c->keys);
	*c = (struct fl_catalog){ 0 };
}

const struct fl_catalog_key *fl_catalog_find(const struct fl_catalog *c, const char *name)
{
	const struct fl_catalog_key *match = NULL;
	char *path;

	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->keys[i].name, name))
			return &c->keys[i];
	/* As paths: '*' must not go beyond its part, and an interface's name may have dots. */
	path = fl_sysctl_path(name);
	for (int i = 0; i < c->n && !match; i++) {
		char *pattern;

		if (!strchr(c->keys[i].name, '*'))
			continue;
		pattern = fl_sysctl_path(c->keys[i].name);
		if (!fnmatch(pattern, path, FNM_PATHNAME))
			match = &c->keys[i];
		free(pattern);
	}
	free(path);
	return match;
}

bool fl_catalog_irrevocable(const struct fl_catalog_key *key, const char *value)
{
	return key->irrevocable &&
	       (!strcmp(key->irrevocable, "any") || !strcmp(key->irrevocable, value));
}

const struct fl_default *fl_catalog_default(const struct fl_catalog_key *key, unsigned int kernel)
{
	const struct fl_default *best = NULL;

	for (int i = 0; i < key->n_defaults; i++) {
		const struct fl_default *d = &key->defaults[i];

		if ((!kernel || d->since <= kernel) && (!best || d->since > best->since))
			best = d;
	}
	return best;
}

const char *fl_catalog_reach(const struct fl_catalog_key *key)
{
	switch (key->scope) {
	case FL_SCOPE_INHERITED:
		return "new pods";
	case FL_SCOPE_RESET:
	case FL_SCOPE_IPC:
		return "no";
	default:
		return "yes";
	}
}

fl_num fl_effective(enum fl_effective how, fl_num all, fl_num own, bool forwards)
{
	switch (how) {
	case FL_EFFECTIVE_ALL:
		return all;
	case FL_EFFECTIVE_MAX:
		return own > all ? own : all;
	case FL_EFFECTIVE_MIN:
		return own < all ? own : all;
	case FL_EFFECTIVE_OR:
		return own || all;
	case FL_EFFECTIVE_AND:
		return own && all;
	case FL_EFFECTIVE_REDIRECTS:
		return forwards ? own && all : own || all;
	default:
		return own;
	}
}
