/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that the engine made with qb_rb_open(): attaching and detaching. Layout: cpg_segment.h. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_internal.h"

static bool offer_valid(const struct ipc_segment *offer)
{
	return offer->id && offer->name[0] == '/' && memchr(offer->name, '\0', sizeof(offer->name)) &&
	       offer->user_size > SEGMENT_START && offer->user_size <= SEGMENT_POOL_MAX;
}

bool segment_attach(struct segment *segment, const struct ipc_segment *offer)
{
	*segment = (struct segment){.id = offer->id};
	if (!offer_valid(offer))
		return false;
	segment->ring = qb_rb_open(offer->name, offer->data_size, QB_RB_FLAG_SHARED_PROCESS,
				   (size_t)offer->user_size);
	if (!segment->ring)
		return false;
	segment->base = qb_rb_shared_user_data_get(segment->ring);
	segment->size = (size_t)offer->user_size;
	return true;
}

/*
 * qb_rb_close() unmaps the ring's header but not the user data behind it: it stops at the end of the page in
 * which the user data begins. The rest goes first, while it certainly is ours.
 */
void segment_detach(struct segment *segment)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first, end;

	if (!segment->ring)
		return;
	first = ((uintptr_t)segment->base + page - 1) / page * page;
	end = ((uintptr_t)segment->base + segment->size + page - 1) / page * page;
	if (end > first)
		munmap((void *)first, end - first);
	qb_rb_close(segment->ring);
	*segment = (struct segment){0};
}
