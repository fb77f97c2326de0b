// SPDX-License-Identifier: GPL-2.0
/*
 * What a stranger or an operator can give the listener: header fields and addresses; and its own text
 * in another format. The first byte chooses which.
 */
#include "../../tools/lib/msg.h"
#include "../../tools/metrics/accept.h"
#include "../../tools/metrics/exposition.h"
#include "../../tools/metrics/openmetrics.h"
#include "../../tools/metrics/sockets.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fl_msg_stream = fopen("/dev/null", "w");
	return 0;
}

/* Only the metadata of counters may differ, so the samples are those of the original. */
static void convert(const char *text, size_t len)
{
	struct fl_exposition *before, *after;
	size_t new_len;
	char *out = fl_openmetrics_1_0(text, len, &new_len);

	if (new_len > len)
		abort();
	before = fl_exposition_parse("before", text, len);
	/* A second conversion takes another "_total" off a name that has two: not asked for. */
	after = before ? fl_exposition_parse("after", out, new_len) : NULL;
	fl_exposition_free(after);
	fl_exposition_free(before);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_address addr;
	char *text;

	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 4) {
	case 0:
		if (fl_accept_format(text) >= FL_N_FORMATS)
			abort();
		break;
	case 1:
		fl_accept_gzip(text);
		break;
	case 2:
		if (!fl_address_parse(text, &addr) && (!addr.len || addr.len > sizeof(addr)))
			abort();
		break;
	case 3:
		convert(text, size - 1);
		break;
	}
	free(text);
	return 0;
}
