/* SPDX-License-Identifier: BSD-3-Clause */
/* Several threads on one handle, and processes that fork. */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_engine.h"
#include "lib/lib_internal.h"
#include "run_suite.h"

#define SENDERS 4u
#define MESSAGES 500u

static struct fake_engine engine;
static atomic_uint delivered, wrong, bad_ends;
static uint32_t expected[SENDERS];
static cpg_handle_t shared_handle;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	uint32_t message[2];

	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	if (length < sizeof(message)) {
		atomic_fetch_add(&wrong, 1);
		return;
	}
	memcpy(message, msg, sizeof(message));
	if (message[0] >= SENDERS || message[1] != expected[message[0]]++)
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&delivered, 1);
}

static cpg_handle_t start(bool (*hook)(qb_ipcs_connection_t *, const struct ipc_request *))
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver};
	struct fake_options options = {.features = IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS,
				       .hook = hook};
	struct cpg_name group = fake_name("group");
	cpg_handle_t handle;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	return handle;
}

/* Small and large ones in turn; every sender's arrive in its order. */
static void *send_many(void *data)
{
	uint32_t *message = calloc(1, ATOMIC_MESSAGE_MAX + 9), i;
	uint32_t sender = *(uint32_t *)data;
	cs_error_t error;
	struct iovec iov;

	for (i = 0; i < MESSAGES; i++) {
		message[0] = sender;
		message[1] = i;
		iov = (struct iovec){message, i % 50 == 49 ? ATOMIC_MESSAGE_MAX + 9 : 8 + i};
		while ((error = cpg_mcast_joined(shared_handle, CPG_TYPE_AGREED, &iov, 1)) ==
		       CS_ERR_TRY_AGAIN)
			usleep(500);
		if (error != CS_OK)
			atomic_fetch_add(&wrong, 1);
	}
	free(message);
	return NULL;
}

static cs_error_t ask_members(int *entries)
{
	struct cpg_name group = fake_name("group");
	struct cpg_address members[8];

	*entries = 8;
	return cpg_membership_get(shared_handle, &group, members, entries);
}

static void *ask_many(void *data)
{
	unsigned int i, nodeid = 0;
	int entries;

	(void)data;
	for (i = 0; i < MESSAGES; i++) {
		if (ask_members(&entries) != CS_OK || entries != 5)
			atomic_fetch_add(&wrong, 1);
		if (cpg_local_get(shared_handle, &nodeid) != CS_OK || nodeid != FAKE_NODEID)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

START_TEST(senders_askers_and_a_dispatcher)
{
	uint32_t numbers[SENDERS], i;
	pthread_t threads[SENDERS + 1];

	shared_handle = start(NULL);
	atomic_store(&engine.shared->members, 5);
	for (i = 0; i < SENDERS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_many, &numbers[i]), 0);
	}
	ck_assert_int_eq(pthread_create(&threads[SENDERS], NULL, ask_many, NULL), 0);
	while (atomic_load(&delivered) < SENDERS * MESSAGES)
		ck_assert_int_eq(cpg_dispatch(shared_handle, CS_DISPATCH_ONE), CS_OK);
	for (i = 0; i <= SENDERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
	ck_assert_int_eq(cpg_finalize(shared_handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

static void *use_until_bad(void *data)
{
	uint32_t message[2] = {0, 0};
	struct iovec iov = {message, sizeof(message)};
	uintptr_t what = (uintptr_t)data;
	int entries;
	cs_error_t error;
	void *buffer;

	do {
		if (what == 0)
			error = cpg_mcast_joined(shared_handle, CPG_TYPE_AGREED, &iov, 1);
		else if (what == 1)
			error = ask_members(&entries);
		else if (what == 2)
			error = cpg_dispatch(shared_handle, CS_DISPATCH_ALL);
		else if ((error = cpg_zcb_alloc(shared_handle, 100, &buffer)) == CS_OK)
			error = cpg_zcb_free(shared_handle, buffer); /* there is an end to them */
	} while (error == CS_OK || error == CS_ERR_TRY_AGAIN);
	/* In the middle of a call the engine may have gone first. */
	if (error != CS_ERR_BAD_HANDLE && error != CS_ERR_LIBRARY)
		atomic_fetch_add(&bad_ends, 1);
	return NULL;
}

START_TEST(finalize_under_their_hands)
{
	pthread_t threads[4];
	uintptr_t i;

	shared_handle = start(NULL);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_until_bad, (void *)i), 0);
	fake_wait_until(atomic_load(&engine.shared->requests[IPC_REQ_MCAST]) > 100);
	ck_assert_int_eq(cpg_finalize(shared_handle), CS_OK);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(atomic_load(&bad_ends), 0);
	fake_engine_stop(&engine);
}
END_TEST

/* A fragment that is refused for as long as the test wants. */
static bool hold_fragments(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_PARTIAL_MCAST || atomic_load(&fake_shared->value))
		return false;
	if (((const struct ipc_partial_mcast *)request)->type == IPC_FRAGMENT_FIRST)
		return false;
	fake_respond(conn, IPC_RES_PARTIAL_SEND, CS_ERR_TRY_AGAIN);
	return true;
}

static void *send_large(void *data)
{
	cs_error_t *result = data;
	uint32_t *message = calloc(1, ATOMIC_MESSAGE_MAX + 9);
	struct iovec iov = {message, ATOMIC_MESSAGE_MAX + 9};

	*result = cpg_mcast_joined(shared_handle, CPG_TYPE_AGREED, &iov, 1);
	free(message);
	return NULL;
}

START_TEST(one_large_message_at_a_time)
{
	cs_error_t result, second;
	uint32_t small[2] = {0, 0};
	struct iovec iov = {small, sizeof(small)};
	pthread_t thread;

	shared_handle = start(hold_fragments);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_large, &result), 0);
	fake_wait_until(atomic_load(&engine.shared->requests[IPC_REQ_PARTIAL_MCAST]) > 2);
	send_large(&second);
	ck_assert_int_eq(second, CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_mcast_joined(shared_handle, CPG_TYPE_AGREED, &iov, 1), CS_OK);
	if (_i) {
		atomic_store(&engine.shared->value, 1);
		pthread_join(thread, NULL);
		ck_assert_int_eq(result, CS_OK);
		ck_assert_int_eq(cpg_finalize(shared_handle), CS_OK);
	} else {
		ck_assert_int_eq(cpg_finalize(shared_handle), CS_OK);
		pthread_join(thread, NULL);
		ck_assert_int_eq(result, CS_ERR_BAD_HANDLE);
	}
	fake_engine_stop(&engine);
}
END_TEST

/* A thread that had its way into a call before another one finalized the handle: it must not hear that anything was taken. */
START_TEST(nothing_goes_out_behind_the_end)
{
	cpg_handle_t handle = start(NULL);
	struct instance *instance = instance_get(handle);
	struct ipc_request request = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(request)};
	uint8_t *message = calloc(1, ATOMIC_MESSAGE_MAX + 9);
	struct iovec iov = {message, 8};
	struct ipc_local_get_response response;

	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	ck_assert_int_eq(mcast_send(instance, CPG_TYPE_AGREED, &iov, 1), CS_ERR_BAD_HANDLE);
	iov.iov_len = ATOMIC_MESSAGE_MAX + 9;
	ck_assert_int_eq(mcast_send(instance, CPG_TYPE_AGREED, &iov, 1), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(channel_ask(instance, &request, sizeof(request), &response, sizeof(response)),
			 CS_ERR_BAD_HANDLE);
	instance_put(instance);
	free(message);
	fake_engine_stop(&engine);
}
END_TEST

static bool always_busy(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_LEAVE)
		return false;
	fake_respond(conn, IPC_RES_LEAVE, CS_ERR_BUSY);
	return true;
}

static void *leave_group(void *data)
{
	struct cpg_name group = fake_name("group");
	cs_error_t *result = data;

	*result = cpg_leave(shared_handle, &group);
	return NULL;
}

START_TEST(finalize_ends_a_leave_that_waits)
{
	cs_error_t result;
	pthread_t thread;

	shared_handle = start(always_busy);
	ck_assert_int_eq(pthread_create(&thread, NULL, leave_group, &result), 0);
	fake_wait_until(atomic_load(&engine.shared->requests[IPC_REQ_LEAVE]) > 2);
	ck_assert_int_eq(cpg_finalize(shared_handle), CS_OK);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, CS_ERR_BAD_HANDLE);
	fake_engine_stop(&engine);
}
END_TEST

static void *finalize(void *data)
{
	cs_error_t *result = data;

	*result = cpg_finalize(shared_handle);
	return NULL;
}

/* What was accepted is in the channel, and the channel may be full: sockets take some ten datagrams, or 400 kB. */
START_TEST(finalize_waits_until_the_engine_has_all)
{
	struct fake_options options = {.sockets = true};
	static uint8_t message[150000];
	struct cpg_name group = fake_name("group");
	struct iovec iov = {message, sizeof(message)};
	unsigned int accepted = 0;
	cs_error_t result;
	pthread_t thread;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&shared_handle, NULL), CS_OK);
	ck_assert_int_eq(cpg_join(shared_handle, &group), CS_OK);
	atomic_store(&engine.shared->sleepy, true);
	while ((result = cpg_mcast_joined(shared_handle, CPG_TYPE_AGREED, &iov, 1)) == CS_OK)
		accepted++;
	ck_assert_int_eq(result, CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(pthread_create(&thread, NULL, finalize, &result), 0);
	usleep(50000); /* it tries meanwhile */
	atomic_store(&engine.shared->sleepy, false);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->requests[IPC_REQ_MCAST]), accepted);
	fake_engine_stop(&engine);
}
END_TEST

/* What a member is told when it sends from inside the callback that made it one. */
static atomic_int answers_in_callback[2];

static void send_at_once(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
			 size_t member_count, const struct cpg_address *left, size_t left_count,
			 const struct cpg_address *joined, size_t joined_count)
{
	static uint8_t message[ATOMIC_MESSAGE_MAX + 9];
	struct iovec small = {message, 8}, large = {message, sizeof(message)};

	(void)group;
	(void)members;
	(void)member_count;
	(void)left;
	(void)left_count;
	(void)joined;
	(void)joined_count;
	atomic_store(&answers_in_callback[0], (int)cpg_mcast_joined(handle, CPG_TYPE_AGREED, &small, 1));
	atomic_store(&answers_in_callback[1], (int)cpg_mcast_joined(handle, CPG_TYPE_AGREED, &large, 1));
}

/* The dispatching thread has the configuration change before the joining one has the answer. */
static bool answer_join_late(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_JOIN)
		return false;
	fake_confchg(conn, 1, 0, 1, ((const struct ipc_join *)request)->pid);
	usleep(200000);
	fake_respond(conn, IPC_RES_JOIN, CS_OK);
	return true;
}

static void *dispatch_one(void *data)
{
	cs_error_t *result = data;

	*result = cpg_dispatch(shared_handle, CS_DISPATCH_ONE);
	return NULL;
}

START_TEST(send_in_the_callback_of_the_join)
{
	cpg_callbacks_t callbacks = {.cpg_confchg_fn = send_at_once};
	struct fake_options options = {.features = IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS,
				       .hook = answer_join_late};
	struct cpg_name group = fake_name("group");
	cs_error_t result;
	pthread_t thread;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&shared_handle, &callbacks), CS_OK);
	ck_assert_int_eq(pthread_create(&thread, NULL, dispatch_one, &result), 0);
	ck_assert_int_eq(cpg_join(shared_handle, &group), CS_OK);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, CS_OK);
	ck_assert_int_eq(atomic_load(&answers_in_callback[0]), CS_OK);
	ck_assert_int_eq(atomic_load(&answers_in_callback[1]), CS_OK);
	ck_assert_int_eq(cpg_finalize(shared_handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

/* In the child. */
static bool child(cpg_handle_t handle, cpg_iteration_handle_t iteration, void *buffer)
{
	struct cpg_name group = fake_name("group");
	struct cpg_iteration_description_t description;
	struct iovec iov = {buffer, 8};
	unsigned int nodeid;
	cpg_handle_t own;
	int fd;

	if (cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_fd_get(handle, &fd) != CS_ERR_BAD_HANDLE ||
	    cpg_local_get(handle, &nodeid) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_leave(handle, &group) != CS_ERR_BAD_HANDLE ||
	    cpg_zcb_free(handle, buffer) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_iteration_next(iteration, &description) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_finalize(handle) != CS_OK)
		return false;
	if (cpg_finalize(handle) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_iteration_finalize(iteration) != CS_ERR_BAD_HANDLE)
		return false;
	if (cpg_initialize(&own, NULL) != CS_OK || cpg_join(own, &group) != CS_OK ||
	    cpg_finalize(own) != CS_OK)
		return false;
	return true;
}

/* By exec: what a child has to leave behind (see cpg.h) is a leak to those who look at its exit. */
static void child_end(bool good)
{
	const char *program = good ? "/bin/true" : "/bin/false";

	execl(program, program, NULL);
	_exit(3);
}

START_TEST(fork_leaves_the_parent_alone)
{
	uint32_t message[2] = {0, 0};
	struct iovec iov = {message, sizeof(message)};
	cpg_handle_t handle = start(NULL);
	cpg_iteration_handle_t iteration;
	void *buffer;
	pid_t pid;
	int status;

	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &iteration), CS_OK);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 1000, &buffer), CS_OK);
	memset(buffer, 0, 8);
	pid = fork();
	if (!pid)
		child_end(child(handle, iteration, buffer));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* One FINALIZE, the child's own. */
	ck_assert_uint_eq(atomic_load(&engine.shared->requests[IPC_REQ_FINALIZE]), 1);
	ck_assert_int_eq(cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1), CS_OK);
	while (!atomic_load(&delivered))
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 8), CS_OK);
	ck_assert_int_eq(cpg_iteration_finalize(iteration), CS_OK);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

/* The thread takes what is there, and sleeps. */
static void wait_in_dispatch(cpg_handle_t handle, pthread_t *thread, cs_error_t *result)
{
	struct instance *instance = instance_get(handle);

	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	shared_handle = handle;
	ck_assert_int_eq(pthread_create(thread, NULL, dispatch_one, result), 0);
	fake_wait_until(atomic_load(&instance->waiting));
	instance_put(instance);
}

/* The child outlives the parent's handle, but let go of it; also if a thread was using it at the fork. */
START_TEST(finalized_child_does_not_keep_the_connection)
{
	struct pollfd poller = {.events = POLLIN};
	cpg_handle_t handle = start(NULL);
	int gate[2], status;
	cs_error_t result;
	pthread_t thread;
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(gate), 0);
	ck_assert_int_eq(cpg_fd_get(handle, &poller.fd), CS_OK);
	if (_i)
		wait_in_dispatch(handle, &thread, &result);
	pid = fork();
	if (!pid) {
		close(gate[1]);
		if (cpg_finalize(handle) != CS_OK || poll(&poller, 1, 0) != 1 || !(poller.revents & POLLNVAL))
			child_end(false);
		child_end(read(gate[0], &byte, 1) == 0);
	}
	if (!_i) {
		ck_assert_int_eq(poll(&poller, 1, 10000), 1); /* the confchg */
		ck_assert_int_eq(poller.revents, POLLIN);
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	}
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	if (_i)
		pthread_join(thread, NULL);
	close(gate[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	fake_engine_stop(&engine);
}
END_TEST

static pid_t forked;

static void fork_at_first(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			  void *msg, size_t length)
{
	on_deliver(handle, group, nodeid, pid, msg, length);
	if (forked < 0)
		forked = fork();
}

/* The child of a callback comes out of the parent's cpg_dispatch(): without an event more, those are the parent's. */
START_TEST(fork_in_a_callback)
{
	static const cs_dispatch_flags_t types[] = {CS_DISPATCH_ONE, CS_DISPATCH_ALL,
						    CS_DISPATCH_ONE_NONBLOCKING};
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = fork_at_first};
	struct fake_options options = {.features = IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS};
	struct cpg_name group = fake_name("group");
	uint32_t message[2] = {0, 0};
	struct iovec iov = {message, sizeof(message)};
	cpg_handle_t handle;
	cs_error_t result;
	int status;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	for (; message[1] < 3; message[1]++)
		ck_assert_int_eq(cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1), CS_OK);
	fake_ask(handle); /* all are here */
	result = cpg_dispatch(handle, types[_i]);
	if (!forked)
		child_end(result == CS_ERR_BAD_HANDLE && delivered == 1);
	ck_assert_int_eq(waitpid(forked, &status, 0), forked);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(result, CS_OK);
	while (delivered < 3)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	delivered = wrong = bad_ends = 0;
	memset(expected, 0, sizeof(expected));
	shared_handle = 0;
	forked = -1;
}

/* The same over the rings. */
static void use_rings(void)
{
	fake_more_features = FAKE_RINGS;
}

static void add_tests(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, forget, NULL);
	tcase_add_test(tcase, senders_askers_and_a_dispatcher);
	tcase_add_test(tcase, finalize_under_their_hands);
	tcase_add_loop_test(tcase, one_large_message_at_a_time, 0, 2);
	tcase_add_test(tcase, nothing_goes_out_behind_the_end);
	tcase_add_test(tcase, finalize_ends_a_leave_that_waits);
	tcase_add_test(tcase, send_in_the_callback_of_the_join);
	tcase_add_test(tcase, fork_leaves_the_parent_alone);
	tcase_add_loop_test(tcase, fork_in_a_callback, 0, 3);
	tcase_add_loop_test(tcase, finalized_child_does_not_keep_the_connection, 0, 2);
	tcase_set_timeout(tcase, 60);
}

int main(void)
{
	TCase *plain = tcase_create("sharing"), *rings = tcase_create("sharing_by_rings");
	Suite *suite = suite_create("lib_sharing");

	fake_private_shm();
	add_tests(plain);
	tcase_add_test(plain, finalize_waits_until_the_engine_has_all);
	tcase_add_checked_fixture(rings, use_rings, NULL);
	add_tests(rings);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, rings);
	return run_suite(suite);
}
