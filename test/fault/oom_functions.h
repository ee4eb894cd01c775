/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test brings that is linked with an engine whose allocations it makes (oom_alloc.h). */
#ifndef OOM_FUNCTIONS_H
#define OOM_FUNCTIONS_H

#include <stddef.h>

void *oom_malloc(size_t size);
void *oom_calloc(size_t count, size_t size);
void *oom_realloc(void *memory, size_t size);
void *oom_reallocarray(void *memory, size_t count, size_t size);
void oom_free(void *memory);

#endif
