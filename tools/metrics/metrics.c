// SPDX-License-Identifier: GPL-2.0
#include "metrics.h"
#include "exposition.h"
#include "read.h"
#include "show.h"
#include "../lib/cli.h"
#include "../lib/json.h"
#include "../lib/msg.h"
#include "../lib/table.h"

static const char *file = FL_METRICS_FILE;

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

static const struct fl_opt show_opts[] = {
	{ 'f', "file", FL_OPT_STR, &file, "FILE", "read this instead of " FL_METRICS_FILE },
	{ 0 },
};

const struct fl_verb fl_metrics_verbs[] = {
	{ "", "", "Prints the node's metrics as tables", show_opts, 0, 0, show },
	{ "show", "", "print the node's metrics as tables", show_opts, 0, 0, show },
	{ 0 },
};
