/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what cpg_peer.h lays out, from bytes that nobody may be trusted with and that are aligned to nothing. */
#ifndef PEER_RECORDS_H
#define PEER_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpg_peer.h"

/* Bytes, and whether their integers are in the other byte order. */
struct peer_bytes {
	const uint8_t *at;
	size_t size;
	bool swapped;
};

struct peer_item {
	uint8_t kind;
	uint8_t detail;
	struct peer_bytes body;
};

uint32_t peer_u32(const struct peer_bytes *bytes, size_t offset);
uint64_t peer_u64(const struct peer_bytes *bytes, size_t offset);

/*
 * Checks the head of a message against what arrived: its magic, sizes, and that its kind's fixed part is there. False: it is none, or one
 * of a version that is not known.
 */
bool peer_head_read(struct peer_head *head, const struct peer_bytes *bytes);

/* Cuts the end off a batch's body. False: it is not the end of that batch. */
bool peer_batch_end_read(struct peer_bytes *bytes, uint64_t number);

/* What lies behind the head. */
struct peer_bytes peer_body(const struct peer_head *head, const struct peer_bytes *bytes);

/*
 * Takes the MESSAGE records that `bytes` begins with off it, in this byte order, as many as there are and fit `most` bytes. Returns their
 * size in bytes, in `count` their number, which may be 0.
 */
size_t peer_run_next(struct peer_bytes *bytes, size_t most, size_t *count);

/* Takes the first record off `bytes`. False: it does not fit, or there is none (`bytes` is empty then). */
bool peer_record_next(struct peer_bytes *bytes, struct peer_item *item);

#endif
