/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_read.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "memory.h"

void log_reader_init(struct log_reader *reader, const void *data, size_t size)
{
	memset(reader, 0, sizeof(*reader));
	reader->data = data;
	reader->size = size;
}

void log_reader_clear(struct log_reader *reader)
{
	free(reader->addresses);
	free(reader->nodes);
	memset(reader, 0, sizeof(*reader));
}

static const char *read_start(const uint8_t *at, size_t size, struct log_record *record)
{
	if (size < 28)
		return "short START record";
	if (get32(at) != LOG_VERSION)
		return "log of another version of cpgverify";
	record->nodeid = get32(at + 4);
	record->pid = get32(at + 8);
	record->incarnation = get64(at + 12);
	record->count = get64(at + 20);
	record->group = (const char *)at + 28;
	record->size = (uint32_t)size - 28;
	return NULL;
}

static const char *read_view(struct log_reader *reader, const uint8_t *at, size_t size,
			     struct log_record *record)
{
	size_t count, i;

	if (size < 12)
		return "short VIEW record";
	record->members = get32(at);
	record->left = get32(at + 4);
	record->joined = get32(at + 8);
	count = (size_t)record->members + record->left + record->joined;
	if (size - 12 != count * 12)
		return "VIEW record with a wrong count";
	reader->addresses = memory_grow(reader->addresses, &reader->address_capacity, count + 1,
					sizeof(*reader->addresses));
	for (i = 0, at += 12; i < count; i++, at += 12) {
		reader->addresses[i].nodeid = get32(at);
		reader->addresses[i].pid = get32(at + 4);
		reader->addresses[i].reason = get32(at + 8);
	}
	record->addresses = reader->addresses;
	return NULL;
}

static const char *read_ring(struct log_reader *reader, const uint8_t *at, size_t size,
			     struct log_record *record)
{
	size_t count, i;

	if (size < 12 || size % 4 != 0)
		return "RING record of a wrong size";
	record->nodeid = get32(at);
	record->seq = get64(at + 4);
	count = (size - 12) / 4;
	reader->nodes = memory_grow(reader->nodes, &reader->node_capacity, count + 1, sizeof(*reader->nodes));
	for (i = 0; i < count; i++)
		reader->nodes[i] = get32(at + 12 + 4 * i);
	record->nodes = reader->nodes;
	record->node_count = (uint32_t)count;
	return NULL;
}

static void read_message(const uint8_t *at, struct log_record *record)
{
	record->seq = get64(at);
	record->digest = get32(at + 8);
	record->size = get32(at + 12);
}

static void read_fixed(const uint8_t *at, struct log_record *record)
{
	switch (record->type) {
	case LOG_SENDER:
		record->ref = get32(at);
		record->nodeid = get32(at + 4);
		record->pid = get32(at + 8);
		record->incarnation = get64(at + 12);
		break;
	case LOG_DELIVER:
		record->ref = get32(at);
		read_message(at + 4, record);
		break;
	case LOG_CORRUPT:
		record->nodeid = get32(at);
		record->pid = get32(at + 4);
		record->size = get32(at + 8);
		break;
	case LOG_SENT:
	case LOG_UNSURE:
		read_message(at, record);
		break;
	case LOG_ERROR:
		record->call = get32(at);
		record->code = get32(at + 4);
		break;
	case LOG_RETRY:
		record->count = get64(at);
		break;
	case LOG_DEAD:
	case LOG_END:
		record->code = get32(at);
		break;
	default:
		break;
	}
}

static const char *read_body(struct log_reader *reader, const uint8_t *at, size_t size,
			     struct log_record *record)
{
	static const size_t fixed_size[] = {
		[LOG_JOINED] = 0,  [LOG_SENDER] = 20, [LOG_DELIVER] = 20, [LOG_CORRUPT] = 12, [LOG_SENT] = 16,
		[LOG_UNSURE] = 16, [LOG_ERROR] = 8,   [LOG_RETRY] = 8,	  [LOG_DEAD] = 4,     [LOG_END] = 4,
	};

	switch (record->type) {
	case LOG_START:
		return read_start(at, size, record);
	case LOG_VIEW:
		return read_view(reader, at, size, record);
	case LOG_RING:
		return read_ring(reader, at, size, record);
	default:
		break;
	}
	if (record->type < LOG_START || record->type > LOG_END)
		return "unknown record";
	if (size != fixed_size[record->type])
		return "record of a wrong size";
	read_fixed(at, record);
	return NULL;
}

/* A machine that crashed may leave zeroes where the last records should be. */
static int only_zeroes(const uint8_t *at, size_t size)
{
	while (size > 0 && *at == 0) {
		at++;
		size--;
	}
	return size == 0;
}

static enum log_status damaged(struct log_reader *reader, const char *error)
{
	reader->error = error;
	return LOG_DAMAGED;
}

static enum log_status check_magic(struct log_reader *reader)
{
	size_t have = reader->size < LOG_MAGIC_SIZE ? reader->size : LOG_MAGIC_SIZE;

	if (memcmp(reader->data, LOG_MAGIC, have) != 0)
		return damaged(reader, "not a log of cpgverify");
	reader->offset = have;
	return have < LOG_MAGIC_SIZE ? LOG_TRUNCATED : LOG_RECORD;
}

enum log_status log_next(struct log_reader *reader, struct log_record *record)
{
	const uint8_t *at;
	size_t left, length;
	const char *error;

	if (reader->offset < LOG_MAGIC_SIZE && check_magic(reader) != LOG_RECORD)
		return reader->error != NULL ? LOG_DAMAGED : LOG_TRUNCATED;
	left = reader->size - reader->offset;
	if (left == 0)
		return LOG_DONE;
	at = reader->data + reader->offset;
	if (left < LOG_HEADER || only_zeroes(at, left < 64 ? left : 64))
		return left < LOG_HEADER || only_zeroes(at, left) ? LOG_TRUNCATED
								  : damaged(reader, "zeroes inside");
	if (get32(at) != log_check(at + 4, 4))
		return damaged(reader, "wrong checksum of a header");
	length = get32(at + 4) & LOG_BODY_MAX;
	if (length > left - LOG_HEADER)
		return LOG_TRUNCATED;
	if (get32(at + 8) != log_check(at + LOG_HEADER, length))
		return damaged(reader, "wrong checksum of a record");
	memset(record, 0, sizeof(*record));
	record->type = get32(at + 4) >> 24;
	error = read_body(reader, at + LOG_HEADER, length, record);
	if (error != NULL)
		return damaged(reader, error);
	reader->offset += LOG_HEADER + length;
	return LOG_RECORD;
}
