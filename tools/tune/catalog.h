/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_CATALOG_H
#define FL_TUNE_CATALOG_H

#include "value.h"

/*
 * What is known about each kernel parameter. Data: DATADIR/catalog/NAME.conf, one file an area, one
 * [Key] section a parameter; the format is described in fairlead-profile(5).
 */

/* How far a value reaches. Pods live in network namespaces of their own. */
enum fl_scope {
	FL_SCOPE_NODE,	    /* one value for the machine, settable anywhere */
	FL_SCOPE_INIT_ONLY, /* one value for the machine, settable in the initial namespace only */
	FL_SCOPE_INHERITED, /* one a namespace; a new one copies that of the initial namespace */
	FL_SCOPE_RESET,	    /* one a namespace; a new one starts from the kernel's own default */
	FL_SCOPES,
};

extern const char *const fl_scope_names[FL_SCOPES];

struct fl_writer {
	char *who, *how; /* "kube-proxy", where to set it in its configuration */
};

#define FL_CATALOG_MAX_WRITERS 8
#define FL_CATALOG_MAX_LINKS   4

struct fl_catalog_key {
	char *file;
	unsigned int line;
	char *name; /* canonical; a part may be '*', which stands for one interface */
	char *does;
	char *unit; /* "" when a number says all */
	struct fl_value_type type;
	enum fl_scope scope;
	bool reversible;
	bool rounded; /* the kernel may round the value up: what reads back may be larger */
	fl_num cost;  /* bytes one unit takes when it is used; 0: nothing worth mentioning */
	unsigned int since, until; /* kernel version, major << 8 | minor; 0: no limit from 6.1 on */
	char *module;		   /* the parameter comes with it; NULL: part of every kernel */
	struct fl_writer writers[FL_CATALOG_MAX_WRITERS];
	int n_writers;
	char *after[FL_CATALOG_MAX_LINKS]; /* written after these when both are written */
	int n_after;
	char *resets[FL_CATALOG_MAX_LINKS]; /* writing it makes the kernel change these */
	int n_resets;
	char *source;
};

struct fl_catalog {
	struct fl_catalog_key *keys;
	int n;
};

/* FAIRLEAD_DATADIR, or where the package was installed. */
const char *fl_datadir(void);

/* Load all of DATADIR/catalog. Returns 0, or -1 after messages with FILE:LINE. */
int fl_catalog_load(struct fl_catalog *c);

/* Add one file's text; fl_catalog_check() must follow the last. */
int fl_catalog_parse(struct fl_catalog *c, const char *file, const char *text, size_t len);
int fl_catalog_check(struct fl_catalog *c);

void fl_catalog_free(struct fl_catalog *c);

/* The entry for a canonical name, or NULL. An exact name goes before a pattern. */
const struct fl_catalog_key *fl_catalog_find(const struct fl_catalog *c, const char *name);

/* Does a value of this key, set in the initial namespace, hold in pods? "yes", "new pods", "no". */
const char *fl_catalog_reach(const struct fl_catalog_key *key);

#endif
