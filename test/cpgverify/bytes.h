/* SPDX-License-Identifier: BSD-3-Clause */
/* Little endian integers at any address: messages and logs look the same on every machine. */
#ifndef CPGVERIFY_BYTES_H
#define CPGVERIFY_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void put32(void *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void put64(void *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static inline uint32_t get32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static inline uint64_t get64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

#endif
