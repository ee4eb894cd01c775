/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_trip GROUP SIZE RATE SECONDS MEMBERS: the time from sending a message to its delivery to the sender itself, at so many
 * messages a second, from when so many members are there. Prints p50 and p99 in microseconds.
 *
 * The time of a message that is refused at first begins with the first try.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static struct {
	size_t size;
	uint8_t *message;
	uint64_t *trips; /* ns, of those that are back; of those on their way, when they were sent */
	size_t count, sent, back;
	bool refused; /* the next one, which was tried already */
} trip;

static void message_back(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			 void *message, size_t length)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	if (length != trip.size || trip.back == trip.sent) {
		bench_die("a message came that was not sent, of length", (long)length);
	}
	trip.trips[trip.back] = bench_now() - trip.trips[trip.back];
	trip.back++;
	message_check(message, length, trip.back);
}

/* False: refused. */
static bool send_next(void)
{
	struct iovec iov = {.iov_base = trip.message, .iov_len = trip.size};
	cs_error_t error;

	if (!trip.refused) {
		message_make(trip.message, trip.size, trip.sent + 1);
		trip.trips[trip.sent] = bench_now();
	}
	error = cpg_mcast_joined(bench_self.handle, CPG_TYPE_AGREED, &iov, 1);
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN) {
		bench_die("can't send", error);
	}
	trip.refused = error == CS_ERR_TRY_AGAIN;
	trip.sent += !trip.refused;
	return !trip.refused;
}

static void make_trips(double interval)
{
	uint64_t start = bench_now();

	while (trip.back < trip.count) {
		uint64_t now = bench_now(), due = start + (uint64_t)((double)trip.sent * interval);

		while (trip.sent < trip.count && due <= now && send_next()) {
			due = start + (uint64_t)((double)trip.sent * interval);
		}
		bench_self_take(trip.sent < trip.count && due > now ? due - now : NS_PER_MS);
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* In microseconds. */
static double percentile(const uint64_t *sorted, size_t count, size_t percent)
{
	size_t rank = (count - 1) * percent / 100;

	return (double)sorted[rank] / 1000;
}

int main(int argc, char **argv)
{
	unsigned long rate, seconds;
	size_t warm_up, count;

	if (argc != 6) {
		fprintf(stderr, "usage: bench_trip GROUP SIZE RATE SECONDS MEMBERS\n");
		return 2;
	}
	trip.size = bench_number(argv[2]);
	rate = bench_number(argv[3]);
	seconds = bench_number(argv[4]);
	warm_up = rate * BENCH_WARM_UP / NS_PER_S;
	count = rate * seconds;
	trip.count = warm_up + count;
	trip.message = malloc(trip.size);
	trip.trips = calloc(trip.count, sizeof(*trip.trips));
	if (count == 0 || !trip.message || !trip.trips) {
		bench_die("nothing to do, or no memory", errno);
	}
	(void)prctl(PR_SET_TIMERSLACK, 1UL); /* ns: it is to sleep no longer than it means to */
	bench_self_join(argv[1], message_back);
	bench_self_wait_members(bench_number(argv[5]));
	make_trips((double)NS_PER_S / (double)rate);
	qsort(trip.trips + warm_up, count, sizeof(*trip.trips), compare);
	printf("%.1f %.1f\n", percentile(trip.trips + warm_up, count, 50),
	       percentile(trip.trips + warm_up, count, 99));
	return 0;
}
