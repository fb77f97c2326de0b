// SPDX-License-Identifier: GPL-2.0
#include "../lib/cli.h"

const struct fl_verb fl_mesh_verbs[] = {
	{ 0 },
};
