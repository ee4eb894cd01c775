/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay_queue.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECOND UINT64_C(1000000)

int relay_queue_init(struct relay_queue *queue, uint64_t seed)
{
	uint32_t i;

	memset(queue, 0, sizeof(*queue));
	queue->random = seed;
	queue->frames = calloc(RELAY_FRAMES, sizeof(*queue->frames));
	queue->order = calloc(RELAY_FRAMES, sizeof(*queue->order));
	if (queue->frames == NULL || queue->order == NULL) {
		relay_queue_clear(queue);
		return -1;
	}
	for (i = 0; i < RELAY_FRAMES; i++)
		queue->order[i] = i;
	return 0;
}

void relay_queue_clear(struct relay_queue *queue)
{
	free(queue->frames);
	free(queue->order);
	queue->frames = NULL;
	queue->order = NULL;
}

/* From 0 to limit - 1: splitmix64. */
static uint64_t roll(struct relay_queue *queue, uint64_t limit)
{
	uint64_t mixed;

	queue->random += UINT64_C(0x9e3779b97f4a7c15);
	mixed = queue->random;
	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (mixed ^ (mixed >> 31)) % limit;
}

/* Also in good weather a frame waits for those before it. */
static uint64_t due_time(struct relay_queue *queue, uint32_t port, uint64_t now)
{
	const struct relay_weather *weather = &queue->weather;
	uint64_t delay = weather->delay_ms * MILLISECOND;

	if (weather->jitter_ms > 0)
		delay += roll(queue, weather->jitter_ms * MILLISECOND);
	queue->delayed += delay > 0;
	if (weather->held_percent > 0 && roll(queue, 100) < weather->held_percent) {
		queue->held++;
		return now + 2 * delay;
	}
	if (queue->last_due[port] < now + delay)
		queue->last_due[port] = now + delay;
	return queue->last_due[port];
}

static bool goes_before(const struct relay_queue *queue, uint32_t a, uint32_t b)
{
	const struct relay_frame *left = &queue->frames[queue->order[a]];
	const struct relay_frame *right = &queue->frames[queue->order[b]];

	if (left->due != right->due)
		return left->due < right->due;
	return left->number < right->number;
}

static void swap(struct relay_queue *queue, uint32_t a, uint32_t b)
{
	uint32_t index = queue->order[a];

	queue->order[a] = queue->order[b];
	queue->order[b] = index;
}

static void rise(struct relay_queue *queue, uint32_t at)
{
	while (at > 0 && goes_before(queue, at, (at - 1) / 2)) {
		swap(queue, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void sink(struct relay_queue *queue, uint32_t at)
{
	uint32_t child;

	while ((child = 2 * at + 1) < queue->waiting) {
		if (child + 1 < queue->waiting && goes_before(queue, child + 1, child))
			child++;
		if (!goes_before(queue, child, at))
			return;
		swap(queue, at, child);
		at = child;
	}
}

struct relay_frame *relay_queue_room(struct relay_queue *queue)
{
	return queue->waiting == RELAY_FRAMES ? NULL : &queue->frames[queue->order[queue->waiting]];
}

void relay_queue_add(struct relay_queue *queue, uint64_t now)
{
	struct relay_frame *frame = &queue->frames[queue->order[queue->waiting]];

	frame->number = queue->numbers++;
	frame->due = due_time(queue, frame->port, now);
	rise(queue, queue->waiting++);
}

const struct relay_frame *relay_queue_first(const struct relay_queue *queue)
{
	return queue->waiting == 0 ? NULL : &queue->frames[queue->order[0]];
}

void relay_queue_remove(struct relay_queue *queue)
{
	swap(queue, 0, --queue->waiting);
	sink(queue, 0);
}
