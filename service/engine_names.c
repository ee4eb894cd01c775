/* SPDX-License-Identifier: BSD-3-Clause */
/* Group names: compared by length, then bytes; they may hold NULs. */
#include <string.h>

#include "engine_internal.h"

bool name_read(struct name *name, const struct ipc_name *from)
{
	if (from->length > IPC_NAME_MAX) {
		return false;
	}
	name->length = from->length;
	memcpy(name->value, from->value, from->length);
	return true;
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->length == b->length && memcmp(a->value, b->value, a->length) == 0;
}

int name_compare(const struct name *a, const struct name *b)
{
	if (a->length != b->length) {
		return a->length < b->length ? -1 : 1;
	}
	return memcmp(a->value, b->value, a->length);
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 32);
}

uint64_t name_hash(const struct name *name)
{
	uint64_t h = mix(0, name->length);
	uint32_t at;

	for (at = 0; at + sizeof(uint64_t) <= name->length; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, name->value + at, sizeof(word));
		h = mix(h, word);
	}
	if (at < name->length) {
		uint64_t word = 0;

		memcpy(&word, name->value + at, name->length - at);
		h = mix(h, word);
	}
	return h;
}

void name_write(struct ipc_name *to, const struct name *name)
{
	memset(to, 0, sizeof(*to));
	to->length = name->length;
	memcpy(to->value, name->value, name->length);
}

void name_text(const struct name *name, char text[IPC_NAME_MAX + 1])
{
	uint32_t i;

	for (i = 0; i < name->length; i++) {
		text[i] = name->value[i] >= ' ' && name->value[i] <= '~' ? name->value[i] : '.';
	}
	text[i] = '\0';
}
