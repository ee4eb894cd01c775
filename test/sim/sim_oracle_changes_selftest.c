/* SPDX-License-Identifier: BSD-3-Clause */
/* More that the oracle has to see: what goes with joins, leaves and ring changes, and ways of more than two nodes. */
#include "oracle_fixture.h"

/* ---- joins and leaves ---- */

static void b_leaves(void)
{
	oracle_leave(oracle, b);
	hears_change(b, MEMBERS(10), 20, REASON_LEAVE);
}

START_TEST(sees_leave_before_the_last_words)
{
	both_join();
	sends(b, 2);
	hears(a, b, 1);
	hears(b, b, 1);
	hears(b, b, 2);
	b_leaves();
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_LOSS), 1);
}
END_TEST

START_TEST(good_leave_behind_the_last_words)
{
	both_join();
	sends(b, 1);
	hears(a, b, 1);
	hears(b, b, 1);
	b_leaves();
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	expect_none();
}
END_TEST

START_TEST(sees_two_joins_in_one_confchg)
{
	struct oracle_address members[] = {address(10, 0), address(20, 0), address(21, 0)};
	struct oracle_address joined[] = {address(20, REASON_JOIN), address(21, REASON_JOIN)};
	struct oracle_view view = {
		.members = members, .member_count = 3, .joined = joined, .joined_count = 2};

	a_joins();
	oracle_join(oracle, node[2], 20, 0, false);
	oracle_join(oracle, node[2], 21, 0, false);
	oracle_hears_view(oracle, a, &view);
	expect(ORACLE_CONFCHG_COUNT);
}
END_TEST

/* It came back with its node, and did not ask for it. */
START_TEST(sees_nodeup_as_join)
{
	both_join();
	part();
	hear_part();
	merge();
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	hears_totem(a, 16, both, 2);
	hears_change(b, MEMBERS(10, 20), 10, REASON_NODEUP);
	hears_totem(b, 16, both, 2);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_death_as_leave)
{
	both_join();
	b_leaves();
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	hears_change(b, MEMBERS(10, 20), 20, REASON_JOIN);
	oracle_dead(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	expect_only(ORACLE_REASON);
}
END_TEST

START_TEST(sees_leave_as_death)
{
	both_join();
	b_leaves();
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	sends(a, 1);
	hears(a, a, 1);
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_REASON), 1);
}
END_TEST

START_TEST(sees_leave_as_death_at_the_end)
{
	both_join();
	b_leaves();
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	expect(ORACLE_REASON);
}
END_TEST

/* Its leave was lost with a ring, and nobody's joinlist names it. */
START_TEST(good_leave_that_a_joinlist_tells)
{
	both_join();
	part();
	hear_part();
	oracle_leave(oracle, b);
	ck_assert(hears_change(b, (const uint32_t[]){0}, 20, REASON_LEAVE));
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears_change(b, MEMBERS(20), 20, REASON_JOIN);
	oracle_activation(oracle, node[1], 16, 400, both, 2, NULL, 0);
	oracle_activation(oracle, node[2], 16, 500, both, 2, NULL, 0);
	hear_merge();
	oracle_leave(oracle, b);
	oracle_activation(oracle, node[1], 20, 600, both, 2, NULL, 0);
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	hears_totem(a, 20, both, 2);
	sends(a, 1);
	hears(a, a, 1);
	ck_assert_msg(oracle_violations(oracle) == 0, "%s", oracle_first(oracle));
}
END_TEST

/* ---- totem_confchg ---- */

START_TEST(sees_totem_confchg_missing_at_the_end)
{
	both_join();
	part();
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_change(b, MEMBERS(20), 10, REASON_NODEDOWN);
	hears_totem(b, 12, only_2, 1);
	expect(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_last_ring_untold)
{
	a_joins();
	oracle_activation(oracle, node[1], 8, 200, both, 2, NULL, 0);
	hears_totem(a, 8, both, 2);
	oracle_activation(oracle, node[1], 12, 300, both, 2, NULL, 0);
	expect_only(ORACLE_TOTEM_CONFCHG);
}
END_TEST

static void a_joins_and_wants_totem_confchg(void)
{
	a = oracle_join(oracle, node[1], 10, 0, true);
	oracle_wants_totem_confchg(oracle, a);
	hears_change(a, MEMBERS(10), 10, REASON_JOIN);
}

START_TEST(sees_first_totem_confchg_behind_a_message)
{
	a_joins_and_wants_totem_confchg();
	sends(a, 1);
	hears(a, a, 1);
	hears_totem(a, 4, both, 2);
	expect_only(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_first_totem_confchg_missing)
{
	a_joins_and_wants_totem_confchg();
	expect_only(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(good_first_totem_confchg)
{
	a_joins_and_wants_totem_confchg();
	hears_totem(a, 4, both, 2);
	sends(a, 1);
	hears(a, a, 1);
	expect_none();
}
END_TEST

/* ---- ways ---- */

/* Three nodes go three ways; the one whose way lies between heard nothing that both others heard. */
START_TEST(sees_order_of_distant_ways)
{
	static const uint32_t all[3] = {1, 2, 3}, only_3[1] = {3}, but_1[2] = {2, 3}, but_3[2] = {1, 2};
	uint32_t node_3 = oracle_node(oracle, 3, false), c;

	oracle_activation(oracle, node_3, 4, 100, all, 3, NULL, 0);
	both_join();
	c = oracle_join(oracle, node_3, 30, 0, false);
	hears_change(a, MEMBERS(10, 20, 30), 30, REASON_JOIN);
	hears_change(b, MEMBERS(10, 20, 30), 30, REASON_JOIN);
	hears_change(c, MEMBERS(10, 20, 30), 30, REASON_JOIN);
	sends(a, 1);
	sends(c, 1);
	hears(a, a, 1);
	hears(a, c, 1);
	hears(c, c, 1);
	hears(c, a, 1);
	oracle_activation(oracle, node[1], 8, 200, only_1, 1, but_1, 2);
	oracle_activation(oracle, node[2], 12, 300, only_2, 1, all, 1);
	oracle_activation(oracle, node_3, 16, 400, only_3, 1, but_3, 2);
	hears_totem(a, 8, only_1, 1);
	hears_totem(b, 12, only_2, 1);
	hears_totem(c, 16, only_3, 1);
	oracle_finish(oracle);
	ck_assert_uint_eq(oracle_seen(oracle, ORACLE_ORDER), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sees_leave_before_the_last_words,
		good_leave_behind_the_last_words,
		sees_two_joins_in_one_confchg,
		sees_nodeup_as_join,
		sees_death_as_leave,
		sees_leave_as_death,
		sees_leave_as_death_at_the_end,
		good_leave_that_a_joinlist_tells,
		sees_totem_confchg_missing_at_the_end,
		sees_last_ring_untold,
		sees_first_totem_confchg_behind_a_message,
		sees_first_totem_confchg_missing,
		good_first_totem_confchg,
		sees_order_of_distant_ways,
	};

	return RUN_STORIES(tests);
}
