/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients with rings send, and when it is their turn. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/transport_fixture.h"

/* ---- clients that put something in whenever the engine looks ---- */

#define LOOKS_MAX 1000u

struct busy {
	struct ringed client;
	unsigned int looks;
	uint8_t kind;
};

/* An entry without a body more, as long as there is room and the test goes on. */
static void put_one_more(void *data)
{
	struct busy *busy = data;
	struct ring_writer *ring = &busy->client.submission;
	uint64_t taken = atomic_load(&busy->client.control->submission_taken.end);

	busy->looks++;
	ck_assert_uint_lt(busy->looks, LOOKS_MAX);
	if (ring->end - taken < ring->size / 2) {
		submit(&busy->client, busy->kind, NULL, 0);
		atomic_store(&busy->client.control->submitted.end, ring->end);
	}
}

static void be_busy(struct busy *busy, struct fixture *fixture)
{
	put_one_more(busy);
	fixture->looked = put_one_more;
	fixture->looked_data = busy;
}

/* Of one that is in no group nothing counts, so the window never fills. */
START_TEST(a_visit_ends_however_busy_a_client)
{
	struct fixture *fixture = ours();
	struct busy busy = {.client = ringed_new(fixture, 10), .kind = RING_MESSAGE};

	be_busy(&busy, fixture);
	doorbell(&busy.client);
	for (busy.looks = 0; busy.looks < LOOKS_MAX / 4;) {
		engine_token(fixture->engine);
	}
	ck_assert(!busy.client.peer->evicted);
	fixture->looked = NULL;
	fixture_free(fixture);
}
END_TEST

/* What came before a request is taken first. What comes while that is done is not. */
START_TEST(a_request_is_answered_however_busy_its_client)
{
	struct fixture *fixture = ours();
	struct busy busy = {.client = ringed_joined(fixture, 10, "group"), .kind = RING_MESSAGE};
	struct ipc_request ask = {0};

	settle(fixture);
	be_busy(&busy, fixture);
	busy.looks = 0;
	ck_assert_int_eq(request(fixture, busy.client.peer, IPC_REQ_LOCAL_GET, &ask, sizeof(ask)), CS_OK);
	ck_assert_uint_lt(busy.looks, 100);
	fixture->looked = NULL;
	ringed_free(&busy.client);
	fixture_free(fixture);
}
END_TEST

/* ---- sending ---- */

/* The first access to a client's segment may find it cut short. */
START_TEST(the_guard_is_armed_when_rings_begin)
{
	struct fixture *fixture = ours();
	struct peer *peer = peer_new(fixture, 10);
	struct ipc_hello attached = {.magic = IPC_HELLO_MAGIC,
				     .version = IPC_HELLO_VERSION,
				     .step = IPC_HELLO_ATTACHED,
				     .segment_id = 1};

	joined(fixture, peer, "group");
	(void)request_hello(fixture, peer,
			    IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS);
	fixture->segments_armed = 0;
	ck_assert_int_eq(request(fixture, peer, IPC_REQ_LOCAL_GET, &attached, sizeof(attached)), CS_OK);
	ck_assert_uint_ne(fixture->segments_armed, 0);
	ck_assert_uint_eq(fixture->events_before_when_armed, 0);
	ck_assert_uint_ne(fixture_control(fixture)->events_before, 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(messages_go_out_and_come_in)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	ck_assert(asleep(&client));
	submit_text(&client, "one");
	submit_text(&client, "");
	submit_text(&client, "three");
	ck_assert_uint_eq(fixture->peer_multicasts.count, 0);
	ck_assert(submitted(&client));
	ck_assert_uint_eq(atomic_load(&client.control->submission_taken.end), client.submission.end);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'one' '' 'three'");
	ck_assert_str_eq(heard(&client), "1:10 'one'");
	ck_assert_str_eq(heard(&client), "1:10 ''");
	ck_assert_str_eq(heard(&client), "1:10 'three'");
	ck_assert_str_eq(heard(&client), "none");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

START_TEST(nobody_rings_an_engine_that_looks)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	submit_text(&client, "one");
	ck_assert(submitted(&client));
	ck_assert(!asleep(&client));
	submit_text(&client, "two");
	ck_assert(!submitted(&client));
	ck_assert_uint_eq(fixture->peer_multicasts.count, 1);
	engine_token(fixture->engine);
	ck_assert_uint_eq(fixture->peer_multicasts.count, 2);
	ck_assert(!asleep(&client));
	engine_token(fixture->engine);
	ck_assert(asleep(&client));
	fixture_free(fixture);
}
END_TEST

/* No token comes where nothing is on its way: a client that is looked at must be looked at by the timer. */
START_TEST(who_is_looked_at_has_a_timer)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	fixture->wake_at = 0;
	doorbell(&client); /* for nothing */
	ck_assert(asleep(&client));
	submit_text(&client, "one");
	ck_assert(submitted(&client));
	free(take(&fixture->peer_multicasts));
	ck_assert(!asleep(&client));
	ck_assert_uint_ne(fixture->wake_at, 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(requests_come_behind_messages)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	submit_text(&client, "last");
	ck_assert_int_eq(request_leave(fixture, client.peer, "group"), CS_OK);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'last' leaves");
	fixture_free(fixture);
}
END_TEST

START_TEST(clients_take_turns_in_one_batch)
{
	struct fixture *fixture = ours();
	struct ringed one = ringed_joined(fixture, 10, "group");
	struct ringed two = ringed_joined(fixture, 20, "other");

	settle(fixture);
	submit_text(&one, "first");
	ck_assert(submitted(&one));
	submit_text(&one, "a");
	submit_text(&two, "b");
	ck_assert(submitted(&two));
	ck_assert_str_eq(batch_returns(fixture), "batch 3: 10@group 'first'");
	engine_token(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 4: 20@other 'b' 10@group 'a'");
	fixture_free(fixture);
}
END_TEST

/* Around the end of the data, and through batches that get full. */
START_TEST(ring_after_ring)
{
	enum { MESSAGES = 500, SIZE = 999 };
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	char text[SIZE + 1];
	int i;

	memset(text, 'x', sizeof(text));
	text[SIZE] = '\0';
	settle(fixture);
	for (i = 0; i < MESSAGES; i++) {
		(void)snprintf(text, 5, "%04d", i);
		text[4] = 'x';
		submit_text(&client, text);
		(void)submitted(&client);
		if (i % 50 == 0) {
			engine_token(fixture->engine);
			deliver_own(fixture);
			deliveries(&client);
		}
	}
	settle(fixture);
	for (i = 0; i < MESSAGES; i++) {
		char want[SIZE + 20];

		(void)snprintf(text, 5, "%04d", i);
		text[4] = 'x';
		(void)snprintf(want, sizeof(want), "1:10 '%s'", text);
		ck_assert_str_eq(heard(&client), want);
	}
	ck_assert_str_eq(heard(&client), "none");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* While totem is behind, messages stay in the ring, and the ring's end is what stops the sender. */
START_TEST(messages_wait_in_the_ring)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	static char text[8001];
	struct engine_stats stats;
	int i;

	memset(text, 'x', sizeof(text) - 1);
	settle(fixture);
	fixture->totem_full = true;
	for (i = 0; i < 100 && ring_used(&client.submission) <= SUBMISSION_RING_LIMIT(SUBMISSION_RING_SIZE);
	     i++) {
		submit_text(&client, text);
		(void)submitted(&client);
		engine_token(fixture->engine);
		ck_assert(ring_writer_look(&client.submission, &client.control->submission_taken.end));
	}
	ck_assert_int_lt(i, 100);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_le(stats.backlog_bytes, 3 * 64 * 1024);
	fixture->totem_full = false;
	tick(fixture);
	settle(fixture);
	ck_assert(ring_writer_look(&client.submission, &client.control->submission_taken.end));
	ck_assert_uint_eq(ring_used(&client.submission), 0);
	deliveries(&client);
	ck_assert_uint_gt(client.heard.events.count, 10);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* ---- beside requests ---- */

/* What was out comes back, and the token comes once. */
static void token_visits(struct ringed *client, struct peer *other)
{
	struct fixture *fixture = client->fixture;

	for (size_t out = fixture->peer_multicasts.count; out > 0; out--) {
		(void)batch_returns(fixture);
	}
	engine_token(fixture->engine);
	deliveries(client);
	drop_all(&client->heard.events);
	drop_all(&other->events);
	ck_assert(ring_writer_look(&client->submission, &client->control->submission_taken.end));
}

/* Somebody else's requests keep as much waiting as they may. */
static void round_of_overload(struct ringed *client, struct peer *other)
{
	static char text[8001];

	memset(text, 'x', sizeof(text) - 1);
	while (!client->fixture->holding) {
		request_mcast(client->fixture, other, text);
	}
	token_visits(client, other);
}

static void submit_up_to_limit(struct ringed *client, const char *text)
{
	ck_assert(ring_writer_look(&client->submission, &client->control->submission_taken.end));
	while (ring_used(&client->submission) <= SUBMISSION_RING_LIMIT(client->submission.size)) {
		submit_text(client, text);
	}
	(void)submitted(client);
}

/* For ever more than the window waits. */
START_TEST(requests_leave_room_for_rings)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *other = peer_new(fixture, 20);
	struct engine_stats stats;

	joined(fixture, other, "other");
	settle(fixture);
	for (int messages = 0; messages < 20; messages++) {
		submit_text(&client, "small");
		(void)submitted(&client);
		for (int i = 0; ring_used(&client.submission) > 0; i++) {
			ck_assert_int_lt(i, 100);
			round_of_overload(&client, other);
		}
		engine_stats(fixture->engine, &stats);
		ck_assert_uint_gt(stats.backlog_bytes, 600 * 1024);
	}
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* And what they leave is not all taken, however much there is in rings. */
START_TEST(rings_leave_room_for_requests)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *other = peer_new(fixture, 20);
	struct engine_stats stats;
	static char text[8001];

	memset(text, 'x', sizeof(text) - 1);
	joined(fixture, other, "other");
	settle(fixture);
	for (int times = 0; times < 20; times++) {
		round_of_overload(&client, other);
		engine_stats(fixture->engine, &stats);
		ck_assert_uint_lt(stats.backlog_bytes, 6 * 1024 * 1024);
		for (int i = 0; fixture->holding; i++) {
			ck_assert_int_lt(i, 100);
			submit_up_to_limit(&client, text);
			round_of_overload(&client, other);
		}
	}
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* What one has in its ring is taken whenever it asks for something. */
START_TEST(who_asks_all_the_time_leaves_room_for_others)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct ringed asks = ringed_joined(fixture, 20, "other");
	static char text[8001];

	memset(text, 'x', sizeof(text) - 1);
	settle(fixture);
	for (int messages = 0; messages < 20; messages++) {
		submit_text(&client, "small");
		(void)submitted(&client);
		for (int i = 0; ring_used(&client.submission) > 0; i++) {
			ck_assert_int_lt(i, 100);
			while (!fixture->holding) {
				submit_up_to_limit(&asks, text);
				ck_assert_int_eq(request_leave(fixture, asks.peer, "another"),
						 CS_ERR_NOT_EXIST);
			}
			token_visits(&client, asks.peer);
			deliveries(&asks);
			drop_all(&asks.heard.events);
		}
	}
	ringed_free(&client);
	ringed_free(&asks);
	fixture_free(fixture);
}
END_TEST

/* Whoever asks for a little does not open the way for all that is in rings. */
START_TEST(few_requests_bring_few_turns)
{
	enum { SIZE = 1000000 };
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct ring_block block = {.offset = SEGMENT_START, .length = SIZE};
	uint8_t *segment = pool(&client, 1u << 20, &block.segment_id);
	struct peer *other = peer_new(fixture, 20);

	joined(fixture, other, "other");
	settle(fixture);
	memset(segment + block.offset, 'x', SIZE);
	for (int i = 0; i < 60; i++) {
		ck_assert(ring_writer_look(&client.submission, &client.control->submission_taken.end));
		if (ring_used(&client.submission) == 0) {
			submit(&client, RING_BLOCK, &block, sizeof(block));
			(void)submitted(&client);
		}
		request_mcast(fixture, other, "word");
		token_visits(&client, other);
		ck_assert(!fixture->holding);
	}
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* ---- blocks ---- */

START_TEST(blocks_are_messages)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct ring_block block = {.offset = SEGMENT_START + 8, .length = 5};
	uint8_t *segment = pool(&client, 4096, &block.segment_id);

	settle(fixture);
	memcpy(segment + block.offset, "block", 5);
	submit_text(&client, "before");
	submit(&client, RING_BLOCK, &block, sizeof(block));
	submit_text(&client, "behind");
	(void)submitted(&client);
	memset(segment + block.offset, 'x', 5); /* it was taken */
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'before' 'block' 'behind'");
	fixture_free(fixture);
}
END_TEST

START_TEST(large_blocks)
{
	enum { SIZE = 1000000 };
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct ring_block block = {.offset = SEGMENT_START, .length = SIZE};
	uint8_t *segment = pool(&client, 1u << 20, &block.segment_id);
	int i;

	settle(fixture);
	memset(segment + block.offset, 'x', SIZE);
	for (i = 0; i < 20; i++) {
		submit(&client, RING_BLOCK, &block, sizeof(block));
		(void)submitted(&client);
		submit_text(&client, "between");
		engine_token(fixture->engine);
		if (i % 4 == 3) {
			settle(fixture);
		}
		deliveries(&client);
	}
	while (deliveries(&client)) {
		settle(fixture);
	}
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

static const struct ring_block wrong_blocks[] = {
	{.segment_id = 2, .offset = SEGMENT_START - 1, .length = 1},
	{.segment_id = 2, .offset = SEGMENT_START, .length = 4096 - SEGMENT_START + 1},
	{.segment_id = 2, .offset = UINT64_MAX, .length = 2},
	{.segment_id = 2, .offset = SEGMENT_START, .length = UINT64_MAX},
	{.segment_id = 1, .offset = SEGMENT_START, .length = 1}, /* its control segment */
	{.segment_id = 3, .offset = SEGMENT_START, .length = 1},
	{.segment_id = 0, .offset = SEGMENT_START, .length = 1},
};

static void check_wrong_block(const struct ring_block *block)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	uint32_t id;

	(void)pool(&client, 4096, &id);
	settle(fixture);
	submit(&client, RING_BLOCK, block, sizeof(*block));
	(void)submitted(&client);
	ck_assert(client.peer->evicted);
	peer_gone(fixture, client.peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group dies");
	fixture_free(fixture);
}

START_TEST(wrong_blocks_end_their_client)
{
	size_t i;

	for (i = 0; i < sizeof(wrong_blocks) / sizeof(wrong_blocks[0]); i++) {
		check_wrong_block(&wrong_blocks[i]);
	}
}
END_TEST

/* ---- larger data ---- */

/* Up to its limit. The engine takes it, and the client hears all of it that is for it. Returns how many messages that was. */
static int fill_up(struct ringed *client)
{
	static char text[1001];
	int count = 0;

	memset(text, 'x', sizeof(text) - 1);
	ck_assert(ring_writer_look(&client->submission, &client->control->submission_taken.end));
	for (; ring_used(&client->submission) <= SUBMISSION_RING_LIMIT(client->submission.size); count++) {
		submit_text(client, text);
	}
	(void)submitted(client);
	settle(client->fixture);
	deliveries(client);
	drop_all(&client->heard.events);
	return count;
}

START_TEST(a_ring_that_was_full_may_move)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	(void)fill_up(&client);
	ck_assert_uint_eq(atomic_load(&client.control->grown), 0);
	(void)fill_up(&client);
	ck_assert_uint_eq(atomic_load(&client.control->grown), 1);
	submit_text(&client, "before");
	ck_assert(ring_move(&client.submission));
	submit_text(&client, "behind");
	(void)submitted(&client);
	settle(fixture);
	ck_assert_str_eq(heard(&client), "1:10 'before'");
	ck_assert_str_eq(heard(&client), "1:10 'behind'");
	ck_assert_int_gt(fill_up(&client), (int)SUBMISSION_LARGE_SIZE / 1024 - 32);
	submit_text(&client, "last");
	(void)submitted(&client);
	settle(fixture);
	ck_assert_str_eq(heard(&client), "1:10 'last'");
	ck_assert_uint_eq(fixture->segments_grown, 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

START_TEST(nobody_moves_twice)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	(void)fill_up(&client);
	(void)fill_up(&client);
	ck_assert(ring_move(&client.submission));
	(void)fill_up(&client);
	ck_assert(!client.peer->evicted);
	submit(&client, RING_MOVED, NULL, 0);
	(void)submitted(&client);
	ck_assert(client.peer->evicted);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

START_TEST(no_memory_for_larger_data)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	int i;

	settle(fixture);
	fixture->segment_error = -ENOSPC;
	for (i = 0; i < 10; i++) {
		(void)fill_up(&client);
	}
	fixture->segment_error = 0; /* it is tried once */
	(void)fill_up(&client);
	ck_assert_uint_eq(atomic_load(&client.control->grown), 0);
	ck_assert_uint_eq(fixture->log_lines, 1);
	ck_assert(!client.peer->evicted);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* What it sends goes to nobody, and where its ring is is known all the same. */
START_TEST(who_is_in_no_group_moves)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_new(fixture, 10);

	(void)fill_up(&client);
	(void)fill_up(&client);
	submit_text(&client, "to nobody");
	ck_assert(ring_move(&client.submission));
	submit_text(&client, "to nobody");
	(void)submitted(&client);
	joined(fixture, client.peer, "group");
	ck_assert_str_eq(heard(&client), "1:10 +1:10j");
	submit_text(&client, "to all");
	(void)submitted(&client);
	settle(fixture);
	ck_assert_str_eq(heard(&client), "1:10 'to all'");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_visit_ends_however_busy_a_client,
		a_request_is_answered_however_busy_its_client,
		the_guard_is_armed_when_rings_begin,
		messages_go_out_and_come_in,
		nobody_rings_an_engine_that_looks,
		who_is_looked_at_has_a_timer,
		requests_come_behind_messages,
		clients_take_turns_in_one_batch,
		ring_after_ring,
		messages_wait_in_the_ring,
		requests_leave_room_for_rings,
		rings_leave_room_for_requests,
		who_asks_all_the_time_leaves_room_for_others,
		few_requests_bring_few_turns,
		blocks_are_messages,
		large_blocks,
		wrong_blocks_end_their_client,
		a_ring_that_was_full_may_move,
		nobody_moves_twice,
		no_memory_for_larger_data,
		who_is_in_no_group_moves,
	};

	return RUN_TESTS("engine: submission rings", tests);
}
