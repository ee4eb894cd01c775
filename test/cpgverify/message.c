/* SPDX-License-Identifier: BSD-3-Clause */
#include "message.h"

#include <string.h>

#include "bytes.h"
#include "digest.h"

#define DIGEST_AT 32

static const char magic[8] = "cpgverf1";

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

void message_build(uint8_t *buffer, struct message *message)
{
	memcpy(buffer, magic, sizeof(magic));
	put64(buffer + 8, message->incarnation);
	put64(buffer + 16, message->seq);
	put32(buffer + 24, message->payload);
	put32(buffer + 28, message->flags);
	fill_payload(buffer + MESSAGE_HEADER, message->payload, message->incarnation ^ message->seq << 32);
	digest_compute(buffer, DIGEST_AT, buffer + MESSAGE_HEADER, message->payload, buffer + DIGEST_AT);
	message->digest = get32(buffer + DIGEST_AT);
}

int message_check(const uint8_t *buffer, size_t size, struct message *message)
{
	uint8_t digest[DIGEST_SIZE];

	if (size < MESSAGE_HEADER || memcmp(buffer, magic, sizeof(magic)) != 0)
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
