// SPDX-License-Identifier: GPL-2.0
#include "lib/cli.h"

extern const struct fl_verb fl_mesh_verbs[], fl_tune_verbs[], fl_accel_verbs[], fl_metrics_verbs[],
	fl_top_verbs[];

const struct fl_object fl_objects[] = {
	{ "mesh", "the encrypted mesh between nodes", fl_mesh_verbs },
	{ "accel", "the kernel module and the BPF programs", fl_accel_verbs },
	{ "metrics", "what the kernel counts", fl_metrics_verbs },
	{ "top", "the same, live", fl_top_verbs },
	{ "tune", "kernel parameters", fl_tune_verbs },
	{ 0 },
};

int main(int argc, char **argv)
{
	return fl_cli_main(argc, argv, fl_objects);
}
