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
	FL_SCOPE_IPC, /* one an IPC namespace; a new one starts from the kernel's own default */
	FL_SCOPES,
};

extern const char *const fl_scope_names[FL_SCOPES];

/* What counts on one interface, given its own value and that of 'all' (net.*.conf.*). */
enum fl_effective {
	FL_EFFECTIVE_NONE, /* the key has no interface in its name */
	FL_EFFECTIVE_OWN,  /* the interface's own; 'all' is not looked at */
	FL_EFFECTIVE_ALL,  /* that of 'all' */
	FL_EFFECTIVE_MAX,
	FL_EFFECTIVE_MIN,
	FL_EFFECTIVE_OR,
	FL_EFFECTIVE_AND,
	FL_EFFECTIVE_REDIRECTS, /* 'and' on an interface that forwards, 'or' on one that does not */
	FL_EFFECTIVES,
};

extern const char *const fl_effective_names[FL_EFFECTIVES];

struct fl_writer {
	char *who, *how; /* "kube-proxy", where to set it in its configuration */
};

/* The value after boot. Either a value (canonical) or, where there is none, what it depends on. */
struct fl_default {
	char *value, *depends; /* one of them is NULL */
	unsigned int since;    /* from this kernel version on, major << 8 | minor; 0: always */
};

#define FL_CATALOG_MAX_WRITERS	8
#define FL_CATALOG_MAX_LINKS	4
#define FL_CATALOG_MAX_DEFAULTS 3

struct fl_catalog_key {
	char *file;
	unsigned int line;
	char *name; /* canonical; a part may be '*', which stands for one interface */
	char *does;
	char *unit; /* "" when a number says all */
	struct fl_value_type type;
	struct fl_default defaults[FL_CATALOG_MAX_DEFAULTS];
	int n_defaults;
	enum fl_scope scope;
	enum fl_effective effective;
	char *irrevocable; /* once it holds this value, or any with "any", no other; NULL: never so */
	bool rounded;	   /* the kernel may round the value up: what reads back may be larger */
	fl_num cost;	   /* bytes one unit takes when it is used; 0: nothing worth mentioning */
	unsigned int since, until; /* kernel version, major << 8 | minor; 0: no limit from 6.1 on */
	char *module;		   /* the parameter comes with it; NULL: part of every kernel */
	bool optional;		   /* some kernels are built without it */
	unsigned int pod_safe;	   /* a pod may set it from this Kubernetes version on; 0: no */
	struct fl_writer writers[FL_CATALOG_MAX_WRITERS];
	int n_writers;
	char *after[FL_CATALOG_MAX_LINKS]; /* written after these when both are written */
	int n_after;
	char *resets[FL_CATALOG_MAX_LINKS]; /* writing it makes the kernel change these */
	int n_resets;
	char *note; /* what else one has to know; NULL: nothing */
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

/* What counts on an interface, given the value of 'all', its own, and whether it forwards IPv4. */
fl_num fl_effective(enum fl_effective how, fl_num all, fl_num own, bool forwards);

/* Can this key, once it holds this (canonical) value, not be set to another one before the next boot? */
bool fl_catalog_irrevocable(const struct fl_catalog_key *key, const char *value);

/* What it holds after boot on a kernel of this version (major << 8 | minor; 0: the newest); or NULL. */
const struct fl_default *fl_catalog_default(const struct fl_catalog_key *key, unsigned int kernel);

/* The version of the running kernel, major << 8 | minor; 0: unknown. */
unsigned int fl_kernel_version(void);

/* Does a value of this key, set in the initial namespace, hold in pods? "yes", "new pods", "no". */
const char *fl_catalog_reach(const struct fl_catalog_key *key);

#endif
