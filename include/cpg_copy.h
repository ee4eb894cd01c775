/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying bytes of messages, which whoever made the copy reads again right after: it should lie in caches. */
#ifndef CPG_COPY_H
#define CPG_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * From some size on, which depends on the machine and may be less than 1 MiB, memcpy() stores past the caches: in steps it does
 * not. A step of this size costs nothing that can be measured.
 */
#define COPY_STEP ((size_t)64 * 1024)

/* Of nothing, NULL is a place too. */
static inline void copy_bytes(void *to, const void *from, size_t size)
{
	size_t at = 0;

	for (; size - at > COPY_STEP; at += COPY_STEP) {
		memcpy((uint8_t *)to + at, (const uint8_t *)from + at, COPY_STEP);
	}
	if (size) {
		memcpy((uint8_t *)to + at, (const uint8_t *)from + at, size - at);
	}
}

#endif
