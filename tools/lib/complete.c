// SPDX-License-Identifier: GPL-2.0
#include "complete.h"
#include "msg.h"

#include <stdio.h>
#include <string.h>

static char **words;
static int n_words;
static const char *current = "";

void fl_complete_word(const char *word)
{
	if (!strncmp(word, current, strlen(current)))
		puts(word);
}

const char *fl_complete_current(void)
{
	return current;
}

const char *fl_complete_option(const char *name, const char *letter)
{
	for (int i = 0; i + 1 < n_words; i++)
		if ((!strncmp(words[i], "--", 2) && !strcmp(words[i] + 2, name)) ||
		    (letter && words[i][0] == '-' && !strcmp(words[i] + 1, letter)))
			return words[i + 1];
	return NULL;
}

static void options(const struct fl_verb *verb)
{
	char text[64];

	for (const struct fl_opt *o = verb->opts; o && o->name; o++) {
		snprintf(text, sizeof(text), "--%s", o->name);
		fl_complete_word(text);
	}
	fl_complete_word("--json");
	fl_complete_word("--help");
}

/* The option that this word is, if it is one that wants a value. */
static const struct fl_opt *wants_value(const struct fl_verb *verb, const char *word)
{
	for (const struct fl_opt *o = verb->opts; o && o->name; o++) {
		if (o->kind == FL_OPT_FLAG)
			continue;
		if ((!strncmp(word, "--", 2) && !strcmp(word + 2, o->name)) ||
		    (o->letter && word[0] == '-' && word[1] == o->letter && !word[2]))
			return o;
	}
	return NULL;
}

static bool is_file(const char *arg)
{
	return strstr(arg, "FILE") || strstr(arg, "DIR") || strstr(arg, "PATH");
}

/* "wg|wg-quick|networkd" is what it says, FILE is a file; of others nothing is known. */
static void value_of(const struct fl_opt *opt)
{
	char text[64];

	if (is_file(opt->arg)) {
		puts(FL_COMPLETE_FILES);
		return;
	}
	if (!strchr(opt->arg, '|'))
		return;
	for (const char *s = opt->arg; *s;) {
		size_t n = strcspn(s, "|");

		snprintf(text, sizeof(text), "%.*s", (int)n, s);
		fl_complete_word(text);
		s += n + (s[n] == '|');
	}
}

static void of_verb(const struct fl_verb *verb, int first)
{
	const struct fl_opt *opt = NULL;

	if (n_words - 2 >= first)
		opt = wants_value(verb, words[n_words - 2]);
	if (opt)
		value_of(opt);
	else if (*current == '-')
		options(verb);
	else if (verb->complete)
		verb->complete();
	else if (is_file(verb->args))
		puts(FL_COMPLETE_FILES);
}

static const struct fl_verb *find(const struct fl_object *obj, const char *name)
{
	for (const struct fl_verb *v = obj->verbs; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

int fl_complete(int argc, char **argv, const struct fl_object *objects)
{
	const struct fl_object *obj = objects;
	const struct fl_verb *verb;

	words = argv;
	n_words = argc;
	current = argc ? argv[argc - 1] : "";
	/* What would be an error is answered with nothing: the shell is no place for messages. */
	if (argc <= 1) {
		for (; obj->name; obj++)
			fl_complete_word(obj->name);
		fl_complete_word("--help");
		fl_complete_word("--version");
		return FL_OK;
	}
	while (obj->name && strcmp(obj->name, argv[0]) != 0)
		obj++;
	if (!obj->name)
		return FL_OK;
	if (argc == 2) {
		for (const struct fl_verb *v = obj->verbs; v->name; v++)
			if (*v->name)
				fl_complete_word(v->name);
		verb = find(obj, "");
		if (verb && *current == '-')
			options(verb);
		return FL_OK;
	}
	verb = find(obj, argv[1]);
	if (verb)
		of_verb(verb, 2);
	else if (*argv[1] == '-' && find(obj, ""))
		of_verb(find(obj, ""), 1);
	return FL_OK;
}
