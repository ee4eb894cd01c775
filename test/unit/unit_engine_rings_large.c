/* SPDX-License-Identifier: BSD-3-Clause */
/* A message in fragments that was on its way when the ring changes, from each wire format to each: it starts again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/peer_fixture.h"

static void fragment(struct pair *pair, uint32_t type, const char *text)
{
	ck_assert_int_eq(request_fragment(pair->fixture, pair->one, type, 9, text), CS_OK);
}

static void rest_of_large(struct pair *pair)
{
	fragment(pair, IPC_FRAGMENT_CONTINUED, "def");
	fragment(pair, IPC_FRAGMENT_LAST, "ghi");
	engine_token(pair->fixture->engine);
}

/* Whole, once; and nothing is left of it. */
static void check_large(struct pair *pair)
{
	engine_token(pair->fixture->engine);
	ck_assert_uint_eq(pair->fixture->multicasts.count + pair->fixture->peer_multicasts.count, 0);
	ck_assert_str_eq(next_event(pair->two), "1:10 1/9 'abc'");
	ck_assert_str_eq(next_event(pair->two), "1:10 2/9 'def'");
	ck_assert_str_eq(next_event(pair->two), "1:10 3/9 'ghi'");
	ck_assert_str_eq(next_event(pair->two), "none");
	ck_assert(!engine_busy(pair->fixture->engine));
}

static void check_large_in_batches(struct pair *pair, unsigned int first)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "batch %u: 10@group 1/9 'abc'", first);
	ck_assert_str_eq(batch_returns(pair->fixture), text);
	(void)snprintf(text, sizeof(text), "batch %u: 10@group 2/9 'def'", first + 1);
	ck_assert_str_eq(batch_returns(pair->fixture), text);
	(void)snprintf(text, sizeof(text), "batch %u: 10@group 3/9 'ghi'", first + 2);
	ck_assert_str_eq(batch_returns(pair->fixture), text);
	check_large(pair);
}

static void check_large_in_stocks_format(struct pair *pair)
{
	ck_assert_str_eq(stock_returns(pair->fixture), "10@group 1/9 'abc'");
	ck_assert_str_eq(stock_returns(pair->fixture), "10@group 2/9 'def'");
	ck_assert_str_eq(stock_returns(pair->fixture), "10@group 3/9 'ghi'");
	check_large(pair);
}

START_TEST(large_from_ours_to_ours)
{
	struct pair pair = pair_new(&fixture_own_format);

	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 1/9 'abc'");
	ring_change(pair.fixture, &ring_alone);
	drop_all(&pair.two->events);
	rest_of_large(&pair);
	check_large_in_batches(&pair, 4);
	ring_change(pair.fixture, &ring_alone); /* it is done */
	drop_all(&pair.two->events);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(large_from_ours_to_mixed)
{
	struct pair pair = pair_new(&fixture_own_format);

	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 1/9 'abc'");
	rest_of_large(&pair);
	drop_all(&pair.fixture->peer_multicasts);
	ring_change(pair.fixture, &ring_with_stock);
	drop_all(&pair.two->events);
	check_large_in_stocks_format(&pair);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(large_from_mixed_to_ours)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, &ring_with_stock);
	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 1/9 'abc'");
	rest_of_large(&pair);
	drop_all(&pair.fixture->multicasts);
	ring_change(pair.fixture, &ring_without_stock);
	drop_all(&pair.two->events);
	check_large_in_batches(&pair, 3);
	fixture_free(pair.fixture);
}
END_TEST

/* Only its last fragment did not come back. */
START_TEST(large_whose_last_fragment_is_dropped)
{
	struct pair pair = pair_new(&fixture_own_format);

	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	rest_of_large(&pair);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 1/9 'abc'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group 2/9 'def'");
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 5: 10@group 3/9 'ghi'");
	request_mcast(pair.fixture, pair.two, "behind it");
	drop_all(&pair.fixture->peer_multicasts);
	ring_change(pair.fixture, &ring_alone);
	drop_all(&pair.two->events);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 10@group 1/9 'abc'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group 2/9 'def'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 7: 10@group 3/9 'ghi'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 8: 20@group 'behind it'");
	ck_assert_uint_eq(count_id(&pair.two->events, IPC_RES_PARTIAL_DELIVER), 3);
	fixture_free(pair.fixture);
}
END_TEST

/* Its first fragment was dropped in a ring of ours between two mixed ones, its others are taken. */
START_TEST(large_over_a_short_ring_of_ours)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	rest_of_large(&pair);
	ck_assert_uint_eq(pair.fixture->multicasts.count, 3);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_without_stock);
	one_comes_out(pair.fixture, &held);
	drop_all(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	drop_all(&pair.two->events);
	comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.two), "none");
	mark_returns(pair.fixture);
	check_large_in_stocks_format(&pair);
	fixture_free(pair.fixture);
}
END_TEST

/* Nor does it start again behind what its process sent after it, and that was taken; others' messages are no reason. */
START_TEST(large_overtaken_over_a_short_ring_of_ours)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	rest_of_large(&pair);
	request_mcast(pair.fixture, pair.two, "of another one");
	request_mcast(pair.fixture, pair.one, "behind it");
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_without_stock);
	one_comes_out(pair.fixture, &held);
	drop_all(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	drop_all(&pair.two->events);
	one_comes_out(pair.fixture, &held);
	one_comes_out(pair.fixture, &held);
	one_comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.two), "1:20 'of another one'");
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.lost, 0);
	comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.two), "1:10 'behind it'");
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.lost, 1);
	mark_returns(pair.fixture);
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* Its first fragment came back before such a ring, in which receivers forget it, and the others after. */
START_TEST(large_around_a_short_ring_of_ours)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	fragment(&pair, IPC_FRAGMENT_FIRST, "abc");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 1/9 'abc'");
	rest_of_large(&pair);
	ck_assert_uint_eq(pair.fixture->multicasts.count, 2);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_without_stock);
	drop_all(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	drop_all(&pair.two->events);
	comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.two), "none");
	mark_returns(pair.fixture);
	check_large_in_stocks_format(&pair);
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		large_from_ours_to_ours,	   large_from_ours_to_mixed,
		large_from_mixed_to_ours,	   large_whose_last_fragment_is_dropped,
		large_over_a_short_ring_of_ours,   large_overtaken_over_a_short_ring_of_ours,
		large_around_a_short_ring_of_ours,
	};

	return RUN_TESTS("engine: large messages and ring changes", tests);
}
