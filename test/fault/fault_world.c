/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a daemon: what the world does to it. The file $FAULT_WORLD has numbers, each in a line of 16 bytes, which a test may change
 * at any time (node_world of test/cluster/cluster.sh): of the allocations that corosync_cpg.so asks for each N-th fails (0: none does); so
 * many seconds are added to the clock of the day; and when the third is another than before, all memory that was freed goes back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LINE 16u
#define LINES 3u

/* glibc's own names of what stands here in front of it */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static const char *world; /* read anew each time: it is another process's file */

__attribute__((constructor)) static void world_begin(void)
{
	const char *path = getenv("FAULT_WORLD");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, LINES * LINE, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		fprintf(stderr, "fault_world: no file $FAULT_WORLD\n");
		_exit(99);
	}
	(void)close(fd);
	world = map;
}

static long world_says(size_t line)
{
	char text[LINE];

	if (world == NULL)
		return 0;
	memcpy(text, world + line * LINE, sizeof(text));
	text[LINE - 1] = '\0';
	return strtol(text, NULL, 10);
}

/* ---- memory ---- */

static uintptr_t module_begin, module_end;

static int find_module(struct dl_phdr_info *info, size_t size, void *data)
{
	const char *file = strrchr(info->dlpi_name, '/');

	(void)size;
	(void)data;
	if (file == NULL || strcmp(file, "/corosync_cpg.so") != 0)
		return 0;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X)) {
			module_begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			module_end = module_begin + info->dlpi_phdr[i].p_memsz;
		}
	}
	return 1;
}

static bool fails(const void *caller)
{
	static atomic_ulong count;
	long each = world_says(0);

	if (each <= 0)
		return false;
	if (module_end == 0)
		(void)dl_iterate_phdr(find_module, NULL);
	if ((uintptr_t)caller < module_begin || (uintptr_t)caller >= module_end)
		return false;
	return atomic_fetch_add(&count, 1) % (unsigned long)each == 0;
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return fails(CALLER) ? NULL : __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
	size_t bytes;

	return fails(CALLER) || __builtin_mul_overflow(count, size, &bytes) ? NULL
									    : __libc_realloc(memory, bytes);
}

/* malloc keeps more or less of what is freed, as it happens: only without that can memory be compared. */
static void give_back(void)
{
	static atomic_long done;
	long wanted = world_says(2);

	if (atomic_exchange(&done, wanted) != wanted)
		(void)malloc_trim(0);
}

/* ---- the clock of the day ---- */

/* Everybody asks for the time, all the time, and nobody while he allocates. */

int clock_gettime(clockid_t clock, struct timespec *time)
{
	long status = syscall(SYS_clock_gettime, clock, time);

	give_back();
	if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		time->tv_sec += world_says(1);
	return (int)status;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *result)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
