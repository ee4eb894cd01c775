/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings of include/cpg_ring.h that go on in a larger place. */
#include <string.h>

#include "test/unit/ring_fixture.h"
#include "test/unit/run_suite.h"

static uint8_t more[4 * SIZE] __attribute__((aligned(8)));
static uint8_t most[16 * SIZE] __attribute__((aligned(8)));

static void ring_with_more_at(uint64_t at)
{
	ring_at(at);
	memset(more, 0xee, sizeof(more));
	writer.larger = reader.larger = (struct ring_places){{{more, sizeof(more)}}};
}

static void ring_with_most_at(uint64_t at)
{
	ring_with_more_at(at);
	memset(most, 0xee, sizeof(most));
	writer.larger.next[1] = reader.larger.next[1] = (struct ring_place){most, sizeof(most)};
}

/* Wherever it is: what was put in before is read where it was, and what follows at its position in the larger place. */
START_TEST(a_ring_that_moves)
{
	uint64_t at;

	for (at = 0; at < 8 * SIZE; at += RING_ALIGN) {
		ring_with_more_at(at);
		ck_assert(put(8, 'a') && put(3, 'b'));
		ck_assert(ring_move(&writer));
		ck_assert(!ring_move(&writer));
		ck_assert(put(60, 'c') && put(30, 'd'));
		must_take(8, 'a');
		must_take(3, 'b');
		must_take(60, 'c');
		must_take(30, 'd');
		ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
		ck_assert(put(100, 'e')); /* now and then behind a skip */
		must_take(100, 'e');
		must_be_empty();
		ck_assert_ptr_eq(reader.data, more);
		ck_assert_uint_eq(reader.size, sizeof(more));
	}
}
END_TEST

static void move_twice(uint64_t at, bool used)
{
	ring_with_most_at(at);
	ck_assert(put(8, 'a'));
	ck_assert(ring_move(&writer));
	ck_assert(!used || put(60, 'b'));
	ck_assert(ring_move(&writer));
	ck_assert(!ring_move(&writer));
	ck_assert(put(100, 'c') && put(400, 'd'));
	must_take(8, 'a');
	if (used) {
		must_take(60, 'b');
	}
	must_take(100, 'c');
	must_take(400, 'd');
	must_be_empty();
	ck_assert_ptr_eq(reader.data, most);
	ck_assert_uint_eq(reader.size, sizeof(most));
}

/* Whether the place between was used or not. */
START_TEST(a_ring_that_moves_twice)
{
	uint64_t at;

	for (at = 0; at < 32 * SIZE; at += RING_ALIGN) {
		move_twice(at, false);
		move_twice(at, true);
	}
}
END_TEST

/* What is not read yet counts against the room there, too. */
START_TEST(a_full_ring_that_moves)
{
	ring_with_more_at(0);
	ck_assert(put(48, 'a'));
	ck_assert(ring_move(&writer)); /* 8 bytes, the last ones */
	ck_assert(put(64, 'b') && put(104, 'c'));
	ck_assert(!put(8, 'd'));
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	must_take(48, 'a');
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	ck_assert(put(40, 'd'));
	must_take(64, 'b');
	must_take(104, 'c');
	must_take(40, 'd');
	must_be_empty();
}
END_TEST

/* It begins at the beginning of the larger place, if it can. */
START_TEST(a_large_entry_in_a_ring_that_moved)
{
	uint64_t at;

	for (at = 0; at < 8 * SIZE; at += RING_ALIGN) {
		size_t behind = (at + sizeof(struct ring_entry)) % sizeof(more);

		ring_with_more_at(at);
		ck_assert(ring_move(&writer));
		put_large('a');
		ck_assert_int_eq(more[(behind < 32 ? behind : 0) + sizeof(struct ring_entry)], 'a');
		must_take(16, 'a');
		must_be_empty();
	}
}
END_TEST

START_TEST(nothing_to_move_to)
{
	ring_at(0);
	ck_assert(!ring_move(&writer));
	ring_with_more_at(0);
	ck_assert(put(56, 'a'));
	ck_assert(!ring_move(&writer)); /* no room to say so */
	must_take(56, 'a');
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	ck_assert(ring_move(&writer));
}
END_TEST

static void check_lying_move(bool has_more, uint32_t length)
{
	struct ring_entry entry;

	ring_with_more_at(0);
	ck_assert(put(8, 'x'));
	*(struct ring_entry *)data = (struct ring_entry){.kind = RING_MOVED, .length = length};
	if (!has_more) {
		reader.larger = (struct ring_places){0};
	}
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &entry), RING_FOUND_NONSENSE);
}

START_TEST(moves_that_can_not_be)
{
	check_lying_move(false, 0);
	check_lying_move(true, 1);
	check_lying_move(true, 8);
	ring_with_more_at(0);
	atomic_store(&control.delivered.end, sizeof(more)); /* it may have moved */
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	atomic_store(&control.delivered.end, sizeof(more) + 8);
	ck_assert(!ring_reader_look(&reader, &control.delivered.end));
	ring_with_most_at(0);
	atomic_store(&control.delivered.end, sizeof(most)); /* or twice */
	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	atomic_store(&control.delivered.end, sizeof(most) + 8);
	ck_assert(!ring_reader_look(&reader, &control.delivered.end));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_ring_that_moves,	a_ring_that_moves_twice,
		a_full_ring_that_moves, a_large_entry_in_a_ring_that_moved,
		nothing_to_move_to,	moves_that_can_not_be,
	};

	return RUN_TESTS("rings: larger places", tests);
}
