/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Golden vectors of our own wire format, written out byte by byte in both byte orders. All of them are for one ring, from node 1 in the order in
 * which unit_engine_golden.c's engine sends them.
 */
#ifndef PEER_GOLDEN_H
#define PEER_GOLDEN_H

#include "service/peer_records.h"
#include "test/unit/peer_fixture.h"

#define GOLDEN_RING_NODEID 0x01020304u
#define GOLDEN_RING_SEQ 0x1112131415161718u
#define GOLDEN_PID 0x0a0b0c0du /* of the process that they are about */

struct golden {
	const uint8_t *native, *swapped;
	size_t size;
};
extern const struct golden golden_announce, golden_mark, golden_join, golden_messages, golden_fragment,
	golden_behind, golden_missed, golden_present, golden_repeat, golden_news;
extern const struct golden golden_gone; /* ANNOUNCE by one that missed something, with a body */

/* The first bytes of one, in one of both orders, at an odd address in a block that ends with them. */
struct block {
	uint8_t *memory;
	struct peer_bytes bytes;
};
struct block block_of(const struct golden *golden, bool swapped, size_t size);
void put_field(struct block *block, size_t offset, size_t width, uint64_t value);

#endif
