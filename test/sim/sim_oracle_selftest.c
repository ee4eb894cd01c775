/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An oracle that never saw a violation proves nothing: here it is told one of every kind and has to see that one, and
 * a good story in which it must see none. Nodes 1 and 2, group 0, processes 10 of node 1 and 20 of node 2.
 */
#include <check.h>
#include <stdlib.h>

#include "oracle_internal.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct oracle *oracle;
static uint32_t node[3], a, b; /* sessions */

static const uint32_t both[] = {1, 2}, only_1[] = {1}, only_2[] = {2};

static void setup(void)
{
	oracle = oracle_new(NULL);
	node[1] = oracle_node(oracle, 1, false);
	node[2] = oracle_node(oracle, 2, false);
	oracle_activation(oracle, node[1], 4, 100, both, 2, NULL, 0);
	oracle_activation(oracle, node[2], 4, 100, both, 2, NULL, 0);
}

static void teardown(void)
{
	oracle_free(oracle);
}

/* ---- shorthand: pids 10..19 are node 1's, 20..29 are node 2's ---- */

static struct oracle_address address(uint32_t pid, uint32_t reason)
{
	return (struct oracle_address){.nodeid = pid / 10, .pid = pid, .reason = reason};
}

/* `members`: pids, ended by 0. One process joined or left. */
static bool hears_change(uint32_t session, const uint32_t *members, uint32_t pid, uint32_t reason)
{
	struct oracle_address list[200], entry = address(pid, reason);
	struct oracle_view view = {.members = list};

	for (; members[view.member_count]; view.member_count++) {
		list[view.member_count] = address(members[view.member_count], 0);
	}
	if (reason == REASON_JOIN || reason == REASON_NODEUP) {
		view.joined = &entry;
		view.joined_count = 1;
	} else {
		view.left = &entry;
		view.left_count = 1;
	}
	return oracle_hears_view(oracle, session, &view);
}

#define MEMBERS(...) ((const uint32_t[]){__VA_ARGS__, 0})

static void hears(uint32_t session, uint32_t sender, uint64_t number)
{
	const struct session *from = &oracle->sessions[sender];

	oracle_hears_message(oracle, session, sender, from->nodeid, from->pid, number);
}

static void hears_totem(uint32_t session, uint64_t ring, const uint32_t *members, size_t count)
{
	oracle_hears_totem(oracle, session, oracle_activations(oracle, oracle->sessions[session].node), ring,
			   members, count);
}

static void send(uint32_t session, int count)
{
	while (count-- > 0) {
		oracle_accept(oracle, session);
	}
}

static void a_joins(void)
{
	a = oracle_join(oracle, node[1], 10, 0, true);
	hears_change(a, MEMBERS(10), 10, REASON_JOIN);
}

static void b_joins(void)
{
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears_change(a, MEMBERS(10, 20), 20, REASON_JOIN);
	hears_change(b, MEMBERS(10, 20), 20, REASON_JOIN);
}

static void both_join(void)
{
	a_joins();
	b_joins();
}

/* Nodes 1 and 2 part: node 1 alone in ring 8, node 2 alone in ring 12. */
static void part(void)
{
	oracle_activation(oracle, node[1], 8, 200, only_1, 1, only_2, 1);
	oracle_activation(oracle, node[2], 12, 300, only_2, 1, only_1, 1);
}

static void hear_part(void)
{
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 8, only_1, 1);
	hears_change(b, MEMBERS(20), 10, REASON_NODEDOWN);
	hears_totem(b, 12, only_2, 1);
}

static void merge(void)
{
	oracle_activation(oracle, node[1], 16, 400, both, 2, NULL, 0);
	oracle_activation(oracle, node[2], 16, 500, both, 2, NULL, 0);
}

static void hear_merge(void)
{
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_totem(a, 16, both, 2);
	hears_change(b, MEMBERS(10, 20), 10, REASON_NODEUP);
	hears_totem(b, 16, both, 2);
}

static void expect(enum oracle_kind kind)
{
	oracle_finish(oracle);
	ck_assert_msg(oracle_seen(oracle, kind) > 0, "%s was not seen; first: %s", oracle_kind_name(kind),
		      oracle_first(oracle) ? oracle_first(oracle) : "nothing");
}

static void expect_only(enum oracle_kind kind)
{
	expect(kind);
	ck_assert_msg(oracle_violations(oracle) == oracle_seen(oracle, kind), "more than %s; first: %s",
		      oracle_kind_name(kind), oracle_first(oracle));
}

static void expect_none(void)
{
	oracle_finish(oracle);
	ck_assert_msg(oracle_violations(oracle) == 0, "%s", oracle_first(oracle));
}

/* ---- good stories ---- */

START_TEST(good_story)
{
	both_join();
	send(a, 3);
	hears(a, a, 1);
	hears(b, a, 1);
	part();
	hears(a, a, 2); /* b never got it */
	hear_part();
	hears(a, a, 3);
	merge();
	hear_merge();
	send(b, 1);
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
	send(b, 2);
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
	send(a, 1);
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
	send(b, 1);
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
	send(a, 1);
	hears(a, a, 1);
	b = oracle_join(oracle, node[2], 20, 0, false);
	hears(b, a, 1);
	expect(ORACLE_NOT_IN_VIEW);
}
END_TEST

START_TEST(sees_duplicate)
{
	both_join();
	send(a, 1);
	hears(a, a, 1);
	hears(b, a, 1);
	hears(b, a, 1);
	expect(ORACLE_DUPLICATE);
}
END_TEST

START_TEST(sees_fifo)
{
	both_join();
	send(a, 2);
	hears(b, a, 2);
	hears(b, a, 1);
	expect(ORACLE_FIFO);
}
END_TEST

START_TEST(sees_loss)
{
	both_join();
	send(a, 3);
	hears(b, a, 1);
	hears(b, a, 3);
	expect(ORACLE_LOSS);
}
END_TEST

START_TEST(sees_loss_of_the_first)
{
	both_join();
	send(b, 2);
	hears(a, b, 2);
	expect(ORACLE_LOSS);
}
END_TEST

START_TEST(sees_missing_self_delivery)
{
	both_join();
	send(a, 2);
	hears(a, a, 1);
	hears(b, a, 1);
	expect_only(ORACLE_SELF_DELIVERY);
}
END_TEST

START_TEST(sees_missing_self_delivery_at_leave)
{
	both_join();
	send(a, 1);
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
	send(a, 1);
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
	send(a, 1);
	send(b, 1);
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
	send(a, 1);
	send(b, 1);
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
	send(a, 1);
	hears(a, a, 1);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

START_TEST(sees_disagreement_with_one_that_left)
{
	both_join();
	send(a, 2);
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

/* ---- mixed rings: what is only counted there, and what not ---- */

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

START_TEST(counts_loss_in_mixed_ring)
{
	both_join();
	next_ring(8, true);
	send(a, 3);
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
	send(b, 2);
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
	send(b, 2);
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
	send(a, 1);
	expect_weak(ORACLE_SELF_DELIVERY);
}
END_TEST

/* What was heard in a ring of ours is behind what the mixed one lost. */
START_TEST(sees_loss_behind_mixed_ring)
{
	both_join();
	next_ring(8, true);
	send(a, 4);
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
	send(a, 1);
	next_ring(12, false);
	hears(a, a, 1);
	expect_only(ORACLE_AGREEMENT);
}
END_TEST

START_TEST(sees_order_in_mixed_ring)
{
	both_join();
	next_ring(8, true);
	send(a, 2);
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

/* ---- a node that missed something, leaves within the ring and comes back ---- */

static void leave_and_come_back(void)
{
	oracle_exchange(oracle, node[1], 51, 61, only_1, 1, only_2, 1);
	oracle_exchange(oracle, node[2], 52, 62, only_2, 1, only_1, 1);
	hears_change(a, MEMBERS(10), 20, REASON_NODEDOWN);
	hears_totem(a, 4, only_1, 1);
	hears_change(b, MEMBERS(20), 10, REASON_NODEDOWN);
	hears_totem(b, 4, only_2, 1);
	oracle_missed(oracle, node[2], false);
	oracle_exchange(oracle, node[1], 53, 63, both, 2, NULL, 0);
	oracle_exchange(oracle, node[2], 53, 64, both, 2, NULL, 0);
	hears_change(a, MEMBERS(10, 20), 20, REASON_NODEUP);
	hears_totem(a, 4, both, 2);
	hears_change(b, MEMBERS(10, 20), 10, REASON_NODEUP);
	hears_totem(b, 4, both, 2);
}

START_TEST(good_missing)
{
	both_join();
	send(a, 3);
	oracle_missed(oracle, node[2], true);
	hears(a, a, 1);
	hears(a, a, 2);
	leave_and_come_back();
	hears(a, a, 3);
	hears(b, a, 3);
	expect_none();
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
	send(a, 1);
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
	send(a, 1);
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
		good_missing,
		sees_disagreement_of_others,
		sees_disagreement_behind_missing,
		counts_what_it_is_told,
	};
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("oracle");
	SRunner *runner;
	int failed;
	size_t i;

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (i = 0; i < LENGTH(tests); i++) {
		tcase_add_test(tcase, tests[i]);
	}
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
