/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_COLLECT_H
#define FL_METRICS_COLLECT_H

#include "maps.h"

#include <stdbool.h>

/*
 * The collectors: programs besides those of the lanes. Each is of use without the others and can be
 * missing; then its families are not in the file, and fairlead_collector_attached says so.
 *
 * Links are pinned in FL_METRICS_LINKS under the names of their programs. The caller holds the lock
 * of the pins.
 */
#define FL_METRICS_LINKS "/sys/fs/bpf/fairlead/links"

struct fl_mesh;
struct bpf_object;

/* collect.c: attach what can be attached and is not yet; what is there in another version is
 * replaced without a gap. Handshakes of before are asked of the lane ifindex. Prints a warning for
 * each that cannot be had. */
void fl_collect(const struct fl_metrics_maps *maps, unsigned int ifindex);

/* The part of it that counts what fairlead.ko does, if that is loaded; and take it away again, without
 * which the module cannot be unloaded. What was counted stays. */
void fl_collect_module(const struct fl_metrics_maps *maps);
void fl_collect_module_stop(const struct fl_metrics_maps *maps);

/* Take all links away. */
void fl_collect_stop(void);

/* Let an object that is open and not loaded yet have the pinned maps. Returns 0 or -errno. */
int fl_collect_share(struct bpf_object *obj, const struct fl_metrics_maps *maps);

/* A collector counts, with this number; 0: it does not. Returns 0 or -errno. */
int fl_collect_set(const struct fl_metrics_maps *maps, enum fl_metrics_collector by,
		   unsigned int epoch);
/* Is it attached, from this very object file? Loading is slow, and `accel on` is run often. And: it
 * is, from now on. */
bool fl_collect_is(const struct fl_metrics_maps *maps, enum fl_metrics_collector by,
		   const void *object, size_t size);
void fl_collect_became(const struct fl_metrics_maps *maps, enum fl_metrics_collector by,
		       const void *object, size_t size);

unsigned int fl_collect_get(const struct fl_metrics_maps *maps, enum fl_metrics_collector by);

#endif
