/* SPDX-License-Identifier: BSD-3-Clause */
/* The rings: messages and events through shared memory, and doorbells only where they are needed. */
#define _GNU_SOURCE /* pthread_tryjoin_np */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_engine.h"
#include "lib/lib_internal.h"
#include "run_suite.h"

#define RINGS (IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS)

static struct fake_engine engine;
static unsigned int delivered, confchgs;
static size_t last_length;
static uint8_t last_byte;
static uint32_t last_pid;
static void (*in_callback)(cpg_handle_t handle);

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	uint8_t *bytes = msg;

	ck_assert_uint_eq(group->length, 5);
	ck_assert_mem_eq(group->value, "group", 5);
	ck_assert_uint_eq(nodeid, FAKE_NODEID);
	ck_assert_uint_eq((uintptr_t)msg % RING_ALIGN, 0);
	last_pid = pid;
	last_length = length;
	last_byte = length ? bytes[length - 1] : 0;
	delivered++;
	memset(bytes, 0xff, length + 1); /* the message is ours, and a byte behind it */
	if (in_callback)
		in_callback(handle);
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
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
	confchgs++;
}

static void join(cpg_handle_t handle)
{
	struct cpg_name group = fake_name("group");

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
}

/* A member that has seen itself join. */
static cpg_handle_t start_with(const struct fake_options *options)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg};
	cpg_handle_t handle;

	fake_engine_start(&engine, options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	join(handle);
	while (!confchgs)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	return handle;
}

static cpg_handle_t start(bool (*hook)(qb_ipcs_connection_t *, const struct ipc_request *))
{
	struct fake_options options = {.features = RINGS, .hook = hook};

	return start_with(&options);
}

static void stop(cpg_handle_t handle)
{
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}

static cs_error_t send_bytes(cpg_handle_t handle, uint8_t byte, size_t length)
{
	static uint8_t bytes[ATOMIC_MESSAGE_MAX];
	struct iovec iov = {bytes, length};

	memset(bytes, byte, length);
	return cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
}

static unsigned int seen(enum ipc_request_id id)
{
	return atomic_load(&engine.shared->requests[id]);
}

static bool readable(cpg_handle_t handle, int timeout)
{
	struct pollfd poller = {.events = POLLIN};

	ck_assert_int_eq(cpg_fd_get(handle, &poller.fd), CS_OK);
	return poll(&poller, 1, timeout) == 1;
}

static void deliver(cpg_handle_t handle, unsigned int count)
{
	while (delivered < count)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
}

static bool congested(cpg_handle_t handle)
{
	cpg_flow_control_state_t state;

	ck_assert_int_eq(cpg_flow_control_state_get(handle, &state), CS_OK);
	return state == CPG_FLOW_CONTROL_ENABLED;
}

/* What both sides say of themselves. */
static struct segment_control *control_of(cpg_handle_t handle)
{
	struct instance *instance = instance_get(handle);
	struct segment_control *control = instance_control(instance);

	instance_put(instance);
	return control;
}

/* Whether the engine takes messages; in force when this returns. */
static void take(cpg_handle_t handle, bool takes)
{

	atomic_store(&engine.shared->keep_taken, !takes);
	fake_ask(handle);
}

static void wait_until_taken(cpg_handle_t handle)
{
	struct segment_control *control = control_of(handle);

	fake_wait_until(atomic_load(&control->submission_taken.end) == atomic_load(&control->submitted.end));
}

static uint64_t given_back(cpg_handle_t handle)
{
	return atomic_load(&control_of(handle)->delivery_taken.end);
}

static const size_t sizes[] = {
	0, 1, 7, 8, 64, 4095, SUBMISSION_MESSAGE_MAX, SUBMISSION_MESSAGE_MAX + 1, 100000, ATOMIC_MESSAGE_MAX};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* A message of each size comes back as it was, many times round the rings. */
START_TEST(messages_of_every_size)
{
	struct fake_options options = {.features = RINGS, .sockets = _i & 1};
	cpg_handle_t handle;
	unsigned int i;
	cs_error_t error;

	handle = start_with(&options);
	atomic_store(&engine.shared->awake, _i & 2);
	for (i = 0; i < 300; i++) {
		size_t size = sizes[i * 7 % SIZES];

		while ((error = send_bytes(handle, (uint8_t)i, size)) == CS_ERR_TRY_AGAIN)
			usleep(100);
		ck_assert_int_eq(error, CS_OK);
		deliver(handle, i + 1);
		ck_assert_uint_eq(last_length, size);
		ck_assert_uint_eq(last_byte, size ? (uint8_t)i : 0);
	}
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_messages), 300 * 7 / 10);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 300 * 3 / 10);
	ck_assert_uint_eq(seen(IPC_REQ_PARTIAL_MCAST), 0);
	stop(handle);
}
END_TEST

/* While the engine is awake nobody rings; while it sleeps, who finds it so. */
START_TEST(engine_is_rung_when_it_sleeps)
{
	cpg_handle_t handle = start(NULL);
	unsigned int i, rung;

	fake_wait_until(atomic_load(&control_of(handle)->submission_taken.asleep));
	rung = seen(IPC_REQ_DOORBELL);
	atomic_store(&engine.shared->awake, true);
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
	deliver(handle, 1);
	fake_wait_until(seen(IPC_REQ_DOORBELL) == rung + 1);
	for (i = 2; i < 100; i++) {
		ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
		deliver(handle, i);
	}
	ck_assert_uint_eq(seen(IPC_REQ_DOORBELL), rung + 1);
	atomic_store(&engine.shared->awake, false);
	fake_wait_until(atomic_load(&control_of(handle)->submission_taken.asleep));
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
	deliver(handle, i);
	fake_wait_until(seen(IPC_REQ_DOORBELL) == rung + 2);
	stop(handle);
}
END_TEST

/* Nothing of libqb is used for messages that fit, and the padding is zero (the engine looks). */
START_TEST(full_ring_is_what_the_state_says)
{
	static const size_t fills[] = {0, 1, 60, 1000, SUBMISSION_MESSAGE_MAX - 100, SUBMISSION_MESSAGE_MAX};
	cpg_handle_t handle = start(NULL);
	struct segment_control *control = control_of(handle);
	unsigned int round, sent = 0;

	for (round = 0; round < 5; round++) {
		take(handle, false);
		while (!congested(handle)) {
			ck_assert_int_eq(send_bytes(handle, 1, fills[_i]), CS_OK);
			sent++;
		}
		ck_assert_int_eq(send_bytes(handle, 1, 0), CS_ERR_TRY_AGAIN);
		ck_assert_int_eq(send_bytes(handle, 1, 50000), CS_ERR_TRY_AGAIN);
		ck_assert_int_eq(send_bytes(handle, 1, ATOMIC_MESSAGE_MAX), CS_ERR_TRY_AGAIN);
		ck_assert_uint_gt(atomic_load(&control->submitted.end) -
					  atomic_load(&control->submission_taken.end),
				  SUBMISSION_RING_LIMIT);
		ck_assert_uint_le(atomic_load(&control->submitted.end) -
					  atomic_load(&control->submission_taken.end),
				  SUBMISSION_RING_SIZE);
		take(handle, true);
		fake_wait_until(!congested(handle));
		ck_assert_int_eq(send_bytes(handle, 1, SUBMISSION_MESSAGE_MAX), CS_OK);
		deliver(handle, ++sent);
	}
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), sent);
	stop(handle);
}
END_TEST

START_TEST(receiver_behind_holds_up_sends)
{
	cpg_handle_t handle = start(NULL);
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	atomic_store(&engine.shared->behind, true);
	fake_ask(handle);
	ck_assert(congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, 1, 10000), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, 1, ATOMIC_MESSAGE_MAX), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_ERR_TRY_AGAIN);
	atomic_store(&engine.shared->behind, false);
	fake_ask(handle);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
	stop(handle);
}
END_TEST

/* A zcb send is a plain one of that memory, which is the caller's again. */
START_TEST(zcb_is_a_plain_send)
{
	cpg_handle_t handle = start(NULL);
	unsigned int i;
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	for (i = 0; i < SIZES; i++) {
		memset(buffer, (int)i + 1, sizes[i]);
		ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, sizes[i]), CS_OK);
		memset(buffer, 0xee, sizes[i]);
		deliver(handle, i + 1);
		ck_assert_uint_eq(last_length, sizes[i]);
		ck_assert_uint_eq(last_byte, sizes[i] ? i + 1 : 0);
	}
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), 0);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 3);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	stop(handle);
}
END_TEST

/* Blocks wait up to a limit, and their room is used again and again. */
START_TEST(blocks_are_used_again)
{
	static const size_t fills[] = {SUBMISSION_MESSAGE_MAX + 1, 100000, ATOMIC_MESSAGE_MAX};
	size_t size = fills[_i], most = SUBMISSION_BLOCKS_MAX / size + 1;
	cpg_handle_t handle = start(NULL);
	unsigned int round, sent = 0, i, segments = 0;
	void *buffer;

	for (round = 0; round < 5; round++) {
		take(handle, false);
		for (i = 0; !congested(handle); i++, sent++)
			ck_assert_int_eq(send_bytes(handle, (uint8_t)sent, size), CS_OK);
		ck_assert_uint_eq(i, most);
		ck_assert_int_eq(send_bytes(handle, 1, 1), CS_ERR_TRY_AGAIN);
		ck_assert_int_eq(send_bytes(handle, 1, size), CS_ERR_TRY_AGAIN);
		if (!segments)
			segments = atomic_load(&engine.shared->segments);
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), segments);
		take(handle, true);
		for (i = 0; i < most; i++) {
			deliver(handle, delivered + 1);
			ck_assert_uint_eq(last_byte, (uint8_t)(delivered - 1));
		}
		wait_until_taken(handle);
	}
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), sent);
	/* What is idle goes back with the next buffer. */
	ck_assert_int_eq(cpg_zcb_alloc(handle, 1, &buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	stop(handle);
}
END_TEST

/* Where there is no pool, larger ones go in fragments, behind what was sent before. */
START_TEST(no_blocks_to_be_had)
{
	static const size_t fills[] = {SUBMISSION_MESSAGE_MAX + 1, 100000, ATOMIC_MESSAGE_MAX};
	struct fake_options options = {.features = RINGS, .refuse_segments = true};
	cpg_handle_t handle = start_with(&options);

	ck_assert_int_eq(send_bytes(handle, 7, 10), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 9, fills[_i]), CS_OK);
	deliver(handle, 1);
	ck_assert_uint_eq(last_length, 10);
	deliver(handle, 2);
	ck_assert_uint_eq(last_length, fills[_i]);
	ck_assert_uint_eq(last_byte, 9);
	ck_assert_uint_ge(seen(IPC_REQ_PARTIAL_MCAST), 2);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 0);
	stop(handle);
}
END_TEST

#define RUN 10u

/* The first byte of a message says what comes instead of it. */
static bool send_run(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	unsigned int i;

	if (request->id != IPC_REQ_MCAST)
		return false;
	switch (((const struct ipc_mcast *)request)->message[0]) {
	case 'r':
		fake_run(conn, 55, RUN, 20);
		return true;
	case 'f': /* full to the last byte, where the next head begins; and the same behind the run */
		fake_run(conn, 55, RUN - 1, 16);
		fake_run(conn, 55, 1, 16);
		return true;
	case 'c': /* something of everything */
		fake_run(conn, 55, 2, 20);
		fake_confchg(conn, 1, 0, 1, 2);
		fake_fragment(conn, 1, IPC_FRAGMENT_FIRST, 6, "abc", 3);
		fake_run(conn, 56, 1, 0);
		fake_fragment(conn, 1, IPC_FRAGMENT_LAST, 6, "def", 3);
		return true;
	case 'm': /* more than there is room for, twice over */
		for (i = 0; i < 2 * DELIVERY_RING_SIZE / ring_entry_size(1000); i++)
			fake_run(conn, 57, 1, 1000);
		return true;
	default:
		return false;
	}
}

static const cs_dispatch_flags_t modes[] = {CS_DISPATCH_ONE, CS_DISPATCH_ONE_NONBLOCKING, CS_DISPATCH_ALL,
					    CS_DISPATCH_BLOCKING};

/* The descriptor says exactly whether there is an event, between calls ... */
START_TEST(run_one_by_one)
{
	cpg_handle_t handle = start(send_run);
	unsigned int i;

	ck_assert(!readable(handle, 0));
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	for (i = 1; i <= RUN; i++) {
		ck_assert(readable(handle, 10000));
		ck_assert_int_eq(cpg_dispatch(handle, modes[_i]), CS_OK);
		ck_assert_uint_eq(delivered, i);
		ck_assert_uint_eq(last_byte, i - 1);
		ck_assert_uint_eq(last_length, 20);
		ck_assert_uint_eq(last_pid, 55);
	}
	ck_assert(!readable(handle, 0));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE_NONBLOCKING), CS_ERR_TRY_AGAIN);
	stop(handle);
}
END_TEST

/* ... and in callbacks. */
static void look_at_the_descriptor(cpg_handle_t handle)
{
	ck_assert_int_eq(readable(handle, 0), delivered < RUN);
	ck_assert_uint_eq(last_byte, delivered - 1);
}

START_TEST(run_at_once)
{
	cpg_handle_t handle = start(send_run);

	in_callback = look_at_the_descriptor;
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	ck_assert(readable(handle, 10000));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_eq(delivered, RUN);
	ck_assert(!readable(handle, 0));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_eq(delivered, RUN);
	stop(handle);
}
END_TEST

/* on_deliver() writes there. */
START_TEST(a_byte_behind_a_message_is_the_callbacks)
{
	cpg_handle_t handle = start(send_run);

	ck_assert_int_eq(send_bytes(handle, 'f', 1), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 'x', 8), CS_OK);
	while (delivered < RUN + 1)
		ck_assert_int_eq(cpg_dispatch(handle, _i ? CS_DISPATCH_ALL : CS_DISPATCH_ONE), CS_OK);
	ck_assert_uint_eq(last_length, 8);
	stop(handle);
}
END_TEST

static uint8_t *finalized_message;

static void finalize_behind_three(cpg_handle_t handle)
{
	if (delivered == 3)
		ck_assert_int_eq(cpg_finalize(handle), CS_OK);
}

/* The message is there as long as its callback, whatever became of the handle. */
static void finalize_first(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			   void *msg, size_t length)
{
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	on_deliver(handle, group, nodeid, pid, msg, length);
	finalized_message = msg;
}

START_TEST(finalize_in_the_middle_of_a_run)
{
	cpg_handle_t handle = start(send_run);
	cs_error_t error;

	in_callback = finalize_behind_three;
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	ck_assert(readable(handle, 10000));
	while ((error = cpg_dispatch(handle, modes[_i])) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_BAD_HANDLE);
	ck_assert_uint_eq(delivered, 3);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(message_outlives_its_handle)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = finalize_first};
	struct fake_options options = {.features = RINGS, .hook = send_run};
	cpg_handle_t handle;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	join(handle);
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_ERR_BAD_HANDLE);
	ck_assert_uint_eq(last_length, 20);
	ck_assert_ptr_nonnull(finalized_message);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(everything_comes_in_order)
{
	cpg_handle_t handle = start(send_run);

	ck_assert_int_eq(send_bytes(handle, 'c', 1), CS_OK);
	deliver(handle, 2);
	ck_assert_uint_eq(last_pid, 55);
	ck_assert_uint_eq(confchgs, 1);
	deliver(handle, 3);
	ck_assert_uint_eq(last_pid, 56);
	ck_assert_uint_eq(last_length, 0);
	ck_assert_uint_eq(confchgs, 2);
	deliver(handle, 4);
	ck_assert_uint_eq(last_pid, 1);
	ck_assert_uint_eq(last_length, 6);
	stop(handle);
}
END_TEST

/* The engine may take its time between what it puts in, what it makes of our sleep, and its doorbell. */
START_TEST(descriptor_is_right_however_slow_the_engine)
{
	cpg_handle_t handle = start(send_run);
	unsigned int round, before;

	atomic_store(&engine.shared->put_delay, _i & 1 ? 3000 : 0);
	atomic_store(&engine.shared->bell_delay, _i & 2 ? 3000 : 0);
	for (round = 0; round < 20; round++) {
		usleep(round * 500 % 4000);
		ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
		ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
		while (delivered < (round + 1) * 2 * RUN) {
			ck_assert(readable(handle, 10000));
			before = delivered;
			ck_assert_int_eq(cpg_dispatch(handle, modes[_i >> 2]), CS_OK);
			ck_assert_uint_gt(delivered, before);
		}
		ck_assert(!readable(handle, 0));
	}
	stop(handle);
}
END_TEST

#define STEP (DELIVERY_RING_SIZE / 16) /* in which room is given back */

/* What finds no room waits until half of the ring is free, and no doorbell is sent before. */
START_TEST(more_than_there_is_room_for)
{
	unsigned int total = 2 * DELIVERY_RING_SIZE / ring_entry_size(1000), rung;
	cpg_handle_t handle = start(send_run);

	ck_assert_int_eq(send_bytes(handle, 'm', 1), CS_OK);
	take(handle, true); /* the doorbell of that is through */
	ck_assert(atomic_load(&control_of(handle)->delivered.more));
	rung = seen(IPC_REQ_DOORBELL);
	while (atomic_load(&control_of(handle)->delivered.end) - given_back(handle) >
	       DELIVERY_RING_SIZE / 2 + STEP + 2000) {
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
		usleep(100);
	}
	ck_assert_uint_eq(seen(IPC_REQ_DOORBELL), rung);
	deliver(handle, delivered + 2 * STEP / 1000);
	fake_wait_until(seen(IPC_REQ_DOORBELL) == rung + 1);
	while (delivered < total) {
		ck_assert(readable(handle, 10000));
		ck_assert_int_eq(cpg_dispatch(handle, modes[_i]), CS_OK);
	}
	ck_assert_uint_eq(delivered, total);
	ck_assert(!readable(handle, 0));
	ck_assert_uint_eq(given_back(handle), atomic_load(&control_of(handle)->delivered.end));
	stop(handle);
}
END_TEST

static uint64_t pinned;

static void dispatch_inside(cpg_handle_t handle)
{
	unsigned int outer = delivered;

	if (delivered != 3 && delivered != 6)
		return;
	pinned = given_back(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE_NONBLOCKING), CS_OK);
	ck_assert_uint_eq(delivered, outer + 2);
	ck_assert_uint_eq(given_back(handle), pinned);
}

/* What the outer callback uses is not given back by the inner ones. */
START_TEST(nested_dispatch)
{
	cpg_handle_t handle = start(send_run);

	in_callback = dispatch_inside;
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	while (delivered < RUN) {
		ck_assert(readable(handle, 10000));
		ck_assert_int_eq(cpg_dispatch(handle, modes[_i]), CS_OK);
	}
	ck_assert_uint_eq(delivered, RUN);
	ck_assert_uint_eq(given_back(handle), atomic_load(&control_of(handle)->delivered.end));
	ck_assert(!readable(handle, 0));
	stop(handle);
}
END_TEST

static pthread_barrier_t barrier;

/* The first one waits for the second one to be through with all others. */
static void hold_the_first(cpg_handle_t handle)
{
	(void)handle;
	if (last_byte)
		return;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
}

static void *dispatch_one(void *data)
{
	ck_assert_int_eq(cpg_dispatch(*(cpg_handle_t *)data, CS_DISPATCH_ONE), CS_OK);
	return NULL;
}

START_TEST(two_threads)
{
	cpg_handle_t handle = start(send_run);
	pthread_t thread;

	ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
	in_callback = hold_the_first;
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	ck_assert_int_eq(pthread_create(&thread, NULL, dispatch_one, &handle), 0);
	pthread_barrier_wait(&barrier);
	pinned = given_back(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_eq(delivered, RUN);
	ck_assert_uint_eq(given_back(handle), pinned);
	ck_assert(!readable(handle, 0));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(given_back(handle), atomic_load(&control_of(handle)->delivered.end));
	pthread_barrier_destroy(&barrier);
	stop(handle);
}
END_TEST

/* A thread that waits since before the rings were agreed on gets what comes by them. */
START_TEST(dispatcher_that_was_first)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg};
	struct fake_options options = {.features = RINGS, .sockets = _i};
	struct instance *instance;
	cpg_handle_t handle;
	pthread_t thread;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	instance = instance_get(handle);
	ck_assert_int_eq(pthread_create(&thread, NULL, dispatch_one, &handle), 0);
	fake_wait_until(atomic_load(&instance->waiting));
	join(handle);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(confchgs, 1);
	ck_assert(!readable(handle, 0));
	instance_put(instance);
	stop(handle);
}
END_TEST

static unsigned int totem_confchgs;

static void on_totem_confchg(cpg_handle_t handle, struct cpg_ring_id ring_id, uint32_t count,
			     const uint32_t *members)
{
	(void)handle;
	(void)members;
	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(ring_id.seq, totem_confchgs);
	ck_assert_uint_eq(confchgs, 0);
	totem_confchgs++;
}

static void send_totem_confchg(qb_ipcs_connection_t *conn)
{
	static struct ipc_totem_confchg event = {.header = {.id = IPC_RES_TOTEM_CONFCHG, .size = 44}};

	fake_event(conn, &event, 44);
	event.ring_id.seq++;
}

/* Every client hears of the ring, whatever it has asked for yet: two before its rings, and two in them. */
static bool change_rings(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	const struct ipc_hello *hello = (const struct ipc_hello *)request;
	bool begins = request->id == IPC_REQ_LOCAL_GET && request->size == sizeof(*hello) &&
		      hello->step == IPC_HELLO_START;

	if (begins || request->id == IPC_REQ_MEMBERSHIP_PAGE) {
		send_totem_confchg(conn);
		send_totem_confchg(conn);
	}
	return false;
}

static void *dispatch_four(void *data)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		dispatch_one(data);
	return NULL;
}

/* What came over the connection before the rings is neither lost nor a doorbell. */
START_TEST(events_from_before_the_rings)
{
	cpg_model_v1_data_t model = {CPG_MODEL_V1, on_deliver, on_confchg, on_totem_confchg, 0};
	struct fake_options options = {.features = RINGS, .hook = change_rings, .sockets = _i & 1};
	struct cpg_name group = fake_name("group");
	struct cpg_address members[1];
	cpg_handle_t handle;
	pthread_t thread;
	int count = 1;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL),
			 CS_OK);
	if (_i & 2)
		ck_assert_int_eq(pthread_create(&thread, NULL, dispatch_four, &handle), 0);
	ck_assert_int_eq(cpg_membership_get(handle, &group, members, &count), CS_OK);
	if (_i & 2) {
		pthread_join(thread, NULL);
	} else {
		for (count = 0; count < 4; count++) {
			ck_assert(readable(handle, 10000));
			ck_assert_int_eq(cpg_dispatch(handle, modes[_i >> 2]), CS_OK);
			ck_assert_uint_eq(totem_confchgs, count + 1u);
		}
	}
	ck_assert_uint_eq(totem_confchgs, 4);
	ck_assert(!readable(handle, 0));
	join(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_uint_eq(confchgs, 1);
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
	deliver(handle, 1);
	ck_assert(!readable(handle, 0));
	stop(handle);
}
END_TEST

/* Of the first byte of a message: what can't be in a ring. */
static bool send_nonsense(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	struct segment_control *control;
	struct {
		struct ring_run run;
		struct ring_entry entry;
		uint8_t message[16];
	} run = {.entry = {.kind = RING_MESSAGE, .length = 16}};
	struct ipc_name name = {.length = IPC_NAME_MAX + 1};
	uint64_t end;

	if (request->id != IPC_REQ_MCAST)
		return false;
	control = fake_control(conn);
	end = atomic_load(&control->delivered.end);
	if (((const struct ipc_mcast *)request)->message[0] != 'a')
		fake_run(conn, 1, 1, 8); /* the group is named */
	switch (((const struct ipc_mcast *)request)->message[0]) {
	case 'a': /* of no group */
		fake_ring_entry(conn, RING_RUN, &run, sizeof(run));
		break;
	case 'b': /* no such kind */
		fake_ring_entry(conn, (enum ring_entry_kind)99, &run, sizeof(run));
		break;
	case 'c': /* a message of nobody */
		fake_ring_entry(conn, RING_MESSAGE, &run, sizeof(run));
		break;
	case 'd': /* a run of nothing */
		fake_ring_entry(conn, RING_RUN, &run, sizeof(run.run));
		break;
	case 'e':
		fake_ring_entry(conn, RING_RUN, &run, sizeof(run) - 4);
		break;
	case 'f': /* longer than its run */
		run.entry.length = 17;
		fake_ring_entry(conn, RING_RUN, &run, sizeof(run));
		fake_run(conn, 1, 1, 8);
		break;
	case 'g':
		run.entry.length = UINT32_MAX;
		fake_ring_entry(conn, RING_RUN, &run, sizeof(run));
		break;
	case 'h': /* something else in a run */
		run.entry.kind = RING_EVENT;
		fake_ring_entry(conn, RING_RUN, &run, sizeof(run));
		break;
	case 'i': /* names that are none */
		fake_ring_entry(conn, RING_GROUP, &name, sizeof(name));
		fake_run(conn, 1, 1, 8);
		break;
	case 'j':
		fake_ring_entry(conn, RING_GROUP, &name, sizeof(name) - 8);
		fake_run(conn, 1, 1, 8);
		break;
	case 'k': /* to skip what is in the middle */
		fake_ring_entry(conn, RING_SKIP, &name, 8);
		break;
	case 'l': /* ends that no ring has */
		atomic_store(&control->delivered.end, end + DELIVERY_RING_SIZE + 64);
		break;
	case 'm':
		atomic_store(&control->delivered.end, end + 4);
		break;
	case 'n':
		atomic_store(&control->delivered.end, end - 8);
		break;
	case 'o': /* no event at all */
		fake_ring_entry(conn, RING_EVENT, "", 0);
		break;
	default:
		return false;
	}
	return true;
}

START_TEST(nonsense_in_the_ring)
{
	cpg_handle_t handle = start(send_nonsense);
	bool position = _i >= 'l' && _i <= 'n';
	unsigned int i;
	cs_error_t error;

	ck_assert_int_eq(send_bytes(handle, (uint8_t)_i, 1), CS_OK);
	fake_ask(handle); /* it is there */
	while ((error = cpg_dispatch(handle, CS_DISPATCH_ONE)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_LIBRARY);
	ck_assert_uint_eq(delivered, _i == 'a' || position ? 0 : 1);
	/* Nothing that follows is delivered as if nothing had happened. */
	ck_assert_int_eq(send_bytes(handle, 'z', 1), CS_OK);
	fake_ask(handle);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(cpg_dispatch(handle, modes[i]), CS_ERR_LIBRARY);
	ck_assert_uint_eq(delivered, _i == 'a' || position ? 0 : 1);
	stop(handle);
}
END_TEST

/* The library believes nothing of an engine that took what it was not given. */
START_TEST(nonsense_about_what_was_taken)
{
	cpg_handle_t handle = start(NULL);
	struct segment_control *control = control_of(handle);
	cs_error_t error;

	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	atomic_store(&control->submission_taken.end, atomic_load(&control->submitted.end) + 1000000);
	while ((error = send_bytes(handle, 1, 5000)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_LIBRARY);
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(send_bytes(handle, 1, 50000), CS_ERR_LIBRARY);
	ck_assert(!congested(handle));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_kill(&engine);
}
END_TEST

static void *leave(void *data)
{
	struct cpg_name group = fake_name("group");

	ck_assert_int_eq(cpg_leave(*(cpg_handle_t *)data, &group), CS_OK);
	return NULL;
}

static void *finalize(void *data)
{
	ck_assert_int_eq(cpg_finalize(*(cpg_handle_t *)data), CS_OK);
	return NULL;
}

static void *send_large(void *data)
{
	static uint8_t message[ATOMIC_MESSAGE_MAX + 1];
	struct iovec iov = {message, sizeof(message)};

	ck_assert_int_eq(cpg_mcast_joined(*(cpg_handle_t *)data, CPG_TYPE_AGREED, &iov, 1), CS_OK);
	return NULL;
}

static const struct follower {
	void *(*call)(void *handle);
	enum ipc_request_id request;
	cs_error_t meanwhile; /* what a send is told */
} followers[] = {{leave, IPC_REQ_LEAVE, CS_ERR_TRY_AGAIN},
		 {finalize, IPC_REQ_FINALIZE, CS_ERR_BAD_HANDLE},
		 {send_large, IPC_REQ_PARTIAL_MCAST, CS_ERR_TRY_AGAIN}};

/* What travels another way goes when all that was accepted was taken; and nothing more is accepted meanwhile. */
START_TEST(others_follow_what_was_accepted)
{
	const struct follower *follower = &followers[_i];
	cpg_handle_t handle = start(NULL);
	unsigned int accepted = 3;
	pthread_t thread;
	cs_error_t error;

	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK); /* there is a segment */
	deliver(handle, 1);
	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK);
	ck_assert_int_eq(pthread_create(&thread, NULL, follower->call, &handle), 0);
	while ((error = send_bytes(handle, 1, 1)) == CS_OK && accepted < 1000) {
		accepted++;
		usleep(1000);
	}
	ck_assert_int_eq(error, follower->meanwhile);
	usleep(20000);
	ck_assert_uint_eq(seen(follower->request), 0);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), 1);
	atomic_store(&engine.shared->keep_taken, false);
	pthread_join(thread, NULL);
	ck_assert_uint_ge(seen(follower->request), 1);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), accepted);
	if (follower->call != finalize)
		ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

/* They do not wait for an engine that is gone. */
START_TEST(nobody_waits_for_a_dead_engine)
{
	struct fake_options options = {.features = RINGS, .sockets = _i & 1};
	struct cpg_name group = fake_name("group");
	cpg_handle_t handle = start_with(&options);

	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	fake_engine_kill(&engine);
	if (_i & 2)
		ck_assert_int_eq(cpg_leave(handle, &group), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
}
END_TEST

/* All that it had put in is delivered; then calls say that it is gone. */
START_TEST(engine_dies_behind_a_run)
{
	struct fake_options options = {.features = RINGS, .hook = send_run, .sockets = _i & 1};
	cpg_handle_t handle = start_with(&options);
	cs_error_t error;

	if (_i & 2)
		atomic_store(&engine.shared->bell_delay, 1000000);
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	fake_wait_until(atomic_load(&control_of(handle)->delivered.end) > given_back(handle));
	if (!(_i & 2))
		fake_ask(handle);
	fake_engine_kill(&engine);
	while ((error = cpg_dispatch(handle, _i & 4 ? CS_DISPATCH_ONE : CS_DISPATCH_BLOCKING)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_LIBRARY);
	ck_assert_uint_eq(delivered, RUN);
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_ERR_LIBRARY);
	ck_assert(!congested(handle));
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
}
END_TEST

/* Without the rings everything goes as it did before there were any. */
START_TEST(control_segment_that_can_not_be_used)
{
	struct fake_options options = {.features = RINGS, .control = (enum fake_control)_i};
	cpg_handle_t handle = start_with(&options);
	void *buffer;

	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK);
	deliver(handle, 2);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	deliver(handle, 3);
	ck_assert(!congested(handle));
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), 2);
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), 1);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_messages), 0);
	stop(handle);
}
END_TEST

/* A dispatcher that has to ring does not wait for the thread that has the channel: that one rings. */
START_TEST(doorbell_waits_for_the_channel)
{
	unsigned int total = 2 * DELIVERY_RING_SIZE / ring_entry_size(1000), rung;
	cpg_handle_t handle = start(send_run);
	struct instance *instance = instance_get(handle);

	ck_assert_int_eq(send_bytes(handle, 'm', 1), CS_OK);
	take(handle, true); /* the doorbell of that is through */
	ck_assert(atomic_load(&control_of(handle)->delivered.more));
	rung = seen(IPC_REQ_DOORBELL);
	pthread_mutex_lock(&instance->channel_lock);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_ge(delivered, DELIVERY_RING_SIZE / ring_entry_size(1000) / 2);
	ck_assert_uint_lt(delivered, total);
	ck_assert(!readable(handle, 20));
	ck_assert_uint_eq(seen(IPC_REQ_DOORBELL), rung);
	channel_unlock(instance);
	deliver(handle, total);
	instance_put(instance);
	stop(handle);
}
END_TEST

/* A request that the engine ignores, and that has no answer. */
static void fill_channel(struct instance *instance)
{
	struct ipc_request request = {.id = 99, .size = sizeof(request)};

	while (qb_ipcc_send(instance->ipc, &request, sizeof(request)) > 0)
		;
}

/* libqb has no room for a doorbell: the message was accepted all the same, and the next call rings. */
START_TEST(doorbell_finds_no_room)
{
	struct fake_options options = {.features = RINGS, .sockets = true};
	cpg_handle_t handle = start_with(&options);
	struct instance *instance = instance_get(handle);

	fake_wait_until(atomic_load(&control_of(handle)->submission_taken.asleep));
	atomic_store(&engine.shared->sleepy, true);
	fill_channel(instance);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	ck_assert(atomic_load(&instance->doorbell_due));
	atomic_store(&engine.shared->sleepy, false);
	fake_wait_until(!congested(handle) && !atomic_load(&instance->doorbell_due));
	deliver(handle, 1);
	instance_put(instance);
	stop(handle);
}
END_TEST

static pid_t forked;

/* The child has no use for the message, and leaves the ring alone. */
static void fork_inside(cpg_handle_t handle)
{
	int status;

	if (delivered != 2)
		return;
	pinned = given_back(handle);
	forked = fork();
	if (!forked)
		return;
	ck_assert_int_eq(waitpid(forked, &status, 0), forked);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(given_back(handle), pinned);
}

START_TEST(fork_in_a_callback)
{
	cpg_handle_t handle = start(send_run);
	cs_error_t error;

	forked = -1;
	in_callback = fork_inside;
	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	error = cpg_dispatch(handle, modes[_i]);
	if (!forked) {
		/* By exec: what a child has to leave behind (see cpg.h) is a leak to those who look at its exit. */
		bool good = error == CS_ERR_BAD_HANDLE && delivered == 2 && cpg_finalize(handle) == CS_OK;

		execl(good ? "/bin/true" : "/bin/false", "child", NULL);
		_exit(3);
	}
	ck_assert_int_eq(error, CS_OK);
	deliver(handle, RUN);
	ck_assert_uint_eq(last_byte, RUN - 1);
	stop(handle);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	delivered = confchgs = totem_confchgs = 0;
	in_callback = NULL;
}

int main(void)
{
	TCase *tcase = tcase_create("rings");

	tcase_add_checked_fixture(tcase, forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, messages_of_every_size, 0, 4);
	tcase_add_test(tcase, engine_is_rung_when_it_sleeps);
	tcase_add_loop_test(tcase, full_ring_is_what_the_state_says, 0, 6);
	tcase_add_test(tcase, receiver_behind_holds_up_sends);
	tcase_add_test(tcase, zcb_is_a_plain_send);
	tcase_add_loop_test(tcase, blocks_are_used_again, 0, 3);
	tcase_add_loop_test(tcase, no_blocks_to_be_had, 0, 3);
	tcase_add_loop_test(tcase, run_one_by_one, 0, 2);
	tcase_add_test(tcase, run_at_once);
	tcase_add_loop_test(tcase, a_byte_behind_a_message_is_the_callbacks, 0, 2);
	tcase_add_loop_test(tcase, finalize_in_the_middle_of_a_run, 0, 4);
	tcase_add_test(tcase, message_outlives_its_handle);
	tcase_add_test(tcase, everything_comes_in_order);
	tcase_add_loop_test(tcase, descriptor_is_right_however_slow_the_engine, 0, 12);
	tcase_add_loop_test(tcase, more_than_there_is_room_for, 0, 3);
	tcase_add_loop_test(tcase, nested_dispatch, 0, 3);
	tcase_add_test(tcase, two_threads);
	tcase_add_loop_test(tcase, dispatcher_that_was_first, 0, 2);
	tcase_add_loop_test(tcase, events_from_before_the_rings, 0, 8);
	tcase_add_loop_test(tcase, nonsense_in_the_ring, 'a', 'o' + 1);
	tcase_add_test(tcase, nonsense_about_what_was_taken);
	tcase_add_loop_test(tcase, others_follow_what_was_accepted, 0, 3);
	tcase_add_loop_test(tcase, nobody_waits_for_a_dead_engine, 0, 4);
	tcase_add_loop_test(tcase, engine_dies_behind_a_run, 0, 8);
	tcase_add_loop_test(tcase, control_segment_that_can_not_be_used, CONTROL_NOT_THERE, CONTROL_OLD + 1);
	tcase_add_test(tcase, doorbell_waits_for_the_channel);
	tcase_add_test(tcase, doorbell_finds_no_room);
	tcase_add_loop_test(tcase, fork_in_a_callback, 0, 3);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_rings", tcase);
}
