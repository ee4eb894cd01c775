/* SPDX-License-Identifier: BSD-3-Clause */
/* test/cpgverify/verify_*.c: each kind of violation is seen, and what is no violation is not. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/cpgverify/verify.h"

/*
 * Histories are written as words. A process is a digit; it is on the node of that number and has pid 100 +
 * digit.
 *
 *	=123+3      view of 1, 2 and 3, into which 3 joined; +3u: by NODEUP
 *	=12-3l      3 left: l LEAVE, n NODEDOWN, p PROCDOWN
 *	r7:123      totem_confchg: ring 7 of nodes 1, 2, 3
 *	2.5         message 5 of process 2 is delivered; 2.5! with another digest
 *	s5 u5       message 5 is accepted; is not known to be
 *	c           a corrupt message
 *	end dead    the session ends; without it the process was killed
 */
struct scene {
	struct history history;
	struct report report;
	struct verify_result result;
	uint32_t files;
};

static void scene_init(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	history_init(&scene->history, &scene->report);
}

static void record(struct scene *scene, const struct log_record *one)
{
	const char *error = history_record(&scene->history, scene->files, one);

	ck_assert_msg(error == NULL, "%s", error);
}

static uint32_t reason_of(const char *word, uint32_t fallback)
{
	static const char letters[] = "?jlnup";

	if (*word == '\0' || *word == '+' || *word == '-')
		return fallback;
	return (uint32_t)(strchr(letters, *word) - letters);
}

static const char *take_digits(const char *word, struct address *list, uint32_t *count)
{
	for (; *word >= '0' && *word <= '9'; word++, (*count)++)
		list[*count] = (struct address){(uint32_t)(*word - '0'), 100 + (uint32_t)(*word - '0'), 0};
	return word;
}

static void take_view(struct scene *scene, const char *word)
{
	struct address list[48] = {{0}}, change[16] = {{0}};
	struct log_record view = {.type = LOG_VIEW, .addresses = list};
	uint32_t *count, changed, reason, i;
	char sign;

	for (word = take_digits(word + 1, list, &view.members); *word != '\0'; word++) {
		sign = *word;
		changed = 0;
		word = take_digits(word + 1, change, &changed);
		reason = reason_of(word, 1);
		count = sign == '+' ? &view.joined : &view.left;
		for (i = 0; i < changed; i++) {
			change[i].reason = reason;
			list[view.members + view.left + view.joined] = change[i];
			(*count)++;
		}
		if (*word == '\0')
			break;
	}
	record(scene, &view);
}

static void take_ring(struct scene *scene, const char *word)
{
	struct address list[16];
	uint32_t nodes[16], count = 0, i;
	struct log_record ring = {.type = LOG_RING, .nodes = nodes};
	char *colon;

	ring.seq = strtoull(word + 1, &colon, 10);
	take_digits(colon + 1, list, &count);
	for (i = 0; i < count; i++)
		nodes[i] = list[i].nodeid;
	ring.nodeid = count > 0 ? nodes[0] : 0;
	ring.node_count = count;
	record(scene, &ring);
}

static void take_message(struct scene *scene, enum log_type type, uint32_t process, const char *seq)
{
	struct log_record message = {.type = type, .ref = process, .size = 100};
	char *end;

	message.seq = strtoull(seq, &end, 10);
	message.digest = (uint32_t)message.seq * 7 + process + (*end == '!');
	record(scene, &message);
}

static void take_word(struct scene *scene, uint32_t process, const char *word)
{
	struct log_record other = {.type = LOG_CORRUPT, .nodeid = 1, .pid = 101};

	if (word[0] == '=') {
		take_view(scene, word);
	} else if (word[0] == 'r') {
		take_ring(scene, word);
	} else if (word[0] == 's' || word[0] == 'u') {
		take_message(scene, word[0] == 's' ? LOG_SENT : LOG_UNSURE, process, word + 1);
	} else if (word[0] >= '1' && word[0] <= '9') {
		take_message(scene, LOG_DELIVER, (uint32_t)(word[0] - '0'), word + 2);
	} else {
		other.type = word[0] == 'e' ? LOG_END : word[0] == 'd' ? LOG_DEAD : LOG_CORRUPT;
		record(scene, &other);
	}
}

/* Reads one process's history in. */
static void add(struct scene *scene, uint32_t process, const char *words)
{
	struct log_record start = {.type = LOG_START, .group = "g", .size = 1};
	struct log_record sender = {.type = LOG_SENDER};
	struct log_record joined = {.type = LOG_JOINED};
	char *copy = strdup(words), *state = NULL, *word;

	start.nodeid = process;
	start.pid = 100 + process;
	start.incarnation = process;
	record(scene, &start);
	for (sender.ref = 0; sender.ref < 10; sender.ref++) {
		sender.nodeid = sender.ref;
		sender.pid = 100 + sender.ref;
		sender.incarnation = sender.ref;
		record(scene, &sender);
	}
	record(scene, &joined);
	for (word = strtok_r(copy, " ", &state); word != NULL; word = strtok_r(NULL, " ", &state))
		take_word(scene, process, word);
	scene->files++;
	free(copy);
}

static void verify(struct scene *scene, bool stock)
{
	struct verify_options options = {.stock = stock};

	history_verify(&scene->history, &options, &scene->result);
}

/* There are violations of this kind, and of no other; VIOLATION_KINDS: none at all. */
static void expect(struct scene *scene, enum violation kind)
{
	unsigned int i;

	for (i = 0; i < VIOLATION_KINDS; i++)
		ck_assert_msg((scene->report.counts[i] > 0) == (i == kind), "%s: %u, first: %s",
			      violation_name(i), (unsigned int)scene->report.counts[i],
			      scene->report.lines[0]);
	ck_assert_int_eq(scene->report.line_count > 0, kind != VIOLATION_KINDS);
	history_clear(&scene->history);
}

static void check_histories(const char *const *histories, bool stock, enum violation kind)
{
	struct scene scene;
	uint32_t i;

	scene_init(&scene);
	for (i = 0; histories[i] != NULL; i++)
		if (histories[i][0] != '\0')
			add(&scene, i + 1, histories[i]);
	verify(&scene, stock);
	expect(&scene, kind);
}

#define CLEAN(name, ...)                                                                                     \
	START_TEST(name)                                                                                     \
	{                                                                                                    \
		static const char *const histories[] = {__VA_ARGS__, NULL};                                  \
		check_histories(histories, false, VIOLATION_KINDS);                                          \
		check_histories(histories, true, VIOLATION_KINDS);                                           \
	}                                                                                                    \
	END_TEST

#define WRONG(name, kind, ...)                                                                               \
	START_TEST(name)                                                                                     \
	{                                                                                                    \
		static const char *const histories[] = {__VA_ARGS__, NULL};                                  \
		check_histories(histories, false, kind);                                                     \
		check_histories(histories, true, kind);                                                      \
	}                                                                                                    \
	END_TEST

#define ALLOWED_IN_STOCK(name, kind, ...)                                                                    \
	START_TEST(name)                                                                                     \
	{                                                                                                    \
		static const char *const histories[] = {__VA_ARGS__, NULL};                                  \
		check_histories(histories, false, kind);                                                     \
		check_histories(histories, true, VIOLATION_KINDS);                                           \
	}                                                                                                    \
	END_TEST

/* One ring */
CLEAN(clean_join_send_leave, "=1+1 r7:123 =12+2 s0 1.0 2.0 =123+3 3.0 s1 1.1 =23-1l end",
      "=12+2 r7:123 1.0 s0 2.0 =123+3 3.0 1.1 =23-1l s1 2.1 =3-2l end",
      "=123+3 r7:123 s0 3.0 1.1 =23-1l 2.1 =3-2l =-3l end")
CLEAN(clean_killed_log_ends_anywhere, "=1+1 r7:12 =12+2 s0 1.0 2.0 2.1", "=12+2 r7:12 1.0 s0 2.0")
CLEAN(clean_kill_leaves_unlogged_send, "=1+1 r7:12 =12+2 2.0 =1-2p end", "=12+2 r7:12")
CLEAN(clean_unsure_may_come, "=1+1 r7:1 u0 s1 1.0 1.1 end")
CLEAN(clean_unsure_may_not_come, "=1+1 r7:1 u0 s1 1.1 end")
CLEAN(clean_after_own_leave_nothing_counts, "=1+1 r7:12 =12+2 =2-1l =-2l 2.5", "=12+2 r7:12 =2-1l =-2l end")
CLEAN(clean_absent_log, "=12+1 r7:12 2.0 2.1 =1-2p end")
CLEAN(clean_sequential_groups, "=1+1 r7:12 s0 1.0 =-1l end", "=2+2 r7:12 s0 2.0 =-2l end")

/* Ring changes */
CLEAN(clean_node_dies, "=1+1 r7:123 =12+2 =123+3 3.0 3.1 =12-3n r8:12 s0 1.0 =1-2l end",
      "=12+2 r7:123 =123+3 3.0 3.1 =12-3n r8:12 1.0 =1-2l end", "=123+3 r7:123 s0 s1 s2 3.0 dead")
CLEAN(clean_partition_and_merge, "=1+1 r7:123 =12+2 =123+3 =12-3n r8:12 s0 1.0 =123+3u r12:123 3.1 end",
      "=12+2 r7:123 =123+3 =12-3n r8:12 1.0 =123+3u r12:123 3.1 end",
      "=123+3 r7:123 s0 3.0 =3-12n r8:3 =123+12u r12:123 s1 3.1 end")
CLEAN(clean_paused_node_alone_in_old_view, "=1+1 r7:12 =12+2 2.0 =1-2n =12+2u r12:12 end",
      "=12+2 r7:12 s0 s1 2.0 2.1 =2-1n =12+1u r12:12 end")
CLEAN(clean_ring_without_change_of_group, "=1+1 r7:12 =12+2 s0 1.0 r8:123 s1 1.1 end",
      "=12+2 r7:12 1.0 r8:123 1.1 end")
CLEAN(clean_joins_while_rings_change, "=1+1 r7:1 r8:12 r9:12 =12+2 s0 1.0 =1-2l end",
      "r8:12 r9:12 =12+2 r9:12 1.0 =1-2l end")
ALLOWED_IN_STOCK(lost_at_merge, VIOLATION_SYNCHRONY,
		 "=1+1 r7:123 =12+2 =123+3 =12-3n r8:12 s0 s1 =123+3u r12:123 1.0 1.1 =12-3l end",
		 "=12+2 r7:123 =123+3 =12-3n r8:12 =123+3u r12:123 1.0 1.1 =12-3l end",
		 "=123+3 r7:123 =3-12n r8:3 =123+12u r12:123 1.1 =12-3l end")
WRONG(lost_at_merge_behind_the_first, VIOLATION_SYNCHRONY,
      "=1+1 r7:123 =12+2 =123+3 =12-3n r8:12 s0 s1 =123+3u r12:123 1.0 1.1 =12-3l end",
      "=12+2 r7:123 =123+3 =12-3n r8:12 =123+3u r12:123 1.0 1.1 =12-3l end",
      "=123+3 r7:123 =3-12n r8:3 =123+12u r12:123 1.0 =12-3l end")
WRONG(lost_by_one_that_came_along, VIOLATION_SYNCHRONY,
      "=1+1 r7:123 =12+2 =123+3 =12-3n r8:12 s0 s1 =123+3u r12:123 1.0 1.1 =12-3l end",
      "=12+2 r7:123 =123+3 =12-3n r8:12 =123+3u r12:123 1.1 =12-3l end")
WRONG(survivors_deliver_differently, VIOLATION_SYNCHRONY, "=1+1 r7:123 =12+2 =123+3 3.0 3.1 =12-3n r8:12 end",
      "=12+2 r7:123 =123+3 3.0 =12-3n r8:12 end")
WRONG(survivors_disagree, VIOLATION_DISAGREE, "=1+1 r7:123 =12+2 =123+3 =12-3n =123+3u r8:123 end",
      "=12+2 r7:123 =123+3 =12-3n =123+3u r8:123 end", "=123+3 r7:123 r8:123 end")
WRONG(paused_node_never_heard, VIOLATION_DISAGREE, "=1+1 r7:12 =12+2 =1-2n =12+2u r12:12 end",
      "=12+2 r7:12 r12:12 end")
WRONG(ghost_member, VIOLATION_VIEW, "=1+1 r7:12 =12+2 =12 r8:1 end")
WRONG(members_differ_after_merge, VIOLATION_DISAGREE, "=1+1 r7:1 =12+2u r12:12 end",
      "=2+2 r8:2 =123+13u r12:123 end")
WRONG(message_inside_ring_change, VIOLATION_VIEW, "=1+1 r7:12 =12+2 =1-2n s0 1.0 r8:1 end")

/* Each kind in one ring */
WRONG(corrupt, VIOLATION_CORRUPT, "=1+1 r7:1 c end")
WRONG(content, VIOLATION_CONTENT, "=1+1 r7:12 =12+2 s0 1.0 end", "=12+2 r7:12 1.0! end")
WRONG(twice, VIOLATION_FIFO, "=1+1 r7:1 s0 1.0 1.0 end")
WRONG(behind_a_later_one, VIOLATION_FIFO, "=1+1 r7:1 s0 s1 1.1 1.0 end")
WRONG(stranger, VIOLATION_STRANGER, "=1+1 r7:12 2.0 =12+2 end")
WRONG(stranger_after_leave, VIOLATION_STRANGER, "=1+1 r7:12 =12+2 2.0 =1-2l 2.1 end")
WRONG(message_before_the_first_view, VIOLATION_STRANGER, "r7:1 s0 1.0 =1+1 end")
WRONG(first_view_without_own_join, VIOLATION_VIEW, "=12+2 r7:12 end")
WRONG(receiver_is_no_member, VIOLATION_VIEW, "=12+1 r7:12 =2 end")
WRONG(member_out_of_nowhere, VIOLATION_VIEW, "=1+1 r7:12 =12 end")
WRONG(member_vanishes, VIOLATION_VIEW, "=12+1 r7:12 =1 end")
WRONG(joined_twice, VIOLATION_VIEW, "=12+1 r7:12 =12+2 end")
WRONG(left_but_stays, VIOLATION_VIEW, "=12+1 r7:12 =12-2l end")
WRONG(left_without_being_there, VIOLATION_VIEW, "=1+1 r7:12 =1-2p end")
WRONG(wrong_reason, VIOLATION_VIEW, "=1+1 r7:12 =12+2p end")
WRONG(listed_twice, VIOLATION_VIEW, "=11+1 r7:1 end")
WRONG(leave_seen_as_death, VIOLATION_DISAGREE, "=1+1 r7:123 =12+2 =123+3 =12-3l end",
      "=12+2 r7:123 =123+3 =12-3p end")
WRONG(joins_in_another_order, VIOLATION_DISAGREE, "=1+1 r7:1234 =12+2 =123+3 =1234+4 end",
      "=12+2 r7:1234 =124+4 =1234+3 end")
WRONG(lost_in_a_view, VIOLATION_SYNCHRONY, "=1+1 r7:12 =12+2 s0 s1 s2 1.0 1.1 1.2 =2-1l end",
      "=12+2 r7:12 1.0 1.2 =2-1l end")
WRONG(behind_the_view_change, VIOLATION_SYNCHRONY, "=1+1 r7:123 =12+2 s0 1.0 =123+3 =23-1l end",
      "=12+2 r7:123 =123+3 1.0 =23-1l end")
WRONG(lost_where_logs_come_in_the_order_of_leaving, VIOLATION_SYNCHRONY, "=123+1 r7:123 2.0 =12-3p end",
      "=23+2 r7:123 =123+1 s0 s1 2.0 2.1 =12-3p end", "=3+3 r7:123 =23+2")
WRONG(two_orders, VIOLATION_ORDER, "=1+1 r7:12 =12+2 s0 1.0 2.0 end", "=12+2 r7:12 s0 2.0 1.0 end")
WRONG(order_in_a_circle, VIOLATION_ORDER, "=123+1 r7:123 s0 1.0 2.0", "=123+2 r7:123 s0 2.0 3.0",
      "=123+3 r7:123 s0 3.0 1.0")
WRONG(accepted_and_lost, VIOLATION_LOST, "=1+1 r7:1 s0 s1 1.0 end")
WRONG(invented, VIOLATION_INVENTED, "=1+1 r7:1 s0 1.0 1.1 end")

START_TEST(another_address)
{
	struct log_record sender = {.type = LOG_SENDER, .ref = 10, .nodeid = 2, .pid = 102, .incarnation = 1};
	struct log_record start = {.type = LOG_START, .group = "g", .size = 1, .incarnation = 77};
	struct scene scene;

	scene_init(&scene);
	add(&scene, 1, "=1+1 r7:12");
	record(&scene, &start);
	sender.ref = 0;
	record(&scene, &sender);
	verify(&scene, false);
	expect(&scene, VIOLATION_CONTENT);
}
END_TEST

START_TEST(counts)
{
	struct scene scene;

	scene_init(&scene);
	add(&scene, 1, "=1+1 r7:123 =12+2 s0 1.0 2.0 =123+3 3.0 end");
	add(&scene, 2, "=12+2 r7:123 1.0 s0 2.0 =123+3 3.0 end");
	verify(&scene, false);
	ck_assert_uint_eq(scene.result.messages, 3);
	ck_assert_uint_eq(scene.result.deliveries, 6);
	ck_assert_uint_eq(scene.result.views, 3);
	ck_assert_uint_eq(scene.result.allowed, 0);
	expect(&scene, VIOLATION_KINDS);
}
END_TEST

/* Ring 7 is nobody's change; at 8 all is back; at 9 and 12 it is not, at 12 of one process only. */
START_TEST(changes_with_messages_on_their_way)
{
	struct scene scene;

	scene_init(&scene);
	add(&scene, 1, "=1+1 r7:12 =12+2 s0 1.0 r8:12 s1 r9:12 1.1 r12:12 2.0 =1-2l end");
	add(&scene, 2, "=12+2 r7:12 1.0 r8:12 r9:12 s0 1.1 r12:12 2.0 =1-2l end");
	verify(&scene, false);
	ck_assert_uint_eq(scene.result.changes, 3);
	ck_assert_uint_eq(scene.result.in_flight, 2);
	expect(&scene, VIOLATION_KINDS);
}
END_TEST

START_TEST(allowed_losses_are_counted)
{
	struct scene scene;

	scene_init(&scene);
	add(&scene, 1, "=1+1 r7:1 s0 s1 =12+2u r12:12 1.0 1.1 =1-2l end");
	add(&scene, 2, "=2+2 r8:2 =12+1u r12:12 1.1 =1-2l end");
	verify(&scene, true);
	ck_assert_uint_eq(scene.result.allowed, 1);
	expect(&scene, VIOLATION_KINDS);
}
END_TEST

/* Sequences of records that no writer makes are refused with words. */
START_TEST(nonsense_is_refused)
{
	static const struct log_record wrong[] = {
		{.type = LOG_JOINED},
		{.type = LOG_START, .group = "", .size = 0},
		{.type = LOG_START, .group = "g", .size = 129},
	};
	struct log_record start = {.type = LOG_START, .group = "g", .size = 1};
	struct log_record sender = {.type = LOG_SENDER, .ref = 1};
	struct log_record deliver = {.type = LOG_DELIVER, .ref = 0};
	struct log_record end = {.type = LOG_END};
	struct scene scene;
	size_t i;

	scene_init(&scene);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_ptr_nonnull(history_record(&scene.history, 0, &wrong[i]));
	record(&scene, &start);
	ck_assert_ptr_nonnull(history_record(&scene.history, 1, &end));
	ck_assert_ptr_nonnull(history_record(&scene.history, 0, &start));
	ck_assert_ptr_nonnull(history_record(&scene.history, 0, &sender));
	ck_assert_ptr_nonnull(history_record(&scene.history, 0, &deliver));
	start.group = "h";
	start.incarnation = 5;
	ck_assert_ptr_nonnull(history_record(&scene.history, 0, &start));
	record(&scene, &end);
	ck_assert_ptr_nonnull(history_record(&scene.history, 0, &end));
	history_clear(&scene.history);
}
END_TEST

/* Random histories, most of them absurd: any verdict will do, memory must stay whole. */
START_TEST(absurd_histories)
{
	static const char *const words[] = {"=1+1",    "=12+2",
					    "=123+3u", "=12-3n",
					    "=-1l",    "r1:12",
					    "r2:123",  "r18446744073709551615:3",
					    "1.0",     "1.18446744073709551615",
					    "2.1",     "3.70",
					    "s0",      "u9",
					    "c",       "=",
					    "=3-12n"};
	char line[1024];
	struct scene scene;
	uint32_t state = 1, process, round, i;
	int used;

	for (round = 0; round < 3000; round++) {
		scene_init(&scene);
		for (process = 1; process < 5; process++) {
			for (i = 0, used = 0; i < 25; i++) {
				state = state * 1664525u + 1013904223u;
				used += snprintf(line + used, sizeof(line) - (size_t)used, "%s ",
						 words[(state >> 16) % (sizeof(words) / sizeof(words[0]))]);
			}
			add(&scene, process, line);
		}
		verify(&scene, round % 2 == 0);
		history_clear(&scene.history);
	}
}
END_TEST

static TCase *clean_case(void)
{
	TCase *tests = tcase_create("clean");

	tcase_add_test(tests, clean_join_send_leave);
	tcase_add_test(tests, clean_killed_log_ends_anywhere);
	tcase_add_test(tests, clean_kill_leaves_unlogged_send);
	tcase_add_test(tests, clean_unsure_may_come);
	tcase_add_test(tests, clean_unsure_may_not_come);
	tcase_add_test(tests, clean_after_own_leave_nothing_counts);
	tcase_add_test(tests, clean_absent_log);
	tcase_add_test(tests, clean_sequential_groups);
	tcase_add_test(tests, clean_node_dies);
	tcase_add_test(tests, clean_partition_and_merge);
	tcase_add_test(tests, clean_paused_node_alone_in_old_view);
	tcase_add_test(tests, clean_ring_without_change_of_group);
	tcase_add_test(tests, clean_joins_while_rings_change);
	tcase_add_test(tests, counts);
	tcase_add_test(tests, changes_with_messages_on_their_way);
	return tests;
}

static TCase *ring_case(void)
{
	TCase *tests = tcase_create("ring change");

	tcase_add_test(tests, lost_at_merge);
	tcase_add_test(tests, lost_at_merge_behind_the_first);
	tcase_add_test(tests, lost_by_one_that_came_along);
	tcase_add_test(tests, allowed_losses_are_counted);
	tcase_add_test(tests, survivors_deliver_differently);
	tcase_add_test(tests, survivors_disagree);
	tcase_add_test(tests, paused_node_never_heard);
	tcase_add_test(tests, ghost_member);
	tcase_add_test(tests, members_differ_after_merge);
	tcase_add_test(tests, message_inside_ring_change);
	return tests;
}

static TCase *view_case(void)
{
	TCase *tests = tcase_create("view");

	tcase_add_test(tests, first_view_without_own_join);
	tcase_add_test(tests, receiver_is_no_member);
	tcase_add_test(tests, member_out_of_nowhere);
	tcase_add_test(tests, member_vanishes);
	tcase_add_test(tests, joined_twice);
	tcase_add_test(tests, left_but_stays);
	tcase_add_test(tests, left_without_being_there);
	tcase_add_test(tests, wrong_reason);
	tcase_add_test(tests, listed_twice);
	tcase_add_test(tests, leave_seen_as_death);
	tcase_add_test(tests, joins_in_another_order);
	return tests;
}

static TCase *message_case(void)
{
	TCase *tests = tcase_create("message");

	tcase_add_test(tests, corrupt);
	tcase_add_test(tests, content);
	tcase_add_test(tests, another_address);
	tcase_add_test(tests, twice);
	tcase_add_test(tests, behind_a_later_one);
	tcase_add_test(tests, stranger);
	tcase_add_test(tests, stranger_after_leave);
	tcase_add_test(tests, message_before_the_first_view);
	tcase_add_test(tests, lost_in_a_view);
	tcase_add_test(tests, behind_the_view_change);
	tcase_add_test(tests, lost_where_logs_come_in_the_order_of_leaving);
	tcase_add_test(tests, two_orders);
	tcase_add_test(tests, order_in_a_circle);
	tcase_add_test(tests, accepted_and_lost);
	tcase_add_test(tests, invented);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("cpgverify_verify");
	TCase *hostile = tcase_create("hostile");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, clean_case());
	suite_add_tcase(suite, ring_case());
	suite_add_tcase(suite, view_case());
	suite_add_tcase(suite, message_case());
	tcase_add_test(hostile, nonsense_is_refused);
	tcase_add_test(hostile, absurd_histories);
	tcase_set_timeout(hostile, 120);
	suite_add_tcase(suite, hostile);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
