/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "cpgverify: out of memory\n");
		exit(2);
	}
	return memory;
}

void *memory_new(size_t count, size_t item)
{
	return checked(calloc(count == 0 ? 1 : count, item));
}

void *memory_grow(void *array, size_t *capacity, size_t need, size_t item)
{
	size_t wanted = *capacity < 16 ? 16 : *capacity;
	void *grown;

	if (need <= *capacity)
		return array;
	while (wanted < need)
		wanted += wanted / 2;
	grown = checked(wanted > SIZE_MAX / item ? NULL : realloc(array, wanted * item));
	memset((char *)grown + *capacity * item, 0, (wanted - *capacity) * item);
	*capacity = wanted;
	return grown;
}
