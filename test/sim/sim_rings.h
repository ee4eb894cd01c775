/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that send and read through shared memory, as our library does (include/cpg_ring.h). They look at the delivery ring when a
 * doorbell came, and as long as they find something: one that is missing is one that they sleep through.
 *
 * What is the engine's again, or their own, they overwrite at once: nobody may look at it any more.
 */
#ifndef SIM_RINGS_H
#define SIM_RINGS_H

#include <string.h>

#include "cpg_ring.h"
#include "cpg_segment.h"
#include "sim_world.h"

#define POOL_SIZE (1024u * 1024u)
#define BLOCKS_MAX 64u

/* A message in the pool that the engine did not take yet. */
struct block {
	size_t offset, length;
	uint64_t end; /* of its entry */
};

struct sim_rings {
	struct segment_control *control;

	/* sim_rings_send.c */
	struct ring_writer submission;
	struct block blocks[BLOCKS_MAX]; /* in order */
	size_t block_count, block_bytes;
	struct sim_segment *pool; /* NULL: none */
	bool pool_asked;	  /* once */

	/* sim_rings_read.c */
	struct ring_reader delivery;
	uint64_t told; /* the engine knows that the reader was there */
	struct ring_bells bells;
	struct ipc_name group; /* of the runs to come */
	struct ring_run run;
	uint64_t run_end; /* of the run that is being read */
};

/* The engine has something to do. */
void rings_ring(struct sim_client *client);

static inline void spoil(void *at, size_t size)
{
	memset(at, 0xdd, size);
}

#endif
