/* SPDX-License-Identifier: BSD-3-Clause */
/* What depends on how long something takes. */
#define _GNU_SOURCE /* pthread_mutex_clocklock */
#include <time.h>

#include "lib_internal.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * (int64_t)CS_TIME_NS_IN_SEC + now.tv_nsec;
}

int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t now_coarse_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

bool lock_within(pthread_mutex_t *lock, int64_t ns)
{
	struct timespec until;
	int64_t end;

	if (pthread_mutex_trylock(lock) == 0)
		return true;
	end = now_ns() + ns;
	until = (struct timespec){.tv_sec = (time_t)(end / (int64_t)CS_TIME_NS_IN_SEC),
				  .tv_nsec = (long)(end % (int64_t)CS_TIME_NS_IN_SEC)};
	return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until) == 0;
}
