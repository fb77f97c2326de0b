/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_PROFILE_H
#define FL_TUNE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "catalog.h"

/*
 * Profiles: which kernel parameters to set, to what and why. /etc/fairlead/profiles/NAME.conf, or
 * else DATADIR/profiles/NAME.conf; the format is described in fairlead-profile(5).
 */

struct fl_setting {
	char *name;   /* canonical; with `pattern` its interface's part is a glob or "@ra" */
	bool pattern; /* stands for all interfaces that match, but not for 'all' and 'default' */
	unsigned rank; /* the higher, the later: among patterns that match one key the last one wins */
	char *value; /* what stands in the file: an expression or a literal */
	bool raise;  /* ">=": never lower what is there */
	char *why;
	const struct fl_catalog_key *key;
	char *profile, *file;
	unsigned int line;
};

struct fl_profile {
	char *name, *file, *description;
	char *include;	/* names, separated by blanks */
	int n_settings; /* its own */
};

/* The settings of several profiles: one a key, the last profile that sets it wins. */
struct fl_profiles {
	struct fl_profile *list; /* in the order in which they were merged: included ones first */
	int n;
	struct fl_setting *settings;
	int n_settings;
	unsigned next_rank;
};

/*
 * Load a profile and what it includes into *p (zeroed before the first). A profile that is there
 * already is not merged again. Keys are looked up in the catalogue. Returns 0, or -1 after messages
 * with FILE:LINE.
 */
int fl_profiles_add(struct fl_profiles *p, const struct fl_catalog *c, const char *name);

/* The same for a text; includes are read from files. */
int fl_profiles_parse(struct fl_profiles *p, const struct fl_catalog *c, const char *name,
		      const char *file, const char *text, size_t len);

void fl_profiles_free(struct fl_profiles *p);

/* The names of all profiles there are, sorted; ends with NULL. Returns NULL after a message. */
char **fl_profile_names(void);

#endif
