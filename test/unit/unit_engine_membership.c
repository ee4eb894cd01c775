/* SPDX-License-Identifier: BSD-3-Clause */
/* Joins, leaves and deaths on a ring that does not change: states, answers, and what members hear. */
#include <stdlib.h>
#include <string.h>

#include "test/unit/engine_fixture.h"

START_TEST(join_is_told_to_all_members)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	ck_assert_str_eq(next_confchg(one), "1:10 +1:10j");
	ck_assert_str_eq(next_confchg(one), "1:10 1:20 +1:20j");
	ck_assert_str_eq(next_confchg(two), "1:10 1:20 +1:20j");
	ck_assert_str_eq(next_confchg(two), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(state_table)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_OK);
	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_ERR_EXIST);
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_ERR_BUSY);
	deliver_own(fixture);
	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_ERR_EXIST);
	ck_assert_int_eq(request_join(fixture, peer, "other"), CS_ERR_EXIST);
	ck_assert_int_eq(request_leave(fixture, peer, "other"), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_OK);
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_ERR_BUSY);
	deliver_own(fixture);
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_ERR_NOT_EXIST);
	joined(fixture, peer, "other");
	fixture_free(fixture);
}
END_TEST

START_TEST(leaver_hears_of_its_leave)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	drop_all(&one->events);
	drop_all(&two->events);
	ck_assert_int_eq(request_leave(fixture, two, "group"), CS_OK);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 -1:20l");
	ck_assert_str_eq(next_confchg(two), "1:10 -1:20l");
	deliver_mcast(fixture, SELF, 10, "group", "after");
	ck_assert_str_eq(next_confchg(two), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(same_process_twice)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *again = peer_new(fixture, 10);

	joined(fixture, one, "group");
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_ERR_EXIST);
	joined(fixture, again, "other");
	peer_gone(fixture, again);
	again = peer_new(fixture, 10);
	ck_assert_int_eq(request_leave(fixture, one, "group"), CS_OK);
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_ERR_TRY_AGAIN);
	peer_gone(fixture, one);
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_ERR_TRY_AGAIN);
	deliver_own(fixture);
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_OK);
	fixture_free(fixture);
}
END_TEST

START_TEST(death_is_told_once)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20),
		    *three = peer_new(fixture, 30);

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	joined(fixture, three, "group");
	drop_all(&one->events);
	peer_gone(fixture, two); /* without a leave */
	ck_assert_int_eq(request_leave(fixture, three, "group"), CS_OK);
	peer_gone(fixture, three); /* behind its leave */
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 1:30 -1:20p");
	ck_assert_str_eq(next_confchg(one), "1:10 -1:30l");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(death_between_join_and_its_delivery)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	drop_all(&one->events);
	ck_assert_int_eq(request_join(fixture, two, "group"), CS_OK);
	peer_gone(fixture, two);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 1:20 +1:20j");
	ck_assert_str_eq(next_confchg(one), "1:10 -1:20p");
	fixture_free(fixture);
}
END_TEST

START_TEST(finalize_without_leave_is_a_death)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);
	struct ipc_request finalize;

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	drop_all(&one->events);
	ck_assert_int_eq(request(fixture, two, IPC_REQ_FINALIZE, &finalize, sizeof(finalize)), CS_OK);
	peer_gone(fixture, two);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 -1:20p");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

/* The process may be back, by a new connection, before the end of the old one is seen. */
START_TEST(finalize_leaves_at_once)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *old = peer_new(fixture, 10), *new = peer_new(fixture, 10);
	struct ipc_request finalize;

	joined(fixture, old, "group");
	ck_assert_int_eq(request_join(fixture, new, "group"), CS_ERR_EXIST);
	ck_assert_int_eq(request(fixture, old, IPC_REQ_FINALIZE, &finalize, sizeof(finalize)), CS_OK);
	ck_assert_int_eq(request_join(fixture, new, "group"), CS_ERR_TRY_AGAIN);
	deliver_own(fixture);
	ck_assert_int_eq(request_join(fixture, new, "group"), CS_OK);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(new), "1:10 +1:10j");
	peer_gone(fixture, old);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(new), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(initial_totem_conf_follows_the_own_join)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);
	struct ipc_join join = {.group = ipc_name("group"), .pid = 20, .flags = IPC_JOIN_INITIAL_TOTEM_CONF};
	struct ipc_totem_confchg *conf;
	struct packet *packet;

	joined(fixture, one, "group");
	ck_assert_int_eq(request(fixture, two, IPC_REQ_JOIN, &join, sizeof(join)), CS_OK);
	deliver_procjoin(fixture, 2, 5, "group"); /* not its own */
	ck_assert_str_eq(next_confchg(two), "none");
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(two), "1:10 1:20 2:5 +1:20j");
	packet = take(&two->events);
	conf = (void *)packet->data;
	ck_assert_int_eq(conf->header.id, IPC_RES_TOTEM_CONFCHG);
	ck_assert_uint_eq(packet->size, offsetof(struct ipc_totem_confchg, member_list) + sizeof(uint32_t));
	ck_assert_int_eq(conf->header.size, (int)packet->size);
	ck_assert_uint_eq(conf->member_list_entries, 1);
	ck_assert_uint_eq(conf->member_list[0], SELF);
	free(packet);
	ck_assert_str_eq(next_confchg(two), "none");
	ck_assert_uint_eq(count_id(&one->events, IPC_RES_TOTEM_CONFCHG), 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(names_are_compared_by_length_and_bytes)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20),
		    *three = peer_new(fixture, 30);
	struct ipc_join join = {.group = ipc_name("x"), .pid = 20};
	char longest[IPC_NAME_MAX + 1];

	memset(longest, 'n', IPC_NAME_MAX);
	longest[IPC_NAME_MAX] = '\0';
	joined(fixture, one, "x");
	join.group.length = 2; /* "x\0" */
	ck_assert_int_eq(request(fixture, two, IPC_REQ_JOIN, &join, sizeof(join)), CS_OK);
	deliver_own(fixture);
	joined(fixture, three, longest);
	ck_assert_str_eq(next_confchg(one), "1:10 +1:10j");
	ck_assert_str_eq(next_confchg(one), "none");
	ck_assert_str_eq(next_confchg(two), "1:20 +1:20j");
	ck_assert_str_eq(next_confchg(three), "1:30 +1:30j");
	fixture_free(fixture);
}
END_TEST

START_TEST(garbage_in_reasons_becomes_a_real_one)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	joined(fixture, one, "group");
	drop_all(&one->events);
	deliver_procjoin(fixture, 2, 5, "group");
	deliver_procleave(fixture, 2, 5, "group", 77);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 +2:5j");
	ck_assert_str_eq(next_confchg(one), "1:10 -2:5p");
	deliver_procleave(fixture, 2, 5, "group", 2); /* a second leave */
	deliver_procleave(fixture, 2, 5, "nowhere", 2);
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

START_TEST(only_members_are_heard)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);
	struct packet *packet;
	struct ipc_deliver *event;

	joined(fixture, one, "group");
	drop_all(&one->events);
	deliver_mcast(fixture, 2, 5, "group", "stranger");
	ck_assert_str_eq(next_confchg(one), "none");
	deliver_procjoin(fixture, 2, 5, "group");
	drop_all(&one->events);
	deliver_mcast(fixture, 2, 5, "group", "hello");
	packet = take(&one->events);
	event = (void *)packet->data;
	ck_assert_int_eq(event->header.id, IPC_RES_DELIVER);
	ck_assert_uint_eq(event->nodeid, 2);
	ck_assert_uint_eq(event->pid, 5);
	ck_assert_uint_eq(event->msglen, 5);
	ck_assert_mem_eq(event->message, "hello", 5);
	ck_assert_uint_eq(packet->size, sizeof(*event) + 5);
	free(packet);
	fixture_free(fixture);
}
END_TEST

START_TEST(nothing_is_delivered_before_the_own_join)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10);

	deliver_procjoin(fixture, 2, 5, "group");
	ck_assert_int_eq(request_join(fixture, one, "group"), CS_OK);
	deliver_mcast(fixture, 2, 5, "group", "before");
	deliver_procjoin(fixture, 2, 6, "group");
	ck_assert_str_eq(next_confchg(one), "none");
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "1:10 2:5 2:6 +1:10j");
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		join_is_told_to_all_members,
		state_table,
		leaver_hears_of_its_leave,
		same_process_twice,
		death_is_told_once,
		death_between_join_and_its_delivery,
		finalize_without_leave_is_a_death,
		finalize_leaves_at_once,
		initial_totem_conf_follows_the_own_join,
		names_are_compared_by_length_and_bytes,
		garbage_in_reasons_becomes_a_real_one,
		only_members_are_heard,
		nothing_is_delivered_before_the_own_join,
	};

	return RUN_TESTS("engine: membership", tests);
}
