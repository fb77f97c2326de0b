// SPDX-License-Identifier: GPL-2.0
/*
 * The module comes and goes: `comego N A B` loads it, switches it on for port 51820 in the network namespaces
 * A and B, waits until it has sent and merged bursts in both, and unloads it without switching it off; N times.
 * By one process: under full traffic a shell's commands would take nearly all of the time.
 */
#include "../../tools/accel/accel.h"
#include "../../tools/lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE 20 /* seconds, times $SLOW, as of all that waits */

static const struct fl_port_range port = { 51820, 51820 };

__attribute__((noreturn)) static void die(int cycle, const char *what, const char *why)
{
	fprintf(stderr, "comego: cycle %d: %s: %s\n", cycle, what, why);
	exit(1);
}

static int open_netns(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(0, path, strerror(errno));
	return fd;
}

static void enter(int cycle, int netns)
{
	if (setns(netns, CLONE_NEWNET))
		die(cycle, "setns", strerror(errno));
}

static void switch_on(int cycle, int netns)
{
	char said[256] = "";
	int err;

	enter(cycle, netns);
	err = fl_module_set(&port, 1, said);
	if (err)
		die(cycle, "switch on", *said ? said : strerror(-err));
}

static void await_bursts(int cycle, int netns)
{
	const char *slow = getenv("SLOW");
	time_t end = time(NULL) + DEADLINE * (slow ? atoi(slow) : 1);
	struct fl_module_state st;
	char said[256] = "";
	bool seen;

	enter(cycle, netns);
	do {
		if (fl_module_get(&st, said))
			die(cycle, "state", said);
		seen = st.stat[FAIRLEAD_STAT_BURSTS] && st.stat[FAIRLEAD_STAT_RX_MERGED];
		fl_module_state_free(&st);
		if (!seen && time(NULL) > end)
			die(cycle, "no bursts", "is there traffic?");
		if (!seen)
			usleep(2000);
	} while (!seen);
}

int main(int argc, char **argv)
{
	int netns[2];

	if (argc != 4)
		die(0, "usage", "comego N A B");
	netns[0] = open_netns(argv[2]);
	netns[1] = open_netns(argv[3]);
	for (int cycle = 1; cycle <= atoi(argv[1]); cycle++) {
		if (fl_module_load(NULL) != FL_OK)
			die(cycle, "load", "see above");
		for (int i = 0; i < 2; i++)
			switch_on(cycle, netns[i]);
		for (int i = 0; i < 2; i++)
			await_bursts(cycle, netns[i]);
		if (fl_module_unload() != FL_OK)
			die(cycle, "unload", "see above");
	}
	return 0;
}
