/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory with the engine: flow control that tells the truth, and zcb buffers. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fake_engine.h"
#include "lib/lib_internal.h"
#include "run_suite.h"

#define BOTH (IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS)

static struct fake_engine engine;
static size_t delivered, delivered_length;
static uint8_t delivered_byte;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	delivered++;
	delivered_length = length;
	delivered_byte = length ? ((uint8_t *)msg)[length - 1] : 0;
}

static cpg_handle_t start_with(const struct fake_options *options)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver};
	struct cpg_name group = fake_name("group");
	cpg_handle_t handle;

	fake_engine_start(&engine, options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	return handle;
}

static cpg_handle_t start(uint64_t features)
{
	struct fake_options options = {.features = features};

	return start_with(&options);
}

static void stop(cpg_handle_t handle)
{
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}

static cs_error_t send_bytes(cpg_handle_t handle, size_t length)
{
	static uint8_t bytes[ATOMIC_MESSAGE_MAX];
	struct iovec iov = {bytes, length};

	return cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
}

static bool congested(cpg_handle_t handle)
{
	cpg_flow_control_state_t state;

	ck_assert_int_eq(cpg_flow_control_state_get(handle, &state), CS_OK);
	return state == CPG_FLOW_CONTROL_ENABLED;
}

static unsigned int seen(enum ipc_request_id id)
{
	return atomic_load(&engine.shared->requests[id]);
}

START_TEST(control_segment_loses_its_name)
{
	cpg_handle_t handle = start(BOTH);

	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_uint_eq(seen(IPC_REQ_LOCAL_GET), 2);
	stop(handle);
}
END_TEST

/* The first reports do not get through: a membership is being formed. */
static bool report_refused(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	const struct ipc_hello *hello = (const struct ipc_hello *)request;

	if (request->id != IPC_REQ_LOCAL_GET || request->size != sizeof(*hello) ||
	    hello->step != IPC_HELLO_ATTACHED || atomic_fetch_add(&fake_shared->value, 1) >= 3)
		return false;
	fake_respond(conn, IPC_RES_LOCAL_GET, CS_ERR_TRY_AGAIN);
	return true;
}

/* The engine must hear what became of a segment: it keeps it, and its name, until then. */
START_TEST(segments_are_reported_in_the_end)
{
	struct fake_options options = {.features = BOTH, .hook = report_refused};
	cpg_handle_t handle = start_with(&options);
	void *buffer;

	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	atomic_store(&engine.shared->value, 0);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), 1);
	atomic_store(&engine.shared->sleepy, true);
	while (!congested(handle)) /* the control segment is in use */
		ck_assert_int_eq(send_bytes(handle, 2000), CS_OK);
	atomic_store(&engine.shared->sleepy, false);
	stop(handle);
}
END_TEST

/* An engine that offers what is not there, or not what it should be, is used without it. */
static bool bad_hello(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	struct ipc_hello_response response = {
		.local = {.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(response), .error = CS_OK}},
		.magic = IPC_HELLO_MAGIC,
		.version = 1,
		.features = BOTH,
		.control = {.id = 1,
			    .user_offset = 8240,
			    .user_size = SEGMENT_CONTROL_SIZE,
			    .name = "/dev/shm/qb-not-there"}};
	const struct ipc_hello *hello = (const struct ipc_hello *)request;
	unsigned int how = atomic_load(&fake_shared->value);

	if (request->id != IPC_REQ_LOCAL_GET || request->size != sizeof(*hello))
		return false;
	if (hello->step == IPC_HELLO_REFUSED)
		atomic_store(&fake_shared->value, how + 100);
	if (how == 1)
		memset(response.control.name, '/', sizeof(response.control.name));
	if (how == 2)
		response.control.user_size = SEGMENT_POOL_MAX + 1ull;
	if (how == 3)
		response.control.user_size = 8;
	if (how == 4)
		strcpy(response.control.name, "relative");
	if (how == 5)
		strcpy(response.control.name, "/dev/shm/qb-short");
	fake_respond_raw(conn, &response, sizeof(response));
	return true;
}

START_TEST(control_segment_that_can_not_be_used)
{
	struct fake_options options = {.features = BOTH, .hook = bad_hello};
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver};
	struct cpg_name group = fake_name("group");
	cpg_handle_t handle;

	close(open("/dev/shm/qb-short-header", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	fake_engine_start(&engine, &options);
	atomic_store(&engine.shared->value, (unsigned int)_i);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	unlink("/dev/shm/qb-short-header");
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->value), (unsigned int)_i + 100);
	ck_assert_int_eq(send_bytes(handle, 10), CS_OK);
	ck_assert(!congested(handle));
	stop(handle);
}
END_TEST

static size_t shm_used(void)
{
	struct statvfs shm;

	ck_assert_int_eq(statvfs("/dev/shm", &shm), 0);
	return (shm.f_blocks - shm.f_bfree) * shm.f_frsize;
}

/* What the engine gave no memory to, for there may be thousands of handles, gets none by being mapped. */
START_TEST(memory_of_a_handle_that_does_nothing)
{
	cpg_handle_t handle = start(BOTH | IPC_FEATURE_RINGS);
	size_t before = shm_used();
	cpg_handle_t idle;

	ck_assert_int_eq(cpg_initialize(&idle, NULL), CS_OK);
	ck_assert_uint_lt(shm_used() - before, 2 * SEGMENT_CONTROL_SMALL);
	ck_assert_int_eq(cpg_finalize(idle), CS_OK);
	stop(handle);
}
END_TEST

START_TEST(window_closes_and_opens)
{
	cpg_handle_t handle = start(BOTH);
	unsigned int sent = 0;

	ck_assert(!congested(handle));
	atomic_store(&engine.shared->sleepy, true);
	while (!congested(handle)) {
		ck_assert_int_eq(send_bytes(handle, 2000), CS_OK);
		sent++;
	}
	ck_assert_uint_eq(sent, SEGMENT_MCAST_WINDOW / 2040 + 1);
	ck_assert_int_eq(send_bytes(handle, 1), CS_ERR_TRY_AGAIN);
	ck_assert(congested(handle));
	atomic_store(&engine.shared->sleepy, false);
	fake_wait_until(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1), CS_OK);
	stop(handle);
}
END_TEST

/* Everything that could fill a member's queue further waits until it has caught up. */
START_TEST(a_receiver_that_is_behind_holds_up_all_sends)
{
	cpg_handle_t handle = start(BOTH);
	unsigned int nodeid;
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	atomic_store(&engine.shared->behind, true);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_OK);
	ck_assert(congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, ATOMIC_MESSAGE_MAX + 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_ERR_TRY_AGAIN);
	atomic_store(&engine.shared->behind, false);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_OK);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	stop(handle);
}
END_TEST

/* One state for all kinds of sends: none of them goes past a window that is closed. */
START_TEST(a_closed_window_holds_up_all_sends)
{
	cpg_handle_t handle = start(BOTH);
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	atomic_store(&engine.shared->keep_taken, true);
	while (!congested(handle))
		ck_assert_int_eq(send_bytes(handle, 60000), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, ATOMIC_MESSAGE_MAX + 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_ERR_TRY_AGAIN);
	stop(handle);
}
END_TEST

/* Why sends are refused when the engine dies. */
enum cause { WINDOW_CLOSED, RECEIVER_BEHIND, SWITCHED_OFF, CHANNEL_FULL, CAUSES };

static void get_refused(cpg_handle_t handle, enum cause cause)
{
	unsigned int nodeid;
	cs_error_t error;

	if (cause == RECEIVER_BEHIND) {
		atomic_store(&engine.shared->behind, true);
		ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_OK);
	} else if (cause == SWITCHED_OFF) {
		atomic_store(&engine.shared->rate, QB_IPCS_RATE_OFF);
		fake_wait_until(atomic_load(&engine.shared->rate_set) == QB_IPCS_RATE_OFF);
	} else {
		atomic_store(&engine.shared->sleepy, true);
	}
	while ((error = send_bytes(handle, 200000)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	ck_assert(cause == CHANNEL_FULL || congested(handle));
}

/* Who tries again as it was told must hear that there is nobody any more. */
START_TEST(engine_dies_while_sends_are_refused)
{
	enum cause cause = (enum cause)(_i % CAUSES);
	struct fake_options options = {.features = cause == CHANNEL_FULL ? 0 : BOTH, .sockets = _i >= CAUSES};
	cpg_handle_t handle = start_with(&options);
	unsigned int nodeid;
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	get_refused(handle, cause);
	fake_engine_kill(&engine);
	ck_assert_int_eq(send_bytes(handle, 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(send_bytes(handle, ATOMIC_MESSAGE_MAX + 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_ERR_LIBRARY);
	ck_assert(!congested(handle)); /* to send is worth it: the answer says what is wrong */
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
}
END_TEST

/* As with the kernel's usual net.core.wmem_max. */
static void shrink_sockets(cpg_handle_t handle)
{
	struct instance *instance = instance_get(handle);
	int fd, type, room = 212992;
	socklen_t size = sizeof(type);

	for (fd = 3; fd < 100; fd++) {
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM)
			ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	}
	channel_window_set(instance);
	instance_put(instance);
}

#define SOCKET_MESSAGE_MAX 400000u

static const struct fill {
	size_t size;	    /* of each message */
	unsigned int limit; /* how many; 0: until one would be refused */
	bool sockets;
} fills[] = {
	{0, 0, false},	   {1, 0, false},    {60, 0, false},	 {5000, 0, false},
	{60000, 0, false}, {0, 200, false},  {1000, 200, false}, {ATOMIC_MESSAGE_MAX, 0, false},
	{0, 0, true},	   {200, 0, true},   {1000, 0, true},	 {3900, 0, true},
	{17000, 0, true},  {60000, 0, true}, {90000, 0, true},	 {SOCKET_MESSAGE_MAX, 0, true},
};

/* Whatever the state says must be what a send then gets: with the largest of messages, too. */
START_TEST(state_is_true_at_every_size)
{
	const struct fill *fill = &fills[_i];
	struct fake_options options = {.features = BOTH, .sockets = fill->sockets};
	cpg_handle_t handle = start_with(&options);
	unsigned int sent = 0;

	if (fill->sockets)
		shrink_sockets(handle);
	atomic_store(&engine.shared->sleepy, true);
	while (!congested(handle) && (!fill->limit || sent++ < fill->limit))
		ck_assert_int_eq(send_bytes(handle, fill->size), CS_OK);
	/* As full as it gets without being refused, there still is room for the largest. */
	if (!congested(handle))
		ck_assert_int_eq(send_bytes(handle, ATOMIC_MESSAGE_MAX), CS_OK);
	if (congested(handle))
		ck_assert_int_eq(send_bytes(handle, 0), CS_ERR_TRY_AGAIN);
	atomic_store(&engine.shared->sleepy, false);
	stop(handle);
}
END_TEST

START_TEST(state_shows_that_the_engine_switched_off)
{
	struct fake_options options = {.features = _i & 1 ? BOTH : 0, .sockets = _i & 2};
	cpg_handle_t handle = start_with(&options);
	int off = _i & 4 ? QB_IPCS_RATE_OFF : QB_IPCS_RATE_OFF_2;

	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1), CS_OK);
	atomic_store(&engine.shared->rate, off);
	fake_wait_until(atomic_load(&engine.shared->rate_set) == off);
	ck_assert(congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1), CS_ERR_TRY_AGAIN);
	ck_assert(congested(handle));
	atomic_store(&engine.shared->rate, QB_IPCS_RATE_FAST);
	fake_wait_until(atomic_load(&engine.shared->rate_set) == QB_IPCS_RATE_FAST);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 1), CS_OK);
	stop(handle);
}
END_TEST

/* A stock engine shows nothing: the state must not stay "full" for ever after one refusal. */
START_TEST(state_recovers_without_a_control_segment)
{
	cpg_handle_t handle = start(0);
	cs_error_t error;

	atomic_store(&engine.shared->sleepy, true);
	while ((error = send_bytes(handle, 200000)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	atomic_store(&engine.shared->sleepy, false);
	fake_wait_until(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, ATOMIC_MESSAGE_MAX), CS_OK);
	stop(handle);
}
END_TEST

/* Dispatches until there were so many deliveries. */
static void deliver(cpg_handle_t handle, size_t count)
{
	while (delivered < count)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
}

/* 0: segments, 1: a stock engine, 2: no more segments to be had */
static cpg_handle_t start_zcb(int how)
{
	struct fake_options options = {.features = how == 1 ? 0 : BOTH, .refuse_segments = how == 2};

	return start_with(&options);
}

START_TEST(zcb_sends_what_was_written)
{
	static const size_t sizes[] = {0, 1, 64, 1000, ATOMIC_MESSAGE_MAX};
	cpg_handle_t handle = start_zcb(_i);
	uint8_t *buffers[5];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(cpg_zcb_alloc(handle, sizes[i], (void **)&buffers[i]), CS_OK);
		memset(buffers[i], (int)(i + 1), sizes[i]);
	}
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffers[i % 5], sizes[i % 5]),
				 CS_OK);
		deliver(handle, i + 1);
		ck_assert_uint_eq(delivered_length, sizes[i % 5]);
		if (sizes[i % 5])
			ck_assert_uint_eq(delivered_byte, i % 5 + 1);
	}
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), _i ? 0 : 10);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), _i ? 10 : 0);
	/* From inside a buffer. */
	buffers[3][500] = 99;
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffers[3] + 100, 401), CS_OK);
	deliver(handle, 11);
	ck_assert_uint_eq(delivered_byte, 99);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[4 - i]), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	stop(handle);
}
END_TEST

START_TEST(zcb_refuses_what_is_not_a_buffer)
{
	cpg_handle_t handle = start_zcb(_i);
	struct cpg_name group = fake_name("group");
	uint8_t *buffer, *other, *large;
	char mine[10];

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX + 1, (void **)&large), CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_alloc(handle, SIZE_MAX, (void **)&large), CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, (void **)&buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, (void **)&other), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, mine, 10), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, NULL, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, (void *)UINTPTR_MAX, 10),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 101), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer + 50, 51),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer - 1, 10), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, ATOMIC_MESSAGE_MAX + 1),
			 CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_free(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_free(handle, mine), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer + 1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, other, 1), CS_ERR_NOT_EXIST);
	stop(handle); /* `other` goes with it */
}
END_TEST

START_TEST(zcb_segments_come_and_go)
{
	enum { COUNT = 20 };
	cpg_handle_t handle = start_zcb(0);
	void *buffers[COUNT];
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < COUNT; i++) {
			ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[i]), CS_OK);
			memset(buffers[i], (int)i, ATOMIC_MESSAGE_MAX);
		}
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), 8 + 2);
		for (i = 0; i < COUNT; i++)
			ck_assert_int_eq(cpg_zcb_free(handle, buffers[i * 7 % COUNT]), CS_OK);
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	}
	stop(handle);
}
END_TEST

#define RINGS (BOTH | IPC_FEATURE_RINGS)

/* Whether the engine takes messages; in force when this returns. */
static void take(cpg_handle_t handle, bool takes)
{
	atomic_store(&engine.shared->keep_taken, !takes);
	fake_ask(handle);
}

#define READ_IN_PLACE (SUBMISSION_MESSAGE_MAX + 1) /* bytes from which on messages are not copied */

/* Nothing was copied: what is written to the buffer too early is what is sent. */
START_TEST(async_sends_without_a_copy)
{
	static const size_t sizes[] = {READ_IN_PLACE, 10000, 500000, ATOMIC_MESSAGE_MAX};
	cpg_handle_t handle = start(RINGS);
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	take(handle, false);
	memset(buffer, 1, sizes[_i]);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, sizes[_i]), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer + sizes[_i] - 1, 20), CS_ERR_TRY_AGAIN);
	memset(buffer, 2, sizes[_i]);
	take(handle, true);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, -1), CS_OK);
	deliver(handle, 1);
	ck_assert_uint_eq(delivered_length, sizes[_i]);
	ck_assert_uint_eq(delivered_byte, 2);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 1);
	stop(handle);
}
END_TEST

/* A small one is the caller's again at once: to copy it costs less than to wait. */
START_TEST(async_copies_what_is_small)
{
	cpg_handle_t handle = start(RINGS);
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, READ_IN_PLACE - 1, (void **)&buffer), CS_OK);
	memset(buffer, 1, READ_IN_PLACE - 1);
	take(handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, READ_IN_PLACE - 1), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	memset(buffer, 2, READ_IN_PLACE - 1);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(delivered_byte, 1);
	stop(handle);
}
END_TEST

/* Several from one buffer, from parts of it, and plain ones in between: in order, and taken when the last one was. */
START_TEST(async_keeps_the_order)
{
	cpg_handle_t handle = start(RINGS);
	uint8_t *buffer, i;
	size_t at;

	ck_assert_int_eq(cpg_zcb_alloc(handle, READ_IN_PLACE + 100, (void **)&buffer), CS_OK);
	for (at = 0; at < READ_IN_PLACE + 100; at++)
		buffer[at] = (uint8_t)at;
	take(handle, false);
	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer + i, READ_IN_PLACE + i),
				 CS_OK);
		ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	}
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_ERR_TRY_AGAIN);
	take(handle, true);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 10000), CS_OK);
	for (i = 0; i < 50; i++) {
		deliver(handle, 2 * i + 1u);
		ck_assert_uint_eq(delivered_length, READ_IN_PLACE + i);
		ck_assert_uint_eq(delivered_byte, (uint8_t)(READ_IN_PLACE + 2 * i - 1));
		deliver(handle, 2 * i + 2u);
		ck_assert_uint_eq(delivered_length, 100);
	}
	stop(handle);
}
END_TEST

/* A buffer that was freed too early is not given to anybody else before the engine is through with it. */
START_TEST(async_outlives_free)
{
	cpg_handle_t handle = start(RINGS);
	uint8_t *buffer, *other, *again;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	memset(buffer, 5, READ_IN_PLACE);
	take(handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, READ_IN_PLACE), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, -1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&other), CS_OK);
	ck_assert(other != buffer);
	memset(other, 6, READ_IN_PLACE);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(delivered_byte, 5);
	take(handle, true); /* it is behind that message */
	ck_assert_int_eq(cpg_zcb_free(handle, other), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	/* Both are free again: what is left of the two segments is one. */
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&again), CS_OK);
	ck_assert(again == buffer || again == other);
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	stop(handle);
}
END_TEST

/* Where the engine can't read it, it is copied, and taken when the call returns. 3: segments, but no rings */
START_TEST(async_without_shared_memory)
{
	struct fake_options options = {.features = _i == 1   ? 0
						   : _i == 3 ? BOTH
							     : RINGS,
				       .refuse_segments = _i == 2};
	cpg_handle_t handle = start_with(&options);
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 20000, (void **)&buffer), CS_OK);
	if (_i != 3)
		take(handle, false);
	memset(buffer, 1, 20000);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, 5000), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	memset(buffer, 2, 20000);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(delivered_byte, 1);
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), _i == 3);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	stop(handle);
}
END_TEST

START_TEST(async_refuses_what_it_must)
{
	cpg_handle_t handle = start(RINGS);
	struct cpg_name group = fake_name("group");
	unsigned int sent = 0;
	uint8_t *buffer, mine[10];
	cs_error_t error;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	memset(buffer, 0, ATOMIC_MESSAGE_MAX);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, mine, 10), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer + 1, ATOMIC_MESSAGE_MAX),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, ATOMIC_MESSAGE_MAX + 1),
			 CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle + 1, CPG_TYPE_AGREED, buffer, 1), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_zcb_wait(handle, mine, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_wait(handle, NULL, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_wait(handle + 1, buffer, 0), CS_ERR_BAD_HANDLE);
	take(handle, false);
	while ((error = cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, 500000)) == CS_OK)
		sent++;
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	ck_assert_uint_eq(sent, SUBMISSION_BLOCKS_MAX / 500000 + 1);
	ck_assert(congested(handle));
	take(handle, true);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, -1), CS_OK);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, 1), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	stop(handle);
}
END_TEST

struct waiter {
	cpg_handle_t handle;
	void *buffer;
	cs_error_t result;
};

static void *wait_for_buffer(void *data)
{
	struct waiter *waiter = data;

	waiter->result = cpg_zcb_wait(waiter->handle, waiter->buffer, -1);
	return NULL;
}

static void *finalize(void *data)
{
	cpg_finalize(*(cpg_handle_t *)data);
	return NULL;
}

/* Who waits hears of the end, whoever's that is. */
START_TEST(async_wait_ends)
{
	struct waiter waiter = {.handle = start(RINGS)};
	pthread_t threads[2];

	ck_assert_int_eq(cpg_zcb_alloc(waiter.handle, READ_IN_PLACE, &waiter.buffer), CS_OK);
	memset(waiter.buffer, 0, READ_IN_PLACE);
	take(waiter.handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(waiter.handle, CPG_TYPE_AGREED, waiter.buffer, READ_IN_PLACE),
			 CS_OK);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, wait_for_buffer, &waiter), 0);
	if (_i) {
		ck_assert_int_eq(pthread_create(&threads[1], NULL, finalize, &waiter.handle), 0);
		pthread_join(threads[0], NULL);
		ck_assert_int_eq(waiter.result, CS_ERR_BAD_HANDLE);
		fake_engine_kill(&engine); /* cpg_finalize() would wait, too */
		pthread_join(threads[1], NULL);
	} else {
		usleep(10000);
		fake_engine_kill(&engine);
		pthread_join(threads[0], NULL);
		ck_assert_int_eq(waiter.result, CS_ERR_LIBRARY);
		ck_assert_int_eq(cpg_finalize(waiter.handle), CS_ERR_LIBRARY);
	}
}
END_TEST

/* Mappings of segments that the engine made. */
static unsigned int mapped_segments(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned int count = 0;
	char line[512];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "/qb-fake-") != NULL;
	fclose(file);
	return count;
}

static bool refuse_to_destroy(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_SEGMENT_DESTROY || !atomic_load(&fake_shared->value))
		return false;
	fake_respond(conn, IPC_RES_SEGMENT_DESTROY, CS_ERR_TRY_AGAIN);
	return true;
}

/* What the engine would not take back is used again: both sides count the same segments. */
START_TEST(zcb_segments_stay_until_taken_back)
{
	struct fake_options options = {.features = BOTH, .hook = refuse_to_destroy};
	cpg_handle_t handle = start_with(&options);
	void *buffers[2];
	unsigned int round;

	for (round = 0; round < 3; round++) {
		atomic_store(&engine.shared->value, round < 2);
		ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[0]), CS_OK);
		ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[1]), CS_OK);
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), 2);
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[0]), CS_OK);
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[1]), CS_OK);
	}
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	stop(handle);
}
END_TEST

/* 1: with messages that the engine never took */
START_TEST(nothing_stays_mapped)
{
	cpg_handle_t handle = start(_i ? RINGS : BOTH);
	void *buffers[2];

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[0]), CS_OK);
	ck_assert_uint_gt(mapped_segments(), 0);
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, &buffers[1]), CS_OK);
	if (_i) {
		take(handle, false);
		ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffers[0], READ_IN_PLACE),
				 CS_OK);
		ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffers[1], READ_IN_PLACE),
				 CS_OK);
		ck_assert_int_eq(send_bytes(handle, 100000), CS_OK);
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[1]), CS_OK);
		fake_engine_kill(&engine);
	}
	ck_assert_int_eq(cpg_finalize(handle), _i ? CS_ERR_LIBRARY : CS_OK);
	fake_engine_stop(&engine);
	ck_assert_uint_eq(mapped_segments(), 0);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	delivered = delivered_length = 0;
	delivered_byte = 0;
}

int main(void)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, forget, NULL);
	fake_private_shm();
	tcase_add_test(tcase, control_segment_loses_its_name);
	tcase_add_test(tcase, segments_are_reported_in_the_end);
	tcase_add_loop_test(tcase, control_segment_that_can_not_be_used, 0, 6);
	tcase_add_test(tcase, memory_of_a_handle_that_does_nothing);
	tcase_add_test(tcase, window_closes_and_opens);
	tcase_add_test(tcase, a_receiver_that_is_behind_holds_up_all_sends);
	tcase_add_test(tcase, a_closed_window_holds_up_all_sends);
	tcase_add_loop_test(tcase, engine_dies_while_sends_are_refused, 0, 2 * CAUSES);
	tcase_add_loop_test(tcase, state_is_true_at_every_size, 0, sizeof(fills) / sizeof(fills[0]));
	tcase_add_loop_test(tcase, state_shows_that_the_engine_switched_off, 0, 8);
	tcase_add_test(tcase, state_recovers_without_a_control_segment);
	tcase_add_loop_test(tcase, zcb_sends_what_was_written, 0, 3);
	tcase_add_loop_test(tcase, zcb_refuses_what_is_not_a_buffer, 0, 3);
	tcase_add_test(tcase, zcb_segments_come_and_go);
	tcase_add_test(tcase, zcb_segments_stay_until_taken_back);
	tcase_add_loop_test(tcase, async_sends_without_a_copy, 0, 4);
	tcase_add_test(tcase, async_copies_what_is_small);
	tcase_add_test(tcase, async_keeps_the_order);
	tcase_add_test(tcase, async_outlives_free);
	tcase_add_loop_test(tcase, async_without_shared_memory, 1, 4);
	tcase_add_test(tcase, async_refuses_what_it_must);
	tcase_add_loop_test(tcase, async_wait_ends, 0, 2);
	tcase_add_loop_test(tcase, nothing_stays_mapped, 0, 2);
	tcase_set_timeout(tcase, 20);
	return run_case("lib_memory", tcase);
}
