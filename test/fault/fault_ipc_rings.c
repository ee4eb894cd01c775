/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile use of submission and delivery rings. */
#include "fault_ipc.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpg_ring.h"
#include "cpg_segment.h"

/*
 * A few lie before their join is delivered. Not all: over sockets libqb lets the daemon wait a second when the first event,
 * the doorbell, is for one that is gone by then.
 */
static void lying_rings(void)
{
	for (uint32_t round = 0; round < 300; round++) {
		struct ringed client;

		ringed_open(&client);
		if (round % 16 != 0)
			CHECK(wire_event(&client.wire, IPC_RES_DOORBELL));
		ringed_submit_garbage(&client, round);
		ringed_doorbell(&client);
		if (round % 3 == 0)
			api_fill(client.control, SEGMENT_CONTROL_LARGE - SEGMENT_START, round);
		ringed_doorbell(&client);
		ringed_close(&client);
	}
}

/* Nothing there can be: its owner is thrown out. */
static void scribbled_rings(void)
{
	struct ringed client;

	ringed_open(&client);
	api_fill(client.control, SEGMENT_CONTROL_SIZE - SEGMENT_START, 1);
	ringed_doorbell(&client);
	CHECK(wire_thrown_out(&client.wire));
	ringed_close(&client);
}

/* ---- scribbling while it sends ---- */

#define SCRIBBLERS 24u
#define SCRIBBLED_MESSAGES 3000u

struct scribbler {
	struct ringed client;
	uint32_t seed;
};

/* Words at random anywhere behind libqb's part, by the file: there every byte can be reached. In the end it cuts the file. */
static void *scribble(void *data)
{
	const struct scribbler *scribbler = data;
	uint32_t random[4], i;
	off_t end;
	struct stat file;

	CHECK(fstat(scribbler->client.fd, &file) == 0);
	for (i = 0; i < 400; i++) {
		api_fill(random, sizeof(random), scribbler->seed * 1000 + i);
		end = file.st_size - (off_t)sizeof(random[0]);
		if (random[2] % 4) /* mostly where the words of the rings are */
			random[0] %= sizeof(struct segment_control);
		if (pwrite(scribbler->client.fd, &random[1], sizeof(random[1]),
			   end - (off_t)SEGMENT_CONTROL_SIZE + (off_t)(random[0] % SEGMENT_CONTROL_SIZE)) < 0)
			break;
	}
	if (scribbler->seed % 2)
		(void)ftruncate(scribbler->client.fd, (off_t)(random[3] % (uint32_t)file.st_size));
	return NULL;
}

static void submit_decently(struct ringed *client, struct ring_writer *ring, uint32_t number)
{
	size_t length = 8 + number % 700;
	struct ring_entry *entry;

	/* what the engine says of this may be ours: then so be it */
	ring->taken = atomic_load(&client->control->submission_taken.end);
	if (ring->end - ring->taken > SUBMISSION_RING_LIMIT(SUBMISSION_RING_SIZE))
		ring->taken = ring->end;
	entry = ring_reserve(ring, ring_entry_size(length));
	memset(entry, 0, ring_entry_size(length));
	*entry = (struct ring_entry){.kind = RING_MESSAGE, .length = (uint32_t)length};
	ring_put(ring, ring_entry_size(length), &client->control->submitted.end);
}

/* What becomes of it is its own business: it may well hit the end of its file. */
static _Noreturn void be_scribbler(uint32_t seed)
{
	static struct scribbler scribbler;
	struct ring_writer ring;
	pthread_t thread;

	scribbler.seed = seed;
	ringed_open(&scribbler.client);
	ring = (struct ring_writer){.data = scribbler.client.base + SUBMISSION_RING_OFFSET,
				    .size = SUBMISSION_RING_SIZE};
	CHECK(pthread_create(&thread, NULL, scribble, &scribbler) == 0);
	for (uint32_t number = 0; number < SCRIBBLED_MESSAGES; number++) {
		submit_decently(&scribbler.client, &ring, number);
		if (number % 8 == 0)
			ringed_doorbell(&scribbler.client);
	}
	_exit(0);
}

/* Who is in the same group gets events that are whole, and are the scribbler's, until it is gone. */
static struct {
	pid_t pid;
	unsigned long messages;
	bool left;
} scribblers_group;

static void on_scribblers_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid,
				  uint32_t pid, void *message, size_t length)
{
	(void)handle;
	(void)nodeid;
	CHECK(message != NULL && length <= SUBMISSION_MESSAGE_MAX);
	CHECK(group->length == strlen("fault-rings") && !memcmp(group->value, "fault-rings", group->length));
	CHECK_NUMBER(pid, scribblers_group.pid);
	scribblers_group.messages++;
}

static void on_scribblers_change(cpg_handle_t handle, const struct cpg_name *group,
				 const struct cpg_address *members, size_t member_count,
				 const struct cpg_address *left, size_t left_count,
				 const struct cpg_address *joined, size_t joined_count)
{
	(void)handle, (void)group, (void)members, (void)member_count, (void)joined, (void)joined_count;
	if (left_count) {
		CHECK_NUMBER(left[0].pid, scribblers_group.pid);
		scribblers_group.left = true;
	}
}

static void scribbling_senders(void)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_scribblers_message,
				     .cpg_confchg_fn = on_scribblers_change};
	struct cpg_name group = {.length = strlen("fault-rings"), .value = "fault-rings"};
	cpg_handle_t handle;

	EXPECT_IN_TIME(CS_OK, cpg_initialize(&handle, &callbacks));
	EXPECT_IN_TIME(CS_OK, cpg_join(handle, &group));
	for (uint32_t seed = 0; seed < SCRIBBLERS; seed++) {
		uint64_t deadline = api_deadline();

		scribblers_group.left = false;
		scribblers_group.pid = fork();
		CHECK(scribblers_group.pid >= 0);
		if (scribblers_group.pid == 0)
			be_scribbler(seed);
		while (!scribblers_group.left && api_before(deadline))
			CHECK_NUMBER(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
		CHECK(scribblers_group.left);
		CHECK(waitpid(scribblers_group.pid, NULL, 0) == scribblers_group.pid);
	}
	CHECK(scribblers_group.messages > SCRIBBLERS); /* or it proves nothing */
	CHECK_NUMBER(cpg_finalize(handle), CS_OK);
}

const struct fault_case fault_ring_cases[] = {
	{"rings that lie", lying_rings, false},
	{"rings that are scribbled over", scribbled_rings, false},
	{"rings that are scribbled over while messages are sent", scribbling_senders, false},
};
const size_t fault_ring_case_count = sizeof(fault_ring_cases) / sizeof(fault_ring_cases[0]);
