/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "service/segment_libqb.h"

/*
 * What they are known by: one page, shared and writable, of a file in here. The client, whose files these are, may have given them any other
 * name, and what is shown is what they are named now; out of this file system it can't move them.
 */
#define COUNTERS_SIZE ((size_t)sysconf(_SC_PAGESIZE))
#define COUNTERS_RIGHTS "rw-s"
#define COUNTERS_PLACE "/dev/shm/"

/* A line of /proc/self/maps, as much of it as is looked at. */
struct line {
	char text[512];
	size_t length;
};

static int maps = -1;
static pid_t maps_of; /* a child has its parent's open */

bool libqb_counters_watch(void)
{
	if (maps != -1 && maps_of == getpid())
		return true;
	if (maps != -1)
		close(maps);
	maps_of = getpid();
	maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	return maps != -1;
}

/* A number in base 16. Returns what is behind it. */
static const char *hex_read(const char *text, uintptr_t *number)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit;

	for (*number = 0; *text && (digit = strchr(digits, *text)); text++)
		*number = *number << 4 | (uintptr_t)(digit - digits);
	return text;
}

/* START-END RIGHTS OFFSET DEVICE INODE PATH. Returns what is behind END, or NULL. */
static const char *range_read(const struct line *line, uintptr_t *start, uintptr_t *end)
{
	const char *behind = hex_read(line->text, start);

	return *behind == '-' ? hex_read(behind + 1, end) : NULL;
}

static bool line_has(const struct line *line, uintptr_t address)
{
	uintptr_t start, end;

	return range_read(line, &start, &end) && start <= address && address < end;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool line_is_of_counters(const struct line *line)
{
	uintptr_t start, end;
	const char *rights = range_read(line, &start, &end), *path = strchr(line->text, '/');

	return rights && starts_with(rights + strspn(rights, " "), COUNTERS_RIGHTS) &&
	       end - start == COUNTERS_SIZE && path && starts_with(path, COUNTERS_PLACE);
}

/* Goes on with a line. True: it is at its end. */
static bool line_add(struct line *line, char next)
{
	if (next == '\n') {
		line->text[line->length] = '\0';
		line->length = 0;
		return true;
	}
	if (line->length < sizeof(line->text) - 1)
		line->text[line->length++] = next;
	return false;
}

bool libqb_counters_at(uintptr_t address)
{
	struct line line = {.length = 0};
	char chunk[1024];
	ssize_t got;

	if (maps == -1 || lseek(maps, 0, SEEK_SET) != 0)
		return false;
	while ((got = read(maps, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (line_add(&line, chunk[i]) && line_has(&line, address))
				return line_is_of_counters(&line);
		}
	}
	return false;
}
