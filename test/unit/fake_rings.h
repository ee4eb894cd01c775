/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's side of the rings, as little as is needed: part of the fake engine, in its process. */
#ifndef FAKE_RINGS_H
#define FAKE_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcs.h>

#include "cpg_ring.h"
#include "cpg_segment.h"

struct fake_rings {
	uint32_t segment_id;
	struct segment_control *control;
	struct ring_reader submission;
	struct ring_writer delivery;
	bool used;	/* the library has said that it attached */
	bool waiting;	/* until it rings: there was no room */
	uint32_t moves; /* of the delivery ring */
	bool grouped;	/* the group was named */
};

/* What is in the submission ring: a message, wherever it lies. */
typedef void (*fake_taken_fn)(qb_ipcs_connection_t *conn, const void *message, size_t length);

/* Where a block lies; NULL: nowhere. */
typedef const uint8_t *(*fake_block_fn)(const struct ring_block *block);

/* `base` is the user data of a control segment. */
struct fake_rings *fake_rings_new(uint32_t segment_id, uint8_t *base);

bool fake_rings_asleep(const struct fake_rings *rings);

/* Takes up to `limit` messages. */
void fake_rings_take(struct fake_rings *rings, qb_ipcs_connection_t *conn, unsigned int limit,
		     fake_block_fn find_block, fake_taken_fn taken);

/* Nothing there: asleep from here on, unless something came meanwhile. */
void fake_rings_sleep(struct fake_rings *rings);

/* Puts an entry in, and rings if need be. False: there is no room; the library will ring. */
bool fake_rings_put(struct fake_rings *rings, qb_ipcs_connection_t *conn, enum ring_entry_kind kind,
		    const void *body, size_t length);

#endif
