/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz targets: each reads its input as a story, in the order in which it comes, and plays it against what it is for. With libFuzzer
 * (--enable-fuzzers) the program looks for inputs by itself; otherwise it plays those that it is given (fuzz_replay.c).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* libFuzzer's name for it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* So many allocations of what is fuzzed succeed before one fails; SIZE_MAX: all. Returns how many it was before. */
size_t fuzz_allocations(size_t left);

struct story {
	const uint8_t *at;
	size_t left;
};

static inline bool story_goes_on(const struct story *story)
{
	return story->left > 0;
}

/* Behind its end all is 0. */
static inline void story_read(struct story *story, void *to, size_t size)
{
	size_t there = size < story->left ? size : story->left;

	memset(to, 0, size);
	if (there)
		memcpy(to, story->at, there);
	story->at += there;
	story->left -= there;
}

static inline uint8_t story_byte(struct story *story)
{
	uint8_t byte;

	story_read(story, &byte, sizeof(byte));
	return byte;
}

static inline uint16_t story_short(struct story *story)
{
	uint16_t number;

	story_read(story, &number, sizeof(number));
	return number;
}

static inline uint32_t story_word(struct story *story)
{
	uint32_t word;

	story_read(story, &word, sizeof(word));
	return word;
}

static inline size_t story_less_than(struct story *story, size_t limit)
{
	return story_short(story) % limit;
}

/* Mostly so short that the story gives all that it measures. */
static inline size_t story_length(struct story *story, size_t limit)
{
	uint8_t length = story_byte(story);

	return length < 0xf0 ? length % limit : story_less_than(story, limit);
}

#endif
