// SPDX-License-Identifier: GPL-2.0
#include "table.h"
#include "mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct fl_table {
	struct col {
		const char *title;
		enum fl_align align;
		size_t width;
	} * cols;
	char **cells;
	size_t n_cols, n_cells;
};

/* Code points, without the escape sequences that colour a cell. */
static size_t width(const char *s)
{
	size_t w = 0;

	for (; *s; s++) {
		if (*s == '\033') {
			while (*s && *s != 'm')
				s++;
			if (!*s)
				break;
			continue;
		}
		w += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return w;
}

struct fl_table *fl_table_new(void)
{
	return fl_zalloc(sizeof(struct fl_table));
}

void fl_table_col(struct fl_table *t, const char *title, enum fl_align align)
{
	t->cols = fl_realloc(t->cols, t->n_cols + 1, sizeof(*t->cols));
	t->cols[t->n_cols++] = (struct col){ title, align, width(title) };
}

void fl_table_cell(struct fl_table *t, const char *fmt, ...)
{
	struct col *col = &t->cols[t->n_cells % t->n_cols];
	char *text;
	va_list ap;
	size_t w;

	va_start(ap, fmt);
	text = fl_vasprintf(fmt, ap);
	va_end(ap);
	w = width(text);
	if (w > col->width)
		col->width = w;
	/* Doubling: a table of 10,000 peers must not copy its cells a thousand times. */
	if (!(t->n_cells & (t->n_cells - 1)))
		t->cells = fl_realloc(t->cells, t->n_cells ? 2 * t->n_cells : 1, sizeof(*t->cells));
	t->cells[t->n_cells++] = text;
}

static void print_cell(FILE *f, const struct col *col, const char *text, bool last)
{
	int pad = (int)(col->width - width(text));

	if (col->align == FL_RIGHT)
		fprintf(f, "%*s%s", pad, "", text);
	else
		fprintf(f, "%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", f);
}

/* Columns [0, keys) and [from, to) of one row; cells NULL: of the titles. */
static void print_row(const struct fl_table *t, FILE *f, char *const *cells, size_t keys,
		      size_t from, size_t to)
{
	for (size_t i = 0; i < to; i++)
		if (i < keys || i >= from)
			print_cell(f, &t->cols[i], cells ? cells[i] : t->cols[i].title,
				   i + 1 == to);
}

static void print_part(const struct fl_table *t, FILE *f, size_t keys, size_t from, size_t to)
{
	bool titled = false;

	for (size_t i = 0; i < t->n_cols; i++)
		titled |= *t->cols[i].title != '\0';
	if (titled)
		print_row(t, f, NULL, keys, from, to);
	for (size_t i = 0; i + t->n_cols <= t->n_cells; i += t->n_cols)
		print_row(t, f, &t->cells[i], keys, from, to);
}

void fl_table_print(struct fl_table *t, FILE *f)
{
	print_part(t, f, 0, 0, t->n_cols);
	fl_table_free(t);
}

void fl_table_print_folded(struct fl_table *t, FILE *f, size_t keys, size_t limit)
{
	size_t head = 0, from = keys, to;

	for (size_t i = 0; i < keys; i++)
		head += t->cols[i].width + 2;
	do {
		size_t w = head;

		/* At least one, or it would never end. */
		for (to = from; to < t->n_cols; to++) {
			w += t->cols[to].width + (to > from ? 2 : 0);
			if (limit && w > limit && to > from)
				break;
		}
		if (from > keys)
			fputc('\n', f);
		print_part(t, f, keys, from, to);
		from = to;
	} while (from < t->n_cols);
	fl_table_free(t);
}

size_t fl_terminal_width(void)
{
	struct winsize ws;

	return isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) ? ws.ws_col : 0;
}

void fl_table_free(struct fl_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->cols);
	free(t);
}

const char *fl_colour(enum fl_colour c)
{
	static const char *const seq[] = { "\033[0m", "\033[1m", "\033[31m", "\033[32m",
					   "\033[33m" };
	static int on = -1;

	if (on < 0) {
		const char *no = getenv("NO_COLOR");
		const char *term = getenv("TERM");

		on = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
	}
	return on ? seq[c] : "";
}
