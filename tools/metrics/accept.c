// SPDX-License-Identifier: GPL-2.0
#include "accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *type, *version, *content_type;
} formats[FL_N_FORMATS] = {
	[FL_TEXT_0_0_4] = { "text/plain", "0.0.4", "text/plain; version=0.0.4; charset=utf-8" },
	[FL_OPENMETRICS_1_0_0] = { "application/openmetrics-text", "1.0.0",
				   "application/openmetrics-text; version=1.0.0; charset=utf-8" },
	[FL_OPENMETRICS_2_0_0] = { "application/openmetrics-text", "2.0.0",
				   "application/openmetrics-text; version=2.0.0; charset=utf-8" },
};

const char *fl_format_content_type(enum fl_metrics_format format)
{
	return formats[format].content_type;
}

/* A piece of a header field, not terminated. */
struct span {
	const char *p;
	size_t len;
};

static bool is(struct span s, const char *word)
{
	return s.len == strlen(word) && !strncasecmp(s.p, word, s.len);
}

static void skip_space(const char **p)
{
	*p += strspn(*p, " \t");
}

/* Up to one of `ends` or white space. */
static struct span take(const char **p, const char *ends)
{
	struct span s = { *p, 0 };

	while (**p && **p != ' ' && **p != '\t' && !strchr(ends, **p))
		(*p)++;
	s.len = *p - s.p;
	return s;
}

/* A parameter's value: a token, or a quoted string, without its quotes. */
static struct span take_value(const char **p)
{
	struct span s;

	if (**p != '"')
		return take(p, ",;");
	s.p = ++*p;
	while (**p && **p != '"')
		*p += **p == '\\' && (*p)[1] ? 2 : 1;
	s.len = *p - s.p;
	*p += **p == '"';
	return s;
}

/* "0.75" is 750. -1: no weight. */
static int weight(struct span s)
{
	int q = 0, scale = 1000;

	if (!s.len || s.len > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.len > 1 && s.p[1] != '.'))
		return -1;
	q = (s.p[0] - '0') * scale;
	for (size_t i = 2; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		q += (s.p[i] - '0') * (scale /= 10);
	}
	return q <= 1000 ? q : -1;
}

/* An element of the list: "NAME; version=1.0.0; q=0.5". */
struct element {
	struct span name, version;
	int q; /* thousandths; -1: the element is malformed */
};

static bool next(const char **p, struct element *e)
{
	while (**p == ',' || **p == ' ' || **p == '\t')
		(*p)++;
	if (!**p)
		return false;
	*e = (struct element){ .q = 1000 };
	e->name = take(p, ",;");
	for (;;) {
		struct span name, value;

		skip_space(p);
		if (**p != ';')
			break;
		(*p)++;
		skip_space(p);
		name = take(p, ",;=");
		skip_space(p);
		if (**p != '=')
			continue; /* a parameter without a value, or nothing: harmless */
		(*p)++;
		skip_space(p);
		value = take_value(p);
		if (is(name, "q"))
			e->q = weight(value);
		else if (is(name, "version"))
			e->version = value;
	}
	if (**p && **p != ',') {
		e->q = -1;
		*p += strcspn(*p, ",");
	}
	return true;
}

/* How exactly an element names a format; 0: not at all. */
static int fits(const struct element *e, enum fl_metrics_format format)
{
	const char *type = formats[format].type;
	size_t family = strchr(type, '/') - type + 1;

	if (is(e->name, "*/*"))
		return 1;
	if (e->name.len == family + 1 && !strncasecmp(e->name.p, type, family) &&
	    e->name.p[family] == '*')
		return 2;
	if (!is(e->name, type))
		return 0;
	if (!e->version.p)
		return 3;
	return is(e->version, formats[format].version) ? 4 : 0;
}

enum fl_metrics_format fl_accept_format(const char *accept)
{
	enum fl_metrics_format best = FL_TEXT_0_0_4;
	int best_q = 0;

	for (int i = 0; accept && i < FL_N_FORMATS; i++) {
		const char *p = accept;
		struct element e;
		int fit = 0, q = 0;

		while (next(&p, &e)) {
			if (e.q >= 0 && fits(&e, i) > fit) {
				fit = fits(&e, i);
				q = e.q;
			}
		}
		if (q > best_q) {
			best = i;
			best_q = q;
		}
	}
	return best;
}

bool fl_accept_gzip(const char *accept_encoding)
{
	bool named = false, yes = false;
	const char *p = accept_encoding;
	struct element e;

	while (p && next(&p, &e)) {
		if (e.q < 0)
			continue;
		if (is(e.name, "gzip") || is(e.name, "x-gzip")) {
			named = true;
			yes = e.q > 0;
		} else if (is(e.name, "*") && !named) {
			yes = e.q > 0;
		}
	}
	return yes;
}
