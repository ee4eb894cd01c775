/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of byte strings, each with a small number: equal strings get equal numbers, counted from 0 in the
 * order of their first appearance. Start from a zeroed struct.
 */
#ifndef CPGVERIFY_INTERN_H
#define CPGVERIFY_INTERN_H

#include <stddef.h>
#include <stdint.h>

#define INTERN_NONE UINT32_MAX

struct intern_item {
	size_t offset; /* into bytes, a multiple of 8 */
	uint32_t length;
	uint32_t hash;
};

struct intern {
	uint8_t *bytes;
	size_t used, bytes_capacity;
	struct intern_item *items;
	size_t count, items_capacity;
	uint32_t *slots;   /* item number + 1; 0 is free */
	size_t slot_count; /* a power of two */
};

/* The number of the string, new or not. */
uint32_t intern_add(struct intern *set, const void *bytes, size_t length);

/* The number of the string, or INTERN_NONE. */
uint32_t intern_find(const struct intern *set, const void *bytes, size_t length);

/* The string itself, 8-byte aligned; valid until the next intern_add(). */
const void *intern_get(const struct intern *set, uint32_t number, size_t *length);

void intern_clear(struct intern *set);

#endif
