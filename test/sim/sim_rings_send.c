/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients with rings send: see sim_rings.h. */
#include "sim_payload.h"
#include "sim_rings.h"

/* Blocks whose entries were taken are the client's again. */
static void blocks_reclaim(struct sim_rings *rings)
{
	size_t done = 0;

	while (done < rings->block_count && rings->blocks[done].end <= rings->submission.taken) {
		const struct block *block = &rings->blocks[done++];

		spoil(rings->pool->base + block->offset, block->length);
		rings->block_bytes -= block->length;
	}
	rings->block_count -= done;
	memmove(rings->blocks, rings->blocks + done, rings->block_count * sizeof(struct block));
}

static void submission_look(struct sim_client *client)
{
	struct sim_rings *rings = client->rings;

	if (!ring_writer_look(&rings->submission, &rings->control->submission_taken.end)) {
		client_bad_event(client, "the engine took more than was submitted");
	}
	blocks_reclaim(rings);
}

static bool is_full(const struct sim_rings *rings)
{
	return ring_used(&rings->submission) > SUBMISSION_RING_LIMIT(rings->submission.size);
}

static bool may_send(struct sim_client *client)
{
	struct sim_rings *rings = client->rings;

	submission_look(client);
	if (is_full(rings) && atomic_load_explicit(&rings->control->grown, memory_order_acquire) &&
	    ring_move(&rings->submission)) {
		client->node->world->stats.ring_moves++;
	}
	return !is_full(rings) &&
	       !atomic_load_explicit(&rings->control->receiver_behind, memory_order_relaxed) &&
	       rings->block_bytes <= SUBMISSION_BLOCKS_MAX;
}

/* An entry with `length` zeroed bytes of body. */
static struct ring_entry *submission_reserve(struct sim_client *client, uint8_t kind, size_t length)
{
	size_t size = ring_entry_size(length);
	struct ring_entry *entry = ring_reserve(&client->rings->submission, size);

	if (entry == NULL) {
		client_bad_event(client, "there is no room in the submission ring below its limit");
		return NULL;
	}
	memset(entry, 0, size);
	entry->kind = kind;
	entry->length = (uint32_t)length;
	return entry;
}

static void submission_put(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	struct segment_control *control = rings->control;

	ring_put(&rings->submission, ring_entry_size(entry->length), &control->submitted.end);
	client_accepted(client);
	if (ring_must_wake(&rings->submission, &control->submitted.end, &control->submission_taken.asleep)) {
		rings_ring(client);
	}
}

static void send_message(struct sim_client *client, size_t size)
{
	struct ring_entry *entry = submission_reserve(client, RING_MESSAGE, size);

	if (entry) {
		client_fill(client, entry + 1, size);
		submission_put(client, entry);
		client->node->world->stats.ring_messages++;
	}
}

static bool is_used(const struct sim_rings *rings, size_t offset, size_t size)
{
	size_t i;

	for (i = 0; i < rings->block_count; i++) {
		const struct block *block = &rings->blocks[i];

		if (offset < block->offset + block->length && block->offset < offset + size) {
			return true;
		}
	}
	return false;
}

/* Behind the last block, or at the beginning. 0: there is no room. */
static size_t block_place(const struct sim_rings *rings, size_t size)
{
	size_t offset = SEGMENT_START;

	if (rings->block_count) {
		const struct block *last = &rings->blocks[rings->block_count - 1];

		offset = last->offset + last->length;
	}
	if (offset + size > POOL_SIZE) {
		offset = SEGMENT_START;
	}
	return rings->block_count == BLOCKS_MAX || is_used(rings, offset, size) ? 0 : offset;
}

static void send_block(struct sim_client *client, size_t size)
{
	struct sim_rings *rings = client->rings;
	size_t offset = block_place(rings, size);
	struct ring_entry *entry =
		offset ? submission_reserve(client, RING_BLOCK, sizeof(struct ring_block)) : NULL;

	if (entry) {
		client_fill(client, rings->pool->base + offset, size);
		*(struct ring_block *)(entry + 1) =
			(struct ring_block){.segment_id = rings->pool->id, .offset = offset, .length = size};
		submission_put(client, entry);
		rings->blocks[rings->block_count++] =
			(struct block){.offset = offset, .length = size, .end = rings->submission.end};
		rings->block_bytes += size;
		client->node->world->stats.ring_blocks++;
	}
}

static void ask_for_pool(struct sim_client *client)
{
	struct ipc_segment_create request = {
		.header = {.id = IPC_REQ_SEGMENT_CREATE, .size = sizeof(request)}, .user_size = POOL_SIZE};

	client->rings->pool_asked = true;
	client_ask(client, &request, sizeof(request), true);
}

void rings_send(struct sim_client *client, size_t size)
{
	const struct sim_rings *rings = client->rings;

	size = size < PAYLOAD_MIN ? PAYLOAD_MIN : size;
	if (client->waiting) {
		return;
	}
	if (!may_send(client)) {
		client->node->world->stats.ring_refusals++;
		return; /* CS_ERR_TRY_AGAIN */
	}
	if (size <= SUBMISSION_MESSAGE_MAX) {
		send_message(client, size);
	} else if (rings->pool) {
		send_block(client, size);
	} else if (!rings->pool_asked) {
		ask_for_pool(client);
	} else {
		client_send_fragmented(client, size);
	}
}
