/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "service/segment_libqb.h"

/* What libqb names them: /dev/shm/qb-SERVER-CLIENT-DESCRIPTOR-XXXXXX/qb-control-SERVICE. */
#define COUNTERS_DIRECTORY "/dev/shm/qb-"
#define COUNTERS_FILE "/qb-control-"

/* A line of /proc/self/maps, as much of it as is looked at. */
struct line {
	char text[512];
	size_t length;
};

static int maps = -1;

bool libqb_counters_watch(void)
{
	if (maps == -1)
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

static bool line_has(const struct line *line, uintptr_t address)
{
	uintptr_t start, end;
	const char *behind = hex_read(line->text, &start);

	if (*behind != '-')
		return false;
	hex_read(behind + 1, &end);
	return start <= address && address < end;
}

static bool line_names_counters(const struct line *line)
{
	const char *directory = strchr(line->text, '/');

	return directory && strncmp(directory, COUNTERS_DIRECTORY, strlen(COUNTERS_DIRECTORY)) == 0 &&
	       strstr(directory, COUNTERS_FILE);
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
				return line_names_counters(&line);
		}
	}
	return false;
}
