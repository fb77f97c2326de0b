// SPDX-License-Identifier: GPL-2.0
#include "watch.h"
#include "guard.h"
#include "journal.h"
#include "pod.h"
#include "profile.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define JSON_SCHEMA 1

/* How often is looked for new writes. 256 are kept, so that none is missed below 2560 a second. */
#define POLL_NS 100000000

static bool opt_enforce, opt_detach, opt_status, opt_all;
static const char *opt_owner;

static const char *const by_names[FL_SYSCTL_BYS] = {
	[FL_SYSCTL_BY_FAIRLEAD] = "fairlead",
	[FL_SYSCTL_BY_OWNER] = "owner",
	[FL_SYSCTL_BY_OTHER] = "other",
};

/* ---- one write ---------------------------------------------------------------------------------- */

/* Others chose these bytes: nothing but printable ASCII gets to a terminal or into JSON. A tab is a
 * blank; what comes after a newline counts for the kernel no more than here. */
static char *plain(const char *text, size_t size, bool cut)
{
	char *s = fl_asprintf("%.*s%s", (int)strnlen(text, size), text, cut ? "..." : "");

	s[strcspn(s, "\n")] = '\0';
	for (char *c = s; *c; c++)
		*c = *c == '\t' ? ' ' : *c < ' ' || *c > '~' ? '?' : *c;
	return s;
}

static struct timespec wall(uint64_t boottime_ns)
{
	struct timespec boot, now;
	int64_t ns;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	ns = (int64_t)(now.tv_sec - boot.tv_sec) * 1000000000 + now.tv_nsec - boot.tv_nsec +
	     (int64_t)boottime_ns;
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static char *time_text(struct timespec t, bool json)
{
	char buf[64] = "";
	struct tm tm;

	if (json && gmtime_r(&t.tv_sec, &tm))
		strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
	else if (!json && localtime_r(&t.tv_sec, &tm))
		strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
	return json ? fl_asprintf("%s.%03ldZ", buf, t.tv_nsec / 1000000) : fl_strdup(buf);
}

static char *since_text(const struct fl_guard *g, bool json)
{
	struct timespec t = { .tv_sec = (time_t)(g->conf.since_ms / 1000),
			      .tv_nsec = (long)(g->conf.since_ms % 1000) * 1000000 };

	return time_text(t, json);
}

/* The key that was written: the pattern's with the interface put in. */
static char *key_name(const char *watched, const struct fl_sysctl_event *e)
{
	const char *star = strchr(watched, '*'), *end;
	const char *start = star;
	char *ifname, *name;

	if (!star || !*e->ifname)
		return fl_strdup(watched);
	while (start > watched && start[-1] != '.')
		start--;
	end = star + strcspn(star, ".");
	ifname = plain(e->ifname, sizeof(e->ifname), false);
	for (char *c = ifname; *c; c++)
		*c = *c == '.' ? '/' : *c;
	name = fl_asprintf("%.*s%s%s", (int)(start - watched), watched, ifname, end);
	free(ifname);
	return name;
}

/* All of it as text. */
struct write {
	const struct fl_sysctl_event *e;
	char *time, *key, *old, *new, *comm, *cgroup, *pod_name;
	const char *result, *by;
	struct fl_pod pod;
};

static struct write describe(const struct fl_guard *g, const struct fl_sysctl_event *e)
{
	struct fl_sysctl_counts counts;
	struct fl_sysctl_slot key;
	struct write w = { .e = e };

	fl_guard_slot(g, e->slot, &key, &counts);
	key.name[sizeof(key.name) - 1] = '\0';
	w.time = time_text(wall(e->time_ns), fl_json);
	w.key = key_name(key.name, e);
	w.old = e->flags & FL_SYSCTL_EV_NO_OLD ?
			NULL :
			plain(e->old, sizeof(e->old), e->flags & FL_SYSCTL_EV_OLD_CUT);
	w.new = plain(e->new, sizeof(e->new), e->flags & FL_SYSCTL_EV_NEW_CUT);
	w.comm = plain(e->comm, sizeof(e->comm), false);
	w.cgroup = plain(*e->path ? e->path : "/", sizeof(e->path),
			 e->flags & FL_SYSCTL_EV_CGROUP_CUT);
	w.result = e->flags & FL_SYSCTL_EV_REFUSED ? "refused" :
		   e->flags & FL_SYSCTL_EV_SAME	   ? "same" :
						     "changed";
	w.by = by_names[e->by < FL_SYSCTL_BYS ? e->by : FL_SYSCTL_BY_OTHER];
	if (fl_pod_of_cgroup(&w.pod, w.cgroup))
		w.pod_name = fl_pod_name(w.pod.uid);
	return w;
}

static void release(struct write *w)
{
	free(w->time);
	free(w->key);
	free(w->old);
	free(w->new);
	free(w->comm);
	free(w->cgroup);
	free(w->pod_name);
}

static struct json_object *json_write(const struct write *w, uint64_t number)
{
	struct json_object *o = fl_json_new(JSON_SCHEMA);

	fl_json_u64(o, "number", number);
	fl_json_str(o, "time", w->time);
	fl_json_str(o, "key", w->key);
	fl_json_str(o, "old", w->old);
	fl_json_str(o, "new", w->new);
	fl_json_str(o, "result", w->result);
	fl_json_str(o, "by", w->by);
	fl_json_str(o, "process", w->comm);
	fl_json_int(o, "pid", w->e->pid);
	fl_json_int(o, "uid", w->e->uid);
	fl_json_str(o, "cgroup", w->cgroup);
	fl_json_u64(o, "cgroup_id", w->e->cgroup);
	fl_json_str(o, "pod_uid", *w->pod.uid ? w->pod.uid : NULL);
	fl_json_str(o, "pod", w->pod_name);
	fl_json_str(o, "container", *w->pod.container ? w->pod.container : NULL);
	return o;
}

static const char *or_empty(const char *value)
{
	return !value ? "?" : *value ? value : "(empty)";
}

static void print_write(const struct write *w)
{
	bool bad = w->e->by == FL_SYSCTL_BY_OTHER && !(w->e->flags & FL_SYSCTL_EV_SAME);

	printf("%s  %s%-8s%s %s  %s -> %s  by %s[%u]", w->time, fl_colour(bad ? FL_RED : FL_PLAIN),
	       w->result, fl_colour(FL_PLAIN), w->key, or_empty(w->old), or_empty(w->new), w->comm,
	       w->e->pid);
	if (w->e->uid)
		printf(" uid %u", w->e->uid);
	if (w->pod_name)
		printf(" in pod %s", w->pod_name);
	else if (*w->pod.uid)
		printf(" in pod %s", w->pod.uid);
	else
		printf(" in %s", w->cgroup);
	if (*w->pod.container)
		printf(" container %.12s", w->pod.container);
	if (w->e->by != FL_SYSCTL_BY_OTHER)
		printf(" (%s)", w->by);
	puts("");
}

/* ---- follow ------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void print_event(const struct fl_guard *g, uint64_t number, const struct fl_sysctl_event *e)
{
	struct write w = describe(g, e);
	struct json_object *o;

	if (fl_json) {
		/* A document a line: the stream has no end. */
		o = json_write(&w, number);
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							       JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(o);
	} else {
		print_write(&w);
	}
	release(&w);
}

/* Print what came since *number. */
static void print_new(const struct fl_guard *g, uint64_t *number)
{
	uint64_t next = fl_guard_next(g), lost = 0;
	struct fl_sysctl_event e;

	for (; *number < next; ++*number) {
		enum fl_guard_read r = fl_guard_event(g, *number, &e);

		if (r == FL_GUARD_NOT_YET)
			break;
		if (r == FL_GUARD_LOST)
			lost++;
		else
			print_event(g, *number, &e);
	}
	if (lost)
		fl_warn("tune watch: %" PRIu64
			" writes came too fast to be shown; they are counted",
			lost);
	fflush(stdout);
}

static int follow(const struct fl_guard *g, uint64_t number)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	while (!stop && !ferror(stdout)) {
		print_new(g, &number);
		if (access(FL_GUARD_LINK, F_OK)) {
			fl_err("tune watch: ended by `fairlead tune unwatch`");
			return FL_OK;
		}
		nanosleep(&pause, NULL);
	}
	print_new(g, &number);
	fl_err("tune watch: writes go on being %s; `fairlead tune unwatch` ends that",
	       g->conf.enforce ? "counted and refused" : "counted");
	return FL_OK;
}

/* ---- status ------------------------------------------------------------------------------------- */

static uint64_t oldest(uint64_t next)
{
	return next > FL_SYSCTL_EVENTS ? next - FL_SYSCTL_EVENTS : 0;
}

static void json_status(const struct fl_guard *g)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *keys = json_object_new_array();
	struct json_object *writes = json_object_new_array();
	uint64_t next = fl_guard_next(g);
	char *since = since_text(g, true);
	struct fl_sysctl_event e;

	fl_json_str(doc, "since", since);
	fl_json_bool(doc, "enforce", g->conf.enforce);
	fl_json_str(doc, "owners", g->conf.owners);
	free(since);
	for (unsigned int i = 0; i < g->conf.slots; i++) {
		struct json_object *o;
		struct fl_sysctl_counts c;
		struct fl_sysctl_slot key;

		if (!fl_guard_slot(g, i, &key, &c))
			continue;
		o = json_object_new_object();
		fl_json_str(o, "key", key.name);
		fl_json_u64(o, "changed_by_fairlead", c.changed[FL_SYSCTL_BY_FAIRLEAD]);
		fl_json_u64(o, "changed_by_owner", c.changed[FL_SYSCTL_BY_OWNER]);
		fl_json_u64(o, "changed_by_other", c.changed[FL_SYSCTL_BY_OTHER]);
		fl_json_u64(o, "same", c.same);
		fl_json_u64(o, "refused", c.refused);
		json_object_array_add(keys, o);
	}
	json_object_object_add(doc, "keys", keys);
	for (uint64_t n = oldest(next); n < next; n++)
		if (fl_guard_event(g, n, &e) == FL_GUARD_READ) {
			struct write w = describe(g, &e);

			json_object_array_add(writes, json_write(&w, n));
			release(&w);
		}
	json_object_object_add(doc, "writes", writes);
	fl_json_print(doc);
}

static void print_head(const struct fl_guard *g, int keys)
{
	char *since = since_text(g, false);

	printf("%d key%s watched since %s; ", keys, keys == 1 ? "" : "s", since);
	free(since);
	if (!g->conf.enforce)
		puts("no write is refused");
	else if (*g->conf.owners)
		printf("writes are refused but from fairlead and %s\n", g->conf.owners);
	else
		puts("writes are refused but from fairlead");
}

static void print_status(const struct fl_guard *g)
{
	struct fl_table *t = fl_table_new();
	uint64_t next = fl_guard_next(g);
	struct fl_sysctl_counts c;
	struct fl_sysctl_event e;
	struct fl_sysctl_slot key;
	int keys = 0, rows = 0;

	fl_table_col(t, "KEY", FL_LEFT);
	fl_table_col(t, "CHANGED BY FAIRLEAD", FL_RIGHT);
	fl_table_col(t, "OWNERS", FL_RIGHT);
	fl_table_col(t, "OTHERS", FL_RIGHT);
	fl_table_col(t, "NOT CHANGED", FL_RIGHT);
	fl_table_col(t, "REFUSED", FL_RIGHT);
	for (unsigned int i = 0; i < g->conf.slots; i++) {
		if (!fl_guard_slot(g, i, &key, &c))
			continue;
		keys++;
		if (!opt_all && !c.same && !c.refused && !c.changed[FL_SYSCTL_BY_FAIRLEAD] &&
		    !c.changed[FL_SYSCTL_BY_OWNER] && !c.changed[FL_SYSCTL_BY_OTHER])
			continue;
		rows++;
		fl_table_cell(t, "%s", key.name);
		fl_table_cell(t, "%llu", c.changed[FL_SYSCTL_BY_FAIRLEAD]);
		fl_table_cell(t, "%llu", c.changed[FL_SYSCTL_BY_OWNER]);
		fl_table_cell(t, "%llu", c.changed[FL_SYSCTL_BY_OTHER]);
		fl_table_cell(t, "%llu", c.same);
		fl_table_cell(t, "%llu", c.refused);
	}
	print_head(g, keys);
	if (rows) {
		puts("");
		fl_table_print(t, stdout);
		puts("");
	} else {
		fl_table_free(t);
	}
	for (uint64_t n = oldest(next); n < next; n++)
		if (fl_guard_event(g, n, &e) == FL_GUARD_READ)
			print_event(g, n, &e);
}

static int status(void)
{
	struct fl_guard g;

	if (geteuid())
		return fl_fail("tune watch: needs root, for BPF maps; try sudo");
	if (!fl_guard_open(&g))
		return fl_fail(
			access(FL_GUARD_LINK, F_OK) ?
				"tune watch: nothing is watched; `fairlead tune watch PROFILE...` begins" :
				"tune watch: what watches is of another version of fairlead; `fairlead tune watch PROFILE...` replaces it, `fairlead tune unwatch` ends it");
	if (fl_json)
		json_status(&g);
	else
		print_status(&g);
	fl_guard_close(&g);
	return FL_OK;
}

/* ---- the verbs ---------------------------------------------------------------------------------- */

/* The keys of the profiles, and with them who may write. */
static int set(int argc, char **argv)
{
	struct fl_profiles profiles = { 0 };
	struct fl_catalog catalog = { 0 };
	struct fl_owners owners = { 0 };
	int ret = FL_OK, len;
	const char *why, *at;
	char **keys;

	if (opt_owner && fl_owners_parse(&owners, opt_owner, &why, &at, &len)) {
		fl_owners_free(&owners);
		return fl_usage("--owner: '%.*s': %s", len, at, why);
	}
	if (fl_catalog_load(&catalog))
		ret = FL_FAILED;
	for (int i = 0; i < argc && !ret; i++)
		if (fl_profiles_add(&profiles, &catalog, argv[i]))
			ret = FL_FAILED;
	if (!ret) {
		keys = fl_zalloc(((size_t)profiles.n_settings + 1) * sizeof(*keys));
		for (int i = 0; i < profiles.n_settings; i++)
			keys[i] = profiles.settings[i].name;
		ret = fl_guard_set(keys, profiles.n_settings, opt_enforce, &owners);
		free(keys);
	}
	fl_owners_free(&owners);
	fl_profiles_free(&profiles);
	fl_catalog_free(&catalog);
	return ret;
}

static int set_applied(void)
{
	struct fl_journal journal = { 0 };
	int ret;

	if (fl_journal_load(&journal))
		return FL_FAILED;
	if (journal.n_profiles)
		ret = set(journal.n_profiles, journal.profiles);
	else
		ret = fl_usage(
			"tune watch: nothing is applied since boot; say which PROFILE's keys to watch");
	fl_journal_free(&journal);
	return ret;
}

int fl_tune_watch(int argc, char **argv)
{
	struct fl_guard g;
	uint64_t from;
	bool there;
	int ret = FL_OK;

	if (opt_status) {
		if (argc || opt_enforce || opt_detach || opt_owner)
			return fl_usage(
				"tune watch --status: changes nothing, so it takes neither PROFILE nor other options");
		return status();
	}
	if (opt_owner && !opt_enforce)
		fl_warn("tune watch: without --enforce nobody is refused; --owner only tells writers apart");
	there = fl_guard_open(&g);
	/* Without any wish what is there stays as it is. */
	if (argc)
		ret = set(argc, argv);
	else if (!there || opt_enforce || opt_owner)
		ret = set_applied();
	from = there ? fl_guard_next(&g) : 0;
	if (there)
		fl_guard_close(&g);
	if (ret)
		return ret;
	if (!fl_guard_open(&g))
		return fl_fail("tune watch: ended by another command in the meantime");
	if (opt_detach) {
		if (!fl_json)
			print_status(&g);
		else
			json_status(&g);
	} else {
		ret = follow(&g, from);
	}
	fl_guard_close(&g);
	return ret;
}

int fl_tune_unwatch(int argc, char **argv)
{
	bool was;
	int ret = fl_guard_remove(&was);

	(void)argc;
	(void)argv;
	if (!ret && fl_json) {
		struct json_object *doc = fl_json_new(JSON_SCHEMA);

		fl_json_bool(doc, "was_watched", was);
		fl_json_print(doc);
	} else if (!ret && !was) {
		puts("nothing was watched");
	}
	return ret;
}

const struct fl_opt fl_tune_watch_opts[] = {
	{ 'e', "enforce", FL_OPT_FLAG, &opt_enforce, NULL,
	  "refuse writes but from fairlead and the owners" },
	{ 'o', "owner", FL_OPT_STR, &opt_owner, "WHO[,...]",
	  "who else may write: NAME, /CONTROL/GROUP, NAME@/CONTROL/GROUP" },
	{ 'd', "detach", FL_OPT_FLAG, &opt_detach, NULL, "do not wait for writes" },
	{ 's', "status", FL_OPT_FLAG, &opt_status, NULL,
	  "show what was counted and the last writes" },
	{ 'a', "all", FL_OPT_FLAG, &opt_all, NULL, "show keys that nobody has written, too" },
	{ 0 },
};
