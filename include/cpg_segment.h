/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layout of the shared memory between our engine and our library.
 *
 * A segment is the user data of a libqb ring buffer that the engine opened (qb_rb_open; the ring itself stays
 * unused). libqb places user data 48 bytes into a cache line, so everything of ours starts at
 * SEGMENT_START. The client can write all of it at any time: the engine keeps its own copy of every size and
 * position, and checks what it has to read against that.
 *
 *   control segment, one per connection with rings, made at HELLO
 *     SEGMENT_START  struct segment_control
 *     behind it      data of the submission ring, data of the delivery ring (cpg_ring.h)
 *     behind these   data of both once they have moved, see `grown` below. Up to then there is no memory behind it, only space in the
 *                    file: nobody may touch it
 *
 *   pool segment, made on SEGMENT_CREATE: bytes from SEGMENT_START to user_size are the client's to divide
 */
#ifndef CPG_SEGMENT_H
#define CPG_SEGMENT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_CACHE_LINE 64u
#define SEGMENT_START 16u /* from user data that begins 48 bytes into a cache line */

#define SEGMENT_POOL_MAX (64u * 1024u * 1024u) /* user data of one pool segment, bytes */
#define SEGMENTS_PER_CLIENT_MAX 64u

#define SEGMENT_CONTROL_MAGIC 0x43504743u
#define SEGMENT_CONTROL_VERSION 6u

#define SEGMENT_LINE _Alignas(SEGMENT_CACHE_LINE)

/* Two processes share these words: a lock of the C library's, which would be one for each of them, can't be what makes them atomic. */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64 bits at once");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "32 bits at once");

struct segment_control {
	/* ---- written by the engine ---- */
	uint32_t magic;
	uint32_t version;
	/*
	 * Not 0 while a member of the client's group, on this node or on another one of a ring of ours, is behind with
	 * reading: over client_queue, and then until half of that is left or it is gone. The library refuses sends with CS_ERR_TRY_AGAIN
	 * meanwhile. A hint: stored and read relaxed.
	 */
	_Atomic uint32_t receiver_behind;
	/* Events that the engine sent over the connection before the rings were in use. They come first. */
	uint32_t events_before;
	/*
	 * How often memory came for rings that hold more: 1, the large data of both; 2, the huge data of the delivery ring. A writer moves there
	 * when it likes, with a RING_MOVED. Stored by the engine with release order, when a ring was too small several times; read
	 * with acquire order.
	 */
	_Atomic uint32_t grown;

	/* How the words of the rings keep anybody from sleeping while there is something to do: cpg_ring.h. */

	/* ---- submission ring: from the library to the engine ---- */
	struct {
		SEGMENT_LINE _Atomic uint64_t end; /* the library's: bytes put in so far */
	} submitted;
	struct {
		SEGMENT_LINE _Atomic uint64_t end; /* the engine's: bytes taken out so far */
		/*
		 * 1: the engine does not look by itself. The library, when it has put something in, exchanges it for 0 and sends
		 * IPC_REQ_DOORBELL. As from the beginning.
		 */
		_Atomic uint32_t asleep;
	} submission_taken;

	/* ---- delivery ring: from the engine to the library ---- */
	struct {
		SEGMENT_LINE _Atomic uint64_t end; /* the engine's: bytes put in so far */
		/* 1: the engine has more that found no room. The library, when half of it is free, exchanges it for 0 and sends IPC_REQ_DOORBELL. */
		_Atomic uint32_t more;
	} delivered;
	struct {
		SEGMENT_LINE _Atomic uint64_t end; /* the library's: bytes taken out so far */
		/*
		 * Not 0: 1 more than the position at which the library found nothing. The engine, when it has put something in behind that,
		 * exchanges it for 0 and sends IPC_RES_DOORBELL. As from the beginning: 1.
		 */
		_Atomic uint64_t asleep_at;
	} delivery_taken;
};
static_assert(offsetof(struct segment_control, receiver_behind) == 8, "segment_control");
static_assert(offsetof(struct segment_control, events_before) == 12, "segment_control");
static_assert(offsetof(struct segment_control, grown) == 16, "segment_control");
static_assert(offsetof(struct segment_control, submitted) == 64, "segment_control");
static_assert(offsetof(struct segment_control, submission_taken) == 128, "segment_control");
static_assert(offsetof(struct segment_control, delivered) == 192, "segment_control");
static_assert(offsetof(struct segment_control, delivery_taken) == 256, "segment_control");
static_assert(sizeof(struct segment_control) == 320, "segment_control");

/* Data of the two rings, bytes: powers of two. */
#define SUBMISSION_RING_SIZE (64u * 1024u)
#define DELIVERY_RING_SIZE (64u * 1024u)

#define SUBMISSION_RING_OFFSET (SEGMENT_START + sizeof(struct segment_control))
#define DELIVERY_RING_OFFSET (SUBMISSION_RING_OFFSET + SUBMISSION_RING_SIZE)

/* The same once they have moved, and moved again. In the huge data every message that is multicast as one fits in one piece. */
#define SUBMISSION_LARGE_SIZE (512u * 1024u)
#define DELIVERY_LARGE_SIZE (1024u * 1024u)
#define DELIVERY_HUGE_SIZE (4u * 1024u * 1024u)
#define SUBMISSION_LARGE_OFFSET (DELIVERY_RING_OFFSET + DELIVERY_RING_SIZE)
#define DELIVERY_LARGE_OFFSET (SUBMISSION_LARGE_OFFSET + SUBMISSION_LARGE_SIZE)
#define DELIVERY_HUGE_OFFSET (DELIVERY_LARGE_OFFSET + DELIVERY_LARGE_SIZE)

/* User data of a control segment, bytes: what is there from the beginning, when it grew once, and all. */
#define SEGMENT_CONTROL_SMALL (DELIVERY_RING_OFFSET + DELIVERY_RING_SIZE)
#define SEGMENT_CONTROL_LARGE (DELIVERY_LARGE_OFFSET + DELIVERY_LARGE_SIZE)
#define SEGMENT_CONTROL_SIZE (DELIVERY_HUGE_OFFSET + DELIVERY_HUGE_SIZE)

#endif
