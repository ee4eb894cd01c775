/* SPDX-License-Identifier: BSD-3-Clause */
#include "intern.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

static uint32_t hash_bytes(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t hash = 0x9e3779b97f4a7c15u ^ length;

	while (length-- > 0)
		hash = (hash ^ *at++) * 0x100000001b3u;
	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)(hash >> 32);
}

static int matches(const struct intern *set, uint32_t number, const void *bytes, size_t length, uint32_t hash)
{
	const struct intern_item *item = &set->items[number];

	if (item->hash != hash || item->length != length)
		return 0;
	return length == 0 || memcmp(set->bytes + item->offset, bytes, length) == 0;
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t find_slot(const struct intern *set, const void *bytes, size_t length, uint32_t hash)
{
	size_t slot = hash & (set->slot_count - 1);

	while (set->slots[slot] != 0 && !matches(set, set->slots[slot] - 1, bytes, length, hash))
		slot = (slot + 1) & (set->slot_count - 1);
	return slot;
}

static void grow_slots(struct intern *set)
{
	size_t slot, item;

	free(set->slots);
	set->slot_count = set->slot_count == 0 ? 64 : set->slot_count * 2;
	set->slots = memory_new(set->slot_count, sizeof(*set->slots));
	for (item = 0; item < set->count; item++) {
		slot = set->items[item].hash & (set->slot_count - 1);
		while (set->slots[slot] != 0)
			slot = (slot + 1) & (set->slot_count - 1);
		set->slots[slot] = (uint32_t)item + 1;
	}
}

uint32_t intern_find(const struct intern *set, const void *bytes, size_t length)
{
	size_t slot;

	if (set->slot_count == 0)
		return INTERN_NONE;
	slot = find_slot(set, bytes, length, hash_bytes(bytes, length));
	return set->slots[slot] == 0 ? INTERN_NONE : set->slots[slot] - 1;
}

static void append(struct intern *set, const void *bytes, size_t length, uint32_t hash)
{
	size_t room = (length + 7) / 8 * 8;
	struct intern_item *item;

	set->bytes = memory_grow(set->bytes, &set->bytes_capacity, set->used + room + 8, 1);
	set->items = memory_grow(set->items, &set->items_capacity, set->count + 1, sizeof(*set->items));
	item = &set->items[set->count++];
	item->offset = set->used;
	item->length = (uint32_t)length;
	item->hash = hash;
	if (length > 0)
		memcpy(set->bytes + set->used, bytes, length);
	set->used += room;
}

uint32_t intern_add(struct intern *set, const void *bytes, size_t length)
{
	uint32_t hash = hash_bytes(bytes, length);
	size_t slot;

	if (set->count * 2 >= set->slot_count)
		grow_slots(set);
	slot = find_slot(set, bytes, length, hash);
	if (set->slots[slot] == 0) {
		append(set, bytes, length, hash);
		set->slots[slot] = (uint32_t)set->count;
	}
	return set->slots[slot] - 1;
}

const void *intern_get(const struct intern *set, uint32_t number, size_t *length)
{
	*length = set->items[number].length;
	return set->bytes + set->items[number].offset;
}

void intern_clear(struct intern *set)
{
	free(set->bytes);
	free(set->items);
	free(set->slots);
	memset(set, 0, sizeof(*set));
}
