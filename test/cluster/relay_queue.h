/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames on their way through cpgrelay: how long each waits, and which one goes next. Knows no clock and no
 * device, so that a test can say what time it is.
 *
 * Frames of one port come out as they went in, whatever the jitter. Some are held: they wait once more as long, and
 * those behind them overtake. All memory is taken at the start; when it is full, what comes is dropped.
 */
#ifndef RELAY_QUEUE_H
#define RELAY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define RELAY_PORTS 64u
#define RELAY_FRAME_MAX 2048u
#define RELAY_FRAMES 16384u

struct relay_weather {
	uint32_t delay_ms;
	uint32_t jitter_ms;    /* on top of the delay, at random */
	uint32_t held_percent; /* of the frames */
};

struct relay_frame {
	uint64_t due;	 /* ns */
	uint64_t number; /* of frames with the same due the lower one goes first */
	uint32_t port;
	uint32_t size;
	uint8_t bytes[RELAY_FRAME_MAX];
};

struct relay_queue {
	struct relay_frame *frames;
	uint32_t *order; /* indices into frames: a heap of those that wait, then those that are free */
	uint32_t waiting;
	uint64_t random;
	uint64_t numbers;
	uint64_t last_due[RELAY_PORTS];
	struct relay_weather weather;
	uint64_t delayed, held;
};

/* Returns 0, or -1 without memory. */
int relay_queue_init(struct relay_queue *queue, uint64_t seed);
void relay_queue_clear(struct relay_queue *queue);

/* A frame for the caller to fill: bytes, size and port; NULL when there is no room. */
struct relay_frame *relay_queue_room(struct relay_queue *queue);

/* Takes in what relay_queue_room() gave last. */
void relay_queue_add(struct relay_queue *queue, uint64_t now);

/* The frame that is due first, or NULL; it stays until relay_queue_remove(). */
const struct relay_frame *relay_queue_first(const struct relay_queue *queue);
void relay_queue_remove(struct relay_queue *queue);

#endif
