/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_GUARD_H
#define FL_TUNE_GUARD_H

#include "owner.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The program that watches writes to kernel parameters, and the maps behind it:
 *
 *	/sys/fs/bpf/fairlead/tune_watch		the link to the root of the control groups
 *	/sys/fs/bpf/fairlead/tune_announce	what a process of Fairlead runs before it writes
 *	/sys/fs/bpf/fairlead/maps/sysctl_*
 *
 * It works until it is removed or the machine goes down, whether or not a fairlead runs. Functions
 * print their own messages and return enum fl_exit unless they say otherwise.
 */
#define FL_GUARD_LINK "/sys/fs/bpf/fairlead/tune_watch"

/*
 * Watch exactly these keys (canonical names; the interface's part may be "*" or "PREFIX*"), for the
 * caller's namespaces. Counters of keys that were watched before go on. `who` begins the messages.
 */
int fl_guard_set(char *const *keys, int n, bool enforce, const struct fl_owners *owners);

/* Stop watching and remove all pins. *was: there was something to stop. */
int fl_guard_remove(bool *was);

/* Before writing keys: tell the program that this process may. FL_OK if nothing is watched. */
int fl_guard_announce(void);

enum fl_guard_map {
	FL_GUARD_CONF,
	FL_GUARD_STATE,
	FL_GUARD_NAMES,
	FL_GUARD_SLOTS,
	FL_GUARD_COUNTS,
	FL_GUARD_OWNERS,
	FL_GUARD_SELF,
	FL_GUARD_EVENTS,
	FL_GUARD_MAPS,
};

/* What is there, opened for reading. */
struct fl_guard {
	int map[FL_GUARD_MAPS];
	struct fl_sysctl_conf conf;
};

/* False, without a message, if nothing of this version is installed. */
bool fl_guard_open(struct fl_guard *g);
void fl_guard_close(struct fl_guard *g);

/* The number of the next event. */
uint64_t fl_guard_next(const struct fl_guard *g);

enum fl_guard_read {
	FL_GUARD_READ,
	FL_GUARD_NOT_YET, /* is being written */
	FL_GUARD_LOST,	  /* later ones have taken its place */
};

enum fl_guard_read fl_guard_event(const struct fl_guard *g, uint64_t number,
				  struct fl_sysctl_event *e);

/* Key and counts of a slot; false: it is not in use, though its name may still be that of old events. */
bool fl_guard_slot(const struct fl_guard *g, unsigned int slot, struct fl_sysctl_slot *key,
		   struct fl_sysctl_counts *counts);

#endif
