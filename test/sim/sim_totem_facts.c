/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the real totem and the executive above it do to a service, one fact a test, on the simulated ones: a simulation
 * that is kinder proves nothing. What the stories say: totem_fixture.h.
 */
#include <stdlib.h>
#include <string.h>

#include "test/unit/run_suite.h"
#include "totem_fixture.h"

#define SEEDS 200 /* where chance has to help */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- 1: totem's send queue survives a ring change ---- */

START_TEST(fact_1_queue_survives)
{
	start(3);
	begin_story();
	lose_token(1);
	cut(3);
	says(1, 'a', 100);
	run(SIM_S);
	expect_story(1, "T(1 2/3)R(1 2)I(1 2)PAOa");
	expect_story(2, "T(1 2/3)R(1 2)I(1 2)PAOa");
	expect_story(3, "T(3/1 2)R(3)I(3)PAO");
}
END_TEST

START_TEST(fact_1_goes_to_all_of_the_next_ring)
{
	totem_set_label(witness[3].node, 3);
	totem_start(witness[3].node, &service, &witness[3]);
	totem_start(witness[1].node, &service, &witness[1]);
	run(SIM_S);
	begin_story();
	lose_token(1);
	mend(3);
	says(1, 'a', 100);
	run(SIM_S);
	expect_story(3, "T(3)R(1 3)I(3)PAOa");
}
END_TEST

/* ---- 2: packets are chains, and who was not with the sender drops what it has no beginning of ---- */

/* Node 1 sends 40 messages of `size`; the token is lost when some have gone, and node 3 comes to nodes 1 and 2. */
static void merge_with_backlog(size_t size)
{
	int i;

	cut(3);
	start(3 - 1);
	totem_start(witness[3].node, &service, &witness[3]);
	run(SIM_S);
	begin_story();
	totem.config.window = 2;
	for (i = 0; i < 40; i++) {
		ck_assert_int_eq(says(1, 'a', size), 0);
	}
	RUN_UNTIL(count_of(1, 'a'));
	lose_token(1);
	mend(3);
	run(SIM_S);
	ck_assert_uint_eq(count_of(1, 'a'), 40);
	ck_assert_uint_eq(count_of(2, 'a'), 40);
}

START_TEST(fact_2_chain_is_lost_at_a_joiner)
{
	merge_with_backlog(300);
	ck_assert_uint_gt(totem.stats.chain_drops, 1);
	expect_story(3, "T(3)R(1 2 3)I(3)PAO");
	says(1, 'b', 300);
	run(SIM_S);
	expect_story(3, "T(3)R(1 2 3)I(3)PAOb"); /* the flush at the end of the backlog ended the chain */
}
END_TEST

/* Node 3 had the chain's beginning when it was cut off. */
START_TEST(fact_2_who_left_is_no_part_of_the_chain)
{
	unsigned int heard;
	int i;

	start(3);
	begin_story();
	totem.config.window = 2;
	for (i = 0; i < 40; i++) {
		ck_assert_int_eq(says(1, 'a', 300), 0);
	}
	RUN_UNTIL(count_of(3, 'a'));
	heard = count_of(3, 'a');
	cut(3);
	install_only();
	mend(3);
	run(SIM_S);
	ck_assert_uint_eq(count_of(1, 'a'), 40);
	ck_assert_uint_eq(count_of(3, 'a'), heard);
}
END_TEST

START_TEST(fact_2_packets_that_end_whole_are_no_chain)
{
	merge_with_backlog(PACKET / 2 - 2);
	ck_assert_uint_eq(totem.stats.chain_drops, 0);
	ck_assert_uint_gt(count_of(3, 'a'), 20);
}
END_TEST

START_TEST(fact_2_queue_that_nothing_went_from_is_no_loss)
{
	int i;

	cut(3);
	start(2);
	totem_start(witness[3].node, &service, &witness[3]);
	run(SIM_S);
	lose_token(1);
	mend(3);
	for (i = 0; i < 40; i++) {
		says(1, 'a', 300);
	}
	run(SIM_S);
	ck_assert_uint_eq(count_of(3, 'a'), 40);
}
END_TEST

/* ---- 3: a multicast at the wrong moment hangs the sync of all nodes ---- */

/* Nodes 1 and 2; what node 2 says, node 1 gets only in the recovery of the next ring. */
static void hear_in_recovery(char name)
{
	size_t end = ring_of(2)->end;

	totem.config.loss = 100;
	says(2, name, 100);
	RUN_UNTIL(ring_of(2)->end > end);
	lose_token(2);
	totem.config.loss = 0;
	ck_assert_uint_eq(count_of(1, name), 0);
}

START_TEST(fact_3_send_from_delivery_hangs_sync)
{
	start(2);
	begin_story();
	witness[1].answers = 1500;
	hear_in_recovery('g');
	run(60 * SIM_S);
	expect_story(1, "gT(1 2)R(1 2)I(1 2)");
	ck_assert(witness[1].recovering_at['g']);
	ck_assert(witness[1].node->sync_in_process && witness[2].node->sync_in_process);
	ck_assert_uint_eq(totem.stats.rings, 2);
	/* ... until the ring changes again. What was packed in front of sync's message never comes. */
	lose_token(1);
	run(SIM_S);
	ck_assert(totem_is_whole(&totem));
	ck_assert_uint_eq(count_of(1, 'h') + count_of(2, 'h'), 0);
}
END_TEST

START_TEST(fact_3_short_message_hangs_nothing)
{
	start(2);
	begin_story();
	witness[1].answers = 500;
	hear_in_recovery('g');
	run(60 * SIM_S);
	expect_story(1,
		     "gT(1 2)R(1 2)I(1 2)hPAO"); /* by sync's queue, as it was in front of sync's message */
}
END_TEST

START_TEST(fact_3_full_queue_hangs_sync)
{
	start(2);
	lose_token(1);
	begin_story();
	while (says(1, 'a', FILLING) == 0) {
	}
	ck_assert_uint_eq(witness[1].node->queue[0].count, QUEUE);
	ck_assert_uint_gt(witness[1].node->packing.bytes, 0);
	run(60 * SIM_S);
	expect_story(1, "T(1 2)R(1 2)I(1 2)");
	ck_assert_uint_eq(totem.stats.rings, 2);
}
END_TEST

/* ---- 4: left and joined at once, nested changes ---- */

START_TEST(fact_4_left_and_joined_in_one_change)
{
	start(3);
	totem_pause(witness[1].node);
	totem_pause(witness[2].node);
	run(SIM_S);
	ck_assert_uint_eq(ring_of(3)->count, 1);
	begin_story();
	totem_resume(witness[1].node);
	totem_resume(witness[2].node);
	run(SIM_S);
	expect_story(1, "T(1 2/3)R(1 2 3)I(1 2)PAO");
	expect_story(3, "T(3)R(1 2 3)I(3)PAO");
}
END_TEST

START_TEST(fact_4_nested_changes_hide_who_left)
{
	start(3);
	begin_story();
	cut(3);
	install_only();
	mend(3);
	run(SIM_S);
	/* Node 3 was lost between two activations; the last trans_list and the last members do not tell. */
	expect_story(1, "T(1 2/3)R(1 2)I(1 2)T(1 2)R(1 2 3)I(1 2)PAO");
}
END_TEST

START_TEST(fact_4_lost_node_in_a_later_trans_list)
{
	start(3);
	begin_story();
	cut(3);
	install_only();
	mend(3);
	install_only();
	run(SIM_S);
	expect_story(1, "T(1 2/3)R(1 2)I(1 2)T(1 2)R(1 2 3)I(1 2)T(1 2 3)R(1 2 3)I(1 2 3)PAO");
}
END_TEST

/* ---- 5: the order of events ---- */

static void forget_packet(struct ring *ring, size_t position, unsigned int nodeid)
{
	struct nodeset *got = &ring_packet(ring, position)->got;

	got->word[(nodeid - 1) / 64] &= ~(1ull << ((nodeid - 1) % 64));
}

/*
 * Node 1 sends x, which nobody gets, and y; node 2 sends b behind them. Then node 1 is gone. y is not delivered, though
 * both have it: its sender does not come along.
 */
START_TEST(fact_5_order_of_a_change)
{
	size_t end;

	start(3);
	end = ring_of(1)->end;
	begin_story();
	says(1, 'x', PACKET - 2);
	says(1, 'y', PACKET - 2);
	RUN_UNTIL(ring_of(1)->end == end + 2);
	says(2, 'b', 10);
	forget_packet(ring_of(1), end, 2);
	forget_packet(ring_of(1), end, 3);
	totem_pause(witness[1].node);
	RUN_UNTIL(ring_of(2)->end == end + 3);
	cut(1);
	run(SIM_S);
	says(2, 'c', 10);
	run(SIM_S);
	expect_story(2, "T(2 3/1)bR(2 3)I(2 3)PAOc");
	expect_story(3, "T(2 3/1)bR(2 3)I(2 3)PAOc");
	expect_story(1, "xy");
	ck_assert_uint_eq(totem.stats.behind_gap, 2);
}
END_TEST

/*
 * Nodes 1 and 2 sync and lose the token when all have said that they are done with service `stage`, and have not heard
 * each other. True: they hear it in the recovery of the next ring.
 */
static bool end_in_recovery(uint64_t seed, unsigned int stage)
{
	world_begin(seed);
	start(2);
	begin_story();
	lose_token(1);
	RUN_UNTIL(witness[1].node->sync_service == stage && witness[1].node->sync_state == SYNC_BARRIER &&
		  witness[2].node->sync_service == stage && witness[2].node->sync_state == SYNC_BARRIER);
	totem.config.loss = 100;
	RUN_UNTIL((queue_is_idle(witness[1].node) && queue_is_idle(witness[2].node)) ||
		  witness[1].node->sync_service != stage || witness[2].node->sync_service != stage);
	totem.config.loss = 0;
	lose_token(1);
	run(SIM_S);
	return witness[1].recovering_at[stage == SIM_SYNC_OURS ? 'A' : 'O'];
}

START_TEST(fact_5_activation_in_the_next_recovery)
{
	uint64_t seed = 1;

	while (seed < SEEDS && !end_in_recovery(seed, SIM_SYNC_OURS)) {
		world_end();
		seed++;
	}
	expect_story(1, "T(1 2)R(1 2)I(1 2)PAT(1 2)R(1 2)I(1 2)PAO");
	expect_story(2, "T(1 2)R(1 2)I(1 2)PAT(1 2)R(1 2)I(1 2)PAO"); /* they agree on it */
	world_end();
}
END_TEST

START_TEST(fact_5_end_of_sync_in_the_next_recovery)
{
	uint64_t seed = 1;

	while (seed < SEEDS && !end_in_recovery(seed, SIM_SYNC_SERVICES - 1)) {
		world_end();
		seed++;
	}
	expect_story(1, "T(1 2)R(1 2)I(1 2)PAOT(1 2)R(1 2)I(1 2)PAO");
	expect_story(2, "T(1 2)R(1 2)I(1 2)PAOT(1 2)R(1 2)I(1 2)PAO");
	world_end();
}
END_TEST

/* The one service that is in sync_process hears of it, twice; afterwards it is called twice a visit. */
START_TEST(fact_5_abort_comes_twice)
{
	unsigned int before;

	start(2);
	begin_story();
	witness[1].busy = true;
	lose_token(1);
	RUN_UNTIL(count_of(1, 'P') == 1);
	lose_token(1);
	RUN_UNTIL(count_of(1, 'I') == 2);
	before = count_of(1, 'P');
	ck_assert(witness[1].recovering_at['P']); /* sync goes on in the next ring's recovery */
	RUN_UNTIL(count_of(1, 'P') > before);
	ck_assert_msg(strstr(witness[1].story, "PT(1 2)XR(1 2)XI(1 2)PP") != NULL, "%s", witness[1].story);
	ck_assert_uint_eq(count_of(1, 'P'), before + 2);
	ck_assert_uint_eq(count_of(2, 'X'), 0); /* done, and waiting for node 1 */
}
END_TEST

START_TEST(fact_5_no_abort_in_the_turn_of_others)
{
	start(4);
	begin_story();
	lose_token(1);
	RUN_UNTIL(witness[2].node->sync_state == SYNC_PROCESS);
	ck_assert_uint_lt(witness[2].node->sync_service, SIM_SYNC_OURS);
	lose_token(2);
	run(SIM_S);
	ck_assert_uint_eq(count_of(1, 'X') + count_of(2, 'X'), 0);
	ck_assert_uint_eq(count_of(2, 'I'), 2);
}
END_TEST

/* ---- 6: a paused node is alone with what it had sent ---- */

START_TEST(fact_6_paused_node_delivers_alone)
{
	start(2);
	begin_story();
	says(2, 'a', 10); /* wakes the token */
	says(1, 'b', 10);
	totem_pause(witness[1].node);
	RUN_UNTIL(ring_of(1)->parked);
	run(SIM_S);
	expect_story(2, "aT(2/1)R(2)I(2)PAO");
	totem_resume(witness[1].node);
	run(SIM_S);
	ck_assert_msg(strncmp(witness[1].story, "ab", 2) == 0 || strncmp(witness[1].story, "ba", 2) == 0,
		      "%s", witness[1].story);
	ck_assert_uint_eq(count_of(2, 'b'), 0);
}
END_TEST

/* ---- 7: what stays in sync's queue ---- */

START_TEST(fact_7_sync_queue_keeps_what_is_left)
{
	start(2);
	begin_story();
	lose_token(1);
	totem.config.window = 1;
	RUN_UNTIL(witness[1].node->sync_service == SIM_SYNC_SERVICES - 1 &&
		  witness[1].node->sync_state == SYNC_BARRIER);
	says(1, 's', 3 * PACKET);
	run(60 * SIM_S);
	expect_story(1, "T(1 2)R(1 2)I(1 2)PAO");
	ck_assert_uint_gt(witness[1].node->queue[1].count, 0);
	begin_story();
	lose_token(1);
	run(SIM_S);
	expect_story(1, "T(1 2)R(1 2)I(1 2)sPAO");
}
END_TEST

/* ---- 8: who is told that sync is over ---- */

START_TEST(fact_8_news_of_the_end_waits_for_room)
{
	start(2);
	lose_token(1);
	begin_story();
	while (!totem_is_critical(witness[1].node)) {
		says(1, 'a', PACKET);
	}
	totem.config.window = 1;
	run(SIM_S);
	ck_assert_uint_le(witness[1].queue_at_over * 4, QUEUE * 3);
	ck_assert_msg(strstr(witness[1].story, "Aa") != NULL, "%s", witness[1].story);
	ck_assert_msg(strstr(witness[2].story, "AOa") != NULL, "%s", witness[2].story);
}
END_TEST

START_TEST(fact_8_token_comes_in_recovery)
{
	unsigned int tokens;

	start(2);
	lose_token(1);
	RUN_UNTIL(witness[1].node->recovering);
	tokens = witness[1].tokens;
	says(1, 'a', 10);
	RUN_UNTIL(witness[1].tokens > tokens);
	ck_assert_ptr_nonnull(witness[1].node->recovering);
	ck_assert_uint_eq(witness[1].node->queue[0].count, 1); /* flushed, not sent */
}
END_TEST

START_TEST(fact_8_idle_ring_holds_the_token)
{
	unsigned int tokens;

	start(2);
	run(SIM_S);
	tokens = witness[2].tokens;
	run(60 * SIM_S);
	ck_assert_uint_eq(witness[2].tokens, tokens);
	says(2, 'a', 10);
	run(SIM_S);
	ck_assert_uint_gt(witness[2].tokens, tokens);
}
END_TEST

/* ---- 9 and 10: room ---- */

START_TEST(fact_9_queue_is_bounded)
{
	start(1);
	lose_token(1);
	while (says(1, 'a', FILLING) == 0) {
	}
	ck_assert_uint_eq(witness[1].node->queue[0].count, QUEUE);
	ck_assert(!totem_cfg(witness[1].node)); /* that daemon aborts */
}
END_TEST

START_TEST(fact_9_sync_does_not_look_for_room)
{
	start(2);
	begin_story();
	witness[1].fills_at_regular = true;
	lose_token(1);
	RUN_UNTIL(count_of(1, 'R') == 1);
	witness[1].fills_at_regular = false;
	run(60 * SIM_S);
	ck_assert_uint_gt(totem.stats.sync_full, 0);
	ck_assert_uint_eq(count_of(1, 'A') + count_of(2, 'A'), 0);
	lose_token(1);
	run(SIM_S);
	ck_assert(totem_is_whole(&totem));
}
END_TEST

START_TEST(fact_10_clients_are_held_off_at_three_quarters)
{
	unsigned int accepted = 0;

	start(1);
	lose_token(1);
	while (!totem_is_critical(witness[1].node)) {
		ck_assert_int_eq(says(1, 'a', PACKET - 2), 0);
		accepted++;
	}
	ck_assert_uint_eq(accepted, QUEUE * 3 / 4 + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		fact_1_queue_survives,
		fact_1_goes_to_all_of_the_next_ring,
		fact_2_chain_is_lost_at_a_joiner,
		fact_2_who_left_is_no_part_of_the_chain,
		fact_2_packets_that_end_whole_are_no_chain,
		fact_2_queue_that_nothing_went_from_is_no_loss,
		fact_3_send_from_delivery_hangs_sync,
		fact_3_short_message_hangs_nothing,
		fact_3_full_queue_hangs_sync,
		fact_4_left_and_joined_in_one_change,
		fact_4_nested_changes_hide_who_left,
		fact_4_lost_node_in_a_later_trans_list,
		fact_5_order_of_a_change,
		fact_5_abort_comes_twice,
		fact_5_no_abort_in_the_turn_of_others,
		fact_6_paused_node_delivers_alone,
		fact_7_sync_queue_keeps_what_is_left,
		fact_8_news_of_the_end_waits_for_room,
		fact_8_token_comes_in_recovery,
		fact_8_idle_ring_holds_the_token,
		fact_9_queue_is_bounded,
		fact_9_sync_does_not_look_for_room,
		fact_10_clients_are_held_off_at_three_quarters,
	};
	const TTest *const searches[] = {
		fact_5_activation_in_the_next_recovery,
		fact_5_end_of_sync_in_the_next_recovery,
	};
	Suite *suite = suite_create("totem");
	TCase *schedules = tcase_create("schedules"), *searching = tcase_create("searches");
	size_t i;

	tcase_add_checked_fixture(schedules, setup, world_end);
	for (i = 0; i < LENGTH(tests); i++) {
		tcase_add_test(schedules, tests[i]);
	}
	for (i = 0; i < LENGTH(searches); i++) {
		tcase_add_test(searching, searches[i]);
	}
	suite_add_tcase(suite, schedules);
	suite_add_tcase(suite, searching);
	return run_suite(suite);
}
