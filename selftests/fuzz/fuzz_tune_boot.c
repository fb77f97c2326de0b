// SPDX-License-Identifier: GPL-2.0
#include "tools/tune/boot.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_boot b = { 0 };

	fl_boot_parse(&b, "f", (const char *)data, size);
	for (size_t i = 0; i < b.n && i < 64; i++) {
		const struct fl_boot_line *l = fl_boot_winner(&b, FL_BOOT_SYSTEMD, b.lines[i].name);

		/* A name that is set is set by a line that says so; the last of its name wins. */
		if (l && (!l->value || !fl_boot_matches(l, b.lines[i].name)))
			abort();
		if (!b.lines[i].glob && b.lines[i].value && !l && i + 1 == b.n)
			abort();
	}
	fl_boot_free(&b);
	return 0;
}
