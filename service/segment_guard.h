/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the process alive when a client cuts short a file that we have mapped: the access that finds the hole
 * raises SIGBUS, the handler maps private zero pages over the whole range, and the access goes on.
 *
 * The same goes for the pages of counters that libqb shares with clients over sockets. SIGBUS from anywhere else goes to whoever handled it
 * before, or kills the process as it did without us.
 */
#ifndef SEGMENT_GUARD_H
#define SEGMENT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guard_range;

/* Installs the handler, for good. False: it can't. */
bool guard_install(void);

/* Guards `size` bytes at `base` (page-aligned), and installs the handler if need be. NULL: out of memory, or too many ranges. */
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
