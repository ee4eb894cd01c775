/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An oracle that never saw a violation proves nothing: here it is told one of every kind and has to see that one, and
 * good stories in which it must see none.
 */
#include "oracle_fixture.h"

/* ---- good stories ---- */

START_TEST(good_story)
{
	both_join();
	sends(a, 3);
	hears(a, a, 1);
	hears(b, a, 1);
	part();
	hears(a, a, 2); /* b never got it */
	hear_part();
	hears(a, a, 3);
	merge();
	hear_merge();
	sends(b, 1);
	hears(a, b, 1);
	hears(b, b, 1);
	oracle_leave(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	ck_assert(hears_change(b, MEMBERS(10), 20, REASON_LEAVE));
	expect_none();
}
END_TEST

START_TEST(good_crash)
{
	both_join();
	sends(b, 2);
	hears(b, b, 1);
	hears(b, b, 2);
	hears(a, b, 1);
	oracle_dead(oracle, b);
	oracle_node_gone(oracle, node[2]);
	oracle_activation(oracle, node[1], 8, 200, only_1, 1, only_2, 1);
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 8, only_1, 1);
	expect_none();
}
END_TEST

START_TEST(good_slices)
{
	struct oracle_address joined[250];
	struct oracle_address members[128];
	struct oracle_view view = {.members = members, .joined = joined};
	uint32_t i;

	a_joins();
	for (i = 0; i < 250; i++) {
		uint32_t session = oracle_join(oracle, node[2], 1000 + i, 0, false);

		oracle_dead(oracle, session);
		joined[i] = (struct oracle_address){.nodeid = 2, .pid = 1000 + i, .reason = REASON_NODEUP};
	}
	oracle_activation(oracle, node[1], 16, 400, both, 2, only_2, 1);
	for (i = 0; i < 250; i += 127) {
		uint32_t count = i + 127 < 250 ? 127 : 250 - i, j;

		view.joined = joined + i;
		view.joined_count = count;
		view.member_count = 128;
		members[0] = address(10, 0);
		for (j = 1; j < 128; j++) {
			members[j] = joined[i + j <= 250 ? i + j - 1 : j];
			members[j].reason = 0;
		}
		oracle_hears_view(oracle, a, &view);
	}
	hears_totem(a, 16, both, 2);
	ck_assert_msg(oracle_violations(oracle) == 0, "%s", oracle_first(oracle));
}
END_TEST

/* ---- one of each kind ---- */

START_TEST(sees_payload)
{
	both_join();
	sends(a, 1);
	oracle_hears_message(oracle, b, a, 2, 20, 1);
	expect(ORACLE_PAYLOAD);
}
END_TEST

START_TEST(sees_message_never_sent)
{
	both_join();
	hears(b, a, 1);
	expect(ORACLE_PAYLOAD);
}
END_TEST

START_TEST(sees_sender_not_in_view)
{
	both_join();
	sends(b, 1);
	hears(b, b, 1);
	part();
	hear_part();
	hears(a, b, 1);
	expect(ORACLE_NOT_IN_VIEW);
}
END_TEST

START_TEST(sees_message_before_join)
{
	a_joins();
	sends(a, 1);
	hears(a, a, 1);
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears(b, a, 1);
	expect(ORACLE_NOT_IN_VIEW);
}
END_TEST

START_TEST(sees_duplicate)
{
	both_join();
	sends(a, 1);
	hears(a, a, 1);
	hears(b, a, 1);
	hears(b, a, 1);
	expect(ORACLE_DUPLICATE);
}
END_TEST

START_TEST(sees_fifo)
{
	both_join();
	sends(a, 2);
	hears(b, a, 2);
	hears(b, a, 1);
	expect(ORACLE_FIFO);
}
END_TEST

START_TEST(sees_loss)
{
	both_join();
	sends(a, 3);
	hears(b, a, 1);
	hears(b, a, 3);
	expect(ORACLE_LOSS);
}
END_TEST

START_TEST(sees_loss_of_the_first)
{
	both_join();
	sends(b, 2);
	hears(a, b, 2);
	expect(ORACLE_LOSS);
}
END_TEST

START_TEST(sees_missing_self_delivery)
{
	both_join();
	sends(a, 2);
	hears(a, a, 1);
	hears(b, a, 1);
	expect_only(ORACLE_SELF_DELIVERY);
}
END_TEST

START_TEST(sees_missing_self_delivery_at_leave)
{
	both_join();
	sends(a, 1);
	oracle_leave(oracle, a);
	hears_change(a, MEMBERS(20), 10, REASON_LEAVE);
	hears_change(b, MEMBERS(20), 10, REASON_LEAVE);
	expect_only(ORACLE_SELF_DELIVERY);
}
END_TEST

START_TEST(sees_member_from_nowhere)
{
	a_joins();
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears_change(a, MEMBERS(10, 20, 21), 20, REASON_JOIN);
	expect(ORACLE_DELTA);
}
END_TEST

START_TEST(sees_join_of_member)
{
	both_join();
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	expect(ORACLE_DELTA);
}
END_TEST

START_TEST(sees_leave_of_stranger)
{
	a_joins();
	b = oracle_join(oracle, node[2], 20, 0, false);
	oracle_leave(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	expect(ORACLE_DELTA);
}
END_TEST

START_TEST(sees_too_many_for_old_library)
{
	struct oracle_address members[130], joined = address(20, REASON_JOIN);
	struct oracle_view view = {
		.members = members, .member_count = 130, .joined = &joined, .joined_count = 1};
	uint32_t i;

	a_joins();
	oracle->sessions[a].incomplete = true;
	oracle_join(oracle, node[2], 20, 0, false);
	for (i = 0; i < 130; i++) {
		members[i] = (struct oracle_address){.nodeid = 1, .pid = 10 + i};
	}
	oracle_hears_view(oracle, a, &view);
	expect(ORACLE_DELTA);
}
END_TEST

START_TEST(sees_receiver_outside)
{
	both_join();
	oracle_leave(oracle, b);
	hears_change(a, MEMBERS(20), 20, REASON_LEAVE);
	expect(ORACLE_SELF);
}
END_TEST

START_TEST(sees_first_view_without_join)
{
	a_joins();
	b = oracle_join(oracle, node[2], 20, 0, false);
	oracle_join(oracle, node[2], 21, 0, false);
	hears_change(b, MEMBERS(10, 20, 21), 21, REASON_JOIN);
	expect(ORACLE_SELF);
}
END_TEST

START_TEST(sees_own_leave_unasked)
{
	both_join();
	oracle_dead(oracle, b);
	hears_change(b, MEMBERS(10), 20, REASON_PROCDOWN);
	expect(ORACLE_SELF);
}
END_TEST

START_TEST(sees_leave_that_was_death)
{
	both_join();
	oracle_dead(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	expect_only(ORACLE_REASON);
}
END_TEST

START_TEST(sees_death_before_the_last_words)
{
	both_join();
	sends(b, 2);
	hears(a, b, 1);
	oracle_dead(oracle, b);
	oracle_all_taken(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	expect_only(ORACLE_LOSS);
}
END_TEST

START_TEST(sees_death_before_the_only_words)
{
	both_join();
	sends(b, 1);
	oracle_dead(oracle, b);
	oracle_all_taken(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	expect_only(ORACLE_LOSS);
}
END_TEST

START_TEST(good_last_words)
{
	both_join();
	sends(b, 2);
	hears(a, b, 1);
	hears(a, b, 2);
	oracle_dead(oracle, b);
	oracle_all_taken(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	expect_none();
}
END_TEST

START_TEST(sees_death_of_the_living)
{
	both_join();
	hears_change(a, MEMBERS(10), 20, REASON_PROCDOWN);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_join_never_asked)
{
	a_joins();
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_own_node_down)
{
	uint32_t other;

	a_joins();
	other = oracle_join(oracle, node[1], 11, 0, true);
	hears_change(a, MEMBERS(10, 11), 11, REASON_JOIN);
	oracle_dead(oracle, other);
	hears_change(a, MEMBERS(10), 11, REASON_NODEDOWN);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_nodedown_of_present)
{
	both_join();
	oracle_activation(oracle, node[1], 8, 200, both, 2, NULL, 0);
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 8, both, 2);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_nodeup_of_present)
{
	a_joins();
	b = oracle_join(oracle, node[2], 20, 0, false);
	oracle_activation(oracle, node[1], 8, 200, both, 2, NULL, 0);
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_totem(a, 8, both, 2);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_reason_of_plain_member)
{
	struct oracle_address members[] = {address(10, 0), address(20, 1)}, joined = address(20, REASON_JOIN);
	struct oracle_view view = {
		.members = members, .member_count = 2, .joined = &joined, .joined_count = 1};

	a_joins();
	oracle_join(oracle, node[2], 20, 0, false);
	oracle_hears_view(oracle, a, &view);
	expect(ORACLE_REASON);
}
END_TEST

START_TEST(sees_two_confchgs_for_one_change)
{
	both_join();
	oracle_join(oracle, node[2], 21, 0, false);
	hears_change(a, MEMBERS(10, 20, 21), 21, REASON_JOIN);
	part();
	hears_change(a, MEMBERS(10, 21), 20, REASON_NODEDOWN);
	hears_change(a, MEMBERS(10), 21, REASON_NODEDOWN);
	expect(ORACLE_CONFCHG_COUNT);
}
END_TEST

START_TEST(sees_nodedown_behind_nodeup)
{
	both_join();
	part();
	hear_part();
	merge();
	oracle_join(oracle, node[2], 21, 0, false);
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	expect(ORACLE_CONFCHG_COUNT);
}
END_TEST

START_TEST(sees_joined_and_left_together)
{
	struct oracle_address members[] = {address(10, 0), address(21, 0)}, joined = address(21, REASON_JOIN),
			      left = address(20, REASON_LEAVE);
	struct oracle_view view = {.members = members,
				   .member_count = 2,
				   .joined = &joined,
				   .joined_count = 1,
				   .left = &left,
				   .left_count = 1};

	both_join();
	oracle_hears_view(oracle, a, &view);
	expect(ORACLE_CONFCHG_COUNT);
}
END_TEST

START_TEST(sees_totem_confchg_missing)
{
	both_join();
	part();
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	sends(a, 1);
	hears(a, a, 1);
	expect(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_totem_confchg_skipped)
{
	oracle_activation(oracle, node[1], 5, 110, both, 2, NULL, 0);
	a_joins();
	oracle_activation(oracle, node[1], 8, 200, both, 2, NULL, 0);
	hears_totem(a, 8, both, 2);
	oracle_activation(oracle, node[1], 12, 300, both, 2, NULL, 0);
	oracle_activation(oracle, node[1], 16, 400, both, 2, NULL, 0);
	hears_totem(a, 16, both, 2);
	expect(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_totem_confchg_twice)
{
	a_joins();
	oracle_activation(oracle, node[1], 8, 200, both, 2, NULL, 0);
	hears_totem(a, 8, both, 2);
	hears_totem(a, 8, both, 2);
	expect(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_totem_confchg_of_no_ring)
{
	a_joins();
	hears_totem(a, 77, both, 2);
	expect(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_totem_confchg_with_wrong_members)
{
	a_joins();
	oracle_activation(oracle, node[1], 8, 200, both, 2, NULL, 0);
	hears_totem(a, 8, only_1, 1);
	expect(ORACLE_TOTEM_CONFCHG);
}
END_TEST

START_TEST(sees_ghost)
{
	both_join();
	part();
	hears_totem(a, 8, only_1, 1);
	expect(ORACLE_GHOST);
}
END_TEST

/* Node 2 left and came back in one change: its process must go before it comes. */
START_TEST(sees_ghost_that_came_back)
{
	both_join();
	oracle_activation(oracle, node[1], 8, 200, both, 2, only_2, 1);
	hears_totem(a, 8, both, 2);
	expect(ORACLE_GHOST);
}
END_TEST

START_TEST(sees_order)
{
	both_join();
	sends(a, 1);
	sends(b, 1);
	hears(a, a, 1);
	hears(a, b, 1);
	hears(b, b, 1);
	hears(b, a, 1);
	part();
	hear_part();
	expect(ORACLE_ORDER);
}
END_TEST

START_TEST(sees_disagreement)
{
	both_join();
	sends(a, 1);
	sends(b, 1);
	hears(a, a, 1);
	hears(a, b, 1);
	hears(b, b, 1);
	hears(b, a, 1);
	expect(ORACLE_AGREEMENT);
}
END_TEST

/* Both go on together, one has a message less: no gap between two, so nothing else notices. */
START_TEST(sees_last_message_missing)
{
	both_join();
	sends(a, 1);
	hears(a, a, 1);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

START_TEST(sees_disagreement_with_one_that_left)
{
	both_join();
	sends(a, 2);
	hears(a, a, 1);
	hears(b, a, 1);
	hears(a, a, 2);
	oracle_leave(oracle, b);
	hears_change(a, MEMBERS(10), 20, REASON_LEAVE);
	hears_change(b, MEMBERS(10), 20, REASON_LEAVE);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

START_TEST(sees_different_views)
{
	both_join();
	part();
	hear_part();
	merge();
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_totem(a, 16, both, 2);
	hears_totem(b, 16, both, 2);
	expect(ORACLE_VIEW);
}
END_TEST

START_TEST(sees_view_that_is_not_the_truth)
{
	both_join();
	oracle_join(oracle, node[1], 11, 0, true);
	expect(ORACLE_TRUTH);
}
END_TEST

START_TEST(sees_join_that_never_ends)
{
	a_joins();
	oracle_join(oracle, node[1], 11, 1, true);
	expect_only(ORACLE_LIVENESS);
}
END_TEST

START_TEST(sees_leave_that_never_ends)
{
	a_joins();
	oracle_leave(oracle, a);
	expect_only(ORACLE_LIVENESS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		good_story,
		good_crash,
		good_slices,
		sees_payload,
		sees_message_never_sent,
		sees_sender_not_in_view,
		sees_message_before_join,
		sees_duplicate,
		sees_fifo,
		sees_loss,
		sees_loss_of_the_first,
		sees_missing_self_delivery,
		sees_missing_self_delivery_at_leave,
		sees_member_from_nowhere,
		sees_join_of_member,
		sees_leave_of_stranger,
		sees_too_many_for_old_library,
		sees_receiver_outside,
		sees_first_view_without_join,
		sees_own_leave_unasked,
		sees_leave_that_was_death,
		sees_death_before_the_last_words,
		sees_death_before_the_only_words,
		good_last_words,
		sees_death_of_the_living,
		sees_join_never_asked,
		sees_own_node_down,
		sees_nodedown_of_present,
		sees_nodeup_of_present,
		sees_reason_of_plain_member,
		sees_two_confchgs_for_one_change,
		sees_nodedown_behind_nodeup,
		sees_joined_and_left_together,
		sees_totem_confchg_missing,
		sees_totem_confchg_skipped,
		sees_totem_confchg_twice,
		sees_totem_confchg_of_no_ring,
		sees_totem_confchg_with_wrong_members,
		sees_ghost,
		sees_ghost_that_came_back,
		sees_order,
		sees_disagreement,
		sees_last_message_missing,
		sees_disagreement_with_one_that_left,
		sees_different_views,
		sees_view_that_is_not_the_truth,
		sees_join_that_never_ends,
		sees_leave_that_never_ends,
	};

	return RUN_STORIES(tests);
}
