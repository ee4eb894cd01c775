/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the records of a log that is in memory (or mapped): no I/O here. Trusts none of its bytes. */
#ifndef CPGVERIFY_LOG_READ_H
#define CPGVERIFY_LOG_READ_H

#include "log_format.h"

enum log_status {
	LOG_RECORD,    /* *record holds the next one */
	LOG_DONE,      /* the log ends behind a whole record */
	LOG_TRUNCATED, /* the log ends inside a record: its writer was killed */
	LOG_DAMAGED,   /* not a log, or bytes in it have changed; reader->error says what */
};

struct log_reader {
	const uint8_t *data;
	size_t size;
	size_t offset;
	const char *error;
	struct address *addresses;
	size_t address_capacity;
	uint32_t *nodes;
	size_t node_capacity;
};

/* The data must stay until log_reader_clear(). */
void log_reader_init(struct log_reader *reader, const void *data, size_t size);
enum log_status log_next(struct log_reader *reader, struct log_record *record);
void log_reader_clear(struct log_reader *reader);

#endif
