// SPDX-License-Identifier: GPL-2.0
#include "ini.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <ini.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT (1024 * 1024)

struct reader {
	const char *file, *pos, *end;
	unsigned int line, section_nr;
	bool indented;
	bool failed; /* the message is out */
	fl_ini_fn fn;
	void *ctx;
	/* The entry that may still go on over the next line. */
	bool pending;
	unsigned int pending_line, pending_section_nr;
	char *section, *name, *value;
};

static int flush(struct reader *r)
{
	struct fl_ini_entry e = {
		.file = r->file,
		.line = r->pending_line,
		.section_nr = r->pending_section_nr,
		.section = r->section,
		.name = r->name,
		.value = r->value,
	};

	if (r->pending && !r->failed && r->fn(r->ctx, &e))
		r->failed = true;
	if (r->pending) {
		free(r->section);
		free(r->name);
		free(r->value);
	}
	r->pending = false;
	return r->failed ? -1 : 0;
}

/* What libinih calls to get a line; `size` is its line buffer. */
static char *next_line(char *buf, int size, void *ctx)
{
	struct reader *r = ctx;
	const char *eol;
	size_t len;

	if (r->failed || r->pos == r->end)
		return NULL;
	eol = memchr(r->pos, '\n', (size_t)(r->end - r->pos));
	len = eol ? (size_t)(eol - r->pos) + 1 : (size_t)(r->end - r->pos);
	r->line++;
	if (len >= (size_t)size) {
		fl_err("%s:%u: line longer than %d characters; go on in an indented line", r->file,
		       r->line, size - 2);
		r->failed = true;
		return NULL;
	}
	if (memchr(r->pos, '\0', len)) {
		fl_err("%s:%u: contains a NUL byte; this is not a text file", r->file, r->line);
		r->failed = true;
		return NULL;
	}
	memcpy(buf, r->pos, len);
	buf[len] = '\0';
	r->pos += len;
	r->indented = *buf == ' ' || *buf == '\t';
	/* To libinih an indented line goes on with the value above, if there is one. */
	if (buf[strspn(buf, " \t")] == '[' &&
	    !(r->indented && r->pending && r->pending_section_nr == r->section_nr))
		r->section_nr++;
	return buf;
}

/* Some releases of libinih cut "; comment" off the first line of a value only. */
static size_t without_comment(const char *value)
{
	size_t len = 0;

	while (value[len] &&
	       !(value[len] == ';' && len && (value[len - 1] == ' ' || value[len - 1] == '\t')))
		len++;
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	return len;
}

static int on_entry(void *ctx, const char *section, const char *name, const char *value)
{
	struct reader *r = ctx;

	if (r->failed)
		return 1;
	if (r->indented && r->pending && r->pending_section_nr == r->section_nr) {
		size_t len = without_comment(value);
		char *joined = fl_asprintf("%s%s%.*s", r->value, *r->value && len ? " " : "",
					   (int)len, value);

		free(r->value);
		r->value = joined;
		return 1;
	}
	if (flush(r))
		return 1;
	r->section = fl_strdup(section);
	r->name = fl_strdup(name);
	r->value = fl_strdup(value);
	r->pending_line = r->line;
	r->pending_section_nr = r->section_nr;
	r->pending = true;
	return 1;
}

int fl_ini_parse(const char *file, const char *text, size_t len, fl_ini_fn fn, void *ctx)
{
	struct reader r = { .file = file, .pos = text, .end = text + len, .fn = fn, .ctx = ctx };
	int bad = ini_parse_stream(next_line, &r, on_entry, &r);

	/* In the order of the file: what stands before the line that libinih did not understand comes
	 * first, then that line. */
	if (flush(&r))
		return -1;
	if (bad) {
		fl_err("%s:%d: neither [Section] nor Name = value", file, bad);
		return -1;
	}
	return 0;
}

int fl_ini_load(const char *file, fl_ini_fn fn, void *ctx)
{
	char *text;
	size_t len;
	int err = fl_file_read(file, FILE_LIMIT, &text, &len);

	if (err) {
		fl_err("%s: cannot read: %s", file, strerror(-err));
		return -1;
	}
	err = fl_ini_parse(file, text, len, fn, ctx);
	free(text);
	return err;
}
