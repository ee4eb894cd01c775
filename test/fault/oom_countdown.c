/* SPDX-License-Identifier: BSD-3-Clause */
#include "test/fault/oom_countdown.h"

#include <stdint.h>

#include "test/fault/oom_functions.h"

/* Allocations that still succeed; SIZE_MAX: all. */
static size_t countdown = SIZE_MAX;
static bool for_ever;
static size_t failed;

bool oom_fails(const void *caller)
{
	(void)caller;
	if (countdown == SIZE_MAX) {
		return false;
	}
	if (countdown > 0) {
		countdown--;
		return false;
	}
	if (!for_ever) {
		countdown = SIZE_MAX;
	}
	failed++;
	return true;
}

void fail_after(size_t allocations, bool all)
{
	countdown = allocations;
	for_ever = all;
	failed = 0;
}

void fail_no_more(void)
{
	countdown = SIZE_MAX;
}

size_t failures(void)
{
	return failed;
}
