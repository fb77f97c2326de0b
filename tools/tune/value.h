/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_VALUE_H
#define FL_TUNE_VALUE_H

#include "expr.h"

#include <stdbool.h>

/*
 * Values of kernel parameters. They are kept as canonical text: the one spelling among those the
 * kernel accepts or prints that compares with strcmp(). Numbers lose leading zeros and signs,
 * several numbers are one blank apart (the kernel prints tabs), port lists are sorted and merged.
 */
enum fl_value_kind {
	FL_VALUE_INT,	 /* one number */
	FL_VALUE_UINT64, /* one number that may need all 64 bits */
	FL_VALUE_INTS,	 /* a fixed count of numbers */
	FL_VALUE_PORTS,	 /* a set of ports: "1,2,10-20"; empty is a value */
	FL_VALUE_STRING, /* one line */
	FL_VALUE_KINDS,
};

#define FL_VALUE_MAX_INTS 8

struct fl_value_type {
	enum fl_value_kind kind;
	int count;	 /* of numbers; 1 but for FL_VALUE_INTS */
	fl_num min, max; /* of each number */
};

extern const char *const fl_value_kind_names[FL_VALUE_KINDS];

/*
 * Canonical text of what the kernel or a journal says, or NULL with *why pointing to a static text.
 * Does not check the range: what the kernel holds is what it is.
 */
char *fl_value_canonical(const struct fl_value_type *t, const char *text, const char **why);

/*
 * Canonical text of what a profile asks for: an expression for numbers, a literal for the rest.
 * Checks count and range. Returns NULL with err filled in (column 0: the value as a whole).
 */
char *fl_value_wanted(const struct fl_value_type *t, const char *text, const struct fl_fact *facts,
		      struct fl_expr_error *err);

/*
 * Raise only: the smallest value that is neither below `now` nor below `wanted`; number by number
 * for FL_VALUE_INTS, the union for FL_VALUE_PORTS. Both are canonical. Not for FL_VALUE_STRING.
 */
char *fl_value_raise(const struct fl_value_type *t, const char *now, const char *wanted);

/* The number, or the last of several (the upper limit in every tuple that the kernel has). */
fl_num fl_value_number(const char *canonical);

#endif
