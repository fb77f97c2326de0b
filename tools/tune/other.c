// SPDX-License-Identifier: GPL-2.0
#include "other.h"
#include "ini.h"
#include "sysctl.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parse {
	struct fl_other *o;
	const struct fl_catalog *c;
	const struct fl_catalog_key *key; /* of the last value */
	unsigned int section_nr;
};

#define BAD(e, fmt, ...)                                                                           \
	(fl_err("%s:%u: %s: " fmt, (e)->file, (e)->line, (e)->name, ##__VA_ARGS__), -1)

static int set_once(const struct fl_ini_entry *e, char **field)
{
	if (*field)
		return BAD(e, "given twice");
	if (!*e->value)
		return BAD(e, "is empty; leave it out instead");
	*field = fl_strdup(e->value);
	return 0;
}

static int on_other(struct parse *p, const struct fl_ini_entry *e)
{
	if (!strcmp(e->name, "Description"))
		return set_once(e, &p->o->description);
	if (!strcmp(e->name, "Date"))
		return set_once(e, &p->o->date);
	if (!strcmp(e->name, "Source")) {
		if (p->o->n_sources == FL_OTHER_MAX_SOURCES)
			return BAD(e, "more than %d", FL_OTHER_MAX_SOURCES);
		return set_once(e, &p->o->sources[p->o->n_sources++]);
	}
	return BAD(e, "unknown; [Other] has Description, Date and Source");
}

/* A [Value] has a Value. */
static int complete(const struct parse *p)
{
	const struct fl_other_value *v = p->o->n ? &p->o->values[p->o->n - 1] : NULL;

	if (!v || v->value)
		return 0;
	fl_err("%s:%u: %s: Value is missing", p->o->file, v->line, v->name);
	return -1;
}

static int new_value(struct parse *p, const struct fl_ini_entry *e)
{
	const struct fl_catalog_key *key;
	struct fl_other *o = p->o;
	char *name;

	if (strcmp(e->name, "Key") != 0)
		return BAD(e, "a [Value] section begins with Key");
	name = fl_sysctl_name(e->value);
	if (!name)
		return BAD(e, "'%s' is not the name of a kernel parameter", e->value);
	key = fl_catalog_find(p->c, name);
	if (!key || fl_other_find(o, name)) {
		free(name);
		return key ? BAD(e, "%s is there already", e->value) :
			     BAD(e, "%s is not in the catalogue", e->value);
	}
	o->values = fl_realloc(o->values, (size_t)o->n + 1, sizeof(*o->values));
	o->values[o->n++] = (struct fl_other_value){ .name = name, .line = e->line };
	p->key = key;
	p->section_nr = e->section_nr;
	return 0;
}

static int on_value(struct parse *p, const struct fl_ini_entry *e)
{
	struct fl_other_value *v;
	const char *why;

	if (!p->o->n || e->section_nr != p->section_nr)
		return complete(p) ? -1 : new_value(p, e);
	v = &p->o->values[p->o->n - 1];
	if (!strcmp(e->name, "Note"))
		return set_once(e, &v->note);
	if (strcmp(e->name, "Value") != 0)
		return BAD(e, "unknown; [Value] has Key, Value and Note");
	if (v->value)
		return BAD(e, "given twice for %s", v->name);
	v->value = fl_value_canonical(&p->key->type, e->value, &why);
	return v->value ? 0 : BAD(e, "%s: '%.60s' is %s", v->name, e->value, why);
}

static int on_entry(void *ctx, const struct fl_ini_entry *e)
{
	if (!strcmp(e->section, "Other"))
		return on_other(ctx, e);
	if (!strcmp(e->section, "Value"))
		return on_value(ctx, e);
	return BAD(e, "in [%s]; there are [Other] and [Value]", e->section);
}

static int load(struct fl_other *o, const struct fl_catalog *c, const char *name, const char *file,
		const char *text, size_t len)
{
	struct parse p = { .o = o, .c = c };
	int err;

	*o = (struct fl_other){ .name = fl_strdup(name), .file = fl_strdup(file) };
	err = text ? fl_ini_parse(file, text, len, on_entry, &p) : fl_ini_load(file, on_entry, &p);
	if (!err)
		err = complete(&p);
	if (!err && (!o->description || !o->date || !o->n_sources)) {
		fl_err("%s:1: [Other] with Description, Date and Source is missing", file);
		err = -1;
	}
	if (err)
		fl_other_free(o);
	return err;
}

int fl_other_parse(struct fl_other *o, const struct fl_catalog *c, const char *name,
		   const char *file, const char *text, size_t len)
{
	return load(o, c, name, file, text, len);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **fl_other_names(void)
{
	char *dir = fl_asprintf("%s/others", fl_datadir());
	char **names = fl_zalloc(sizeof(*names));
	DIR *d = opendir(dir);
	const struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (*e->d_name == '.' || len <= 5 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		names = fl_realloc(names, n + 2, sizeof(*names));
		names[n++] = fl_asprintf("%.*s", (int)len - 5, e->d_name);
		names[n] = NULL;
	}
	if (d)
		closedir(d);
	qsort(names, n, sizeof(*names), compare);
	free(dir);
	return names;
}

static void no_such(const char *name)
{
	char **names = fl_other_names(), *list = fl_strdup("");

	for (char **n = names; *n; n++) {
		char *more = fl_asprintf("%s%s%s", list, *list ? ", " : "", *n);

		free(list);
		list = more;
		free(*n);
	}
	fl_err("nothing is known about '%s'; known: %s", name, *list ? list : "nothing at all");
	free(names);
	free(list);
}

int fl_other_load(struct fl_other *o, const struct fl_catalog *c, const char *name)
{
	char *file;
	int err;

	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) || !*name) {
		no_such(name);
		return -1;
	}
	file = fl_asprintf("%s/others/%s.conf", fl_datadir(), name);
	if (access(file, F_OK) && errno == ENOENT) {
		no_such(name);
		err = -1;
	} else {
		err = load(o, c, name, file, NULL, 0);
	}
	free(file);
	return err;
}

void fl_other_free(struct fl_other *o)
{
	for (int i = 0; i < o->n; i++) {
		free(o->values[i].name);
		free(o->values[i].value);
		free(o->values[i].note);
	}
	for (int i = 0; i < o->n_sources; i++)
		free(o->sources[i]);
	free(o->values);
	free(o->name);
	free(o->file);
	free(o->description);
	free(o->date);
	*o = (struct fl_other){ 0 };
}

const struct fl_other_value *fl_other_find(const struct fl_other *o, const char *key)
{
	for (int i = 0; i < o->n; i++)
		if (!strcmp(o->values[i].name, key))
			return &o->values[i];
	return NULL;
}
