// SPDX-License-Identifier: GPL-2.0
#include "value.h"
#include "../lib/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 65536

const char *const fl_value_kind_names[FL_VALUE_KINDS] = {
	[FL_VALUE_INT] = "int",	    [FL_VALUE_UINT64] = "uint64", [FL_VALUE_INTS] = "ints",
	[FL_VALUE_PORTS] = "ports", [FL_VALUE_STRING] = "string",
};

struct ports {
	uint8_t bit[PORTS / 8];
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Split at white space and read numbers. Returns the count, or -1. */
static int numbers(const char *text, fl_num *out, int max)
{
	int n = 0;

	for (;;) {
		const char *end;

		while (is_space(*text))
			text++;
		if (!*text)
			return n;
		for (end = text; *end && !is_space(*end); end++)
			;
		if (n == max || fl_num_parse(text, (size_t)(end - text), &out[n]))
			return -1;
		n++;
		text = end;
	}
}

static char *numbers_text(const fl_num *num, int n)
{
	char all[FL_VALUE_MAX_INTS * FL_NUM_TEXT], one[FL_NUM_TEXT];
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? " " : "",
					fl_num_text(num[i], one));
	return fl_strdup(all);
}

static bool port_number(const char **p, unsigned int *out)
{
	unsigned int n = 0;
	const char *at = *p;

	while (**p >= '0' && **p <= '9' && n < PORTS)
		n = n * 10 + (unsigned int)(*(*p)++ - '0');
	*out = n;
	return *p != at && n < PORTS;
}

/* The kernel's own syntax, with blanks allowed after a comma. Returns NULL or what is wrong. */
static const char *ports_parse(const char *p, struct ports *ports)
{
	memset(ports, 0, sizeof(*ports));
	while (is_space(*p))
		p++;
	while (*p) {
		unsigned int from, to;

		if (!port_number(&p, &from))
			return "not a list of ports from 0 to 65535 such as '80,8000-8999'";
		to = from;
		if (*p == '-') {
			p++;
			if (!port_number(&p, &to))
				return "not a list of ports from 0 to 65535 such as '80,8000-8999'";
		}
		if (from > to)
			return "a range of ports ends before it begins";
		for (unsigned int i = from; i <= to; i++)
			ports->bit[i / 8] |= (uint8_t)(1 << i % 8);
		while (is_space(*p))
			p++;
		if (!*p)
			break;
		if (*p++ != ',')
			return "ports are separated by commas";
		while (is_space(*p))
			p++;
		if (!*p)
			return "the list of ports ends with a comma";
	}
	return NULL;
}

static bool has_port(const struct ports *p, unsigned int i)
{
	return i < PORTS && p->bit[i / 8] >> i % 8 & 1;
}

static char *ports_text(const struct ports *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return fl_strdup("");
	for (unsigned int i = 0, n = 0; i < PORTS; i++) {
		unsigned int from = i;

		if (i % 8 == 0 && !p->bit[i / 8]) {
			i += 7;
			continue;
		}
		if (!has_port(p, i))
			continue;
		while (has_port(p, i + 1))
			i++;
		fprintf(f, n++ ? ",%u" : "%u", from);
		if (i != from)
			fprintf(f, "-%u", i);
	}
	fclose(f);
	return text;
}

static char *string_canonical(const char *text)
{
	size_t len = strlen(text);

	while (len && (text[len - 1] == '\n' || is_space(text[len - 1])))
		len--;
	return fl_asprintf("%.*s", (int)len, text);
}

char *fl_value_canonical(const struct fl_value_type *t, const char *text, const char **why)
{
	fl_num num[FL_VALUE_MAX_INTS];
	struct ports ports;

	*why = NULL;
	switch (t->kind) {
	case FL_VALUE_STRING:
		return string_canonical(text);
	case FL_VALUE_PORTS:
		*why = ports_parse(text, &ports);
		return *why ? NULL : ports_text(&ports);
	default:
		if (numbers(text, num, FL_VALUE_MAX_INTS) != t->count) {
			*why = t->count == 1 ? "not one whole number" :
					       "not the right count of whole numbers";
			return NULL;
		}
		return numbers_text(num, t->count);
	}
}

__attribute__((format(printf, 2, 3))) static char *refuse(struct fl_expr_error *err,
							  const char *fmt, ...)
{
	va_list ap;

	err->column = 0;
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	return NULL;
}

/* Replace each "{expression}" by its number. */
static char *expand_ports(const char *text, const struct fl_fact *facts, struct fl_expr_error *err)
{
	char one[FL_NUM_TEXT], *out = fl_strdup(""), *more, *expr;
	const char *at = text, *open, *close;
	fl_num num;
	int n;

	while ((open = strchr(at, '{'))) {
		close = strchr(open, '}');
		if (!close) {
			free(out);
			return refuse(err, "'%.60s': { without }", text);
		}
		expr = fl_asprintf("%.*s", (int)(close - open) - 1, open + 1);
		n = fl_expr_eval(expr, facts, &num, 1, err);
		free(expr);
		if (n < 0) {
			err->column += (size_t)(open - text) + 1;
			free(out);
			return NULL;
		}
		more = fl_asprintf("%s%.*s%s", out, (int)(open - at), at, fl_num_text(num, one));
		free(out);
		out = more;
		at = close + 1;
	}
	more = fl_asprintf("%s%s", out, at);
	free(out);
	return more;
}

char *fl_value_wanted(const struct fl_value_type *t, const char *text, const struct fl_fact *facts,
		      struct fl_expr_error *err)
{
	char one[FL_NUM_TEXT], low[FL_NUM_TEXT], high[FL_NUM_TEXT];
	fl_num num[FL_VALUE_MAX_INTS];
	char *value, *ports;
	const char *why;
	int n;

	if (t->kind == FL_VALUE_STRING || t->kind == FL_VALUE_PORTS) {
		ports = t->kind == FL_VALUE_PORTS ? expand_ports(text, facts, err) : NULL;
		if (t->kind == FL_VALUE_PORTS && !ports)
			return NULL;
		value = fl_value_canonical(t, ports ? ports : text, &why);
		if (!value)
			refuse(err, "'%.60s': %s", ports ? ports : text, why);
		free(ports);
		return value;
	}
	n = fl_expr_eval(text, facts, num, FL_VALUE_MAX_INTS, err);
	if (n < 0)
		return NULL;
	if (n != t->count)
		return refuse(err, "%d value%s, but this key takes %d, separated by commas", n,
			      n == 1 ? "" : "s", t->count);
	for (int i = 0; i < n; i++)
		if (num[i] < t->min || num[i] > t->max)
			return refuse(err, "%s is out of range; this key takes %s to %s",
				      fl_num_text(num[i], one), fl_num_text(t->min, low),
				      fl_num_text(t->max, high));
	return numbers_text(num, n);
}

char *fl_value_raise(const struct fl_value_type *t, const char *now, const char *wanted)
{
	fl_num a[FL_VALUE_MAX_INTS], b[FL_VALUE_MAX_INTS];
	struct ports p, q;
	int n;

	if (t->kind == FL_VALUE_PORTS) {
		if (ports_parse(now, &p) || ports_parse(wanted, &q))
			return fl_strdup(wanted);
		for (size_t i = 0; i < sizeof(p.bit); i++)
			p.bit[i] |= q.bit[i];
		return ports_text(&p);
	}
	n = numbers(now, a, FL_VALUE_MAX_INTS);
	if (n < 1 || numbers(wanted, b, FL_VALUE_MAX_INTS) != n)
		return fl_strdup(wanted);
	for (int i = 0; i < n; i++)
		a[i] = a[i] > b[i] ? a[i] : b[i];
	return numbers_text(a, n);
}

fl_num fl_value_number(const char *canonical)
{
	const char *last = strrchr(canonical, ' ');
	fl_num n = 0;

	last = last ? last + 1 : canonical;
	return fl_num_parse(last, strlen(last), &n) ? 0 : n;
}
