/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring changes: who leaves, who comes, in which order, and when this node may speak. */
#include <stdio.h>
#include <stdlib.h>

#include "test/unit/engine_fixture.h"

/* A ring of these, in one go; `named` are the processes of node 2. */
static void ring_change(struct fixture *fixture, const uint32_t *left, const uint32_t *trans,
			const uint32_t *members, const struct named *named, size_t count)
{
	transitional(fixture, left);
	sync_begin(fixture, trans, members);
	deliver_downlist(fixture, 2);
	if (count) {
		deliver_joinlist(fixture, 2, named, count);
	}
	sync_own(fixture);
	sync_end(fixture);
}

static const struct named two_processes[] = {{7, "group"}, {5, "group"}};

START_TEST(a_node_comes_and_goes)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 2:7 +2:5u +2:7u");
	ck_assert_str_eq(next_confchg(one), "event 13");
	ring_change(fixture, NODES(2), NODES(1), NODES(1), NULL, 0);
	ck_assert_str_eq(next_confchg(one), "1:10 -2:5d -2:7d");
	ck_assert_str_eq(next_confchg(one), "event 13");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

/* Each of its groups is told, and each once. */
START_TEST(a_node_with_many_groups_dies)
{
	enum { GROUPS = 100 };
	struct fixture *fixture = fixture_new(NULL);
	struct named named[GROUPS];
	struct peer *peers[GROUPS];
	char names[GROUPS][16];
	uint32_t i;

	for (i = 0; i < GROUPS; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "group %u", i);
		peers[i] = peer_new(fixture, 10);
		joined(fixture, peers[i], names[i]);
		named[i] = (struct named){5, names[i]};
	}
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), named, GROUPS);
	ring_change(fixture, NODES(2), NODES(1), NODES(1), NULL, 0);
	for (i = 0; i < GROUPS; i++) {
		ck_assert_str_eq(next_confchg(peers[i]), "1:10 +1:10j");
		ck_assert_str_eq(next_confchg(peers[i]), "1:10 2:5 +2:5u");
		ck_assert_str_eq(next_confchg(peers[i]), "event 13");
		ck_assert_str_eq(next_confchg(peers[i]), "1:10 -2:5d");
		ck_assert_str_eq(next_confchg(peers[i]), "event 13");
		ck_assert_str_eq(next_confchg(peers[i]), "none");
	}
	fixture_free(fixture);
}
END_TEST

START_TEST(gone_and_back_in_one_change)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	drop_all(&one->events);
	ring_change(fixture, NODES(2), NODES(1), NODES(1, 2), two_processes, 1);
	ck_assert_str_eq(next_confchg(one), "1:10 -2:5d -2:7d");
	ck_assert_str_eq(next_confchg(one), "1:10 2:7 +2:7u");
	ck_assert_str_eq(next_confchg(one), "event 13");
	fixture_free(fixture);
}
END_TEST

START_TEST(what_left_in_a_nested_change_is_remembered)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	drop_all(&one->events);
	/* lost in R2, which is not activated; back in R3, not activated either; in the trans_list of R4 */
	transitional(fixture, NODES(2));
	sync_begin(fixture, NODES(1), NODES(1));
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
	ring_change(fixture, NOBODY, NODES(1, 2), NODES(1, 2), two_processes, 2);
	ck_assert_str_eq(next_confchg(one), "1:10 -2:5d -2:7d");
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 2:7 +2:5u +2:7u");
	fixture_free(fixture);
}
END_TEST

START_TEST(lost_once_is_told_once)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	ring_change(fixture, NODES(2), NODES(1), NODES(1, 2), two_processes, 2);
	drop_all(&one->events);
	ring_change(fixture, NOBODY, NODES(1, 2), NODES(1, 2), two_processes, 2);
	ck_assert_str_eq(next_confchg(one), "event 13");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(ghost_member)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	/* node 2 says its joinlist and dies inside the barrier */
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, two_processes, 2);
	sync_own(fixture);
	ring_change(fixture, NODES(2), NODES(1), NODES(1), NULL, 0);
	ck_assert_str_eq(next_confchg(one), "event 13");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(stale_joinlist)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
	deliver_joinlist(fixture, 2, two_processes, 2); /* of an aborted sync: comes out first in this one */
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, two_processes, 1);
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:7 +2:7u");
	fixture_free(fixture);
}
END_TEST

START_TEST(joinlists_add_up)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, two_processes, 1);
	deliver_joinlist(fixture, 2, two_processes + 1, 1);
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 2:7 +2:5u +2:7u");
	fixture_free(fixture);
}
END_TEST

START_TEST(joinlists_outside_of_sync_are_dropped)
{
	struct fixture *fixture = fixture_new(NULL);
	struct engine_stats stats;

	deliver_joinlist(fixture, 2, two_processes, 2);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 1);
	ck_assert_uint_eq(stats.members, 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(named_no_longer)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	drop_all(&one->events);
	ring_change(fixture, NOBODY, NODES(1, 2), NODES(1, 2), two_processes, 1);
	ck_assert_str_eq(next_confchg(one), "1:10 2:7 -2:5p");
	fixture_free(fixture);
}
END_TEST

/* Stock nodes tell of it at once. */
START_TEST(who_leaves_behind_its_joinlist_does_not_come_back)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1, 2), NODES(1, 2));
	deliver_joinlist(fixture, 2, two_processes, 2);
	deliver_procleave(fixture, 2, two_processes[0].pid, two_processes[0].group, 5);
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 -2:7p");
	ck_assert_str_eq(next_confchg(one), "event 13");
	fixture_free(fixture);
}
END_TEST

/* They say so before their list, which still names it, is out. */
START_TEST(who_leaves_before_its_joinlist_does_not_come_back)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ring_change(fixture, NOBODY, NODES(1), NODES(1, 2), two_processes, 2);
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1, 2), NODES(1, 2));
	deliver_procleave(fixture, 2, two_processes[0].pid, two_processes[0].group, 5);
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, two_processes, 2);
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 -2:7p");
	ck_assert_str_eq(next_confchg(one), "event 13");
	ring_change(fixture, NOBODY, NODES(1, 2), NODES(1, 2), two_processes,
		    2); /* a new one of that number */
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 2:7 +2:7u");
	fixture_free(fixture);
}
END_TEST

/* Nobody knew it yet. */
START_TEST(who_leaves_before_it_is_named_does_not_come)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
	deliver_procleave(fixture, 2, two_processes[0].pid, two_processes[0].group, 5);
	deliver_procleave(fixture, 2, two_processes[1].pid, "another group", 5);
	deliver_downlist(fixture, 2);
	deliver_joinlist(fixture, 2, two_processes, 2);
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 +2:5u");
	fixture_free(fixture);
}
END_TEST

/* What a node says that no node can mean takes no memory for ever. */
START_TEST(leaves_without_end)
{
	enum { LEAVES = 70000 };
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);
	const struct named last[] = {{LEAVES, "group"}};
	uint32_t pid;

	joined(fixture, one, "group");
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1, 2));
	for (pid = 1; pid <= LEAVES; pid++) {
		deliver_procleave(fixture, 2, pid, "group", 5);
	}
	deliver_joinlist(fixture, 2, two_processes, 2);
	deliver_joinlist(fixture, 2, last, 1);
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 2:7 +2:5u +2:7u"); /* the first ones are forgotten */
	fixture_free(fixture);
}
END_TEST

START_TEST(own_processes_never_leave)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	ring_change(fixture, NODES(1), NODES(2), NODES(1, 2), NULL, 0); /* paused: finds itself in the list */
	ck_assert_str_eq(next_confchg(one), "event 13");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(nothing_is_sent_during_sync)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	request_mcast(fixture, one, "in sync");
	peer_gone(fixture, two);
	engine_token(fixture->engine);
	engine_tick(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 0);
	sync_begin(fixture, NODES(1), NODES(1));
	engine_token(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 0);
	sync_own(fixture);
	engine_sync_activate(fixture->engine);
	engine_token(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 0); /* services behind ours still sync */
	engine_sync_over(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 0); /* not the place to send either */
	ck_assert_uint_ne(fixture->wake_at, 0);
	engine_tick(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 0); /* nor is anything sent before the mark is back */
	mark_returns(fixture);
	ck_assert_uint_eq(count_id(&fixture->multicasts, WIRE_ID(WIRE_MCAST)), 1);
	ck_assert_uint_eq(count_id(&fixture->multicasts, WIRE_ID(WIRE_PROCLEAVE)), 1);
	fixture_free(fixture);
}
END_TEST

START_TEST(joinlist_says_what_the_stream_says)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20),
		    *three = peer_new(fixture, 30);
	const struct wire_joinlist *list;
	struct packet *packet;

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	transitional(fixture, NOBODY);
	ck_assert_int_eq(request_join(fixture, three, "group"), CS_OK); /* not delivered */
	peer_gone(fixture, two);					/* dead, but nobody knows yet */
	sync_begin(fixture, NODES(1), NODES(1));
	ck_assert_int_eq(engine_sync_process(fixture->engine), -1); /* what it sent has not come back */
	packet = take(&fixture->multicasts);
	ck_assert_int_eq(((struct ipc_request *)packet->data)->id, WIRE_ID(WIRE_DOWNLIST));
	ck_assert_uint_eq(packet->size, sizeof(struct wire_downlist));
	engine_message(fixture->engine, WIRE_DOWNLIST, packet->data, SELF);
	free(packet);
	packet = take(&fixture->multicasts);
	list = (const void *)packet->data;
	ck_assert_int_eq(list->header.id, WIRE_ID(WIRE_JOINLIST));
	ck_assert_int_eq(list->header.size, (int)packet->size);
	ck_assert_uint_eq(packet->size, sizeof(*list) + 2 * sizeof(list->entry[0]));
	ck_assert_uint_eq(list->entry[0].pid, 10);
	ck_assert_uint_eq(list->entry[1].pid, 20);
	ck_assert_int_eq(engine_sync_process(fixture->engine), -1);
	engine_message(fixture->engine, WIRE_JOINLIST, packet->data, SELF);
	free(packet);
	ck_assert_int_eq(engine_sync_process(fixture->engine), 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(large_joinlist_is_split)
{
	enum { PROCESSES = 9000 };
	struct fixture *fixture = fixture_new(NULL);
	struct packet *packet;
	size_t entries = 0, messages = 0;
	uint32_t pid;

	for (pid = 1; pid <= PROCESSES; pid++) {
		deliver_procjoin(fixture, SELF, pid, "group");
	}
	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1));
	while (engine_sync_process(fixture->engine) != 0) {
		size_t inflight = 0;

		ck_assert_ptr_nonnull(fixture->multicasts.first);
		for (packet = fixture->multicasts.first; packet; packet = packet->next) {
			inflight += packet->size;
		}
		ck_assert_uint_le(inflight, 256 * 1024);
		while ((packet = take(&fixture->multicasts))) {
			const struct ipc_request *header = (const void *)packet->data;

			if (header->id == WIRE_ID(WIRE_JOINLIST)) {
				messages++;
				entries += (packet->size - sizeof(struct wire_joinlist)) /
					   sizeof(struct wire_joinlist_entry);
			}
			engine_message(fixture->engine, (unsigned int)header->id & 0xffff, packet->data,
				       SELF);
			free(packet);
		}
	}
	ck_assert_uint_eq(entries, PROCESSES);
	ck_assert_uint_gt(messages, 1);
	fixture_free(fixture);
}
END_TEST

START_TEST(no_room_in_totem_during_sync)
{
	struct fixture *fixture = fixture_new(NULL);

	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1));
	fixture->totem_full = true;
	ck_assert_int_eq(engine_sync_process(fixture->engine), -1);
	fixture->totem_full = false;
	sync_own(fixture);
	ck_assert_int_eq(engine_sync_process(fixture->engine), 0);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_node_comes_and_goes,
		a_node_with_many_groups_dies,
		gone_and_back_in_one_change,
		what_left_in_a_nested_change_is_remembered,
		lost_once_is_told_once,
		ghost_member,
		stale_joinlist,
		joinlists_add_up,
		joinlists_outside_of_sync_are_dropped,
		named_no_longer,
		who_leaves_behind_its_joinlist_does_not_come_back,
		who_leaves_before_its_joinlist_does_not_come_back,
		who_leaves_before_it_is_named_does_not_come,
		leaves_without_end,
		own_processes_never_leave,
		nothing_is_sent_during_sync,
		joinlist_says_what_the_stream_says,
		large_joinlist_is_split,
		no_room_in_totem_during_sync,
	};

	return RUN_TESTS("engine: sync", tests);
}
