/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_PLAN_H
#define FL_TUNE_PLAN_H

#include "profile.h"

/* What the profiles want beside what the kernel holds. plan, apply and verify all start from it. */

enum fl_tune_state {
	FL_TUNE_OK,	  /* holds already */
	FL_TUNE_CHANGE,	  /* apply would write it */
	FL_TUNE_DEFERRED, /* its module is not loaded, or no interface matches the pattern yet */
	FL_TUNE_ABSENT,	  /* this kernel is too old, too new or built without it */
	FL_TUNE_STATES,
};

extern const char *const fl_tune_state_names[FL_TUNE_STATES];

struct fl_tune_item {
	const struct fl_setting *set;
	char *name; /* the key: set->name, or what a pattern stands for */
	enum fl_tune_state state;
	char *raw;    /* what the kernel holds, as it prints it; NULL: it is not there */
	char *now;    /* the same, canonical */
	char *wanted; /* canonical */
};

struct fl_tune_plan {
	struct fl_tune_item *items; /* in the order in which they have to be written */
	int n;
	int count[FL_TUNE_STATES];
};

/*
 * First step: evaluate every setting and put them in order. Looks at nothing but its arguments.
 * Returns 0, or -1 after a message "FILE:LINE: KEY: what" for each that cannot be evaluated.
 */
int fl_tune_evaluate(struct fl_tune_plan *plan, const struct fl_profiles *p,
		     const struct fl_fact *facts);

/* Second step: replace patterns by the keys of the interfaces that are there, and read every key from
 * the kernel. Returns 0, or -1 after messages as above. */
int fl_tune_compare(struct fl_tune_plan *plan);

/* The same for one interface: what is no key of it, nor a pattern that stands for it, leaves the plan. */
int fl_tune_compare_interface(struct fl_tune_plan *plan, const char *interface);

void fl_tune_plan_free(struct fl_tune_plan *plan);

#endif
