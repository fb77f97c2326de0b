// SPDX-License-Identifier: GPL-2.0
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
#include "../../tools/metrics/histogram.h"

/* "le=count le=count ..." */
static struct fl_histogram make(const char *buckets)
{
	struct fl_histogram h = { 0 };
	double count = 0;
	char le[32];
	int used;

	while (sscanf(buckets, " %31[^=]=%lf%n", le, &count, &used) == 2) {
		struct fl_label label = { "le", le };
		char *value = fl_asprintf("%.0f", count);
		struct fl_sample s = { "_bucket", &label, 1, value };

		fl_histogram_add(&h, &s);
		free(value);
		buckets += used;
	}
	fl_histogram_add(&h, &(struct fl_sample){ "_sum", NULL, 0, (char *)"7.5" });
	fl_histogram_add(&h, &(struct fl_sample){ "_count", NULL, 0,
						  count ? (char *)"10" : (char *)"0" });
	return h;
}

/* The expected values are what Prometheus' histogram_quantile() says of the same buckets. */
static void test_quantiles(void **state)
{
	static const struct {
		const char *buckets;
		double q, want;
	} cases[] = {
		{ "0.001=5 0.01=9 +Inf=10", 0.5, 0.001 },
		{ "0.001=5 0.01=9 +Inf=10", 0.25, 0.0005 },
		{ "0.001=5 0.01=9 +Inf=10", 0.7, 0.0055 },
		{ "0.001=5 0.01=9 +Inf=10", 0.99, 0.01 },
		{ "1=0 2=10 +Inf=10", 0.05, 1.05 },
		{ "1=0 2=10 +Inf=10", 1, 2 },
		{ "-1=5 1=10 +Inf=10", 0.1, -1 },
		{ "1=0 +Inf=10", 0.5, 1 },
		{ "+Inf=10", 0.5, NAN },
		{ "1=0 +Inf=0", 0.5, NAN },
		{ "", 0.5, NAN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_histogram h = make(cases[i].buckets);
		double got = fl_histogram_quantile(&h, cases[i].q);

		if (isnan(cases[i].want) ? !isnan(got) : !(fabs(got - cases[i].want) < 1e-9))
			fail_msg("case %zu: %g, want %g", i, got, cases[i].want);
	}
}

static void test_disorder(void **state)
{
	struct fl_histogram h = make("1=5 1=6 0.5=7 2=4 nonsense=8 3=9");

	(void)state;
	assert_int_equal(h.n, 2); /* 1 and 3; "nonsense" is 0 */
	assert_true(h.le[0] == 1 && h.at[0] == 5 && h.le[1] == 3 && h.at[1] == 9);
	assert_true(h.sum == 7.5);
	memset(&h, 0, sizeof(h));
	for (int i = 0; i < 2 * FL_BUCKETS_MAX; i++) {
		char *le = fl_asprintf("%d", i);
		struct fl_label label = { "le", le };

		fl_histogram_add(&h, &(struct fl_sample){ "_bucket", &label, 1, le });
		free(le);
	}
	assert_int_equal(h.n, FL_BUCKETS_MAX);
}

static void test_since(void **state)
{
	struct fl_histogram then = make("1=5 2=9 +Inf=10"), now = then, d;

	(void)state;
	now.at[1] += 4;
	now.at[2] += 4;
	now.count += 4;
	d = fl_histogram_since(&now, &then);
	assert_true(d.count == 4 && d.at[0] == 0 && d.at[1] == 4 && d.at[2] == 4);
	assert_true(fl_histogram_quantile(&d, 0.5) == 1.5);
	/* A reset, and other bounds. */
	d = fl_histogram_since(&then, &now);
	assert_true(d.count == then.count && d.at[2] == then.at[2]);
	now.le[0] = 0.5;
	d = fl_histogram_since(&now, &then);
	assert_true(d.count == now.count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_disorder),
		cmocka_unit_test(test_since),
	};

	return cmocka_run_group_tests_name("metrics, histograms", tests, NULL, NULL);
}
