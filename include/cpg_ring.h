/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two rings of a control segment (cpg_segment.h): one writer, one reader, entries of any size, each in one piece.
 *
 * Positions count bytes since the connection began and never wrap; modulo the ring's size they say where. An entry is a
 * struct ring_entry, its body and zeros up to a multiple of 8. One that would reach over the end of the data begins at
 * its beginning instead, behind a RING_SKIP.
 *
 * The writer stores its position with release order after the entries before it; the reader loads it with acquire order.
 * Likewise the reader's, after it is done with what lies before it. Each side keeps its own position, and the size, in
 * memory of its own: here it is only told to the other one.
 */
#ifndef CPG_RING_H
#define CPG_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpg_ipc.h"

#define RING_ALIGN 8u

/* Has the layout of struct peer_record: messages go from the submission ring into a batch, and on into delivery rings, as they are. */
struct ring_entry {
	uint8_t kind;
	uint8_t detail;	   /* 0 */
	uint16_t reserved; /* 0 */
	uint32_t length;   /* of the body, bytes */
};
static_assert(sizeof(struct ring_entry) == RING_ALIGN, "entry");

enum ring_entry_kind {
	/* Submission ring: a message, not larger than SUBMISSION_MESSAGE_MAX. (PEER_MESSAGE) */
	RING_MESSAGE = 2,
	/* Submission ring: struct ring_block, a message that lies in a pool segment. It is the library's again when the entry was taken. */
	RING_BLOCK = 0x40,
	/* Delivery ring: an event as in cpg_ipc.h, but for messages. */
	RING_EVENT = 0x41,
	/* Delivery ring: the group that the next runs are of: struct ipc_name. */
	RING_GROUP = 0x42,
	/* Delivery ring: struct ring_run, then RING_MESSAGE entries, at least one: messages of one process. */
	RING_RUN = 0x43,
	/* Both: nothing up to the end of the data. */
	RING_SKIP = 0x44
};

struct ring_block {
	uint32_t segment_id;
	uint32_t reserved; /* 0 */
	uint64_t offset;   /* into the user data */
	uint64_t length;
};
static_assert(sizeof(struct ring_block) == 24, "BLOCK");

struct ring_run {
	uint32_t nodeid;
	uint32_t pid;
};
static_assert(sizeof(struct ring_run) == 8, "RUN");

/* Larger messages travel as RING_BLOCK. */
#define SUBMISSION_MESSAGE_MAX (8u * 1024u)
/*
 * A library refuses a send with CS_ERR_TRY_AGAIN while more than this much of its submission ring is taken: then what it
 * does not refuse has room, even where it must skip the end.
 */
#define SUBMISSION_RING_LIMIT (SUBMISSION_RING_SIZE - 2 * (SUBMISSION_MESSAGE_MAX + 2 * RING_ALIGN))
/* Bytes of messages in blocks that a library lets wait; what a dead client left behind is taken up to this much and one more. */
#define SUBMISSION_BLOCKS_MAX (4u * 1024u * 1024u)
/* An event that is larger than this goes through a delivery ring in IPC_RES_EVENT_PARTs. */
#define DELIVERY_ENTRY_MAX (DELIVERY_RING_SIZE / 4)
/* Messages of a run, with their headers. */
#define DELIVERY_RUN_MAX (DELIVERY_ENTRY_MAX - sizeof(struct ring_run))

static inline size_t ring_entry_size(size_t length)
{
	return sizeof(struct ring_entry) + ((length + RING_ALIGN - 1) & ~(size_t)(RING_ALIGN - 1));
}

/* Between own store and the load of what the other side stores before it reads ours: one of the two sees the other's. */
static inline void ring_barrier(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/* ---- the writer's side ---- */

struct ring_writer {
	uint8_t *data;
	size_t size;
	uint64_t end;	/* own position */
	uint64_t taken; /* the reader's, as last seen: never behind the truth by more than the ring's size */
};

/*
 * What the reader says. False: it can't be true (the engine ends the connection; a library can't trust anything any more).
 */
static inline bool ring_writer_look(struct ring_writer *ring, const _Atomic uint64_t *taken)
{
	uint64_t now = atomic_load_explicit(taken, memory_order_acquire);

	if (now - ring->taken > ring->end - ring->taken) {
		return false;
	}
	ring->taken = now;
	return true;
}

static inline size_t ring_used(const struct ring_writer *ring)
{
	return (size_t)(ring->end - ring->taken);
}

/* Bytes in one piece from here to the end of the data. */
static inline size_t ring_rest(size_t size, uint64_t at)
{
	return size - (size_t)(at & (size - 1));
}

/* Where the next entry of `size` bytes (ring_entry_size) goes; NULL: there is no room. ring_writer_put() makes it count. */
static inline struct ring_entry *ring_reserve(struct ring_writer *ring, size_t size)
{
	size_t rest = ring_rest(ring->size, ring->end), skip = rest < size ? rest : 0;

	if (ring->size - ring_used(ring) < skip + size) {
		return NULL;
	}
	if (skip) {
		struct ring_entry *entry = (struct ring_entry *)(ring->data + (ring->end & (ring->size - 1)));

		*entry = (struct ring_entry){.kind = RING_SKIP, .length = (uint32_t)(skip - sizeof(*entry))};
		ring->end += skip;
	}
	return (struct ring_entry *)(ring->data + (ring->end & (ring->size - 1)));
}

static inline void ring_put(struct ring_writer *ring, size_t size, _Atomic uint64_t *end)
{
	ring->end += size;
	atomic_store_explicit(end, ring->end, memory_order_release);
}

/* ---- the reader's side ---- */

struct ring_reader {
	uint8_t *data;
	size_t size;
	uint64_t at;  /* own position */
	uint64_t end; /* the writer's, as last seen */
};

/* The same for what the writer says. */
static inline bool ring_reader_look(struct ring_reader *ring, const _Atomic uint64_t *end)
{
	uint64_t now = atomic_load_explicit(end, memory_order_acquire);

	if (now - ring->at > ring->size || now % RING_ALIGN != 0) {
		return false;
	}
	ring->end = now;
	return true;
}

#endif
