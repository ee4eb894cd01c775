/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients leave in their submission rings when they end. */
#include <string.h>

#include "test/unit/transport_fixture.h"

#define MOST ((size_t)1024 * 1024 - 1024) /* bytes of a message */

static uint64_t backlog(const struct fixture *fixture)
{
	struct engine_stats stats;

	engine_stats(fixture->engine, &stats);
	return stats.backlog_bytes;
}

/* In "group", with so many large messages in its ring, and asleep. */
static struct ringed with_blocks(struct fixture *fixture, uint32_t pid, unsigned int blocks)
{
	struct ringed client = ringed_joined(fixture, pid, "group");
	struct ring_block block = {.offset = SEGMENT_START, .length = MOST};

	(void)pool(&client, SEGMENT_START + MOST, &block.segment_id);
	while (blocks-- > 0) {
		submit(&client, RING_BLOCK, &block, sizeof(block));
	}
	return client;
}

static void request_long(struct fixture *fixture, struct peer *peer)
{
	static char text[8001];

	memset(text, 'x', sizeof(text) - 1);
	request_mcast(fixture, peer, text);
}

/* Somebody else's messages fill the window. */
static void other_fills_window(struct fixture *fixture)
{
	struct peer *other = peer_new(fixture, 1000);

	joined(fixture, other, "other");
	settle(fixture);
	fixture->totem_full = true;
	while (backlog(fixture) < (size_t)512 * 1024) {
		request_long(fixture, other);
	}
}

/* Process 10 of "group", with a message in its ring that has to wait. */
static struct ringed ended_behind_others(struct fixture *fixture)
{
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	other_fills_window(fixture);
	submit_text(&client, "last");
	peer_gone(fixture, client.peer);
	return client;
}

/* So many requests of somebody that they are held. */
static void overload(struct fixture *fixture, struct peer *other)
{
	fixture->totem_full = true;
	while (!fixture->holding) {
		request_long(fixture, other);
	}
}

/* What was out comes back, and the token comes once. */
static void token_visits(struct fixture *fixture)
{
	for (size_t out = fixture->peer_multicasts.count; out > 0; out--) {
		(void)batch_returns(fixture);
	}
	engine_token(fixture->engine);
}

static void settle_all(struct fixture *fixture)
{
	fixture->totem_full = false;
	tick(fixture);
	while (engine_busy(fixture->engine)) {
		settle(fixture);
	}
}

START_TEST(what_a_dead_client_sent_goes_out)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	submit_text(&client, "last");
	peer_gone(fixture, client.peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'last' dies");
	ck_assert_uint_eq(fixture->segments, 0);
	fixture_free(fixture);
}
END_TEST

/* However much of it there is, if a library let that wait. */
START_TEST(all_blocks_of_a_dead_client_go_out)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *other = peer_new(fixture, 20);
	struct ring_block block = {.offset = SEGMENT_START, .length = 100000};
	size_t waiting = 0, sent;

	joined(fixture, other, "group");
	memset(pool(&client, SEGMENT_START + MOST, &block.segment_id) + block.offset, 'x', MOST);
	settle(fixture);
	drop_all(&other->events);
	for (sent = 0; waiting <= SUBMISSION_BLOCKS_MAX; sent++) {
		if (waiting + block.length > SUBMISSION_BLOCKS_MAX) {
			block.length = MOST; /* the last one */
		}
		submit(&client, RING_BLOCK, &block, sizeof(block));
		waiting += block.length;
	}
	peer_gone(fixture, client.peer);
	settle_all(fixture);
	ck_assert_uint_eq(count_id(&other->events, IPC_RES_DELIVER), sent);
	ck_assert_uint_eq(fixture->segments, 0);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* An evicted process is told that what it sends is accepted as long as the engine does not sleep. From there on it is not. */
START_TEST(accepted_up_to_its_end)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *reader = peer_new(fixture, 20);

	joined(fixture, reader, "group");
	settle(fixture);
	other_fills_window(fixture);
	submit_text(&client, "first");
	ck_assert(submitted(&client));
	submit_text(&client, "second");
	ck_assert(!submitted(&client));
	drop_all(&reader->events);
	peer_gone(fixture, client.peer);
	ck_assert(asleep(&client));
	submit_text(&client, "refused");
	atomic_store(&client.control->submitted.end, client.submission.end);
	settle_all(fixture);
	ck_assert_str_eq(next_event(reader), "1:10 'first'");
	ck_assert_str_eq(next_event(reader), "1:10 'second'");
	ck_assert_str_eq(next_event(reader), "1:20 -1:10p");
	ck_assert_uint_eq(fixture->segments, 0);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* Each leaves as much as a library lets wait: that stays in their memory until it is its turn. */
START_TEST(many_end_at_once)
{
	enum { CLIENTS = 30, BLOCKS = 3 };
	struct fixture *fixture = ours();
	struct ringed clients[CLIENTS];
	struct peer *reader = peer_new(fixture, 1);
	size_t i;

	joined(fixture, reader, "group");
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = with_blocks(fixture, 10 + (uint32_t)i, BLOCKS);
	}
	settle(fixture);
	drop_all(&reader->events);
	for (i = 0; i < CLIENTS; i++) {
		peer_gone(fixture, clients[i].peer);
		ck_assert_uint_le(backlog(fixture), 2 * MOST);
	}
	while (engine_busy(fixture->engine)) {
		settle(fixture);
		ck_assert_uint_le(backlog(fixture), 2 * MOST);
	}
	ck_assert_uint_eq(count_id(&reader->events, IPC_RES_DELIVER), (size_t)CLIENTS * BLOCKS);
	ck_assert_uint_eq(count_id(&reader->events, IPC_RES_CONFCHG), CLIENTS);
	ck_assert_uint_eq(fixture->segments, 0);
	for (i = 0; i < CLIENTS; i++) {
		ringed_free(&clients[i]);
	}
	fixture_free(fixture);
}
END_TEST

/* So that no new ones take their place. Of those that leave nothing there may be any number. */
START_TEST(requests_wait_for_what_many_left)
{
	enum { CLIENTS = 65 };
	struct fixture *fixture = ours();
	struct ringed clients[CLIENTS], idle = ringed_joined(fixture, 1, "group");
	struct peer *plain = peer_new(fixture, 2);
	size_t i;

	joined(fixture, plain, "group");
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = ringed_joined(fixture, 10 + (uint32_t)i, "group");
	}
	settle(fixture);
	other_fills_window(fixture);
	for (i = 0; i < CLIENTS; i++) {
		if (i == CLIENTS - 1) {
			peer_gone(fixture, plain);
			peer_gone(fixture, idle.peer);
		}
		submit_text(&clients[i], "last");
		ck_assert(!fixture->holding);
		peer_gone(fixture, clients[i].peer);
	}
	ck_assert(fixture->holding);
	settle_all(fixture);
	ck_assert(!fixture->holding);
	for (i = 0; i < CLIENTS; i++) {
		ringed_free(&clients[i]);
	}
	ringed_free(&idle);
	fixture_free(fixture);
}
END_TEST

/* Fewer don't keep requests from going on when an overload is over. */
START_TEST(requests_do_not_wait_for_what_few_left)
{
	enum { CLIENTS = 30, BLOCKS = 2 };
	struct fixture *fixture = ours();
	struct ringed clients[CLIENTS];
	struct peer *other = peer_new(fixture, 1);
	size_t i;

	joined(fixture, other, "other");
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = with_blocks(fixture, 10 + (uint32_t)i, BLOCKS);
	}
	settle(fixture);
	overload(fixture, other);
	for (i = 0; i < CLIENTS; i++) {
		peer_gone(fixture, clients[i].peer);
	}
	fixture->totem_full = false;
	for (i = 0; fixture->holding; i++) {
		ck_assert_uint_lt(i, 100);
		token_visits(fixture);
	}
	ck_assert_uint_gt(fixture->segments, 0); /* some are still there */
	settle_all(fixture);
	ck_assert_uint_eq(fixture->segments, 0);
	for (i = 0; i < CLIENTS; i++) {
		ringed_free(&clients[i]);
	}
	fixture_free(fixture);
}
END_TEST

/* Whoever comes back with the same process id comes behind it. */
START_TEST(it_may_come_back_behind_that)
{
	struct fixture *fixture = ours();
	struct ringed client = ended_behind_others(fixture);
	struct peer *again = peer_new(fixture, 10);

	ck_assert_int_eq(request_join(fixture, again, "group"), CS_ERR_TRY_AGAIN);
	settle_all(fixture);
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_OK);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* One that is evicted does too, before its connection is closed. */
START_TEST(it_may_come_back_when_it_is_evicted)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct peer *again = peer_new(fixture, 10);

	settle(fixture);
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_ERR_EXIST);
	atomic_store(&client.control->submitted.end, UINT64_MAX);
	doorbell(&client);
	ck_assert(client.peer->evicted);
	ck_assert_int_eq(request_join(fixture, again, "group"), CS_ERR_TRY_AGAIN);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

/* The daemon ends: nobody is left to send it for. */
START_TEST(the_engine_ends_too)
{
	struct fixture *fixture = ours();
	struct ringed client = ended_behind_others(fixture);

	ck_assert_uint_eq(fixture->segments, 1);
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_a_dead_client_sent_goes_out,
		all_blocks_of_a_dead_client_go_out,
		accepted_up_to_its_end,
		many_end_at_once,
		requests_wait_for_what_many_left,
		requests_do_not_wait_for_what_few_left,
		it_may_come_back_behind_that,
		it_may_come_back_when_it_is_evicted,
		the_engine_ends_too,
	};

	return RUN_TESTS("engine: ended clients", tests);
}
