/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_INVARIANT_H
#define FL_TUNE_INVARIANT_H

#include "plan.h"

/*
 * What must hold between keys, and between keys and the machine, for the node to work. A plan is
 * looked at as if it were applied: a key that it does not set counts with what the kernel holds.
 * Nothing here is an error: each is a warning that says what will go wrong and what to do.
 */

struct fl_warning {
	const char *invariant; /* its name, static */
	char *text;
};

struct fl_warnings {
	struct fl_warning *w;
	int n;
};

/* What the checks look at besides keys; tests bring their own. Any member may be NULL. */
struct fl_machine {
	const struct fl_fact *facts;
	/* Canonical text of a key that no setting sets, for the caller to free; NULL: not there. */
	char *(*read)(void *ctx, const struct fl_catalog *c, const char *name);
	/* Interfaces, ending with NULL, and what is known about one. */
	char **interfaces;
	bool (*routed_by_ra)(const char *interface);
	bool (*wireguard)(const char *interface);
	const char *kubelet_config; /* text of the kubelet's configuration file */
	void *ctx;
};

/* The machine we are on; fl_machine_free() releases it. */
void fl_machine_init(struct fl_machine *m, const struct fl_fact *facts);
void fl_machine_free(struct fl_machine *m);

/* Append the warnings for a plan (after fl_tune_compare()). */
void fl_invariants(struct fl_warnings *out, const struct fl_catalog *c,
		   const struct fl_tune_plan *plan, const struct fl_machine *m);

void fl_warnings_free(struct fl_warnings *w);

/* The name of the i-th invariant, from 0; NULL after the last. */
const char *fl_invariant_name(int i);

#endif
