/* SPDX-License-Identifier: BSD-3-Clause */
/* See ring_fixture.h. */
#include <string.h>

#include "test/unit/ring_fixture.h"

uint8_t data[SIZE] __attribute__((aligned(8)));
struct segment_control control;
struct ring_writer writer;
struct ring_reader reader;

void ring_at(uint64_t at)
{
	memset(data, 0xee, sizeof(data));
	memset(&control, 0, sizeof(control));
	atomic_store(&control.delivered.end, at);
	atomic_store(&control.delivery_taken.end, at);
	writer = (struct ring_writer){.data = data, .size = SIZE, .end = at, .put = at, .taken = at};
	reader = (struct ring_reader){.data = data, .size = SIZE, .at = at, .end = at};
}

bool put(size_t length, char letter)
{
	size_t size = ring_entry_size(length);
	struct ring_entry *entry = ring_reserve(&writer, size);

	if (entry == NULL) {
		return false;
	}
	memset(entry, 0, size);
	entry->kind = RING_MESSAGE;
	entry->length = (uint32_t)length;
	memset(entry + 1, letter, length);
	ring_put(&writer, size, &control.delivered.end);
	return true;
}

void must_take(size_t length, char letter)
{
	struct ring_entry entry;
	const char *body;
	size_t i;

	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &entry), RING_FOUND_ENTRY);
	ck_assert_uint_eq(entry.kind, RING_MESSAGE);
	ck_assert_uint_eq(entry.length, length);
	body = ring_body(&reader);
	for (i = 0; i < length; i++) {
		ck_assert_int_eq(body[i], letter);
	}
	ring_next(&reader, &entry);
	ring_take(&reader, &control.delivery_taken.end);
}

void must_be_empty(void)
{
	struct ring_entry entry;

	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &entry), RING_FOUND_NOTHING);
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	ck_assert_uint_eq(ring_used(&writer), 0);
}

void put_large(char letter)
{
	writer.large = 24;
	ck_assert(put(16, letter));
}
