/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much one sender gets to one receiving process: that counts what arrives and checks its length and order. Prints
 * one line: messages a second, megabytes a second.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <corosync/cpg.h>

#define NS_PER_S 1000000000ull
#define WARM_UP (NS_PER_S / 2)
#define SIZE_MIN sizeof(uint64_t)

static struct {
	size_t size;
	uint64_t duration; /* ns */
	uint64_t expected; /* number of the next message, 0: any */
	uint64_t begun, counted;
	bool done;
} flow;

static uint64_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void die(const char *what, int error)
{
	fprintf(stderr, "bench_flow: %s: error %d\n", what, error);
	exit(1);
}

static void count_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			  void *message, size_t length)
{
	uint64_t number;

	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	if (length != flow.size) {
		die("a message of another length came", (int)length);
	}
	memcpy(&number, message, sizeof(number));
	if (flow.expected && number != flow.expected) {
		die("messages are missing or out of order", (int)(number - flow.expected));
	}
	flow.expected = number + 1;
	flow.counted++;
}

static void ignore_view(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
			size_t member_count, const struct cpg_address *left, size_t left_count,
			const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	(void)group;
	(void)members;
	(void)member_count;
	(void)left;
	(void)left_count;
	(void)joined;
	(void)joined_count;
}

static cpg_handle_t join(void)
{
	static cpg_callbacks_t callbacks = {.cpg_deliver_fn = count_message, .cpg_confchg_fn = ignore_view};
	struct cpg_name group = {.length = 5, .value = "bench"};
	cpg_handle_t handle;
	cs_error_t error = cpg_initialize(&handle, &callbacks);

	if (error == CS_OK) {
		error = cpg_join(handle, &group);
	}
	if (error != CS_OK) {
		die("cannot join", (int)error);
	}
	return handle;
}

/* Looks at the clock once for what one call of dispatch brings. */
static void measure(void)
{
	uint64_t time = now();

	if (flow.begun == 0 && flow.counted) {
		flow.begun = time + WARM_UP;
	}
	if (flow.begun && time < flow.begun) {
		flow.counted = 1;
	} else if (flow.begun && time >= flow.begun + flow.duration) {
		double seconds = (double)(time - flow.begun) / (double)NS_PER_S;

		printf("%.0f %.2f\n", (double)flow.counted / seconds,
		       (double)flow.counted * (double)flow.size / seconds / 1e6);
		flow.done = true;
	}
}

static void receive(int ready)
{
	cpg_handle_t handle = join();
	struct pollfd pollfd = {.events = POLLIN};
	cs_error_t error = cpg_fd_get(handle, &pollfd.fd);

	if (error != CS_OK || write(ready, "", 1) != 1) {
		die("no descriptor", (int)error);
	}
	while (!flow.done) {
		if (poll(&pollfd, 1, 10000) <= 0) {
			die("nothing comes", errno);
		}
		error = cpg_dispatch(handle, CS_DISPATCH_ALL);
		if (error != CS_OK) {
			die("dispatch", (int)error);
		}
		measure();
	}
	(void)cpg_finalize(handle);
}

static void send_for_ever(void)
{
	cpg_handle_t handle = join();
	uint8_t *message = calloc(1, flow.size);
	struct iovec iov = {.iov_base = message, .iov_len = flow.size};
	uint64_t number = 1;
	struct pollfd pollfd = {.events = POLLIN};

	if (message == NULL || cpg_fd_get(handle, &pollfd.fd) != CS_OK) {
		die("no memory or no descriptor", errno);
	}
	for (;;) {
		cs_error_t error;

		memcpy(message, &number, sizeof(number));
		error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
		if (error == CS_OK) {
			number++;
		} else if (error == CS_ERR_TRY_AGAIN) {
			(void)sched_yield();
		} else {
			die("send", (int)error);
		}
		/* it is a member too: what it gets it must take */
		if (error == CS_ERR_TRY_AGAIN || number % 64 == 0) {
			flow.expected = 0;
			(void)cpg_dispatch(handle, CS_DISPATCH_ALL);
		}
	}
}

static pid_t start(void (*body)(int), int ready)
{
	pid_t pid = fork();

	if (pid == 0) {
		body(ready);
		exit(0);
	}
	return pid;
}

static void send_when_told(int unused)
{
	(void)unused;
	send_for_ever();
}

int main(int argc, char **argv)
{
	int ready[2], status = 1;
	pid_t receiver, sender;
	char byte;

	flow.size = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	flow.duration = argc == 3 ? strtoul(argv[2], NULL, 10) * NS_PER_S : 0;
	if (flow.size < SIZE_MIN || flow.duration == 0 || pipe(ready) != 0) {
		fprintf(stderr, "usage: bench_flow SIZE SECONDS    (SIZE from %zu on)\n", SIZE_MIN);
		return 2;
	}
	receiver = start(receive, ready[1]);
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) == 1) {
		sender = start(send_when_told, -1);
		(void)waitpid(receiver, &status, 0);
		(void)kill(sender, SIGKILL);
		(void)waitpid(sender, NULL, 0);
	}
	return status == 0 ? 0 : 1;
}
