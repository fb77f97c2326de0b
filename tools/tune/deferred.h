/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_DEFERRED_H
#define FL_TUNE_DEFERRED_H

#include "../lib/cli.h"

/* `fairlead tune deferred`: set the keys of a module or an interface that has just come. */
extern const struct fl_opt fl_tune_deferred_opts[];
int fl_tune_deferred(int argc, char **argv);

#endif
