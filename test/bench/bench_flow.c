/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much one sender gets to each of its receivers, which are processes of their own, on any node.
 *
 * bench_flow receive GROUP SIZE SECONDS    checks all messages; prints how many came in a second
 * bench_flow send GROUP SIZE WAY MEMBERS   sends as fast as it can, from when so many members are there (it counts itself) until
 *                                          all others left
 *	WAY  plain  cpg_mcast_joined
 *	     zcb    cpg_zcb_mcast_joined from one buffer
 *	     async  cpg_zcb_mcast_async, from a few buffers in turn
 * bench_flow stall GROUP                   a member that stops itself (SIGSTOP) at the first message
 */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a sender takes of its own messages only now and then. */
#define TAKE_EVERY 64u
#define TAKE_BYTES (256u * 1024u)
#define CLOCK_EVERY 16u
#define PATIENCE (10 * NS_PER_S)

/* ---- receive ---- */

static struct {
	size_t size;
	uint64_t duration; /* ns */
	uint64_t came;	   /* messages, since the first */
	uint64_t begin;	   /* when the measured time begins; 0: nothing came yet */
	uint64_t from;	   /* when it began; 0: it did not yet */
	uint64_t came_before;
} receiver;

static _Noreturn void receive_end(uint64_t time)
{
	if (receiver.from == 0 || time == receiver.from) {
		bench_die("the sender left before anything could be measured; messages", (long)receiver.came);
	}
	printf("%.1f\n", (double)(receiver.came - receiver.came_before) * (double)NS_PER_S /
				 (double)(time - receiver.from));
	exit(0);
}

static void receive_look_at_clock(void)
{
	uint64_t time = bench_now();

	if (receiver.begin == 0) {
		receiver.begin = time + BENCH_WARM_UP;
	} else if (receiver.from == 0 && time >= receiver.begin) {
		receiver.from = time;
		receiver.came_before = receiver.came;
	} else if (receiver.from && time >= receiver.from + receiver.duration) {
		receive_end(time);
	}
}

/* It ends in here: under load one cpg_dispatch() need not return. */
static void receive_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			    void *message, size_t length)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	if (length != receiver.size) {
		bench_die("a message of another length came", (long)length);
	}
	message_check(message, length, receiver.came + 1);
	if (receiver.came++ % CLOCK_EVERY == 0) {
		receive_look_at_clock();
	}
}

/* False: the sender left. */
static bool receive_more(void)
{
	uint64_t came = receiver.came, limit = bench_now() + PATIENCE;

	while (came == receiver.came && bench_self.members > 1) {
		bench_self_take(PATIENCE);
		if (bench_now() >= limit && came == receiver.came) {
			bench_die("nothing comes any more; messages so far", (long)came);
		}
	}
	return bench_self.members > 1;
}

static _Noreturn void receive(char **arguments)
{
	receiver.size = bench_number(arguments[1]);
	receiver.duration = bench_number(arguments[2]) * NS_PER_S;
	bench_self_join(arguments[0], receive_message);
	bench_self_wait_members(2);
	while (receive_more()) {
	}
	receive_end(bench_now());
}

/* ---- stall ---- */

static void stall_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			  void *message, size_t length)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	(void)message;
	(void)length;
	(void)raise(SIGSTOP);
}

static _Noreturn void stall(char **arguments)
{
	bench_self_join(arguments[0], stall_message);
	for (;;) {
		bench_self_take(PATIENCE);
	}
}

/* ---- send ---- */

#define BUFFERS 6u
#define ZCB_COPIED_MAX 8192u /* bytes, see cpg_zcb_mcast_async(3) */

struct way {
	const char *name;
	void *(*buffer)(void);
	cs_error_t (*send)(void *message);
	bool hands_over; /* corosync reads the buffer after it, and the next message is in another one */
};

static struct {
	size_t size;
	/* Not every library has these. */
	cs_error_t (*zcb_async)(cpg_handle_t handle, cpg_guarantee_t guarantee, void *message, size_t length);
	cs_error_t (*zcb_wait)(cpg_handle_t handle, void *buffer, int timeout);
} sender;

static _Noreturn void leave_out(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(BENCH_LEFT_OUT);
}

static void *heap_buffer(void)
{
	void *buffer = malloc(sender.size);

	if (!buffer) {
		bench_die("no memory", errno);
	}
	return buffer;
}

static void *zcb_buffer(void)
{
	void *buffer;
	cs_error_t error;

	while ((error = cpg_zcb_alloc(bench_self.handle, sender.size, &buffer)) == CS_ERR_TRY_AGAIN) {
		bench_self_take(NS_PER_MS);
	}
	if (error != CS_OK) {
		bench_die("no zero-copy buffer", error);
	}
	return buffer;
}

static void find_async(void)
{
	void *async = dlsym(RTLD_DEFAULT, "cpg_zcb_mcast_async"), *wait = dlsym(RTLD_DEFAULT, "cpg_zcb_wait");

	if (!async || !wait) {
		leave_out("this library has no cpg_zcb_mcast_async");
	}
	memcpy(&sender.zcb_async, &async, sizeof(async));
	memcpy(&sender.zcb_wait, &wait, sizeof(wait));
}

/* The next one of those in turn, when corosync has read it. What is small was copied. */
static void *turning_buffer(void)
{
	static void *buffers[BUFFERS];
	static unsigned int turn;
	void **buffer = &buffers[turn++ % BUFFERS];

	if (!sender.zcb_async) {
		find_async();
	}
	if (!*buffer) {
		*buffer = zcb_buffer();
	}
	while (sender.size > ZCB_COPIED_MAX && bench_self.members > 1 &&
	       sender.zcb_wait(bench_self.handle, *buffer, 0) == CS_ERR_TRY_AGAIN) {
		bench_self_take(NS_PER_MS);
	}
	return *buffer;
}

static cs_error_t send_plain(void *message)
{
	struct iovec iov = {.iov_base = message, .iov_len = sender.size};

	return cpg_mcast_joined(bench_self.handle, CPG_TYPE_AGREED, &iov, 1);
}

static cs_error_t send_zcb(void *message)
{
	return cpg_zcb_mcast_joined(bench_self.handle, CPG_TYPE_AGREED, message, sender.size);
}

static cs_error_t send_async(void *message)
{
	return sender.zcb_async(bench_self.handle, CPG_TYPE_AGREED, message, sender.size);
}

static const struct way ways[] = {
	{.name = "plain", .buffer = heap_buffer, .send = send_plain},
	{.name = "zcb", .buffer = zcb_buffer, .send = send_zcb},
	{.name = "async", .buffer = turning_buffer, .send = send_async, .hands_over = true},
};

static const struct way *way_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].name, name) == 0) {
			return &ways[i];
		}
	}
	bench_die("unknown way to send", 0);
}

/* Until corosync takes it, or nobody is there any more. */
static void send_one(const struct way *way, void *message)
{
	cs_error_t error;

	while ((error = way->send(message)) == CS_ERR_TRY_AGAIN && bench_self.members > 1) {
		bench_self_take(NS_PER_MS);
	}
	if (error == CS_ERR_NOT_SUPPORTED) {
		leave_out("this engine does not support it for this library");
	}
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN) {
		bench_die("can't send", error);
	}
}

static void send_until_alone(const struct way *way)
{
	uint64_t every = sender.size < TAKE_BYTES / TAKE_EVERY ? TAKE_EVERY : TAKE_BYTES / sender.size + 1;
	void *message = NULL;

	for (uint64_t number = 1; bench_self.members > 1; number++) {
		if (!message) {
			message = way->buffer();
		}
		message_make(message, sender.size, number);
		send_one(way, message);
		if (way->hands_over) {
			message = NULL;
		}
		if (number % every == 0) {
			bench_self_take(0);
		}
	}
}

static void send_all(char **arguments)
{
	const struct way *way = way_find(arguments[2]);

	sender.size = bench_number(arguments[1]);
	bench_self_join(arguments[0], NULL);
	bench_self_wait_members(bench_number(arguments[3]));
	send_until_alone(way);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "receive") == 0) {
		receive(argv + 2);
	} else if (argc == 6 && strcmp(argv[1], "send") == 0) {
		send_all(argv + 2);
	} else if (argc == 3 && strcmp(argv[1], "stall") == 0) {
		stall(argv + 2);
	} else {
		fprintf(stderr, "usage: bench_flow receive GROUP SIZE SECONDS\n"
				"       bench_flow send GROUP SIZE plain|zcb|async MEMBERS\n"
				"       bench_flow stall GROUP\n");
		return 2;
	}
	return 0;
}
