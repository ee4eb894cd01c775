/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_payload.h"

#include <assert.h>
#include <string.h>

#define PAYLOAD_MAGIC 0x53494d31u

struct payload {
	uint32_t magic, session;
	uint64_t number;
	uint64_t size; /* of all */
	uint64_t check;
};
static_assert(sizeof(struct payload) == PAYLOAD_MIN, "payload");

static uint64_t checksum(const struct payload *head, const uint8_t *filler, size_t size)
{
	uint64_t sum = head->session * 0x9e3779b97f4a7c15ull + head->number + head->size;
	size_t i;

	for (i = 0; i < size; i++) {
		sum = (sum ^ filler[i]) * 0x100000001b3ull;
	}
	return sum;
}

void payload_fill(uint8_t *at, size_t size, uint32_t session, uint64_t number, uint64_t filler)
{
	struct payload head = {.magic = PAYLOAD_MAGIC, .session = session, .number = number, .size = size};
	size_t i;

	for (i = sizeof(head); i < size; i++) {
		at[i] = (uint8_t)((filler >> (i % 8 * 8)) + i);
	}
	head.check = checksum(&head, at + sizeof(head), size - sizeof(head));
	memcpy(at, &head, sizeof(head));
}

bool payload_check(const uint8_t *data, size_t size, uint32_t *session, uint64_t *number)
{
	struct payload head;

	if (size < sizeof(head)) {
		return false;
	}
	memcpy(&head, data, sizeof(head));
	*session = head.session;
	*number = head.number;
	return head.magic == PAYLOAD_MAGIC && head.size == size &&
	       head.check == checksum(&head, data + sizeof(head), size - sizeof(head));
}
