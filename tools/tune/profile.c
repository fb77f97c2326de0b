// SPDX-License-Identifier: GPL-2.0
#include "profile.h"
#include "ini.h"
#include "interface.h"
#include "sysctl.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ETC "/etc/fairlead/profiles"

/* Longer chains are a mistake, and the recursion must end. */
#define MAX_DEPTH 16

struct parse {
	struct fl_profiles *all;
	const struct fl_catalog *c;
	struct fl_profile profile;
	struct fl_setting *settings;
	int n;
	unsigned int section_nr; /* of the [Set] section that the last setting stands in */
	unsigned int include_line;
};

/* The profiles that are being read, from the one asked for down to this one. */
struct chain {
	const struct chain *up;
	const char *name;
	int depth;
};

static bool valid_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len && len <= 64 && !name[len] && *name != '-';
}

static char *find_file(const char *name)
{
	char *file = fl_asprintf(ETC "/%s.conf", name);

	/* Only one that is not there lets the packaged one through: a file that exists and cannot be
	 * read must be an error and not a silent change of what gets applied. */
	if (!access(file, F_OK) || (errno != ENOENT && errno != ENOTDIR))
		return file;
	free(file);
	return fl_asprintf("%s/profiles/%s.conf", fl_datadir(), name);
}

static void free_setting(struct fl_setting *s)
{
	free(s->name);
	free(s->value);
	free(s->why);
	free(s->profile);
	free(s->file);
	memset(s, 0, sizeof(*s));
}

static int on_profile(struct parse *p, const struct fl_ini_entry *e)
{
	char **field;

	if (!strcmp(e->name, "Description")) {
		field = &p->profile.description;
	} else if (!strcmp(e->name, "Include")) {
		field = &p->profile.include;
		p->include_line = e->line;
	} else {
		fl_err("%s:%u: %s: unknown; [Profile] has Description and Include", e->file,
		       e->line, e->name);
		return -1;
	}
	if (*field) {
		fl_err("%s:%u: %s: given twice", e->file, e->line, e->name);
		return -1;
	}
	*field = fl_strdup(e->value);
	return 0;
}

static int new_setting(struct parse *p, const struct fl_ini_entry *e)
{
	const struct fl_catalog_key *key;
	bool pattern;
	char *name;

	if (strcmp(e->name, "Key") != 0) {
		fl_err("%s:%u: %s: a [Set] section begins with Key", e->file, e->line, e->name);
		return -1;
	}
	name = fl_sysctl_name(e->value);
	if (!name) {
		fl_err("%s:%u: Key: '%s' is not the name of a kernel parameter; write it like net.ipv4.ip_forward",
		       e->file, e->line, e->value);
		return -1;
	}
	key = fl_catalog_find(p->c, name);
	if (!key) {
		fl_err("%s:%u: %s: not in the catalogue; `fairlead tune list --keys` lists what is",
		       e->file, e->line, name);
		free(name);
		return -1;
	}
	pattern = strpbrk(name, "*?[@") != NULL;
	/* The catalogue only has '*' for an interface: a glob anywhere else matched none of its keys. */
	if (strchr(name, '@') && !fl_interface_class(name)) {
		fl_err("%s:%u: %s: no such class of interfaces; there is @ra", e->file, e->line,
		       name);
		free(name);
		return -1;
	}
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->settings[i].name, name)) {
			fl_err("%s:%u: %s: already set in line %u; remove one of them", e->file,
			       e->line, name, p->settings[i].line);
			free(name);
			return -1;
		}
	p->settings = fl_realloc(p->settings, (size_t)p->n + 1, sizeof(*p->settings));
	p->settings[p->n++] = (struct fl_setting){
		.name = name,
		.pattern = pattern,
		.key = key,
		.profile = fl_strdup(p->profile.name),
		.file = fl_strdup(e->file),
		.line = e->line,
	};
	p->section_nr = e->section_nr;
	return 0;
}

/* Key, Value and Why make a setting. */
static int complete(const struct parse *p)
{
	const struct fl_setting *s = p->n ? &p->settings[p->n - 1] : NULL;
	const char *missing = !s	? NULL :
			      !s->value ? "Value = (or Value >=)" :
			      !s->why	? "Why, the reason for the value," :
					  NULL;

	if (missing)
		fl_err("%s:%u: %s: %s is missing", s->file, s->line, s->name, missing);
	return missing ? -1 : 0;
}

static int on_set(struct parse *p, const struct fl_ini_entry *e)
{
	struct fl_setting *s;
	char **field;

	if (!p->n || e->section_nr != p->section_nr)
		return complete(p) ? -1 : new_setting(p, e);
	s = &p->settings[p->n - 1];
	/* libinih splits "Value >= 1" at the '='. */
	if (!strcmp(e->name, "Value") || !strcmp(e->name, "Value >") ||
	    !strcmp(e->name, "Value>")) {
		field = &s->value;
		s->raise = e->name[strlen(e->name) - 1] == '>';
	} else if (!strcmp(e->name, "Why")) {
		field = &s->why;
	} else {
		fl_err("%s:%u: %s: unknown; [Set] has Key, Value and Why", e->file, e->line,
		       e->name);
		return -1;
	}
	if (*field) {
		fl_err("%s:%u: %s: given twice for %s", e->file, e->line, e->name, s->name);
		return -1;
	}
	if (s->raise && s->key->type.kind == FL_VALUE_STRING) {
		fl_err("%s:%u: %s: a string cannot be raised; use Value =", e->file, e->line,
		       s->name);
		return -1;
	}
	/* An empty list of ports is a value; an empty reason is none. */
	if (!*e->value && (field == &s->why || s->key->type.kind != FL_VALUE_PORTS)) {
		fl_err("%s:%u: %s: %s is empty", e->file, e->line, s->name,
		       field == &s->why ? "Why" : "Value");
		return -1;
	}
	*field = fl_strdup(e->value);
	return 0;
}

static int on_entry(void *ctx, const struct fl_ini_entry *e)
{
	struct parse *p = ctx;

	if (!strcmp(e->section, "Profile"))
		return on_profile(p, e);
	if (!strcmp(e->section, "Set"))
		return on_set(p, e);
	fl_err("%s:%u: %s: in [%s]; a profile has [Profile] and [Set]", e->file, e->line, e->name,
	       e->section);
	return -1;
}

static struct fl_setting *find_setting(const struct fl_profiles *all, const char *name)
{
	for (int i = 0; i < all->n_settings; i++)
		if (!strcmp(all->settings[i].name, name))
			return &all->settings[i];
	return NULL;
}

static void merge(struct parse *p)
{
	struct fl_profiles *all = p->all;

	for (int i = 0; i < p->n; i++) {
		struct fl_setting *slot = find_setting(all, p->settings[i].name);

		if (slot) {
			free_setting(slot);
		} else {
			all->settings = fl_realloc(all->settings, (size_t)all->n_settings + 1,
						   sizeof(*all->settings));
			slot = &all->settings[all->n_settings++];
		}
		p->settings[i].rank = all->next_rank++;
		memcpy(slot, &p->settings[i], sizeof(*slot));
	}
	p->profile.n_settings = p->n;
	all->list = fl_realloc(all->list, (size_t)all->n + 1, sizeof(*all->list));
	all->list[all->n++] = p->profile;
	free(p->settings);
}

static void free_profile(struct fl_profile *p)
{
	free(p->name);
	free(p->file);
	free(p->description);
	free(p->include);
}

static int add(struct fl_profiles *all, const struct fl_catalog *c, const char *name,
	       const struct chain *up);

static int add_includes(struct parse *p, const struct chain *chain)
{
	const char *text = p->profile.include;
	int err = 0;

	while (!err && text && *(text += strspn(text, " \t,"))) {
		size_t len = strcspn(text, " \t,");
		char *name = fl_asprintf("%.*s", (int)len, text);

		if (!valid_name(name)) {
			fl_err("%s:%u: Include: '%s' is not the name of a profile", p->profile.file,
			       p->include_line, name);
			err = -1;
		}
		for (const struct chain *u = chain; u && !err; u = u->up)
			if (!strcmp(u->name, name)) {
				fl_err("%s:%u: Include: %s includes itself%s; remove one of the Includes",
				       p->profile.file, p->include_line, name,
				       u == chain ? "" : " by way of others");
				err = -1;
			}
		if (!err && chain->depth == MAX_DEPTH) {
			fl_err("%s:%u: Include: profiles are nested more than %d deep",
			       p->profile.file, p->include_line, MAX_DEPTH);
			err = -1;
		}
		if (!err && add(p->all, p->c, name, chain)) {
			fl_err("%s:%u: Include: %s cannot be used, see above", p->profile.file,
			       p->include_line, name);
			err = -1;
		}
		free(name);
		text += len;
	}
	return err;
}

/* With text NULL the file is read. */
static int parse(struct fl_profiles *all, const struct fl_catalog *c, const char *name,
		 const char *file, const char *text, size_t len, const struct chain *up)
{
	struct parse p = {
		.all = all,
		.c = c,
		.profile = { .name = fl_strdup(name), .file = fl_strdup(file) },
	};
	struct chain chain = { .up = up, .name = name, .depth = up ? up->depth + 1 : 1 };
	int err;

	err = text ? fl_ini_parse(file, text, len, on_entry, &p) : fl_ini_load(file, on_entry, &p);
	if (!err)
		err = complete(&p);
	if (!err && !p.profile.description) {
		fl_err("%s:1: [Profile] with a Description is missing", file);
		err = -1;
	}
	if (!err)
		err = add_includes(&p, &chain);
	if (!err) {
		merge(&p);
		return 0;
	}
	for (int i = 0; i < p.n; i++)
		free_setting(&p.settings[i]);
	free(p.settings);
	free_profile(&p.profile);
	return -1;
}

static int add(struct fl_profiles *all, const struct fl_catalog *c, const char *name,
	       const struct chain *up)
{
	char *file;
	int err;

	for (int i = 0; i < all->n; i++)
		if (!strcmp(all->list[i].name, name))
			return 0;
	file = find_file(name);
	if (access(file, F_OK) && errno == ENOENT) {
		fl_err("no profile '%s': neither " ETC
		       "/%s.conf nor %s is there; `fairlead tune list` lists those that are",
		       name, name, file);
		free(file);
		return -1;
	}
	err = parse(all, c, name, file, NULL, 0, up);
	free(file);
	return err;
}

int fl_profiles_add(struct fl_profiles *p, const struct fl_catalog *c, const char *name)
{
	if (!valid_name(name)) {
		fl_err("'%s' is not the name of a profile; `fairlead tune list` lists them", name);
		return -1;
	}
	return add(p, c, name, NULL);
}

int fl_profiles_parse(struct fl_profiles *p, const struct fl_catalog *c, const char *name,
		      const char *file, const char *text, size_t len)
{
	return parse(p, c, name, file, text, len, NULL);
}

void fl_profiles_free(struct fl_profiles *p)
{
	for (int i = 0; i < p->n; i++)
		free_profile(&p->list[i]);
	for (int i = 0; i < p->n_settings; i++)
		free_setting(&p->settings[i]);
	free(p->list);
	free(p->settings);
	*p = (struct fl_profiles){ 0 };
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_names(const char *dir, char ***names, size_t *n)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name), i = 0;
		char *name;

		if (len <= 5 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		name = fl_asprintf("%.*s", (int)len - 5, e->d_name);
		while (i < *n && strcmp((*names)[i], name) != 0)
			i++;
		if (i < *n || !valid_name(name)) {
			free(name);
			continue;
		}
		*names = fl_realloc(*names, *n + 2, sizeof(**names));
		(*names)[(*n)++] = name;
	}
	if (d)
		closedir(d);
}

char **fl_profile_names(void)
{
	char *dir = fl_asprintf("%s/profiles", fl_datadir());
	char **names = NULL;
	size_t n = 0;

	add_names(ETC, &names, &n);
	add_names(dir, &names, &n);
	if (!n)
		fl_err("no profiles in " ETC " or %s", dir);
	free(dir);
	if (!n)
		return NULL;
	qsort(names, n, sizeof(*names), compare);
	names[n] = NULL;
	return names;
}
