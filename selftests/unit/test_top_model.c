// SPDX-License-Identifier: GPL-2.0
/* What `fairlead top` makes of readings of the metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/lib/mem.h"
#include "../../tools/metrics/exposition.h"
#include "../../tools/top/model.h"

static void update(struct fl_top *t, double now, const char *text)
{
	char *whole = fl_asprintf("%s# EOF\n", text);
	struct fl_exposition *e = fl_exposition_parse("test", whole, strlen(whole));

	assert_non_null(e);
	fl_top_update(t, e, now);
	fl_exposition_free(e);
	free(whole);
}

static const struct fl_top_peer *find(const struct fl_top *t, const char *name)
{
	for (size_t i = 0; i < t->n_peers; i++)
		if (!strcmp(t->peers[i]->name, name))
			return t->peers[i];
	return NULL;
}

#define RX(peer, n) "fairlead_peer_receive_bytes_total{peer=\"" peer "\"} " #n "\n"
#define TX(peer, n) "fairlead_peer_transmit_bytes_total{peer=\"" peer "\"} " #n "\n"

static void test_rates(void **state)
{
	struct fl_top *t = fl_top_new();

	(void)state;
	update(t, 100, RX("a", 1000) RX("b", 18446744073709551000) TX("a", 5) TX("b", 0));
	assert_int_equal(t->n_peers, 2);
	assert_true(t->rx_bytes == 0 && t->rx.n == 0);
	update(t, 102, RX("a", 3000) RX("b", 18446744073709551600) TX("a", 5) TX("b", 20));
	assert_true(find(t, "a")->rx_bytes.per_s == 1000);
	assert_true(find(t, "b")->rx_bytes.per_s == 300); /* which a double would not see */
	assert_true(find(t, "b")->tx_bytes.per_s == 10);
	assert_true(t->rx_bytes == 1300 && t->tx_bytes == 10);
	assert_true(fl_history_at(&t->rx, 0) == 1300 && fl_history_at(&t->rx, 1) == 0);
	assert_true(fl_history_at(&find(t, "b")->bytes, 0) == 310);
	/* A reset is no rate; a new peer has none yet; one that went is gone. */
	update(t, 104, RX("a", 10) RX("c", 50) TX("a", 6) TX("c", 0));
	assert_true(find(t, "a")->rx_bytes.per_s == 0);
	assert_true(find(t, "a")->tx_bytes.per_s == 0.5);
	assert_true(find(t, "c")->rx_bytes.per_s == 0);
	assert_null(find(t, "b"));
	update(t, 105, RX("a", 12) RX("c", 51));
	assert_true(find(t, "a")->rx_bytes.per_s == 2 && find(t, "c")->rx_bytes.per_s == 1);
	/* No time between two readings is no infinite rate. */
	update(t, 105, RX("a", 13) RX("c", 52));
	assert_true(find(t, "a")->rx_bytes.per_s == 0);
	fl_top_free(t);
}

static void test_churn(void **state)
{
	struct fl_top *t = fl_top_new();

	(void)state;
	for (int round = 0; round < 40; round++) {
		char *text = fl_strdup("");

		for (int i = 0; i < (round * 7) % 23; i++) {
			char *more = fl_asprintf(
				"%sfairlead_peer_receive_bytes_total{peer=\"n%d\"} %d\n", text,
				i * (1 + round % 3), round);

			free(text);
			text = more;
		}
		update(t, round, text);
		assert_int_equal(t->n_peers, (round * 7) % 23);
		free(text);
	}
	fl_top_free(t);
}

static void test_history(void **state)
{
	struct fl_history h = { 0 };
	struct fl_top *t = fl_top_new();

	(void)state;
	assert_true(fl_history_at(&h, 0) == 0);
	for (int i = 0; i <= 2 * FL_TOP_HISTORY; i++) {
		char *text = fl_asprintf("fairlead_peer_receive_bytes_total{peer=\"a\"} %d\n",
					 i * (i + 1) / 2);

		update(t, i, text);
		free(text);
	}
	assert_true(fl_history_at(&t->rx, 0) == 2 * FL_TOP_HISTORY);
	assert_true(fl_history_at(&t->rx, FL_TOP_HISTORY - 1) == FL_TOP_HISTORY + 1);
	assert_true(fl_history_at(&t->rx, FL_TOP_HISTORY) == 0);
	fl_top_free(t);
}

#define RTT(sum, count)                                                                            \
	"# TYPE fairlead_peer_rtt_seconds summary\n"                                               \
	"fairlead_peer_rtt_seconds_sum{peer=\"a\"} " #sum                                          \
	"\nfairlead_peer_rtt_seconds_count{peer=\"a\"} " #count "\n"

static void test_rtt(void **state)
{
	struct fl_top *t = fl_top_new();

	(void)state;
	update(t, 0, RX("a", 0));
	assert_true(isnan(find(t, "a")->rtt) && !t->has_peer_rtt);
	update(t, 1, RX("a", 0) RTT(0, 0));
	assert_true(isnan(find(t, "a")->rtt) && t->has_peer_rtt);
	update(t, 2, RX("a", 0) RTT(0.5, 5));
	assert_true(fabs(find(t, "a")->rtt - 0.1) < 1e-9);
	update(t, 3, RX("a", 0) RTT(0.9, 7)); /* of the two new ones */
	assert_true(fabs(find(t, "a")->rtt - 0.2) < 1e-9);
	update(t, 4, RX("a", 0) RTT(0.9, 7)); /* none: the last stands */
	assert_true(fabs(find(t, "a")->rtt - 0.2) < 1e-9);
	update(t, 5, RX("a", 0) RTT(0.3, 3)); /* reset */
	assert_true(fabs(find(t, "a")->rtt - 0.1) < 1e-9);
	update(t, 6, RX("a", 0));
	assert_false(t->has_peer_rtt);
	fl_top_free(t);
}

static void test_node(void **state)
{
	static const char before[] = "# TYPE fairlead_lane_receive_bytes_total counter\n"
				     "fairlead_lane_receive_bytes_total{lane=\"fl0\"} 0\n"
				     "fairlead_lane_receive_bytes_total{lane=\"fl1\"} 0\n"
				     "# TYPE fairlead_wireguard_drops_total counter\n"
				     "fairlead_wireguard_drops_total{reason=\"no_session\"} 4\n"
				     "# TYPE fairlead_unmatched_transmit_packets_total counter\n"
				     "fairlead_unmatched_transmit_packets_total 0\n"
				     "# TYPE fairlead_unmatched_transmit_bytes_total counter\n"
				     "fairlead_unmatched_transmit_bytes_total 0\n"
				     "# TYPE fairlead_resource_used gauge\n"
				     "fairlead_resource_used{resource=\"files\"} 10\n"
				     "fairlead_resource_used{resource=\"conntrack\"} 50\n"
				     "# TYPE fairlead_resource_limit gauge\n"
				     "fairlead_resource_limit{resource=\"files\"} 100\n"
				     "fairlead_resource_limit{resource=\"conntrack\"} 100\n"
				     "# TYPE fairlead_rtt_seconds histogram\n"
				     "fairlead_rtt_seconds_bucket{le=\"1\"} 0\n"
				     "fairlead_rtt_seconds_bucket{le=\"2\"} 9\n"
				     "fairlead_rtt_seconds_bucket{le=\"+Inf\"} 9\n";
	static const char after[] = "# TYPE fairlead_lane_receive_bytes_total counter\n"
				    "fairlead_lane_receive_bytes_total{lane=\"fl1\"} 20\n"
				    "# TYPE fairlead_wireguard_drops_total counter\n"
				    "fairlead_wireguard_drops_total{reason=\"no_session\"} 10\n"
				    "fairlead_wireguard_drops_total{reason=\"new\"} 10\n"
				    "# TYPE fairlead_rtt_seconds histogram\n"
				    "fairlead_rtt_seconds_bucket{le=\"1\"} 10\n"
				    "fairlead_rtt_seconds_bucket{le=\"2\"} 19\n"
				    "fairlead_rtt_seconds_bucket{le=\"+Inf\"} 19\n";
	struct fl_top *t = fl_top_new();

	(void)state;
	update(t, 0, before);
	assert_int_equal(t->n_lanes, 2);
	assert_int_equal(t->n_events, 2); /* bytes are no event besides packets */
	assert_string_equal(t->events[0].name, "wireguard no_session");
	assert_string_equal(t->events[1].name, "unmatched transmit packets");
	assert_int_equal(t->n_gauges, 2); /* the fullest first */
	assert_string_equal(t->gauges[0].name, "conntrack");
	assert_true(fl_top_percent(&t->gauges[0]) == 50 && t->has_rtt);
	update(t, 2, after);
	assert_int_equal(t->n_lanes, 1);
	assert_true(t->lanes[0].rx_bytes.per_s == 10);
	assert_int_equal(t->n_events, 2);
	assert_true(t->events[0].count.per_s == 3 && t->events[1].count.per_s == 0);
	assert_int_equal(t->n_gauges, 0);
	/* Only what came since: all ten below 1 s. */
	assert_true(fl_histogram_quantile(&t->rtt, 1) == 1);
	update(t, 3, "");
	assert_false(t->has_rtt);
	fl_top_free(t);
}

#define ORDER(peer, rx, tx, rtt, state, hs)                                                        \
	"fairlead_peer_receive_bytes_total{peer=\"" peer "\"} " #rx "\n",                          \
		"fairlead_peer_transmit_bytes_total{peer=\"" peer "\"} " #tx "\n",                 \
		"fairlead_peer_rtt_seconds_sum{peer=\"" peer "\"} " #rtt "\n"                      \
		"fairlead_peer_rtt_seconds_count{peer=\"" peer "\"} 1\n",                          \
		"fairlead_peer_state{peer=\"" peer "\"} " #state "\n",                             \
		"fairlead_peer_last_handshake_time_seconds{peer=\"" peer "\"} " #hs "\n"

static void test_order(void **state)
{
	static const char *const peers[][5] = { { ORDER("node-10", 10, 90, 2, 2, 1000) },
						{ ORDER("node-2", 30, 0, 1, 0, 0) },
						{ ORDER("Other", 20, 5, 3, 1, 900) } };
	static const struct {
		enum fl_top_sort sort;
		bool reverse;
		const char *filter, *want;
	} cases[] = {
		{ FL_SORT_TOTAL, false, "", "node-10 node-2 Other " },
		{ FL_SORT_TOTAL, true, "", "Other node-2 node-10 " },
		{ FL_SORT_RX, false, "", "node-2 Other node-10 " },
		{ FL_SORT_TX, false, "", "node-10 Other node-2 " },
		{ FL_SORT_RTT, false, "", "Other node-10 node-2 " },
		{ FL_SORT_HANDSHAKE, false, "", "node-2 Other node-10 " },
		{ FL_SORT_STATE, false, "", "node-2 Other node-10 " },
		{ FL_SORT_NAME, false, "", "Other node-2 node-10 " },
		{ FL_SORT_NAME, true, "", "node-10 node-2 Other " },
		{ FL_SORT_NAME, false, "NODE", "node-2 node-10 " },
		{ FL_SORT_NAME, false, "-2", "node-2 " },
		{ FL_SORT_NAME, false, "x", "" },
	};
	static const char *const heads[] = { "", "", "# TYPE fairlead_peer_rtt_seconds summary\n",
					     "", "" };
	const struct fl_top_peer *out[3];
	struct fl_top *t = fl_top_new();
	char *text = fl_strdup("");

	(void)state;
	update(t, 0,
	       RX("node-10", 0) RX("node-2", 0) RX("Other", 0) TX("node-10", 0) TX("node-2", 0)
		       TX("Other", 0));
	for (int f = 0; f < 5; f++) {
		char *more = fl_asprintf("%s%s%s%s%s", text, heads[f], peers[0][f], peers[1][f],
					 peers[2][f]);

		free(text);
		text = more;
	}
	update(t, 1, text);
	free(text);
	assert_int_equal(t->up, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[64] = "";
		size_t n = fl_top_order(t, cases[i].sort, cases[i].reverse, cases[i].filter, out);

		for (size_t j = 0; j < n; j++)
			strcat(strcat(got, out[j]->name), " ");
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu: %s", i, got);
	}
	for (int i = 0; i < FL_N_SORTS; i++)
		assert_int_equal(fl_top_sort_parse(fl_top_sort_name(i)), i);
	assert_int_equal(fl_top_sort_parse("size"), FL_N_SORTS);
	fl_top_free(t);
}

static void test_text(void **state)
{
	static const struct {
		double val;
		const char *si, *seconds;
	} cases[] = {
		{ 0, "0", "0 us" },
		{ 0.0001, "0", "100 us" },
		{ 0.0009996, "0", "1.00 ms" },
		{ 0.01234, "0", "12.3 ms" },
		{ 0.09996, "0", "100 ms" },
		{ 0.9996, "1", "1 s" },
		{ 999.4, "999", "999 s" },
		{ 999.6, "1.00k", NULL },
		{ 12345, "12.3k", NULL },
		{ 99960, "100k", NULL },
		{ 999600, "1.00M", NULL },
		{ 1.5e9, "1.50G", NULL },
		{ 2e18, "2.00E", NULL },
		{ 5e21, "5000E", NULL },
		{ NAN, NULL, "-" },
	};
	static const struct {
		double when;
		const char *want;
	} ages[] = {
		{ 0, "never" },		 { NAN, "-" },
		{ 1e6, "0s" },		 { 1e6 + 5, "0s" },
		{ 1e6 - 59, "59s" },	 { 1e6 - 192, "3m12s" },
		{ 1e6 - 7500, "2h05m" }, { 1e6 - 90000, "1d01h" },
		{ 1, "11d13h" },
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (cases[i].si)
			assert_string_equal(fl_top_si(buf, cases[i].val), cases[i].si);
		if (cases[i].seconds)
			assert_string_equal(fl_top_seconds(buf, cases[i].val), cases[i].seconds);
	}
	for (size_t i = 0; i < sizeof(ages) / sizeof(*ages); i++)
		assert_string_equal(fl_top_age(buf, ages[i].when, 1e6), ages[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),	cmocka_unit_test(test_churn),
		cmocka_unit_test(test_history), cmocka_unit_test(test_rtt),
		cmocka_unit_test(test_node),	cmocka_unit_test(test_order),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("top, the model", tests, NULL, NULL);
}
