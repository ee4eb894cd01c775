/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments of the fake engine: control segments and pools. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_internal.h"

#define SEGMENTS_MAX 80u

static uint32_t segment_ids;
static struct fake_segment segments[SEGMENTS_MAX];

struct fake_segment *fake_segment_find(uint32_t id)
{
	unsigned int i;

	for (i = 0; i < SEGMENTS_MAX; i++) {
		if (segments[i].id == id)
			return &segments[i];
	}
	return NULL;
}

/* libqb's mapping begins with the page that holds the ring's name. */
static uint32_t user_offset(qb_ringbuffer_t *ring)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	return (uint32_t)((uintptr_t)qb_rb_shared_user_data_get(ring) -
			  (uintptr_t)qb_rb_name_get(ring) / page * page);
}

/* Only the first `present` bytes of user data have memory. */
static void make_sparse(const struct ipc_segment *offer, size_t present)
{
	char path[IPC_SEGMENT_NAME_MAX + sizeof("-header")];
	struct stat st;

	snprintf(path, sizeof(path), "%s-header", offer->name);
	if (stat(path, &st) != 0 || truncate(path, (off_t)(offer->user_offset + present)) != 0 ||
	    truncate(path, st.st_size) != 0)
		abort();
}

void fake_segment_make(struct ipc_segment *offer, size_t user_size, size_t present)
{
	struct fake_segment *segment = fake_segment_find(0);

	*offer = (struct ipc_segment){0};
	if (!segment)
		return;
	offer->id = ++segment_ids;
	offer->user_size = user_size;
	snprintf(offer->name, sizeof(offer->name), "/dev/shm/qb-fake-%d-%u", getpid(), offer->id);
	segment->ring = qb_rb_open(offer->name, 1, QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS, user_size);
	if (!segment->ring)
		abort();
	offer->user_offset = user_offset(segment->ring);
	make_sparse(offer, present);
	segment->id = offer->id;
	segment->named = true;
	atomic_fetch_add(&fake_shared->named, 1);
}

void fake_segment_unname(struct fake_segment *segment)
{
	char path[128];

	if (!segment->named)
		return;
	segment->named = false;
	atomic_fetch_sub(&fake_shared->named, 1);
	snprintf(path, sizeof(path), "/dev/shm/qb-fake-%d-%u-header", getpid(), segment->id);
	unlink(path);
	snprintf(path, sizeof(path), "/dev/shm/qb-fake-%d-%u-data", getpid(), segment->id);
	unlink(path);
}

void fake_segment_end(struct fake_segment *segment)
{
	fake_segment_unname(segment);
	qb_rb_close(segment->ring);
	segment->id = 0;
}

void fake_segments_end(void)
{
	unsigned int i;

	for (i = 0; i < SEGMENTS_MAX; i++) {
		if (segments[i].id)
			fake_segment_end(&segments[i]);
	}
}
