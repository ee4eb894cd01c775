/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a segment comes to be, and why it takes so many steps: qb_rb_close trusts paths and sizes that lie in
 * the shared memory itself, and unmaps less than qb_rb_open mapped. So libqb's object lives only as long as
 * nobody else can reach the files:
 *
 *   1. a new directory that only we can enter
 *   2. qb_rb_open with no user data: of that, qb_rb_close forgets nothing, not even when the open fails half
 * way
 *   3. second names for the two files; qb_rb_close, which unlinks the first ones; the first names come back
 *   4. the header file grows by the user data and is mapped by us; the fields that libqb wrote lie in front
 * of it
 *   5. the files are given to the client, last the directory is opened for it
 *
 * The directory stays ours, so the client can't put anything else in place of what we unlink later.
 */
#define _GNU_SOURCE /* mremap */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <qb/qbrb.h>

#include "cpg_ipc.h"
#include "cpg_segment.h"
#include "service/segment.h"
#include "service/segment_guard.h"

#define DIRECTORY_TEMPLATE "/dev/shm/qb-cpg-XXXXXX"
#define RING "/ring"
#define HEADER_FILE "ring-header"
#define DATA_FILE "ring-data"
#define HEADER_KEPT "header"
#define DATA_KEPT "data"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

/* What libqb makes before the user data is added. */
#define RING_FILES 2u
#define RING_PAGES 4u

struct segment {
	char name[sizeof(DIRECTORY_TEMPLATE RING)]; /* of the ring: what qb_rb_open wants */
	bool linked;
	void *map; /* the header file, page-aligned */
	size_t map_size;
	size_t user_offset;
	size_t user_size; /* all of it */
	size_t present;
	struct guard_range *guard;
};

static_assert(sizeof(((struct segment *)0)->name) <= IPC_SEGMENT_NAME_MAX, "segment name");

/* The open directory during creation. */
struct workshop {
	int dir;
	char path[sizeof(DIRECTORY_TEMPLATE)];
};

static int workshop_open(struct workshop *shop)
{
	int error;

	memcpy(shop->path, DIRECTORY_TEMPLATE, sizeof(shop->path));
	if (mkdtemp(shop->path) == NULL)
		return -errno;
	shop->dir = open(shop->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (shop->dir >= 0)
		return 0;
	error = -errno;
	rmdir(shop->path);
	return error;
}

static void workshop_discard(struct workshop *shop)
{
	static const char *const files[] = {HEADER_FILE, DATA_FILE, HEADER_KEPT, DATA_KEPT};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(shop->dir, files[i], 0);
	rmdir(shop->path);
}

/* Where libqb put the user data: its mapping starts with the page that holds the name. */
static int user_offset_find(qb_ringbuffer_t *ring, size_t *offset)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t base = (uintptr_t)qb_rb_name_get(ring) / page * page;

	*offset = (uintptr_t)qb_rb_shared_user_data_get(ring) - base;
	return *offset % sizeof(uint64_t) == 0 ? 0 : -ENOTSUP;
}

/* Whether libqb's two files find room: it would complain in the log, for each client anew. */
static bool room_for_ring(const struct workshop *shop)
{
	struct statvfs shm;

	return fstatvfs(shop->dir, &shm) == -1 || ((shm.f_files == 0 || shm.f_favail >= RING_FILES) &&
						   (shm.f_blocks == 0 || shm.f_bavail >= RING_PAGES));
}

/* Files as libqb makes them, without libqb's object. */
static int ring_make(const struct workshop *shop, const char *name, size_t *user_offset)
{
	qb_ringbuffer_t *ring;
	int error = 0;

	if (!room_for_ring(shop))
		return -ENOSPC;
	errno = 0;
	ring = qb_rb_open(name, SEGMENT_DATA_SIZE,
			  QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS | QB_RB_FLAG_NO_SEMAPHORE, 0);
	if (ring == NULL)
		return errno != 0 ? -errno : -ENOMEM;
	error = user_offset_find(ring, user_offset);
	if (error == 0 && (linkat(shop->dir, HEADER_FILE, shop->dir, HEADER_KEPT, 0) == -1 ||
			   linkat(shop->dir, DATA_FILE, shop->dir, DATA_KEPT, 0) == -1))
		error = -errno;
	qb_rb_close(ring);
	if (error == 0 && (renameat(shop->dir, HEADER_KEPT, shop->dir, HEADER_FILE) == -1 ||
			   renameat(shop->dir, DATA_KEPT, shop->dir, DATA_FILE) == -1))
		error = -errno;
	return error;
}

static int allocate(int fd, size_t size, size_t present)
{
	int error;

	if (ftruncate(fd, (off_t)size) == -1)
		return -errno;
	do
		error = posix_fallocate(fd, 0, (off_t)present);
	while (error == EINTR);
	return -error;
}

/* Grows the header file to what qb_rb_open will expect of it for our user_size, and maps it. */
static int header_map(struct segment *segment, int fd)
{
	struct stat st;
	int error;

	if (fstat(fd, &st) == -1)
		return -errno;
	if (segment->user_offset >= (size_t)st.st_size)
		return -ENOTSUP;
	segment->map_size = (size_t)st.st_size + segment->present;
	error = allocate(fd, (size_t)st.st_size + segment->user_size, segment->map_size);
	if (error != 0)
		return error;
	segment->map = mmap(NULL, segment->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (segment->map == MAP_FAILED) {
		segment->map = NULL;
		return -errno;
	}
	segment->guard = guard_add(segment->map, segment->map_size);
	return segment->guard != NULL ? 0 : -ENOMEM;
}

static int hand_over(const struct workshop *shop, int header, uid_t uid, gid_t gid)
{
	int error = 0;
	int data = openat(shop->dir, DATA_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (data < 0)
		return -errno;
	if (fchmod(data, 0600) == -1 || fchown(data, uid, gid) == -1 || fchmod(header, 0600) == -1 ||
	    fchown(header, uid, gid) == -1 || fchmod(shop->dir, 0711) == -1)
		error = -errno;
	close(data);
	return error;
}

static int segment_build(struct segment *segment, const struct workshop *shop, uid_t uid, gid_t gid)
{
	int error = ring_make(shop, segment->name, &segment->user_offset);
	int header;

	if (error != 0)
		return error;
	header = openat(shop->dir, HEADER_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (header < 0)
		return -errno;
	error = header_map(segment, header);
	if (error == 0)
		error = hand_over(shop, header, uid, gid);
	close(header);
	return error;
}

static void segment_unmap(struct segment *segment)
{
	if (segment->guard != NULL)
		guard_remove(segment->guard);
	if (segment->map != NULL)
		munmap(segment->map, segment->map_size);
}

int segment_create(struct segment **segment, uid_t uid, gid_t gid, size_t user_size, size_t present)
{
	struct segment *made;
	struct workshop shop;
	int error;

	if (user_size == 0 || user_size > SEGMENT_POOL_MAX || present > user_size)
		return -EINVAL;
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	made->user_size = user_size;
	made->present = present;
	error = workshop_open(&shop);
	if (error == 0) {
		snprintf(made->name, sizeof(made->name), "%s" RING, shop.path);
		error = segment_build(made, &shop, uid, gid);
		if (error != 0)
			workshop_discard(&shop);
		close(shop.dir);
	}
	if (error != 0) {
		segment_unmap(made);
		free(made);
		return error;
	}
	made->linked = true;
	*segment = made;
	return 0;
}

/* Of two things that give no memory to a page: a full /dev/shm, or else the client, who cut the file. */
static int why_no_memory(void)
{
	struct statvfs shm;

	return statvfs("/dev/shm", &shm) == 0 && shm.f_blocks != 0 && shm.f_bavail == 0 ? -ENOSPC : -EIO;
}

/* Memory for what is mapped behind the first `before` bytes, without a signal when there is none. */
static int populate(const struct segment *segment, size_t before)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t from = before / page * page;
	char *more = (char *)segment->map + from;
	int error;

	if (madvise(more, segment->map_size - from, MADV_POPULATE_WRITE) == 0)
		return 0;
	error = errno == EFAULT ? why_no_memory() : errno == EINVAL ? -ENOTSUP : -errno;
	/* corosync locks all of its memory, and from what is locked nothing is removed */
	(void)munlock(more + page, segment->map_size - from - page);
	(void)madvise(more + page, segment->map_size - from - page, MADV_REMOVE);
	return error;
}

/* The mapping has `size` bytes now, wherever. */
static int remap(struct segment *segment, size_t size)
{
	void *map = mremap(segment->map, segment->map_size, size, MREMAP_MAYMOVE);

	if (map == MAP_FAILED)
		return -errno;
	guard_remove(segment->guard);
	segment->map = map;
	segment->map_size = size;
	segment->guard = guard_add(map, size); /* finds room: one was removed */
	return 0;
}

int segment_grow(struct segment *segment, size_t present)
{
	size_t before = segment->map_size;
	int error;

	if (present > segment->user_size || present < segment->present)
		return -EINVAL;
	error = segment_broken(segment) ? -EIO : remap(segment, before + (present - segment->present));
	if (error != 0)
		return error;
	error = populate(segment, before);
	if (error == 0)
		segment->present = present;
	else
		(void)remap(segment, before); /* to shrink one needs nothing */
	return error;
}

void *segment_base(const struct segment *segment)
{
	return (char *)segment->map + segment->user_offset;
}

size_t segment_size(const struct segment *segment)
{
	return segment->present;
}

const char *segment_name(const struct segment *segment)
{
	return segment->name;
}

size_t segment_user_offset(const struct segment *segment)
{
	return segment->user_offset;
}

void segment_unlink(struct segment *segment)
{
	char path[sizeof(segment->name) + sizeof("-header")];

	if (!segment->linked)
		return;
	segment->linked = false;
	snprintf(path, sizeof(path), "%s-header", segment->name);
	unlink(path);
	snprintf(path, sizeof(path), "%s-data", segment->name);
	unlink(path);
	snprintf(path, sizeof(path), "%.*s", (int)(sizeof(DIRECTORY_TEMPLATE) - 1), segment->name);
	rmdir(path);
}

void segment_destroy(struct segment *segment)
{
	if (segment == NULL)
		return;
	segment_unlink(segment);
	segment_unmap(segment);
	free(segment);
}

bool segment_broken(const struct segment *segment)
{
	return guard_tripped(segment->guard);
}

bool segment_guard_begin(void)
{
	return guard_install();
}

void segment_guard_arm(void)
{
	guard_arm();
}

void segment_guard_disturbed(void)
{
	guard_disturbed();
}
