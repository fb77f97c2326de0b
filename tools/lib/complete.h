/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_COMPLETE_H
#define FL_COMPLETE_H

#include "cli.h"

/*
 * `fairlead __complete WORD...`, for the shells: words are those of a command line up to the cursor,
 * the last one the one being written, "" if it is not begun. Prints what it can become, one a line,
 * out of the same tables that parse and that make the help; a line of FL_COMPLETE_FILES asks the
 * shell for names of files.
 */
#define FL_COMPLETE_WORD  "__complete"
#define FL_COMPLETE_FILES "\001files"

int fl_complete(int argc, char **argv, const struct fl_object *objects);

/* The option --NAME of the words that are there, or NULL: for what depends on it. */
const char *fl_complete_option(const char *name, const char *letter);

/* What is being written, "" if it is not begun. */
const char *fl_complete_current(void);

/* Print a word that fits what is being written. */
void fl_complete_word(const char *word);

#endif
