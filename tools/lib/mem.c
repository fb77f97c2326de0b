// SPDX-License-Identifier: GPL-2.0
#include "mem.h"
#include "msg.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (!p)
		exit(fl_fail("out of memory"));
	return p;
}

void *fl_zalloc(size_t size)
{
	return must(calloc(1, size ? size : 1));
}

void *fl_realloc(void *p, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		must(NULL);
	return must(realloc(p, n && size ? n * size : 1));
}

char *fl_strdup(const char *s)
{
	return must(strdup(s));
}

char *fl_vasprintf(const char *fmt, va_list ap)
{
	char *s;

	return must(vasprintf(&s, fmt, ap) < 0 ? NULL : s);
}

char *fl_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = fl_vasprintf(fmt, ap);
	va_end(ap);
	return s;
}
