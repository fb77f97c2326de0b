// SPDX-License-Identifier: GPL-2.0
/*
 * What a stranger or an operator can give the listener: header fields and addresses; and its own text
 * in another format. The first byte chooses which.
 */
#include "../../tools/lib/msg.h"
#include "../../tools/metrics/accept.h"
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

static size_t line(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', end - p);

	return (nl ? nl : end) - p;
}

/* Only lines of metadata may differ, and only by getting shorter. */
static void convert(const char *text, size_t len)
{
	const char *end = text + len, *p = text, *q;
	size_t new_len;
	char *out = fl_openmetrics_1_0(text, len, &new_len);

	for (q = out; p < end && q < out + new_len;) {
		size_t n = line(p, end), m = line(q, out + new_len);

		if (m > n || memcmp(p, q, 1) != 0 ||
		    (*p != '#' && (m != n || memcmp(p, q, n) != 0)))
			abort();
		p += n + 1;
		q += m + 1;
	}
	if ((p < end) != (q < out + new_len))
		abort();
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
