/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocation for a command line tool: when memory runs out there is nothing useful left to do, so these say
 * so and end the program with exit code 2.
 */
#ifndef CPGVERIFY_MEMORY_H
#define CPGVERIFY_MEMORY_H

#include <stddef.h>

/* Zeroed memory for count items; free() it. Never NULL. */
void *memory_new(size_t count, size_t item);

/* Makes room for need items in array (may move it; the new part is zeroed); *capacity counts items. */
void *memory_grow(void *array, size_t *capacity, size_t need, size_t item);

#endif
