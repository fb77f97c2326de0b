/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_DEFERRED_H
#define FL_TUNE_DEFERRED_H

/* `fairlead tune deferred`: set the keys of a module that has just been loaded. */
int fl_tune_deferred(int argc, char **argv);

#endif
