/* SPDX-License-Identifier: BSD-3-Clause */
/* Submission rings that say what can't be, and clients that can't send any more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/transport_fixture.h"

/* ---- rings that lie ---- */

/* What was good before it is sent, it is not, and its client ends. */
static void check_lie(struct ringed *client)
{
	struct fixture *fixture = client->fixture;

	(void)submitted(client);
	ck_assert(client->peer->evicted);
	submit_text(client, "too late");
	(void)submitted(client);
	engine_token(fixture->engine);
	peer_gone(fixture, client->peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'good'");
	engine_token(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 3: 10@group dies");
	ck_assert_str_eq(batch_returns(fixture), "none");
	fixture_free(fixture);
}

static const struct ring_entry lies[] = {
	{.kind = 0},
	{.kind = RING_EVENT},
	{.kind = RING_MESSAGE, .length = SUBMISSION_MESSAGE_MAX + 1},
	{.kind = RING_MESSAGE, .length = 1},
	{.kind = RING_MESSAGE, .length = UINT32_MAX},
	{.kind = RING_SKIP, .length = 0},
	{.kind = RING_MOVED},					   /* there is nothing to move to */
	{.kind = RING_BLOCK, .length = sizeof(struct ring_block)}, /* which is not there */
	{.kind = RING_BLOCK, .length = 0},
};

START_TEST(entries_that_lie)
{
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fixture *fixture = ours();
		struct ringed client = ringed_joined(fixture, 10, "group");
		struct ring_entry *entry;

		settle(fixture);
		submit_text(&client, "good");
		entry = ring_reserve(&client.submission, sizeof(*entry));
		*entry = lies[i];
		ring_put(&client.submission, sizeof(*entry), &client.control->submitted.end);
		check_lie(&client);
	}
}
END_TEST

static const uint64_t wrong_ends[] = {8 - 1, SUBMISSION_RING_SIZE + 8, UINT64_MAX - 7};

static void check_wrong_end(uint64_t distance)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	submit_text(&client, "good");
	(void)submitted(&client);
	submit_text(&client, "never seen");
	client.submission.end = atomic_load(&client.control->submission_taken.end) + distance;
	atomic_store(&client.control->submitted.end, client.submission.end);
	engine_token(fixture->engine);
	ck_assert(client.peer->evicted);
	peer_gone(fixture, client.peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'good'");
	engine_token(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 3: 10@group dies");
	fixture_free(fixture);
}

START_TEST(positions_that_lie)
{
	size_t i;

	for (i = 0; i < sizeof(wrong_ends) / sizeof(wrong_ends[0]); i++) {
		check_wrong_end(wrong_ends[i]);
	}
}
END_TEST

/* splitmix64 */
static uint64_t dice(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Entries of all kinds, with lengths that fit, nearly fit or do not. */
static void put_garbage(struct ringed *client, uint64_t *state)
{
	static const uint8_t kinds[] = {
		RING_MESSAGE, RING_MESSAGE, RING_MESSAGE, RING_BLOCK, RING_SKIP, RING_MOVED, 0};
	struct ring_writer *ring = &client->submission;
	uint64_t at = ring->end, i;

	for (i = dice(state) % 20; i > 0; i--) {
		struct ring_entry *entry = (struct ring_entry *)(ring->data + (at & (ring->size - 1)));
		uint32_t length = (uint32_t)(dice(state) % 3000);

		*entry = (struct ring_entry){.kind = kinds[dice(state) % sizeof(kinds)], .length = length};
		if (dice(state) % 64 == 0) {
			entry->length = (uint32_t)dice(state);
		}
		at += dice(state) % 16 ? ring_entry_size(length) : dice(state) % 600 * RING_ALIGN;
	}
	ring->end = ring->put = at;
	atomic_store(&client->control->submitted.end, at);
}

START_TEST(random_garbage)
{
	uint64_t state = 1;
	int i;

	for (i = 0; i < 3000; i++) {
		struct fixture *fixture = ours();
		struct ringed client = ringed_joined(fixture, 10, "group");
		struct peer *other = peer_new(fixture, 20);

		put_garbage(&client, &state);
		(void)submitted(&client);
		put_garbage(&client, &state);
		peer_gone(fixture, client.peer);
		settle(fixture);
		joined(fixture, other, "group");
		ck_assert_str_eq(next_event(other), "1:20 +1:20j");
		fixture_free(fixture);
	}
}
END_TEST

/* It was told that its messages are accepted, which are lost: it must not be seen to leave behind them by its own will. */
START_TEST(who_is_ended_by_its_ring_does_not_leave)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct ipc_leave leave = {.header = {.id = IPC_REQ_LEAVE, .size = sizeof(leave)},
				  .group = ipc_name("group"),
				  .pid = 10};

	settle(fixture);
	submit_text(&client, "lost");
	fixture->segment_cut = true;
	engine_request(fixture->engine, client.peer->client, &leave, sizeof(leave));
	ck_assert(client.peer->evicted);
	ck_assert_uint_eq(client.peer->responses.count, 0);
	peer_gone(fixture, client.peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group dies");
	fixture_free(fixture);
}
END_TEST

/* Nothing that can't be is looked at twice: each time would be a batch. */
START_TEST(who_is_ended_already_lies)
{
	struct ring_entry lie = {.kind = RING_MESSAGE, .length = SUBMISSION_MESSAGE_MAX};
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	client.peer->error = -EPIPE;
	submit_text(&client, "good");
	(void)submitted(&client);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group 'good'");
	ck_assert(client.peer->evicted);
	memcpy(ring_reserve(&client.submission, sizeof(lie)), &lie, sizeof(lie));
	ring_put(&client.submission, sizeof(lie), &client.control->submitted.end);
	engine_token(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 3: 10@group"); /* and nothing of it */
	engine_token(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "none");
	peer_gone(fixture, client.peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 4: 10@group dies");
	fixture_free(fixture);
}
END_TEST

START_TEST(a_segment_cut_short)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");

	settle(fixture);
	submit_text(&client, "zeros by now, maybe");
	fixture->segment_cut = true;
	(void)submitted(&client);
	ck_assert(client.peer->evicted);
	peer_gone(fixture, client.peer);
	ck_assert_str_eq(batch_returns(fixture), "batch 2: 10@group dies");
	fixture_free(fixture);
}
END_TEST

/* Nothing but messages is sent on. */
START_TEST(records_are_cleaned)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_joined(fixture, 10, "group");
	struct dirty {
		struct ring_entry entry;
		char text[8];
	} want = {.entry = {.kind = RING_MESSAGE, .length = 3}, .text = "abc"};
	struct dirty dirty = {.entry = {.kind = RING_MESSAGE, .detail = 1, .reserved = 1, .length = 3},
			      .text = "abcdefg"};
	struct packet *batch;

	settle(fixture);
	memcpy(ring_reserve(&client.submission, sizeof(dirty)), &dirty, sizeof(dirty));
	ring_put(&client.submission, sizeof(dirty), &client.control->submitted.end);
	(void)submitted(&client);
	batch = take(&fixture->peer_multicasts);
	ck_assert_ptr_nonnull(batch);
	ck_assert_mem_eq(batch->data + batch->size - sizeof(struct peer_batch_end) - sizeof(want), &want,
			 sizeof(want));
	free(batch);
	fixture_free(fixture);
}
END_TEST

START_TEST(who_is_in_no_group_sends_to_nobody)
{
	struct fixture *fixture = ours();
	struct ringed client = ringed_new(fixture, 10);

	submit_text(&client, "hello");
	(void)submitted(&client);
	ck_assert_uint_eq(fixture->peer_multicasts.count, 0);
	ck_assert_uint_eq(atomic_load(&client.control->submission_taken.end), client.submission.end);
	joined(fixture, client.peer, "group");
	ck_assert_str_eq(heard(&client), "1:10 +1:10j");
	ck_assert_str_eq(heard(&client), "none");
	ringed_free(&client);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		entries_that_lie,
		positions_that_lie,
		random_garbage,
		who_is_ended_by_its_ring_does_not_leave,
		who_is_ended_already_lies,
		a_segment_cut_short,
		records_are_cleaned,
		who_is_in_no_group_sends_to_nobody,
	};

	return RUN_TESTS("engine: submission rings that lie", tests);
}
