/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include "segment_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct segment *create(size_t user_size)
{
	struct segment *segment = NULL;

	ck_assert_int_eq(segment_create(&segment, getuid(), getgid(), user_size, user_size), 0);
	return segment;
}

const char *file_of(const struct segment *segment, const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s-%s", segment_name(segment), file);
	return path;
}

size_t shm_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	size_t count = 0;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, " /dev/shm/") != NULL;
	fclose(maps);
	return count;
}

size_t open_files(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

int child_status(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

bool private_shm(unsigned int pages)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%u", pages * 4096);
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/dev/shm", "tmpfs", MS_NODEV | MS_NOSUID, options) == 0 &&
	       chmod("/dev/shm", 01777) == 0;
}

void become(uid_t id)
{
	if (setgid(id) == -1 || setuid(id) == -1)
		_exit(9);
}

void fill(uint8_t *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

bool filled(const uint8_t *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++) {
		if (at[i] != (uint8_t)(seed + i * 7 + (i >> 8)))
			return false;
	}
	return true;
}
