// SPDX-License-Identifier: GPL-2.0
#include "metrics.h"
#include "exposition.h"
#include "listen.h"
#include "read.h"
#include "show.h"
#include "../lib/cli.h"
#include "../lib/file.h"
#include "../lib/json.h"
#include "../lib/msg.h"
#include "../lib/table.h"

#include <stdlib.h>
#include <string.h>

static const char *file = FL_METRICS_FILE;
static struct fl_list listen_on;
static const char *user = "nobody";
static const char *textfile;

static int show(int argc, char **argv)
{
	struct fl_exposition *e = fl_metrics_read_parsed(file);

	(void)argc;
	(void)argv;
	if (!e)
		return FL_FAILED;
	if (fl_json)
		fl_json_print(fl_metrics_json(e));
	else
		fl_metrics_print(e, stdout, fl_terminal_width());
	fl_exposition_free(e);
	return FL_OK;
}

/* For the textfile collector of node_exporter, which takes what is there for fresh: so an old text
 * must not outlive the metrics. */
static int write_textfile(void)
{
	size_t len;
	char *text;
	int err = fl_metrics_read(file, &text, &len), ret;

	if (err) {
		ret = fl_metrics_read_failed(file, err);
		err = fl_file_remove(textfile);
		if (err)
			fl_err("%s: cannot remove it: %s; what it says is old", textfile,
			       strerror(-err));
		return ret;
	}
	err = fl_file_write(textfile, text, len, 0644);
	free(text);
	return err ? fl_fail("%s: cannot write: %s", textfile, strerror(-err)) : FL_OK;
}

static int bare(int argc, char **argv)
{
	if (!!listen_on.n + !!textfile + fl_json > 1)
		return fl_usage("metrics: only one of --listen, --textfile and --json");
	if (textfile)
		return write_textfile();
	if (!listen_on.n)
		return show(argc, argv);
	return fl_metrics_listen(file, listen_on.items, listen_on.n, user);
}

static const struct fl_opt bare_opts[] = {
	{ 'f', "file", FL_OPT_STR, &file, "FILE", "read this instead of " FL_METRICS_FILE },
	{ 'l', "listen", FL_OPT_LIST, &listen_on, "ADDR:PORT",
	  "serve them over HTTP; also /PATH of a socket, or systemd; may be repeated" },
	{ 't', "textfile", FL_OPT_STR, &textfile, "FILE",
	  "write them for node_exporter's textfile collector" },
	{ 'u', "user", FL_OPT_STR, &user, "USER", "with --listen: as whom (nobody)" },
	{ 0 },
};

static const struct fl_opt show_opts[] = {
	{ 'f', "file", FL_OPT_STR, &file, "FILE", "read this instead of " FL_METRICS_FILE },
	{ 0 },
};

const struct fl_verb fl_metrics_verbs[] = {
	{ "", "", "Prints the node's metrics as tables, or serves them", bare_opts, 0, 0, bare },
	{ "show", "", "print the node's metrics as tables", show_opts, 0, 0, show },
	{ 0 },
};
