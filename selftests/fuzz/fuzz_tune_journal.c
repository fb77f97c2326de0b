// SPDX-License-Identifier: GPL-2.0
#include "tools/tune/journal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct fl_journal j;
	const char *why;

	memcpy(text, data, size);
	text[size] = '\0';
	if (!fl_journal_parse(&j, text, size, &why)) {
		if (!j.boot_id)
			abort();
		for (int i = 0; i < j.keys.n; i++)
			if (!j.keys.e[i].original || !j.keys.e[i].wrote)
				abort();
		fl_journal_free(&j);
	}
	free(text);
	return 0;
}
