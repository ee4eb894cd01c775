/* SPDX-License-Identifier: BSD-3-Clause */
#include "test/fault/oom_functions.h"

#include <stdlib.h>

/* where all of a program is made to allocate by way of these */
#undef malloc
#undef calloc
#undef realloc
#undef reallocarray
#undef free

void *oom_malloc(size_t size)
{
	return oom_fails(__builtin_return_address(0)) ? NULL : malloc(size);
}

void *oom_calloc(size_t count, size_t size)
{
	return oom_fails(__builtin_return_address(0)) ? NULL : calloc(count, size);
}

void *oom_realloc(void *memory, size_t size)
{
	return oom_fails(__builtin_return_address(0)) ? NULL : realloc(memory, size);
}

void *oom_reallocarray(void *memory, size_t count, size_t size)
{
	return oom_fails(__builtin_return_address(0)) ? NULL : reallocarray(memory, count, size);
}

void oom_free(void *memory)
{
	free(memory);
}
