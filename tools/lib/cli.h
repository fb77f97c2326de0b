/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_CLI_H
#define FL_CLI_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The command line: `fairlead OBJECT VERB [OPTION…] [ARGUMENT…]`, and, for objects that have a verb
 * called "", `fairlead OBJECT [OPTION…]`.
 *
 * An object is a table of verbs, a verb is a table of options and a function. Options are
 * declared, not parsed: the same table makes the parser, the help text and the completion.
 * -j/--json and -h/--help belong to every verb and are not declared.
 */

extern bool fl_json; /* -j/--json was given: print one JSON document on stdout */

enum fl_opt_kind {
	FL_OPT_FLAG, /* bool *: set to true */
	FL_OPT_STR,  /* const char **: points into argv */
	FL_OPT_UINT, /* unsigned int *: decimal, 0..UINT_MAX, anything else is refused */
	FL_OPT_LIST, /* struct fl_list *: may be given FL_LIST_MAX times; points into argv */
};

#define FL_LIST_MAX 16

struct fl_list {
	const char *items[FL_LIST_MAX];
	size_t n;
};

struct fl_opt {
	char letter; /* 0: no short form */
	const char *name;
	enum fl_opt_kind kind;
	void *value;
	const char *arg; /* what the value is called in the help: "FILE" */
	const char *help;
};

struct fl_verb {
	const char *name;	   /* "": what the object does when no verb is named */
	const char *args;	   /* "NODE [PEER…]", or "" */
	const char *help;	   /* one line */
	const struct fl_opt *opts; /* ends with { 0 }; may be NULL */
	int min_args, max_args;	   /* positional arguments; max < 0: any number */
	/* argv holds positional arguments only. Returns enum fl_exit. */
	int (*run)(int argc, char **argv);
	/* Prints with fl_complete_word() what an argument may be; NULL: files, if args names any. */
	void (*complete)(void);
};

struct fl_object {
	const char *name;
	const char *help;
	const struct fl_verb *verbs; /* ends with { 0 } */
};

/* Every object the binary knows; defined in fairlead.c, ends with { 0 }. */
extern const struct fl_object fl_objects[];

/* Parse and run. Returns the exit status. */
int fl_cli_main(int argc, char **argv, const struct fl_object *objects);

#endif
