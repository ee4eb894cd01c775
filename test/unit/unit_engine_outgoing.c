/* SPDX-License-Identifier: BSD-3-Clause */
/* Hand-over to totem: order, window, backlog, messages in fragments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/engine_fixture.h"

#define SELF_ALONE ((const uint32_t[]){SELF, 0})

#define WINDOW_MOST ((size_t)512 * 1024) /* WINDOW_MAX */

static char *text_of(size_t length)
{
	char *text = malloc(length + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, 't', length);
	text[length] = '\0';
	return text;
}

static void ring_change(struct fixture *fixture)
{
	transitional(fixture, NOBODY);
	sync_begin(fixture, SELF_ALONE, SELF_ALONE);
	sync_own(fixture);
	sync_end(fixture);
}

START_TEST(a_lone_message_goes_out_at_once)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	const struct wire_mcast *message;
	struct packet *packet;

	joined(fixture, peer, "group");
	request_mcast(fixture, peer, "hello");
	ck_assert_uint_eq(fixture->multicasts.count, 1);
	packet = take(&fixture->multicasts);
	message = (const void *)packet->data;
	ck_assert_int_eq(message->header.id, WIRE_ID(WIRE_MCAST));
	ck_assert_int_eq(message->header.size, (int)packet->size);
	ck_assert_uint_eq(message->group.length, 5);
	ck_assert_mem_eq(message->group.value, "group", 5);
	ck_assert_uint_eq(message->msglen, 5);
	ck_assert_uint_eq(message->pid, 10);
	ck_assert_uint_eq(message->source.nodeid, SELF);
	ck_assert_mem_eq(message->message, "hello", 5);
	free(packet);
	fixture_free(fixture);
}
END_TEST

/* All that is with totem comes out. Returns how many messages that was. */
static size_t returns(struct fixture *fixture)
{
	struct packet *packet;
	size_t count = 0, held = fixture->multicasts.count;

	for (; count < held && (packet = take(&fixture->multicasts)); count++) {
		engine_message(fixture->engine, WIRE_MCAST, packet->data, SELF);
		free(packet);
	}
	return count;
}

/* Nor less, when enough of it comes back between two visits of the token. */
START_TEST(totem_never_holds_more_than_the_window)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	char *text = text_of(100 * 1000);
	size_t sent, got = 0, held, most = 0;

	joined(fixture, peer, "group");
	drop_all(&peer->events);
	for (sent = 0; sent < 80; sent++) {
		request_mcast(fixture, peer, text);
		ck_assert_uint_le(bytes_of(&fixture->multicasts), WINDOW_MOST);
	}
	ck_assert(fixture->holding); /* 8 MB: no more requests, please */
	while (fixture->multicasts.first) {
		got += returns(fixture);
		engine_token(fixture->engine);
		held = bytes_of(&fixture->multicasts);
		ck_assert_uint_le(held, WINDOW_MOST);
		most = held > most ? held : most;
	}
	ck_assert_uint_ge(most, WINDOW_MOST - strlen(text));
	ck_assert_uint_eq(got, sent);
	ck_assert_uint_eq(count_id(&peer->events, IPC_RES_DELIVER), sent);
	ck_assert(!fixture->holding);
	ck_assert(!engine_busy(fixture->engine));
	free(text);
	fixture_free(fixture);
}
END_TEST

START_TEST(what_waits_for_the_window_goes_as_soon_as_it_opens)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	char *text = text_of(1000 * 1000);
	struct packet *packet;
	int i;

	joined(fixture, peer, "group");
	for (i = 0; i < 3; i++) {
		request_mcast(fixture, peer, text);
	}
	ck_assert_uint_eq(fixture->multicasts.count, 1); /* one that is larger than the window goes alone */
	fixture->now += 1000;
	fixture->wake_at = 0;
	packet = take(&fixture->multicasts);
	engine_message(fixture->engine, WIRE_MCAST, packet->data, SELF);
	free(packet);
	ck_assert_uint_eq(fixture->multicasts.count, 0); /* not from there */
	ck_assert_uint_eq(fixture->wake_at, fixture->now);
	engine_tick(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 1);
	free(text);
	fixture_free(fixture);
}
END_TEST

START_TEST(no_room_in_totem_loses_nothing)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	int i;

	joined(fixture, peer, "group");
	drop_all(&peer->events);
	fixture->totem_full = true;
	for (i = 0; i < 10; i++) {
		request_mcast(fixture, peer, "message");
	}
	ck_assert(engine_busy(fixture->engine));
	fixture->wake_at = 0;
	engine_token(fixture->engine);
	ck_assert_uint_ne(fixture->wake_at, 0); /* no token may come: a timer will */
	fixture->totem_full = false;
	engine_tick(fixture->engine);
	deliver_own(fixture);
	ck_assert_uint_eq(count_id(&peer->events, IPC_RES_DELIVER), 10);
	fixture_free(fixture);
}
END_TEST

/* Until the next tick. */
static uint64_t tick_delay(struct fixture *fixture)
{
	fixture->now = fixture->wake_at;
	fixture->wake_at = 0;
	engine_tick(fixture->engine);
	ck_assert_uint_ne(fixture->wake_at, 0);
	return fixture->wake_at - fixture->now;
}

START_TEST(ticks_are_seldom_where_the_token_comes)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);
	uint64_t delay;

	joined(fixture, peer, "group");
	request_mcast(fixture, peer, "message");
	engine_token(fixture->engine);
	delay = tick_delay(fixture);
	ck_assert_uint_lt(tick_delay(fixture), delay);
	engine_token(fixture->engine);
	ck_assert_uint_eq(tick_delay(fixture), delay);
	fixture_free(fixture);
}
END_TEST

START_TEST(messages_and_leave_keep_their_order_over_a_sync)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);
	struct packet *packet;

	joined(fixture, one, "group");
	joined(fixture, two, "group");
	drop_all(&one->events);
	transitional(fixture, NOBODY);
	request_mcast(fixture, two, "1");
	request_mcast(fixture, two, "2");
	ck_assert_int_eq(request_leave(fixture, two, "group"), CS_OK);
	request_mcast(fixture, two, "behind the leave");
	sync_begin(fixture, SELF_ALONE, SELF_ALONE);
	sync_own(fixture);
	sync_end(fixture);
	deliver_own(fixture);
	ck_assert_str_eq(next_confchg(one), "event 13");
	packet = take(&one->events);
	ck_assert_mem_eq(((struct ipc_deliver *)packet->data)->message, "1", 1);
	free(packet);
	packet = take(&one->events);
	ck_assert_mem_eq(((struct ipc_deliver *)packet->data)->message, "2", 1);
	free(packet);
	ck_assert_str_eq(next_confchg(one), "1:10 -1:20l");
	ck_assert_str_eq(next_confchg(one), "none");
	fixture_free(fixture);
}
END_TEST

/* ---- fragments ---- */

START_TEST(fragments_travel_and_arrive)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *one = peer_new(fixture, 10), *two = peer_new(fixture, 20);

	joined(fixture, one, "group");
	drop_all(&one->events);
	ck_assert_int_eq(request_fragment(fixture, one, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	joined(fixture, two, "group"); /* an unrelated join does not interrupt */
	ck_assert_int_eq(request_fragment(fixture, one, IPC_FRAGMENT_CONTINUED, 9, "def"), CS_OK);
	ck_assert_int_eq(request_fragment(fixture, one, IPC_FRAGMENT_LAST, 9, "ghi"), CS_OK);
	deliver_own(fixture);
	ck_assert_uint_eq(count_id(&one->events, IPC_RES_PARTIAL_DELIVER), 3);
	fixture_free(fixture);
}
END_TEST

START_TEST(fragments_must_add_up)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 9, "abc"), CS_ERR_NOT_EXIST);
	joined(fixture, peer, "group");
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_CONTINUED, 9, "abc"),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 2, "abc"), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_LAST, 9, "abc"), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_CONTINUED, 8, "abc"),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request_fragment(fixture, peer, 0, 9, "abc"), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(request_fragment(fixture, peer, 4, 9, "abc"), CS_ERR_INVALID_PARAM);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_message_belongs_to_the_group_that_it_began_in)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_OK);
	deliver_own(fixture);
	joined(fixture, peer, "other");
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_LAST, 6, "def"), CS_ERR_INVALID_PARAM);
	ck_assert_uint_eq(fixture->multicasts.count, 0);
	fixture_free(fixture);
}
END_TEST

/* The fragments of one message that were multicast, as text; taken out. */
static const char *fragments_sent(struct fixture *fixture)
{
	static char text[64];
	struct packet *packet;

	text[0] = '\0';
	while ((packet = take(&fixture->multicasts))) {
		const struct wire_partial_mcast *message = (const void *)packet->data;
		size_t at = strlen(text);

		ck_assert_int_eq(message->header.id, WIRE_ID(WIRE_PARTIAL_MCAST));
		(void)snprintf(text + at, sizeof(text) - at, "%s%u%.*s", at ? " " : "", message->type,
			       (int)message->fraglen, (const char *)message->message);
		engine_message(fixture->engine, WIRE_PARTIAL_MCAST, packet->data, SELF);
		free(packet);
		engine_token(fixture->engine);
	}
	return text;
}

START_TEST(a_ring_change_starts_a_message_again)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	drop_all(&peer->events);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	ck_assert_str_eq(fragments_sent(fixture), "1abc");
	ring_change(fixture);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_CONTINUED, 9, "def"), CS_OK);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_LAST, 9, "ghi"), CS_OK);
	ck_assert_str_eq(fragments_sent(fixture), "1abc 2def 3ghi");
	ck_assert_uint_eq(count_id(&peer->events, IPC_RES_PARTIAL_DELIVER), 3);
	ring_change(fixture);
	ck_assert_str_eq(fragments_sent(fixture), ""); /* it is done */
	ck_assert(!engine_busy(fixture->engine));
	fixture_free(fixture);
}
END_TEST

START_TEST(a_message_that_waits_whole_survives)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	drop_all(&peer->events);
	fixture->totem_full = true;
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	transitional(fixture, NOBODY);
	fixture->totem_full = false;
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_LAST, 6, "def"), CS_OK);
	sync_begin(fixture, SELF_ALONE, SELF_ALONE);
	sync_own(fixture);
	sync_end(fixture);
	deliver_own(fixture);
	ck_assert_uint_eq(count_id(&peer->events, IPC_RES_PARTIAL_DELIVER), 2);
	fixture_free(fixture);
}
END_TEST

START_TEST(death_in_the_middle_drops_what_waits)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 9, "abc"), CS_OK);
	deliver_own(fixture);
	fixture->totem_full = true;
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_CONTINUED, 9, "def"), CS_OK);
	peer_gone(fixture, peer);
	fixture->totem_full = false;
	engine_token(fixture->engine);
	ck_assert_uint_eq(fixture->multicasts.count, 1);
	ck_assert_uint_eq(count_id(&fixture->multicasts, WIRE_ID(WIRE_PROCLEAVE)), 1);
	fixture_free(fixture);
}
END_TEST

START_TEST(death_while_a_message_and_the_next_one_wait)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	fixture->totem_full = true;
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_LAST, 6, "def"), CS_OK);
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	peer_gone(fixture, peer);
	fixture->totem_full = false;
	deliver_own(fixture);
	engine_token(fixture->engine);
	deliver_own(fixture);
	ck_assert(!engine_busy(fixture->engine));
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_lone_message_goes_out_at_once,
		totem_never_holds_more_than_the_window,
		what_waits_for_the_window_goes_as_soon_as_it_opens,
		no_room_in_totem_loses_nothing,
		ticks_are_seldom_where_the_token_comes,
		messages_and_leave_keep_their_order_over_a_sync,
		fragments_travel_and_arrive,
		fragments_must_add_up,
		a_message_belongs_to_the_group_that_it_began_in,
		a_ring_change_starts_a_message_again,
		a_message_that_waits_whole_survives,
		death_in_the_middle_drops_what_waits,
		death_while_a_message_and_the_next_one_wait,
	};

	return RUN_TESTS("engine: hand-over", tests);
}
