/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dividing a pool segment into buffers. The book-keeping is here in our heap and never in the segment; it
 * counts in cache lines. Free extents that touch are joined when a search passes over them.
 */
#include <stdlib.h>

#include "lib_internal.h"

#define USED 1u

struct zcb_segment *zcb_segment_new(const struct segment *segment)
{
	struct zcb_segment *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->segment = *segment;
	pool->units = (uint32_t)((segment->size - SEGMENT_START) / SEGMENT_CACHE_LINE);
	pool->extent = calloc(pool->units + 1, sizeof(*pool->extent));
	if (!pool->extent) {
		free(pool);
		return NULL;
	}
	pool->extent[0] = pool->units << 1;
	return pool;
}

void zcb_segment_free(struct zcb_segment *segment)
{
	segment_detach(&segment->segment);
	free(segment->extent);
	free(segment);
}

static uint32_t extent_length(const struct zcb_segment *segment, uint32_t unit)
{
	return segment->extent[unit] >> 1;
}

static bool extent_used(const struct zcb_segment *segment, uint32_t unit)
{
	return segment->extent[unit] & USED;
}

/* Joins the free extent at `unit` with the free ones behind it. */
static uint32_t extent_join(struct zcb_segment *segment, uint32_t unit)
{
	uint32_t length = extent_length(segment, unit);
	uint32_t next;

	while ((next = unit + length) < segment->units && !extent_used(segment, next)) {
		length += extent_length(segment, next);
		segment->extent[next] = 0;
		if (segment->rover == next)
			segment->rover = unit;
	}
	segment->extent[unit] = length << 1;
	return length;
}

/* First extent of at least `wanted` units that begins in [from, to); segment->units: none. */
static uint32_t extent_find(struct zcb_segment *segment, uint32_t from, uint32_t to, uint32_t wanted)
{
	uint32_t unit = from;

	while (unit < to) {
		if (!extent_used(segment, unit) && extent_join(segment, unit) >= wanted)
			return unit;
		unit += extent_length(segment, unit);
	}
	return segment->units;
}

static void extent_take(struct zcb_segment *segment, uint32_t unit, uint32_t wanted)
{
	uint32_t rest = extent_length(segment, unit) - wanted;

	segment->extent[unit] = wanted << 1 | USED;
	if (rest)
		segment->extent[unit + wanted] = rest << 1;
	segment->rover = rest ? unit + wanted : 0;
	segment->live++;
}

size_t zcb_segment_alloc(struct zcb_segment *segment, size_t size)
{
	uint32_t wanted = size ? (uint32_t)((size + SEGMENT_CACHE_LINE - 1) / SEGMENT_CACHE_LINE) : 1;
	uint32_t start = segment->rover;
	uint32_t unit = extent_find(segment, start, segment->units, wanted);

	if (unit == segment->units)
		unit = extent_find(segment, 0, start, wanted);
	if (unit == segment->units)
		return ZCB_NO_ROOM;
	extent_take(segment, unit, wanted);
	return SEGMENT_START + (size_t)unit * SEGMENT_CACHE_LINE;
}

void zcb_segment_release(struct zcb_segment *segment, size_t offset)
{
	uint32_t unit = (uint32_t)((offset - SEGMENT_START) / SEGMENT_CACHE_LINE);

	segment->extent[unit] &= ~USED;
	segment->live--;
}
