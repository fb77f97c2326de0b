/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_H
#define FL_METRICS_H

#include "bpf/metrics_shared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The metrics file, /sys/fs/bpf/fairlead/metrics: counters of the lane interfaces, kept by BPF
 * programs and printed by a BPF iterator, so that no process has to run.
 *
 * Everything lives in the bpffs that is mounted at /sys/fs/bpf of the caller's mount namespace and
 * in the interfaces of its network namespace. All functions print their own messages and return
 * enum fl_exit.
 */

/* Root reads it, and a group if it is allowed to; there is nothing else to do with it. */
#define FL_METRICS_FILE "/sys/fs/bpf/fairlead/metrics"

struct fl_mesh;
struct fl_node;

/*
 * Load and pin what is not there yet, make peers and prefixes those of the mesh (all nodes but
 * self), and attach to the lane interface ifname. Call it once a lane. Idempotent: programs are
 * replaced in place, counters of peers that stay (same public key) are kept. Pins of another
 * layout are replaced, with a warning, and count from zero.
 */
int fl_metrics_attach(const struct fl_mesh *mesh, const struct fl_node *self, const char *ifname);

/* The same, but FL_OK and nothing done where no metrics are pinned: for `mesh up`. */
int fl_metrics_sync(const struct fl_mesh *mesh, const struct fl_node *self, const char *ifname);

/*
 * Let this group read the file, and nothing else; "root" takes it back. The right stays when the
 * file is replaced and goes with fl_metrics_detach(). The file must be there.
 */
int fl_metrics_allow(const char *group);

/* Take our programs off every interface of this network namespace and remove all pins. FL_OK if
 * there was nothing. */
int fl_metrics_detach(void);

/*
 * Count what fairlead.ko does, or stop that, which must be before it is unloaded: it cannot be while a
 * program sits on its tracepoints. FL_OK and nothing done where no metrics are pinned.
 */
int fl_metrics_module(bool on);

/* What `tune watch` counts comes into the file, or leaves it. The caller holds the lock of the pins
 * (fl_bpffs_lock()) and has pinned, or removed, its maps. The file need not have been there, and goes
 * when nothing else is in it. */
int fl_metrics_tune(bool on);

/* Gauges that are not counted but looked at, by FL_GAUGE's numbers, and with them their families. */
struct fl_metrics_gauge {
	uint32_t number;
	uint64_t value; /* FL_METRICS_NO_VALUE: none */
};
int fl_metrics_gauges(enum fl_metrics_collector by, const struct fl_metrics_gauge *gauges,
		      size_t n);

/* Whether kernel parameters drifted, in place of what was said before; value is 0 or 1. */
struct fl_metrics_verified {
	const char *name;
	bool drifted;
};
int fl_metrics_drift(const struct fl_metrics_verified *keys, size_t n);

struct fl_metrics_status {
	bool pinned;	       /* the file and its maps are there, in this version's layout */
	bool attached;	       /* both programs of these pins are on the interface asked about */
	unsigned int peers;    /* that are counted */
	unsigned int prefixes; /* that lead to a peer */
};

/* Read only and silent. False if nothing is pinned or it cannot be read (no root). */
bool fl_metrics_status(const char *ifname, struct fl_metrics_status *st);

#endif
