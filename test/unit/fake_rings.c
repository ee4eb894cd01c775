/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_rings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_engine.h"

/* What a library puts in must be right: this is its test. */
static void must(bool condition)
{
	if (!condition)
		abort();
}

struct fake_rings *fake_rings_new(uint32_t segment_id, uint8_t *base)
{
	struct fake_rings *rings = calloc(1, sizeof(*rings));

	must(((uintptr_t)base + SEGMENT_START) % SEGMENT_CACHE_LINE == 0);
	rings->segment_id = segment_id;
	rings->control = (struct segment_control *)(base + SEGMENT_START);
	rings->control->magic = SEGMENT_CONTROL_MAGIC;
	rings->control->version = SEGMENT_CONTROL_VERSION;
	rings->control->submission_taken.asleep = 1;
	rings->control->delivery_taken.asleep_at = RING_ASLEEP_INITIAL;
	rings->submission =
		(struct ring_reader){.data = base + SUBMISSION_RING_OFFSET,
				     .size = SUBMISSION_RING_SIZE,
				     .larger = {{{base + SUBMISSION_LARGE_OFFSET, SUBMISSION_LARGE_SIZE}}}};
	rings->delivery =
		(struct ring_writer){.data = base + DELIVERY_RING_OFFSET,
				     .size = DELIVERY_RING_SIZE,
				     .spare = DELIVERY_SPARE,
				     .large = DELIVERY_LARGE_ENTRY,
				     .larger = {{{base + DELIVERY_LARGE_OFFSET, DELIVERY_LARGE_SIZE},
						 {base + DELIVERY_HUGE_OFFSET, DELIVERY_HUGE_SIZE}}}};
	return rings;
}

static void padding_must_be_zero(const uint8_t *body, size_t length)
{
	for (; length % RING_ALIGN; length++)
		must(!body[length]);
}

static void entry_take(qb_ipcs_connection_t *conn, const struct ring_entry *entry, const void *body,
		       fake_block_fn find_block, fake_taken_fn taken)
{
	const struct ring_block *block = body;

	must(!entry->detail && !entry->reserved);
	padding_must_be_zero(body, entry->length);
	if (entry->kind == RING_MESSAGE) {
		must(entry->length <= SUBMISSION_MESSAGE_MAX);
		atomic_fetch_add(&fake_shared->ring_messages, 1);
		taken(conn, body, entry->length);
	} else {
		must(entry->kind == RING_BLOCK && entry->length == sizeof(*block) && !block->reserved);
		atomic_fetch_add(&fake_shared->ring_blocks, 1);
		taken(conn, find_block(block), block->length);
	}
}

void fake_rings_take(struct fake_rings *rings, qb_ipcs_connection_t *conn, unsigned int limit,
		     fake_block_fn find_block, fake_taken_fn taken)
{
	struct ring_reader *ring = &rings->submission;
	enum ring_found found = RING_FOUND_NOTHING;
	struct ring_entry entry;

	must(ring_reader_look(ring, &rings->control->submitted.end));
	while (limit-- && (found = ring_peek(ring, &entry)) == RING_FOUND_ENTRY) {
		entry_take(conn, &entry, ring_body(ring), find_block, taken);
		ring_next(ring, &entry);
		ring_take(ring, &rings->control->submission_taken.end);
	}
	must(found != RING_FOUND_NONSENSE);
}

bool fake_rings_asleep(const struct fake_rings *rings)
{
	return atomic_load(&rings->control->submission_taken.asleep);
}

void fake_rings_sleep(struct fake_rings *rings)
{
	ring_may_sleep(&rings->submission, &rings->control->submitted.end,
		       &rings->control->submission_taken.asleep);
}

static void ring_if_needed(struct fake_rings *rings, qb_ipcs_connection_t *conn)
{
	struct ipc_response bell = {.id = IPC_RES_DOORBELL, .size = sizeof(bell), .error = CS_OK};
	struct segment_control *control = rings->control;

	usleep(atomic_load(&fake_shared->put_delay));
	if (!ring_must_ring(&rings->delivery, &control->delivered.end, &control->delivery_taken.asleep_at))
		return;
	usleep(atomic_load(&fake_shared->bell_delay));
	must(qb_ipcs_event_send(conn, &bell, sizeof(bell)) == (ssize_t)sizeof(bell));
}

static struct ring_entry *reserve(struct fake_rings *rings, size_t size)
{
	must(ring_writer_look(&rings->delivery, &rings->control->delivery_taken.end));
	return ring_reserve(&rings->delivery, size);
}

bool fake_rings_put(struct fake_rings *rings, qb_ipcs_connection_t *conn, enum ring_entry_kind kind,
		    const void *body, size_t length)
{
	struct segment_control *control = rings->control;
	size_t size = ring_entry_size(length);
	struct ring_entry *entry;

	while (!(entry = reserve(rings, size))) {
		if (rings->moves < atomic_load(&control->grown) && ring_move(&rings->delivery)) {
			rings->moves++;
			continue;
		}
		if (ring_must_wait(&rings->delivery, &control->delivery_taken.end, &control->delivered.more))
			return false;
	}
	memset((uint8_t *)entry + size - RING_ALIGN, 0, RING_ALIGN);
	*entry = (struct ring_entry){.kind = (uint8_t)kind, .length = (uint32_t)length};
	memcpy(entry + 1, body, length);
	/* A group is nothing to ring for: it goes with the run behind it. */
	if (kind == RING_GROUP) {
		ring_put_untold(&rings->delivery, size);
		return true;
	}
	ring_put(&rings->delivery, size, &control->delivered.end);
	ring_if_needed(rings, conn);
	return true;
}
