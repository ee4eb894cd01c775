/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory of engines and clients, that lives as long as one of them has it. */
#include <stdlib.h>
#include <string.h>

#include "cpg_segment.h"
#include "sim_world.h"

/* libqb's user data begins so far into a cache line. */
#define BASE_OFFSET (SEGMENT_CACHE_LINE - SEGMENT_START)

struct sim_segment *segment_new(struct sim_client *client, size_t size)
{
	struct sim_segment *segment = sim_alloc(sizeof(*segment));

	/* not a byte more: whoever goes beyond it is found */
	if (posix_memalign(&segment->block, SEGMENT_CACHE_LINE, BASE_OFFSET + size) != 0) {
		abort();
	}
	memset(segment->block, 0, BASE_OFFSET + size);
	segment->client = client;
	segment->base = (uint8_t *)segment->block + BASE_OFFSET;
	segment->size = size;
	snprintf(segment->name, sizeof(segment->name), "segment-%u-%u", client->number,
		 ++client->segments_made);
	segment->named = segment->of_engine = true;
	segment->next = client->segments;
	client->segments = segment;
	return segment;
}

static void segment_free(struct sim_segment *segment)
{
	struct sim_segment **at = &segment->client->segments;

	while (*at != segment) {
		at = &(*at)->next;
	}
	*at = segment->next;
	free(segment->block);
	free(segment);
}

void segment_destroyed(struct sim_segment *segment)
{
	segment->of_engine = false;
	if (segment->client->dead) {
		segment_free(segment);
	}
}

void segments_unmap(struct sim_client *client)
{
	struct sim_segment *segment = client->segments, *next;

	for (; segment; segment = next) {
		next = segment->next;
		if (!segment->of_engine) {
			segment_free(segment);
		}
	}
}
