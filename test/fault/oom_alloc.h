/* SPDX-License-Identifier: BSD-3-Clause */
/* Forced in front of the engine's sources: their allocations go through functions of the test, which may count them, or make any one fail. */
#ifndef OOM_ALLOC_H
#define OOM_ALLOC_H

#include <stdlib.h>

#include "test/fault/oom_functions.h"

#define malloc(size) oom_malloc(size)
#define calloc(count, size) oom_calloc(count, size)
#define realloc(memory, size) oom_realloc(memory, size)
#define reallocarray(memory, count, size) oom_reallocarray(memory, count, size)
#define free(memory) oom_free(memory)

#endif
