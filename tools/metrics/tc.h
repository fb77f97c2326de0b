/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_TC_H
#define FL_METRICS_TC_H

#include <stdbool.h>

/*
 * Two programs on the clsact qdisc of an interface of this network namespace. They are the first
 * of all filters, so that what others drop afterwards has been counted, and have a handle that
 * nobody takes by counting from 1.
 */
struct fl_tc {
	const char *name[2]; /* of the program on ingress and on egress */
	int prog_fd[2];	     /* to attach; -1 to ask only */
	int map_fd; /* a pinned map that they use: those of other pins are not these. -1: any */
};

/* Both are there. */
bool fl_tc_attached(unsigned int ifindex, const struct fl_tc *tc);

/*
 * Attach, or replace in place, so that no packet passes by. Programs that are there already, the
 * same ones, are left. *made_clsact is set if the qdisc was not there before. Prints its messages,
 * returns enum fl_exit.
 */
int fl_tc_attach(unsigned int ifindex, const char *ifname, const struct fl_tc *tc,
		 bool *made_clsact);

/* Detach ours, if they are there; the qdisc stays. */
void fl_tc_detach(unsigned int ifindex, const struct fl_tc *tc);

/* Remove the qdisc, unless it carries a filter of anybody. */
void fl_tc_remove_clsact(unsigned int ifindex);

/* Are two programs the same instructions? By the tag that the kernel gives them. */
bool fl_same_prog(int prog_fd, const unsigned char *tag);

#endif
