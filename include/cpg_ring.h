/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two rings of a control segment (cpg_segment.h): one writer, one reader, entries of any size, each in one piece.
 *
 * Positions count bytes since the connection began and never wrap; modulo the ring's size they say where. An entry is a
 * struct ring_entry, its body and zeros up to a multiple of 8. One that would reach over the end of the data begins at
 * its beginning instead, behind a RING_SKIP; so may any other one for which there is room then.
 *
 * The writer stores its position with release order after the entries before it; the reader loads it with acquire order.
 * Likewise the reader's, after it is done with what lies before it. Each side keeps its own position, and the size, in
 * memory of its own: here it is only told to the other one.
 *
 * Who waits, for something to read or for room, says so and looks once more before it does; who has changed something
 * looks whether somebody waits. Each stores one word and then loads the other's, all in sequentially consistent order: so at
 * least one of the two sees what the other one stored, and no fence is needed. The stores are exchanges: where they differ from
 * plain ones at all, emulators are among the machines that need them (qemu lets a load overtake such a store of
 * aarch64). docs/TRANSPORT.md has the whole argument.
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
	RING_SKIP = 0x44,
	/* Both: what follows is in the ring's next place, at its position there. Not before `grown` says that there is memory. */
	RING_MOVED = 0x45
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
#define SUBMISSION_RING_LIMIT(size) ((size)-2 * (SUBMISSION_MESSAGE_MAX + 2 * RING_ALIGN))
/* Bytes of messages in blocks that a library lets wait; what a dead client left behind is taken up to this much and one more. */
#define SUBMISSION_BLOCKS_MAX (2u * 1024u * 1024u)
/*
 * Of messages of this size or more a library lets only one wait: so the next one is there while one is sent, which is all that they gain by
 * waiting, and more of them would only be more memory in use than caches hold.
 */
#define SUBMISSION_LARGE_BLOCK (256u * 1024u)
/* An event that is larger than this goes through a delivery ring of that size in IPC_RES_EVENT_PARTs. */
#define DELIVERY_ENTRY_MAX(size) ((size) / 4)
/* Several messages in a run, with their headers: they fit the smallest ring. */
#define DELIVERY_RUN_MAX                                                                                     \
	(DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE) - sizeof(struct ring_entry) - sizeof(struct ring_run))

/*
 * Bytes behind each entry of the delivery ring that nobody looks at: many a callback ends its message with a zero that it did not come
 * with. In a run the library knows the head that lies there before it calls back.
 */
#define DELIVERY_SPARE RING_ALIGN

/*
 * An entry of this size or more begins at the beginning of a delivery ring in which nothing is left to read: the same memory, again
 * and again, stays in caches, which the whole of a ring that takes such entries does not. What is smaller comes more often, and
 * looking at the reader's position first, a cache line of the other core's, would cost more of its time.
 */
#define DELIVERY_LARGE_ENTRY (256u * 1024u)

static inline size_t ring_entry_size(size_t length)
{
	return sizeof(struct ring_entry) + ((length + RING_ALIGN - 1) & ~(size_t)(RING_ALIGN - 1));
}

/* Bytes in one piece from here to the end of the data. */
static inline size_t ring_rest(size_t size, uint64_t at)
{
	return size - (size_t)(at & (size - 1));
}

/* Where the data of a ring may lie. */
struct ring_place {
	uint8_t *data;
	size_t size;
};

/* How often a ring may move. */
#define RING_MOVES_MAX 2

/* Where it may move to, in this order. data is NULL: no further. */
struct ring_places {
	struct ring_place next[RING_MOVES_MAX];
};

/* ---- the writer's side ---- */

struct ring_writer {
	uint8_t *data;
	size_t size;
	size_t spare;	/* bytes behind each entry but RING_SKIP */
	size_t large;	/* entries of this size or more begin at the beginning if they can; 0: none does */
	uint64_t end;	/* own position */
	uint64_t put;	/* up to here the reader is told */
	uint64_t taken; /* the reader's, as last seen: never behind the truth by more than the ring's size */
	struct ring_places larger;
};

/* The next place. False: there is none. */
static inline bool ring_next_place(uint8_t **data, size_t *size, struct ring_places *larger)
{
	const struct ring_place next = larger->next[0];

	if (next.data == NULL) {
		return false;
	}
	*data = next.data;
	*size = next.size;
	*larger = (struct ring_places){{larger->next[1]}};
	return true;
}

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

/* What the reader was told of, as last seen: a RING_MOVED may lie behind it. */
static inline bool ring_all_taken(const struct ring_writer *ring)
{
	return ring->taken == ring->put;
}

static inline struct ring_entry *ring_end(const struct ring_writer *ring)
{
	return (struct ring_entry *)(ring->data + (ring->end & (ring->size - 1)));
}

/* ring_reserve() looks whether it can begin at the beginning: who is about to call it looks where the reader is. */
static inline bool ring_is_large(const struct ring_writer *ring, size_t size)
{
	return ring->large != 0 && size >= ring->large;
}

/* Bytes to the end of the data, where the next `size` bytes have to begin behind that, or had better; else 0. */
static inline size_t ring_skip(const struct ring_writer *ring, size_t size)
{
	size_t rest = ring_rest(ring->size, ring->end);

	if (rest < size || (ring_is_large(ring, size) && ring_all_taken(ring) &&
			    ring_used(ring) + rest + size <= ring->size)) {
		return rest;
	}
	return 0;
}

/* Where the next entry of `size` bytes (ring_entry_size) goes; NULL: there is no room. ring_put() makes it count. */
static inline struct ring_entry *ring_reserve(struct ring_writer *ring, size_t size)
{
	size_t skip;

	size += ring->spare;
	skip = ring_skip(ring, size);
	if (ring->size - ring_used(ring) < skip + size) {
		return NULL;
	}
	if (skip) {
		*ring_end(ring) = (struct ring_entry){.kind = RING_SKIP,
						      .length = (uint32_t)(skip - sizeof(struct ring_entry))};
		ring->end += skip;
	}
	return ring_end(ring);
}

/* The entry at ring_reserve()'s place is whole. Behind the last one of several: ring_must_wake() or ring_must_ring(). */
static inline void ring_put(struct ring_writer *ring, size_t size, _Atomic uint64_t *end)
{
	ring->end += size + ring->spare;
	ring->put = ring->end;
	atomic_store_explicit(end, ring->put, memory_order_release);
}

/* The same for one that is nothing by itself: the reader hears of it with the next. */
static inline void ring_put_untold(struct ring_writer *ring, size_t size)
{
	ring->end += size + ring->spare;
}

/*
 * Goes on in the next place, if there is one. What is not read yet stays where it is, and counts as if it were in
 * there too. False: nothing changed.
 */
static inline bool ring_move(struct ring_writer *ring)
{
	if (ring->larger.next[0].data == NULL || ring->size - ring_used(ring) < sizeof(struct ring_entry)) {
		return false;
	}
	*ring_end(ring) = (struct ring_entry){.kind = RING_MOVED};
	ring->end += sizeof(struct ring_entry);
	return ring_next_place(&ring->data, &ring->size, &ring->larger);
}

/* ---- the reader's side ---- */

struct ring_reader {
	uint8_t *data;
	size_t size;
	size_t spare; /* as the writer's */
	uint64_t at;  /* own position */
	uint64_t end; /* the writer's, as last seen */
	struct ring_places larger;
};

/* Bytes that may lie in it unread: the writer may have moved already. */
static inline size_t ring_holds(const struct ring_reader *ring)
{
	const struct ring_place *next = ring->larger.next;

	return next[1].data ? next[1].size : next[0].data ? next[0].size : ring->size;
}

/* The reader is at a RING_MOVED: what is behind that lies in the next place. False: there is none. */
static inline bool ring_follow(struct ring_reader *ring)
{
	return ring_next_place(&ring->data, &ring->size, &ring->larger);
}

/* What the writer says. False: it can't be true. */
static inline bool ring_reader_saw(struct ring_reader *ring, uint64_t now)
{
	if (now - ring->at > ring_holds(ring) || now % RING_ALIGN != 0) {
		return false;
	}
	ring->end = now;
	return true;
}

static inline bool ring_reader_look(struct ring_reader *ring, const _Atomic uint64_t *end)
{
	return ring_reader_saw(ring, atomic_load_explicit(end, memory_order_acquire));
}

enum ring_found {
	RING_FOUND_NOTHING, /* up to the writer's position as last seen */
	RING_FOUND_ENTRY,
	RING_FOUND_NONSENSE /* what can't be true */
};

/* Each field once: the writer may be hostile. */
static inline struct ring_entry ring_entry_read(const void *at)
{
	const volatile struct ring_entry *entry = at;

	return (struct ring_entry){.kind = entry->kind,
				   .detail = entry->detail,
				   .reserved = entry->reserved,
				   .length = entry->length};
}

static inline bool ring_is_filler(const struct ring_entry *entry)
{
	return entry->kind == RING_SKIP || entry->kind == RING_MOVED;
}

/*
 * What lies at the reader's position, behind a RING_SKIP or RING_MOVED. `entry` is a copy. The
 * body lies in one piece at ring_body(), and all of it was put in; what it says is not looked at.
 */
static inline enum ring_found ring_peek(struct ring_reader *ring, struct ring_entry *entry)
{
	while (ring->at != ring->end) {
		size_t rest = ring_rest(ring->size, ring->at), size;

		*entry = ring_entry_read(ring->data + (ring->size - rest));
		size = ring_entry_size(entry->length) + (ring_is_filler(entry) ? 0 : ring->spare);
		if (size > rest || size > ring->end - ring->at) {
			return RING_FOUND_NONSENSE;
		}
		if (!ring_is_filler(entry)) {
			return RING_FOUND_ENTRY;
		}
		if (entry->kind == RING_SKIP ? size != rest : entry->length != 0 || !ring_follow(ring)) {
			return RING_FOUND_NONSENSE;
		}
		ring->at += size;
	}
	return RING_FOUND_NOTHING;
}

/* Of the entry that ring_peek() found. */
static inline void *ring_body(const struct ring_reader *ring)
{
	return ring->data + (ring->at & (ring->size - 1)) + sizeof(struct ring_entry);
}

/* Behind that entry. It is the writer's again with ring_take() or ring_take_waking(). */
static inline void ring_next(struct ring_reader *ring, const struct ring_entry *entry)
{
	ring->at += ring_entry_size(entry->length) + ring->spare;
}

/* What lies before the reader's position is the writer's again. */
static inline void ring_take(const struct ring_reader *ring, _Atomic uint64_t *taken)
{
	atomic_store_explicit(taken, ring->at, memory_order_release);
}

/* ---- the submission ring's doorbell, IPC_REQ_DOORBELL: it may also ring in vain ---- */

/* The writer has put something in. True: it has to ring. */
static inline bool ring_must_wake(const struct ring_writer *ring, _Atomic uint64_t *end,
				  _Atomic uint32_t *asleep)
{
	(void)atomic_exchange(end, ring->put); /* once more, in the order that counts */
	return atomic_load(asleep) != 0 && atomic_exchange(asleep, 0) != 0;
}

/* The reader found nothing. True: it may sleep, whoever puts something in wakes it. False: there is something now. */
static inline bool ring_may_sleep(const struct ring_reader *ring, const _Atomic uint64_t *end,
				  _Atomic uint32_t *asleep)
{
	(void)atomic_exchange(asleep, 1);
	if (atomic_load(end) == ring->at) {
		return true;
	}
	atomic_store_explicit(asleep, 0, memory_order_relaxed); /* nobody rings in vain */
	return false;
}

/* ring_reader_look(), and never again: whoever puts something in that this does not see has to ring. */
static inline bool ring_look_last(struct ring_reader *ring, const _Atomic uint64_t *end,
				  _Atomic uint32_t *asleep)
{
	(void)atomic_exchange(asleep, 1);
	return ring_reader_saw(ring, atomic_load(end));
}

/*
 * ---- the delivery ring's doorbell, IPC_RES_DOORBELL: exact ----
 *
 * It makes the library's descriptor readable, which must be so while something is in the ring, and not be so while nothing is. So the
 * library leaves it there until the ring is empty, and then says at which position it sleeps. The engine rings when it has
 * put in something behind that, and the library looks at nothing before it has seen that the engine was going to: it always knows
 * how many doorbells there are.
 */

/* The engine has put something in. True: it has to ring, once, now or as soon as it can. */
static inline bool ring_must_ring(const struct ring_writer *ring, _Atomic uint64_t *end,
				  _Atomic uint64_t *asleep_at)
{
	uint64_t at;

	(void)atomic_exchange(end, ring->put); /* once more, in the order that counts */
	at = atomic_load(asleep_at);
	return at != 0 && at != ring->put + 1 && atomic_compare_exchange_strong(asleep_at, &at, 0);
}

struct ring_bells {
	bool asleep;  /* its position is in asleep_at, and was not seen gone from there */
	uint32_t due; /* doorbells that were sent, or are just being sent, and are not taken */
};

/* As in asleep_at: at the beginning of the ring. */
#define RING_BELLS_INITIAL ((struct ring_bells){.asleep = true})
#define RING_ASLEEP_INITIAL 1u

/* The library's ring_reader_look(), as long as the connection lives. */
static inline bool ring_look(struct ring_reader *ring, const _Atomic uint64_t *end,
			     const _Atomic uint64_t *asleep_at, struct ring_bells *bells)
{
	if (bells->asleep) {
		if (atomic_load(asleep_at) != 0) {
			return true;
		}
		bells->asleep = false;
		bells->due++;
	}
	return ring_reader_look(ring, end);
}

/*
 * The library found nothing. The result: how many doorbells it takes now, and subtracts from `due`; one that is just being sent is worth a
 * moment. Then it looks again. When there still is nothing, it may sleep until the descriptor is readable.
 */
static inline uint32_t ring_answer(const struct ring_reader *ring, const _Atomic uint64_t *end,
				   _Atomic uint64_t *asleep_at, struct ring_bells *bells)
{
	uint64_t at = ring->at + 1;

	if (bells->asleep) {
		return bells->due; /* 0, if all that were due came */
	}
	(void)atomic_exchange(asleep_at, at);
	bells->asleep = atomic_load(end) == ring->at;
	if (bells->asleep) {
		return bells->due;
	}
	bells->due += !atomic_compare_exchange_strong(asleep_at, &at, 0); /* the engine was faster */
	return bells->due - 1; /* while something is in the ring, one stays */
}

/* ---- and its other one, IPC_REQ_DOORBELL: the engine waits for room. It may ring in vain ---- */

/* The writer found no room. True: it waits, and will be woken. False: some was made meanwhile. */
static inline bool ring_must_wait(const struct ring_writer *ring, const _Atomic uint64_t *taken,
				  _Atomic uint32_t *more)
{
	(void)atomic_exchange(more, 1);
	if (atomic_load(taken) == ring->taken) {
		return true;
	}
	atomic_store_explicit(more, 0, memory_order_relaxed);
	return false;
}

/* As ring_take(). True: the writer waits, and half of the ring is free: the reader has to ring. */
static inline bool ring_take_waking(const struct ring_reader *ring, _Atomic uint64_t *taken,
				    _Atomic uint32_t *more)
{
	(void)atomic_exchange(taken, ring->at);
	return ring->end - ring->at <= ring->size / 2 && atomic_load(more) != 0 &&
	       atomic_exchange(more, 0) != 0;
}

#endif
