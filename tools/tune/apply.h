/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_APPLY_H
#define FL_TUNE_APPLY_H

#include "journal.h"
#include "plan.h"

/*
 * Changing the kernel, as a transaction: check everything, journal on disk, write, read back; on
 * any failure all is put back. All of these want the journal's lock to be held.
 */

/*
 * Carry out the plan's changes. profiles[] and facts are recorded for `verify`. Returns 0, or -1
 * after messages; then the kernel holds what it held before, unless a message says otherwise.
 */
int fl_tune_apply(struct fl_journal *j, const struct fl_tune_plan *plan, char *const *profiles,
		  int n_profiles, const char *facts, bool irrevocable);

/*
 * Undo what a crashed call left pending, if anything. Returns how many keys it put back, or -1
 * after messages; then the journal still has them.
 */
int fl_tune_recover(struct fl_journal *j);

/* Is there while a profile that is applied speaks of single interfaces: tools/udev/60-fairlead.rules looks
 * for it. */
#define FL_TUNE_INTERFACES FL_RUN_DIR "/tune-interfaces"

enum fl_revert_result {
	FL_REVERT_DONE,	  /* put back */
	FL_REVERT_SAME,	  /* held the original value already */
	FL_REVERT_LEFT,	  /* somebody else has set it since: not ours to touch */
	FL_REVERT_GONE,	  /* the kernel does not have it any more (interface or module gone) */
	FL_REVERT_STAYS,  /* cannot be set back before the next boot, as was known */
	FL_REVERT_FAILED, /* could not be written; stays in the journal */
	FL_REVERT_RESULTS,
};

extern const char *const fl_revert_result_names[FL_REVERT_RESULTS];

struct fl_revert {
	const struct fl_journal_entry *entry;
	enum fl_revert_result result;
	char *now; /* before reverting; NULL: gone */
};

/*
 * Put back what the journal's keys held originally, newest first. Fills in r[0..keys.n). Returns the
 * number of failures; with none, the journal is removed. The entries stay valid until the journal
 * is freed.
 */
int fl_tune_revert(struct fl_journal *j, struct fl_revert *r);

#endif
