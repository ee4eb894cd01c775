/* SPDX-License-Identifier: BSD-3-Clause */
/* How the library connects: what is kept for a client, and that everything works on every kind of connection. */
#define _GNU_SOURCE /* nftw */
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

#define MEMBERS 2000

static size_t shared_bytes;
static char engine_mark[32];

/* libqb names what it keeps for a connection, and the fake engine its segments, by the engine's process id. */
static int add_up(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)where;
	if (type == FTW_F && strstr(path, engine_mark))
		shared_bytes += (size_t)status->st_size;
	return 0;
}

static size_t shared_memory(void)
{
	snprintf(engine_mark, sizeof(engine_mark), "-%d-", engine.pid);
	shared_bytes = 0;
	ck_assert_int_eq(nftw("/dev/shm", add_up, 8, FTW_PHYS), 0);
	return shared_bytes;
}

/* Messages of all sizes come back, up to `one_event_max` bytes as one event, and answers of all sizes too. */
static void check_all_sizes(cpg_handle_t handle, size_t one_event_max)
{
	static const size_t lengths[] = {0,	    1,	   4000,   8192,   8193,    20000,
					 24 * 1024, 30000, 100000, 500000, 1000000, 3000000};
	static uint8_t bytes[3000000];
	static struct cpg_address members[MEMBERS];
	struct cpg_name group = fake_name("group");
	int entries = MEMBERS;
	cs_error_t error;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct iovec iov = {bytes, lengths[i]};

		while ((error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1)) == CS_ERR_TRY_AGAIN)
			usleep(1000);
		ck_assert_int_eq(error, CS_OK);
		last_length = SIZE_MAX;
		do {
			ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
		} while (last_length == SIZE_MAX && lengths[i] > one_event_max);
		ck_assert_uint_eq(last_length, lengths[i]);
	}
	atomic_store(&engine.shared->members, MEMBERS);
	ck_assert_int_eq(cpg_membership_get(handle, &group, members, &entries), CS_OK);
	ck_assert_int_eq(entries, MEMBERS);
	ck_assert_uint_eq(members[MEMBERS - 1].pid, MEMBERS - 1);
}

static size_t stock_shared_memory(void)
{
	static const struct fake_options stock = {.features = 0};
	cpg_handle_t handle = initialize(&stock);
	size_t bytes = shared_memory();

	stop(handle);
	return bytes;
}

START_TEST(rings_make_a_small_connection_do)
{
	const struct fake_options options = {.features = RINGS};
	size_t stock = stock_shared_memory(), bytes;
	cpg_handle_t handle = start_with(&options);

	bytes = shared_memory();
	ck_assert_uint_gt(bytes, 0);
	/* A stock library asks for less than ours does of a stock engine: 1 MiB, three times. */
	ck_assert_uint_gt(stock, 3 * IPC_BUFFER_SIZE);
	ck_assert_uint_lt(bytes, 3 * IPC_BUFFER_SIZE / 10);
	check_all_sizes(handle, ATOMIC_MESSAGE_MAX);
	stop(handle);
}
END_TEST

/* The rings can't be had for the small connection: the large one needs none. */
START_TEST(without_rings_a_large_connection)
{
	const struct fake_options options = {.features = RINGS, .control = (enum fake_control)_i};
	cpg_handle_t handle = start_with(&options);

	ck_assert_uint_gt(shared_memory(), 3 * IPC_BUFFER_SIZE);
	check_all_sizes(handle, ATOMIC_MESSAGE_MAX);
	stop(handle);
}
END_TEST

/* Fragments go with their requests then, and are as small as the connection. */
START_TEST(without_a_pool_a_small_connection_does)
{
	const struct fake_options options = {.features = RINGS, .refuse_segments = true};
	cpg_handle_t handle = start_with(&options);

	check_all_sizes(handle, SUBMISSION_MESSAGE_MAX);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 0);
	ck_assert_uint_lt(shared_memory(), 3 * IPC_BUFFER_SIZE / 10);
	stop(handle);
}
END_TEST

static bool refuse_first_hello(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_LOCAL_GET || atomic_fetch_add(&fake_shared->value, 1) > 0)
		return false;
	fake_respond(conn, IPC_RES_LOCAL_GET, CS_ERR_TRY_AGAIN);
	return true;
}

/* An engine that answers nothing now keeps nobody from initialising. What it is shows later. */
START_TEST(a_refusal_keeps_nobody_from_initialising)
{
	const struct fake_options options = {.features = RINGS, .hook = refuse_first_hello};
	cpg_handle_t handle = initialize(&options);

	ck_assert_uint_eq(atomic_load(&engine.shared->requests[IPC_REQ_LOCAL_GET]), 1);
	become_member(handle);
	check_all_sizes(handle, ATOMIC_MESSAGE_MAX);
	ck_assert_uint_gt(atomic_load(&engine.shared->ring_messages), 0);
	stop(handle);
}
END_TEST

static bool stall_at_hello(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	const struct timespec a_while = {.tv_nsec = 700000000};

	(void)conn;
	if (request->id == IPC_REQ_LOCAL_GET)
		nanosleep(&a_while, NULL);
	return false;
}

/* It may hold requests back. A large connection instead would stay, and take many times the memory. */
START_TEST(a_late_answer_is_waited_for)
{
	const struct fake_options options = {.features = RINGS, .hook = stall_at_hello};
	cpg_handle_t handle = initialize(&options);

	ck_assert_uint_lt(shared_memory(), 3 * IPC_BUFFER_SIZE / 10);
	become_member(handle);
	ck_assert_uint_gt(atomic_load(&engine.shared->requests[IPC_REQ_JOIN]), 0);
	stop(handle);
}
END_TEST

/* It is known without a question: also while the engine answers none. */
START_TEST(rings_make_the_node_known)
{
	const struct fake_options options = {.features = RINGS};
	cpg_handle_t handle = initialize(&options);
	unsigned int nodeid = 0;

	atomic_store(&engine.shared->sleepy, true);
	ck_assert_int_eq(cpg_local_get(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_OK);
	ck_assert_uint_eq(nodeid, FAKE_NODEID);
	fake_engine_kill(&engine);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
	fake_engine_stop(&engine);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("connection");

	tcase_add_checked_fixture(tcase, member_forget, NULL);
	fake_private_shm();
	tcase_add_test(tcase, rings_make_a_small_connection_do);
	tcase_add_loop_test(tcase, without_rings_a_large_connection, CONTROL_NOT_THERE, CONTROL_NEW + 1);
	tcase_add_test(tcase, without_a_pool_a_small_connection_does);
	tcase_add_test(tcase, a_refusal_keeps_nobody_from_initialising);
	tcase_add_test(tcase, a_late_answer_is_waited_for);
	tcase_add_test(tcase, rings_make_the_node_known);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_connection", tcase);
}
