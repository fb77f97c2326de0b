// SPDX-License-Identifier: GPL-2.0
#include "apply.h"
#include "interface.h"
#include "sysctl.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const fl_revert_result_names[FL_REVERT_RESULTS] = {
	[FL_REVERT_DONE] = "restored", [FL_REVERT_SAME] = "unchanged",
	[FL_REVERT_LEFT] = "left",     [FL_REVERT_GONE] = "gone",
	[FL_REVERT_STAYS] = "stays",   [FL_REVERT_FAILED] = "failed",
};

/* Equal but for the white space between the numbers, which the kernel prints as tabs. */
static bool same(const char *a, const char *b)
{
	for (;;) {
		size_t x = strspn(a, " \t\n"), y = strspn(b, " \t\n");

		a += x;
		b += y;
		if (!*a || !*b)
			return *a == *b;
		if (!x != !y || *a != *b)
			return false;
		a++;
		b++;
		while (*a && *a == *b && *a != ' ' && *a != '\t' && *a != '\n') {
			a++;
			b++;
		}
	}
}

/* Does the kernel hold what we wrote? */
static bool ours(const struct fl_journal_entry *e, const char *now)
{
	if (!e->wrote)
		return true;
	if (same(now, e->wrote))
		return true;
	return e->rounded && fl_value_number(now) > fl_value_number(e->wrote) &&
	       fl_value_number(e->original) < fl_value_number(e->wrote);
}

/*
 * A Ctrl-C between two writes would do no harm that the next call does not mend, but the person who
 * typed it would have to know that.
 */
static void block_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
}

/* ---- putting back ------------------------------------------------------------------------------- */

static void write_back(struct fl_revert *r)
{
	int err = fl_sysctl_write(r->entry->key, r->entry->original);

	if (!err) {
		r->result = FL_REVERT_DONE;
		return;
	}
	r->result = err == -ENOENT   ? FL_REVERT_GONE :
		    r->entry->oneway ? FL_REVERT_STAYS :
				       FL_REVERT_FAILED;
	if (r->result == FL_REVERT_FAILED)
		fl_err("%s: cannot write '%s' back: %s", r->entry->key, r->entry->original,
		       fl_sysctl_strerror(err));
}

/*
 * Put the originals of a list back. First all are read, since writing one key can change another;
 * keys that do so are written first; the rest goes backwards; then all are read again and what a
 * first one changed is put right.
 */
static int put_back(const struct fl_journal_list *l, struct fl_revert *r)
{
	int failed = 0;
	char *now;

	for (int i = 0; i < l->n; i++) {
		int err = fl_sysctl_read(l->e[i].key, &now);

		r[i] = (struct fl_revert){ .entry = &l->e[i], .now = err ? NULL : now };
		if (err)
			r[i].result = err == -ENOENT ? FL_REVERT_GONE : FL_REVERT_FAILED;
		else if (same(now, l->e[i].original))
			r[i].result = FL_REVERT_SAME;
		else
			r[i].result = ours(&l->e[i], now) ? FL_REVERT_DONE : FL_REVERT_LEFT;
		if (r[i].result == FL_REVERT_FAILED)
			fl_err("%s: cannot read: %s", l->e[i].key, fl_sysctl_strerror(err));
	}
	for (int first = 1; first >= 0; first--)
		for (int i = l->n - 1; i >= 0; i--)
			if (r[i].result == FL_REVERT_DONE && l->e[i].resets == first &&
			    !l->e[i].side)
				write_back(&r[i]);
	for (int i = l->n - 1; i >= 0; i--) {
		const char *target = l->e[i].original;

		/* A key that somebody else has set keeps his value even if a reset just went over it. */
		if (r[i].result == FL_REVERT_LEFT)
			target = r[i].now;
		else if (r[i].result != FL_REVERT_DONE && r[i].result != FL_REVERT_SAME)
			continue;
		if (fl_sysctl_read(l->e[i].key, &now)) {
			r[i].result = FL_REVERT_GONE;
			continue;
		}
		if (!same(now, target) && r[i].result == FL_REVERT_LEFT)
			fl_sysctl_write(l->e[i].key, target);
		else if (!same(now, target))
			write_back(&r[i]);
		free(now);
	}
	for (int i = 0; i < l->n; i++) {
		if (r[i].result == FL_REVERT_DONE && !fl_sysctl_read(l->e[i].key, &now)) {
			if (!same(now, l->e[i].original)) {
				fl_err("%s: wrote '%s' back, but it reads '%s'", l->e[i].key,
				       l->e[i].original, now);
				r[i].result = FL_REVERT_FAILED;
			}
			free(now);
		}
		failed += r[i].result == FL_REVERT_FAILED;
	}
	return failed;
}

/* Undo the pending list. Returns how many keys were put back, or -1 if some could not be. */
static int undo(const struct fl_journal_list *l)
{
	struct fl_revert *r = fl_zalloc((size_t)l->n * sizeof(*r));
	int failed = put_back(l, r), done = 0;

	for (int i = 0; i < l->n; i++) {
		done += r[i].result == FL_REVERT_DONE && !l->e[i].side;
		if (r[i].result == FL_REVERT_LEFT)
			fl_warn("%s: holds '%s', which somebody else has set; left", l->e[i].key,
				r[i].now);
		if (r[i].result == FL_REVERT_STAYS)
			fl_warn("%s: stays '%s', which cannot be set back before the next boot",
				l->e[i].key, r[i].now);
		free(r[i].now);
	}
	free(r);
	return failed ? -1 : done;
}

int fl_tune_recover(struct fl_journal *j)
{
	sigset_t old;
	int done;

	if (!j->pending.n)
		return 0;
	block_signals(&old);
	done = undo(&j->pending);
	if (done < 0) {
		fl_err("an earlier `tune apply` was interrupted and could not be undone; the journal still knows the values before");
	} else {
		fl_journal_drop(&j->pending);
		if (fl_journal_save(j))
			done = -1;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return done;
}

int fl_tune_revert(struct fl_journal *j, struct fl_revert *r)
{
	struct fl_journal_list keep = { 0 };
	int failed, err;
	sigset_t old;

	block_signals(&old);
	failed = put_back(&j->keys, r);
	if (!failed) {
		unlink(FL_TUNE_INTERFACES);
		err = fl_file_remove(FL_JOURNAL_FILE);
		if (err) {
			fl_err(FL_JOURNAL_FILE ": cannot remove: %s", strerror(-err));
			failed = 1;
		}
	} else {
		/* What could not be put back is all that the next revert has to look at. */
		struct fl_journal rest = *j;

		for (int i = 0; i < j->keys.n; i++)
			if (r[i].result == FL_REVERT_FAILED)
				fl_journal_append(&keep, r[i].entry);
		rest.keys = keep;
		fl_journal_save(&rest);
		fl_journal_drop(&keep);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return failed;
}

/* ---- applying ----------------------------------------------------------------------------------- */

/* What can be known before the first write. */
static int check(const struct fl_tune_plan *plan, bool irrevocable)
{
	int err = 0;

	for (int i = 0; i < plan->n; i++) {
		const struct fl_setting *s = plan->items[i].set;
		char *path;

		if (plan->items[i].state != FL_TUNE_CHANGE)
			continue;
		if (fl_catalog_irrevocable(s->key, plan->items[i].wanted) && !irrevocable) {
			fl_err("%s:%u: %s: once it is %s it cannot be set back before the next boot; say --irrevocable if that is meant",
			       s->file, s->line, plan->items[i].name, plan->items[i].wanted);
			err = -1;
		}
		path = fl_sysctl_path(plan->items[i].name);
		if (access(path, W_OK)) {
			int why = -errno;

			fl_err("%s:%u: %s: cannot write: %s", s->file, s->line, plan->items[i].name,
			       s->key->scope == FL_SCOPE_INIT_ONLY && why == -EACCES ?
				       "only the initial network namespace may; run fairlead on the node itself" :
				       fl_sysctl_strerror(why));
			err = -1;
		}
		free(path);
	}
	return err;
}

/* Take down what writing this key makes the kernel change elsewhere. */
static void add_sides(struct fl_journal_list *pending, const struct fl_catalog_key *key)
{
	for (int i = 0; i < key->n_resets; i++) {
		char *pattern = fl_sysctl_path(key->resets[i]);
		glob_t g = { 0 };

		if (glob(pattern, GLOB_NOSORT, NULL, &g))
			g.gl_pathc = 0;
		for (size_t p = 0; p < g.gl_pathc; p++) {
			char *name = fl_sysctl_name_of_path(g.gl_pathv[p]), *now;

			if (!fl_journal_find(pending, name) && !fl_sysctl_read(name, &now)) {
				fl_journal_append(pending, &(struct fl_journal_entry){
								   .key = name,
								   .original = now,
								   .side = true,
							   });
				free(now);
			}
			free(name);
		}
		globfree(&g);
		free(pattern);
	}
}

static void make_pending(struct fl_journal_list *pending, const struct fl_tune_plan *plan)
{
	for (int i = 0; i < plan->n; i++) {
		const struct fl_tune_item *it = &plan->items[i];

		if (it->state == FL_TUNE_CHANGE)
			fl_journal_append(pending, &(struct fl_journal_entry){
							   .key = it->name,
							   .original = it->raw,
							   .wrote = it->wanted,
							   .resets = it->set->key->n_resets > 0,
							   .rounded = it->set->key->rounded,
							   .oneway = fl_catalog_irrevocable(
								   it->set->key, it->wanted),
						   });
	}
	/* After all others: what the plan sets itself is no side effect. */
	for (int i = 0; i < plan->n; i++)
		if (plan->items[i].state == FL_TUNE_CHANGE)
			add_sides(pending, plan->items[i].set->key);
}

static int write_all(const struct fl_journal_list *pending)
{
	for (int i = 0; i < pending->n; i++) {
		const struct fl_journal_entry *e = &pending->e[i];
		int err;

		if (e->side)
			continue;
		err = fl_sysctl_write(e->key, e->wrote);
		if (err) {
			fl_err("%s: cannot write '%s': %s", e->key, e->wrote,
			       fl_sysctl_strerror(err));
			return -1;
		}
	}
	return 0;
}

/* Put into `wrote` what the kernel made of each value. */
static int read_back(struct fl_journal_list *pending)
{
	for (int i = 0; i < pending->n; i++) {
		struct fl_journal_entry *e = &pending->e[i];
		int err;
		char *now;

		err = fl_sysctl_read(e->key, &now);
		/* An interface that went away meanwhile took its keys along. */
		if (err && e->side)
			continue;
		if (err) {
			fl_err("%s: cannot read back: %s", e->key, fl_sysctl_strerror(err));
			return -1;
		}
		if (!ours(e, now)) {
			fl_err("%s: wrote '%s', but it reads '%s'; the kernel or another program changed it at once",
			       e->key, e->wrote, now);
			free(now);
			return -1;
		}
		free(e->wrote);
		e->wrote = now;
	}
	return 0;
}

/* Finished changes become part of what revert undoes; the oldest original stays. */
static void commit(struct fl_journal *j)
{
	for (int i = 0; i < j->pending.n; i++) {
		const struct fl_journal_entry *e = &j->pending.e[i];
		struct fl_journal_entry *known = fl_journal_find(&j->keys, e->key);

		/* Gone meanwhile. One that holds what it held is kept: setting the other key back may
		 * change it all the same. */
		if (!e->wrote)
			continue;
		if (!known) {
			fl_journal_append(&j->keys, e);
			continue;
		}
		/* Somebody else's value in between is what has to come back, not the one before it. */
		if (!same(known->wrote, e->original)) {
			free(known->original);
			known->original = fl_strdup(e->original);
		}
		free(known->wrote);
		known->wrote = fl_strdup(e->wrote);
		known->side = known->side && e->side;
		known->resets = e->resets;
		known->rounded = e->rounded;
		known->oneway = known->oneway || e->oneway;
	}
	fl_journal_drop(&j->pending);
}

/* Which keys are still missing: those of earlier calls that this one does not speak of, and its own. */
static bool record_deferred(struct fl_journal *j, const struct fl_tune_plan *plan)
{
	char **list = fl_zalloc(((size_t)j->n_deferred + (size_t)plan->n) * sizeof(*list));
	bool changed = false;
	int n = 0;

	for (int i = 0; i < j->n_deferred; i++) {
		int k = 0;

		while (k < plan->n && strcmp(plan->items[k].set->name, j->deferred[i]) != 0)
			k++;
		if (k == plan->n || plan->items[k].state == FL_TUNE_DEFERRED) {
			list[n++] = j->deferred[i];
		} else {
			free(j->deferred[i]);
			changed = true;
		}
	}
	free(j->deferred);
	j->deferred = list;
	j->n_deferred = n;
	for (int i = 0; i < plan->n; i++)
		if (plan->items[i].state == FL_TUNE_DEFERRED &&
		    !fl_journal_deferred(j, plan->items[i].name)) {
			list[j->n_deferred++] = fl_strdup(plan->items[i].name);
			changed = true;
		}
	return changed;
}

/* Record what was applied. Returns whether that is new. */
static bool record(struct fl_journal *j, const struct fl_tune_plan *plan, char *const *profiles,
		   int n, const char *facts)
{
	bool changed = record_deferred(j, plan);

	for (int i = 0; i < n; i++) {
		int k = 0;

		while (k < j->n_profiles && strcmp(j->profiles[k], profiles[i]) != 0)
			k++;
		if (k < j->n_profiles)
			continue;
		j->profiles =
			fl_realloc(j->profiles, (size_t)j->n_profiles + 1, sizeof(*j->profiles));
		j->profiles[j->n_profiles++] = fl_strdup(profiles[i]);
		changed = true;
	}
	if (!facts != !j->facts || (facts && strcmp(facts, j->facts) != 0)) {
		free(j->facts);
		j->facts = facts ? fl_strdup(facts) : NULL;
		changed = true;
	}
	return changed;
}

/* A key of one interface, named or by a pattern; 'all' and 'default' are none. */
static bool of_interface(const struct fl_tune_item *it)
{
	char *interface = fl_interface_of(it->set->key->name, it->name);
	bool is = it->set->pattern ||
		  (interface && strcmp(interface, "all") != 0 && strcmp(interface, "default") != 0);

	free(interface);
	return is;
}

/* Without the mark udev does not start us for every interface of every pod. */
static void mark_interfaces(const struct fl_tune_plan *plan)
{
	int i = 0, err;

	while (i < plan->n && !of_interface(&plan->items[i]))
		i++;
	if (i == plan->n || !access(FL_TUNE_INTERFACES, F_OK))
		return;
	err = fl_file_mkdirs(FL_RUN_DIR, 0755);
	if (!err)
		err = fl_file_write(FL_TUNE_INTERFACES, "", 0, 0644);
	if (err)
		fl_warn(FL_TUNE_INTERFACES
			": cannot write: %s; keys of interfaces that come later are not set",
			strerror(-err));
}

/* What cannot be undone now stays pending on disk, for the next call to undo. */
static void give_up(struct fl_journal *j)
{
	int done = undo(&j->pending);

	if (done < 0) {
		fl_err("not all could be undone; the journal knows the values before, and the next `tune apply` or `tune revert` tries again");
		return;
	}
	fl_err("nothing is changed: %d key%s put back", done, done == 1 ? "" : "s");
	fl_journal_drop(&j->pending);
	if (fl_journal_empty(j))
		fl_file_remove(FL_JOURNAL_FILE);
	else
		fl_journal_save(j);
}

int fl_tune_apply(struct fl_journal *j, const struct fl_tune_plan *plan, char *const *profiles,
		  int n_profiles, const char *facts, bool irrevocable)
{
	struct fl_journal_list undoing = { 0 };
	sigset_t old;
	int err;

	if (check(plan, irrevocable))
		return -1;
	mark_interfaces(plan);
	if (!plan->count[FL_TUNE_CHANGE])
		return record(j, plan, profiles, n_profiles, facts) ? fl_journal_save(j) : 0;
	make_pending(&j->pending, plan);
	block_signals(&old);
	err = fl_journal_save(j);
	if (err)
		goto out;
	err = write_all(&j->pending);
	if (!err)
		err = read_back(&j->pending);
	if (err) {
		give_up(j);
		goto out;
	}
	/* Until the result is on disk, undoing it has to stay possible. */
	for (int i = 0; i < j->pending.n; i++)
		fl_journal_append(&undoing, &j->pending.e[i]);
	commit(j);
	record(j, plan, profiles, n_profiles, facts);
	err = fl_journal_save(j);
	if (err)
		undo(&undoing);
out:
	fl_journal_drop(&undoing);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return err;
}
