/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The step of each doorbell that may cross the other side's: one changes something and looks whether somebody waits, one
 * waits and looks whether something has changed. Two threads take both at the same moment, millions of times; it must not be that
 * one sleeps and the other one does not ring.
 *
 * Needs nothing but libc, as unit_ring_stress.c does. RING_ENTRIES: how many times for each doorbell.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpg_ring.h"
#include "cpg_segment.h"

#define TRIALS_DEFAULT 2000000ull
#define SIZE 64u

static struct segment_control control;
static uint8_t data[SIZE] __attribute__((aligned(8)));
static struct ring_writer writer;
static struct ring_reader reader;
static struct ring_bells bells;

static _Noreturn void fail(const char *what)
{
	printf("FAIL: %s\n", what);
	exit(EXIT_FAILURE);
}

static void put_one(size_t length, _Atomic uint64_t *end)
{
	struct ring_entry *entry = ring_reserve(&writer, ring_entry_size(length));

	if (entry == NULL) {
		fail("there is no room for one entry");
	}
	*entry = (struct ring_entry){.kind = RING_MESSAGE, .length = (uint32_t)length};
	ring_put(&writer, ring_entry_size(length), end);
}

static void take_one(const _Atomic uint64_t *end)
{
	struct ring_entry entry;

	if (!ring_reader_look(&reader, end) || ring_peek(&reader, &entry) != RING_FOUND_ENTRY) {
		fail("an entry is missing");
	}
	ring_next(&reader, &entry);
}

/* ---- submission: one puts something in, one falls asleep ---- */

static bool submit(void)
{
	put_one(8, &control.submitted.end);
	return ring_must_wake(&writer, &control.submitted.end, &control.submission_taken.asleep);
}

static bool fall_asleep(void)
{
	return ring_may_sleep(&reader, &control.submitted.end, &control.submission_taken.asleep);
}

static void take_submission(void)
{
	if (atomic_load(&control.submission_taken.asleep) != 0) {
		fail("nobody sleeps any more, and it is not said");
	}
	take_one(&control.submitted.end);
	writer.taken = reader.at;
}

/* ---- submission: one puts something in, one will never look again ---- */

static bool look_last(void)
{
	if (!ring_look_last(&reader, &control.submitted.end, &control.submission_taken.asleep)) {
		fail("what the writer says can't be true");
	}
	return reader.end == reader.at;
}

static void take_last(void)
{
	atomic_store(&control.submission_taken.asleep, 0);
	take_one(&control.submitted.end);
	writer.taken = reader.at;
}

/* ---- delivery: one puts something in, one answers the doorbell of what came before ---- */

static bool deliver(void)
{
	put_one(8, &control.delivered.end);
	return ring_must_ring(&writer, &control.delivered.end, &control.delivery_taken.asleep_at);
}

static bool answer(void)
{
	(void)ring_answer(&reader, &control.delivered.end, &control.delivery_taken.asleep_at, &bells);
	return bells.asleep;
}

static void take_delivery(void)
{
	if (atomic_load(&control.delivery_taken.asleep_at) != 0) {
		fail("nobody sleeps any more, and it is not said");
	}
	take_one(&control.delivered.end);
	writer.taken = reader.at;
	bells = (struct ring_bells){.due = 1};
}

/* ---- delivery: one makes room, one waits for it ---- */

static bool make_room(void)
{
	take_one(&control.delivered.end);
	return ring_take_waking(&reader, &control.delivery_taken.end, &control.delivered.more);
}

static bool wait_for_room(void)
{
	return ring_must_wait(&writer, &control.delivery_taken.end, &control.delivered.more);
}

static void fill(void)
{
	if (atomic_load(&control.delivered.more) != 0) {
		fail("nobody waits any more, and it is not said");
	}
	writer.taken = reader.at;
	put_one(SIZE - RING_ALIGN, &control.delivered.end);
}

/* ---- trials ---- */

struct litmus {
	const char *name;
	bool (*change)(void); /* true: it rings */
	bool (*wait)(void);   /* true: it sleeps */
	void (*begin)(void);  /* NULL: with an empty ring */
	void (*again)(void);
};

static const struct litmus litmuses[] = {
	{"submit, and fall asleep", submit, fall_asleep, NULL, take_submission},
	{"submit, and look for the last time", submit, look_last, NULL, take_last},
	{"deliver, and answer", deliver, answer, NULL, take_delivery},
	{"make room, and wait for it", make_room, wait_for_room, fill, fill},
};

struct run {
	const struct litmus *litmus;
	uint64_t trials;
	/* the trials that each of them is ready for, and that one of them is done with */
	_Atomic uint64_t changer, waiter, changed;
	bool rings;
};

/* Spins, so that both leave at once; but the other one may need this processor. */
static void meet(const _Atomic uint64_t *other, uint64_t trial)
{
	unsigned int turns;

	for (turns = 1; atomic_load(other) < trial; turns++) {
		if (turns % 1024 == 0) {
			sched_yield();
		}
	}
}

/* Neither is always the first: they go through all differences that matter. */
static void delay(uint64_t turns)
{
	volatile uint64_t left;

	for (left = turns; left > 0; left--) {
	}
}

static void *change(void *context)
{
	struct run *run = context;
	uint64_t trial;

	for (trial = 1; trial <= run->trials; trial++) {
		atomic_store(&run->changer, trial);
		meet(&run->waiter, trial);
		delay(trial % 61);
		run->rings = run->litmus->change();
		atomic_store(&run->changed, trial);
	}
	return NULL;
}

static bool wait_once(struct run *run, uint64_t trial)
{
	bool sleeps;

	atomic_store(&run->waiter, trial);
	meet(&run->changer, trial);
	delay(trial % 59);
	sleeps = run->litmus->wait();
	meet(&run->changed, trial);
	return sleeps;
}

/* How often which of them saw the other one. */
struct outcomes {
	uint64_t changer, waiter, both;
};

static void wait_always(struct run *run, struct outcomes *outcomes)
{
	uint64_t trial;

	for (trial = 1; trial <= run->trials; trial++) {
		bool sleeps = wait_once(run, trial);

		if (sleeps && !run->rings) {
			fail("one sleeps, and the other one does not ring");
		}
		outcomes->changer += sleeps;
		outcomes->waiter += !run->rings;
		outcomes->both += !sleeps && run->rings;
		run->litmus->again();
	}
}

static void begin(const struct litmus *litmus)
{
	control = (struct segment_control){0};
	writer = (struct ring_writer){.data = data, .size = SIZE};
	reader = (struct ring_reader){.data = data, .size = SIZE};
	bells = (struct ring_bells){.due = 1};
	if (litmus->begin) {
		litmus->begin();
	}
}

static void run_litmus(const struct litmus *litmus, uint64_t trials)
{
	struct run run = {.litmus = litmus, .trials = trials};
	struct outcomes outcomes = {0};
	pthread_t changer;

	begin(litmus);
	if (pthread_create(&changer, NULL, change, &run) != 0) {
		fail("no thread");
	}
	wait_always(&run, &outcomes);
	pthread_join(changer, NULL);
	printf("ok: %s: %llu times; rung by one %llu, seen by the other %llu, both %llu\n", litmus->name,
	       (unsigned long long)trials, (unsigned long long)outcomes.changer,
	       (unsigned long long)outcomes.waiter, (unsigned long long)outcomes.both);
}

int main(void)
{
	const char *trials = getenv("RING_ENTRIES");
	size_t i;

	for (i = 0; i < sizeof(litmuses) / sizeof(litmuses[0]); i++) {
		run_litmus(&litmuses[i], trials ? strtoull(trials, NULL, 10) : TRIALS_DEFAULT);
	}
	return EXIT_SUCCESS;
}
