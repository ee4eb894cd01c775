/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layout of the shared memory between our engine and our library.
 *
 * A segment is the user data of a libqb ring buffer that the engine opened (qb_rb_open; the ring itself stays
 * unused). libqb places user data 48 bytes into a cache line, so everything of ours starts at
 * SEGMENT_START. The client can write all of it at any time: the engine keeps its own copy of every size and
 * position and never reads one back.
 *
 *   control segment, one per connection, made at HELLO
 *     SEGMENT_START  struct segment_control
 *     the rest       reserved for the rings of the fast transport
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

#define SEGMENT_CONTROL_SIZE 4096u	       /* user data of a control segment, bytes */
#define SEGMENT_POOL_MAX (64u * 1024u * 1024u) /* user data of one pool segment, bytes */
#define SEGMENTS_PER_CLIENT_MAX 64u

#define SEGMENT_CONTROL_MAGIC 0x43504743u
#define SEGMENT_CONTROL_VERSION 1u

/* Written by the engine, read by the library. */
struct segment_control {
	uint32_t magic;
	uint32_t version;
	/*
	 * Bytes of MCAST requests (their header.size, added up, wrapping) that the engine has taken out of
	 * the request channel since the connection began. The library compares it with what it sent. Stored
	 * with release order after the request was taken; read with acquire order.
	 */
	_Atomic uint64_t mcast_bytes_taken;
	/*
	 * Not 0 while a member of the client's group, on this node or on another one of a ring of ours, is behind with
	 * reading: over client_queue, and then until half of that is left or it is gone. The library refuses sends with CS_ERR_TRY_AGAIN
	 * meanwhile. A hint: stored and read relaxed.
	 */
	_Atomic uint32_t receiver_behind;
	uint8_t reserved[SEGMENT_CACHE_LINE - 20];
};
static_assert(sizeof(struct segment_control) == SEGMENT_CACHE_LINE, "segment_control");
static_assert(offsetof(struct segment_control, mcast_bytes_taken) == 8, "segment_control");

/*
 * A library refuses a plain send with CS_ERR_TRY_AGAIN while more than this much is on its way to the engine.
 * Its request channel is this much larger than the largest request, so a send that is not refused has room.
 */
#define SEGMENT_MCAST_WINDOW (256u * 1024u)

#endif
