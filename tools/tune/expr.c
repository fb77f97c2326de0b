// SPDX-License-Identifier: GPL-2.0
#include "expr.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Deep enough for anything a person writes; the parser's stack must not grow with its input. */
#define MAX_DEPTH 64
#define MAX_ARGS  16

struct parser {
	const char *text, *p;
	const struct fl_fact *facts;
	struct fl_expr_error *err;
	int depth;
	bool failed;
};

static fl_num sum(struct parser *ps);

/* The first error is the one to tell; what follows it is noise. */
__attribute__((format(printf, 3, 4))) static fl_num fail(struct parser *ps, const char *at,
							 const char *fmt, ...)
{
	va_list ap;

	if (!ps->failed) {
		ps->err->column = (size_t)(at - ps->text) + 1;
		va_start(ap, fmt);
		vsnprintf(ps->err->what, sizeof(ps->err->what), fmt, ap);
		va_end(ap);
	}
	ps->failed = true;
	return 0;
}

static void space(struct parser *ps)
{
	while (*ps->p == ' ' || *ps->p == '\t')
		ps->p++;
}

static bool eat(struct parser *ps, char c)
{
	space(ps);
	if (*ps->p != c)
		return false;
	ps->p++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_' || is_digit(c);
}

static fl_num check(struct parser *ps, const char *at, bool overflow, fl_num n)
{
	if (ps->failed)
		return 0;
	if (overflow || n < FL_NUM_MIN || n > FL_NUM_MAX)
		return fail(ps, at, "the result does not fit in 64 bits");
	return n;
}

static fl_num number(struct parser *ps)
{
	const char *at = ps->p;
	fl_num n = 0;

	while (is_digit(*ps->p)) {
		n = n * 10 + (*ps->p++ - '0');
		if (n > FL_NUM_MAX)
			return fail(ps, at, "the number does not fit in 64 bits");
	}
	if (is_word(*ps->p))
		return fail(ps, ps->p, "'%c' after a number; only whole decimal numbers are known",
			    *ps->p);
	return n;
}

static fl_num call(struct parser *ps, const char *at, size_t len)
{
	static const struct {
		const char *name;
		int min, max;
	} functions[] = {
		{ "min", 1, MAX_ARGS }, { "max", 1, MAX_ARGS }, { "clamp", 3, 3 }, { "up", 2, 2 }
	};
	fl_num arg[MAX_ARGS], n;
	int f = -1, argc = 0;

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (strlen(functions[i].name) == len && !memcmp(functions[i].name, at, len))
			f = (int)i;
	if (f < 0)
		return fail(ps, at, "unknown function '%.*s'; there are min, max, clamp and up",
			    (int)(len > 40 ? 40 : len), at);
	do {
		if (argc == MAX_ARGS)
			return fail(ps, ps->p, "more than %d arguments", MAX_ARGS);
		arg[argc++] = sum(ps);
	} while (!ps->failed && eat(ps, ','));
	if (ps->failed)
		return 0;
	if (!eat(ps, ')'))
		return fail(ps, ps->p, "')' or ',' expected");
	if (argc < functions[f].min || argc > functions[f].max)
		return fail(ps, at, "%s() wants %s%d argument%s, not %d", functions[f].name,
			    functions[f].max == MAX_ARGS ? "at least " : "", functions[f].min,
			    functions[f].min == 1 ? "" : "s", argc);
	n = arg[0];
	switch (f) {
	case 0:
		for (int i = 1; i < argc; i++)
			n = arg[i] < n ? arg[i] : n;
		return n;
	case 1:
		for (int i = 1; i < argc; i++)
			n = arg[i] > n ? arg[i] : n;
		return n;
	case 2:
		if (arg[1] > arg[2])
			return fail(ps, at, "clamp(): the low end is above the high end");
		return n < arg[1] ? arg[1] : n > arg[2] ? arg[2] : n;
	default:
		if (arg[1] <= 0 || n < 0)
			return fail(ps, at, "up() wants a value from 0 and a multiple from 1");
		/* n + arg[1] - 1 is below 2^65: no overflow in 128 bits. */
		return check(ps, at, false, (n + arg[1] - 1) / arg[1] * arg[1]);
	}
}

static fl_num word(struct parser *ps)
{
	const char *at = ps->p;
	size_t len;

	while (is_word(*ps->p))
		ps->p++;
	len = (size_t)(ps->p - at);
	if (eat(ps, '('))
		return call(ps, at, len);
	for (const struct fl_fact *f = ps->facts; f->name; f++)
		if (strlen(f->name) == len && !memcmp(f->name, at, len))
			return f->value;
	return fail(ps, at, "unknown fact '%.*s'; `fairlead tune facts` lists them",
		    (int)(len > 40 ? 40 : len), at);
}

static fl_num unary(struct parser *ps)
{
	const char *at;
	fl_num n;

	space(ps);
	at = ps->p;
	if (ps->failed)
		return 0;
	if (++ps->depth > MAX_DEPTH)
		return fail(ps, at, "nested more than %d deep", MAX_DEPTH);
	if (eat(ps, '-')) {
		n = unary(ps);
		n = check(ps, at, false, -n);
	} else if (eat(ps, '(')) {
		n = sum(ps);
		if (!ps->failed && !eat(ps, ')'))
			n = fail(ps, ps->p, "')' expected");
	} else if (is_digit(*at)) {
		n = number(ps);
	} else if (is_word(*at)) {
		n = word(ps);
	} else if (!*at) {
		n = fail(ps, at, "a number, a fact or a function is missing at the end");
	} else {
		n = fail(ps, at, "a number, a fact or a function expected");
	}
	ps->depth--;
	return n;
}

static fl_num product(struct parser *ps)
{
	fl_num n = unary(ps), by;

	while (!ps->failed) {
		const char *at;

		space(ps);
		at = ps->p;
		if (eat(ps, '*')) {
			fl_num r = 0;
			bool overflow;

			by = unary(ps);
			overflow = __builtin_mul_overflow(n, by, &r);
			n = check(ps, at, overflow, r);
		} else if (eat(ps, '/')) {
			by = unary(ps);
			if (ps->failed)
				return 0;
			if (!by)
				return fail(ps, at, "division by zero");
			n = check(ps, at, false, n / by);
		} else {
			break;
		}
	}
	return n;
}

static fl_num sum(struct parser *ps)
{
	fl_num n = product(ps);

	while (!ps->failed) {
		const char *at;

		space(ps);
		at = ps->p;
		/* Two numbers below 2^64 cannot overflow 128 bits; check() has the narrower range. */
		if (eat(ps, '+'))
			n = check(ps, at, false, n + product(ps));
		else if (eat(ps, '-'))
			n = check(ps, at, false, n - product(ps));
		else
			break;
	}
	return n;
}

int fl_expr_eval(const char *text, const struct fl_fact *facts, fl_num *out, int max,
		 struct fl_expr_error *err)
{
	struct parser ps = { .text = text, .p = text, .facts = facts, .err = err };
	int n = 0;

	do {
		const char *at;
		fl_num v;

		space(&ps);
		at = ps.p;
		v = sum(&ps);
		if (ps.failed)
			return -1;
		if (n == max) {
			fail(&ps, at, "more than %d value%s", max, max == 1 ? "" : "s");
			return -1;
		}
		out[n++] = v;
	} while (eat(&ps, ','));
	space(&ps);
	if (*ps.p) {
		fail(&ps, ps.p, "'%.20s' is left over; an operator is missing or too much", ps.p);
		return -1;
	}
	return n;
}

const char *fl_num_text(fl_num n, char *buf)
{
	if (n < 0)
		snprintf(buf, FL_NUM_TEXT, "%lld", (long long)n);
	else
		snprintf(buf, FL_NUM_TEXT, "%llu", (unsigned long long)n);
	return buf;
}

int fl_num_parse(const char *text, size_t len, fl_num *out)
{
	bool negative = len && *text == '-';
	fl_num n = 0;

	if (len && (*text == '-' || *text == '+')) {
		text++;
		len--;
	}
	if (!len)
		return -1;
	for (; len; text++, len--) {
		if (!is_digit(*text))
			return -1;
		n = n * 10 + (*text - '0');
		if (n > FL_NUM_MAX)
			return -1;
	}
	n = negative ? -n : n;
	if (n < FL_NUM_MIN)
		return -1;
	*out = n;
	return 0;
}
