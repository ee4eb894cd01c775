/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* ppoll */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK_SIZE 4096u
#define JOIN_LIMIT (120 * NS_PER_S)

struct bench_member bench_self;

uint64_t bench_now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

void bench_die(const char *what, long number)
{
	fprintf(stderr, "%s: %s (%ld)\n", program_invocation_short_name, what, number);
	exit(1);
}

unsigned long bench_number(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "%s: '%s' is no number\n", program_invocation_short_name, text);
		exit(2);
	}
	return number;
}

void bench_pause(void)
{
	(void)poll(NULL, 0, 1);
}

cpg_handle_t bench_connect(cpg_deliver_fn_t deliver, cpg_confchg_fn_t view, void *context)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1, .cpg_deliver_fn = deliver, .cpg_confchg_fn = view};
	cpg_handle_t handle;
	cs_error_t error;

	while ((error = cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, context)) ==
	       CS_ERR_TRY_AGAIN) {
		bench_pause();
	}
	if (error != CS_OK) {
		bench_die("can't connect to corosync", error);
	}
	return handle;
}

void bench_join(cpg_handle_t handle, const char *group)
{
	struct cpg_name name = {.length = (uint32_t)strlen(group)};
	cs_error_t error;

	if (name.length > CPG_MAX_NAME_LENGTH) {
		bench_die("the group's name is too long", (long)name.length);
	}
	memcpy(name.value, group, name.length);
	while ((error = cpg_join(handle, &name)) == CS_ERR_TRY_AGAIN) {
		bench_pause();
	}
	if (error != CS_OK) {
		bench_die("can't join", error);
	}
}

/* The block at offset `at` of message `number`, for messages of up to 16 MiB. */
static const uint8_t *block_of(uint64_t number, size_t at)
{
	static uint8_t block[BLOCK_SIZE];
	uint64_t stamp = number * BLOCK_SIZE + at / BLOCK_SIZE;

	if (block[BLOCK_SIZE - 1] == 0) {
		for (size_t i = 0; i < BLOCK_SIZE; i++) {
			block[i] = (uint8_t)(i * 7 + i / 256 + 1);
		}
	}
	memcpy(block, &stamp, sizeof(stamp));
	return block;
}

static size_t block_size(size_t size, size_t at)
{
	return size - at < BLOCK_SIZE ? size - at : BLOCK_SIZE;
}

void message_make(uint8_t *message, size_t size, uint64_t number)
{
	for (size_t at = 0; at < size; at += BLOCK_SIZE) {
		memcpy(message + at, block_of(number, at), block_size(size, at));
	}
}

void message_check(const uint8_t *message, size_t size, uint64_t number)
{
	for (size_t at = 0; at < size; at += BLOCK_SIZE) {
		if (memcmp(message + at, block_of(number, at), block_size(size, at)) != 0) {
			bench_die("this is not what was sent as message", (long)number);
		}
	}
}

static void self_view(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		      size_t member_count, const struct cpg_address *left, size_t left_count,
		      const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	(void)group;
	(void)members;
	(void)left;
	(void)left_count;
	(void)joined;
	(void)joined_count;
	bench_self.members = member_count;
}

void bench_self_join(const char *group, cpg_deliver_fn_t deliver)
{
	cs_error_t error;

	bench_self.handle = bench_connect(deliver, self_view, NULL);
	bench_join(bench_self.handle, group);
	error = cpg_fd_get(bench_self.handle, &bench_self.fd);
	if (error != CS_OK) {
		bench_die("no descriptor", error);
	}
}

void bench_self_wait_members(size_t count)
{
	uint64_t limit = bench_now() + JOIN_LIMIT;

	while (bench_self.members < count) {
		bench_self_take(NS_PER_S);
		if (bench_now() >= limit) {
			bench_die("not all members came; here are", (long)bench_self.members);
		}
	}
}

void bench_self_take(uint64_t patience)
{
	struct pollfd pollfd = {.fd = bench_self.fd, .events = POLLIN};
	struct timespec time = {.tv_sec = (time_t)(patience / NS_PER_S),
				.tv_nsec = (long)(patience % NS_PER_S)};
	cs_error_t error;

	if (ppoll(&pollfd, 1, &time, NULL) <= 0) {
		return;
	}
	error = cpg_dispatch(bench_self.handle, CS_DISPATCH_ALL);
	if (error != CS_OK) {
		bench_die("corosync is gone, or ended the connection", error);
	}
}
