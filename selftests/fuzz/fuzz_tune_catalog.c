// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/msg.h"
#include "tools/tune/catalog.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_catalog c = { 0 };

	if (!fl_msg_stream)
		fl_msg_stream = fopen("/dev/null", "w");
	if (!fl_catalog_parse(&c, "c", (const char *)data, size) && !fl_catalog_check(&c))
		for (int i = 0; i < c.n; i++)
			if (fl_catalog_find(&c, c.keys[i].name) != &c.keys[i])
				abort();
	fl_catalog_free(&c);
	return 0;
}
