// SPDX-License-Identifier: GPL-2.0
/*
 * How long a lane waits for more of a TCP stream before it passes on what it has decrypted.
 *
 * WireGuard's decrypting worker schedules the peer's NAPI for each packet, and the poll follows at
 * once: GRO sees one packet at a time and merges next to nothing. The kernel's own knob against this
 * is the device's gro_flush_timeout. Only full segments of a stream wait; whatever ends a write (PSH)
 * or is no TCP goes at once.
 */
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../mesh/plan.h"
#include "accel.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Our own value, by which we know that it was us; measured in docs/module.md. */
#define FLUSH_NS 20000

/* A number that sysfs tells of an interface, or -errno. */
static int64_t read_number(const char *name, const char *what)
{
	char path[64 + IFNAMSIZ], *text;
	int64_t value;
	int err;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	err = fl_file_read(path, 64, &text, NULL);
	if (err)
		return err;
	value = strtoll(text, NULL, 10);
	free(text);
	return value;
}

static int write_flush(const char *name, unsigned int ns)
{
	char *path = fl_asprintf("/sys/class/net/%s/gro_flush_timeout", name), text[16];
	int err;

	snprintf(text, sizeof(text), "%u\n", ns);
	err = fl_file_put(path, text);
	free(path);
	return err;
}

static int64_t flush_ns(const struct if_nameindex *names, const char *name)
{
	for (; names && names->if_index; names++) {
		if (strcmp(names->if_name, name) != 0)
			continue;
		/* /sys shows the network namespace of whoever mounted it. */
		if (read_number(name, "ifindex") != names->if_index)
			return -EXDEV;
		return read_number(name, "gro_flush_timeout");
	}
	return -ENODEV;
}

void fl_lanes_read(const char *first, struct fl_lane_wait out[FL_MESH_LANES])
{
	/* Not if_nametoindex(): the kernel starts modprobe for a name that is not there. */
	struct if_nameindex *names = if_nameindex();
	int err = names ? -ENODEV : -errno;

	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		out[i].flush_ns = err;
		if (fl_lane_name(first, i, out[i].name) && names)
			out[i].flush_ns = flush_ns(names, out[i].name);
	}
	if_freenameindex(names);
}

int fl_lanes_on(const char *first, unsigned int lanes)
{
	struct fl_lane_wait lane[FL_MESH_LANES];

	fl_lanes_read(first, lane);
	for (unsigned int i = 0; i < (lanes ? lanes : FL_MESH_LANES); i++) {
		const char *name = lane[i].name;
		int64_t err = lane[i].flush_ns;

		if (err == -ENODEV && !lanes && i)
			continue;
		/* Somebody's own value stays. */
		if (err == 0)
			err = write_flush(name, FLUSH_NS);
		if (err == -ENODEV)
			fl_warn("%s: there is no such lane yet: after `fairlead mesh up` say "
				"`fairlead accel on` again",
				name);
		else if (err == -EXDEV)
			fl_warn("%s: /sys belongs to another network namespace: cannot set "
				"gro_flush_timeout",
				name);
		else if (err < 0)
			fl_warn("%s: cannot set gro_flush_timeout: %s", name, strerror(-err));
		if (err < 0)
			return FL_DEGRADED;
	}
	return FL_OK;
}

void fl_lanes_off(const char *first)
{
	struct fl_lane_wait lane[FL_MESH_LANES];

	fl_lanes_read(first, lane);
	for (unsigned int i = 0; i < FL_MESH_LANES; i++) {
		if (lane[i].flush_ns == FLUSH_NS)
			write_flush(lane[i].name, 0);
	}
}
