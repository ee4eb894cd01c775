/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What nodes that come through a ring change together tell each other of the ring before: whoever got less than another, of nodes that are left
 * behind, too, missed something.
 */
#include <string.h>

#include "test/unit/peer_fixture.h"

#define HEARD(...) ((const struct heard[]){__VA_ARGS__, {0, 0}})

/* Node 3 leaves a trio, nodes 1 and 2 come through. The ring that it was. */
static struct memb_ring_id three_leaves(struct fixture *fixture)
{
	struct memb_ring_id last = fixture->ring_id;

	transitional(fixture, NODES(3));
	sync_begin(fixture, NODES(1, 2), NODES(1, 2));
	return last;
}

/* Node 2 said what it had to say. */
static void rest_of_sync(struct fixture *fixture)
{
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, SEVEN, 1);
	sync_own(fixture);
	sync_end(fixture);
}

START_TEST(it_tells_what_it_got)
{
	struct pair pair = trio_new();

	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("one"));
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("two"));
	(void)three_leaves(pair.fixture);
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 3, heard 2.1 3.3");
	fixture_free(pair.fixture);
}
END_TEST

/* It is of the ring that was activated last, whatever other nodes said in one that was not. */
START_TEST(an_aborted_sync_changes_nothing)
{
	struct pair pair = trio_new();
	struct memb_ring_id last = three_leaves(pair.fixture);

	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0);
	drop_all(&pair.fixture->peer_multicasts);
	transitional(pair.fixture, NOBODY);
	sync_begin(pair.fixture, NODES(1, 2), NODES(1, 2, 4));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 3, heard 2.1 3.1");
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 3}, {3, 2}));
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	fixture_free(pair.fixture);
}
END_TEST

/* There batches have no numbers. */
START_TEST(nothing_is_told_of_a_ring_with_a_stock_node)
{
	struct pair pair = trio_new();

	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .left = NODES(3), .trans = NODES(1, 2),
				       .stock = NODES(3)));
	(void)three_leaves(pair.fixture);
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first), "announce 3");
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(who_got_as_much_or_more_missed_nothing)
{
	struct pair pair = trio_new();
	struct memb_ring_id last;

	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("heard"));
	last = three_leaves(pair.fixture);
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 3}, {3, 2}));
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 3}, {3, 1}));
	rest_of_sync(pair.fixture);
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	fixture_free(pair.fixture);
}
END_TEST

/* What it lacks nobody brings: it leaves and comes back. In this sync, for they must not be seen to have come through it together. */
START_TEST(who_got_less_than_another_leaves_and_comes_back)
{
	struct pair pair = trio_new();
	struct memb_ring_id last = three_leaves(pair.fixture);

	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 3}, {3, 2}));
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	deliver_own(pair.fixture);
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_str_eq(packet_text(pair.fixture->peer_multicasts.first),
			 "announce 3 missed, heard 2.1 3.1");
	rest_of_sync(pair.fixture);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 -2:7d -3:8d");
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 +2:7u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2");
	ck_assert_str_eq(batch_returns(pair.fixture), "none");
	fixture_free(pair.fixture);
}
END_TEST

/* Who is done with a sync has heard what may show that it missed something; of others, which stock's may be, nothing is waited for. */
START_TEST(sync_waits_for_those_who_come_through)
{
	struct pair pair = trio_new();

	transitional(pair.fixture, NODES(3));
	sync_begin(pair.fixture, NODES(1, 2), NODES(1, 2, 3));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	deliver_own(pair.fixture);
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	ck_assert_uint_eq(pair.fixture->multicasts.count + pair.fixture->peer_multicasts.count, 0);
	deliver_announce(pair.fixture, 2, (struct versions)VERSION_NOW, 0);
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), 0);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(sync_does_not_wait_for_one_that_left_meanwhile)
{
	struct pair pair = trio_new();

	(void)three_leaves(pair.fixture);
	transitional(pair.fixture, NODES(2));
	sync_begin(pair.fixture, NODES(1), NODES(1, 2));
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), -1);
	deliver_own(pair.fixture);
	ck_assert_int_eq(engine_sync_process(pair.fixture->engine), 0);
	fixture_free(pair.fixture);
}
END_TEST

/* The numbers say nothing of a ring that it was in, but in which it was not told that it is there. */
START_TEST(who_did_not_activate_the_other_s_ring_missed_it)
{
	struct pair pair = trio_new();
	struct memb_ring_id last = three_leaves(pair.fixture);

	last.seq++;
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 3}, {3, 1}));
	ck_assert_uint_eq(gaps(pair.fixture), 1);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(who_activated_more_than_the_other_missed_nothing)
{
	struct pair pair = trio_new();
	struct memb_ring_id last = three_leaves(pair.fixture);

	last.seq--;
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 9}, {3, 9}));
	last.seq++;
	last.nodeid++;
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 9}, {3, 9}));
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	fixture_free(pair.fixture);
}
END_TEST

/* Node 2 was in another ring by then: it may have heard anything. */
START_TEST(who_was_elsewhere_is_not_compared_with)
{
	struct pair pair = trio_new();
	struct memb_ring_id last = pair.fixture->ring_id;

	transitional(pair.fixture, NODES(2, 3));
	sync_begin(pair.fixture, NODES(1), NODES(1, 2));
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 9}, {3, 9}));
	last.seq++;
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 9}, {3, 9}));
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	fixture_free(pair.fixture);
}
END_TEST

/* This node's own batches, and nodes that were not there, one of which is now. */
START_TEST(what_is_said_of_strangers_means_nothing)
{
	struct pair pair = trio_new();
	struct memb_ring_id last = pair.fixture->ring_id;

	transitional(pair.fixture, NODES(3));
	sync_begin(pair.fixture, NODES(1, 2), NODES(1, 2, 4));
	deliver_announce_of(pair.fixture, 2, &last, HEARD({1, 9}, {4, 9}, {5, 9}));
	ck_assert_uint_eq(gaps(pair.fixture), 0);
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_tells_what_it_got,
		an_aborted_sync_changes_nothing,
		nothing_is_told_of_a_ring_with_a_stock_node,
		who_got_as_much_or_more_missed_nothing,
		who_got_less_than_another_leaves_and_comes_back,
		sync_waits_for_those_who_come_through,
		sync_does_not_wait_for_one_that_left_meanwhile,
		who_did_not_activate_the_other_s_ring_missed_it,
		who_activated_more_than_the_other_missed_nothing,
		who_was_elsewhere_is_not_compared_with,
		what_is_said_of_strangers_means_nothing,
	};

	return RUN_TESTS("engine: what is announced of the last ring", tests);
}
