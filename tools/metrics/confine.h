/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_CONFINE_H
#define FL_METRICS_CONFINE_H

/*
 * Give up, for good, all that a process which only reads `file` does not need: become `user` (if
 * we are root), keep no capability but CAP_DAC_READ_SEARCH, because bpffs and the file are root's,
 * and, where the kernel has Landlock, no access to any file outside the directory.
 *
 * Prints its message; returns enum fl_exit.
 */
int fl_confine(const char *user, const char *file);

#endif
