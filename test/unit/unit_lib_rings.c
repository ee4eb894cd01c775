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
	memset(bytes, 0xff, length); /* the message is ours */
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

#define RUN 10u

/* The first byte of a message says what comes instead of it. */
static bool send_run(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_MCAST || ((const struct ipc_mcast *)request)->message[0] != 'r')
		return false;
	fake_run(conn, 55, RUN, 20);
	return true;
}

static const cs_dispatch_flags_t modes[] = {CS_DISPATCH_ONE, CS_DISPATCH_ONE_NONBLOCKING, CS_DISPATCH_ALL,
					    CS_DISPATCH_BLOCKING};

/* A run is as many events as it has messages, and the descriptor is readable exactly as long as there is one. */
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

START_TEST(run_at_once)
{
	cpg_handle_t handle = start(send_run);

	ck_assert_int_eq(send_bytes(handle, 'r', 1), CS_OK);
	ck_assert(readable(handle, 10000));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_eq(delivered, RUN);
	ck_assert_uint_eq(last_byte, RUN - 1);
	ck_assert(!readable(handle, 0));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_eq(delivered, RUN);
	stop(handle);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	delivered = confchgs = 0;
	in_callback = NULL;
}

int main(void)
{
	TCase *tcase = tcase_create("rings");

	tcase_add_checked_fixture(tcase, forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, messages_of_every_size, 0, 4);
	tcase_add_loop_test(tcase, run_one_by_one, 0, 2);
	tcase_add_test(tcase, run_at_once);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_rings", tcase);
}
