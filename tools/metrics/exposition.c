// SPDX-License-Identifier: GPL-2.0
#include "exposition.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The current line: [p, end), without its newline. */
struct line {
	const char *where, *p, *end;
	unsigned int number;
};

static int bad(const struct line *l, const char *what)
{
	return fl_fail("%s:%u: %s", l->where, l->number, what);
}

static char *copy(const char *from, const char *to)
{
	size_t len = to - from;
	char *s = fl_zalloc(len + 1);

	memcpy(s, from, len);
	return s;
}

/* Arrays double, so that ten thousand samples are not copied ten thousand times. */
static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	return fl_realloc(array, n ? 2 * n : 1, size);
}

static bool name_char(char c, bool first)
{
	return isalpha((unsigned char)c) || c == '_' || c == ':' ||
	       (!first && isdigit((unsigned char)c));
}

/* A metric or label name; NULL if there is none. */
static char *take_name(struct line *l)
{
	const char *from = l->p;

	while (l->p < l->end && name_char(*l->p, l->p == from))
		l->p++;
	return l->p > from ? copy(from, l->p) : NULL;
}

static bool take(struct line *l, char c)
{
	if (l->p == l->end || *l->p != c)
		return false;
	l->p++;
	return true;
}

static bool take_word(struct line *l, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(l->end - l->p) < len || memcmp(l->p, word, len) != 0)
		return false;
	l->p += len;
	return true;
}

/* A label value after its opening quote, up to and with the closing one; NULL if it is not one. */
static char *take_value(struct line *l)
{
	char *s = fl_zalloc(l->end - l->p + 1), *out = s;

	while (l->p < l->end) {
		char c = *l->p++;

		if (c == '"')
			return s;
		if (c == '\\') {
			if (l->p == l->end)
				break;
			c = *l->p++;
			if (c == 'n')
				c = '\n';
			else if (c != '"' && c != '\\')
				break;
		}
		*out++ = c;
	}
	free(s);
	return NULL;
}

static struct fl_family *add_family(struct fl_exposition *e, char *name)
{
	struct fl_family *f;

	e->families = grow(e->families, e->n_families, sizeof(*e->families));
	f = &e->families[e->n_families++];
	*f = (struct fl_family){ .name = name };
	f->type = fl_strdup("unknown");
	f->unit = fl_strdup("");
	f->help = fl_strdup("");
	return f;
}

/* What a sample called `name` has after the name of the family, "" for nothing; NULL if it is
 * none of this family's. */
static const char *suffix(const struct fl_family *f, const char *name)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
	bool histogram = !strcmp(f->type, "histogram");
	size_t len = strlen(f->name);

	if (strncmp(name, f->name, len) != 0)
		return NULL;
	if (!name[len])
		return histogram ? NULL : "";
	if (!histogram && strcmp(f->type, "summary") != 0)
		return NULL;
	for (size_t i = !histogram; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (!strcmp(name + len, suffixes[i]))
			return suffixes[i];
	return NULL;
}

/*
 * The family that is being read, if it has this name, or, with `end`, a sample of this name, whose
 * suffix *end then is; else a new one; NULL if the name was seen before. Takes the name.
 */
static struct fl_family *family(struct fl_exposition *e, char *name, const char **end)
{
	struct fl_family *last = e->n_families ? &e->families[e->n_families - 1] : NULL;
	const char *rest = "";

	if (last && (end ? !!(rest = suffix(last, name)) : !strcmp(last->name, name))) {
		if (end)
			*end = rest;
		free(name);
		return last;
	}
	for (size_t i = 0; last && i < e->n_families; i++) {
		if (!strcmp(e->families[i].name, name) || (end && suffix(&e->families[i], name))) {
			free(name);
			return NULL;
		}
	}
	if (end)
		*end = "";
	return add_family(e, name);
}

/* "TYPE name text", after "# ". */
static int metadata(struct fl_exposition *e, struct line *l)
{
	static const char *const words[] = { "TYPE ", "UNIT ", "HELP " };
	struct fl_family *f;
	char *name, **field;
	int what;

	for (what = 0; what < 3 && !take_word(l, words[what]); what++)
		;
	if (what == 3)
		return bad(l, "neither TYPE, UNIT, HELP nor EOF after '#'");
	name = take_name(l);
	if (!name || !take(l, ' ')) {
		free(name);
		return bad(l, "want a metric name and a space");
	}
	f = family(e, name, NULL);
	if (!f)
		return bad(l, "this family was there before: families must not be mixed");
	if (f->n_samples)
		return bad(l, "metadata must come before the samples");
	field = what == 0 ? &f->type : what == 1 ? &f->unit : &f->help;
	if (strcmp(*field, what ? "" : "unknown") != 0)
		return bad(l, "the second line of its kind in this family");
	free(*field);
	*field = copy(l->p, l->end);
	return FL_OK;
}

static int labels(struct fl_sample *s, struct line *l)
{
	do {
		struct fl_label label = { take_name(l) };

		if (!label.name)
			return bad(l, "want a label name");
		if (take(l, '=') && take(l, '"'))
			label.value = take_value(l);
		if (!label.value) {
			free(label.name);
			return bad(
				l,
				"want =\"value\" after a label name, with \\\\, \\\" and \\n as the only escapes");
		}
		s->labels = grow(s->labels, s->n_labels, sizeof(*s->labels));
		s->labels[s->n_labels++] = label;
	} while (take(l, ','));
	return take(l, '}') ? FL_OK : bad(l, "want ',' or '}' after a label");
}

/* Not strtod(), which knows hexadecimal, "infinity" and the decimal comma of a locale. */
static bool is_number(const char *s)
{
	static const char digits[] = "0123456789";
	size_t n, part;

	if (!strcmp(s, "NaN"))
		return true;
	s += *s == '+' || *s == '-';
	if (!strcmp(s, "Inf"))
		return true;
	n = strspn(s, digits);
	s += n;
	if (*s == '.') {
		part = strspn(++s, digits);
		s += part;
		n += part;
	}
	if (!n)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		part = strspn(s, digits);
		if (!part)
			return false;
		s += part;
	}
	return !*s;
}

static int sample(struct fl_exposition *e, struct line *l)
{
	char *name = take_name(l);
	struct fl_family *f;
	struct fl_sample *s;
	const char *end;

	if (!name)
		return bad(l, "want '#' or a metric name");
	f = family(e, name, &end);
	if (!f)
		return bad(l, "this family was there before: families must not be mixed");
	f->samples = grow(f->samples, f->n_samples, sizeof(*f->samples));
	s = &f->samples[f->n_samples++];
	*s = (struct fl_sample){ .suffix = end };
	if (take(l, '{') && labels(s, l))
		return FL_FAILED;
	if (!take(l, ' '))
		return bad(l, "want a space and a number");
	s->value = copy(l->p, l->end);
	if (!is_number(s->value))
		return bad(l, "the value is not a number");
	return FL_OK;
}

struct fl_exposition *fl_exposition_parse(const char *where, const char *text, size_t len)
{
	struct fl_exposition *e = fl_zalloc(sizeof(*e));
	const char *end = text + len;
	struct line l = { .where = where, .p = text };
	bool eof = false;
	int ret = FL_OK;

	if (memchr(text, '\0', len))
		ret = fl_fail("%s: not text: it has a NUL byte", where);
	while (!ret && text < end) {
		l.p = text;
		l.end = memchr(text, '\n', end - text);
		l.number++;
		if (!l.end) {
			ret = bad(&l, "the line has no end: the text was cut off");
			break;
		}
		text = l.end + 1;
		if (eof)
			ret = bad(&l, "text after '# EOF'");
		else if (l.end - l.p == 5 && take_word(&l, "# EOF"))
			eof = true;
		else if (take_word(&l, "# "))
			ret = metadata(e, &l);
		else
			ret = sample(e, &l);
	}
	if (!ret && !eof)
		ret = fl_fail("%s: no '# EOF' at the end: the text was cut off", where);
	if (!ret)
		return e;
	fl_exposition_free(e);
	return NULL;
}

void fl_exposition_free(struct fl_exposition *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_families; i++) {
		struct fl_family *f = &e->families[i];

		for (size_t j = 0; j < f->n_samples; j++) {
			struct fl_sample *s = &f->samples[j];

			for (size_t k = 0; k < s->n_labels; k++) {
				free(s->labels[k].name);
				free(s->labels[k].value);
			}
			free(s->labels);
			free(s->value);
		}
		free(f->samples);
		free(f->name);
		free(f->type);
		free(f->unit);
		free(f->help);
	}
	free(e->families);
	free(e);
}

const char *fl_sample_label(const struct fl_sample *s, const char *name)
{
	for (size_t i = 0; i < s->n_labels; i++)
		if (!strcmp(s->labels[i].name, name))
			return s->labels[i].value;
	return NULL;
}

const struct fl_family *fl_exposition_find(const struct fl_exposition *e, const char *name)
{
	for (size_t i = 0; i < e->n_families; i++)
		if (!strcmp(e->families[i].name, name))
			return &e->families[i];
	return NULL;
}
