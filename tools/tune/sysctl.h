/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_SYSCTL_H
#define FL_TUNE_SYSCTL_H

#include <stddef.h>

/*
 * Names and files of kernel parameters. A name is written as sysctl(8) writes it: dots between the
 * parts, and a slash for a dot inside a part ("net.ipv4.conf.eth0/100.rp_filter"); or as a path,
 * slashes between the parts and dots being dots ("net/ipv4/conf/eth0.100/rp_filter"). Which of the
 * two it is, the first separator tells. The first form is the canonical one.
 */

#define FL_SYSCTL_NAME_MAX 192

/* Canonical name of either form, or NULL when it is none (empty parts, "..", control characters). */
char *fl_sysctl_name(const char *text);

/* "/proc/sys/net/…" of a canonical name. */
char *fl_sysctl_path(const char *name);

/* Canonical name of a path below /proc/sys. */
char *fl_sysctl_name_of_path(const char *path);

/*
 * Read a parameter whole. Returns 0 with *text NUL-terminated and without the last newline, or
 * -errno. -ENOENT: not in this kernel, or its module is not loaded.
 */
int fl_sysctl_read(const char *name, char **text);

/* Write it in one write(), which is what the kernel wants. Returns 0 or -errno. */
int fl_sysctl_write(const char *name, const char *text);

/* What an error from the two above means to a person, with the remedy. */
const char *fl_sysctl_strerror(int err);

#endif
