/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that an engine and its client have both mapped, each at an address of its own, as they have a segment. Behind its end lies
 * a page that nobody may touch, and so is where the engine's side was before it moved.
 */
#ifndef SEGMENT_VIEWS_H
#define SEGMENT_VIEWS_H

#include <stddef.h>
#include <stdint.h>

struct segment_views;

/* `user_size` zeroed bytes. It costs nothing where it is not used. */
struct segment_views *segment_views_new(size_t user_size);
void segment_views_free(struct segment_views *views);

/* The user data, so far into a cache line as libqb has it. */
uint8_t *segment_views_client(const struct segment_views *views);
uint8_t *segment_views_engine(const struct segment_views *views);

/* From here on the engine's side is somewhere else. */
void segment_views_move(struct segment_views *views);

#endif
