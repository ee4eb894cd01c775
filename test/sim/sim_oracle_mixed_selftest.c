/* SPDX-License-Identifier: BSD-3-Clause */
/* The same where a ring has stock nodes, or a node missed something: what the oracle only counts there, and what not. */
#include "oracle_fixture.h"

static void next_ring(uint64_t ring, bool mixed)
{
	int i;

	for (i = 1; i <= 2; i++) {
		oracle_ring(oracle, node[i], mixed);
		oracle_activation(oracle, node[i], ring, ring * 100, both, 2, NULL, 0);
	}
	hears_totem(a, ring, both, 2);
	hears_totem(b, ring, both, 2);
}

static void expect_weak(enum oracle_kind kind)
{
	expect_none();
	ck_assert_uint_gt(oracle_weak(oracle, kind), 0);
}

/* ---- mixed rings: what is only counted there, and what not ---- */

START_TEST(counts_loss_in_mixed_ring)
{
	both_join();
	next_ring(8, true);
	sends(a, 3);
	hears(a, a, 1);
	hears(a, a, 2);
	hears(a, a, 3);
	hears(b, a, 1);
	hears(b, a, 3);
	expect_weak(ORACLE_LOSS);
	ck_assert_uint_eq(oracle_weak(oracle, ORACLE_AGREEMENT), 1);
}
END_TEST

/* Message 1 may have been lost in the mixed ring that lay between, although nobody activated it. */
START_TEST(counts_loss_through_mixed_ring)
{
	both_join();
	sends(b, 2);
	hears(b, b, 1);
	oracle_ring(oracle, node[1], true);
	oracle_ring(oracle, node[2], true);
	next_ring(12, false);
	hears(a, b, 2);
	hears(b, b, 2);
	expect_weak(ORACLE_LOSS);
}
END_TEST

/* Its join was lost there as well, and said again in the next ring. */
START_TEST(counts_loss_behind_late_join)
{
	a_joins();
	b = oracle_join(oracle, node[2], 20, 0, false);
	next_ring(8, true);
	sends(b, 2);
	next_ring(12, false);
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	hears_change(b, MEMBERS(10, 20), 20, REASON_JOIN);
	hears(a, b, 2);
	hears(b, b, 2);
	expect_weak(ORACLE_LOSS);
}
END_TEST

START_TEST(counts_missing_self_delivery_in_mixed_ring)
{
	both_join();
	next_ring(8, true);
	sends(a, 1);
	expect_weak(ORACLE_SELF_DELIVERY);
}
END_TEST

/* What was heard in a ring of ours is behind what the mixed one lost. */
START_TEST(sees_loss_behind_mixed_ring)
{
	both_join();
	next_ring(8, true);
	sends(a, 4);
	next_ring(12, false);
	hears(a, a, 2);
	hears(b, a, 2);
	hears(a, a, 4);
	hears(b, a, 4);
	expect_only(ORACLE_LOSS);
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_LOSS), 2);
}
END_TEST

START_TEST(sees_disagreement_behind_mixed_ring)
{
	both_join();
	next_ring(8, true);
	sends(a, 1);
	next_ring(12, false);
	hears(a, a, 1);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

START_TEST(sees_order_in_mixed_ring)
{
	both_join();
	next_ring(8, true);
	sends(a, 2);
	hears(a, a, 1);
	hears(a, a, 2);
	hears(b, a, 2);
	hears(b, a, 1);
	expect(ORACLE_FIFO);
}
END_TEST

START_TEST(counts_join_that_mixed_ring_lost)
{
	both_join();
	next_ring(8, true);
	oracle_dead(oracle, oracle_join(oracle, node[2], 21, 0, true));
	hears_change(b, MEMBERS(10, 20, 21), 21, REASON_JOIN);
	hears_change(a, MEMBERS(10, 20, 21), 21, REASON_NODEUP);
	next_ring(12, false);
	hears_change(a, MEMBERS(10, 20), 21, REASON_PROCDOWN);
	hears_change(b, MEMBERS(10, 20), 21, REASON_PROCDOWN);
	expect_weak(ORACLE_REASON);
}
END_TEST

START_TEST(sees_different_views_behind_mixed_ring)
{
	both_join();
	next_ring(8, true);
	oracle_dead(oracle, oracle_join(oracle, node[2], 21, 0, true));
	hears_change(b, MEMBERS(10, 20, 21), 21, REASON_JOIN);
	next_ring(12, false);
	hears_change(b, MEMBERS(10, 20), 21, REASON_PROCDOWN);
	expect(ORACLE_VIEW);
}
END_TEST

START_TEST(counts_ghost_of_stock_engine)
{
	oracle->nodes[node[2]].stock = true;
	both_join();
	part();
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 8, only_1, 1);
	hears_totem(b, 12, only_2, 1);
	expect_weak(ORACLE_GHOST);
}
END_TEST

/* Nobody can know better than the engine of its node. */
START_TEST(counts_untruth_about_stock_node)
{
	oracle->nodes[node[2]].stock = true;
	both_join();
	oracle_dead(oracle, b);
	expect_weak(ORACLE_TRUTH);
}
END_TEST

START_TEST(sees_untruth_beside_stock_node)
{
	oracle->nodes[node[2]].stock = true;
	both_join();
	oracle_join(oracle, node[1], 11, 0, true);
	expect(ORACLE_TRUTH);
}
END_TEST

/* But all of ours are wrong alike. */
START_TEST(sees_disagreement_about_stock_node)
{
	uint32_t c;

	oracle->nodes[node[2]].stock = true;
	both_join();
	next_ring(8, true);
	c = oracle_join(oracle, node[1], 11, 0, false);
	hears_change(a, MEMBERS(10, 11, 20), 11, REASON_JOIN);
	hears_change(c, MEMBERS(10, 11, 20), 11, REASON_JOIN);
	oracle_dead(oracle, b);
	hears_change(c, MEMBERS(10, 11), 20, REASON_PROCDOWN);
	expect_only(ORACLE_VIEW);
	ck_assert_uint_eq(oracle_weak(oracle, ORACLE_TRUTH), 1);
}
END_TEST

/* ---- a node that missed something, leaves within the ring and comes back ---- */

static void are_parted(void)
{
	oracle_exchange(oracle, node[1], 51, 61, only_1, 1, only_2, 1);
	oracle_exchange(oracle, node[2], 52, 62, only_2, 1, only_1, 1);
}

static void are_together(void)
{
	oracle_exchange(oracle, node[1], 53, 63, both, 2, NULL, 0);
	oracle_exchange(oracle, node[2], 53, 64, both, 2, NULL, 0);
}

static void hear_that_they_are_parted(void)
{
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 4, only_1, 1);
	hears_change(b, MEMBERS(20), 10, REASON_NODEDOWN);
	hears_totem(b, 4, only_2, 1);
}

static void hear_that_they_are_together(void)
{
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_totem(a, 4, both, 2);
	hears_change(b, MEMBERS(10, 20), 10, REASON_NODEUP);
	hears_totem(b, 4, both, 2);
}

static void leave_and_come_back(void)
{
	are_parted();
	hear_that_they_are_parted();
	oracle_missed(oracle, node[2], false);
	are_together();
	hear_that_they_are_together();
}

/* It waits with slow clients, while nodes leave and come back. */
START_TEST(good_told_late)
{
	both_join();
	are_parted();
	are_together();
	hear_that_they_are_parted();
	hear_that_they_are_together();
	sends(a, 1);
	hears(a, a, 1);
	hears(b, a, 1);
	expect_none();
}
END_TEST

START_TEST(sees_disagreement_told_late)
{
	both_join();
	are_parted();
	are_together();
	hear_that_they_are_parted();
	hear_that_they_are_together();
	sends(a, 1);
	hears(a, a, 1);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

/* Of the first time too, but they might have joined behind it. */
static void are_told_late_of_two_times(void)
{
	oracle_tells_late(oracle);
	both_join();
	are_parted();
	are_together();
	are_parted();
	are_together();
	hear_that_they_are_parted();
	hear_that_they_are_together();
	hear_that_they_are_parted();
	hear_that_they_are_together();
}

START_TEST(compares_nobody_who_may_have_been_elsewhere)
{
	are_told_late_of_two_times();
	expect_none();
}
END_TEST

START_TEST(sees_untruth_told_late)
{
	are_told_late_of_two_times();
	oracle_join(oracle, node[1], 11, 0, true);
	expect(ORACLE_TRUTH);
}
END_TEST

START_TEST(good_missing)
{
	both_join();
	sends(a, 3);
	oracle_missed(oracle, node[2], true);
	hears(a, a, 1);
	hears(a, a, 2);
	leave_and_come_back();
	hears(a, a, 3);
	hears(b, a, 3);
	expect_none();
}
END_TEST

/* It has to notice before it hears more of those of whom it missed something. */
START_TEST(sees_a_hole_behind_missing)
{
	both_join();
	sends(a, 3);
	hears(b, a, 1);
	oracle_missed(oracle, node[2], true);
	hears(b, a, 3);
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_LOSS), 1);
}
END_TEST

/* Nobody else is excused. */
START_TEST(sees_disagreement_of_others)
{
	uint32_t c;

	both_join();
	c = oracle_join(oracle, node[1], 11, 0, true);
	hears_change(a, MEMBERS(10, 11, 20), 11, REASON_JOIN);
	hears_change(c, MEMBERS(10, 11, 20), 11, REASON_JOIN);
	sends(a, 1);
	oracle_missed(oracle, node[2], true);
	hears(a, a, 1);
	expect(ORACLE_AGREEMENT);
}
END_TEST

START_TEST(sees_disagreement_behind_missing)
{
	both_join();
	oracle_missed(oracle, node[2], true);
	leave_and_come_back();
	sends(a, 1);
	hears(a, a, 1);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

/* What the simulator itself reports. */
START_TEST(counts_what_it_is_told)
{
	oracle_fail(oracle, ORACLE_ANSWER, "an answer");
	oracle_fail(oracle, ORACLE_CONTEXT, "a multicast");
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_ANSWER), 1);
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_CONTEXT), 1);
	ck_assert_uint_eq(oracle_violations(oracle), 2);
	ck_assert_str_eq(oracle_first(oracle), "answer: an answer");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		counts_loss_in_mixed_ring,
		counts_loss_through_mixed_ring,
		counts_loss_behind_late_join,
		counts_missing_self_delivery_in_mixed_ring,
		sees_loss_behind_mixed_ring,
		sees_disagreement_behind_mixed_ring,
		sees_order_in_mixed_ring,
		counts_join_that_mixed_ring_lost,
		sees_different_views_behind_mixed_ring,
		counts_ghost_of_stock_engine,
		counts_untruth_about_stock_node,
		sees_untruth_beside_stock_node,
		sees_disagreement_about_stock_node,
		good_missing,
		sees_a_hole_behind_missing,
		sees_disagreement_of_others,
		sees_disagreement_behind_missing,
		good_told_late,
		sees_disagreement_told_late,
		compares_nobody_who_may_have_been_elsewhere,
		sees_untruth_told_late,
		counts_what_it_is_told,
	};

	return RUN_STORIES(tests);
}
