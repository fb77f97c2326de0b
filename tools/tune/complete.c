// SPDX-License-Identifier: GPL-2.0
#include "complete.h"
#include "interface.h"
#include "profile.h"
#include "../lib/complete.h"
#include "../lib/msg.h"

#include <stdlib.h>
#include <string.h>

/* The shell is no place for messages: what cannot be read completes to nothing. */
static FILE *silence(void)
{
	FILE *before = fl_msg_stream;

	fl_msg_stream = fopen("/dev/null", "w");
	return before;
}

static void speak(FILE *before)
{
	if (fl_msg_stream)
		fclose(fl_msg_stream);
	fl_msg_stream = before;
}

void fl_tune_complete_profiles(void)
{
	FILE *before = silence();
	char **names = fl_profile_names();

	for (char **n = names; n && *n; n++) {
		fl_complete_word(*n);
		free(*n);
	}
	free(names);
	speak(before);
}

static void one(const char *pattern, const char *interface)
{
	char *name = fl_interface_key(pattern, interface);

	fl_complete_word(name);
	free(name);
}

/*
 * A node has an interface for each pod, and the catalogue dozens of keys for each: those are offered once
 * the word has come to where the interface stands. Before that 'all' and 'default' say that there are such keys.
 */
static void per_interface(const char *pattern, char *const *interfaces)
{
	size_t len = strcspn(pattern, "*");

	one(pattern, "all");
	one(pattern, "default");
	if (strncmp(fl_complete_current(), pattern, len) != 0)
		return;
	for (; interfaces && *interfaces; interfaces++)
		one(pattern, *interfaces);
}

void fl_tune_complete_keys(void)
{
	FILE *before = silence();
	char **interfaces = fl_interface_list();
	struct fl_catalog c = { 0 };

	if (!fl_catalog_load(&c)) {
		for (int i = 0; i < c.n; i++) {
			if (strchr(c.keys[i].name, '*'))
				per_interface(c.keys[i].name, interfaces);
			else
				fl_complete_word(c.keys[i].name);
		}
		fl_catalog_free(&c);
	}
	fl_interface_keys_free(interfaces);
	speak(before);
}
