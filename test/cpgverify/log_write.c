/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "memory.h"

#define FLUSH_AT 65536

struct log_writer {
	int fd;
	int error;
	uint8_t *buffer;
	size_t used, capacity;
};

int log_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, LOG_MAGIC, LOG_MAGIC_SIZE) != LOG_MAGIC_SIZE)
		error = -EIO;
	close(fd);
	return error;
}

int log_open(const char *path, struct log_writer **writer)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*writer = memory_new(1, sizeof(**writer));
	(*writer)->fd = fd;
	return 0;
}

static uint8_t *write_start(uint8_t *at, const struct log_record *record)
{
	put32(at, LOG_VERSION);
	put32(at + 4, record->nodeid);
	put32(at + 8, record->pid);
	put64(at + 12, record->incarnation);
	put64(at + 20, record->count);
	memcpy(at + 28, record->group, record->size);
	return at + 28 + record->size;
}

static uint8_t *write_view(uint8_t *at, const struct log_record *record)
{
	uint32_t count = record->members + record->left + record->joined;
	uint32_t i;

	put32(at, record->members);
	put32(at + 4, record->left);
	put32(at + 8, record->joined);
	at += 12;
	for (i = 0; i < count; i++, at += 12) {
		put32(at, record->addresses[i].nodeid);
		put32(at + 4, record->addresses[i].pid);
		put32(at + 8, record->addresses[i].reason);
	}
	return at;
}

static uint8_t *write_ring(uint8_t *at, const struct log_record *record)
{
	uint32_t i;

	put32(at, record->nodeid);
	put64(at + 4, record->seq);
	at += 12;
	for (i = 0; i < record->node_count; i++, at += 4)
		put32(at, record->nodes[i]);
	return at;
}

static uint8_t *write_sender(uint8_t *at, const struct log_record *record)
{
	put32(at, record->ref);
	put32(at + 4, record->nodeid);
	put32(at + 8, record->pid);
	put64(at + 12, record->incarnation);
	return at + 20;
}

static uint8_t *write_message(uint8_t *at, const struct log_record *record)
{
	put64(at, record->seq);
	put32(at + 8, record->digest);
	put32(at + 12, record->size);
	return at + 16;
}

static uint8_t *write_three(uint8_t *at, uint32_t first, uint32_t second, uint32_t third)
{
	put32(at, first);
	put32(at + 4, second);
	put32(at + 8, third);
	return at + 12;
}

static uint8_t *write_body(uint8_t *at, const struct log_record *record)
{
	switch (record->type) {
	case LOG_START:
		return write_start(at, record);
	case LOG_VIEW:
		return write_view(at, record);
	case LOG_RING:
		return write_ring(at, record);
	case LOG_SENDER:
		return write_sender(at, record);
	case LOG_DELIVER:
		put32(at, record->ref);
		return write_message(at + 4, record);
	case LOG_CORRUPT:
		return write_three(at, record->nodeid, record->pid, record->size);
	case LOG_SENT:
	case LOG_UNSURE:
		return write_message(at, record);
	case LOG_ERROR:
		put32(at, record->call);
		put32(at + 4, record->code);
		return at + 8;
	case LOG_RETRY:
		put64(at, record->count);
		return at + 8;
	case LOG_DEAD:
	case LOG_END:
		put32(at, record->code);
		return at + 4;
	case LOG_JOINED:
		break;
	}
	return at;
}

/* Upper bound of a body. */
static size_t body_room(const struct log_record *record)
{
	if (record->type == LOG_START)
		return 28 + (size_t)record->size;
	if (record->type == LOG_VIEW)
		return 12 + 12 * ((size_t)record->members + record->left + record->joined);
	if (record->type == LOG_RING)
		return 12 + 4 * (size_t)record->node_count;
	return 32;
}

void log_append(struct log_writer *writer, const struct log_record *record)
{
	size_t room = LOG_HEADER + body_room(record);
	uint8_t *at;
	size_t length;

	if (room > LOG_BODY_MAX) {
		writer->error = -EFBIG;
		return;
	}
	writer->buffer = memory_grow(writer->buffer, &writer->capacity, writer->used + room, 1);
	at = writer->buffer + writer->used;
	length = (size_t)(write_body(at + LOG_HEADER, record) - at) - LOG_HEADER;
	put32(at + 4, (uint32_t)length | (uint32_t)record->type << 24);
	put32(at, log_check(at + 4, 4));
	put32(at + 8, log_check(at + LOG_HEADER, length));
	writer->used += LOG_HEADER + length;
	if (writer->used >= FLUSH_AT)
		log_flush(writer);
}

int log_flush(struct log_writer *writer)
{
	size_t done = 0;
	ssize_t count;

	while (done < writer->used && writer->error == 0) {
		count = write(writer->fd, writer->buffer + done, writer->used - done);
		if (count > 0)
			done += (size_t)count;
		else if (count == 0 || errno != EINTR)
			writer->error = count == 0 ? -ENOSPC : -errno;
	}
	writer->used = 0;
	return writer->error;
}

int log_close(struct log_writer *writer)
{
	int error = log_flush(writer);

	close(writer->fd);
	free(writer->buffer);
	free(writer);
	return error;
}
