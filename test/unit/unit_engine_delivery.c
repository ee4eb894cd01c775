/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients with rings hear, doorbells, and clients that read slowly, not at all, or lie about it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/transport_fixture.h"

/* What is in the connection already is told apart from doorbells by its number. */
START_TEST(what_was_sent_before)
{
	struct fixture *fixture = ours();
	struct peer *peer = peer_new(fixture, 10);
	struct ringed client;

	transitional(fixture, NOBODY);
	sync_begin(fixture, NODES(1), NODES(1));
	sync_own(fixture);
	sync_end(fixture);
	ck_assert_uint_eq(peer->events.count, 1); /* totem_confchg */
	ck_assert(ringed_attach(&client, fixture, peer));
	ck_assert_uint_eq(client.control->events_before, 1);
	joined(fixture, peer, "group");
	ck_assert_uint_eq(peer->events.count, 2);
	ck_assert_str_eq(next_event(peer), "ring 1");
	ck_assert_str_eq(heard(&client), "1:10 +1:10j");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

START_TEST(one_doorbell_until_it_is_answered)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	ck_assert_uint_eq(bells(&client), 0);
	request_mcast(fixture, client.peer, "one");
	settle(fixture);
	ck_assert_uint_eq(client.peer->events.count, 1);
	request_mcast(fixture, client.peer, "two");
	settle(fixture);
	ck_assert_uint_eq(client.peer->events.count, 1);
	ck_assert_uint_eq(bells(&client), 0); /* something is in the ring: it stays */
	ck_assert_uint_ne(deliveries(&client), 0);
	ck_assert_uint_eq(bells(&client), 1);
	ck_assert_uint_eq(client.peer->events.count, 0);
	request_mcast(fixture, client.peer, "three");
	settle(fixture);
	ck_assert_uint_eq(client.peer->events.count, 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_doorbell_that_found_no_room)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	client.peer->room = 0;
	fixture->wake_at = 0;
	deliver_mcast(fixture, SELF, 10, "nowhere", "");
	request_mcast(fixture, client.peer, "one");
	deliver_own(fixture);
	ck_assert_uint_eq(client.peer->events.count, 0);
	ck_assert_uint_ne(fixture->wake_at, 0);
	client.peer->room = ROOM_ENDLESS;
	tick(fixture);
	ck_assert_uint_eq(client.peer->events.count, 1);
	ck_assert_str_eq(heard(&client), "1:10 'one'");
	ck_assert_uint_eq(bells(&client), 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* It was read before it was announced, and slept again: two are due then. */
START_TEST(two_doorbells_that_found_no_room)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	int i;

	settle(fixture);
	client.peer->room = 0;
	for (i = 0; i < 2; i++) {
		request_mcast(fixture, client.peer, "hello");
		deliver_own(fixture);
		ck_assert_str_eq(heard(&client), "1:10 'hello'");
		client.bells.due = 0; /* it waited, and none came */
		(void)bells(&client);
	}
	client.peer->room = 1;
	tick(fixture);
	ck_assert_uint_eq(client.peer->events.count, 1);
	client.peer->room = ROOM_ENDLESS;
	tick(fixture);
	ck_assert_uint_eq(client.peer->events.count, 2);
	tick(fixture);
	ck_assert_uint_eq(client.peer->events.count, 2);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* Every one of `count` messages, and nothing else. */
static void check_heard(struct ringed *client, int count)
{
	char want[32];
	int i;

	for (i = 0; i < count; i++) {
		(void)snprintf(want, sizeof(want), "1:20 '%d'", i);
		ck_assert_str_eq(heard(client), want);
	}
	ck_assert_str_eq(heard(client), "none");
}

START_TEST(a_full_ring_loses_nothing)
{
	enum { MESSAGES = 20000 };
	struct fixture *fixture = ours();
	struct ringed slow = ringed_joined(fixture, 10, "group");
	struct peer *sender = peer_new(fixture, 20);
	char text[16];
	int i;

	joined(fixture, sender, "group");
	deliveries(&slow);
	drop_all(&slow.heard.events);
	for (i = 0; i < MESSAGES; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		request_mcast(fixture, sender, text);
		if (i % 100 == 0) {
			settle(fixture);
		}
	}
	settle(fixture);
	ck_assert_uint_eq(atomic_load(&slow.control->delivered.more), 1);
	check_heard(&slow, MESSAGES);
	ck_assert_uint_eq(atomic_load(&slow.control->delivered.more), 0);
	/* full, read, full again: it got a larger one meanwhile */
	ck_assert_uint_eq(fixture->segments_grown, 1);
	ck_assert_uint_eq(slow.delivery.size, DELIVERY_LARGE_SIZE);
	ck_assert_uint_eq(sender->events.count, 1 + MESSAGES);
	ringed_free(&slow);
	fixture_free(fixture);
}
END_TEST

/* It ends while the engine gives it what had to wait. */
START_TEST(an_end_behind_a_full_ring)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	static char text[8001];
	struct engine_stats stats;
	int i;

	memset(text, 'x', sizeof(text) - 1);
	for (i = 0; i < 40; i++) {
		submit_text(&client, text);
		(void)submitted(&client);
		settle(fixture);
	}
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_ne(stats.queued_bytes, 0);
	ck_assert(ring_look(&client.delivery, &client.control->delivered.end,
			    &client.control->delivery_taken.asleep_at, &client.bells));
	client.delivery.at = client.delivery.end;
	ring_take(&client.delivery, &client.control->delivery_taken.end);
	ck_assert_uint_eq(bells(&client), 1);
	client.peer->error = -EPIPE;
	tick(fixture);
	ck_assert(client.peer->evicted);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.queued_bytes, 0);
	peer_gone(fixture, client.peer);
	fixture_free(fixture);
}
END_TEST

/* It makes room in the moment in which the engine looks, but too little. */
struct taker {
	struct ringed client;
	uint64_t taken;
};

static void take_a_step(void *data)
{
	const struct taker *taker = data;

	atomic_store(&taker->client.control->delivery_taken.end, taker->taken + RING_ALIGN);
}

START_TEST(too_little_room_is_waited_for)
{
	struct fixture *fixture = ours();
	struct taker taker = {.client = ringed_joined(fixture, 10, "group")};
	struct segment_control *control = taker.client.control;
	static char text[8001];
	int i;

	fixture->segment_error = -ENOSPC; /* there is no larger one */
	memset(text, 'x', sizeof(text) - 1);
	for (i = 0; i < 10; i++) {
		submit_text(&taker.client, text);
		(void)submitted(&taker.client);
		settle(fixture);
	}
	ck_assert_uint_eq(atomic_exchange(&control->delivered.more, 0), 1);
	taker.taken = atomic_load(&control->delivery_taken.end);
	fixture->looked = take_a_step;
	fixture->looked_data = &taker;
	tick(fixture);
	fixture->looked = NULL;
	ck_assert_uint_eq(atomic_load(&control->delivery_taken.end), taker.taken + RING_ALIGN);
	ck_assert_uint_eq(atomic_load(&control->delivered.more), 1);
	ck_assert(!taker.client.peer->evicted);
	ringed_free(&taker.client);
	fixture_free(fixture);
}
END_TEST

/* ---- messages that are larger than what a small ring takes in one piece ---- */

static void take_on_and_on(void *data)
{
	const struct ringed *client = data;

	atomic_fetch_add(&client->control->delivery_taken.end, RING_ALIGN);
}

/* Its ring is too small at the first look, and gets larger at the next one, behind what waits. Sanitizers see what is left behind. */
START_TEST(room_between_two_looks)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_new(fixture, 10);
	static char text[100001];
	struct engine_stats stats = {0};
	int i;

	joined(fixture, client.peer, "group"); /* and it has read nothing yet */
	memset(text, 'x', sizeof(text) - 1);
	text[8000] = '\0';
	while (stats.queued_bytes == 0) {
		request_mcast(fixture, client.peer, text);
		settle(fixture);
		engine_stats(fixture->engine, &stats);
	}
	text[8000] = 'x';
	fixture->looked = take_on_and_on;
	fixture->looked_data = &client;
	for (i = 0; i < 4; i++) {
		request_mcast(fixture, client.peer, text);
		deliver_own(fixture);
	}
	fixture->looked = NULL;
	ck_assert_uint_eq(fixture->segments_grown, 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* Of so many letters, from the client to its group. */
static void send_large(struct ringed *client, size_t length)
{
	char *text = malloc(length + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', length);
	text[length] = '\0';
	request_mcast(client->fixture, client->peer, text);
	settle(client->fixture);
	free(text);
}

static size_t slice_size(const struct packet *packet, uint64_t offset, uint64_t total)
{
	const struct ipc_event_part *part = (const void *)packet->data;

	ck_assert_int_eq(part->header.id, IPC_RES_EVENT_PART);
	ck_assert_uint_eq(part->offset, offset);
	ck_assert_uint_eq(part->total, total);
	return part->length;
}

static void check_in_slices(struct ringed *client, size_t length)
{
	uint64_t offset = 0, total = sizeof(struct ipc_deliver) + length;
	struct packet *packet;

	while (offset < total) {
		ck_assert_uint_ne(deliveries(client), 0);
		while ((packet = take(&client->heard.events))) {
			offset += slice_size(packet, offset, total);
			free(packet);
		}
	}
	ck_assert_uint_eq(offset, total);
}

static void check_in_one_piece(struct ringed *client, size_t length)
{
	struct packet *packet;
	const struct ipc_deliver *event;

	deliveries(client);
	packet = take(&client->heard.events);
	ck_assert_ptr_nonnull(packet);
	event = (const void *)packet->data;
	ck_assert_int_eq(event->header.id, IPC_RES_DELIVER);
	ck_assert_uint_eq(event->msglen, length);
	ck_assert_int_eq(event->message[length - 1], 'x');
	free(packet);
	ck_assert_ptr_null(client->heard.events.first);
}

/* One comes in slices. When there are more of them, there is a ring that takes them whole. */
START_TEST(large_messages)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	int i;

	send_large(&client, 100000);
	check_in_slices(&client, 100000);
	for (i = 0; i < 40; i++) {
		send_large(&client, 100000);
		check_in_one_piece(&client, 100000);
	}
	ck_assert_uint_eq(client.delivery.size, DELIVERY_LARGE_SIZE);
	ck_assert_uint_eq(atomic_load(&client.control->grown), 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

#define HUGE_MOST ((size_t)1024 * 1024 - 1024)

/* Its rings have grown as far as they do. */
static struct ringed ringed_huge(struct fixture *fixture)
{
	struct ringed client = ringed_joined(fixture, 10, "group");
	int i;

	for (i = 0; i < 2; i++) {
		send_large(&client, HUGE_MOST);
		check_in_slices(&client, HUGE_MOST);
	}
	return client;
}

START_TEST(huge_messages)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_huge(fixture);
	int i;

	for (i = 0; i < 20; i++) {
		send_large(&client, HUGE_MOST);
		check_in_one_piece(&client, HUGE_MOST);
		request_mcast(fixture, client.peer, "small");
		settle(fixture);
		ck_assert_str_eq(heard(&client), "1:10 'small'");
	}
	ck_assert_uint_eq(client.delivery.size, DELIVERY_HUGE_SIZE);
	ck_assert_uint_eq(fixture->segments_grown, 2);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* The whole of its entry. */
static size_t huge_size(void)
{
	return ring_entry_size(sizeof(struct ring_run) + ring_entry_size(HUGE_MOST)) + DELIVERY_SPARE;
}

/* Who takes each before the next one comes gets all of them in the same place; who does not, one behind the other. */
START_TEST(huge_messages_in_the_same_memory)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_huge(fixture);
	uint64_t at;
	int i;

	for (i = 0; i < 20; i++) {
		send_large(&client, HUGE_MOST);
		check_in_one_piece(&client, HUGE_MOST);
		at = client.delivery.at;
		ck_assert(i < 2 || at % DELIVERY_HUGE_SIZE == huge_size());
	}
	send_large(&client, 1000);
	send_large(&client, HUGE_MOST);
	send_large(&client, HUGE_MOST);
	ck_assert_uint_eq(deliveries(&client), 3);
	ck_assert_uint_gt(client.delivery.at - at, 2 * huge_size());
	ck_assert_uint_lt(client.delivery.at - at, 3 * huge_size());
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* It fits the rings of some of the group's members, and not those of others. */
START_TEST(a_large_message_for_all_kinds_of_members)
{
	struct fixture *fixture = ours();
	struct ringed large = ringed_joined(fixture, 10, "group");
	struct ringed small;
	struct peer *plain;

	send_large(&large, 100000);
	check_in_slices(&large, 100000);
	send_large(&large, 100000);
	check_in_one_piece(&large, 100000);
	small = ringed_joined(fixture, 20, "group");
	ck_assert_str_eq(heard(&large), "1:10 1:20 +1:20j");
	plain = peer_new(fixture, 30);
	joined(fixture, plain, "group");
	ck_assert_str_eq(heard(&large), "1:10 1:20 1:30 +1:30j");
	ck_assert_str_eq(heard(&small), "1:10 1:20 1:30 +1:30j");
	drop_all(&plain->events);
	send_large(&large, 100000);
	check_in_one_piece(&large, 100000);
	check_in_slices(&small, 100000);
	ck_assert_uint_eq(plain->events.count, 1);
	ck_assert_uint_eq(plain->events.first->size, sizeof(struct ipc_deliver) + 100000);
	ringed_free(&large);
	ringed_free(&small);
	fixture_free(fixture);
}
END_TEST

static void no_growth(int error, size_t log_lines)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	int i;

	fixture->segment_error = error;
	for (i = 0; i < 5; i++) {
		send_large(&client, 100000);
		check_in_slices(&client, 100000);
	}
	ck_assert_uint_eq(fixture->segments_grown, 0);
	ck_assert_uint_eq(fixture->log_lines, log_lines);
	ringed_free(&client);
	fixture_free(fixture);
}

/* There are no larger rings to be had, or nobody takes anything out of the one that there is. */
START_TEST(large_messages_in_small_rings)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	int i;

	for (i = 0; i < 3; i++) {
		send_large(&client, 10000);
	}
	ck_assert_uint_eq(fixture->segments_grown, 0);
	for (i = 0; i < 5; i++) {
		send_large(&client, 100000); /* in vain: one was too large, and then nothing was taken */
	}
	ck_assert_uint_eq(fixture->segments_grown, 0);
	ringed_free(&client);
	fixture_free(fixture);

	no_growth(-ENOSPC, 1);
	no_growth(-EIO, 0); /* the client cut its file: that is nothing for the log */
}
END_TEST

/* In stock's format messages come one by one. */
START_TEST(in_a_ring_with_stock_nodes)
{
	struct fixture *fixture = fixture_new(NULL);
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *plain = peer_new(fixture, 20);

	joined(fixture, plain, "group");
	ck_assert_str_eq(heard(&client), "1:10 1:20 +1:20j");
	submit_text(&client, "one");
	submit_text(&client, "two");
	(void)submitted(&client);
	settle(fixture);
	ck_assert_str_eq(heard(&client), "1:10 'one'");
	ck_assert_str_eq(heard(&client), "1:10 'two'");
	free(take(&plain->events));
	ck_assert_str_eq(next_event(plain), "1:10 'one'");
	ck_assert_str_eq(next_event(plain), "1:10 'two'");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* There, one doorbell is enough for messages that come together. */
START_TEST(one_doorbell_for_many_messages)
{
	struct fixture *fixture = fixture_new(NULL);
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct packet *message;
	int i;

	settle(fixture);
	for (i = 0; i < 4; i++) {
		submit_text(&client, "hello");
	}
	(void)submitted(&client);
	ck_assert_uint_eq(fixture->multicasts.count, 4);
	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(client.peer->events.count, i > 2);
		message = take(&fixture->multicasts);
		deliver(fixture, message->data, SELF);
		free(message);
		if (i == 2) {
			engine_token(fixture->engine); /* whatever became of the others */
		}
	}
	ck_assert_uint_eq(client.peer->events.count, 1);
	ck_assert_uint_eq(deliveries(&client), 1 + 4); /* the group's name */
	ck_assert_uint_eq(bells(&client), 1);
	submit_text(&client, "alone");
	(void)submitted(&client);
	engine_token(fixture->engine);
	message = take(&fixture->multicasts);
	deliver(fixture, message->data, SELF);
	free(message);
	ck_assert_uint_eq(client.peer->events.count, 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

START_TEST(the_next_group)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	request_mcast(fixture, client.peer, "one");
	settle(fixture);
	ck_assert_str_eq(heard(&client), "1:10 'one'");
	ck_assert_uint_eq(client.group.length, strlen("group"));
	ck_assert_int_eq(request_leave(fixture, client.peer, "group"), CS_OK);
	settle(fixture);
	ck_assert_str_eq(heard(&client), "-1:10l");
	joined(fixture, client.peer, "other one");
	ck_assert_str_eq(heard(&client), "1:10 +1:10j");
	submit_text(&client, "two");
	(void)submitted(&client);
	settle(fixture);
	ck_assert_str_eq(heard(&client), "1:10 'two'");
	ck_assert_uint_eq(client.group.length, strlen("other one"));
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

static const struct engine_config small_queue = {
	.client_queue = 50000, .client_stall = 100 * MS, .queue_total = 1000000};

/* To all of its group. It hears them itself. */
static void send_8000(struct ringed *sender)
{
	static char text[8001];

	memset(text, 'x', sizeof(text) - 1);
	submit_text(sender, text);
	(void)submitted(sender);
	settle(sender->fixture);
	deliveries(sender);
}

static void take_a_little(const struct ringed *client)
{
	atomic_fetch_add(&client->control->delivery_taken.end, RING_ALIGN);
}

/* It takes a little now and then. What waits for it is a run, for which there is no room as long. */
START_TEST(a_client_that_reads_slowly)
{
	struct fixture *fixture = fixture_new(&small_queue);
	struct ringed slow = ringed_joined(fixture, 10, "group");
	struct ringed good = ringed_joined(fixture, 20, "group");
	int i;

	fixture->segment_error = -ENOSPC; /* there is no larger ring */
	for (i = 0; i < 40; i++) {
		send_8000(&good);
		take_a_little(&slow);
	}
	for (i = 0; i < 50; i++) {
		tick(fixture);
		take_a_little(&slow);
	}
	ck_assert(!slow.peer->evicted);
	for (i = 0; i < 20 && !slow.peer->evicted; i++) {
		tick(fixture);
	}
	ck_assert(slow.peer->evicted);
	ringed_free(&good);
	fixture_free(fixture);
}
END_TEST

START_TEST(a_client_that_stops_reading)
{
	struct fixture *fixture = fixture_new(&small_queue);
	struct ringed stuck = ringed_joined(fixture, 10, "group");
	struct ringed good = ringed_joined(fixture, 20, "group");
	int i;

	for (i = 0; i < 40 && !stuck.peer->evicted; i++) {
		send_8000(&good);
	}
	for (i = 0; i < 20 && !stuck.peer->evicted; i++) {
		tick(fixture);
	}
	ck_assert(stuck.peer->evicted);
	ck_assert(!good.peer->evicted);
	ck_assert_uint_eq(fixture->segments_grown, 0); /* nothing would come out of a larger one either */
	ringed_free(&good);
	fixture_free(fixture);
}
END_TEST

static void lie_about_messages_of(size_t length)
{
	struct fixture *fixture = ours();
	struct ringed liar = ringed_joined(fixture, 10, "group");
	struct ringed client = ringed_joined(fixture, 20, "group");

	settle(fixture);
	atomic_store(&liar.control->delivery_taken.end, liar.delivery.at + UINT64_MAX / 2);
	while (!liar.peer->evicted) {
		send_large(&client, length);
		while (deliveries(&client)) {
			/* in slices, or not */
		}
	}
	ck_assert(!client.peer->evicted);
	ringed_free(&client);
	fixture_free(fixture);
}

/* Whether messages have to wait for room in the ring, or never find any in one piece. */
START_TEST(a_reader_that_lies)
{
	lie_about_messages_of(8000);
	lie_about_messages_of(100000);
}
END_TEST

/* Though there was room behind what it says that it read. */
START_TEST(a_reader_of_huge_messages_that_lies)
{
	struct fixture *fixture = ours();
	struct ringed liar = ringed_huge(fixture);

	send_large(&liar, HUGE_MOST);
	check_in_one_piece(&liar, HUGE_MOST);
	atomic_store(&liar.control->delivery_taken.end, liar.delivery.at + UINT64_MAX / 2);
	send_large(&liar, HUGE_MOST);
	ck_assert(liar.peer->evicted);
	ringed_free(&liar);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_reader_that_lies,
		a_reader_of_huge_messages_that_lies,
		what_was_sent_before,
		one_doorbell_until_it_is_answered,
		a_doorbell_that_found_no_room,
		two_doorbells_that_found_no_room,
		a_full_ring_loses_nothing,
		an_end_behind_a_full_ring,
		too_little_room_is_waited_for,
		room_between_two_looks,
		large_messages,
		huge_messages,
		huge_messages_in_the_same_memory,
		a_large_message_for_all_kinds_of_members,
		large_messages_in_small_rings,
		in_a_ring_with_stock_nodes,
		one_doorbell_for_many_messages,
		the_next_group,
		a_client_that_reads_slowly,
		a_client_that_stops_reading,
	};

	return RUN_TESTS("engine: delivery rings", tests);
}
