/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_ACCEL_H
#define FL_ACCEL_H

#include "../mesh/plan.h"

#include <fairlead.h>
#include <stdbool.h>
#include <stdint.h>

/* What the module says of one network namespace. */
struct fl_module_state {
	char version[32];
	uint32_t namespaces; /* in which it is on */
	uint32_t receivers;  /* sockets whose datagrams are merged on receipt */
	struct fl_port_range {
		uint16_t first, last;
	} * ports;
	unsigned int n_ports;
	uint64_t stat[__FAIRLEAD_STAT_MAX];
	uint64_t bursts[FAIRLEAD_BURST_BUCKETS];
};

/* module.c. Negative errno; -ENOENT: the module is not loaded. `said` is of 256 bytes. */
int fl_module_get(struct fl_module_state *st, char *said);
int fl_module_set(const struct fl_port_range *ports, unsigned int n, char *said);
void fl_module_state_free(struct fl_module_state *st);

/* A reply to FAIRLEAD_CMD_GET, added to a zeroed *st. Unknown and malformed attributes are passed
 * over. */
struct nlmsghdr;
void fl_module_parse(const struct nlmsghdr *nlh, struct fl_module_state *st);

/* load.c: the kernel's module loader. path NULL: where depmod put it. Prints what is wrong,
 * returns enum fl_exit. */
int fl_module_load(const char *path);
int fl_module_unload(void);

#endif
