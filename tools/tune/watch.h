/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_WATCH_H
#define FL_TUNE_WATCH_H

#include "../lib/cli.h"

/* `fairlead tune watch` and `unwatch`. */
extern const struct fl_opt fl_tune_watch_opts[];
int fl_tune_watch(int argc, char **argv);
int fl_tune_unwatch(int argc, char **argv);

#endif
