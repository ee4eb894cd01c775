/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the log of one process: buffered, in the format of log_format.h. */
#ifndef CPGVERIFY_LOG_WRITE_H
#define CPGVERIFY_LOG_WRITE_H

#include "log_format.h"

struct log_writer;

/* Makes the file, which must not exist, with nothing but the magic in it. Returns 0 or -errno. */
int log_create(const char *path);

/* Opens the file to append a session to it. Returns 0 or -errno. */
int log_open(const char *path, struct log_writer **writer);

/* Appends the record; the writer takes a copy. A failure to write is kept for log_flush(). */
void log_append(struct log_writer *writer, const struct log_record *record);

/* Hands everything to the kernel. Returns 0, or -errno of the first failure since log_open(). */
int log_flush(struct log_writer *writer);

/* Flushes, closes and frees. Returns as log_flush(). */
int log_close(struct log_writer *writer);

#endif
