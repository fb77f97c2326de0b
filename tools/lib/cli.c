// SPDX-License-Identifier: GPL-2.0
#include "cli.h"
#include "complete.h"
#include "msg.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FL_VERSION
#define FL_VERSION "unknown"
#endif

#define MAX_OPTS 24

bool fl_json;

static void help_top(FILE *f, const struct fl_object *objects)
{
	fputs("Usage: fairlead OBJECT VERB [OPTION...] [ARGUMENT...]\n"
	      "\n"
	      "An encrypted, fast, visible WireGuard mesh for Kubernetes nodes, and the kernel\n"
	      "parameters that they need.\n"
	      "\n"
	      "Objects:\n",
	      f);
	for (const struct fl_object *o = objects; o->name; o++)
		fprintf(f, "  %-10s %s\n", o->name, o->help);
	fputs("\n"
	      "`fairlead OBJECT --help` lists an object's verbs; fairlead(8) is the manual.\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 works but degraded or drifted.\n",
	      f);
}

static void help_opt(FILE *f, char letter, const char *name, const char *arg, const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
		 letter ? "," : " ", name, arg ? " " : "", arg ? arg : "");
	fprintf(f, "  %-26s %s\n", left, help);
}

static void help_verb(FILE *f, const struct fl_object *obj, const struct fl_verb *verb)
{
	fprintf(f, "Usage: fairlead %s%s%s [OPTION...]%s%s\n\n%s.\n\nOptions:\n", obj->name,
		*verb->name ? " " : "", verb->name, *verb->args ? " " : "", verb->args, verb->help);
	for (const struct fl_opt *o = verb->opts; o && o->name; o++)
		help_opt(f, o->letter, o->name, o->kind == FL_OPT_FLAG ? NULL : o->arg, o->help);
	help_opt(f, 'j', "json", NULL, "print one JSON document");
	help_opt(f, 'h', "help", NULL, "print this");
}

static const struct fl_verb *find_verb(const struct fl_object *obj, const char *name)
{
	for (const struct fl_verb *v = obj->verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static void help_object(FILE *f, const struct fl_object *obj)
{
	const struct fl_verb *bare = find_verb(obj, "");

	if (bare)
		help_verb(f, obj, bare);
	if (!bare || obj->verbs[1].name) {
		fprintf(f, "%sUsage: fairlead %s VERB [OPTION...] [ARGUMENT...]\n\n%s.\n\nVerbs:\n",
			bare ? "\n" : "", obj->name, obj->help);
		for (const struct fl_verb *v = obj->verbs; v->name; v++)
			if (*v->name)
				fprintf(f, "  %-10s %s\n", v->name, v->help);
		fprintf(f, "\n`fairlead %s VERB --help` lists a verb's options; ", obj->name);
	} else {
		fputs("\n", f);
	}
	fprintf(f, "fairlead-%s(8) is the manual.\n", obj->name);
}

static int set_uint(const struct fl_opt *opt, const char *text)
{
	unsigned long val;
	char *end;

	errno = 0;
	val = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || val > UINT_MAX)
		return fl_usage("--%s: '%s' is not a whole number from 0 to %u", opt->name, text,
				UINT_MAX);
	*(unsigned int *)opt->value = val;
	return 0;
}

static int add_item(const struct fl_opt *opt, const char *text)
{
	struct fl_list *list = opt->value;

	if (list->n == FL_LIST_MAX)
		return fl_usage("--%s: given more than %u times", opt->name, FL_LIST_MAX);
	list->items[list->n++] = text;
	return 0;
}

/* The option that getopt means by c: its letter, or 256 + its place in the table. NULL: none. */
static const struct fl_opt *find_opt(const struct fl_verb *verb, int c)
{
	for (const struct fl_opt *o = verb->opts; o && o->name; o++)
		if (c < 256 ? o->letter == c : o - verb->opts == c - 256)
			return o;
	return NULL;
}

static int run_verb(const struct fl_object *obj, const struct fl_verb *verb, int argc, char **argv)
{
	struct option longs[MAX_OPTS + 3] = { 0 };
	char shorts[2 * MAX_OPTS + 8] = ":jh";
	size_t s = strlen(shorts), n = 0;
	char what[64]; /* "metrics show", or "metrics" */
	int c;

	snprintf(what, sizeof(what), "%s%s%s", obj->name, *verb->name ? " " : "", verb->name);

	for (const struct fl_opt *o = verb->opts; o && o->name && n < MAX_OPTS; o++, n++) {
		longs[n].name = o->name;
		longs[n].has_arg = o->kind == FL_OPT_FLAG ? no_argument : required_argument;
		longs[n].val = 256 + (int)n;
		if (!o->letter)
			continue;
		shorts[s++] = o->letter;
		if (o->kind != FL_OPT_FLAG)
			shorts[s++] = ':';
	}
	longs[n] = (struct option){ "json", no_argument, NULL, 'j' };
	longs[n + 1] = (struct option){ "help", no_argument, NULL, 'h' };

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct fl_opt *opt;

		if (c == 'j') {
			fl_json = true;
			continue;
		}
		if (c == 'h') {
			help_verb(stdout, obj, verb);
			return -1;
		}
		if (c == ':')
			return fl_usage("%s: option '%s' wants a value", what, argv[optind - 1]);
		opt = find_opt(verb, c);
		if (!opt)
			return fl_usage("%s: unknown option '%s'; `fairlead %s --help` lists them",
					what, argv[optind - 1], what);
		switch (opt->kind) {
		case FL_OPT_FLAG:
			*(bool *)opt->value = true;
			break;
		case FL_OPT_STR:
			*(const char **)opt->value = optarg;
			break;
		case FL_OPT_UINT:
			if (set_uint(opt, optarg))
				return FL_USAGE;
			break;
		case FL_OPT_LIST:
			if (add_item(opt, optarg))
				return FL_USAGE;
			break;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < verb->min_args)
		return fl_usage("%s: wants %s; `fairlead %s --help` says more", what, verb->args,
				what);
	if (verb->max_args >= 0 && argc > verb->max_args)
		return fl_usage("%s: unexpected argument '%s'", what, argv[verb->max_args]);
	return verb->run(argc, argv);
}

static bool is_help(const char *arg)
{
	return !strcmp(arg, "-h") || !strcmp(arg, "--help") || !strcmp(arg, "help");
}

/* Data that did not reach its reader is a failure, not a success: a full disk must not look done. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		return fl_fail("cannot write to standard output: %s", strerror(errno));
	return status < 0 ? FL_OK : status;
}

int fl_cli_main(int argc, char **argv, const struct fl_object *objects)
{
	const struct fl_object *obj;
	const struct fl_verb *verb;

	while (argc > 1 && (!strcmp(argv[1], "-j") || !strcmp(argv[1], "--json"))) {
		fl_json = true;
		argv++;
		argc--;
	}
	if (argc < 2) {
		help_top(stderr, objects);
		return FL_USAGE;
	}
	if (!strcmp(argv[1], FL_COMPLETE_WORD))
		return finish(fl_complete(argc - 2, argv + 2, objects));
	if (is_help(argv[1])) {
		help_top(stdout, objects);
		return finish(FL_OK);
	}
	if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
		puts("fairlead " FL_VERSION);
		return finish(FL_OK);
	}
	for (obj = objects; obj->name && strcmp(obj->name, argv[1]) != 0; obj++)
		;
	if (!obj->name)
		return fl_usage("unknown object '%s'; `fairlead --help` lists them", argv[1]);
	if (argc > 2 && is_help(argv[2])) {
		help_object(stdout, obj);
		return finish(FL_OK);
	}
	if (argc < 3 || *argv[2] == '-') {
		verb = find_verb(obj, "");
		if (verb)
			return finish(run_verb(obj, verb, argc - 1, argv + 1));
	}
	if (argc < 3) {
		help_object(stderr, obj);
		return FL_USAGE;
	}
	verb = *argv[2] ? find_verb(obj, argv[2]) : NULL;
	if (!verb)
		return fl_usage("unknown verb '%s %s'; `fairlead %s --help` lists them", obj->name,
				argv[2], obj->name);
	return finish(run_verb(obj, verb, argc - 2, argv + 2));
}
