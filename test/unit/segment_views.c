/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* memfd_create */
#include "test/unit/segment_views.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpg_segment.h"

#define BASE_OFFSET (SEGMENT_CACHE_LINE - SEGMENT_START)
#define VIEWS_MAX 8u

struct segment_views {
	int fd;
	size_t room;   /* whole pages */
	size_t offset; /* of the user data, which ends where they end, but for less than a cache line */
	unsigned int count;
	uint8_t *view[VIEWS_MAX]; /* the client's, the engine's of before, the engine's */
};

static size_t round_up(size_t size, size_t step)
{
	return (size + step - 1) / step * step;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void *must_map(void *at, size_t size, int protection, int flags, int fd)
{
	void *map = mmap(at, size, protection, flags, fd, 0);

	if (map == MAP_FAILED) {
		abort();
	}
	return map;
}

static void view_add(struct segment_views *views)
{
	uint8_t *at = must_map(NULL, views->room + page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (views->count == VIEWS_MAX) {
		abort();
	}
	must_map(at, views->room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, views->fd);
	views->view[views->count++] = at;
}

struct segment_views *segment_views_new(size_t user_size)
{
	struct segment_views *views = calloc(1, sizeof(*views));
	size_t lines = round_up(BASE_OFFSET + user_size, SEGMENT_CACHE_LINE);

	if (views == NULL) {
		abort();
	}
	views->room = round_up(lines, page_size());
	views->offset = views->room - lines + BASE_OFFSET;
	views->fd = memfd_create("segment", MFD_CLOEXEC);
	if (views->fd < 0 || ftruncate(views->fd, (off_t)views->room) != 0) {
		abort();
	}
	view_add(views);
	view_add(views);
	return views;
}

void segment_views_free(struct segment_views *views)
{
	unsigned int i;

	for (i = 0; i < views->count; i++) {
		munmap(views->view[i], views->room + page_size());
	}
	close(views->fd);
	free(views);
}

uint8_t *segment_views_client(const struct segment_views *views)
{
	return views->view[0] + views->offset;
}

uint8_t *segment_views_engine(const struct segment_views *views)
{
	return views->view[views->count - 1] + views->offset;
}

void segment_views_move(struct segment_views *views)
{
	uint8_t *before = views->view[views->count - 1];

	view_add(views);
	must_map(before, views->room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
}
