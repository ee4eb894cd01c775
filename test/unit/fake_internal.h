/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the fake engine share. All of it is the engine's process alone. */
#ifndef FAKE_INTERNAL_H
#define FAKE_INTERNAL_H

#include <qb/qbrb.h>

#include "fake_engine.h"
#include "fake_rings.h"

/* ---- fake_events.c ---- */

/* Everybody is in it. */
extern const struct ipc_name fake_the_group;

/* NULL: it was offered no control segment. */
struct fake_rings *fake_rings_of(qb_ipcs_connection_t *conn);
/* They are in use. */
bool fake_has_rings(qb_ipcs_connection_t *conn);

/* Sends what waits, in order, as far as there is room. */
void fake_events_flush(void);
/* Forgets what waits for a connection. */
void fake_events_drop(qb_ipcs_connection_t *conn);

/* ---- fake_segments.c ---- */

struct fake_segment {
	uint32_t id;
	qb_ringbuffer_t *ring;
	bool named;
};

/* NULL: there is none. */
struct fake_segment *fake_segment_find(uint32_t id);
/* An offer of id 0: there is no room for it. */
void fake_segment_make(struct ipc_segment *offer, size_t user_size, size_t present);
/* Takes its name out of the file system. */
void fake_segment_unname(struct fake_segment *segment);
void fake_segment_end(struct fake_segment *segment);
void fake_segments_end(void);

#endif
