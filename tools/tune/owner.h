/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_OWNER_H
#define FL_TUNE_OWNER_H

#include "bpf/sysctl_shared.h"

/*
 * Declared owners of watched keys: a comma-separated list of
 *
 *	/system.slice/kubelet.service	whatever runs in that control group or below
 *	kube-proxy			processes of that name, anywhere
 *	kube-proxy@/kubepods.slice	processes of that name, in that group or below
 *
 * turned into the tree that the program follows. A node's number is made from its path, so that
 * entries of two lists do not depend on each other and one can become the other step by step.
 */
struct fl_owners {
	struct fl_owner_entry {
		struct fl_sysctl_step step;
		struct fl_sysctl_node node;
	} * e;
	int n;
	char **names; /* as they were given */
	int n_names;
};

/*
 * Add a list to *o (zeroed before the first). Returns 0, or -1 with *why pointing to a static text,
 * and *at, *len to the part of `text` that it is about.
 */
int fl_owners_parse(struct fl_owners *o, const char *text, const char **why, const char **at,
		    int *len);

void fl_owners_free(struct fl_owners *o);

#endif
