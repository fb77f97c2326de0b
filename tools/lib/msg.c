// SPDX-License-Identifier: GPL-2.0
#include "msg.h"

#include <stdarg.h>
#include <unistd.h>

FILE *fl_msg_stream;

static FILE *stream(void)
{
	return fl_msg_stream ? fl_msg_stream : stderr;
}

static void vmsg(const char *kind, const char *fmt, va_list ap)
{
	/* One buffered line, so that two processes on one terminal do not mix their words. */
	flockfile(stream());
	fprintf(stream(), "fairlead: %s", kind);
	vfprintf(stream(), fmt, ap);
	fputc('\n', stream());
	fflush(stream());
	funlockfile(stream());
}

#define VMSG(kind, fmt)                                                                            \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		vmsg(kind, fmt, ap);                                                               \
		va_end(ap);                                                                        \
	} while (0)

void fl_err(const char *fmt, ...)
{
	VMSG("", fmt);
}

void fl_warn(const char *fmt, ...)
{
	VMSG("warning: ", fmt);
}

int fl_fail(const char *fmt, ...)
{
	VMSG("", fmt);
	return FL_FAILED;
}

int fl_usage(const char *fmt, ...)
{
	VMSG("", fmt);
	return FL_USAGE;
}

void fl_progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	if (fmt) {
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
	}
	fflush(stderr);
}
