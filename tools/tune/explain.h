/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_EXPLAIN_H
#define FL_TUNE_EXPLAIN_H

#include "fact.h"

#include <stdbool.h>

/* The verbs that explain and compare, and change nothing. They return enum fl_exit. */

/* All that is known about each of these keys, here and now. */
int fl_tune_explain(char *const *keys, int n, const struct fl_fact *facts);

/* Who else writes keys: those of the catalogue, or these. `who` NULL: everybody. */
int fl_tune_owners(char *const *keys, int n, const char *who);

/* What another platform sets, beside this kernel or these profiles. */
int fl_tune_diff(const char *against, char *const *profiles, int n, const struct fl_fact *facts,
		 bool all);

#endif
