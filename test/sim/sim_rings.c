/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that send and read through shared memory, as our library does (include/cpg_ring.h). They look at the delivery ring when a
 * doorbell came, and as long as they find something: one that is missing is one that they sleep through.
 *
 * What is the client's again it overwrites at once: nobody may look at it any more.
 */
#include <corosync/corotypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpg_ring.h"
#include "cpg_segment.h"
#include "sim_payload.h"
#include "sim_world.h"

#define POOL_SIZE (256u * 1024u)
#define BLOCKS_MAX 64u

/* A message in the pool that the engine did not take yet. */
struct block {
	size_t offset, length;
	uint64_t end; /* of its entry */
};

struct sim_rings {
	struct segment_control *control;
	struct ring_writer submission;
	struct block blocks[BLOCKS_MAX]; /* in order */
	size_t block_count, block_bytes;
	struct sim_segment *pool; /* NULL: none */
	bool pool_asked;	  /* once */

	struct ring_reader delivery;
	struct ring_bells bells;
	struct ipc_name group; /* of the runs to come */
	struct ring_run run;
	uint64_t run_end; /* of the run that is being read */
};

static void spoil(void *at, size_t size)
{
	memset(at, 0xdd, size);
}

/* ---- agreement ---- */

static struct sim_segment *segment_offered(struct sim_client *client, const struct ipc_segment *offer)
{
	struct sim_segment *segment = client->segments;

	while (segment && strncmp(segment->name, offer->name, sizeof(segment->name)) != 0) {
		segment = segment->next;
	}
	if (segment == NULL || segment->size != offer->user_size || offer->id == 0) {
		client_wrong_answer(client, "a segment", (int32_t)offer->id);
		return NULL;
	}
	segment->id = offer->id;
	return segment;
}

/* Some can't map what they were offered. */
static void attach(struct sim_client *client, const struct ipc_segment *offer)
{
	struct sim_segment *segment = segment_offered(client, offer);
	bool refused = sim_percent(&client->node->world->clock, 10);
	struct ipc_hello request = {.header = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(request)},
				    .magic = IPC_HELLO_MAGIC,
				    .version = IPC_HELLO_VERSION,
				    .step = refused ? IPC_HELLO_REFUSED : IPC_HELLO_ATTACHED,
				    .segment_id = offer->id};

	client->attaching = refused ? NULL : segment;
	client_ask(client, &request, sizeof(request), true);
}

/* Ring changes are told to everybody who is connected: up to now by events. */
static void drop_events(struct sim_client *client)
{
	struct sim_message *event;

	while ((event = fifo_pop(&client->inbox)) != NULL) {
		if (((const struct ipc_response *)event->data)->id != IPC_RES_TOTEM_CONFCHG) {
			client_bad_event(client, "an event before the first join");
		}
		free(event);
	}
}

static void rings_begin(struct sim_client *client, struct sim_segment *segment)
{
	struct sim_rings *rings = sim_alloc(sizeof(*rings));

	rings->control = (struct segment_control *)(segment->base + SEGMENT_START);
	rings->submission = (struct ring_writer){.data = segment->base + SUBMISSION_RING_OFFSET,
						 .size = SUBMISSION_RING_SIZE};
	rings->delivery = (struct ring_reader){.data = segment->base + DELIVERY_RING_OFFSET,
					       .size = DELIVERY_RING_SIZE};
	rings->bells = RING_BELLS_INITIAL;
	client->rings = rings;
	drop_events(client);
	if (rings->control->magic != SEGMENT_CONTROL_MAGIC ||
	    rings->control->version != SEGMENT_CONTROL_VERSION) {
		client_wrong_answer(client, "a control segment", (int32_t)rings->control->version);
	}
}

void rings_hello_answered(struct sim_client *client, const struct ipc_hello_response *hello)
{
	struct sim_segment *segment = client->attaching;

	client->attaching = NULL;
	if (hello->local.header.error != CS_OK) {
		client_wrong_answer(client, "hello", hello->local.header.error);
	} else if (hello->control.id) {
		attach(client, &hello->control);
	} else if (segment && client->rings == NULL) {
		rings_begin(client, segment);
	} else if (segment) {
		client->rings->pool = segment;
	}
}

void rings_segment_answered(struct sim_client *client, const struct ipc_segment_create_response *answer)
{
	if (answer->header.error == CS_OK) {
		attach(client, &answer->segment);
	} else if (answer->header.error != CS_ERR_NO_RESOURCES) {
		client_wrong_answer(client, "segment_create", answer->header.error);
	}
}

static void ask_for_pool(struct sim_client *client)
{
	struct ipc_segment_create request = {
		.header = {.id = IPC_REQ_SEGMENT_CREATE, .size = sizeof(request)}, .user_size = POOL_SIZE};

	client->rings->pool_asked = true;
	client_ask(client, &request, sizeof(request), true);
}

/* ---- sending ---- */

static void ring_doorbell(struct sim_client *client)
{
	struct ipc_request request = {.id = IPC_REQ_DOORBELL, .size = sizeof(request)};

	client_tell(client, &request, sizeof(request));
}

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

static bool may_send(struct sim_client *client)
{
	const struct sim_rings *rings = client->rings;

	submission_look(client);
	return ring_used(&rings->submission) <= SUBMISSION_RING_LIMIT &&
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
		ring_doorbell(client);
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

/* ---- reading ---- */

/* What it needs to be woken again. */
static void answer_doorbells(struct sim_client *client)
{
	struct sim_rings *rings = client->rings;
	uint32_t count = ring_answer(&rings->delivery, &rings->control->delivered.end,
				     &rings->control->delivery_taken.asleep_at, &rings->bells);
	struct sim_message *bell;

	for (; count > 0 && (bell = fifo_pop(&client->inbox)) != NULL; count--) {
		if (((const struct ipc_response *)bell->data)->id != IPC_RES_DOORBELL) {
			client_bad_event(client, "an event beside the delivery ring");
		}
		rings->bells.due--;
		free(bell);
	}
	if (rings->bells.asleep && client->inbox.first) {
		client_bad_event(client, "a doorbell, and nothing to read");
	}
}

/* What lies next in the delivery ring. False: it sleeps. */
static bool find_next(struct sim_client *client, struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	enum ring_found found = RING_FOUND_NOTHING;

	while (found == RING_FOUND_NOTHING) {
		if (!ring_look(&rings->delivery, &rings->control->delivered.end,
			       &rings->control->delivery_taken.asleep_at, &rings->bells)) {
			found = RING_FOUND_NONSENSE;
			break;
		}
		found = ring_peek(&rings->delivery, entry);
		if (found == RING_FOUND_NOTHING) {
			answer_doorbells(client);
			if (rings->bells.asleep) {
				return false;
			}
		}
	}
	if (found == RING_FOUND_NONSENSE || entry->length > DELIVERY_ENTRY_MAX) {
		client_bad_event(client, "nonsense in the delivery ring");
		return false;
	}
	return true;
}

static void hear_group(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;

	if (entry->length != sizeof(rings->group)) {
		client_bad_event(client, "GROUP with a wrong length");
	} else {
		memcpy(&rings->group, ring_body(&rings->delivery), sizeof(rings->group));
	}
}

/* Its messages are entries of their own; the reader may stop between them. */
static void enter_run(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	struct ring_reader *ring = &rings->delivery;

	if (entry->length <= sizeof(rings->run)) {
		client_bad_event(client, "RUN without a message");
		ring_next(ring, entry);
		return;
	}
	memcpy(&rings->run, ring_body(ring), sizeof(rings->run));
	rings->run_end = ring->at + ring_entry_size(entry->length);
	ring->at += sizeof(*entry) + sizeof(rings->run);
}

static void hear_in_run(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	struct ring_reader *ring = &rings->delivery;

	if (entry->kind != RING_MESSAGE || ring_entry_size(entry->length) > rings->run_end - ring->at) {
		client_bad_event(client, "RUN of something else than messages");
		return;
	}
	client_hear_message(client, &rings->group, rings->run.nodeid, rings->run.pid, ring_body(ring),
			    entry->length);
	client->node->world->stats.ring_heard++;
}

static void hear_outside(struct sim_client *client, const struct ring_entry *entry)
{
	const struct sim_node *node = client->node;

	switch (entry->kind) {
	case RING_GROUP:
		hear_group(client, entry);
		break;
	case RING_EVENT:
		client_hear(client, ring_body(&client->rings->delivery), entry->length,
			    oracle_activations(node->world->oracle, node->oracle_node));
		break;
	default:
		client_bad_event(client, "entry of an unknown kind");
		break;
	}
}

/* The entry is the engine's again. */
static void give_back(struct sim_client *client, const struct ring_entry *entry)
{
	struct sim_rings *rings = client->rings;
	struct segment_control *control = rings->control;

	spoil(ring_body(&rings->delivery), entry->length);
	ring_next(&rings->delivery, entry);
	if (ring_take_waking(&rings->delivery, &control->delivery_taken.end, &control->delivered.more)) {
		ring_doorbell(client);
	}
}

bool rings_read(struct sim_client *client, unsigned int most)
{
	struct sim_rings *rings = client->rings;
	struct ring_entry entry;

	while (most > 0) {
		if (!find_next(client, &entry)) {
			return false;
		}
		if (rings->delivery.at >= rings->run_end && entry.kind == RING_RUN) {
			enter_run(client, &entry);
			continue;
		}
		if (rings->delivery.at < rings->run_end) {
			hear_in_run(client, &entry);
		} else {
			hear_outside(client, &entry);
		}
		give_back(client, &entry);
		most--;
	}
	return true;
}

/* ---- at the end ---- */

bool rings_are_quiet(const struct sim_client *client)
{
	const struct sim_rings *rings = client->rings;
	const struct segment_control *control = rings->control;

	return atomic_load(&control->submission_taken.end) == rings->submission.end &&
	       atomic_load(&control->delivered.end) == rings->delivery.at && rings->bells.due == 0 &&
	       atomic_load(&control->receiver_behind) == 0;
}

void rings_dump(const struct sim_client *client)
{
	const struct sim_rings *rings = client->rings;
	const struct segment_control *control = rings->control;

	sim_trace(&client->node->world->clock,
		  "client %u: submitted %llu, taken %llu, %s; delivered %llu, read %llu, asleep at %lld, %u "
		  "doorbells due%s",
		  client->number, (unsigned long long)rings->submission.end,
		  (unsigned long long)atomic_load(&control->submission_taken.end),
		  atomic_load(&control->submission_taken.asleep) ? "asleep" : "awake",
		  (unsigned long long)atomic_load(&control->delivered.end),
		  (unsigned long long)rings->delivery.at,
		  (long long)atomic_load(&control->delivery_taken.asleep_at) - 1, rings->bells.due,
		  atomic_load(&control->receiver_behind) ? ", a receiver is behind" : "");
}

void rings_free(struct sim_client *client)
{
	free(client->rings);
	client->rings = NULL;
}
