/* SPDX-License-Identifier: BSD-3-Clause */
/* The allocations of what is fuzzed, any of which may fail. */
#include "fuzz.h"
#include "test/fault/oom_functions.h"

static size_t allocations_left = SIZE_MAX; /* until one fails */

size_t fuzz_allocations(size_t left)
{
	size_t before = allocations_left;

	allocations_left = left;
	return before;
}

bool oom_fails(const void *caller)
{
	(void)caller;
	if (allocations_left == SIZE_MAX || allocations_left--)
		return false;
	allocations_left = SIZE_MAX;
	return true;
}
