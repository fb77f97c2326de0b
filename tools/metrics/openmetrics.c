// SPDX-License-Identifier: GPL-2.0
#include "openmetrics.h"
#include "../lib/mem.h"

#include <string.h>

static const char total[] = "_total";

/* The end of the name in "# TYPE name_total counter", NULL if the line is none of those. */
static const char *counter_name_end(const char *line, const char *end)
{
	const size_t n = sizeof(total) - 1;
	const char *p;

	if (end - line < 2 || memcmp(line, "# ", 2) != 0)
		return NULL;
	p = memchr(line + 2, ' ', end - line - 2); /* after TYPE, UNIT or HELP */
	if (!p)
		return NULL;
	line = p + 1;
	p = memchr(line, ' ', end - line);
	if (!p || (size_t)(p - line) <= n || memcmp(p - n, total, n) != 0)
		return NULL;
	return p;
}

char *fl_openmetrics_1_0(const char *text, size_t len, size_t *new_len)
{
	const char *p = text, *end = text + len;
	char *out = fl_zalloc(len + 1), *o = out;

	while (p < end) {
		const char *nl = memchr(p, '\n', end - p);
		const char *line_end = nl ? nl + 1 : end, *name_end = counter_name_end(p, line_end);

		if (name_end) {
			o = mempcpy(o, p, name_end - (sizeof(total) - 1) - p);
			p = name_end;
		}
		o = mempcpy(o, p, line_end - p);
		p = line_end;
	}
	*new_len = o - out;
	return out;
}
