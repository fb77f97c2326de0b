/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_RENDER_H
#define FL_TUNE_RENDER_H

#include "plan.h"
#include "../lib/cli.h"

/* Profiles as files that systemd's own programs apply at boot, for images. */

enum fl_render_file {
	FL_RENDER_SYSCTL,  /* usr/lib/sysctl.d/90-fairlead.conf */
	FL_RENDER_MODULES, /* usr/lib/modules-load.d/fairlead.conf */
	FL_RENDER_UDEV,	   /* usr/lib/udev/rules.d/90-fairlead.rules */
	FL_RENDER_FILES,
};

extern const char *const fl_render_paths[FL_RENDER_FILES];

/* The texts of the files, from an evaluated plan; they belong to the caller. Pure. `profiles` is for
 * the heading. */
void fl_render_texts(const struct fl_tune_plan *plan, const char *profiles,
		     char *text[FL_RENDER_FILES]);

/* `fairlead tune render`. */
extern const struct fl_opt fl_tune_render_opts[];
int fl_tune_render(int argc, char **argv);

#endif
