/* SPDX-License-Identifier: BSD-3-Clause */
/* What was on its way when the ring changes, from each wire format to each. */
#include <stdio.h>

#include "test/unit/peer_fixture.h"

/* ---- from ours to ours ---- */

/* Three batches: the first comes back, the second and third don't, what follows waits. */
static void fill(struct pair *pair)
{
	request_mcast(pair->fixture, pair->one, "1");
	ck_assert_str_eq(batch_returns(pair->fixture), "batch 3: 10@group '1'");
	request_mcast(pair->fixture, pair->one, "2");
	request_mcast(pair->fixture, pair->two, "3");
	engine_token(pair->fixture->engine);
	request_mcast(pair->fixture, pair->one, "4");
	ck_assert_uint_eq(pair->fixture->peer_multicasts.count, 2);
	drop_all(&pair->one->events);
}

START_TEST(what_did_not_come_back_is_sent_again_under_its_numbers)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	fill(&pair);
	held = packets_held(&pair.fixture->peer_multicasts);
	transitional(pair.fixture, NOBODY);
	sync_begin(pair.fixture, NODES(1), NODES(1));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 4");
	sync_own(pair.fixture);
	engine_sync_activate(pair.fixture->engine);
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	engine_sync_over(pair.fixture->engine);
	request_mcast(pair.fixture, pair.one, "5");
	engine_token(pair.fixture->engine);
	engine_token(pair.fixture->engine);
	engine_tick(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1);
	comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_str_eq(batch_returns(pair.fixture), "mark");
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 0); /* no context to send in */
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group '2'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 20@group '3'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group '4' '5'");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	ck_assert_str_eq(next_event(pair.two), "1:10 '1'");
	ck_assert_str_eq(next_event(pair.two), "ring 1");
	ck_assert_str_eq(next_event(pair.two), "1:10 '2'");
	ck_assert_str_eq(next_event(pair.two), "1:20 '3'");
	ck_assert_str_eq(next_event(pair.two), "1:10 '4'");
	ck_assert_str_eq(next_event(pair.two), "1:10 '5'");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* The transitional configuration does not end the old ring: what was in it still counts until the regular one. */
START_TEST(what_comes_back_late_is_not_sent_again)
{
	struct pair pair = pair_new(&fixture_own_format);

	fill(&pair);
	transitional(pair.fixture, NOBODY);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group '2'");
	drop_all(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_alone);
	ck_assert_str_eq(batch_returns(pair.fixture), "mark");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 20@group '3'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group '4'");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_mark_of_another_ring_opens_nothing)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets marks;

	ring_settles(pair.fixture, &ring_alone);
	marks = packets_held(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_alone);
	request_mcast(pair.fixture, pair.one, "waits");
	comes_out(pair.fixture, &marks);
	engine_tick(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1);
	deliver_peer(pair.fixture, pair.fixture->peer_multicasts.first->data, 24, 2); /* nor does another's */
	engine_tick(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 1);
	ck_assert_str_eq(batch_returns(pair.fixture), "mark");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group 'waits'");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_mark_that_does_not_come_back_is_sent_again)
{
	struct pair pair = pair_new(&fixture_own_format);
	int visits = 0;

	ring_settles(pair.fixture, &ring_alone);
	ck_assert_str_eq(batch_lost(pair.fixture), "mark");
	while (pair.fixture->peer_multicasts.count == 0 && visits <= 100) {
		engine_token(pair.fixture->engine);
		visits++;
	}
	ck_assert_int_ge(visits, 95); /* ticks before them count, too */
	ck_assert_str_eq(batch_returns(pair.fixture), "mark");
	fixture_free(pair.fixture);
}
END_TEST

/* One change in the next: numbers and order hold. */
START_TEST(nested_changes_send_it_again_once)
{
	struct pair pair = pair_new(&fixture_own_format);

	fill(&pair);
	drop_all(&pair.fixture->peer_multicasts);
	ring_sync(pair.fixture, &ring_alone);
	ring_settles(pair.fixture, &ring_alone);
	drop_all(&pair.fixture->peer_multicasts);
	ring_change(pair.fixture, &ring_alone);
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 4: 10@group '2'");
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 5: 20@group '3'");
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 6: 10@group '4'");
	ring_change(pair.fixture, &ring_alone);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group '2'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 20@group '3'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group '4'");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(joins_and_leaves_keep_their_place)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct peer *three = peer_new(pair.fixture, 30);

	request_mcast(pair.fixture, pair.one, "1");
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	request_mcast(pair.fixture, pair.one, "2");
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	request_mcast(pair.fixture, pair.one, "3");
	engine_token(pair.fixture->engine);
	drop_all(&pair.fixture->peer_multicasts);
	ring_change(pair.fixture, &ring_alone);
	drop_all(&pair.two->events);
	drop_all(&three->events);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group '1'");
	ck_assert_str_eq(batch_returns(pair.fixture),
			 "batch 4: 30@group joins 10@group '2' 20@group leaves 10@group '3'");
	ck_assert_str_eq(next_event(three), "1:10 1:20 1:30 +1:30j");
	ck_assert_str_eq(next_event(three), "1:10 '2'");
	ck_assert_str_eq(next_event(three), "1:10 1:30 -1:20l");
	ck_assert_str_eq(next_event(three), "1:10 '3'");
	ck_assert_str_eq(next_event(pair.two), "1:10 '1'");
	ck_assert_str_eq(next_event(pair.two), "1:10 1:20 1:30 +1:30j");
	ck_assert_str_eq(next_event(pair.two), "1:10 '2'");
	ck_assert_str_eq(next_event(pair.two), "1:10 1:30 -1:20l");
	ck_assert_str_eq(next_event(pair.two), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- to a ring with a stock node, and back ---- */

START_TEST(from_ours_to_mixed_it_is_sent_again_in_stocks_format)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	fill(&pair);
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	held = packets_held(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.one), "ring 1 3");
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert_uint_eq(pair.fixture->multicasts.count, 0);
	mark_returns(pair.fixture);
	ck_assert_uint_eq(pair.fixture->peer_multicasts.count, 0);
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group '2'");
	ck_assert_str_eq(stock_returns(pair.fixture), "20@group '3'");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group '4'");
	ck_assert_str_eq(stock_returns(pair.fixture), "20@group leaves");
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert_str_eq(next_event(pair.one), "1:10 '2'");
	ck_assert_str_eq(next_event(pair.one), "1:20 '3'");
	ck_assert_str_eq(next_event(pair.one), "1:10 '4'");
	ck_assert_str_eq(next_event(pair.one), "1:10 -1:20l");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* In stock's format: four messages and a join on their way. */
static struct packets fill_stock(struct pair *pair)
{
	struct peer *three = peer_new(pair->fixture, 30);

	request_mcast(pair->fixture, pair->one, "1");
	request_mcast(pair->fixture, pair->one, "2");
	request_mcast(pair->fixture, pair->two, "3");
	ck_assert_int_eq(request_join(pair->fixture, three, "group"), CS_OK);
	request_mcast(pair->fixture, pair->one, "4");
	ck_assert_uint_eq(pair->fixture->multicasts.count, 5);
	ck_assert_str_eq(stock_returns(pair->fixture), "10@group '1'");
	drop_all(&pair->one->events);
	return packets_held(&pair->fixture->multicasts);
}

START_TEST(from_mixed_to_ours_it_is_sent_again_in_batches)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	held = fill_stock(&pair);
	ring_settles(pair.fixture, &ring_without_stock);
	comes_out(pair.fixture, &held); /* dropped */
	mark_returns(pair.fixture);
	ck_assert_uint_eq(pair.fixture->multicasts.count, 0);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 10@group '2'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 20@group '3'");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 30@group joins");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: 10@group '4'");
	ck_assert_str_eq(next_event(pair.one), "ring 1");
	ck_assert_str_eq(next_event(pair.one), "1:10 '2'");
	ck_assert_str_eq(next_event(pair.one), "1:20 '3'");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 1:30 +1:30j");
	ck_assert_str_eq(next_event(pair.one), "1:10 '4'");
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert(!engine_busy(pair.fixture->engine));
	ring_change(pair.fixture,
		    &ring_with_stock); /* what was dropped between was sent again: nothing is missing */
	request_mcast(pair.fixture, pair.one, "5");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group '5'");
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.lost, 0);
	fixture_free(pair.fixture);
}
END_TEST

/* Some of a batch came back before the change: the rest goes alone, and says whose it is. */
START_TEST(half_a_batch_goes_on)
{
	struct pair pair = pair_new(&fixture_own_format);

	pair.fixture->totem_full = true;
	request_mcast(pair.fixture, pair.one, "1");
	request_mcast(pair.fixture, pair.one, "2");
	request_mcast(pair.fixture, pair.one, "3");
	pair.fixture->totem_full = false;
	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group '1'");
	drop_all(&pair.fixture->multicasts);
	ring_change(pair.fixture, &ring_without_stock);
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 3: 10@group '2' '3'");
	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group '2'");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group '3'");
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(from_mixed_to_mixed_what_totem_holds_will_come)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	held = fill_stock(&pair);
	ring_settles(pair.fixture, &ring_with_stock);
	comes_out(pair.fixture, &held);
	mark_returns(pair.fixture);
	ck_assert_uint_eq(pair.fixture->multicasts.count, 0);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 30@group joins");
	ck_assert_str_eq(next_event(pair.one), "ring 1 3");
	ck_assert_str_eq(next_event(pair.one), "1:10 '2'");
	ck_assert_str_eq(next_event(pair.one), "1:20 '3'");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 1:30 +1:30j");
	ck_assert_str_eq(next_event(pair.one), "1:10 '4'");
	ck_assert_str_eq(next_event(pair.one), "none");
	ck_assert(!engine_busy(pair.fixture->engine));
	fixture_free(pair.fixture);
}
END_TEST

/* Of what one process does the last counts; nobody but engines of ours gets it, and nobody in a ring of ours. */
START_TEST(joins_and_leaves_are_repeated_to_those_who_missed_them)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct peer *three = peer_new(pair.fixture, 30);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	peer_gone(pair.fixture, three);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	request_mcast(pair.fixture, pair.one, "behind it");
	comes_out(pair.fixture, &held);
	pair.fixture->totem_full = true;
	ck_assert_str_eq(batch_returns(pair.fixture), "mark");
	engine_tick(pair.fixture->engine);
	pair.fixture->totem_full = false;
	pair.fixture->wake_at = 0;
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 20@group leaves");
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 30@group dies");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	ck_assert_str_eq(stock_returns(pair.fixture), "10@group 'behind it'");
	peer_gone(pair.fixture, pair.two); /* it has left, and nobody hears it again */
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Services behind ours still sync: joinlists are said, so what comes back is in none. */
START_TEST(what_comes_back_before_the_end_of_sync_is_repeated_too)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	held = packets_held(&pair.fixture->multicasts);
	ring_sync(pair.fixture, &ring_with_stock);
	engine_sync_activate(pair.fixture->engine);
	comes_out(pair.fixture, &held);
	engine_sync_over(pair.fixture->engine);
	engine_tick(pair.fixture->engine);
	mark_returns(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 20@group leaves");
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(what_comes_back_before_joinlists_is_not_repeated)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	held = packets_held(&pair.fixture->multicasts);
	transitional(pair.fixture, NODES(3));
	sync_begin(pair.fixture, NODES(1), NODES(1, 3));
	comes_out(pair.fixture, &held);
	sync_own(pair.fixture);
	sync_end(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(nothing_of_this_ring_is_repeated)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	ck_assert_str_eq(stock_returns(pair.fixture), "20@group leaves");
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* What waits to be repeated is said by the next sync, whatever its format. */
START_TEST(a_ring_change_says_it_too)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_leave(pair.fixture, pair.two, "group"), CS_OK);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	comes_out(pair.fixture, &held);
	drop_all(&pair.fixture->peer_multicasts);
	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(what_is_repeated_is_taken_where_it_is_news)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats before, after;

	ring_sync(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1), .stock = NODES(3)));
	deliver_repeat(pair.fixture, 2, BY(7, "group"), JOINS); /* too early for one of this ring */
	ck_assert_str_eq(next_event(pair.one), "none");
	sync_end(pair.fixture);
	drop_all(&pair.one->events);
	deliver_repeat(pair.fixture, 2, BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7j");
	deliver_repeat(pair.fixture, 2, BY(7, "group"), JOINS, BY(8, "group"), LEAVES);
	ck_assert_str_eq(next_event(pair.one), "none");
	deliver_repeat(pair.fixture, SELF, BY(20, "group"), LEAVES); /* its sender knows */
	pair.fixture->ring_id.seq--;
	deliver_repeat(pair.fixture, 2, BY(7, "group"), LEAVES);
	pair.fixture->ring_id.seq++;
	ck_assert_str_eq(next_event(pair.one), "none");
	engine_stats(pair.fixture->engine, &before);
	deliver_repeat(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	deliver_repeat(pair.fixture, 2, MISSED);
	deliver_repeat(pair.fixture, 2, JOINS);
	engine_stats(pair.fixture->engine, &after);
	ck_assert_uint_eq(after.bad_messages, before.bad_messages + 3);
	deliver_repeat(pair.fixture, 2, BY(7, "group"), DIES);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7p");
	ring_change(pair.fixture, RING(.members = NODES(1, 2), .left = NODES(3)));
	drop_all(&pair.one->events);
	deliver_repeat(pair.fixture, 2, BY(7, "group"), JOINS); /* a ring of ours needs none */
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

/*
 * Mixed, ours for a moment, mixed again: some of what totem held is dropped in the middle, and what follows it is taken.
 * Messages that were dropped are lost, and counted; joins are sent again; nothing is heard twice.
 */
START_TEST(a_short_ring_of_ours_between_mixed_ones)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct engine_stats stats;
	struct packets held;
	int i;

	ring_change(pair.fixture, &ring_with_stock);
	held = fill_stock(&pair);
	ring_settles(pair.fixture, &ring_without_stock);
	for (i = 0; i < 3; i++) { /* "2", "3" and the join */
		one_comes_out(pair.fixture, &held);
	}
	drop_all(&pair.fixture->peer_multicasts); /* the mark does not come back before the next change */
	ring_settles(pair.fixture, &ring_with_stock);
	drop_all(&pair.one->events);
	comes_out(pair.fixture, &held);
	ck_assert_str_eq(next_event(pair.one), "1:10 '4'");
	mark_returns(pair.fixture);
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.lost, 2);
	ck_assert_str_eq(stock_returns(pair.fixture), "30@group joins");
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 1:30 +1:30j");
	ck_assert(!engine_busy(pair.fixture->engine));
	ring_sync(pair.fixture, &ring_with_stock);
	fixture_free(pair.fixture);
}
END_TEST

/* What totem holds there may be lost in the next ring: it is never much, however much it could take. */
START_TEST(a_mixed_ring_gets_little_at_a_time)
{
	enum { SIZE = 8000, LEAST = 128 * 1024 };
	struct pair pair = pair_new(&fixture_own_format);
	char text[SIZE + 1];
	size_t most = 0;
	int i;

	memset(text, 't', SIZE);
	text[SIZE] = '\0';
	ring_change(pair.fixture, &ring_with_stock);
	for (i = 0; i < 400; i++) {
		request_mcast(pair.fixture, pair.one, text);
	}
	for (i = 0; i < 10; i++) {
		size_t held = pair.fixture->multicasts.count;

		most = held > most ? held : most;
		while (held-- > 0) {
			(void)stock_returns(pair.fixture);
		}
		engine_token(pair.fixture->engine);
	}
	ck_assert_uint_gt(most, 1);
	ck_assert_uint_le(most * SIZE, LEAST);
	fixture_free(pair.fixture);
}
END_TEST

/* A join is dropped, and what its process sent behind it comes in the mixed ring: nobody knows the sender. */
START_TEST(a_message_whose_join_was_dropped)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct peer *three = peer_new(pair.fixture, 30);
	struct engine_stats stats;
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	request_mcast(pair.fixture, three, "behind its join");
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_without_stock);
	one_comes_out(pair.fixture, &held);
	drop_all(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	drop_all(&pair.one->events);
	comes_out(pair.fixture, &held);
	engine_stats(pair.fixture->engine, &stats);
	ck_assert_uint_eq(stats.lost, 1);
	mark_returns(pair.fixture);
	ck_assert_str_eq(stock_returns(pair.fixture), "30@group joins");
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 1:30 +1:30j");
	fixture_free(pair.fixture);
}
END_TEST

/* Its end comes in the mixed ring: were the join sent again behind it, it would be in the group for ever. */
START_TEST(a_process_whose_join_was_dropped_and_whose_end_was_not)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct peer *three = peer_new(pair.fixture, 30);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	peer_gone(pair.fixture, three);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_without_stock);
	one_comes_out(pair.fixture, &held);
	drop_all(&pair.fixture->peer_multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	drop_all(&pair.one->events);
	comes_out(pair.fixture, &held);
	mark_returns(pair.fixture);
	ck_assert_str_eq(stock_returns(pair.fixture), "none");
	ck_assert_str_eq(next_event(pair.one), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* What is with totem in stock's format has no number: the next one is still that of the next batch. */
START_TEST(a_short_ring_of_ours_leaves_the_numbers_alone)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	held = fill_stock(&pair);
	ring_settles(pair.fixture, &ring_without_stock);
	drop_all(&pair.fixture->peer_multicasts);
	transitional(pair.fixture, NOBODY);
	sync_begin(pair.fixture, NODES(1), NODES(1));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 3");
	drop_all(&held);
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_did_not_come_back_is_sent_again_under_its_numbers,
		what_comes_back_late_is_not_sent_again,
		a_mark_of_another_ring_opens_nothing,
		a_mark_that_does_not_come_back_is_sent_again,
		nested_changes_send_it_again_once,
		joins_and_leaves_keep_their_place,
		from_ours_to_mixed_it_is_sent_again_in_stocks_format,
		from_mixed_to_ours_it_is_sent_again_in_batches,
		half_a_batch_goes_on,
		from_mixed_to_mixed_what_totem_holds_will_come,
		joins_and_leaves_are_repeated_to_those_who_missed_them,
		what_comes_back_before_the_end_of_sync_is_repeated_too,
		what_comes_back_before_joinlists_is_not_repeated,
		nothing_of_this_ring_is_repeated,
		a_ring_change_says_it_too,
		what_is_repeated_is_taken_where_it_is_news,
		a_short_ring_of_ours_between_mixed_ones,
		a_mixed_ring_gets_little_at_a_time,
		a_message_whose_join_was_dropped,
		a_process_whose_join_was_dropped_and_whose_end_was_not,
		a_short_ring_of_ours_leaves_the_numbers_alone,
	};

	return RUN_TESTS("engine: batches and ring changes", tests);
}
