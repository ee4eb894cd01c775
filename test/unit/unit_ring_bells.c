/* SPDX-License-Identifier: BSD-3-Clause */
/* Every step of the doorbells of include/cpg_ring.h, in one thread. */
#include <string.h>

#include "test/unit/ring_fixture.h"
#include "test/unit/run_suite.h"

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

int main(void)
{
	const TTest *const tests[] = {
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
	};

	return RUN_TESTS("rings: doorbells", tests);
}
