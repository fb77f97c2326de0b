/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_FACT_H
#define FL_TUNE_FACT_H

#include "expr.h"

/*
 * What expressions can ask about this machine. The array ends with a NULL name; its memory is
 * static. `overrides` is NULL or "NAME=NUMBER[,NAME=NUMBER…]", for planning for another machine and
 * for what cannot be measured (max_pods). Returns NULL after a message.
 */
const struct fl_fact *fl_facts(const char *overrides);

#endif
