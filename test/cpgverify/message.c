/* SPDX-License-Identifier: BSD-3-Clause */
#include "message.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "digest.h"

#define DIGEST_AT 32
#define SMALL_DIGEST_AT 12
#define SMALL_SEQS (UINT32_C(1) << 31)

static const char magic[8] = "cpgverf1";
static const char small_magic[2] = "cs";

/* Cheap bytes that do not repeat within a message nor between messages (splitmix64). */
static void fill_payload(uint8_t *at, size_t size, uint64_t state)
{
	uint8_t word[8];
	uint64_t mixed;
	size_t chunk;

	while (size > 0) {
		state += 0x9e3779b97f4a7c15u;
		mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
		put64(word, mixed ^ (mixed >> 27));
		chunk = size < sizeof(word) ? size : sizeof(word);
		memcpy(at, word, chunk);
		at += chunk;
		size -= chunk;
	}
}

static bool is_small(const struct message *message)
{
	return message->payload < MESSAGE_HEADER - MESSAGE_SMALL_HEADER && message->seq < SMALL_SEQS;
}

uint32_t message_size(const struct message *message)
{
	return message->payload + (is_small(message) ? MESSAGE_SMALL_HEADER : MESSAGE_HEADER);
}

static void build_small(uint8_t *buffer, struct message *message)
{
	uint8_t digest[DIGEST_SIZE];

	put64(buffer, message->incarnation << 16);
	memcpy(buffer, small_magic, sizeof(small_magic));
	put32(buffer + 8, (uint32_t)message->seq | (message->flags & MESSAGE_LAST) * SMALL_SEQS);
	digest_compute(buffer, SMALL_DIGEST_AT, buffer + MESSAGE_SMALL_HEADER, message->payload, digest);
	memcpy(buffer + SMALL_DIGEST_AT, digest, sizeof(message->digest));
	message->digest = get32(digest);
}

static void build_full(uint8_t *buffer, struct message *message)
{
	memcpy(buffer, magic, sizeof(magic));
	put64(buffer + 8, message->incarnation);
	put64(buffer + 16, message->seq);
	put32(buffer + 24, message->payload);
	put32(buffer + 28, message->flags);
	digest_compute(buffer, DIGEST_AT, buffer + MESSAGE_HEADER, message->payload, buffer + DIGEST_AT);
	message->digest = get32(buffer + DIGEST_AT);
}

void message_build(uint8_t *buffer, struct message *message)
{
	uint32_t header = message_size(message) - message->payload;

	fill_payload(buffer + header, message->payload, message->incarnation ^ message->seq << 32);
	if (is_small(message))
		build_small(buffer, message);
	else
		build_full(buffer, message);
}

static int check_small(const uint8_t *buffer, size_t size, struct message *message)
{
	uint8_t digest[DIGEST_SIZE];

	if (size < MESSAGE_SMALL_HEADER || memcmp(buffer, small_magic, sizeof(small_magic)) != 0)
		return -1;
	message->incarnation = get64(buffer) >> 16;
	message->seq = get32(buffer + 8) % SMALL_SEQS;
	message->flags = get32(buffer + 8) / SMALL_SEQS;
	message->payload = (uint32_t)size - MESSAGE_SMALL_HEADER;
	message->digest = get32(buffer + SMALL_DIGEST_AT);
	digest_compute(buffer, SMALL_DIGEST_AT, buffer + MESSAGE_SMALL_HEADER, message->payload, digest);
	return memcmp(digest, buffer + SMALL_DIGEST_AT, sizeof(message->digest)) == 0 ? 0 : -1;
}

static int check_full(const uint8_t *buffer, size_t size, struct message *message)
{
	uint8_t digest[DIGEST_SIZE];

	if (memcmp(buffer, magic, sizeof(magic)) != 0)
		return -1;
	message->incarnation = get64(buffer + 8);
	message->seq = get64(buffer + 16);
	message->payload = get32(buffer + 24);
	message->flags = get32(buffer + 28);
	message->digest = get32(buffer + DIGEST_AT);
	if (message->payload != size - MESSAGE_HEADER)
		return -1;
	digest_compute(buffer, DIGEST_AT, buffer + MESSAGE_HEADER, message->payload, digest);
	return memcmp(digest, buffer + DIGEST_AT, DIGEST_SIZE) == 0 ? 0 : -1;
}

int message_check(const uint8_t *buffer, size_t size, struct message *message)
{
	return size < MESSAGE_HEADER ? check_small(buffer, size, message) : check_full(buffer, size, message);
}
