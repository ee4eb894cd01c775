// SPDX-License-Identifier: BSD-3-Clause
/*
 * libqb's main loop goes through all its descriptors on each of its turns, to tell the executive when they become few. With a thousand
 * clients that was a tenth of what the main thread did under load. Through us it does so when one was added since, and else
 * a hundred times a second: that finds those that are free again.
 */
#include "config.h"

#include <errno.h>
#include <time.h>

#include "service/loader.h"
#include "service/loader_poll.h"

#define COUNT_EVERY 10000000ull /* ns */

typedef void (*count_fn)(void *source);
typedef int32_t (*add_fn)(void *loop, int priority, int32_t fd, int32_t events, void *data, void *dispatch);

EXPORT void qb_poll_fds_usage_check_(void *source);
EXPORT int32_t qb_loop_poll_add(void *loop, int priority, int32_t fd, int32_t events, void *data,
				void *dispatch);

static struct {
	count_fn count;
	add_fn add;
	const void *source; /* that was counted last: the descriptors of one loop */
	uint64_t counted;   /* when */
	bool added;	    /* since then */
} poll;

void loader_poll_added(void)
{
	poll.added = true;
}

bool loader_poll_is_due(const void *source, uint64_t now)
{
	if (source == poll.source && !poll.added && now - poll.counted < COUNT_EVERY)
		return false;
	poll.source = source;
	poll.counted = now;
	poll.added = false;
	return true;
}

static uint64_t coarse_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void qb_poll_fds_usage_check_(void *source)
{
	if (poll.count == NULL)
		poll.count = (count_fn)loader_libqb_function("qb_poll_fds_usage_check_",
							     __builtin_return_address(0));
	if (poll.count != NULL && (loader.module == NULL || loader_poll_is_due(source, coarse_now())))
		poll.count(source);
}

int32_t qb_loop_poll_add(void *loop, int priority, int32_t fd, int32_t events, void *data, void *dispatch)
{
	if (poll.add == NULL)
		poll.add = (add_fn)loader_libqb_function("qb_loop_poll_add", __builtin_return_address(0));
	if (poll.add == NULL)
		return -ENOSYS;
	if (loader.module != NULL)
		loader_poll_added();
	return poll.add(loop, priority, fd, events, data, dispatch);
}
