/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory of engines and clients, that lives as long as one of them has it. */
#include <stdlib.h>
#include <string.h>

#include "cpg_segment.h"
#include "sim_world.h"

struct sim_segment *segment_new(struct sim_client *client, size_t size)
{
	struct sim_segment *segment = sim_alloc(sizeof(*segment));

	segment->views = segment_views_new(size);
	segment->base = segment_views_client(segment->views);
	segment->size = size;
	segment->client = client;
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
	segment_views_free(segment->views);
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
