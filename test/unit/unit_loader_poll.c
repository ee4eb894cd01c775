/* SPDX-License-Identifier: BSD-3-Clause */
/* service/loader_poll.c: when libqb's main loop gets to count its descriptors. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "run_suite.h"
#include "service/loader.h"
#include "service/loader_poll.h"

#define MS 1000000ull

void qb_poll_fds_usage_check_(void *source);
int32_t qb_loop_poll_add(void *loop, int priority, int32_t fd, int32_t events, void *data, void *dispatch);

/* ---- what the loader and libqb are otherwise ---- */

struct loader loader;
static const struct service_module module;

static bool libqb_is_there = true;
static unsigned int counted;
static const void *counted_source;
static int32_t added_fd;

static void libqb_count(void *source)
{
	counted++;
	counted_source = source;
}

static int32_t libqb_add(void *loop, int priority, int32_t fd, int32_t events, void *data, void *dispatch)
{
	ck_assert(loop == &counted && priority == 2 && events == 3 && data == &loader &&
		  dispatch == &added_fd);
	added_fd = fd;
	return -EEXIST;
}

void *loader_libqb_function(const char *name, const void *caller)
{
	ck_assert_ptr_nonnull(caller);
	if (!libqb_is_there)
		return NULL;
	if (strcmp(name, "qb_loop_poll_add") == 0)
		return (void *)libqb_add;
	ck_assert_str_eq(name, "qb_poll_fds_usage_check_");
	return (void *)libqb_count;
}

static int32_t add(int32_t fd)
{
	return qb_loop_poll_add(&counted, 2, fd, 3, &loader, &added_fd);
}

/* ---- tests ---- */

static int one, other, nobody;

/* Tests may run in one process: nothing was counted lately, and what libqb has was not looked for before the first of them. */
static void begin(bool with_module)
{
	libqb_is_there = true;
	loader.module = with_module ? &module : NULL;
	(void)loader_poll_is_due(&nobody, 0);
	counted = 0;
}

START_TEST(counts_now_and_then)
{
	uint64_t now = 1000 * MS;

	begin(true);
	ck_assert(loader_poll_is_due(&one, now));
	ck_assert(!loader_poll_is_due(&one, now));
	ck_assert(!loader_poll_is_due(&one, now + 10 * MS - 1));
	ck_assert(loader_poll_is_due(&one, now + 10 * MS));
	ck_assert(!loader_poll_is_due(&one, now + 11 * MS));
	ck_assert(loader_poll_is_due(&one, now + 1000 * MS));
}
END_TEST

START_TEST(counts_after_each_addition)
{
	uint64_t now = 1000 * MS;

	begin(true);
	ck_assert(loader_poll_is_due(&one, now));
	loader_poll_added();
	ck_assert(loader_poll_is_due(&one, now));
	ck_assert(!loader_poll_is_due(&one, now));
}
END_TEST

/* What one loop counted says nothing of another one. */
START_TEST(counts_each_loop)
{
	uint64_t now = 1000 * MS;

	begin(true);
	ck_assert(loader_poll_is_due(&one, now));
	ck_assert(loader_poll_is_due(&other, now));
	ck_assert(loader_poll_is_due(&one, now));
}
END_TEST

START_TEST(calls_reach_libqb)
{
	begin(true);
	qb_poll_fds_usage_check_(&one);
	ck_assert_uint_eq(counted, 1);
	ck_assert_ptr_eq(counted_source, &one);
	ck_assert_int_eq(add(7), -EEXIST);
	ck_assert_int_eq(added_fd, 7);
	qb_poll_fds_usage_check_(&one); /* because of the addition */
	ck_assert_uint_eq(counted, 2);
}
END_TEST

/* Other programs notice nothing. */
START_TEST(without_the_module_each_turn_counts)
{
	unsigned int i;

	begin(false);
	for (i = 0; i < 1000; i++)
		qb_poll_fds_usage_check_(&one);
	ck_assert_uint_eq(counted, 1000);
}
END_TEST

START_TEST(without_libqb_nothing_breaks)
{
	begin(true);
	libqb_is_there = false;
	qb_poll_fds_usage_check_(&one);
	ck_assert_int_eq(add(7), -ENOSYS);
	ck_assert_uint_eq(counted, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		without_libqb_nothing_breaks, /* the first */
		counts_now_and_then,
		counts_after_each_addition,
		counts_each_loop,
		calls_reach_libqb,
		without_the_module_each_turn_counts,
	};

	return RUN_TESTS("loader_poll", tests);
}
