// SPDX-License-Identifier: GPL-2.0
#include "pressure.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../lib/table.h"
#include "../metrics/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define JSON_SCHEMA 1

static unsigned int opt_above = 80, opt_interval = 1;
static const char *opt_textfile;
static bool opt_metrics;

struct row {
	const struct fl_use *use;
	double percent;
	bool above;
	double growth;	/* a second */
	double full_in; /* seconds at that pace; < 0: never */
};

static struct row compute(const struct fl_use *first, const struct fl_use *last, double seconds)
{
	struct row r = { .use = last, .full_in = -1 };

	if (last->unknown)
		return r;
	r.percent = last->limit ? 100.0 * (double)last->now / (double)last->limit : 100;
	r.above = r.percent >= opt_above;
	if (seconds > 0 && !first->unknown)
		r.growth = ((double)last->now - (double)first->now) / seconds;
	if (last->now >= last->limit)
		r.full_in = 0;
	else if (r.growth > 0)
		r.full_in = (double)(last->limit - last->now) / r.growth;
	return r;
}

static char *duration(double seconds)
{
	if (seconds < 0 || seconds > 1e9)
		return fl_strdup("-");
	if (seconds < 1)
		return fl_strdup("now");
	if (seconds < 120)
		return fl_asprintf("%.0f s", seconds);
	if (seconds < 7200)
		return fl_asprintf("%.0f min", seconds / 60);
	if (seconds < 48 * 3600)
		return fl_asprintf("%.0f h", seconds / 3600);
	return fl_asprintf("%.0f days", seconds / 86400);
}

static void print_rows(const struct row *rows)
{
	struct fl_table *t = fl_table_new();

	fl_table_col(t, "RESOURCE", FL_LEFT);
	fl_table_col(t, "NOW", FL_RIGHT);
	fl_table_col(t, "LIMIT", FL_RIGHT);
	fl_table_col(t, "USED", FL_RIGHT);
	fl_table_col(t, "GROWTH", FL_RIGHT);
	fl_table_col(t, "FULL IN", FL_RIGHT);
	fl_table_col(t, "LIMITED BY", FL_LEFT);
	fl_table_col(t, "", FL_LEFT);
	for (int i = 0; i < FL_RESOURCES; i++) {
		const struct row *r = &rows[i];
		char *full;

		if (r->use->unknown)
			continue;
		full = duration(r->full_in);
		fl_table_cell(t, "%s", fl_resources[i].name);
		fl_table_cell(t, "%" PRIu64, r->use->now);
		fl_table_cell(t, "%" PRIu64, r->use->limit);
		fl_table_cell(t, "%.1f %%", r->percent);
		if (opt_interval)
			fl_table_cell(t, "%+.0f/s", r->growth);
		else
			fl_table_cell(t, "-");
		fl_table_cell(t, "%s", full);
		fl_table_cell(t, "%s", fl_resources[i].key);
		fl_table_cell(t, "%s", r->use->where ? r->use->where : "");
		free(full);
	}
	fl_table_print(t, stdout);
	for (int i = 0; i < FL_RESOURCES; i++)
		if (rows[i].use->unknown)
			printf("unknown: %s: %s\n", fl_resources[i].name, rows[i].use->unknown);
	for (int i = 0; i < FL_RESOURCES; i++)
		if (rows[i].above)
			printf("%swarning%s: %s is %.1f %% full: raise %s, or find out who takes them\n",
			       fl_colour(FL_RED), fl_colour(FL_PLAIN), fl_resources[i].name,
			       rows[i].percent, fl_resources[i].key);
}

static void json_double(struct json_object *o, const char *key, double val)
{
	char text[64];

	snprintf(text, sizeof(text), "%.3f", val);
	json_object_object_add(o, key, json_object_new_double_s(val, text));
}

static void json_rows(const struct row *rows)
{
	struct json_object *doc = fl_json_new(JSON_SCHEMA), *array = json_object_new_array();

	fl_json_int(doc, "above_percent", opt_above);
	fl_json_int(doc, "interval_seconds", opt_interval);
	for (int i = 0; i < FL_RESOURCES; i++) {
		struct json_object *o = json_object_new_object();
		const struct row *r = &rows[i];
		bool known = !r->use->unknown;

		fl_json_str(o, "resource", fl_resources[i].name);
		fl_json_str(o, "unit", fl_resources[i].unit);
		fl_json_str(o, "limited_by", fl_resources[i].key);
		if (known) {
			fl_json_u64(o, "now", r->use->now);
			fl_json_u64(o, "limit", r->use->limit);
			json_double(o, "percent", r->percent);
		} else {
			fl_json_str(o, "now", NULL);
			fl_json_str(o, "limit", NULL);
			fl_json_str(o, "percent", NULL);
		}
		fl_json_bool(o, "above", r->above);
		if (known && opt_interval)
			json_double(o, "growth_per_second", r->growth);
		else
			fl_json_str(o, "growth_per_second", NULL);
		if (known && r->full_in >= 0)
			json_double(o, "full_in_seconds", r->full_in);
		else
			fl_json_str(o, "full_in_seconds", NULL);
		fl_json_str(o, "where", r->use->where);
		fl_json_str(o, "unknown", r->use->unknown);
		json_object_array_add(array, o);
	}
	json_object_object_add(doc, "resources", array);
	fl_json_print(doc);
}

static void print_family(FILE *f, const struct fl_use *use, const char *name, const char *help,
			 bool limit)
{
	fprintf(f, "# TYPE %s gauge\n# HELP %s %s\n", name, name, help);
	for (int i = 0; i < FL_RESOURCES; i++)
		if (!use[i].unknown)
			fprintf(f, "%s{resource=\"%s\"} %" PRIu64 "\n", name, fl_resources[i].name,
				limit ? use[i].limit : use[i].now);
}

/* Half of this is known only to who walks over processes and sockets, so that the kernel cannot count it
 * for the metrics file: that prints what was last put there, and when that was. */
static int write_metrics(const struct fl_use *use)
{
	struct fl_metrics_gauge g[2 * FL_RESOURCES + 1];
	size_t n = 0;

	for (int i = 0; i < FL_RESOURCES; i++) {
		g[n++] = (struct fl_metrics_gauge){ FL_USED_CONNTRACK + i,
						    use[i].unknown ? FL_METRICS_NO_VALUE :
								     use[i].now };
		g[n++] = (struct fl_metrics_gauge){ FL_LIMIT_CONNTRACK + i,
						    use[i].unknown ? FL_METRICS_NO_VALUE :
								     use[i].limit };
	}
	g[n++] = (struct fl_metrics_gauge){ FL_LOOKED_AT, (uint64_t)time(NULL) };
	return fl_metrics_gauges(FL_BY_PRESSURE, g, n);
}

static int write_textfile(const struct fl_use *use)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err;

	if (!f)
		return fl_fail("tune pressure: out of memory");
	print_family(f, use, "fairlead_resource_used",
		     "What is in use of a resource that can run out.", false);
	print_family(f, use, "fairlead_resource_limit", "How much of the resource there can be.",
		     true);
	fputs("# EOF\n", f);
	fclose(f);
	err = fl_file_write(opt_textfile, text, len, 0644);
	free(text);
	return err ? fl_fail("%s: cannot write: %s", opt_textfile, strerror(-err)) : FL_OK;
}

static double monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int fl_tune_pressure(int argc, char **argv)
{
	struct fl_use first[FL_RESOURCES] = { 0 }, last[FL_RESOURCES];
	struct row rows[FL_RESOURCES];
	double start = monotonic(), seconds = 0;
	bool above = false;
	unsigned int hidden;
	int ret;

	(void)argc;
	(void)argv;
	if (opt_above > 100)
		return fl_usage("--above: %u is more than 100 percent", opt_above);
	if (!!opt_textfile + opt_metrics + fl_json > 1)
		return fl_usage("tune pressure: only one of --metrics, --textfile and --json");
	if (opt_textfile || opt_metrics)
		opt_interval = 0; /* who reads the file sees the growth */
	if (opt_interval) {
		fl_pressure_read(first);
		sleep(opt_interval);
		seconds = monotonic() - start;
	}
	hidden = fl_pressure_read(last);
	if (hidden)
		fl_warn("tune pressure: %u process%s may not be looked at, even by root; inotify and maps are without them",
			hidden, hidden == 1 ? "" : "es");
	if (opt_textfile || opt_metrics) {
		ret = opt_metrics ? write_metrics(last) : write_textfile(last);
		fl_pressure_free(last);
		return ret;
	}
	for (int i = 0; i < FL_RESOURCES; i++) {
		rows[i] = compute(&first[i], &last[i], seconds);
		above |= rows[i].above;
	}
	if (fl_json)
		json_rows(rows);
	else
		print_rows(rows);
	fl_pressure_free(first);
	fl_pressure_free(last);
	return above ? FL_DEGRADED : FL_OK;
}

const struct fl_opt fl_tune_pressure_opts[] = {
	{ 0, "above", FL_OPT_UINT, &opt_above, "PERCENT",
	  "end with status 3 when something is as full as this (80)" },
	{ 'i', "interval", FL_OPT_UINT, &opt_interval, "SECONDS",
	  "look twice, so far apart, for the growth (1); 0: once" },
	{ 'm', "metrics", FL_OPT_FLAG, &opt_metrics, NULL,
	  "put it into the metrics file, and print nothing" },
	{ 't', "textfile", FL_OPT_STR, &opt_textfile, "FILE",
	  "write it for node_exporter's textfile collector" },
	{ 0 },
};
