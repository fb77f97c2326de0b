// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/msg.h"
#include "tools/tune/profile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a value comes to is canonical: it stays what it is. */
static void check_value(const struct fl_setting *s)
{
	static const struct fl_fact facts[] = { { "cpus", 4, "" }, { 0 } };
	const struct fl_value_type *t = &s->key->type;
	struct fl_expr_error err = { 0 };
	char *value = fl_value_wanted(t, s->value, facts, &err), *again;
	const char *why;

	if (!value)
		return;
	again = fl_value_canonical(t, value, &why);
	if (!again || strcmp(value, again) != 0)
		abort();
	free(again);
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] =
		"[Key]\nName = k.int\nDoes = x\nType = int\nRange = 0..9\nScope = node\nSource = s\n"
		"[Key]\nName = k.str\nDoes = x\nType = string\nScope = node\nSource = s\n"
		"[Key]\nName = k.ports\nDoes = x\nType = ports\nScope = node\nSource = s\n"
		"[Key]\nName = k.conf.*.f\nDoes = x\nType = ports\nScope = node\nEffective = own\nSource = s\n";
	static struct fl_catalog catalog;
	struct fl_profiles p = { 0 };

	if (!catalog.n) {
		fl_msg_stream = fopen("/dev/null", "w");
		/* Includes find nothing. */
		setenv("FAIRLEAD_DATADIR", "/nonexistent", 1);
		if (fl_catalog_parse(&catalog, "c", text, sizeof(text) - 1))
			abort();
	}
	if (!fl_profiles_parse(&p, &catalog, "p", "p", (const char *)data, size))
		for (int i = 0; i < p.n_settings; i++) {
			if (!p.settings[i].value || !p.settings[i].why || !p.settings[i].key)
				abort();
			check_value(&p.settings[i]);
		}
	fl_profiles_free(&p);
	return 0;
}
