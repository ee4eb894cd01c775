/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory of engines and clients, that lives as long as one of them has it. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpg_segment.h"
#include "sim_world.h"

/* libqb's user data begins so far into a cache line. */
#define BASE_OFFSET (SEGMENT_CACHE_LINE - SEGMENT_START)

/*
 * Memory that costs nothing until it is used, most of a control segment never is. It ends with a page that nobody may touch: whoever
 * goes beyond the segment's end is found.
 */
static void segment_map(struct sim_segment *segment, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t lines =
		(BASE_OFFSET + size + SEGMENT_CACHE_LINE - 1) / SEGMENT_CACHE_LINE * SEGMENT_CACHE_LINE;
	size_t room = (lines + page - 1) / page * page;
	uint8_t *block = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (block == MAP_FAILED || mprotect(block + room, page, PROT_NONE) != 0) {
		abort();
	}
	segment->block = block;
	segment->block_size = room + page;
	segment->base = block + room - lines + BASE_OFFSET;
	segment->size = size;
}

struct sim_segment *segment_new(struct sim_client *client, size_t size)
{
	struct sim_segment *segment = sim_alloc(sizeof(*segment));

	segment_map(segment, size);
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
	munmap(segment->block, segment->block_size);
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
