// SPDX-License-Identifier: GPL-2.0
#include "journal.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA	   1
#define FILE_LIMIT (16 * 1024 * 1024)

int fl_journal_lock(void)
{
	int err = fl_file_mkdirs(FL_JOURNAL_DIR, 0755);
	int fd = -1;

	if (!err) {
		fd = open(FL_JOURNAL_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : 0;
	}
	if (err) {
		fl_err(FL_JOURNAL_DIR ": cannot keep a journal there: %s", strerror(-err));
		return -1;
	}
	/* The lock is on the directory, since the file itself is replaced by every save. */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		fl_err(FL_JOURNAL_DIR ": %s",
		       errno == EWOULDBLOCK ?
			       "another fairlead tune is at work; try again when it is done" :
			       strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static const char *get_str(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	/* "\u0000" inside would make a shorter string of it. */
	return strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v) ?
		       json_object_get_string(v) :
		       NULL;
}

static bool get_bool(struct json_object *o, const char *key, bool *out)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_boolean))
		return false;
	*out = json_object_get_boolean(v);
	return true;
}

/* Does the field hold null? */
static bool is_null(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && !v;
}

static struct json_object *get_array(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_array))
		return NULL;
	return v;
}

static const char *parse_entries(struct fl_journal_list *l, struct json_object *array, bool pending)
{
	if (!array)
		return "a list of keys is missing";
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *o = json_object_array_get_idx(array, i);
		struct fl_journal_entry e = {
			.key = (char *)get_str(o, "key"),
			.original = (char *)get_str(o, "original"),
			.wrote = (char *)get_str(o, "wrote"),
		};

		if (!e.key || !e.original || !get_bool(o, "side", &e.side) ||
		    !get_bool(o, "resets", &e.resets) || !get_bool(o, "rounded", &e.rounded) ||
		    (!e.wrote && !(pending && is_null(o, "wrote"))))
			return "an entry is incomplete";
		/* Journals of before there was this do not have it. */
		get_bool(o, "oneway", &e.oneway);
		if (fl_journal_find(l, e.key))
			return "a key is there twice";
		fl_journal_append(l, &e);
	}
	return NULL;
}

/* Returns whether all were strings; those before are in the list. */
static bool parse_strings(struct json_object *array, char ***list, int *count)
{
	size_t n = json_object_array_length(array);

	*list = fl_zalloc(n * sizeof(**list));
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(array, i);

		if (!json_object_is_type(v, json_type_string))
			return false;
		(*list)[(*count)++] = fl_strdup(json_object_get_string(v));
	}
	return true;
}

static const char *parse_profiles(struct fl_journal *j, struct json_object *array)
{
	if (!array)
		return "the list of profiles is missing";
	return parse_strings(array, &j->profiles, &j->n_profiles) ?
		       NULL :
		       "the list of profiles holds something else";
}

/* Journals of before there was this list have none. */
static const char *parse_deferred(struct fl_journal *j, struct json_object *doc)
{
	struct json_object *v;

	if (!json_object_object_get_ex(doc, "deferred", &v))
		return NULL;
	if (!json_object_is_type(v, json_type_array) ||
	    !parse_strings(v, &j->deferred, &j->n_deferred))
		return "the list of deferred keys holds something else";
	return NULL;
}

static const char *parse_document(struct fl_journal *j, struct json_object *doc)
{
	struct json_object *v;
	const char *why;

	if (!json_object_object_get_ex(doc, "schema", &v) || !json_object_is_type(v, json_type_int))
		return "not a journal of fairlead tune";
	if (json_object_get_int64(v) != SCHEMA)
		return "written by another version of fairlead; revert with that one";
	if (!get_str(doc, "boot_id"))
		return "boot_id is missing";
	j->boot_id = fl_strdup(get_str(doc, "boot_id"));
	if (!json_object_object_get_ex(doc, "netns", &v) || !json_object_is_type(v, json_type_int))
		return "netns is missing";
	j->netns = json_object_get_uint64(v);
	if (get_str(doc, "facts"))
		j->facts = fl_strdup(get_str(doc, "facts"));
	else if (!is_null(doc, "facts"))
		return "facts is missing";
	why = parse_profiles(j, get_array(doc, "profiles"));
	if (!why)
		why = parse_deferred(j, doc);
	if (!why)
		why = parse_entries(&j->keys, get_array(doc, "keys"), false);
	if (!why)
		why = parse_entries(&j->pending, get_array(doc, "pending"), true);
	return why;
}

int fl_journal_parse(struct fl_journal *j, const char *text, size_t len, const char **why)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *doc = NULL;

	*j = (struct fl_journal){ 0 };
	if (tok && len < FILE_LIMIT) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
		/* With the NUL: it tells the tokener that the text ends here. */
		doc = json_tokener_parse_ex(tok, text, (int)len + 1);
	}
	*why = !doc || json_tokener_get_error(tok) != json_tokener_success ?
		       "damaged or cut short" :
		       parse_document(j, doc);
	if (doc)
		json_object_put(doc);
	if (tok)
		json_tokener_free(tok);
	if (*why)
		fl_journal_free(j);
	return *why ? -1 : 0;
}

static char *boot_id(void)
{
	char *id;

	if (fl_file_read("/proc/sys/kernel/random/boot_id", 64, &id, NULL))
		return NULL;
	id[strcspn(id, "\n")] = '\0';
	return id;
}

int fl_journal_load(struct fl_journal *j)
{
	const char *why;
	char *text, *boot;
	struct stat ns;
	size_t len;
	int err;

	*j = (struct fl_journal){ 0 };
	boot = boot_id();
	if (!boot || stat("/proc/self/ns/net", &ns)) {
		free(boot);
		fl_err("/proc: cannot find out which boot and network namespace this is; is /proc mounted?");
		return -1;
	}
	err = fl_file_read(FL_JOURNAL_FILE, FILE_LIMIT, &text, &len);
	if (err && err != -ENOENT) {
		fl_err(FL_JOURNAL_FILE ": cannot read: %s", strerror(-err));
		free(boot);
		return -1;
	}
	if (!err) {
		err = fl_journal_parse(j, text, len, &why);
		free(text);
		if (err) {
			fl_err(FL_JOURNAL_FILE
			       ": %s; nothing was changed. Restore the file, or remove it to give up what it knows of the values before",
			       why);
			free(boot);
			return -1;
		}
		if (strcmp(j->boot_id, boot) != 0) {
			fl_journal_free(j);
		} else if (j->netns != ns.st_ino) {
			fl_err(FL_JOURNAL_FILE
			       ": belongs to another network namespace (net:[%llu], this is net:[%llu]); run fairlead there, or remove the file if that one is gone",
			       (unsigned long long)j->netns, (unsigned long long)ns.st_ino);
			fl_journal_free(j);
			free(boot);
			return -1;
		} else {
			free(boot);
			return 0;
		}
	}
	j->boot_id = boot;
	j->netns = ns.st_ino;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------ */

static struct json_object *entries(const struct fl_journal_list *l)
{
	struct json_object *array = json_object_new_array();

	for (int i = 0; i < l->n; i++) {
		struct json_object *o = json_object_new_object();

		fl_json_str(o, "key", l->e[i].key);
		fl_json_str(o, "original", l->e[i].original);
		fl_json_str(o, "wrote", l->e[i].wrote);
		fl_json_bool(o, "side", l->e[i].side);
		fl_json_bool(o, "resets", l->e[i].resets);
		fl_json_bool(o, "rounded", l->e[i].rounded);
		fl_json_bool(o, "oneway", l->e[i].oneway);
		json_object_array_add(array, o);
	}
	return array;
}

int fl_journal_save(const struct fl_journal *j)
{
	struct json_object *doc = fl_json_new(SCHEMA), *profiles = json_object_new_array();
	struct json_object *deferred = json_object_new_array();
	char *text;
	int err;

	for (int i = 0; i < j->n_profiles; i++)
		json_object_array_add(profiles, json_object_new_string(j->profiles[i]));
	fl_json_str(doc, "boot_id", j->boot_id);
	fl_json_u64(doc, "netns", j->netns);
	json_object_object_add(doc, "profiles", profiles);
	fl_json_str(doc, "facts", j->facts);
	for (int i = 0; i < j->n_deferred; i++)
		json_object_array_add(deferred, json_object_new_string(j->deferred[i]));
	json_object_object_add(doc, "deferred", deferred);
	json_object_object_add(doc, "keys", entries(&j->keys));
	json_object_object_add(doc, "pending", entries(&j->pending));
	text = fl_asprintf("%s\n",
			   json_object_to_json_string_ext(
				   doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	err = fl_file_write(FL_JOURNAL_FILE, text, strlen(text), 0644);
	free(text);
	json_object_put(doc);
	if (err)
		fl_err(FL_JOURNAL_FILE ": cannot write: %s", strerror(-err));
	return err ? -1 : 0;
}

/* ---- in memory ---------------------------------------------------------------------------------- */

bool fl_journal_empty(const struct fl_journal *j)
{
	return !j->keys.n && !j->pending.n && !j->n_profiles;
}

bool fl_journal_deferred(const struct fl_journal *j, const char *name)
{
	for (int i = 0; i < j->n_deferred; i++)
		if (!strcmp(j->deferred[i], name))
			return true;
	return false;
}

struct fl_journal_entry *fl_journal_append(struct fl_journal_list *l,
					   const struct fl_journal_entry *e)
{
	struct fl_journal_entry *copy;

	l->e = fl_realloc(l->e, (size_t)l->n + 1, sizeof(*l->e));
	copy = &l->e[l->n++];
	*copy = *e;
	copy->key = fl_strdup(e->key);
	copy->original = fl_strdup(e->original);
	copy->wrote = e->wrote ? fl_strdup(e->wrote) : NULL;
	return copy;
}

struct fl_journal_entry *fl_journal_find(const struct fl_journal_list *l, const char *key)
{
	for (int i = 0; i < l->n; i++)
		if (!strcmp(l->e[i].key, key))
			return &l->e[i];
	return NULL;
}

static void free_entry(struct fl_journal_entry *e)
{
	free(e->key);
	free(e->original);
	free(e->wrote);
}

void fl_journal_forget(struct fl_journal_list *l, bool (*gone)(const char *key))
{
	int n = 0;

	for (int i = 0; i < l->n; i++) {
		if (gone(l->e[i].key))
			free_entry(&l->e[i]);
		else
			l->e[n++] = l->e[i];
	}
	l->n = n;
}

void fl_journal_drop(struct fl_journal_list *l)
{
	for (int i = 0; i < l->n; i++)
		free_entry(&l->e[i]);
	free(l->e);
	*l = (struct fl_journal_list){ 0 };
}

void fl_journal_free(struct fl_journal *j)
{
	for (int i = 0; i < j->n_profiles; i++)
		free(j->profiles[i]);
	free(j->profiles);
	for (int i = 0; i < j->n_deferred; i++)
		free(j->deferred[i]);
	free(j->deferred);
	free(j->facts);
	free(j->boot_id);
	fl_journal_drop(&j->keys);
	fl_journal_drop(&j->pending);
	*j = (struct fl_journal){ 0 };
}
