/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_INI_H
#define FL_TUNE_INI_H

#include <stddef.h>

/*
 * libinih with what the catalogue and the profiles need on top: line numbers, sections that
 * repeat, values that go on over indented lines (joined with one space), and an error for
 * everything that libinih would cut or skip silently.
 */
struct fl_ini_entry {
	const char *file;
	unsigned int line;	 /* of the name */
	unsigned int section_nr; /* 1, 2, …: tells two sections of one name apart */
	const char *section;	 /* "" before the first */
	const char *name;
	const char *value;
};

/* Returns 0 to go on, -1 to stop; then it has said why, with FILE:LINE. */
typedef int (*fl_ini_fn)(void *ctx, const struct fl_ini_entry *e);

/* Returns 0, or -1 after a message "FILE:LINE: what". */
int fl_ini_parse(const char *file, const char *text, size_t len, fl_ini_fn fn, void *ctx);

/* Reads the file first; a file over 1 MiB is refused. */
int fl_ini_load(const char *file, fl_ini_fn fn, void *ctx);

#endif
