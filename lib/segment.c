/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that the engine made: attaching and detaching. Layout: cpg_segment.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib_internal.h"

#define FILE_SUFFIX "-header" /* libqb's */

static bool offer_valid(const struct ipc_segment *offer)
{
	return offer->id && offer->name[0] == '/' && memchr(offer->name, '\0', sizeof(offer->name)) &&
	       offer->user_size > SEGMENT_START && offer->user_size <= SEGMENT_POOL_MAX;
}

/* All of the file, if that is what the engine says. */
static bool map(struct segment *segment, const struct ipc_segment *offer, int fd)
{
	size_t size = offer->user_offset + (size_t)offer->user_size;
	struct stat st;
	void *at;

	if (fstat(fd, &st) != 0 || st.st_size < 0 || (size_t)st.st_size < size)
		return false;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return false;
	segment->map = at;
	segment->map_size = size;
	segment->base = (uint8_t *)at + offer->user_offset;
	segment->size = (size_t)offer->user_size;
	return true;
}

bool segment_attach(struct segment *segment, const struct ipc_segment *offer)
{
	char path[IPC_SEGMENT_NAME_MAX + sizeof(FILE_SUFFIX)];
	bool mapped;
	int fd;

	*segment = (struct segment){.id = offer->id};
	if (!offer_valid(offer))
		return false;
	snprintf(path, sizeof(path), "%s" FILE_SUFFIX, offer->name);
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	mapped = map(segment, offer, fd);
	close(fd);
	return mapped;
}

void segment_detach(struct segment *segment)
{
	if (segment->map)
		munmap(segment->map, segment->map_size);
	*segment = (struct segment){0};
}
