/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of include/cpg_ring.h share: a small ring, whose both sides are in one thread. */
#ifndef RING_FIXTURE_H
#define RING_FIXTURE_H

#include <check.h>

#include "cpg_ring.h"
#include "cpg_segment.h"

#define SIZE 64u

/* The ring and the words of one in a control segment. */
extern uint8_t data[SIZE];
extern struct segment_control control;
extern struct ring_writer writer;
extern struct ring_reader reader;

/* Both sides at position `at`, nothing between them. */
void ring_at(uint64_t at);
/* Its body is `length` times this letter. False: there was no room. */
bool put(size_t length, char letter);
/* A large one, of 24 bytes with its head. Nothing lies before it that is not read. */
void put_large(char letter);
void must_take(size_t length, char letter);
void must_be_empty(void);

#endif
