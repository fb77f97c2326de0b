// SPDX-License-Identifier: GPL-2.0
#include "../lib/cli.h"

const struct fl_verb fl_metrics_verbs[] = {
	{ 0 },
};
