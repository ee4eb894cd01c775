/* SPDX-License-Identifier: BSD-3-Clause */
/* include/cpg_copy.h: every byte of what is copied, and no other. */
#include <stdlib.h>
#include <string.h>

#include "cpg_copy.h"
#include "test/unit/run_suite.h"

#define STEPS 3
#define AROUND 9 /* bytes, before and behind each step's end */
#define LONGEST (STEPS * COPY_STEP + AROUND)

#define UNTOUCHED 0xee

static uint8_t from[LONGEST], to[1 + LONGEST + 1];

static void must_copy(size_t size)
{
	size_t i;

	memset(to, UNTOUCHED, sizeof(to));
	copy_bytes(to + 1, from, size);
	ck_assert_msg(memcmp(to + 1, from, size) == 0, "%zu bytes", size);
	ck_assert_uint_eq(to[0], UNTOUCHED);
	for (i = 1 + size; i < sizeof(to); i++) {
		ck_assert_msg(to[i] == UNTOUCHED, "%zu bytes: wrote to the one at %zu", size, i - 1);
	}
}

START_TEST(all_lengths_around_the_steps)
{
	size_t i, step;

	for (i = 0; i < sizeof(from); i++) {
		from[i] = (uint8_t)(i % 251 % UNTOUCHED); /* nowhere the same in two steps */
	}
	for (i = 0; i <= AROUND; i++) {
		must_copy(i);
	}
	for (step = 1; step <= STEPS; step++) {
		for (i = step * COPY_STEP - AROUND; i <= step * COPY_STEP + AROUND; i++) {
			must_copy(i);
		}
	}
}
END_TEST

START_TEST(nothing_may_be_nowhere)
{
	to[0] = UNTOUCHED;
	copy_bytes(to, NULL, 0);
	ck_assert_uint_eq(to[0], UNTOUCHED);
	copy_bytes(NULL, to, 0);
	copy_bytes(NULL, NULL, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {all_lengths_around_the_steps, nothing_may_be_nowhere};

	return RUN_TESTS("copies of messages", tests);
}
