/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries of include/cpg_ring.h: every way that one can lie, and what can't be true. */
#include <string.h>

#include "test/unit/ring_fixture.h"
#include "test/unit/run_suite.h"

/* ---- entries ---- */

START_TEST(sizes_are_multiples_of_8)
{
	ck_assert_uint_eq(ring_entry_size(0), 8);
	ck_assert_uint_eq(ring_entry_size(1), 16);
	ck_assert_uint_eq(ring_entry_size(8), 16);
	ck_assert_uint_eq(ring_entry_size(9), 24);
	ck_assert_uint_eq(ring_entry_size(UINT32_MAX), (1ull << 32) + 8);
}
END_TEST

START_TEST(rest_up_to_the_end_of_the_data)
{
	ck_assert_uint_eq(ring_rest(SIZE, 0), SIZE);
	ck_assert_uint_eq(ring_rest(SIZE, 8), SIZE - 8);
	ck_assert_uint_eq(ring_rest(SIZE, 5 * SIZE), SIZE);
	ck_assert_uint_eq(ring_rest(SIZE, 6 * SIZE - 8), 8);
}
END_TEST

START_TEST(an_empty_ring)
{
	ring_at(0);
	must_be_empty();
}
END_TEST

START_TEST(entries_come_in_order)
{
	ring_at(0);
	ck_assert(put(3, 'a') && put(0, 'b') && put(8, 'c'));
	ck_assert_uint_eq(ring_used(&writer), 16 + 8 + 16);
	must_take(3, 'a');
	must_take(0, 'b');
	must_take(8, 'c');
	must_be_empty();
}
END_TEST

/* 24 bytes are left at the end: what needs them exactly lies there, what needs more begins behind a skip. */
START_TEST(an_entry_that_ends_with_the_data)
{
	ring_at(SIZE - 24);
	ck_assert(put(16, 'a') && put(8, 'b'));
	ck_assert_int_eq(data[SIZE - 1], 'a');
	ck_assert_int_eq(data[8], 'b');
	must_take(16, 'a');
	must_take(8, 'b');
	must_be_empty();
}
END_TEST

START_TEST(an_entry_that_would_reach_over_the_end)
{
	const struct ring_entry *skip = (const struct ring_entry *)(data + SIZE - 24);

	ring_at(SIZE - 24);
	ck_assert(put(17, 'a'));
	ck_assert_uint_eq(skip->kind, RING_SKIP);
	ck_assert_uint_eq(skip->length, 16);
	ck_assert_int_eq(data[8], 'a');
	ck_assert_uint_eq(ring_used(&writer), 24 + 32);
	must_take(17, 'a');
	must_be_empty();
}
END_TEST

START_TEST(a_skip_of_its_head_alone)
{
	ring_at(SIZE - 8);
	ck_assert(put(1, 'a'));
	ck_assert_uint_eq(ring_used(&writer), 8 + 16);
	must_take(1, 'a');
	must_be_empty();
}
END_TEST

START_TEST(exactly_full)
{
	ring_at(SIZE / 2);
	ck_assert(put(24, 'a') && put(24, 'b'));
	ck_assert_uint_eq(ring_used(&writer), SIZE);
	ck_assert(!put(0, 'c'));
	must_take(24, 'a');
	ck_assert(!put(0, 'c'));
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	ck_assert(put(24, 'c') && !put(0, 'd'));
	must_take(24, 'b');
	must_take(24, 'c');
	must_be_empty();
}
END_TEST

START_TEST(one_entry_as_large_as_the_ring)
{
	ring_at(0);
	ck_assert(put(SIZE - 8, 'a') && !put(0, 'b'));
	must_take(SIZE - 8, 'a');
	must_be_empty();
}
END_TEST

/* Room for the entry, but not for what has to be skipped before it; a smaller one still fits. */
START_TEST(no_room_behind_a_skip)
{
	ring_at(SIZE - 16);
	ck_assert(!put(48, 'a'));
	ck_assert_uint_eq(ring_used(&writer), 0);
	ck_assert(put(8, 'b') && put(40, 'c'));
	must_take(8, 'b');
	must_take(40, 'c');
	must_be_empty();
}
END_TEST

START_TEST(what_is_reserved_does_not_count_yet)
{
	ring_at(0);
	ck_assert_ptr_nonnull(ring_reserve(&writer, 16));
	ck_assert_uint_eq(atomic_load(&control.delivered.end), 0);
	must_be_empty();
}
END_TEST

/* ---- large entries ---- */

/* Where the ring is far enough from its beginning that it may skip the rest; else it lies where any other one would. */
START_TEST(a_large_entry_in_an_empty_ring)
{
	uint64_t at;

	for (at = 0; at < 3 * SIZE; at += RING_ALIGN) {
		size_t offset = at % SIZE, begin = offset < 24 ? offset : 0;

		ring_at(at);
		put_large('a');
		ck_assert_int_eq(data[begin + sizeof(struct ring_entry)], 'a');
		must_take(16, 'a');
		must_be_empty();
	}
}
END_TEST

START_TEST(a_smaller_entry_in_an_empty_ring)
{
	ring_at(24);
	writer.large = 24;
	ck_assert(put(8, 'a'));
	ck_assert_int_eq(data[24 + sizeof(struct ring_entry)], 'a');
	ring_at(24);
	ck_assert(put(16, 'b')); /* no entry is large */
	ck_assert_int_eq(data[24 + sizeof(struct ring_entry)], 'b');
}
END_TEST

/* What is there is not written over, nor what only might have been read. */
START_TEST(a_large_entry_behind_others)
{
	ring_at(24);
	ck_assert(put(8, 'a'));
	put_large('b');
	ck_assert_int_eq(data[40 + sizeof(struct ring_entry)], 'b');
	must_take(8, 'a');
	must_take(16, 'b');
	ring_at(0);
	put_large('c');
	must_take(16, 'c');
	put_large('d'); /* nobody looked how far the reader is */
	ck_assert_int_eq(data[24 + sizeof(struct ring_entry)], 'd');
	must_take(16, 'd');
	ring_at(0);
	put_large('e');
	must_take(16, 'e');
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	put_large('f');
	ck_assert_int_eq(data[sizeof(struct ring_entry)], 'f');
	must_take(16, 'f');
	must_be_empty();
}
END_TEST

/* What the reader was not told of yet does not hinder it, and is not lost. */
static void check_large_behind_untold(uint64_t at, size_t begin)
{
	struct ring_entry *entry, found;

	ring_at(at);
	entry = ring_reserve(&writer, 8);
	*entry = (struct ring_entry){.kind = RING_GROUP};
	ring_put_untold(&writer, 8);
	put_large('a');
	ck_assert_int_eq(data[begin + sizeof(struct ring_entry)], 'a');
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &found), RING_FOUND_ENTRY);
	ck_assert_uint_eq(found.kind, RING_GROUP);
	ring_next(&reader, &found);
	must_take(16, 'a');
	must_be_empty();
}

START_TEST(a_large_entry_behind_an_untold_one)
{
	check_large_behind_untold(16, 24); /* too near to the beginning to skip the rest */
	check_large_behind_untold(24, 0);
	check_large_behind_untold(32, 0);
}
END_TEST

/* ---- what can't be true ---- */

START_TEST(a_reader_that_took_what_is_not_there)
{
	ring_at(1000 * SIZE);
	ck_assert(put(8, 'a') && put(8, 'b'));
	must_take(8, 'a');
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	atomic_store(&control.delivery_taken.end, writer.end);
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	atomic_store(&control.delivery_taken.end, writer.end + 1);
	ck_assert(!ring_writer_look(&writer, &control.delivery_taken.end));
	atomic_store(&control.delivery_taken.end, writer.end - 1); /* backwards */
	ck_assert(!ring_writer_look(&writer, &control.delivery_taken.end));
	atomic_store(&control.delivery_taken.end, UINT64_MAX);
	ck_assert(!ring_writer_look(&writer, &control.delivery_taken.end));
	ck_assert_uint_eq(writer.taken, writer.end);
}
END_TEST

START_TEST(a_writer_that_put_in_more_than_fits)
{
	ring_at(1000 * SIZE);
	atomic_store(&control.delivered.end, reader.at + SIZE);
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	atomic_store(&control.delivered.end, reader.at + SIZE + 8);
	ck_assert(!ring_reader_look(&reader, &control.delivered.end));
	atomic_store(&control.delivered.end, reader.at - 8); /* backwards */
	ck_assert(!ring_reader_look(&reader, &control.delivered.end));
	atomic_store(&control.delivered.end, reader.at + 12); /* between two entries' places */
	ck_assert(!ring_reader_look(&reader, &control.delivered.end));
	ck_assert_uint_eq(reader.end, reader.at + SIZE);
}
END_TEST

/* `entry` lies at the reader's position, and `size` bytes were put in. */
static enum ring_found peek_at(uint64_t at, struct ring_entry entry, size_t size)
{
	struct ring_entry found;

	ring_at(at);
	memcpy(data + at % SIZE, &entry, sizeof(entry));
	atomic_store(&control.delivered.end, at + size);
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	return ring_peek(&reader, &found);
}

START_TEST(an_entry_longer_than_what_was_put_in)
{
	struct ring_entry entry = {.kind = RING_MESSAGE, .length = 8};

	ck_assert_int_eq(peek_at(0, entry, 16), RING_FOUND_ENTRY);
	ck_assert_int_eq(peek_at(0, entry, 8), RING_FOUND_NONSENSE);
	entry.length = UINT32_MAX;
	ck_assert_int_eq(peek_at(0, entry, SIZE), RING_FOUND_NONSENSE);
}
END_TEST

/* Who sleeps before it sleeps on, and finds it with the next one. */
START_TEST(an_untold_entry_wakes_nobody)
{
	struct ring_entry *entry, found;

	ring_at(0);
	atomic_store(&control.delivery_taken.asleep_at, reader.at + 1);
	entry = ring_reserve(&writer, 8);
	*entry = (struct ring_entry){.kind = RING_GROUP};
	ring_put_untold(&writer, 8);
	ck_assert(!ring_must_ring(&writer, &control.delivered.end, &control.delivery_taken.asleep_at));
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &found), RING_FOUND_NOTHING);
	ck_assert(put(8, 'a'));
	ck_assert(ring_must_ring(&writer, &control.delivered.end, &control.delivery_taken.asleep_at));
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &found), RING_FOUND_ENTRY);
	ck_assert_uint_eq(found.kind, RING_GROUP);
	ring_next(&reader, &found);
	must_take(8, 'a');
	must_be_empty();
}
END_TEST

START_TEST(an_entry_without_its_spare_bytes)
{
	struct ring_entry found;

	ring_at(0);
	writer.spare = 8;
	ck_assert(put(8, 'a'));
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	reader.spare = 8;
	ck_assert_int_eq(ring_peek(&reader, &found), RING_FOUND_ENTRY);
	reader.spare = 16;
	ck_assert_int_eq(ring_peek(&reader, &found), RING_FOUND_NONSENSE);
}
END_TEST

/* Whoever writes there harms nobody, wherever in the ring that is. */
START_TEST(spare_bytes_are_nobodys)
{
	unsigned int i;

	ring_at(0);
	writer.spare = reader.spare = 8;
	for (i = 0; i < 3 * SIZE / 24; i++) {
		uint64_t at;

		ck_assert(put(8, 'a'));
		ck_assert(put(i % 16, 'b'));
		at = reader.at;
		must_take(8, 'a');
		memset(data + (reader.at - 8) % SIZE, 0xff, 8);
		ck_assert_uint_ge(reader.at - at, 24);
		must_take(i % 16, 'b');
		must_be_empty();
	}
}
END_TEST

START_TEST(an_entry_that_reaches_over_the_end)
{
	struct ring_entry entry = {.kind = RING_MESSAGE, .length = 8};

	ck_assert_int_eq(peek_at(SIZE - 16, entry, SIZE), RING_FOUND_ENTRY);
	ck_assert_int_eq(peek_at(SIZE - 8, entry, SIZE), RING_FOUND_NONSENSE);
}
END_TEST

START_TEST(a_skip_that_does_not_reach_the_end)
{
	struct ring_entry entry = {.kind = RING_SKIP, .length = 8};

	ck_assert_int_eq(peek_at(SIZE - 32, entry, 32), RING_FOUND_NONSENSE);
	ck_assert_int_eq(peek_at(SIZE - 16, entry, 16), RING_FOUND_NOTHING);
}
END_TEST

/* As much of it as can be: it is passed once, and no further than to the writer's position. */
START_TEST(a_ring_of_skips)
{
	struct ring_entry entry = {.kind = RING_SKIP, .length = SIZE - 8};

	ck_assert_int_eq(peek_at(SIZE, entry, SIZE), RING_FOUND_NOTHING);
	ck_assert_uint_eq(reader.at, 2 * SIZE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sizes_are_multiples_of_8,
		rest_up_to_the_end_of_the_data,
		an_empty_ring,
		entries_come_in_order,
		an_entry_that_ends_with_the_data,
		an_entry_that_would_reach_over_the_end,
		a_skip_of_its_head_alone,
		exactly_full,
		one_entry_as_large_as_the_ring,
		no_room_behind_a_skip,
		what_is_reserved_does_not_count_yet,
		a_large_entry_in_an_empty_ring,
		a_smaller_entry_in_an_empty_ring,
		a_large_entry_behind_others,
		a_large_entry_behind_an_untold_one,
		a_reader_that_took_what_is_not_there,
		a_writer_that_put_in_more_than_fits,
		an_entry_longer_than_what_was_put_in,
		an_untold_entry_wakes_nobody,
		an_entry_without_its_spare_bytes,
		spare_bytes_are_nobodys,
		an_entry_that_reaches_over_the_end,
		a_skip_that_does_not_reach_the_end,
		a_ring_of_skips,
	};

	return RUN_TESTS("rings between engine and library", tests);
}
