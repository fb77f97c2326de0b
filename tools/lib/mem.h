/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MEM_H
#define FL_MEM_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Memory for a short-lived command. There is nothing to fall back to when a few hundred bytes
 * cannot be had, so these exit with a message and status 1 and never return NULL. Nothing that
 * must be undone may be pending across them: plan first, then act without allocating what can
 * grow with the input.
 */
void *fl_zalloc(size_t size);
void *fl_realloc(void *p, size_t n, size_t size); /* n * size is checked for overflow */
char *fl_strdup(const char *s);
char *fl_vasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
char *fl_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
