/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No memory for who is a member. In a ring of ours the node hears nothing more of others, leaves its groups and comes back; in one with a stock
 * node its clients are disconnected and nobody joins. Nobody is ever told of members by a node that does not know them.
 */
#include <stdint.h>
#include <string.h>
#include <syslog.h>

#include "test/fault/oom_countdown.h"
#include "test/unit/peer_fixture.h"

#define LATE_PID 40u

/* Of a client that comes now, in no group: what it is told when it asks who is a member, or joins. */
static void check_answers(struct fixture *fixture, cs_error_t expected)
{
	struct peer *peer = peer_new(fixture, LATE_PID);
	struct ipc_membership membership = {.group = ipc_name("group")};
	struct ipc_membership_page page = {.group = ipc_name("group")};
	struct ipc_iteration_initialize iteration = {.iteration_type = 3};

	ck_assert_int_eq(request_hello(fixture, peer, UINT64_MAX), CS_OK);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_MEMBERSHIP, &membership, sizeof(membership)),
			 expected);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_MEMBERSHIP_PAGE, &page, sizeof(page)), expected);
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_ITERATION_INITIALIZE, &iteration, sizeof(iteration)),
			 expected);
	if (expected != CS_OK) {
		ck_assert_int_eq(request_join(fixture, peer, "group"), expected);
	}
	peer_gone(fixture, peer);
}

static bool forgot(const struct fixture *fixture)
{
	return strstr(fixture->log_line, "leaves its groups and comes back") != NULL;
}

static void check_forgot(struct fixture *fixture)
{
	ck_assert(forgot(fixture));
	check_answers(fixture, CS_ERR_TRY_AGAIN);
}

static void check_gave_up(const struct pair *pair)
{
	ck_assert(pair->one->evicted);
	ck_assert(pair->two->evicted);
	check_answers(pair->fixture, CS_ERR_TRY_AGAIN);
}

/* Its MISSED goes out and comes back. `left`: the view in which all others leave; NULL: nobody is there who could. */
static void leaves(const struct pair *pair, const char *missed, const char *left)
{
	engine_tick(pair->fixture->engine);
	ck_assert_str_eq(batch_returns(pair->fixture), missed);
	if (left) {
		ck_assert_str_eq(next_event(pair->one), left);
	}
	ck_assert_str_eq(next_event(pair->one), "ring 1");
	engine_tick(pair->fixture->engine);
}

/* ---- joins ---- */

static void forgets_join(const struct said *join)
{
	struct pair pair = trio_new();

	fail_after(0, true);
	deliver_records(pair.fixture, 2, join);
	fail_no_more();
	ck_assert_int_eq(pair.fixture->log_priority, LOG_CRIT);
	check_forgot(pair.fixture);
	deliver_batch(pair.fixture, 3, BY(8, "group"), SAYS("not heard"), LEAVES);
	ck_assert_str_eq(next_event(pair.one), "none");
	leaves(&pair, "batch 3: missed", "1:10 1:20 -2:7d -3:8d");
	check_answers(pair.fixture, CS_OK); /* it knows that it is alone */
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	deliver_present(pair.fixture, 2, 1, 3, PROCESSES({7, "group"}, {9, "group"}));
	deliver_present(pair.fixture, 3, 1, 3, NO_PROCESSES);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 2:9 +2:7u +2:9u");
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	check_answers(pair.fixture, CS_OK);
	fixture_free(pair.fixture);
}

START_TEST(a_join_to_a_group_that_is_known)
{
	forgets_join(
		(const struct said[]){BY(9, "group"), JOINS, BY(7, "group"), SAYS("not heard"), {.kind = 0}});
}
END_TEST

START_TEST(a_join_to_one_that_is_not)
{
	forgets_join(
		(const struct said[]){BY(9, "new"), JOINS, BY(7, "group"), SAYS("not heard"), {.kind = 0}});
}
END_TEST

/* Nothing brings the lists again but a ring change. */
START_TEST(a_join_in_a_ring_with_a_stock_node)
{
	struct pair pair = pair_new(&fixture_own_format);
	const struct named named[] = {{7, "group"}, {9, "group"}, {0, NULL}};
	struct peer *late;

	ring_change(pair.fixture, &ring_with_stock);
	fail_after(0, true);
	deliver_procjoin(pair.fixture, 3, 9, "new");
	fail_no_more();
	check_gave_up(&pair);
	peer_gone(pair.fixture, pair.one);
	peer_gone(pair.fixture, pair.two);
	deliver_own(pair.fixture);
	check_answers(pair.fixture, CS_ERR_TRY_AGAIN);
	ring_change(pair.fixture,
		    RING(.members = NODES(1, 3), .stock = NODES(3), .named_by = 3, .named = named));
	check_answers(pair.fixture, CS_OK);
	late = peer_new(pair.fixture, 50);
	joined(pair.fixture, late, "group");
	ck_assert_str_eq(next_event(late), "1:50 3:7 3:9 +1:50j");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- lists ---- */

static const struct named one_new[] = {{9, "group"}, {0, NULL}};

/* Up to activation, and the joinlist of node 3 is more than there is memory for. */
static void lacks_list(const struct pair *pair, const uint32_t *ours)
{
	transitional(pair->fixture, NOBODY);
	sync_begin(pair->fixture, NODES(1), NODES(1, 3));
	for (; *ours; ours++) {
		deliver_announce(pair->fixture, *ours, (struct versions)VERSION_NOW, 0);
	}
	deliver_downlist(pair->fixture, 3);
	fail_after(0, true);
	deliver_joinlist(pair->fixture, 3, one_new, 1);
	fail_no_more();
	sync_own(pair->fixture);
}

START_TEST(a_joinlist)
{
	struct pair pair = pair_new(&fixture_own_format);

	lacks_list(&pair, NODES(3));
	sync_end(pair.fixture);
	check_forgot(pair.fixture);
	ck_assert_str_eq(next_event(pair.one), "ring 1 3");
	ck_assert_str_eq(next_event(pair.one), "none");
	leaves(&pair, "batch 3: missed", NULL);
	fixture_free(pair.fixture);
}
END_TEST

START_TEST(a_joinlist_in_a_ring_with_a_stock_node)
{
	struct pair pair = pair_new(&fixture_own_format);

	lacks_list(&pair, NOBODY);
	sync_end(pair.fixture);
	check_gave_up(&pair);
	fixture_free(pair.fixture);
}
END_TEST

/* ---- a change of the ring ---- */

/* A trio's node 3 goes, 4 comes with two processes. */
static void change_begins(struct pair *pair)
{
	static const struct named named[] = {{9, "group"}, {9, "new"}, {0, NULL}};

	ring_sync(pair->fixture, RING(.members = NODES(1, 2, 4), .trans = NODES(1, 2), .left = NODES(3),
				      .named_by = 4, .named = named));
	deliver_joinlist(pair->fixture, 2, SEVEN, 1);
}

static void change_ends(const struct pair *pair)
{
	engine_sync_over(pair->fixture->engine);
	engine_tick(pair->fixture->engine);
	mark_returns(pair->fixture);
}

static void check_members(struct fixture *fixture, uint64_t expected)
{
	struct engine_stats stats;

	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, expected);
}

/* It shows those who left, nobody who came, and all others again when it is back. */
static void check_change_is_made_up_for(const struct pair *pair)
{
	check_answers(pair->fixture, CS_ERR_TRY_AGAIN);
	ck_assert_str_eq(next_event(pair->one), "1:10 1:20 2:7 -3:8d");
	ck_assert_str_eq(next_event(pair->one), "ring 1 2 4");
	change_ends(pair);
	ck_assert_str_eq(next_event(pair->one), "none");
	leaves(pair, "batch 3: missed", "1:10 1:20 -2:7d");
	ck_assert_str_eq(batch_returns(pair->fixture), "batch 4: present 1.3 10@group 20@group");
	deliver_present(pair->fixture, 2, 1, 3, SEVEN);
	deliver_present(pair->fixture, 4, 1, 3, PROCESSES({9, "group"}, {9, "new"}));
	ck_assert_str_eq(next_event(pair->one), "1:10 1:20 2:7 4:9 +2:7u +4:9u");
	ck_assert_str_eq(next_event(pair->one), "ring 1 2 4");
}

static void check_change_is_told(const struct pair *pair)
{
	ck_assert_str_eq(next_event(pair->one), "1:10 1:20 2:7 -3:8d");
	ck_assert_str_eq(next_event(pair->one), "1:10 1:20 2:7 4:9 +4:9u");
	ck_assert_str_eq(next_event(pair->one), "ring 1 2 4");
	change_ends(pair);
}

/* Without one of the allocations that it takes: clients are disconnected, or it is made up for, or it makes no difference. */
START_TEST(a_change_of_the_ring)
{
	size_t after, disconnected = 0, made_up_for = 0;
	bool failed = true;

	for (after = 0; failed; after++) {
		struct pair pair = trio_new();

		change_begins(&pair);
		fail_after(after, false);
		engine_sync_activate(pair.fixture->engine);
		fail_no_more();
		failed = failures() != 0;
		if (forgot(pair.fixture)) {
			made_up_for++;
			check_change_is_made_up_for(&pair);
		} else if (!pair.one->evicted) {
			check_change_is_told(&pair);
		} else {
			disconnected++;
			change_ends(&pair);
		}
		check_members(pair.fixture, 5);
		check_answers(pair.fixture, CS_OK);
		fixture_free(pair.fixture);
	}
	ck_assert_uint_eq(disconnected, 4); /* two for each view that they are told */
	ck_assert_uint_eq(made_up_for,
			  6); /* a list, its entries, two members with their places in groups, and a group */
}
END_TEST

/* Clients are spared whose groups lost nobody; and so is what the node knows of those who left. */
START_TEST(a_change_without_any_memory)
{
	struct pair pair = trio_new();
	struct peer *other = peer_new(pair.fixture, 30);

	ck_assert_int_eq(request_join(pair.fixture, other, "other"), CS_OK);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: 30@other joins");
	change_begins(&pair);
	fail_after(0, true);
	engine_sync_activate(pair.fixture->engine);
	fail_no_more();
	ck_assert(pair.one->evicted);
	ck_assert(pair.two->evicted);
	ck_assert(!other->evicted);
	check_members(pair.fixture, 4);
	check_answers(pair.fixture, CS_ERR_TRY_AGAIN);
	fixture_free(pair.fixture);
}
END_TEST

/* ---- the way back ---- */

static void misses_join(const struct pair *pair)
{
	fail_after(0, true);
	deliver_batch(pair->fixture, 2, BY(9, "group"), JOINS);
}

/* An old view, for who knows how long, is none. */
START_TEST(none_for_the_way_back)
{
	size_t after;

	for (after = 0; after < 3; after++) { /* for PRESENT, and twice for MISSED */
		struct pair pair = trio_new();

		misses_join(&pair);
		fail_after(after, true);
		engine_tick(pair.fixture->engine);
		ck_assert(pair.one->evicted);
		ck_assert(pair.two->evicted);
		ck_assert_str_eq(batch_returns(pair.fixture), "none");
		fail_no_more();
		check_answers(pair.fixture, CS_ERR_TRY_AGAIN);
		engine_tick(pair.fixture->engine);
		ck_assert_str_eq(batch_returns(pair.fixture), "batch 3: missed");
		fixture_free(pair.fixture);
	}
}
END_TEST

/* It has not come back, and tries again. */
START_TEST(a_list_of_processes_on_the_way_back)
{
	struct pair pair = trio_new();

	misses_join(&pair);
	fail_no_more();
	leaves(&pair, "batch 3: missed", "1:10 1:20 -2:7d -3:8d");
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 4: present 1.3 10@group 20@group");
	deliver_present(pair.fixture, 3, 1, 3, EIGHT);
	fail_after(0, true);
	deliver_present(pair.fixture, 2, 1, 3, SEVEN);
	fail_no_more();
	check_forgot(pair.fixture);
	ck_assert_str_eq(next_event(pair.one), "ring 1 2 3");
	ck_assert_str_eq(next_event(pair.one), "none");
	leaves(&pair, "batch 5: missed", NULL);
	ck_assert_str_eq(batch_returns(pair.fixture), "batch 6: present 1.5 10@group 20@group");
	both_present(pair.fixture, 1, 5);
	ck_assert_str_eq(next_event(pair.one), "1:10 1:20 2:7 3:8 +2:7u +3:8u");
	fixture_free(pair.fixture);
}
END_TEST

/* ---- what others may have missed ---- */

/* What is said again is said without memory, too, a join and a leave of the same process. */
START_TEST(joins_and_leaves_are_said_again)
{
	struct pair pair = pair_new(&fixture_own_format);
	struct peer *three = peer_new(pair.fixture, 30);
	struct packets held;

	ring_change(pair.fixture, &ring_with_stock);
	ck_assert_int_eq(request_join(pair.fixture, three, "group"), CS_OK);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	fail_after(0, true);
	one_comes_out(pair.fixture, &held);
	fail_no_more();
	mark_returns(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 30@group joins");
	peer_gone(pair.fixture, three);
	held = packets_held(&pair.fixture->multicasts);
	ring_settles(pair.fixture, &ring_with_stock);
	fail_after(0, true);
	one_comes_out(pair.fixture, &held);
	fail_no_more();
	mark_returns(pair.fixture);
	ck_assert_str_eq(batch_returns(pair.fixture), "repeat: 30@group dies");
	fixture_free(pair.fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_join_to_a_group_that_is_known,
		a_join_to_one_that_is_not,
		a_join_in_a_ring_with_a_stock_node,
		a_joinlist,
		a_joinlist_in_a_ring_with_a_stock_node,
		a_change_of_the_ring,
		a_change_without_any_memory,
		none_for_the_way_back,
		a_list_of_processes_on_the_way_back,
		joins_and_leaves_are_said_again,
	};

	return RUN_TESTS("engine: out of memory for views", tests);
}
