/* SPDX-License-Identifier: BSD-3-Clause */
/* Slow receivers slow their senders, on all nodes of a ring of ours. */
#include <string.h>

#include "test/unit/peer_fixture.h"

static const struct engine_config small = {
	.client_queue = 10 * 1024,
	.client_stall = 1000ull * 1000 * 1000,
	.queue_total = 50 * 1024,
	.message_max = ENGINE_MESSAGE_MAX_DEFAULT,
};

/* With node 2 in a ring of ours, and its process 7 in "group". The next batch of node 1 is its third. */
static struct pair behind_new(void)
{
	struct pair pair = pair_new(&small);

	ring_change(pair.fixture, RING(.members = NODES(1, 2), .trans = NODES(1)));
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	return pair;
}

/* Client `two` takes nothing while node 2 sends 12 KiB. */
static void fall_behind(struct pair *pair)
{
	char kilobyte[1024 + 1];
	int i;

	memset(kilobyte, 'k', sizeof(kilobyte) - 1);
	kilobyte[sizeof(kilobyte) - 1] = '\0';
	pair->two->room = 0;
	for (i = 0; i < 12; i++) {
		deliver_batch(pair->fixture, 2, BY(7, "group"), SAYS(kilobyte));
	}
}

static void catch_up(struct pair *pair)
{
	pair->two->room = ROOM_ENDLESS;
	engine_tick(pair->fixture->engine);
}

/* What a sender's library sees. */
static const struct segment_control *control_of(struct fixture *fixture, struct peer *peer)
{
	ck_assert_int_eq(request_hello(fixture, peer, IPC_FEATURE_RINGS), CS_OK);
	return fixture_control(fixture);
}

/* ---- telling ---- */

START_TEST(other_nodes_are_told_once)
{
	struct pair pair = behind_new();

	fall_behind(&pair);
	fall_behind(&pair);
	ck_assert_str_eq(batch_returns(pair.fixture), "none"); /* no context to send in */
	ck_assert_uint_ne(pair.fixture->wake_at, 0);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 0@group behind 1");
	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	catch_up(&pair);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 0@group behind 0");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 0@group behind 1");
	fixture_free(pair.fixture);
}
END_TEST

/* The group is behind as long as one of its receivers is. */
START_TEST(who_leaves_is_behind_no_more)
{
	struct pair pair = behind_new();

	pair.one->room = 0;
	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 0@group behind 1");
	ck_assert_int_eq(request_leave(pair.fixture, pair.one, "group"), CS_OK);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 10@group leaves");
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	peer_gone(pair.fixture, pair.two);
	engine_token(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 0@group behind 0 20@group dies");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(stocks_nodes_are_told_nothing)
{
	struct pair pair = behind_new();
	int i;

	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2), .stock = NODES(3),
				       .named_by = 2, .named = PROCESSES({7, "group"})));
	pair.two->room = 0;
	for (i = 0; i < 100; i++) {
		deliver_mcast(pair.fixture, 2, 7, "group", "message");
	}
	engine_tick(pair.fixture->engine);
	ck_assert_uint_eq(pair.fixture->multicasts.count + pair.fixture->peer_multicasts.count, 0);
	ring_change(pair.fixture, RING(.members = NODES(1, 2), .left = NODES(3)));
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 0@group behind 1"); /* these it does tell */
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_ring_change_has_it_told_again)
{
	struct pair pair = behind_new();

	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 0@group behind 1");
	ring_change(pair.fixture, RING(.members = NODES(1, 2)));
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: 0@group behind 1");
	catch_up(&pair);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 0@group behind 0");
	ring_change(pair.fixture, RING(.members = NODES(1, 2)));
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* What totem drops says that it is behind, and is sent again: others must hear of the end. */
START_TEST(caught_up_while_the_ring_changed)
{
	struct pair pair = behind_new();

	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_lost(pair.fixture), "batch 3: 0@group behind 1");
	ring_sync(pair.fixture, RING(.members = NODES(1, 2)));
	catch_up(&pair);
	sync_end(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 0@group behind 1 behind 0");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(an_exchange_has_it_told_again)
{
	struct pair pair = behind_new();
	uint64_t missed;

	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 0@group behind 1");
	missed = pair.fixture->numbers[2];
	deliver_batch(pair.fixture, 2, MISSED);
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 2.13 10@group 20@group");
	deliver_present(pair.fixture, 2, 2, missed, PROCESSES({7, "group"}));
	engine_tick(pair.fixture->engine);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 5: 0@group behind 1");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- hearing ---- */

START_TEST(senders_of_the_group_alone_wait)
{
	struct pair pair = behind_new();
	struct peer *other = peer_new(pair.fixture, 30), *late = peer_new(pair.fixture, 40);
	const struct segment_control *of_one = control_of(pair.fixture, pair.one);
	const struct segment_control *of_other = control_of(pair.fixture, other);
	const struct segment_control *of_late = control_of(pair.fixture, late);

	joined(pair.fixture, other, "other");
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	ck_assert(of_one->receiver_behind);
	ck_assert(!of_other->receiver_behind);
	joined(pair.fixture, late, "group");
	ck_assert(of_late->receiver_behind);
	ck_assert_int_eq(request_leave(pair.fixture, late, "group"), CS_OK);
	deliver_own(pair.fixture);
	ck_assert(!of_late->receiver_behind);
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1)); /* once more */
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(0));
	ck_assert(!of_one->receiver_behind);
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(0));
	ck_assert(!of_one->receiver_behind);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(each_node_and_this_one_count)
{
	struct pair pair = behind_new();
	const struct segment_control *control = control_of(pair.fixture, pair.one);

	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2)));
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS, BY(0, "group"), BEHIND(1));
	deliver_batch(pair.fixture, 3, BY(0, "group"), BEHIND(1));
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(0));
	ck_assert(control->receiver_behind);
	fall_behind(&pair);
	deliver_batch(pair.fixture, 3, BY(0, "group"), BEHIND(0));
	ck_assert(control->receiver_behind);
	catch_up(&pair);
	ck_assert(!control->receiver_behind);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(what_means_nothing_here_is_ignored)
{
	struct pair pair = behind_new();
	const struct segment_control *control = control_of(pair.fixture, pair.one);
	struct engine_stats before, after;

	engine_stats(pair.fixture->engine, &before);
	deliver_batch(pair.fixture, 2, BY(0, "no such group"), BEHIND(1), BEHIND(0));
	fall_behind(&pair);
	engine_tick(pair.fixture->engine);
	deliver_own(pair.fixture); /* what this node says of itself it knows already */
	catch_up(&pair);
	ck_assert(!control->receiver_behind);
	engine_stats(pair.fixture->engine, &after);
	ck_assert_uint_eq(after.bad_messages, before.bad_messages);
	ck_assert_uint_eq(after.groups, before.groups);
	fixture_free(pair.fixture);
}
END_TEST

/* Nobody has a go at each ring change: the node will say whether it is so still. */
START_TEST(it_counts_across_a_ring_change)
{
	struct pair pair = behind_new();
	const struct segment_control *control = control_of(pair.fixture, pair.one);

	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	ring_sync(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2)));
	ck_assert(control->receiver_behind);
	sync_end(pair.fixture);
	ck_assert(control->receiver_behind);
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	ck_assert(control->receiver_behind);
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(0));
	ck_assert(!control->receiver_behind);
	fixture_free(pair.fixture);
}
END_TEST

/* Also one that is back by then: it may be a new one with the old one's id. */
START_TEST(who_went_is_forgotten)
{
	const struct ring *const rings[] = {RING(.members = NODES(1, 3), .left = NODES(2)),
					    RING(.members = NODES(1, 2, 3), .trans = NODES(1, 3)),
					    RING(.members = NODES(1, 2, 3), .left = NODES(2))};
	size_t i;

	for (i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		struct pair pair = behind_new();
		const struct segment_control *control = control_of(pair.fixture, pair.one);

		ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2)));
		deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
		deliver_batch(pair.fixture, 3, BY(0, "group"), BEHIND(1));
		ring_change(pair.fixture, rings[i]);
		ck_assert(control->receiver_behind);
		deliver_batch(pair.fixture, 3, BY(0, "group"), BEHIND(0));
		ck_assert(!control->receiver_behind);
		fixture_free(pair.fixture);
	}
}
END_TEST

START_TEST(with_a_stock_node_it_is_forgotten)
{
	struct pair pair = behind_new();
	const struct segment_control *control = control_of(pair.fixture, pair.one);

	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	ring_sync(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2), .stock = NODES(3),
				     .named_by = 2, .named = PROCESSES({7, "group"})));
	ck_assert(control->receiver_behind);
	sync_end(pair.fixture);
	ck_assert(!control->receiver_behind);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(who_missed_something_is_forgotten)
{
	struct pair pair = behind_new();
	const struct segment_control *control = control_of(pair.fixture, pair.one);

	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1, 2)));
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	deliver_batch(pair.fixture, 3, BY(0, "group"), BEHIND(1));
	deliver_batch(pair.fixture, 2, MISSED);
	ck_assert(control->receiver_behind);
	deliver_batch(pair.fixture, 3, BY(0, "group"), BEHIND(0));
	ck_assert(!control->receiver_behind);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(large_messages_wait_for_it)
{
	struct pair pair = behind_new();

	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 6, "abc"),
			 CS_ERR_TRY_AGAIN);
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(0));
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(1));
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_LAST, 6, "def"),
			 CS_OK); /* begun is begun */
	deliver_own(pair.fixture);
	deliver_batch(pair.fixture, 2, BY(0, "group"), BEHIND(0));
	fall_behind(&pair);
	ck_assert_int_eq(request_fragment(pair.fixture, pair.one, IPC_FRAGMENT_FIRST, 6, "abc"),
			 CS_ERR_TRY_AGAIN); /* a receiver here */
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		other_nodes_are_told_once,
		who_leaves_is_behind_no_more,
		stocks_nodes_are_told_nothing,
		a_ring_change_has_it_told_again,
		caught_up_while_the_ring_changed,
		an_exchange_has_it_told_again,
		senders_of_the_group_alone_wait,
		each_node_and_this_one_count,
		what_means_nothing_here_is_ignored,
		it_counts_across_a_ring_change,
		who_went_is_forgotten,
		with_a_stock_node_it_is_forgotten,
		who_missed_something_is_forgotten,
		large_messages_wait_for_it,
	};

	return RUN_TESTS("engine: behind", tests);
}
