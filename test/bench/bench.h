/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bench programs share: time, messages that can be checked, and a process's place in its group. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <corosync/cpg.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* What comes first is not measured: caches fill, windows open. */
#define BENCH_WARM_UP (NS_PER_S / 2)

/* Exit status: library or engine can't do this at all. */
#define BENCH_LEFT_OUT 77

uint64_t bench_now(void); /* ns, monotonic: the same for all processes, also on other nodes of this machine */
_Noreturn void bench_die(const char *what, long number);
unsigned long bench_number(const char *text);
void bench_pause(void); /* before CS_ERR_TRY_AGAIN is looked at again */

/* These two repeat what corosync can't do yet, and end the process when it never can. */
cpg_handle_t bench_connect(cpg_deliver_fn_t deliver, cpg_confchg_fn_t view, void *context);
void bench_join(cpg_handle_t handle, const char *group);

/* A message's bytes all follow from its number: none can be missing, stale or out of place without being seen. */
void message_make(uint8_t *message, size_t size, uint64_t number);
void message_check(const uint8_t *message, size_t size, uint64_t number);

/* The one handle of a process that needs no more. */
struct bench_member {
	cpg_handle_t handle;
	int fd;
	size_t members; /* of the last view */
};

extern struct bench_member bench_self;

void bench_self_join(const char *group, cpg_deliver_fn_t deliver);
void bench_self_wait_members(size_t count);
void bench_self_take(uint64_t patience); /* ns, at most, until there is an event; then takes all there are */

#endif
