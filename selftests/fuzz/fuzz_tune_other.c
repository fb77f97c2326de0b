// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/msg.h"
#include "tools/tune/other.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] =
		"[Key]\nName = k.int\nDoes = x\nType = int\nScope = node\nSource = s\n"
		"[Key]\nName = k.str\nDoes = x\nType = string\nScope = node\nSource = s\n"
		"[Key]\nName = k.ports\nDoes = x\nType = ports\nScope = node\nSource = s\n";
	static struct fl_catalog catalog;
	struct fl_other o;

	if (!catalog.n) {
		fl_msg_stream = fopen("/dev/null", "w");
		if (fl_catalog_parse(&catalog, "c", text, sizeof(text) - 1) ||
		    fl_catalog_check(&catalog))
			abort();
	}
	if (fl_other_parse(&o, &catalog, "o", "o", (const char *)data, size))
		return 0;
	for (int i = 0; i < o.n; i++)
		if (!o.values[i].value || fl_other_find(&o, o.values[i].name) != &o.values[i])
			abort();
	fl_other_free(&o);
	return 0;
}
