/* SPDX-License-Identifier: BSD-3-Clause */
/* The buffer that an address lies in: a tree of them all, and words for some that were sent from lately, which need no lock. */
#define _GNU_SOURCE /* tdestroy */
#include <search.h>

#include "lib_internal.h"

/* ---- words: all of a buffer's address and size, or 0 ---- */

#define ADDRESS_BITS 48u /* what programs get that do not ask for more; a buffer above that has no word */
#define SIZE_BITS 20u
#define ALIGN_BITS 4u /* of what malloc() and the pool give out */

static_assert(ADDRESS_BITS - ALIGN_BITS + SIZE_BITS == 64, "a buffer fits a word");
static_assert(ATOMIC_MESSAGE_MAX <= 1u << SIZE_BITS, "so does the largest");

static uint64_t word_of(const struct zcb_buffer *buffer)
{
	uint64_t start = (uint64_t)(uintptr_t)buffer->start;

	if (start >> ADDRESS_BITS || start & ((1u << ALIGN_BITS) - 1))
		return 0;
	return start >> ALIGN_BITS << SIZE_BITS | (buffer->size - 1);
}

static bool word_contains(uint64_t word, uint64_t address, size_t size)
{
	uint64_t start = word >> SIZE_BITS << ALIGN_BITS;
	size_t buffer_size = (size_t)(word & ((1u << SIZE_BITS) - 1)) + 1;

	return word && start <= address && size <= buffer_size && address - start <= buffer_size - size;
}

/* Where the word of the buffer is that a message at this address was sent from. */
static _Atomic uint64_t *word_at(struct zcb_pool *pool, uint64_t address)
{
	return &pool->words[(address >> ALIGN_BITS) * 0x9e3779b97f4a7c15u >> (64 - ZCB_WORDS_BITS)];
}

static void words_forget(struct zcb_pool *pool, const struct zcb_buffer *buffer)
{
	uint64_t word = word_of(buffer);
	unsigned int i;

	for (i = 0; i < 1u << ZCB_WORDS_BITS; i++) {
		if (atomic_load_explicit(&pool->words[i], memory_order_relaxed) == word)
			atomic_store_explicit(&pool->words[i], 0, memory_order_relaxed);
	}
}

/* ---- the tree ---- */

/* Overlapping ranges are equal: so a pointer into a buffer finds it. */
static int buffer_compare(const void *a, const void *b)
{
	const struct zcb_buffer *left = a, *right = b;
	uintptr_t left_start = (uintptr_t)left->start, right_start = (uintptr_t)right->start;

	if (left_start < right_start)
		return right_start - left_start < left->size ? 0 : -1;
	return left_start - right_start < right->size ? 0 : 1;
}

/* From the first byte to the last. */
static bool contains(const struct zcb_buffer *buffer, const struct zcb_buffer *range)
{
	return buffer->start <= range->start && range->size <= buffer->size &&
	       (size_t)(range->start - buffer->start) <= buffer->size - range->size;
}

bool zcb_buffer_add(struct zcb_pool *pool, struct zcb_buffer *buffer)
{
	return tsearch(buffer, &pool->buffers, buffer_compare);
}

void zcb_buffer_remove(struct zcb_pool *pool, struct zcb_buffer *buffer)
{
	tdelete(buffer, &pool->buffers, buffer_compare);
	words_forget(pool, buffer);
}

struct zcb_buffer *zcb_buffer_find(struct zcb_pool *pool, void *address, size_t size)
{
	struct zcb_buffer key = {.start = address, .size = size ? size : 1};
	struct zcb_buffer **found = tfind(&key, &pool->buffers, buffer_compare);

	return found && contains(*found, &key) ? *found : NULL;
}

void zcb_buffers_destroy(struct zcb_pool *pool, void (*destroy)(void *buffer))
{
	tdestroy(pool->buffers, destroy);
}

/* A word is out of date only for those who free a buffer while they send from it: a lock would not help them. */
bool zcb_is_in_buffer(struct zcb_pool *pool, void *address, size_t size)
{
	uint64_t at = (uint64_t)(uintptr_t)address;
	_Atomic uint64_t *word = word_at(pool, at);
	const struct zcb_buffer *buffer;

	if (word_contains(atomic_load_explicit(word, memory_order_relaxed), at, size ? size : 1))
		return true;
	pthread_mutex_lock(&pool->lock);
	buffer = zcb_buffer_find(pool, address, size);
	if (buffer)
		atomic_store_explicit(word, word_of(buffer), memory_order_relaxed);
	pthread_mutex_unlock(&pool->lock);
	return buffer;
}
