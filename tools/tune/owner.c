// SPDX-License-Identifier: GPL-2.0
#include "owner.h"
#include "../lib/mem.h"

#include <stdlib.h>
#include <string.h>

#define NOT_FOUND (-1)

static int find(const struct fl_owners *o, const struct fl_sysctl_step *step)
{
	for (int i = 0; i < o->n; i++)
		if (!memcmp(&o->e[i].step, step, sizeof(*step)))
			return i;
	return NOT_FOUND;
}

static struct fl_owner_entry *add(struct fl_owners *o, const struct fl_sysctl_step *step)
{
	int i = find(o, step);

	if (i != NOT_FOUND)
		return &o->e[i];
	o->e = fl_realloc(o->e, (size_t)o->n + 1, sizeof(*o->e));
	o->e[o->n] = (struct fl_owner_entry){ .step = *step };
	return &o->e[o->n++];
}

/* FNV-1a of the path so far; 0 is the root's. */
static __u32 number(const char *path, size_t len)
{
	__u32 h = 2166136261U;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)path[i]) * 16777619U;
	return h ? h : 1;
}

static const char *add_path(struct fl_owners *o, const char *path, size_t len, const char *comm,
			    size_t comm_len)
{
	struct fl_owner_entry *last = NULL;
	__u32 node = 0;
	size_t i = 0;
	int depth = 0;

	while (i < len) {
		size_t part = i + 1, end = part;
		struct fl_sysctl_step step = { .node = node, .kind = FL_SYSCTL_CHILD };

		while (end < len && path[end] != '/')
			end++;
		if (end == part)
			return "a part of the path is empty";
		if (end - part >= FL_SYSCTL_STEP)
			return "a part of the path is longer than 95 characters";
		if (path[part] == '.' &&
		    (end - part == 1 || (end - part == 2 && path[part + 1] == '.')))
			return "'.' and '..' name no control group";
		if (++depth > FL_SYSCTL_DEPTH)
			return "more than 16 levels of control groups";
		memcpy(step.text, path + part, end - part);
		node = number(path, end);
		last = add(o, &step);
		last->node.node = node;
		i = end;
	}
	if (comm_len) {
		struct fl_sysctl_step step = { .node = node, .kind = FL_SYSCTL_COMM_AT };

		memcpy(step.text, comm, comm_len);
		last = add(o, &step);
	}
	if (!last)
		return "the root is everybody; name a control group below it";
	last->node.owner = 1;
	return NULL;
}

static const char *parse_one(struct fl_owners *o, const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);
	size_t comm_len = slash ? (size_t)(slash - text) : len;

	if (!len)
		return "is empty";
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return "has a character that is neither letter, digit nor punctuation";
	if (slash && comm_len) {
		if (slash[-1] != '@')
			return "wants NAME, /CONTROL/GROUP or NAME@/CONTROL/GROUP";
		if (!--comm_len)
			return "has no name before '@'";
	}
	if (comm_len >= FL_SYSCTL_COMM)
		return "the kernel knows the first 15 characters of a process's name only; give these";
	if (memchr(text, '@', comm_len))
		return "wants NAME, /CONTROL/GROUP or NAME@/CONTROL/GROUP";
	return add_path(o, slash ? slash : "", slash ? len - (size_t)(slash - text) : 0, text,
			comm_len);
}

/* Two paths of one number would share their owners. */
static int distinct(const struct fl_owners *o)
{
	for (int i = 0; i < o->n; i++)
		for (int j = 0; j < i; j++)
			if (o->e[i].step.kind == FL_SYSCTL_CHILD &&
			    o->e[j].step.kind == FL_SYSCTL_CHILD &&
			    o->e[i].node.node == o->e[j].node.node)
				return 0;
	return 1;
}

int fl_owners_parse(struct fl_owners *o, const char *text, const char **why, const char **at,
		    int *len)
{
	for (;;) {
		size_t n = strcspn(text, ",");

		*at = text;
		*len = (int)n;
		*why = parse_one(o, text, n);
		if (!*why && o->n > FL_SYSCTL_OWNERS_MAX)
			*why = "one too many; 256 parts of paths are the limit";
		if (!*why && !distinct(o))
			*why = "cannot be told from another control group of the list; name one above it";
		if (*why)
			return -1;
		o->names = fl_realloc(o->names, (size_t)o->n_names + 1, sizeof(*o->names));
		o->names[o->n_names++] = fl_asprintf("%.*s", (int)n, text);
		if (!text[n])
			return 0;
		text += n + 1;
	}
}

void fl_owners_free(struct fl_owners *o)
{
	for (int i = 0; i < o->n_names; i++)
		free(o->names[i]);
	free(o->names);
	free(o->e);
	*o = (struct fl_owners){ 0 };
}
