/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message that can be checked by whoever gets it. All integers little endian:
 *
 *	 0  magic, 8 bytes
 *	 8  incarnation of the sender, u64: random, new for each connection, below INCARNATION_LIMIT
 *	16  sequence number, u64: from 0, one more for each message of this incarnation
 *	24  bytes of payload, u32
 *	28  flags, u32
 *	32  SHA-256 of bytes 0-31 and the payload
 *	64  payload
 *
 * A small one, of less than 64 bytes in all, has room for less:
 *
 *	 0  magic, 2 bytes
 *	 2  incarnation, u48
 *	 8  sequence number, u31, and above it whether it is the last, one bit
 *	12  the first four bytes of the SHA-256 of bytes 0-11 and the payload
 *	16  payload
 */
#ifndef CPGVERIFY_MESSAGE_H
#define CPGVERIFY_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_HEADER 64
#define MESSAGE_SMALL_HEADER 16
#define MESSAGE_LAST 1u /* flag: this sender will send no more */

#define INCARNATION_LIMIT (UINT64_C(1) << 48)

struct message {
	uint64_t incarnation;
	uint64_t seq;
	uint32_t payload;
	uint32_t flags;
	uint32_t digest; /* the first four bytes of the SHA-256, for the log */
};

/* Bytes of the whole message, not more than payload + MESSAGE_HEADER. */
uint32_t message_size(const struct message *message);

/* Writes message_size() bytes into buffer and sets message->digest. */
void message_build(uint8_t *buffer, struct message *message);

/* Returns 0 and fills *message, or -1 when these are not the bytes that a sender built. */
int message_check(const uint8_t *buffer, size_t size, struct message *message);

#endif
