// SPDX-License-Identifier: GPL-2.0
/*
 * bpf/metrics_queue.h and the buckets of bpf/metrics_values.h as plain C: the same functions, with a
 * clock and a map of this test. On a kernel with WireGuard selftests/vm/metrics.sh runs the real ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include "bpf/metrics_shared.h"

static __u64 now;
static struct fl_metrics_histogram histogram;

static void *lookup(const void *map, const __u32 *key)
{
	(void)map;
	return *key == FL_QUEUE_DECRYPT ? &histogram : NULL;
}

#define bpf_ktime_get_ns()	      now
#define bpf_map_lookup_elem(map, key) lookup(map, key)
#include "bpf/metrics_queue.h"

static __u64 observed(void)
{
	__u64 n = 0;

	for (int i = 0; i < FL_METRICS_BUCKETS; i++)
		n += histogram.bucket[i];
	return n;
}

static void test_buckets(void **state)
{
	(void)state;
	/* The smallest i with value <= 2^i. */
	for (__u64 value = 0; value < 70000; value++) {
		__u32 i = fl_bucket(value, 21);

		assert_true(value <= 1ULL << i);
		assert_true(!i || value > 1ULL << (i - 1));
	}
	assert_int_equal(fl_bucket(1 << 20, 21), 20);
	assert_int_equal(fl_bucket((1 << 20) + 1, 21), 21);
	assert_int_equal(fl_bucket(1 << 22, 21), 21);
	assert_int_equal(fl_bucket(1ULL << 40, 21), 21);
	assert_int_equal(fl_bucket(UINT64_MAX, 21), 21);
	assert_int_equal(fl_bucket(1000, 7), 7);
}

static int clear(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	now = 1000000;
	return 0;
}

/* One in so many, and each of those is found again. */
static void test_sampling(void **state)
{
	struct fl_queue q = { 0 };
	__u32 turn = 0, marked = 0;

	(void)state;
	for (__u64 i = 1; i <= 10 * FL_QUEUE_EVERY; i++) {
		__u64 skb = 0xffff888000000000ULL + (i << 8);

		marked += fl_queue_in(&q, &turn, skb);
		now += 5000;
		fl_queue_out(&q, skb, FL_QUEUE_DECRYPT);
		fl_queue_out(&q, skb, FL_QUEUE_DECRYPT); /* out once */
	}
	assert_int_equal(marked, 10);
	assert_int_equal(observed(), 10);
	assert_int_equal(histogram.sum, 10 * 5000);
	assert_int_equal(histogram.bucket[3], 10); /* 4 < 5 <= 8 us */
}

/* Many are inside at the same time, and come out in another order. */
static void test_inside_together(void **state)
{
	struct fl_queue q = { 0 };
	__u32 turn = 0;
	__u64 n = 0;

	(void)state;
	for (__u64 i = 0; i < 8; i++) {
		turn = FL_QUEUE_EVERY - 1;
		n += fl_queue_in(&q, &turn, 0xffff888000000000ULL + (i << 8));
	}
	now += 100000;
	for (__u64 i = 8; i-- > 0;)
		fl_queue_out(&q, 0xffff888000000000ULL + (i << 8), FL_QUEUE_DECRYPT);
	assert_int_equal(n, 8);
	assert_int_equal(observed(), 8);
	assert_int_equal(histogram.sum, 8 * 100000);
}

/* Its place was taken by another: it is lost, and the other one is right. */
static void test_place_taken(void **state)
{
	struct fl_queue q = { 0 };
	__u32 turn = FL_QUEUE_EVERY - 1;
	__u64 a = 0xffff888000000000ULL, b = a;

	(void)state;
	do
		b += 256;
	while (fl_queue_place(&q, b) != fl_queue_place(&q, a));
	fl_queue_in(&q, &turn, a);
	now += 1000;
	turn = FL_QUEUE_EVERY - 1;
	fl_queue_in(&q, &turn, b);
	now += 3000;
	fl_queue_out(&q, a, FL_QUEUE_DECRYPT);
	assert_int_equal(observed(), 0);
	fl_queue_out(&q, b, FL_QUEUE_DECRYPT);
	assert_int_equal(observed(), 1);
	assert_int_equal(histogram.sum, 3000);
}

/* A packet that was dropped inside, and its address used again much later. */
static void test_never_came_out(void **state)
{
	struct fl_queue q = { 0 };
	__u32 turn = FL_QUEUE_EVERY - 1;

	(void)state;
	fl_queue_in(&q, &turn, 0xffff888000000000ULL);
	now += 1000000000;
	fl_queue_out(&q, 0xffff888000000000ULL, FL_QUEUE_DECRYPT);
	assert_int_equal(observed(), 0);
	fl_queue_out(&q, 0xffff888000000100ULL, FL_QUEUE_DECRYPT);
	assert_int_equal(observed(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_buckets, clear),
		cmocka_unit_test_setup(test_sampling, clear),
		cmocka_unit_test_setup(test_inside_together, clear),
		cmocka_unit_test_setup(test_place_taken, clear),
		cmocka_unit_test_setup(test_never_came_out, clear),
	};

	return cmocka_run_group_tests_name("metrics, queues and buckets", tests, NULL, NULL);
}
