// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/msg.h"
#include "tools/mesh/conf.h"
#include "tools/mesh/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files of two nodes, with a line of dashes between them. What comes of them must be a mesh file,
 * if one with errors that only several nodes can make. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *middle = memmem(data, size, "\n---\n", 5);
	size_t first = middle ? (size_t)(middle - text) : size;
	struct fl_import *im = fl_import_new();
	int err;

	if (!fl_msg_stream)
		fl_msg_stream = fopen("/dev/null", "w");
	err = fl_import_add(im, "a.conf", text, first);
	if (middle)
		err |= fl_import_add(im, "b.conf", middle + 5, size - first - 5);
	if (!err) {
		char *out = fl_import_text(im);

		fl_mesh_free(fl_mesh_parse("out", out, strlen(out)));
		free(out);
	}
	fl_import_free(im);
	return 0;
}
