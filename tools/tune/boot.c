// SPDX-License-Identifier: GPL-2.0
#include "boot.h"
#include "sysctl.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSCTL_CONF "/etc/sysctl.conf"
#define FILE_LIMIT  (1024 * 1024)

/* The first that has a file of some name decides. */
static const char *const folders[] = { "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d",
				       "/usr/lib/sysctl.d", "/lib/sysctl.d" };

#define N_FOLDERS (sizeof(folders) / sizeof(*folders))

/* ---- a file ------------------------------------------------------------------------------------- */

static char *trimmed(const char *from, const char *to)
{
	while (from < to && strchr(" \t\r", *from))
		from++;
	while (to > from && strchr(" \t\r", to[-1]))
		to--;
	return fl_asprintf("%.*s", (int)(to - from), from);
}

static void add_line(struct fl_boot *b, const char *file, unsigned int line, const char *from,
		     const char *to)
{
	struct fl_boot_line l = { .line = line };
	const char *equals;
	bool minus;
	char *key;

	while (from < to && strchr(" \t\r", *from))
		from++;
	if (from == to || *from == '#' || *from == ';')
		return;
	/* "-key = value": an error does not matter. "-key": not by globs. */
	minus = *from == '-';
	from += minus;
	equals = memchr(from, '=', (size_t)(to - from));
	if (!equals && !minus)
		return;
	key = trimmed(from, equals ? equals : to);
	l.name = fl_sysctl_name(key);
	free(key);
	if (!l.name)
		return;
	l.file = fl_strdup(file);
	l.value = equals ? trimmed(equals + 1, to) : NULL;
	l.glob = strpbrk(l.name, "*?[") != NULL;
	if (!(b->n & (b->n - 1)))
		b->lines = fl_realloc(b->lines, b->n ? 2 * b->n : 1, sizeof(*b->lines));
	b->lines[b->n++] = l;
}

void fl_boot_parse(struct fl_boot *b, const char *file, const char *text, size_t len)
{
	const char *end = text + len;
	unsigned int line = 0;

	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));

		eol = eol ? eol : end;
		/* A NUL would end the key or the value: no reader takes such a line. */
		if (!memchr(text, '\0', (size_t)(eol - text)))
			add_line(b, file, ++line, text, eol);
		else
			line++;
		text = eol + 1;
	}
}

/* ---- all files ---------------------------------------------------------------------------------- */

struct source {
	char *path, *base;
	size_t folder;
};

static int compare(const void *a, const void *b)
{
	const struct source *x = a, *y = b;
	int names = strcmp(x->base, y->base);

	return names ? names : x->folder < y->folder ? -1 : x->folder > y->folder;
}

/* On a merged /usr, /lib/sysctl.d is /usr/lib/sysctl.d. */
static bool seen_before(size_t folder, const struct stat *st)
{
	struct stat other;

	for (size_t i = 0; i < folder; i++)
		if (!stat(folders[i], &other) && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return true;
	return false;
}

static size_t list_sources(struct source **out)
{
	struct source *all = NULL;
	size_t n = 0;

	for (size_t f = 0; f < N_FOLDERS; f++) {
		DIR *d = opendir(folders[f]);
		const struct dirent *e;
		struct stat st;

		if (d && !fstat(dirfd(d), &st) && seen_before(f, &st)) {
			closedir(d);
			continue;
		}
		while (d && (e = readdir(d))) {
			size_t len = strlen(e->d_name);

			if (*e->d_name == '.' || len <= 5 ||
			    strcmp(e->d_name + len - 5, ".conf") != 0)
				continue;
			all = fl_realloc(all, n + 1, sizeof(*all));
			all[n++] = (struct source){
				.path = fl_asprintf("%s/%s", folders[f], e->d_name),
				.base = fl_strdup(e->d_name),
				.folder = f,
			};
		}
		if (d)
			closedir(d);
	}
	if (n)
		qsort(all, n, sizeof(*all), compare);
	*out = all;
	return n;
}

static void load_file(struct fl_boot *b, const char *path)
{
	struct stat st;
	char *text;
	size_t len;
	int err;

	/* A link to /dev/null hides files of its name and sets nothing. */
	if (!stat(path, &st) && S_ISCHR(st.st_mode))
		return;
	err = fl_file_read(path, FILE_LIMIT, &text, &len);
	if (err == -ENOENT)
		return;
	if (err) {
		fl_warn("%s: cannot read: %s; what it sets at boot is not known", path,
			strerror(-err));
		return;
	}
	fl_boot_parse(b, path, text, len);
	free(text);
}

void fl_boot_load(struct fl_boot *b)
{
	struct source *all;
	size_t n = list_sources(&all), from;

	*b = (struct fl_boot){ 0 };
	for (int hidden = 0; hidden <= 1; hidden++) {
		for (size_t i = 0; i < n; i++) {
			bool is_hidden = i && !strcmp(all[i].base, all[i - 1].base);

			if (is_hidden != hidden)
				continue;
			from = b->n;
			load_file(b, all[i].path);
			for (; from < b->n; from++)
				b->lines[from].hidden = is_hidden;
		}
		if (hidden)
			break;
		from = b->n;
		load_file(b, SYSCTL_CONF);
		for (; from < b->n; from++)
			b->lines[from].procps_only = true;
	}
	for (size_t i = 0; i < n; i++) {
		free(all[i].path);
		free(all[i].base);
	}
	free(all);
}

void fl_boot_free(struct fl_boot *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->lines[i].file);
		free(b->lines[i].name);
		free(b->lines[i].value);
	}
	free(b->lines);
	*b = (struct fl_boot){ 0 };
}

/* ---- who wins ----------------------------------------------------------------------------------- */

bool fl_boot_matches(const struct fl_boot_line *l, const char *name)
{
	char *pattern, *path;
	bool match;

	if (!l->glob)
		return !strcmp(l->name, name);
	/* As paths, since that is what the readers give to glob(3). */
	pattern = fl_sysctl_path(l->name);
	path = fl_sysctl_path(name);
	match = !fnmatch(pattern, path, FNM_PATHNAME);
	free(pattern);
	free(path);
	return match;
}

const struct fl_boot_line *fl_boot_winner(const struct fl_boot *b, enum fl_boot_reader reader,
					  const char *name)
{
	const struct fl_boot_line *named = NULL, *glob = NULL;

	for (size_t i = 0; i < b->n; i++) {
		const struct fl_boot_line *l = &b->lines[i];

		if (l->hidden || (l->procps_only && reader == FL_BOOT_SYSTEMD) ||
		    !fl_boot_matches(l, name))
			continue;
		if (l->glob)
			glob = l->value ? l : glob;
		else
			named = l;
	}
	if (named)
		return named->value ? named : NULL;
	return glob;
}
