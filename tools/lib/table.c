// SPDX-License-Identifier: GPL-2.0
#include "table.h"
#include "mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

void fl_table_print(struct fl_table *t, FILE *f)
{
	bool titled = false;

	for (size_t i = 0; i < t->n_cols; i++)
		titled |= *t->cols[i].title != '\0';
	for (size_t i = 0; titled && i < t->n_cols; i++)
		print_cell(f, &t->cols[i], t->cols[i].title, i + 1 == t->n_cols);
	for (size_t i = 0; i < t->n_cells; i++)
		print_cell(f, &t->cols[i % t->n_cols], t->cells[i], (i + 1) % t->n_cols == 0);
	fl_table_free(t);
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

		on = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
	}
	return on ? seq[c] : "";
}
