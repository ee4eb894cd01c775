/* SPDX-License-Identifier: BSD-3-Clause */
/* test/cluster/relay_queue.c: frames are late as the weather says, in order unless they are held, and no more than fit. */
#include "test/cluster/relay_queue.h"
#include "test/unit/run_suite.h"

#define MS UINT64_C(1000000)

static struct relay_queue queue;

static void setup(void)
{
	ck_assert_int_eq(relay_queue_init(&queue, 1), 0);
}

static void teardown(void)
{
	relay_queue_clear(&queue);
}

static void add(uint32_t port, uint32_t size, uint64_t now)
{
	struct relay_frame *frame = relay_queue_room(&queue);

	ck_assert_ptr_nonnull(frame);
	frame->port = port;
	frame->size = size;
	relay_queue_add(&queue, now);
}

/* The size of the first frame says which one it is. */
static uint32_t take(uint64_t *due)
{
	const struct relay_frame *frame = relay_queue_first(&queue);
	uint32_t size;

	ck_assert_ptr_nonnull(frame);
	size = frame->size;
	*due = frame->due;
	relay_queue_remove(&queue);
	return size;
}

START_TEST(without_weather_all_goes_at_once)
{
	uint64_t due;
	uint32_t i;

	for (i = 0; i < 100; i++)
		add(i % 3, i, 5 * MS);
	for (i = 0; i < 100; i++) {
		ck_assert_uint_eq(take(&due), i);
		ck_assert_uint_eq(due, 5 * MS);
	}
	ck_assert_ptr_null(relay_queue_first(&queue));
	ck_assert_uint_eq(queue.delayed + queue.held, 0);
}
END_TEST

START_TEST(jitter_delays_and_keeps_the_order)
{
	uint64_t due, before = 0;
	uint32_t i, later = 0;

	queue.weather = (struct relay_weather){.delay_ms = 10, .jitter_ms = 20};
	for (i = 0; i < 1000; i++)
		add(0, i, i * MS);
	for (i = 0; i < 1000; i++) {
		ck_assert_uint_eq(take(&due), i);
		ck_assert_uint_ge(due, before);
		ck_assert_uint_ge(due, (i + 10) * MS);
		later += due > (i + 10) * MS;
		before = due;
	}
	ck_assert_uint_gt(later, 900);
	ck_assert_uint_eq(queue.delayed, 1000);
	ck_assert_uint_eq(queue.held, 0);
}
END_TEST

/* The last frame of bad weather is not overtaken by the first of good weather. */
START_TEST(order_holds_when_the_weather_changes)
{
	uint64_t due;

	queue.weather.delay_ms = 50;
	add(0, 1, 0);
	add(1, 2, 0);
	queue.weather.delay_ms = 0;
	add(0, 3, MS);
	add(2, 4, MS);
	ck_assert_uint_eq(take(&due), 4);
	ck_assert_uint_eq(take(&due), 1);
	ck_assert_uint_eq(take(&due), 2);
	ck_assert_uint_eq(take(&due), 3);
	ck_assert_uint_eq(due, 50 * MS);
}
END_TEST

START_TEST(held_frames_are_overtaken)
{
	uint32_t i, size, highest = 0, overtaken = 0;
	uint64_t due;

	queue.weather = (struct relay_weather){.delay_ms = 10, .held_percent = 20};
	for (i = 1; i <= 1000; i++)
		add(0, i, i * MS);
	queue.weather.held_percent = 0;
	for (; i <= 1020; i++)
		add(0, i, i * MS);
	for (i = 1; i <= 1020; i++) {
		size = take(&due);
		overtaken += size < highest;
		ck_assert_uint_eq(due, (size + (size < highest ? 20 : 10)) * MS);
		highest = size > highest ? size : highest;
	}
	ck_assert_uint_eq(queue.held, overtaken);
	ck_assert_uint_gt(overtaken, 100);
	ck_assert_uint_lt(overtaken, 300);
}
END_TEST

static uint64_t dues_of_seed(uint64_t seed)
{
	uint64_t due, sum = 0;
	uint32_t i;

	queue.random = seed;
	queue.weather = (struct relay_weather){.delay_ms = 1, .jitter_ms = 50, .held_percent = 10};
	for (i = 0; i < 100; i++)
		add(0, i, i * MS);
	for (i = 0; i < 100; i++) {
		sum = sum * 31 + take(&due);
		sum = sum * 31 + due;
	}
	queue.last_due[0] = 0;
	return sum;
}

START_TEST(a_seed_makes_the_same_again)
{
	uint64_t sum = dues_of_seed(7);

	ck_assert_uint_eq(dues_of_seed(7), sum);
	ck_assert_uint_ne(dues_of_seed(8), sum);
}
END_TEST

START_TEST(when_it_is_full_there_is_no_room)
{
	uint64_t due;
	uint32_t i;

	queue.weather.jitter_ms = 1000;
	for (i = 0; i < RELAY_FRAMES; i++)
		add(i % RELAY_PORTS, i, 0);
	ck_assert_ptr_null(relay_queue_room(&queue));
	take(&due);
	add(0, 0, 0);
	ck_assert_ptr_null(relay_queue_room(&queue));
	for (i = 0; i < RELAY_FRAMES; i++)
		take(&due);
	ck_assert_ptr_null(relay_queue_first(&queue));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_weather_all_goes_at_once);
	tcase_add_test(tcase, jitter_delays_and_keeps_the_order);
	tcase_add_test(tcase, order_holds_when_the_weather_changes);
	tcase_add_test(tcase, held_frames_are_overtaken);
	tcase_add_test(tcase, a_seed_makes_the_same_again);
	tcase_add_test(tcase, when_it_is_full_there_is_no_room);
	return run_case("relay queue", tcase);
}
