/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_clock.h"

#include <stdarg.h>
#include <stdlib.h>

void *sim_alloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (memory == NULL) {
		fputs("simulator: out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *sim_grow(void *array, size_t *capacity, size_t needed, size_t element)
{
	size_t larger = *capacity ? *capacity : 8;

	if (needed <= *capacity) {
		return array;
	}
	while (larger < needed) {
		larger *= 2;
	}
	array = realloc(array, larger * element);
	if (array == NULL) {
		fputs("simulator: out of memory\n", stderr);
		abort();
	}
	*capacity = larger;
	return array;
}

void sim_clock_init(struct sim_clock *clock, uint64_t seed)
{
	*clock = (struct sim_clock){.random_state = seed * 0x9e3779b97f4a7c15ull + 1};
}

void sim_clock_free(struct sim_clock *clock)
{
	free(clock->heap);
	clock->heap = NULL;
	clock->count = clock->capacity = 0;
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->when < b->when || (a->when == b->when && a->number < b->number);
}

static void swap(struct sim_event *a, struct sim_event *b)
{
	struct sim_event other = *a;

	*a = *b;
	*b = other;
}

void sim_after(struct sim_clock *clock, uint64_t delay, sim_event_fn fn, void *context, uint64_t argument)
{
	size_t at = clock->count;

	clock->heap = sim_grow(clock->heap, &clock->capacity, clock->count + 1, sizeof(*clock->heap));
	clock->heap[clock->count++] = (struct sim_event){.when = clock->now + delay,
							 .number = clock->next_number++,
							 .fn = fn,
							 .context = context,
							 .argument = argument};
	while (at > 0 && is_before(&clock->heap[at], &clock->heap[(at - 1) / 2])) {
		swap(&clock->heap[at], &clock->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

static void sink(struct sim_clock *clock)
{
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= clock->count) {
			return;
		}
		if (child + 1 < clock->count && is_before(&clock->heap[child + 1], &clock->heap[child])) {
			child++;
		}
		if (!is_before(&clock->heap[child], &clock->heap[at])) {
			return;
		}
		swap(&clock->heap[child], &clock->heap[at]);
		at = child;
	}
}

bool sim_step(struct sim_clock *clock)
{
	struct sim_event event;

	if (clock->count == 0) {
		return false;
	}
	event = clock->heap[0];
	clock->heap[0] = clock->heap[--clock->count];
	sink(clock);
	clock->now = event.when;
	event.fn(event.context, event.argument);
	return true;
}

/* splitmix64 */
uint64_t sim_random(struct sim_clock *clock)
{
	uint64_t z = (clock->random_state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t sim_below(struct sim_clock *clock, uint64_t bound)
{
	return bound ? sim_random(clock) % bound : 0;
}

uint64_t sim_between(struct sim_clock *clock, uint64_t from, uint64_t to)
{
	return from + sim_below(clock, to - from + 1);
}

bool sim_percent(struct sim_clock *clock, unsigned int percent)
{
	return sim_below(clock, 100) < percent;
}

void sim_trace(const struct sim_clock *clock, const char *format, ...)
{
	va_list arguments;

	if (clock->trace == NULL) {
		return;
	}
	fprintf(clock->trace, "%12.6f  ", (double)clock->now / (double)SIM_S);
	va_start(arguments, format);
	vfprintf(clock->trace, format, arguments);
	va_end(arguments);
	fputc('\n', clock->trace);
}
