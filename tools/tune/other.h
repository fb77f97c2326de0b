/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_OTHER_H
#define FL_TUNE_OTHER_H

#include "catalog.h"

/*
 * What other platforms set: DATADIR/others/NAME.conf, with where that is written and when it was
 * looked up. The format is described in fairlead-profile(5).
 */

struct fl_other_value {
	char *name;  /* canonical, in the catalogue */
	char *value; /* canonical */
	char *note;  /* or NULL */
	unsigned int line;
};

#define FL_OTHER_MAX_SOURCES 4

struct fl_other {
	char *name, *file, *description, *date;
	char *sources[FL_OTHER_MAX_SOURCES];
	int n_sources;
	struct fl_other_value *values;
	int n;
};

/* Returns 0, or -1 after a message with FILE:LINE, or the names that there are. */
int fl_other_load(struct fl_other *o, const struct fl_catalog *c, const char *name);
int fl_other_parse(struct fl_other *o, const struct fl_catalog *c, const char *name,
		   const char *file, const char *text, size_t len);
void fl_other_free(struct fl_other *o);

/* The names of all that there are, sorted, ends with NULL; may be empty. Belongs to the caller. */
char **fl_other_names(void);

/* What it sets a key to, or NULL. */
const struct fl_other_value *fl_other_find(const struct fl_other *o, const char *key);

#endif
