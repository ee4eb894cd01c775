/* SPDX-License-Identifier: BSD-3-Clause */
/* The allocations of what is fuzzed, any of which may fail. */
#include "fuzz.h"
#include "test/fault/oom_functions.h"

#include <stdlib.h>

#undef malloc
#undef calloc
#undef realloc
#undef reallocarray
#undef free

static size_t allocations_left = SIZE_MAX; /* until one fails */

size_t fuzz_allocations(size_t left)
{
	size_t before = allocations_left;

	allocations_left = left;
	return before;
}

static bool fails(void)
{
	if (allocations_left == SIZE_MAX || allocations_left--)
		return false;
	allocations_left = SIZE_MAX;
	return true;
}

void *oom_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

void *oom_calloc(size_t count, size_t size)
{
	return fails() ? NULL : calloc(count, size);
}

void *oom_realloc(void *memory, size_t size)
{
	return fails() ? NULL : realloc(memory, size);
}

void *oom_reallocarray(void *memory, size_t count, size_t size)
{
	return fails() ? NULL : reallocarray(memory, count, size);
}

void oom_free(void *memory)
{
	free(memory);
}
