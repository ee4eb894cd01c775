/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings between two threads: every entry comes, whole and in order, and nobody sleeps while there is something for
 * him to do. Entries of random sizes, bursts and pauses; nobody is ever woken by time.
 *
 * Needs nothing but libc, so that it can be built for other machines and with other tools:
 * unit_ring_tsan.sh, unit_ring_arm64.sh. RING_ENTRIES: how many travel in each round.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpg_ring.h"
#include "cpg_segment.h"

#define ENTRIES_DEFAULT 500000ull
#define LARGER 4 /* that many times as large is the place that a ring moves to */
#define PATIENCE_MS                                                                                          \
	10000 /* without a step of the other side: then it is looked whether there was one to wait for */

/* What travels is a function of its state: each side has one, and both the same. */
struct source {
	uint64_t state;
};

struct stress {
	struct segment_control *control;
	uint8_t *data;
	size_t size;
	struct ring_places larger; /* the writer moves on after each third */
	size_t longest;		   /* body, bytes */
	uint64_t entries;
	int bell[2];	  /* to the reader */
	int room_bell[2]; /* to a writer that waits for room */
	_Atomic(const char *) failure;
	uint64_t rings, sleeps, waits; /* how often, to see that all of it happens */
	uint64_t begun;		       /* large entries at the beginning */
};

static void fail(struct stress *stress, const char *what)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&stress->failure, &none, what);
}

static bool failed(const struct stress *stress)
{
	return atomic_load(&stress->failure) != NULL;
}

/* ---- chance ---- */

static uint64_t draw(struct source *source)
{
	source->state ^= source->state << 13;
	source->state ^= source->state >> 7;
	source->state ^= source->state << 17;
	return source->state;
}

static uint64_t below(struct source *source, uint64_t bound)
{
	return draw(source) % bound;
}

/* Mostly none; sometimes so long that the other side finds nothing more to do. */
static void take_a_while(struct source *dice)
{
	volatile unsigned int turns;

	switch (below(dice, 16)) {
	case 0:
		sched_yield();
		break;
	case 1:
	case 2:
		for (turns = (unsigned int)(1u << below(dice, 14)); turns > 0; turns--) {
		}
		break;
	}
}

static size_t draw_length(struct source *source, size_t longest)
{
	return below(source, 64) == 0 ? below(source, longest + 1)
				      : below(source, 100 < longest ? 100 : longest);
}

/* ---- entries ---- */

static void fill(struct source *source, struct ring_entry *entry, size_t length)
{
	uint8_t *body = (uint8_t *)(entry + 1);
	size_t at, part;

	*entry = (struct ring_entry){.kind = RING_MESSAGE, .length = (uint32_t)length};
	for (at = 0; at < length; at += part) {
		uint64_t word = draw(source);

		part = length - at < sizeof(word) ? length - at : sizeof(word);
		memcpy(body + at, &word, part);
	}
}

static bool is_next(struct source *source, const struct ring_entry *entry, const uint8_t *body,
		    size_t longest)
{
	size_t length = draw_length(source, longest), at, part;

	if (entry->kind != RING_MESSAGE || entry->length != length) {
		return false;
	}
	for (at = 0; at < length; at += part) {
		uint64_t word = draw(source);

		part = length - at < sizeof(word) ? length - at : sizeof(word);
		if (memcmp(body + at, &word, part) != 0) {
			return false;
		}
	}
	return true;
}

/* ---- doorbells ---- */

static void ring_bell(struct stress *stress, int fd)
{
	char byte = 0;

	if (write(fd, &byte, 1) != 1) {
		fail(stress, "a doorbell could not be sent");
	}
}

static bool take_bell(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

static bool is_readable(int fd, int patience)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, patience) == 1;
}

/* Sleeps until `fd` is readable. `word` was `seen`: has it changed, and stood still since, then nobody is going to ring. */
static void sleep_until(struct stress *stress, int fd, const _Atomic uint64_t *word, uint64_t seen)
{
	uint64_t last = seen;

	while (!is_readable(fd, PATIENCE_MS) && !failed(stress)) {
		uint64_t now = atomic_load(word);

		if (now != seen && now == last) {
			fail(stress, "somebody sleeps while there is something to do");
		}
		last = now;
	}
}

/* ---- submission: the reader sleeps, and is woken ---- */

static struct ring_entry *reserve_below_limit(struct stress *stress, struct ring_writer *ring, size_t size)
{
	size_t limit = stress->size - 2 * (stress->longest + 2 * RING_ALIGN);
	struct ring_entry *entry;

	while (ring_used(ring) > limit) {
		sched_yield();
		if (!ring_writer_look(ring, &stress->control->submission_taken.end)) {
			fail(stress, "the reader took what was not there");
		}
		if (failed(stress)) {
			return NULL;
		}
	}
	entry = ring_reserve(ring, size);
	if (entry == NULL) {
		fail(stress, "no room below the limit");
	}
	return entry;
}

/* Twice, each as soon as there is room for that. */
static void move_when_due(const struct stress *stress, struct ring_writer *ring, uint64_t left)
{
	bool first = ring->data == stress->data;

	if (left <= stress->entries * (first ? 2 : 1) / 3) {
		(void)ring_move(ring);
	}
}

static void *submit(void *context)
{
	struct stress *stress = context;
	struct segment_control *control = stress->control;
	struct ring_writer ring = {.data = stress->data, .size = stress->size, .larger = stress->larger};
	struct source source = {.state = 1}, dice = {.state = 2};
	uint64_t left = stress->entries, burst;

	while (left > 0 && !failed(stress)) {
		for (burst = below(&dice, 8) + 1; burst > 0 && left > 0; burst--, left--) {
			size_t length = draw_length(&source, stress->longest);
			size_t size = ring_entry_size(length);
			struct ring_entry *entry;

			move_when_due(stress, &ring, left);
			entry = reserve_below_limit(stress, &ring, size);
			if (entry == NULL) {
				return NULL;
			}
			fill(&source, entry, length);
			ring_put(&ring, size, &control->submitted.end);
			if (ring_must_wake(&ring, &control->submitted.end,
					   &control->submission_taken.asleep)) {
				stress->rings++;
				ring_bell(stress, stress->bell[1]);
			}
		}
		take_a_while(&dice);
	}
	return NULL;
}

/* All that is there now. False: it is nonsense. */
static bool take_submissions(struct stress *stress, struct ring_reader *ring, struct source *source,
			     uint64_t *left)
{
	struct ring_entry entry;
	enum ring_found found;

	if (!ring_reader_look(ring, &stress->control->submitted.end)) {
		return false;
	}
	while ((found = ring_peek(ring, &entry)) == RING_FOUND_ENTRY) {
		if (!is_next(source, &entry, ring_body(ring), stress->longest)) {
			return false;
		}
		ring_next(ring, &entry);
		ring_take(ring, &stress->control->submission_taken.end);
		(*left)--;
	}
	return found == RING_FOUND_NOTHING;
}

static void *take_and_sleep(void *context)
{
	struct stress *stress = context;
	struct segment_control *control = stress->control;
	struct ring_reader ring = {.data = stress->data, .size = stress->size, .larger = stress->larger};
	struct source source = {.state = 1}, dice = {.state = 3};
	uint64_t left = stress->entries;

	while (left > 0 && !failed(stress)) {
		if (!take_submissions(stress, &ring, &source, &left)) {
			fail(stress, "what comes is not what was submitted");
		}
		take_a_while(&dice);
		if (left > 0 &&
		    ring_may_sleep(&ring, &control->submitted.end, &control->submission_taken.asleep)) {
			stress->sleeps++;
			sleep_until(stress, stress->bell[0], &control->submitted.end, ring.at);
			while (take_bell(stress->bell[0])) {
			}
		}
	}
	return NULL;
}

/* ---- delivery: the doorbell stays until the ring is empty, and the writer waits for room ---- */

static void ring_when_needed(struct stress *stress, const struct ring_writer *ring)
{
	struct segment_control *control = stress->control;

	if (ring_must_ring(ring, &control->delivered.end, &control->delivery_taken.asleep_at)) {
		stress->rings++;
		ring_bell(stress, stress->bell[1]);
	}
}

static void look_at_reader(struct stress *stress, struct ring_writer *ring)
{
	if (!ring_writer_look(ring, &stress->control->delivery_taken.end)) {
		fail(stress, "the reader took what was not there");
	}
}

static struct ring_entry *reserve_or_wait(struct stress *stress, struct ring_writer *ring, size_t size)
{
	struct segment_control *control = stress->control;
	bool large = ring_is_large(ring, size);
	struct ring_entry *entry;

	if (large) {
		look_at_reader(stress, ring);
	}
	while ((entry = ring_reserve(ring, size)) == NULL && !failed(stress)) {
		ring_when_needed(stress, ring);
		if (ring_must_wait(ring, &control->delivery_taken.end, &control->delivered.more)) {
			stress->waits++;
			sleep_until(stress, stress->room_bell[0], &control->delivery_taken.end, ring->taken);
			while (take_bell(stress->room_bell[0])) {
			}
		}
		look_at_reader(stress, ring);
	}
	stress->begun += large && entry == (void *)ring->data;
	return entry;
}

static void *deliver(void *context)
{
	struct stress *stress = context;
	struct ring_writer ring = {.data = stress->data,
				   .size = stress->size,
				   .spare = DELIVERY_SPARE,
				   .large = stress->longest / 2,
				   .larger = stress->larger};
	struct source source = {.state = 1}, dice = {.state = 2};
	uint64_t left = stress->entries, burst;

	while (left > 0 && !failed(stress)) {
		for (burst = below(&dice, 8) + 1; burst > 0 && left > 0; burst--, left--) {
			size_t length = draw_length(&source, stress->longest);
			size_t size = ring_entry_size(length);
			struct ring_entry *entry;

			move_when_due(stress, &ring, left);
			entry = reserve_or_wait(stress, &ring, size);
			if (entry == NULL) {
				return NULL;
			}
			fill(&source, entry, length);
			ring_put(&ring, size, &stress->control->delivered.end);
		}
		take_a_while(&dice); /* they may be seen before they are announced */
		ring_when_needed(stress, &ring);
		take_a_while(&dice);
	}
	return NULL;
}

/* All that is there now. False: it is nonsense. */
static bool take_deliveries(struct stress *stress, struct ring_reader *ring, struct ring_bells *bells,
			    struct source *source, uint64_t *left)
{
	struct segment_control *control = stress->control;
	struct ring_entry entry;
	enum ring_found found;

	if (!ring_look(ring, &control->delivered.end, &control->delivery_taken.asleep_at, bells)) {
		return false;
	}
	while ((found = ring_peek(ring, &entry)) == RING_FOUND_ENTRY) {
		if (!is_next(source, &entry, ring_body(ring), stress->longest)) {
			return false;
		}
		ring_next(ring, &entry);
		if (ring_take_waking(ring, &control->delivery_taken.end, &control->delivered.more)) {
			ring_bell(stress, stress->room_bell[1]);
		}
		(*left)--;
	}
	return found == RING_FOUND_NOTHING;
}

static void answer(struct stress *stress, const struct ring_reader *ring, struct ring_bells *bells)
{
	struct segment_control *control = stress->control;
	uint32_t count =
		ring_answer(ring, &control->delivered.end, &control->delivery_taken.asleep_at, bells);

	if (bells->due > 2) {
		fail(stress, "doorbells pile up");
	}
	for (; count > 0 && !failed(stress); count--, bells->due--) {
		/* it may be just being sent */
		if (!is_readable(stress->bell[0], PATIENCE_MS) || !take_bell(stress->bell[0])) {
			fail(stress, "a doorbell was counted and not sent");
		}
	}
	if (!bells->asleep && !is_readable(stress->bell[0], PATIENCE_MS)) {
		fail(stress, "something is in the ring, and the descriptor is not readable");
	}
}

/* Nothing is there; the doorbells are answered. */
static void sleep_for_deliveries(struct stress *stress, const struct ring_reader *ring)
{
	const _Atomic uint64_t *end = &stress->control->delivered.end;

	stress->sleeps++;
	sleep_until(stress, stress->bell[0], end, ring->at);
	if (atomic_load(end) == ring->at && !failed(stress)) {
		fail(stress, "the descriptor is readable, and there is nothing to read");
	}
}

static void *take_and_answer(void *context)
{
	struct stress *stress = context;
	struct ring_reader ring = {.data = stress->data,
				   .size = stress->size,
				   .spare = DELIVERY_SPARE,
				   .larger = stress->larger};
	struct ring_bells bells = RING_BELLS_INITIAL;
	struct source source = {.state = 1}, dice = {.state = 3};
	uint64_t left = stress->entries;

	while (left > 0 && !failed(stress)) {
		if (!take_deliveries(stress, &ring, &bells, &source, &left)) {
			fail(stress, "what comes is not what was delivered");
		}
		take_a_while(&dice);
		answer(stress, &ring, &bells);
		/* who does not sleep only looks in now and then */
		if (left > 0 && bells.asleep && below(&dice, 2)) {
			sleep_for_deliveries(stress, &ring);
		}
	}
	if (is_readable(stress->bell[0], 0)) {
		fail(stress, "a doorbell is left over");
	}
	if (ring.larger.next[0].data) {
		fail(stress, "the ring did not move twice");
	}
	return NULL;
}

/* ---- rounds ---- */

struct round {
	const char *name;
	void *(*writer)(void *), *(*reader)(void *);
	size_t size, longest;
};

static const struct round rounds[] = {
	{"submission", submit, take_and_sleep, SUBMISSION_RING_SIZE, SUBMISSION_MESSAGE_MAX},
	{"submission, a tiny ring", submit, take_and_sleep, 512, 80},
	{"delivery", deliver, take_and_answer, DELIVERY_RING_SIZE, DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE)},
	{"delivery, a tiny ring", deliver, take_and_answer, 512, 128},
};

static bool open_bells(struct stress *stress)
{
	return pipe(stress->bell) == 0 && pipe(stress->room_bell) == 0 &&
	       fcntl(stress->bell[0], F_SETFL, O_NONBLOCK) == 0 &&
	       fcntl(stress->room_bell[0], F_SETFL, O_NONBLOCK) == 0;
}

static void close_bells(const struct stress *stress)
{
	close(stress->bell[0]);
	close(stress->bell[1]);
	close(stress->room_bell[0]);
	close(stress->room_bell[1]);
}

static void run_threads(const struct round *round, struct stress *stress)
{
	pthread_t writer, reader;

	if (pthread_create(&reader, NULL, round->reader, stress) != 0) {
		fail(stress, "no thread");
		return;
	}
	if (pthread_create(&writer, NULL, round->writer, stress) != 0) {
		fail(stress, "no thread");
	} else {
		pthread_join(writer, NULL);
	}
	pthread_join(reader, NULL);
}

static bool run_round(const struct round *round, uint64_t entries)
{
	static struct segment_control control;
	static uint8_t data[DELIVERY_RING_SIZE] __attribute__((aligned(SEGMENT_CACHE_LINE)));
	static uint8_t large[LARGER * DELIVERY_RING_SIZE] __attribute__((aligned(SEGMENT_CACHE_LINE)));
	static uint8_t huge[LARGER * LARGER * DELIVERY_RING_SIZE]
		__attribute__((aligned(SEGMENT_CACHE_LINE)));
	struct stress stress = {
		.control = &control,
		.data = data,
		.size = round->size,
		.larger = {{{large, LARGER * round->size}, {huge, LARGER * LARGER * round->size}}},
		.longest = round->longest,
		.entries = entries};
	const char *failure;

	memset(&control, 0, sizeof(control));
	control.submission_taken.asleep = 1;
	control.delivery_taken.asleep_at = RING_ASLEEP_INITIAL;
	if (!open_bells(&stress)) {
		perror("pipe");
		return false;
	}
	run_threads(round, &stress);
	failure = atomic_load(&stress.failure);
	printf("%s: %s: %llu entries, %llu doorbells for %llu sleeps, %llu waits for room, %llu begun anew\n",
	       failure ? "FAIL" : "ok", round->name, (unsigned long long)entries,
	       (unsigned long long)stress.rings, (unsigned long long)stress.sleeps,
	       (unsigned long long)stress.waits, (unsigned long long)stress.begun);
	if (failure) {
		printf("      %s\n", failure);
	}
	close_bells(&stress);
	return failure == NULL;
}

int main(void)
{
	const char *entries = getenv("RING_ENTRIES");
	size_t i, bad = 0;

	for (i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		bad += !run_round(&rounds[i], entries ? strtoull(entries, NULL, 10) : ENTRIES_DEFAULT);
	}
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
