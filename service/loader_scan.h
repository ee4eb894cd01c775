/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds things in the memory of a program by what they look like. The program is described as an image,
 * so that tests can describe one of their own.
 */
#ifndef LOADER_SCAN_H
#define LOADER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/service_abi.h"

#define IMAGE_READ 1u
#define IMAGE_WRITE 2u
#define IMAGE_EXEC 4u
#define IMAGE_RELRO 8u /* part of a writable range that is read-only since relocation; whole pages */

#define IMAGE_RANGES_MAX 32u

struct image_range {
	uintptr_t start;
	uintptr_t end; /* first byte behind */
	unsigned int flags;
};

/* Ranges of mapped memory. RELRO ranges lie on top of writable ones. */
struct image {
	struct image_range ranges[IMAGE_RANGES_MAX];
	size_t count;
};

/* Describes the main program of this process. False: it has more segments than we have room for. */
bool image_of_program(struct image *image);

/* How many tables of service `id` are there? `table` gets the first. */
size_t image_find_service(const struct image *image, uint16_t id, struct corosync_service_engine **table);

/*
 * The one absolute path in writable memory that ends in `suffix`; NULL if there is none, or several different
 * ones.
 */
const char *image_find_path(const struct image *image, const char *suffix);

/*
 * Copies `size` bytes over `target`, through the write protection of RELRO memory. 0, or -1 with errno set.
 */
int image_patch(const struct image *image, void *target, const void *source, size_t size);

#endif
