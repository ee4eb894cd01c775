/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocations of an engine that fail when the test says so: an oom_fails() for oom_functions.h. */
#ifndef OOM_COUNTDOWN_H
#define OOM_COUNTDOWN_H

#include <stdbool.h>
#include <stddef.h>

/* So many more succeed; then one fails, or all. */
void fail_after(size_t allocations, bool all);
void fail_no_more(void);
/* Since fail_after(). */
size_t failures(void);

#endif
