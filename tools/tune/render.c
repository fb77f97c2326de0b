// SPDX-License-Identifier: GPL-2.0
#include "render.h"
#include "boot.h"
#include "fact.h"
#include "sysctl.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define JSON_SCHEMA 1

/* What says that a file is ours to replace and to remove. */
#define MARK "# Made by `fairlead tune render`"

static const char *opt_root, *opt_facts;
static bool opt_remove, opt_irrevocable;

const char *const fl_render_paths[FL_RENDER_FILES] = {
	[FL_RENDER_SYSCTL] = "usr/lib/sysctl.d/90-fairlead.conf",
	[FL_RENDER_MODULES] = "usr/lib/modules-load.d/fairlead.conf",
	[FL_RENDER_UDEV] = "usr/lib/udev/rules.d/90-fairlead.rules",
};

/* ---- texts -------------------------------------------------------------------------------------- */

/* Comments of one line each: a reason is one line in the profile's memory. */
static void heading(FILE *f, const char *profiles, const char *what)
{
	fprintf(f, MARK " from: %s\n# %s\n# Changes are lost with the next render; ", profiles,
		what);
	fputs("a file of this name below /etc goes before it.\n", f);
}

/* systemd's '*' stands for 'all' and 'default' as well; ours does not. */
static void except(FILE *f, const char *pattern, const char *table, const char *name)
{
	char *key = fl_asprintf("%s%s%s", table, name, strrchr(pattern, '.'));
	char *a = fl_sysctl_path(pattern), *b = fl_sysctl_path(key);

	if (!fnmatch(a, b, FNM_PATHNAME))
		fprintf(f, "-%s\n", key);
	free(a);
	free(b);
	free(key);
}

static void except_all_and_default(FILE *f, const char *name)
{
	static const char *const tables[] = { "net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.",
					      "net.ipv6.neigh." };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (!strncmp(name, tables[i], strlen(tables[i]))) {
			except(f, name, tables[i], "all");
			except(f, name, tables[i], "default");
		}
}

static void sysctl_text(FILE *f, const struct fl_tune_plan *plan)
{
	for (int i = 0; i < plan->n; i++) {
		const struct fl_setting *s = plan->items[i].set;
		const struct fl_catalog_key *k = s->key;

		fprintf(f, "\n# %s%s\n", s->why, s->raise ? " (at least)" : "");
		if (s->pattern)
			except_all_and_default(f, s->name);
		/* '-': no failure at boot where the kernel or the module does not have it. */
		fprintf(f, "%s%s = %s\n",
			k->module || k->since || k->until || k->optional ? "-" : "", s->name,
			plan->items[i].wanted);
	}
}

/* The module of the nth key that has one, each once; NULL at the end. */
static const char *module(const struct fl_tune_plan *plan, int nth)
{
	for (int i = 0; i < plan->n; i++) {
		const char *name = plan->items[i].set->key->module;
		bool seen = !name;

		for (int j = 0; j < i && !seen; j++) {
			const char *before = plan->items[j].set->key->module;

			seen = before && !strcmp(before, name);
		}
		if (!seen && !nth--)
			return name;
	}
	return NULL;
}

static void modules_text(FILE *f, const struct fl_tune_plan *plan)
{
	const char *name;

	fputc('\n', f);
	for (int i = 0; (name = module(plan, i)); i++)
		fprintf(f, "%s\n", name);
}

/* In the order of the plan: systemd-sysctl keeps that of the file. */
static void udev_text(FILE *f, const struct fl_tune_plan *plan)
{
	const char *name;

	for (int i = 0; (name = module(plan, i)); i++) {
		fprintf(f, "\nACTION==\"add\", SUBSYSTEM==\"module\", KERNEL==\"%s\", \\\n", name);
		fputs("  RUN+=\"/usr/lib/systemd/systemd-sysctl", f);
		for (int j = 0; j < plan->n; j++) {
			const struct fl_setting *s = plan->items[j].set;
			char *path;

			if (!s->key->module || strcmp(s->key->module, name) != 0)
				continue;
			path = fl_sysctl_path(s->name);
			fprintf(f, " --prefix=%s", path + strlen("/proc/sys"));
			free(path);
		}
		fputs("\"\n", f);
	}
}

void fl_render_texts(const struct fl_tune_plan *plan, const char *profiles,
		     char *text[FL_RENDER_FILES])
{
	static const struct {
		const char *what;
		void (*print)(FILE *f, const struct fl_tune_plan *plan);
	} kinds[FL_RENDER_FILES] = {
		[FL_RENDER_SYSCTL] = { "Kernel parameters, for systemd-sysctl(8).", sysctl_text },
		[FL_RENDER_MODULES] = { "Modules whose parameters are set, for systemd-modules-load(8).",
					modules_text },
		[FL_RENDER_UDEV] = { "Sets the parameters of modules that are loaded later.",
				     udev_text },
	};

	for (int i = 0; i < FL_RENDER_FILES; i++) {
		size_t size;
		FILE *f = open_memstream(&text[i], &size);

		if (!f)
			abort(); /* as fl_zalloc() would */
		heading(f, profiles, kinds[i].what);
		kinds[i].print(f, plan);
		fclose(f);
	}
}

/* ---- files -------------------------------------------------------------------------------------- */

/* Never out of the root, wherever an image's symbolic links point to. */
static int open_in(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* ---- who speaks after us ------------------------------------------------------------------------ */

/* A file name is taken from the first of them that has it; sysctl.d(5). */
static const char *const sysctl_dirs[] = { "etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d",
					   "usr/lib/sysctl.d" };

#define OURS "90-fairlead.conf"

static int is_later(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 5 && !strcmp(d->d_name + len - 5, ".conf") && strcmp(d->d_name, OURS) >= 0;
}

struct later {
	int root;
	char **seen; /* names of files */
	int n_seen;
	struct fl_boot *boot;
};

static bool seen_before(struct later *l, const char *name)
{
	for (int i = 0; i < l->n_seen; i++)
		if (!strcmp(l->seen[i], name))
			return true;
	l->seen = fl_realloc(l->seen, (size_t)l->n_seen + 1, sizeof(*l->seen));
	l->seen[l->n_seen++] = fl_strdup(name);
	return false;
}

static void load_file(struct later *l, const char *path)
{
	int fd = open_in(l->root, path, O_RDONLY | O_NONBLOCK);
	char *link = fl_asprintf("/proc/self/fd/%d", fd), *text;
	char *shown = fl_asprintf("%s/%s", opt_root, path);
	size_t len;

	if (fd >= 0 && !fl_file_read(link, 1 << 20, &text, &len)) {
		fl_boot_parse(l->boot, shown, text, len);
		free(text);
	}
	if (fd >= 0)
		close(fd);
	free(shown);
	free(link);
}

static void load_dir(struct later *l, const char *dir)
{
	int fd = open_in(l->root, dir, O_RDONLY | O_DIRECTORY), n = 0;
	char *link = fl_asprintf("/proc/self/fd/%d", fd);
	struct dirent **files = NULL;

	if (fd >= 0)
		n = scandir(link, &files, is_later, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = files[i]->d_name;
		char *path = fl_asprintf("%s/%s", dir, name);

		if (seen_before(l, name))
			; /* hidden */
		else if (strcmp(name, OURS) != 0)
			load_file(l, path);
		else if (strcmp(path, fl_render_paths[FL_RENDER_SYSCTL]) != 0)
			fl_warn("%s/%s: hides what is rendered; remove it", opt_root, path);
		free(path);
		free(files[i]);
	}
	free(files);
	if (fd >= 0)
		close(fd);
	free(link);
}

static bool same_value(const struct fl_value_type *type, const char *a, const char *canonical)
{
	const char *why;
	char *text = fl_value_canonical(type, a, &why);
	bool same = text && !strcmp(text, canonical);

	free(text);
	return same;
}

static void warn_of_later(int root, const struct fl_tune_plan *plan)
{
	struct fl_boot b = { 0 };
	struct later l = { .root = root, .boot = &b };

	for (size_t i = 0; i < sizeof(sysctl_dirs) / sizeof(*sysctl_dirs); i++)
		load_dir(&l, sysctl_dirs[i]);
	for (size_t i = 0; i < b.n; i++)
		for (int j = 0; j < plan->n; j++) {
			const struct fl_tune_item *it = &plan->items[j];
			const struct fl_boot_line *line = &b.lines[i];

			if (line->value && !strcmp(line->name, it->set->name) &&
			    !same_value(&it->set->key->type, line->value, it->wanted))
				fl_warn("%s:%u: sets %s = %s after us (%s); remove it there",
					line->file, line->line, line->name, line->value,
					it->wanted);
		}
	for (int i = 0; i < l.n_seen; i++)
		free(l.seen[i]);
	free(l.seen);
	fl_boot_free(&b);
}

/* ---- places ------------------------------------------------------------------------------------- */

struct place {
	int dir; /* -1: not there */
	char *name;
	char *old; /* what is there; NULL: nothing */
	const char *state;
};

/* Open the folder; make what is missing when `make`. Returns 0 or -errno. */
static int open_dir(int root, const char *path, bool make, int *dir)
{
	char *part = fl_strdup(path);
	int err = 0, fd = dup(root);

	*dir = -1;
	for (char *end = part; !err && fd >= 0; end++) {
		bool last;
		char was;

		end += strcspn(end, "/");
		was = *end;
		last = !was || !strchr(end + 1, '/');
		*end = '\0';
		close(fd);
		fd = open_in(root, part, O_PATH | O_DIRECTORY);
		if (fd < 0 && errno == ENOENT && make) {
			char *slash = strrchr(part, '/');
			int above;

			if (slash)
				*slash = '\0';
			above = slash ? open_in(root, part, O_PATH | O_DIRECTORY) : dup(root);
			if (slash)
				*slash = '/';
			if (above < 0 || mkdirat(above, slash ? slash + 1 : part, 0755))
				err = -errno;
			if (above >= 0)
				close(above);
			fd = err ? -1 : open_in(root, part, O_PATH | O_DIRECTORY);
		}
		if (fd < 0 && !err)
			err = -errno;
		*end = was;
		if (last)
			break;
	}
	free(part);
	if (!err)
		*dir = fd;
	return err;
}

/* Where files are named through a descriptor of their folder, links in between play no part. */
static char *through(const struct place *p)
{
	return fl_asprintf("/proc/self/fd/%d/%s", p->dir, p->name);
}

static int find_place(struct place *p, int root, const char *path, bool make)
{
	int err = open_dir(root, path, make, &p->dir);
	struct stat st;
	char *file;

	p->name = fl_strdup(strrchr(path, '/') + 1);
	if (err == -ENOENT && !make)
		return 0;
	if (err)
		return fl_fail("%s/%s: cannot make its folder: %s", opt_root, path, strerror(-err));
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : fl_fail("%s/%s: %s", opt_root, path, strerror(errno));
	file = through(p);
	err = S_ISREG(st.st_mode) ? fl_file_read(file, 1 << 20, &p->old, NULL) : 0;
	free(file);
	if (err)
		return fl_fail("%s/%s: cannot read: %s", opt_root, path, strerror(-err));
	if (!p->old || strncmp(p->old, MARK, strlen(MARK)) != 0)
		return fl_fail(
			"%s/%s: was not made by `fairlead tune render`; move it away first, nothing is changed",
			opt_root, path);
	return 0;
}

static int write_place(struct place *p, const char *path, const char *text)
{
	char *file = through(p);
	int err = 0;

	if (p->old && !strcmp(p->old, text)) {
		p->state = "unchanged";
	} else {
		err = fl_file_write(file, text, strlen(text), 0644);
		p->state = p->old ? "replaced" : "new";
	}
	free(file);
	return err ? fl_fail("%s/%s: cannot write: %s", opt_root, path, strerror(-err)) : FL_OK;
}

static int remove_place(struct place *p, const char *path)
{
	p->state = p->old ? "removed" : "absent";
	if (p->old && unlinkat(p->dir, p->name, 0))
		return fl_fail("%s/%s: cannot remove: %s", opt_root, path, strerror(errno));
	return FL_OK;
}

static void report(const struct place *p, int keys, int modules)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *files = json_object_new_array();
	struct fl_table *t = fl_table_new();

	fl_table_col(t, "FILE", FL_LEFT);
	fl_table_col(t, "", FL_LEFT);
	for (int i = 0; i < FL_RENDER_FILES; i++) {
		struct json_object *o = json_object_new_object();

		fl_table_cell(t, "%s/%s", opt_root, fl_render_paths[i]);
		fl_table_cell(t, "%s", p[i].state);
		fl_json_str(o, "file", fl_render_paths[i]);
		fl_json_str(o, "state", p[i].state);
		json_object_array_add(files, o);
	}
	fl_json_str(doc, "root", opt_root);
	json_object_object_add(doc, "files", files);
	fl_json_int(doc, "keys", keys);
	fl_json_int(doc, "modules", modules);
	if (fl_json) {
		fl_json_print(doc);
		fl_table_free(t);
		return;
	}
	json_object_put(doc);
	fl_table_print(t, stdout);
	if (!opt_remove)
		printf("%d key%s, %d module%s\n", keys, keys == 1 ? "" : "s", modules,
		       modules == 1 ? "" : "s");
}

/* All three or, when one is somebody else's, none. Without texts, remove them. */
static int put_files(char *const text[FL_RENDER_FILES], const struct fl_tune_plan *plan,
		     int modules)
{
	struct place place[FL_RENDER_FILES] = { 0 };
	int root = open(opt_root, O_PATH | O_DIRECTORY | O_CLOEXEC), ret = FL_OK;

	if (root < 0)
		return fl_fail("--root: %s: %s; name the folder that the image's root is in",
			       opt_root, strerror(errno));
	for (int i = 0; i < FL_RENDER_FILES; i++)
		place[i].dir = -1;
	for (int i = 0; i < FL_RENDER_FILES && !ret; i++)
		ret = find_place(&place[i], root, fl_render_paths[i], text != NULL);
	for (int i = 0; i < FL_RENDER_FILES && !ret; i++)
		ret = text ? write_place(&place[i], fl_render_paths[i], text[i]) :
			     remove_place(&place[i], fl_render_paths[i]);
	if (!ret)
		report(place, plan->n, modules);
	if (!ret && text)
		warn_of_later(root, plan);
	for (int i = 0; i < FL_RENDER_FILES; i++) {
		if (place[i].dir >= 0)
			close(place[i].dir);
		free(place[i].name);
		free(place[i].old);
	}
	close(root);
	return ret;
}

/* ---- the plan ----------------------------------------------------------------------------------- */

/*
 * sysctl.d(5) knows no "at least". For this machine the value is what apply would make of it: what is
 * there is never lowered. For another one it is the wanted value.
 */
static void raise_to_now(struct fl_tune_item *it)
{
	const struct fl_value_type *type = &it->set->key->type;
	char *raw, *now, *raised;
	const char *why;

	if (!it->set->raise)
		return;
	if (fl_sysctl_read(it->set->name, &raw)) {
		if (it->set->key->module)
			fl_warn("tune render: %s: module %s is not loaded, so its default cannot be seen; %s is written even if that lowers it",
				it->set->name, it->set->key->module, it->wanted);
		return;
	}
	now = fl_value_canonical(type, raw, &why);
	free(raw);
	if (!now)
		return;
	raised = fl_value_raise(type, now, it->wanted);
	free(now);
	free(it->wanted);
	it->wanted = raised;
}

/* Leave out what cannot be said; returns how many modules there are. */
static int choose(struct fl_tune_plan *plan)
{
	int n = 0, modules = 0;

	for (int i = 0; i < plan->n; i++) {
		struct fl_tune_item it = plan->items[i];

		plan->items[i] = (struct fl_tune_item){ 0 };
		if (strchr(it.set->name, '@')) {
			fl_warn("tune render: %s: sysctl.d(5) has no such class of interfaces; left out",
				it.set->name);
		} else if (!opt_irrevocable && fl_catalog_irrevocable(it.set->key, it.wanted)) {
			fl_warn("tune render: %s: cannot be set back before the next boot; left out, --irrevocable renders it",
				it.set->name);
		} else {
			if (!opt_facts)
				raise_to_now(&it);
			plan->items[n++] = it;
			continue;
		}
		free(it.name);
		free(it.wanted);
	}
	plan->n = n;
	while (module(plan, modules))
		modules++;
	return modules;
}

static int render(int argc, char **argv)
{
	const struct fl_fact *facts = fl_facts(opt_facts);
	struct fl_profiles profiles = { 0 };
	struct fl_catalog catalog = { 0 };
	char *text[FL_RENDER_FILES] = { NULL }, *names = fl_strdup(argv[0]), *more;
	struct fl_tune_plan plan = { 0 };
	int ret = FL_OK, modules;

	for (int i = 1; i < argc; i++) {
		more = fl_asprintf("%s %s", names, argv[i]);
		free(names);
		names = more;
	}
	if (!facts)
		ret = opt_facts ? FL_USAGE : FL_FAILED;
	else if (fl_catalog_load(&catalog))
		ret = FL_FAILED;
	for (int i = 0; i < argc && !ret; i++)
		if (fl_profiles_add(&profiles, &catalog, argv[i]))
			ret = FL_FAILED;
	if (!ret && fl_tune_evaluate(&plan, &profiles, facts))
		ret = FL_FAILED;
	if (!ret) {
		modules = choose(&plan);
		fl_render_texts(&plan, names, text);
		ret = put_files(text, &plan, modules);
	}
	for (int i = 0; i < FL_RENDER_FILES; i++)
		free(text[i]);
	free(names);
	fl_tune_plan_free(&plan);
	fl_profiles_free(&profiles);
	fl_catalog_free(&catalog);
	return ret;
}

int fl_tune_render(int argc, char **argv)
{
	if (!opt_root || !*opt_root)
		return fl_usage(
			"tune render: say --root DIR, the folder that the image's root is in");
	if (opt_remove && argc)
		return fl_usage("tune render --remove: takes no PROFILE");
	if (!opt_remove && !argc)
		return fl_usage("tune render: wants PROFILE...");
	return opt_remove ? put_files(NULL, &(struct fl_tune_plan){ 0 }, 0) : render(argc, argv);
}

const struct fl_opt fl_tune_render_opts[] = {
	{ 'r', "root", FL_OPT_STR, &opt_root, "DIR", "the folder that the image's root is in" },
	{ 0, "fact", FL_OPT_STR, &opt_facts, "NAME=N[,...]",
	  "facts of the machine that the image is for" },
	{ 0, "irrevocable", FL_OPT_FLAG, &opt_irrevocable, NULL,
	  "render keys, too, that cannot be set back before the next boot" },
	{ 0, "remove", FL_OPT_FLAG, &opt_remove, NULL, "remove the files that render made" },
	{ 0 },
};
