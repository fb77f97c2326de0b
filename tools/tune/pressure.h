/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_PRESSURE_H
#define FL_TUNE_PRESSURE_H

#include "../lib/cli.h"

#include <stdint.h>

/* What can run out, and how much of it is in use. */
enum fl_resource {
	FL_CONNTRACK,
	FL_NEIGH_IPV4,
	FL_NEIGH_IPV6,
	FL_INOTIFY_INSTANCES, /* of the user who has the most */
	FL_INOTIFY_WATCHES,   /* likewise */
	FL_PIDS,
	FL_PIDS_PODS, /* in the control group of all pods */
	FL_FILES,
	FL_PORTS_TCP, /* to the destination that takes the most */
	FL_PORTS_UDP,
	FL_MEMORY_TCP, /* pages */
	FL_MEMORY_UDP, /* pages */
	FL_MAPS,       /* of the process that has the most */
	FL_RESOURCES,
};

struct fl_use {
	uint64_t now, limit;
	const char *unknown; /* why nothing is known; then the rest is not set. NULL: known */
	char *where; /* whose, where it is somebody's; NULL: the machine's or the namespace's */
};

extern const struct fl_resource_info {
	const char *name, *key; /* which key is the limit */
	const char *unit;
} fl_resources[FL_RESOURCES];

/* Look at all of them; use fl_pressure_free() on what it fills in. Returns how many processes could not
 * be looked at: inotify and maps are then what the others have. */
unsigned int fl_pressure_read(struct fl_use use[FL_RESOURCES]);
void fl_pressure_free(struct fl_use use[FL_RESOURCES]);

/* `fairlead tune pressure`. */
extern const struct fl_opt fl_tune_pressure_opts[];
int fl_tune_pressure(int argc, char **argv);

#endif
