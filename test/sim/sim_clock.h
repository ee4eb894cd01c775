/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One virtual clock and one seeded source of chance for everything that a simulation does. Nothing else in test/sim
 * may ask for time or randomness: that is what makes a seed replay.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_US 1000ull
#define SIM_MS (1000ull * SIM_US)
#define SIM_S (1000ull * SIM_MS)

typedef void (*sim_event_fn)(void *context, uint64_t argument);

struct sim_event {
	uint64_t when;
	uint64_t number; /* events of one instant happen in the order they were asked for */
	sim_event_fn fn;
	void *context;
	uint64_t argument;
};

struct sim_clock {
	uint64_t now; /* ns */
	uint64_t next_number;
	uint64_t random_state;
	struct sim_event *heap;
	size_t count, capacity;
	FILE *trace; /* NULL: none */
};

void sim_clock_init(struct sim_clock *clock, uint64_t seed);
void sim_clock_free(struct sim_clock *clock);

/* Calls fn(context, argument) after `delay` ns. */
void sim_after(struct sim_clock *clock, uint64_t delay, sim_event_fn fn, void *context, uint64_t argument);

/* Makes the next thing happen. False: nothing is left. */
bool sim_step(struct sim_clock *clock);

uint64_t sim_random(struct sim_clock *clock);
/* 0 .. bound - 1 */
uint64_t sim_below(struct sim_clock *clock, uint64_t bound);
/* from .. to, both included */
uint64_t sim_between(struct sim_clock *clock, uint64_t from, uint64_t to);
bool sim_percent(struct sim_clock *clock, unsigned int percent);

/* A line of the readable trace. */
void sim_trace(const struct sim_clock *clock, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Allocation of the test's own: ends the program when there is no memory. */
void *sim_alloc(size_t size);
void *sim_grow(void *array, size_t *capacity, size_t needed, size_t element);

#endif
