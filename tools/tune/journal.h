/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_JOURNAL_H
#define FL_TUNE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What `tune` changed and what was there before: /var/lib/fairlead/tune.json. It is on disk before
 * the first write to the kernel. Values are kept as the kernel printed them.
 *
 * `keys` is what earlier calls finished. `pending` is what the present call is about to do; after a
 * crash the next apply or revert finds it and undoes it. An entry says all that undoing needs, so
 * that a package upgrade with another catalogue in between does no harm.
 */

#define FL_JOURNAL_DIR	"/var/lib/fairlead"
#define FL_JOURNAL_FILE FL_JOURNAL_DIR "/tune.json"

struct fl_journal_entry {
	char *key;
	char *original; /* what was there before */
	char *wrote; /* what we made of it; NULL in `pending`: what it turns into is not known yet */
	bool side;   /* the kernel changed it because we wrote another key */
	bool resets; /* writing it makes the kernel change others: goes first when undoing as well */
	bool rounded; /* the kernel may have rounded up what we wrote */
	bool oneway;  /* the kernel may refuse to take back what we wrote */
};

struct fl_journal_list {
	struct fl_journal_entry *e;
	int n;
};

struct fl_journal {
	char *boot_id;	 /* kernel parameters do not outlive the boot */
	uint64_t netns;	 /* inode of the network namespace */
	char **profiles; /* applied, in this order */
	int n_profiles;
	char *facts;	 /* what --fact said, or NULL */
	char **deferred; /* keys and patterns that were not there to be set */
	int n_deferred;
	struct fl_journal_list keys, pending;
};

/* Was this key, or the pattern that stands for it, not there when it was applied? */
bool fl_journal_deferred(const struct fl_journal *j, const char *name);

/* One at a time: hold the lock from before loading until after saving. Returns a descriptor to
 * close, or -1 after a message. */
int fl_journal_lock(void);

/*
 * Load. A file that is not there and one that an earlier boot wrote give an empty journal for this
 * boot. Returns 0, or -1 after a message: unreadable, damaged, or of another network namespace.
 */
int fl_journal_load(struct fl_journal *j);

/* The text of a journal; pure. Returns 0, or -1 with *why pointing to a static text. */
int fl_journal_parse(struct fl_journal *j, const char *text, size_t len, const char **why);

/* Returns 0 or -1 after a message. The file on disk is the old or the new one. */
int fl_journal_save(const struct fl_journal *j);

/* Is there anything in it? */
bool fl_journal_empty(const struct fl_journal *j);

void fl_journal_free(struct fl_journal *j);

/* Append; copies. */
struct fl_journal_entry *fl_journal_append(struct fl_journal_list *l,
					   const struct fl_journal_entry *e);
struct fl_journal_entry *fl_journal_find(const struct fl_journal_list *l, const char *key);
void fl_journal_drop(struct fl_journal_list *l);

/* Take out the entries for which `gone` says so. */
void fl_journal_forget(struct fl_journal_list *l, bool (*gone)(const char *key));

#endif
