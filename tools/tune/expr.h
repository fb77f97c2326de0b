/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_EXPR_H
#define FL_TUNE_EXPR_H

#include <stddef.h>

/*
 * Values that depend on the machine: `clamp(32768 * cpus, 131072, 1048576)`.
 *
 *	list    = sum { "," sum }
 *	sum     = product { ("+" | "-") product }
 *	product = unary { ("*" | "/") unary }
 *	unary   = [ "-" ] ( NUMBER | FACT | FUNCTION "(" list ")" | "(" sum ")" )
 *
 * Functions: min(a, …), max(a, …), clamp(value, low, high), up(value, multiple): the next multiple.
 * Numbers are whole, decimal; division cuts towards zero. Every intermediate result must lie in
 * FL_NUM_MIN..FL_NUM_MAX, which holds int64 and uint64 alike: what a sysctl can hold and no more.
 * Pure: the same text and facts give the same result.
 */
typedef __int128 fl_num;

#define FL_NUM_MIN  (-((fl_num)1 << 63))
#define FL_NUM_MAX  (((fl_num)1 << 64) - 1)

#define FL_NUM_TEXT 24 /* room for any fl_num in decimal, with its sign and NUL */

struct fl_fact {
	const char *name;
	fl_num value;
	const char *help;
};

struct fl_expr_error {
	size_t column; /* from 1 */
	char what[160];
};

/*
 * Evaluate a list of at most `max` numbers into out[]. `facts` ends with a NULL name. Returns how
 * many there were (at least 1), or -1 with *err filled in.
 */
int fl_expr_eval(const char *text, const struct fl_fact *facts, fl_num *out, int max,
		 struct fl_expr_error *err);

/* Decimal text of a number, in buf[FL_NUM_TEXT]; returns buf. */
const char *fl_num_text(fl_num n, char *buf);

/* Read a whole decimal number, with a sign or without, that is all of text[0..len). Returns 0 or -1. */
int fl_num_parse(const char *text, size_t len, fl_num *out);

#endif
