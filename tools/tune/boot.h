/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_BOOT_H
#define FL_TUNE_BOOT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What the files of sysctl.d(5) make of a key at boot. systemd-sysctl(8) and procps' `sysctl
 * --system` read the same folders but differ in one thing: only procps reads /etc/sysctl.conf, after
 * everything else. Both take a file name from the first folder that has it (so a file in /etc hides
 * one in /usr/lib), and the files in the order of their names; the last assignment wins, and one that
 * names its key wins over globs.
 */

struct fl_boot_line {
	char *file;
	unsigned int line;
	char *name;  /* as fl_sysctl_name() writes it; may hold a glob */
	char *value; /* NULL: "-key", excepts it from globs */
	bool glob;
	bool hidden; /* a file of this name in a folder before hides it */
	bool procps_only;
};

struct fl_boot {
	struct fl_boot_line *lines; /* in the order in which they are applied; hidden ones last */
	size_t n;
};

enum fl_boot_reader { FL_BOOT_SYSTEMD, FL_BOOT_PROCPS };

/* Read all files. What cannot be read is left out, after a warning. */
void fl_boot_load(struct fl_boot *b);

/* Append the lines of one file's text. What is no assignment is passed over, as the readers do. */
void fl_boot_parse(struct fl_boot *b, const char *file, const char *text, size_t len);

void fl_boot_free(struct fl_boot *b);

/* The line that decides about a key, or NULL if none sets it. */
const struct fl_boot_line *fl_boot_winner(const struct fl_boot *b, enum fl_boot_reader reader,
					  const char *name);

/* Does the line speak of this key? */
bool fl_boot_matches(const struct fl_boot_line *l, const char *name);

#endif
