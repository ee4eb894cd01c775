/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the process alive when a client cuts short a file that we have mapped: the access that finds the hole
 * raises SIGBUS, the handler maps private zero pages over the whole range, and the access goes on.
 *
 * SIGBUS from anywhere else goes to whoever handled it before, or kills the process as it did without us.
 */
#ifndef SEGMENT_GUARD_H
#define SEGMENT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guard_range;

/*
 * Guards `size` bytes at `base` (page-aligned). The first call installs the handler, for good. NULL: out of
 * memory, or too many ranges.
 */
struct guard_range *guard_add(void *base, size_t size);

/* Call it before the range is unmapped. */
void guard_remove(struct guard_range *range);

/* True once a fault in the range was covered with zero pages. */
bool guard_tripped(const struct guard_range *range);

/*
 * Unblocks SIGBUS in the calling thread, the same one always: a blocked one that an access raises kills. It costs nothing unless
 * guard_disturbed() was called in between, as it has to be, in any thread, before something may leave the signal blocked or after.
 */
void guard_arm(void);
void guard_disturbed(void);

#endif
