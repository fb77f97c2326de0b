// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/mesh/stall.h"

#include <stdio.h>

/* What is counted from one look to the next, a second later unless said otherwise. */
struct step {
	int rx, tx;
	unsigned int seconds;
	bool stalled;
};

static void run(const char *what, const struct step *steps, size_t n)
{
	struct fl_peer peer = { .rx = 1000, .tx = 5000, .keepalive = 25 };
	struct fl_stall s = { 0 };
	int64_t now = 1000000;

	assert_false(fl_stalled(&s, &peer, now));
	for (size_t i = 0; i < n; i++) {
		peer.rx += steps[i].rx;
		peer.tx += steps[i].tx;
		now += (steps[i].seconds ? steps[i].seconds : 1) * 1000000LL;
		if (fl_stalled(&s, &peer, now) != steps[i].stalled)
			fail_msg("%s: step %zu", what, i);
	}
}

#define RUN(what, ...)                                                                             \
	run(what, (const struct step[]){ __VA_ARGS__ },                                            \
	    sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void stalls(void **state)
{
	(void)state;
	RUN("no answer at all", { 0, 128, 1, false }, { 0, 128, 14, false }, { 0, 0, 1, true },
	    { 0, 148, 5, true });
	RUN("nothing but handshakes comes back", { 0, 96, 1, false }, { 92, 148, 5, false },
	    { 92, 148, 5, false }, { 148, 92 + 96, 6, true });
	RUN("an answer ends it", { 0, 96, 1, false }, { 0, 0, 15, true }, { 32, 0, 1, false },
	    { 0, 0, 20, false });
}

static void no_stalls(void **state)
{
	(void)state;
	RUN("nothing is sent", { 0, 0, 60, false }, { 0, 0, 60, false });
	RUN("keepalives want no answer", { 0, 32, 25, false }, { 0, 32, 25, false },
	    { 0, 64, 50, false });
	RUN("handshakes without data", { 0, 148, 5, false }, { 0, 148, 20, false },
	    { 92, 32, 20, false });
	RUN("it is answered", { 128, 128, 1, false }, { 32, 96, 20, false }, { 96, 0, 20, false });
	RUN("only receiving", { 1500, 32, 20, false }, { 1500, 32, 20, false });
	/* Removed and added again: the counters begin anew. */
	RUN("counters that go back", { 0, 96, 1, false }, { -500, -500, 20, false },
	    { 0, 0, 20, false });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stalls),
		cmocka_unit_test(no_stalls),
	};

	return cmocka_run_group_tests_name("mesh_stall", tests, NULL, NULL);
}
