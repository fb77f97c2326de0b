// SPDX-License-Identifier: GPL-2.0
#include "model.h"
#include "view.h"
#include "../lib/cli.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../metrics/exposition.h"
#include "../metrics/metrics.h"
#include "../metrics/read.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "fairlead: " /* of messages */

static const char *file = FL_METRICS_FILE;
static const char *sort = "total";
static const char *filter = "";
static unsigned int delay = 2;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * Take in a fresh reading. What the functions below would say on stderr, into the middle of the
 * screen, is returned instead, to be freed; NULL: all went well.
 */
static char *read_into(struct fl_top *t)
{
	struct fl_exposition *e;
	char *said = NULL;
	size_t len;

	fl_msg_stream = open_memstream(&said, &len);
	e = fl_metrics_read_parsed(file);
	if (fl_msg_stream)
		fclose(fl_msg_stream);
	fl_msg_stream = NULL;
	if (e) {
		fl_top_update(t, e, now_s());
		fl_exposition_free(e);
		free(said);
		return NULL;
	}
	if (said)
		said[strcspn(said, "\n")] = '\0';
	return said;
}

/* Until q or a signal. The terminal is ours. */
static void run(struct fl_view *v, struct fl_top *t, int signals)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };
	double next = now_s() + v->delay;
	char *message = NULL;

	for (;;) {
		enum fl_view_does does = FL_VIEW_NOTHING;
		double left;

		/* The bottom line says who speaks already. */
		v->message = message && !strncmp(message, PREFIX, strlen(PREFIX)) ?
				     message + strlen(PREFIX) :
				     message;
		fl_view_draw(v, t);
		do {
			left = next - now_s();
			/* A new size of the window ends it with EINTR, and is a key. */
			if (poll(fds, 2,
				 v->paused ? -1 :
				 left > 0  ? (int)(left * 1000) + 1 :
					     0) < 0 &&
			    errno != EINTR)
				return;
			if (fds[0].revents || (fds[1].revents & (POLLHUP | POLLERR)))
				return;
			/* All keys that are there, so that holding one down does not lag. */
			for (;;) {
				enum fl_view_does one = fl_view_key(v, t);

				if (one == FL_VIEW_NOTHING)
					break;
				if (one > does)
					does = one;
			}
		} while (does == FL_VIEW_NOTHING && (v->paused || now_s() < next));
		if (does == FL_VIEW_QUIT)
			break;
		if (does == FL_VIEW_READ || (!v->paused && now_s() >= next)) {
			free(message);
			message = read_into(t);
			next = now_s() + v->delay;
		}
	}
	free(message);
}

static int top(int argc, char **argv)
{
	struct fl_view view = { 0 };
	struct fl_top *t;
	int signals, ret;
	sigset_t set;
	char *said;

	(void)argc;
	(void)argv;
	if (fl_json)
		return fl_usage("top: has no JSON; `fairlead metrics --json` has");
	if (!delay || delay > 3600)
		return fl_usage("top: --delay: %u is not from 1 to 3600", delay);
	view.delay = delay;
	view.sort = fl_top_sort_parse(sort);
	if (view.sort == FL_N_SORTS)
		return fl_usage(
			"top: --sort: '%s' is none of total, rx, tx, rtt, handshake, state, name",
			sort);
	if (strlen(filter) >= sizeof(view.filter))
		return fl_usage("top: --filter: longer than %zu bytes", sizeof(view.filter) - 1);
	strcpy(view.filter, filter);

	/* What is wrong at first is said on the terminal as it was. */
	t = fl_top_new();
	said = read_into(t);
	if (said) {
		fprintf(stderr, "%s\n", said);
		free(said);
		fl_top_free(t);
		return FL_FAILED;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		ret = fl_fail("top: signalfd: %s", strerror(errno));
	} else {
		ret = fl_view_begin();
		if (!ret) {
			run(&view, t, signals);
			fl_view_end();
		}
		close(signals);
	}
	fl_top_free(t);
	return ret;
}

static const struct fl_opt opts[] = {
	{ 'd', "delay", FL_OPT_UINT, &delay, "SECONDS", "between two readings (2)" },
	{ 's', "sort", FL_OPT_STR, &sort, "COLUMN",
	  "by total, rx, tx, rtt, handshake, state or name" },
	{ 'F', "filter", FL_OPT_STR, &filter, "TEXT", "show peers with it in their name" },
	{ 'f', "file", FL_OPT_STR, &file, "FILE", "read this instead of " FL_METRICS_FILE },
	{ 0 },
};

const struct fl_verb fl_top_verbs[] = {
	{ "", "", "Shows peers, lanes and drops, live", opts, 0, 0, top },
	{ 0 },
};
