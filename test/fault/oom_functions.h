/* SPDX-License-Identifier: BSD-3-Clause */
/* The allocations of an engine that was built with oom_alloc.h: those of oom_functions.c, which ask the test, or the test's own. */
#ifndef OOM_FUNCTIONS_H
#define OOM_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

void *oom_malloc(size_t size);
void *oom_calloc(size_t count, size_t size);
void *oom_realloc(void *memory, size_t size);
void *oom_reallocarray(void *memory, size_t count, size_t size);
void oom_free(void *memory);

/* The test's: this one fails. `caller` is where it is made. */
bool oom_fails(const void *caller);

#endif
