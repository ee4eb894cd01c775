/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Submission rings: what clients that have rings (include/cpg_ring.h) send. Messages are copied into the batch that goes out, as they
 * are, and checked there: a client can change them as long as they are in the ring.
 *
 * Clients that sent something are looked at on each visit of the token, until one finds nothing: from then on a client rings
 * when it sends. While enough waits for totem, messages stay where they are, and the ring's end is what stops the sender.
 *
 * Requests are let in until far more waits. So that they don't take all there is of totem, they give credit to rings: as much as they brought may be
 * taken from these, too. For what is taken before its turn, because its client asks for something, it is the same.
 *
 * A client that ended has its turns until its ring is empty: dead or evicted, it was told that all that was accepted.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

/* What is taken from one client before it is another one's turn. */
#define TURN_MAX BATCH_SIZE_MAX

/* Turns of one client in a visit: it may put something in whenever we look, and nothing that counts. */
#define ROUNDS_MAX 64u

/* Requests may bring much between two looks at the rings. */
#define CREDIT_MAX ((size_t)1024 * 1024)

#define ENTRY_MAX (sizeof(struct ring_entry) + SUBMISSION_MESSAGE_MAX)

/* What take_piece() makes nothing of: for want of memory. There may be some later, but its client is evicted. */
#define NOT_NOW SIZE_MAX

/* Of what a client leaves behind, however large it says that is: its library lets no more wait. */
#define REMAINDER_MAX (SUBMISSION_BLOCKS_MAX + TOTEM_MESSAGE_SIZE_MAX + SUBMISSION_LARGE_SIZE)

/* ---- one piece ---- */

static bool broken(struct engine_client *client)
{
	const struct engine *engine = client->engine;

	return engine->ops.segment_broken(engine->context, &client->control->segment);
}

/* Nothing of it is taken any more. */
static void distrust(struct engine_client *client)
{
	client->rings->distrusted = true;
	client_evict(client, "what its submission ring says can't be");
}

/* Bytes to the end of what is there, or of the data. */
static size_t piece_size(const struct ring_reader *ring)
{
	size_t there = (size_t)(ring->end - ring->at), rest = ring_rest(ring->size, ring->at);

	return there < rest ? there : rest;
}

static size_t no_memory(struct engine_client *client)
{
	client_evict(client, "out of memory for its messages");
	return NOT_NOW;
}

/* Messages, as many as there are in a row and a batch takes. Returns how much that was, or NOT_NOW; 0: something is wrong. */
static size_t take_messages(struct engine_client *client, const uint8_t *entries, size_t size)
{
	struct engine *engine = client->engine;
	struct record sender = {.pid = client->pid, .group = &client->group->name};
	struct batch *batch = outgoing_batch(engine, &sender, size < ENTRY_MAX ? size : ENTRY_MAX);
	size_t before, count, taken;

	if (batch == NULL) {
		return no_memory(client);
	}
	before = batch->size;
	size = batch_copy(batch, entries, size);
	if (broken(client)) {
		return 0;
	}
	count = batch->count;
	taken = batch_keep_messages(batch, size, SUBMISSION_MESSAGE_MAX);
	client->rings->messages += batch->count - count;
	outgoing_grew(engine, batch, before);
	return taken;
}

static size_t take_block(struct engine_client *client, const uint8_t *entry, size_t size)
{
	struct {
		struct ring_entry head;
		struct ring_block block;
	} copy;
	cs_error_t error;

	if (size < sizeof(copy)) {
		return 0;
	}
	memcpy(&copy, entry, sizeof(copy));
	if (copy.head.length != sizeof(copy.block)) {
		return 0;
	}
	error = segment_send(client, &copy.block);
	if (error != CS_OK) {
		return error == CS_ERR_NO_MEMORY ? no_memory(client) : 0;
	}
	client->rings->turn_bytes += copy.block.length;
	client->rings->messages++;
	return sizeof(copy);
}

/* Any entry but a filler. */
static size_t take_entry(struct engine_client *client, const uint8_t *entry, const struct ring_entry *head,
			 size_t size)
{
	/* a library of ours does not let that happen */
	if (!client_may_send(client)) {
		return ring_entry_size(head->length);
	}
	switch (head->kind) {
	case RING_MESSAGE:
		return take_messages(client, entry, size);
	case RING_BLOCK:
		return take_block(client, entry, size);
	default:
		return 0;
	}
}

/* Returns how much was taken, 0: the client is evicted. */
static size_t take_piece(struct engine_client *client, struct ring_reader *ring)
{
	const uint8_t *entry = ring->data + (ring->at & (ring->size - 1));
	size_t size = piece_size(ring), taken = 0;
	struct ring_entry head = ring_entry_read(entry);

	if (head.kind == RING_SKIP) {
		taken = ring_rest(ring->size, ring->at);
	} else if (head.kind != RING_MOVED) {
		taken = take_entry(client, entry, &head, size);
	} else if (head.length == 0 && ring_follow(ring)) {
		taken = sizeof(head);
	}
	if (taken == NOT_NOW) {
		return 0;
	}
	if (taken == 0 || taken > size) {
		distrust(client);
		return 0;
	}
	return taken;
}

/* ---- one client ---- */

/* Up to about `most` bytes of what was there at the last look. False: nothing. */
static bool take_seen(struct engine_client *client, size_t most)
{
	struct rings *rings = client->rings;
	struct ring_reader *ring = &rings->submission;
	uint64_t before = ring->at;

	rings->turn_bytes = 0;
	while (!rings->distrusted && ring->at != ring->end && rings->turn_bytes < most) {
		size_t taken = take_piece(client, ring);

		if (taken == 0) {
			break;
		}
		ring->at += taken;
		rings->turn_bytes += taken;
	}
	if (ring->at != before) {
		ring_take(ring, &rings->control->submission_taken.end);
	}
	return ring->at != before;
}

static bool take(struct engine_client *client, size_t most)
{
	struct rings *rings = client->rings;
	struct ring_reader *ring = &rings->submission;

	if (!ring_reader_look(ring, &rings->control->submitted.end) || broken(client)) {
		distrust(client);
	} else if (ring->end - ring->at > SUBMISSION_RING_LIMIT(ring->size)) {
		rings_were_full(client, 0);
	}
	return take_seen(client, most);
}

/* From here on it rings. False: it put something in meanwhile, and may not have. */
static bool fall_asleep(struct engine_client *client)
{
	struct rings *rings = client->rings;
	struct segment_control *control = rings->control;

	if (!ring_may_sleep(&rings->submission, &control->submitted.end, &control->submission_taken.asleep) &&
	    !rings->distrusted) {
		return false;
	}
	rings->awake = false;
	qb_list_del(&rings->of_awake);
	return true;
}

/* It may be alive, and write there still: what it was told was accepted had been there at the last look. */
static bool take_what_is_left(struct engine_client *client)
{
	struct rings *rings = client->rings;
	bool any = take_seen(client, TURN_MAX);

	rings->left -= rings->turn_bytes < rings->left ? rings->turn_bytes : rings->left;
	if (rings->distrusted || rings->left == 0 || rings->submission.at == rings->submission.end) {
		client_forget(client);
	}
	return any;
}

/* The first look of a visit: who has nothing now sleeps. */
static bool take_or_sleep(struct engine_client *client)
{
	return take(client, TURN_MAX) || (!fall_asleep(client) && take(client, TURN_MAX));
}

/* ---- all of them ---- */

void submissions_credit(struct engine *engine, size_t before)
{
	if (engine->backlog > before) {
		engine->credit += (int64_t)(engine->backlog - before);
	}
	if (engine->credit > (int64_t)CREDIT_MAX) {
		engine->credit = (int64_t)CREDIT_MAX;
	}
}

static bool window_full(const struct engine *engine)
{
	return engine->backlog >= engine->window;
}

static bool has_enough(const struct engine *engine)
{
	return window_full(engine) && engine->credit <= 0;
}

/* A turn may be more than there was credit for, and is owed then. */
static bool turn(struct engine_client *client, bool (*take_turn)(struct engine_client *client))
{
	struct engine *engine = client->engine;
	bool above = window_full(engine);
	size_t before = engine->backlog;
	bool any = client->ended ? take_what_is_left(client) : take_turn(client);

	if (above && engine->backlog > before) {
		engine->credit -= (int64_t)(engine->backlog - before);
	}
	return any;
}

/* False: nobody had anything, or there is enough. */
static bool take_turns(struct engine *engine, bool (*take_turn)(struct engine_client *client))
{
	struct qb_list_head *at, *next;
	bool any = false;

	qb_list_for_each_safe (at, next, &engine->awake) {
		if (has_enough(engine)) {
			/* it comes first next time */
			qb_list_del(&engine->awake);
			qb_list_add_tail(&engine->awake, at);
			return false;
		}
		any |= turn(qb_list_entry(at, struct rings, of_awake)->client, take_turn);
	}
	return any;
}

static bool take_more(struct engine_client *client)
{
	return take(client, TURN_MAX);
}

void submissions_take(struct engine *engine)
{
	unsigned int round;
	bool any;

	if (!window_full(engine)) {
		engine->credit = 0;
	}
	any = take_turns(engine, take_or_sleep);
	for (round = 1; any && round < ROUNDS_MAX; round++) {
		any = take_turns(engine, take_more);
	}
}

static void wake_up(struct rings *rings)
{
	if (!rings->awake) {
		rings->awake = true;
		qb_list_add_tail(&rings->of_awake, &rings->client->engine->awake);
	}
}

void submission_rung(struct engine_client *client)
{
	wake_up(client->rings);
	if (!window_full(client->engine)) {
		(void)take_or_sleep(client);
	}
}

/* What is there at the first look: the client may go on as long as we look. */
void submission_take_all(struct engine_client *client)
{
	struct ring_reader *ring = &client->rings->submission;
	bool any = take(client, TURN_MAX);
	uint64_t end = ring->end;
	size_t total = client->rings->turn_bytes;

	while (any && (int64_t)(end - ring->at) > 0 && total < REMAINDER_MAX) {
		any = take(client, TURN_MAX);
		total += client->rings->turn_bytes;
	}
}

/*
 * What is put in after the last look is answered with an error: the library finds us asleep, and rings a connection that is closed. So nothing is lost
 * that was accepted, if we said so before that look.
 */
void submission_close(struct engine_client *client)
{
	struct rings *rings = client->rings;

	if (!ring_look_last(&rings->submission, &rings->control->submitted.end,
			    &rings->control->submission_taken.asleep) ||
	    broken(client)) {
		distrust(client);
	}
	rings->left = REMAINDER_MAX;
	wake_up(rings);
	if (!window_full(client->engine) || rings->submission.at == rings->submission.end) {
		(void)take_what_is_left(client);
	}
}

void submission_end(struct rings *rings)
{
	if (rings->awake) {
		qb_list_del(&rings->of_awake);
	}
}
