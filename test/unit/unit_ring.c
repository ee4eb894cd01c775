/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings of include/cpg_ring.h, one thread: every way that an entry can lie, and every step of the doorbells. */
#include <string.h>

#include "cpg_ring.h"
#include "cpg_segment.h"
#include "test/unit/run_suite.h"

#define SIZE 64u

/* A small ring and the words of one in a control segment. */
static uint8_t data[SIZE] __attribute__((aligned(8)));
static struct segment_control control;
static struct ring_writer writer;
static struct ring_reader reader;

/* Both sides at position `at`, nothing between them. */
static void ring_at(uint64_t at)
{
	memset(data, 0xee, sizeof(data));
	memset(&control, 0, sizeof(control));
	atomic_store(&control.delivered.end, at);
	atomic_store(&control.delivery_taken.end, at);
	writer = (struct ring_writer){.data = data, .size = SIZE, .end = at, .put = at, .taken = at};
	reader = (struct ring_reader){.data = data, .size = SIZE, .at = at, .end = at};
}

/* Its body is `length` times this letter. False: there was no room. */
static bool put(size_t length, char letter)
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

static void must_take(size_t length, char letter)
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

static void must_be_empty(void)
{
	struct ring_entry entry;

	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &entry), RING_FOUND_NOTHING);
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end));
	ck_assert_uint_eq(ring_used(&writer), 0);
}

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

/* A large one, of 24 bytes with its head. Nothing lies before it that is not read. */
static void put_large(char letter)
{
	writer.large = 24;
	ck_assert(put(16, letter));
}

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

/* ---- the submission ring's doorbell ---- */

static bool must_wake(void)
{
	return ring_must_wake(&writer, &control.delivered.end, &control.submission_taken.asleep);
}

static bool may_sleep(void)
{
	return ring_may_sleep(&reader, &control.delivered.end, &control.submission_taken.asleep);
}

START_TEST(nobody_wakes_who_is_awake)
{
	ring_at(0);
	ck_assert(put(1, 'a') && !must_wake());
	ck_assert_uint_eq(atomic_load(&control.delivered.end), 16);
}
END_TEST

START_TEST(who_sleeps_is_woken_once)
{
	ring_at(0);
	ck_assert(may_sleep());
	ck_assert_uint_eq(atomic_load(&control.submission_taken.asleep), 1);
	ck_assert(put(1, 'a') && must_wake());
	ck_assert_uint_eq(atomic_load(&control.submission_taken.asleep), 0);
	ck_assert(put(1, 'b') && !must_wake());
}
END_TEST

START_TEST(nobody_sleeps_while_something_is_there)
{
	ring_at(0);
	ck_assert(put(1, 'a') && !must_wake());
	ck_assert(!may_sleep());
	ck_assert_uint_eq(atomic_load(&control.submission_taken.asleep), 0);
	ck_assert(put(1, 'b') && !must_wake());
}
END_TEST

/* ---- the delivery ring's doorbells ---- */

static struct ring_bells bells;

static void bells_at_the_beginning(void)
{
	ring_at(0);
	atomic_store(&control.delivery_taken.asleep_at, RING_ASLEEP_INITIAL);
	bells = RING_BELLS_INITIAL;
}

static bool must_ring(void)
{
	return ring_must_ring(&writer, &control.delivered.end, &control.delivery_taken.asleep_at);
}

/* Looks, and goes past `count` entries: that many and no more are there. */
static void must_see(unsigned int count)
{
	struct ring_entry entry;

	ck_assert(ring_look(&reader, &control.delivered.end, &control.delivery_taken.asleep_at, &bells));
	while (ring_peek(&reader, &entry) == RING_FOUND_ENTRY) {
		ring_next(&reader, &entry);
		ck_assert_uint_ge(count--, 1);
	}
	ck_assert_uint_eq(count, 0);
	ring_take(&reader, &control.delivery_taken.end);
}

static uint32_t answer(void)
{
	return ring_answer(&reader, &control.delivered.end, &control.delivery_taken.asleep_at, &bells);
}

/* That many are due, and all of them come. */
static void must_answer(uint32_t count)
{
	ck_assert_uint_eq(answer(), count);
	bells.due -= count;
}

START_TEST(one_doorbell_until_the_ring_is_empty)
{
	bells_at_the_beginning();
	must_see(0);
	must_answer(0);
	ck_assert(put(1, 'a') && must_ring());
	ck_assert(put(1, 'b') && !must_ring());
	must_see(2);
	ck_assert(put(1, 'c') && !must_ring());
	must_see(1);
	must_answer(1);
	must_see(0);
	must_answer(0);
	ck_assert(put(1, 'd') && must_ring());
	must_see(1);
	must_answer(1);
}
END_TEST

START_TEST(a_doorbell_that_does_not_come_stays_due)
{
	bells_at_the_beginning();
	ck_assert(put(1, 'a') && must_ring());
	must_see(1);
	ck_assert_uint_eq(answer(), 1);
	must_see(0);
	must_answer(1);
	must_answer(0);
}
END_TEST

/* Otherwise it could be taken before its doorbell is sent. */
START_TEST(who_sleeps_sees_nothing_before_it_is_announced)
{
	bells_at_the_beginning();
	ck_assert(put(1, 'a'));
	must_see(0);
	must_answer(0);
	ck_assert(must_ring());
	must_see(1);
	must_answer(1);
}
END_TEST

/* It was taken with the doorbell of one before, and the reader sleeps behind it. */
START_TEST(what_was_taken_is_not_announced)
{
	bells_at_the_beginning();
	ck_assert(put(1, 'a') && must_ring());
	must_see(1);
	ck_assert(put(1, 'b'));
	must_see(1);
	must_answer(1);
	ck_assert(!must_ring());
	ck_assert(put(1, 'c') && must_ring());
}
END_TEST

/* The writer's next entry comes between the reader's last look and its answer. */
START_TEST(a_doorbell_stays_while_something_is_there)
{
	bells_at_the_beginning();
	ck_assert(put(1, 'a') && must_ring());
	must_see(1);
	ck_assert(put(1, 'b') && !must_ring());
	must_answer(0);
	ck_assert_uint_eq(bells.due, 1);
	ck_assert(put(1, 'c') && !must_ring());
	must_see(2);
	must_answer(1);
	ck_assert(put(1, 'd') && must_ring());
}
END_TEST

/* ---- the delivery ring's other doorbell ---- */

static bool must_wait(void)
{
	return ring_must_wait(&writer, &control.delivery_taken.end, &control.delivered.more);
}

/* The reader goes past the next entry. True: it has to ring. */
static bool take_waking(void)
{
	struct ring_entry entry;

	ck_assert(ring_reader_look(&reader, &control.delivered.end));
	ck_assert_int_eq(ring_peek(&reader, &entry), RING_FOUND_ENTRY);
	ring_next(&reader, &entry);
	return ring_take_waking(&reader, &control.delivery_taken.end, &control.delivered.more);
}

START_TEST(who_waits_for_room_is_woken_when_half_is_free)
{
	ring_at(0);
	ck_assert(put(8, 'a') && put(8, 'b') && put(8, 'c') && put(8, 'd'));
	ck_assert(!put(8, 'e') && must_wait());
	ck_assert(!take_waking());
	ck_assert_uint_eq(atomic_load(&control.delivery_taken.end), 16);
	ck_assert(take_waking());
	ck_assert_uint_eq(atomic_load(&control.delivered.more), 0);
	ck_assert(!take_waking());
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end) && put(24, 'e'));
}
END_TEST

START_TEST(nobody_waits_while_there_is_room)
{
	ring_at(0);
	ck_assert(put(56, 'a') && !put(8, 'b'));
	ck_assert(!take_waking());
	ck_assert(!must_wait());
	ck_assert_uint_eq(atomic_load(&control.delivered.more), 0);
	ck_assert(ring_writer_look(&writer, &control.delivery_taken.end) && put(8, 'b'));
}
END_TEST

/* What a library may send is never without room, wherever the ring's end is. */
START_TEST(below_the_limit_the_largest_message_fits)
{
	static uint8_t large[SUBMISSION_RING_SIZE] __attribute__((aligned(8)));
	uint64_t end;

	for (end = 0; end < SUBMISSION_RING_SIZE; end += RING_ALIGN) {
		struct ring_writer full = {.data = large,
					   .size = sizeof(large),
					   .end = SUBMISSION_RING_SIZE + end,
					   .taken = SUBMISSION_RING_SIZE + end -
						    SUBMISSION_RING_LIMIT(SUBMISSION_RING_SIZE)};

		ck_assert_ptr_nonnull(ring_reserve(&full, ring_entry_size(SUBMISSION_MESSAGE_MAX)));
	}
}
END_TEST

/* ---- larger places ---- */

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
		nobody_wakes_who_is_awake,
		who_sleeps_is_woken_once,
		nobody_sleeps_while_something_is_there,
		one_doorbell_until_the_ring_is_empty,
		a_doorbell_that_does_not_come_stays_due,
		who_sleeps_sees_nothing_before_it_is_announced,
		what_was_taken_is_not_announced,
		a_doorbell_stays_while_something_is_there,
		who_waits_for_room_is_woken_when_half_is_free,
		nobody_waits_while_there_is_room,
		below_the_limit_the_largest_message_fits,
		a_ring_that_moves,
		a_ring_that_moves_twice,
		a_full_ring_that_moves,
		a_large_entry_in_a_ring_that_moved,
		nothing_to_move_to,
		moves_that_can_not_be,
	};
	TCase *tcase = tcase_create("ring");
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tcase_add_test(tcase, tests[i]);
	}
	return run_case("rings between engine and library", tcase);
}
