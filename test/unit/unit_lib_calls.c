/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls one by one: arguments, what goes to the engine, and answers that are not what they should be.
 *
 * Seen with stock's library on stock's engine, and kept unless the last column says otherwise:
 *   cpg_initialize(NULL, ...), any out pointer NULL, group NULL       crash               INVALID_PARAM
 *   membership_get with a list or count of NULL                       INVALID_PARAM
 *   iteration_next(NULL), iteration_initialize(NULL)                  INVALID_PARAM
 *   iteration: unknown type, ONE_GROUP without a group, ALL with one  INVALID_PARAM
 *   model_initialize: model 0 or 2, unknown flags                     INVALID_PARAM
 *   model_initialize without data                                     OK
 *   names longer than 128                                             NAME_TOO_LONG
 *   mcast before join and after leave                                 OK, lost            NOT_EXIST
 *   mcast of nothing, of a guarantee that does not exist              OK
 *   join and leave while the other one is on its way                  waits
 *   zcb: alloc of 0                                                   OK
 *   zcb: alloc of 1 MiB and more; such a message                      OK; OK, lost        TOO_BIG
 *   zcb_free(NULL)                                                    crash               INVALID_PARAM
 *   iteration after its handle was finalized                          BAD_HANDLE
 *   the engine died: everything that asks it                          LIBRARY
 *   the engine died: fd_get, flow_control_state_get                   OK
 *   the engine died: finalize once, twice                             LIBRARY, BAD_HANDLE
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_engine.h"
#include "lib/lib_internal.h"
#include "run_suite.h"

#define BOTH (IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS)

static struct fake_engine engine;
static size_t delivered, delivered_length;
static uint32_t delivered_sum;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	const uint8_t *bytes = msg;
	size_t i;

	(void)handle;
	(void)group;
	(void)nodeid;
	(void)pid;
	delivered++;
	delivered_length = length;
	for (i = 0, delivered_sum = 0; i < length; i++)
		delivered_sum = delivered_sum * 31 + bytes[i];
}

static cpg_handle_t start(bool (*hook)(qb_ipcs_connection_t *, const struct ipc_request *), uint64_t features,
			  bool sockets)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver};
	struct fake_options options = {.features = features, .hook = hook, .sockets = sockets};
	cpg_handle_t handle;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	return handle;
}

static void stop(cpg_handle_t handle)
{
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}

static unsigned int seen(enum ipc_request_id id)
{
	return atomic_load(&engine.shared->requests[id]);
}

START_TEST(no_engine)
{
	cpg_handle_t handle = 1;

	ck_assert_int_eq(cpg_initialize(&handle, NULL), CS_ERR_LIBRARY);
	ck_assert_uint_eq(handle, 1);
}
END_TEST

START_TEST(arguments)
{
	struct cpg_name long_name = {.length = 129}, group = fake_name("group");
	cpg_model_v1_data_t model = {.model = CPG_MODEL_V1, .flags = 2};
	struct cpg_address members[4];
	cpg_iteration_handle_t iteration;
	cpg_handle_t handle = start(NULL, BOTH, false);
	struct iovec hole = {.iov_len = 1};
	int count = 4;

	ck_assert_int_eq(cpg_initialize(NULL, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_model_initialize(NULL, CPG_MODEL_V1, NULL, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_model_initialize(&handle, (cpg_model_t)2, NULL, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_fd_get(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_context_get(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_local_get(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_max_atomic_msgsize_get(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_flow_control_state_get(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_join(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_join(handle, &long_name), CS_ERR_NAME_TOO_LONG);
	ck_assert_int_eq(cpg_leave(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_leave(handle, &long_name), CS_ERR_NAME_TOO_LONG);
	ck_assert_int_eq(cpg_mcast_joined(handle, CPG_TYPE_AGREED, NULL, 1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_mcast_joined(handle, CPG_TYPE_AGREED, &hole, 1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_membership_get(handle, NULL, members, &count), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_membership_get(handle, &group, NULL, &count), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_membership_get(handle, &group, members, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_membership_get(handle, &long_name, members, &count), CS_ERR_NAME_TOO_LONG);
	ck_assert_int_eq(cpg_iteration_initialize(handle, (cpg_iteration_type_t)0, NULL, &iteration),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_iteration_initialize(handle, (cpg_iteration_type_t)4, NULL, &iteration),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, &group, &iteration),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ONE_GROUP, NULL, &iteration),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ONE_GROUP, &long_name, &iteration),
			 CS_ERR_NAME_TOO_LONG);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, NULL),
			 CS_ERR_INVALID_PARAM);
	stop(handle);
}
END_TEST

START_TEST(small_things)
{
	cpg_handle_t handle = start(NULL, BOTH, false), other;
	uint32_t size;
	unsigned int nodeid;
	void *context = &size;

	ck_assert_int_eq(cpg_max_atomic_msgsize_get(handle, &size), CS_OK);
	ck_assert_uint_eq(size, 1048576 - 1024);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_OK);
	ck_assert_uint_eq(nodeid, FAKE_NODEID);
	ck_assert_int_eq(cpg_context_get(handle, &context), CS_OK);
	ck_assert_ptr_null(context);
	ck_assert_int_eq(cpg_context_set(handle, &size), CS_OK);
	ck_assert_int_eq(cpg_context_get(handle, &context), CS_OK);
	ck_assert_ptr_eq(context, &size);
	ck_assert_int_eq(cpg_model_initialize(&other, CPG_MODEL_V1, NULL, &nodeid), CS_OK);
	ck_assert_uint_ne(other, handle);
	ck_assert_int_eq(cpg_context_get(other, &context), CS_OK);
	ck_assert_ptr_eq(context, &nodeid);
	ck_assert_int_eq(cpg_finalize(other), CS_OK);
	ck_assert_int_eq(cpg_finalize(other), CS_ERR_BAD_HANDLE);
	stop(handle);
}
END_TEST

static struct cpg_name group_of(void)
{
	return fake_name("group");
}

static cs_error_t mcast(cpg_handle_t handle, void *data, size_t length)
{
	struct iovec iov = {data, length};

	return cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1);
}

/* libqb's socket transport is full sooner than it says. */
static void mcast_surely(cpg_handle_t handle, const struct iovec *iov, unsigned int count)
{
	cs_error_t error;

	while ((error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, iov, count)) == CS_ERR_TRY_AGAIN)
		usleep(1000);
	ck_assert_int_eq(error, CS_OK);
}

/* Dispatches until there were so many deliveries. */
static void deliver(cpg_handle_t handle, size_t count)
{
	while (delivered < count)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
}

START_TEST(mcast_only_between_join_and_leave)
{
	cpg_handle_t handle = start(NULL, _i ? BOTH : 0, false);
	struct cpg_name group = group_of();
	char text[] = "x";

	ck_assert_int_eq(mcast(handle, text, 1), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(mcast(handle, text, 1), CS_OK);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	ck_assert_int_eq(mcast(handle, text, 1), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(mcast(handle, text, 1), CS_OK);
	deliver(handle, 2);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), 2);
	stop(handle);
}
END_TEST

/* Messages of every kind of size, in every kind of pieces, over both transports. */
START_TEST(messages_arrive_as_they_were)
{
	static const size_t sizes[] = {0,
				       1,
				       1000,
				       ATOMIC_MESSAGE_MAX,
				       ATOMIC_MESSAGE_MAX + 1,
				       3 * ATOMIC_MESSAGE_MAX,
				       3 * ATOMIC_MESSAGE_MAX + 7};
	cpg_handle_t handle = start(NULL, BOTH, _i);
	static const unsigned int counts[] = {1, 31, 32, 64, 2000};
	uint8_t *message = malloc(sizes[6]);
	struct iovec *iov = calloc(2000, sizeof(*iov));
	struct cpg_name group = group_of();
	unsigned int i, j, k;
	uint32_t sum;
	size_t n, sent = 0;

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	for (i = 0; i < 7; i++) {
		for (n = 0, sum = 0; n < sizes[i]; n++) {
			message[n] = (uint8_t)(n * 7 + n / 251);
			sum = sum * 31 + message[n];
		}
		for (j = 0; j < 5; j++) {
			size_t step = sizes[i] / counts[j];

			for (k = 0; k < counts[j]; k++)
				iov[k] = (struct iovec){message + k * step, step};
			iov[k - 1].iov_len = sizes[i] - (k - 1) * step;
			mcast_surely(handle, iov, counts[j]);
			deliver(handle, ++sent);
			ck_assert_uint_eq(delivered_length, sizes[i]);
			ck_assert_uint_eq(delivered_sum, sum);
		}
	}
	free(message);
	free(iov);
	stop(handle);
}
END_TEST

START_TEST(requests_look_as_they_must)
{
	cpg_handle_t handle = start(NULL, 0, false);
	struct cpg_name group = group_of();
	struct ipc_mcast header;
	char text[] = "hello";

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(mcast(handle, text, 5), CS_OK);
	deliver(handle, 1);
	memcpy(&header, engine.shared->last_header, sizeof(header));
	ck_assert_int_eq(header.header.id, 2);
	ck_assert_int_eq(header.header.size, 45);
	ck_assert_uint_eq(header.msglen, 5);
	ck_assert_uint_eq(header.guarantee, CPG_TYPE_AGREED);
	stop(handle);
}
END_TEST

/* The n-th answer to a fragment. */
static bool refuse_fragments(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	static const cs_error_t first[] = {
		CS_ERR_TRY_AGAIN, CS_OK, CS_ERR_TRY_AGAIN, CS_ERR_TRY_AGAIN, CS_OK, CS_OK, CS_OK,
		CS_ERR_INTERRUPT};
	unsigned int number;
	cs_error_t error;

	if (request->id != IPC_REQ_PARTIAL_MCAST)
		return false;
	number = atomic_fetch_add(&fake_shared->value, 1);
	error = number < 8 ? first[number] : CS_OK;
	if (error == CS_OK)
		return false;
	fake_respond(conn, IPC_RES_PARTIAL_SEND, (int32_t)error);
	return true;
}

START_TEST(fragments_are_patient)
{
	cpg_handle_t handle = start(refuse_fragments, 0, false);
	size_t size = 3 * ATOMIC_MESSAGE_MAX;
	uint8_t *message = calloc(1, size);
	struct cpg_name group = group_of();

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(mcast(handle, message, size), CS_ERR_TRY_AGAIN); /* the first one */
	ck_assert_uint_eq(seen(IPC_REQ_PARTIAL_MCAST), 1);
	ck_assert_int_eq(mcast(handle, message, size), CS_OK); /* 1 to 5, two of them later */
	ck_assert_uint_eq(seen(IPC_REQ_PARTIAL_MCAST), 6);
	ck_assert_int_eq(mcast(handle, message, size), CS_ERR_INTERRUPT); /* 6, 7 */
	ck_assert_uint_eq(seen(IPC_REQ_PARTIAL_MCAST), 8);
	ck_assert_int_eq(mcast(handle, message, size), CS_OK);
	deliver(handle, 2);
	free(message);
	stop(handle);
}
END_TEST

/* BUSY three times. */
static bool be_busy(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_JOIN && request->id != IPC_REQ_LEAVE)
		return false;
	if (atomic_fetch_add(&fake_shared->value, 1) % 4 == 3)
		return false;
	fake_respond(conn, request->id, CS_ERR_BUSY);
	return true;
}

START_TEST(join_and_leave_wait_while_busy)
{
	cpg_handle_t handle = start(be_busy, 0, false);
	struct cpg_name group = group_of();

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_uint_eq(seen(IPC_REQ_JOIN), 4);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	ck_assert_uint_eq(seen(IPC_REQ_LEAVE), 4);
	stop(handle);
}
END_TEST

static void check_members(cpg_handle_t handle, int room, int exist, cs_error_t expected)
{
	struct cpg_address *list = calloc((size_t)room + 1, sizeof(*list));
	struct cpg_name group = group_of();
	int count = room, i;

	atomic_store(&engine.shared->members, (unsigned int)exist);
	ck_assert_int_eq(cpg_membership_get(handle, &group, list, &count), expected);
	ck_assert_int_eq(count, exist);
	for (i = 0; i < room && i < exist; i++)
		ck_assert_uint_eq(list[i].pid, (uint32_t)i);
	ck_assert_uint_eq(list[room].nodeid, 0);
	free(list);
}

START_TEST(membership_honours_the_array)
{
	cpg_handle_t handle = start(NULL, _i ? BOTH : 0, false);
	struct cpg_address list[CPG_MEMBERS_MAX + 1] = {0};
	struct cpg_name group = group_of();
	int count;

	check_members(handle, 10, 0, CS_OK);
	check_members(handle, 10, 10, CS_OK);
	check_members(handle, 10, 11, CS_ERR_NO_SPACE);
	check_members(handle, 384, 384, CS_OK);
	/* No size given: as many as the header promises. */
	for (count = 0; count > -3; count--) {
		int given = count;

		ck_assert_int_eq(cpg_membership_get(handle, &group, list, &given), CS_ERR_NO_SPACE);
		ck_assert_int_eq(given, 384);
		ck_assert_uint_eq(list[CPG_MEMBERS_MAX - 1].pid, CPG_MEMBERS_MAX - 1);
		ck_assert_uint_eq(list[CPG_MEMBERS_MAX].nodeid, 0);
	}
	if (_i) {
		check_members(handle, 20000, 20000, CS_OK);
		check_members(handle, 5000, 20000, CS_ERR_NO_SPACE);
	}
	stop(handle);
}
END_TEST

/* A view that changes under the reader twice, and pages that lie. */
static bool bad_pages(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	uint8_t answer[sizeof(struct ipc_membership_page_response) +
		       2 * sizeof(struct ipc_address)] IPC_ALIGNED = {0};
	struct ipc_membership_page_response *page = (struct ipc_membership_page_response *)answer;
	unsigned int value = atomic_load(&fake_shared->value);
	unsigned int number = atomic_load(&fake_shared->requests[IPC_REQ_MEMBERSHIP_PAGE]);

	if (request->id == IPC_REQ_MEMBERSHIP && value == 9) {
		struct ipc_membership_response old = {
			.header = {.id = IPC_RES_MEMBERSHIP, .size = sizeof(old), .error = CS_OK},
			.member_count = 385};

		fake_respond_raw(conn, &old, sizeof(old));
		return true;
	}
	if (request->id != IPC_REQ_MEMBERSHIP_PAGE)
		return false;
	page->header =
		(struct ipc_response){.id = IPC_RES_MEMBERSHIP_PAGE, .size = sizeof(answer), .error = CS_OK};
	page->total = 4;
	page->count = 2;
	page->list[0].pid = ((const struct ipc_membership_page *)request)->first;
	page->list[1].pid = page->list[0].pid + 1;
	switch (value) {
	case 0: /* changes with each of the first requests */
		page->view = number < 6 ? number : 6;
		break;
	case 1: /* changes always */
		page->view = number;
		break;
	case 2: /* more than it sent */
		page->count = 3;
		break;
	case 3: /* more than there are */
		page->total = 1;
		break;
	case 4: /* never gets on */
		page->count = 0;
		break;
	case 5: /* too short */
		fake_respond_raw(conn, answer, sizeof(*page) - 1);
		return true;
	default:
		return false;
	}
	fake_respond_raw(conn, answer, sizeof(answer));
	return true;
}

START_TEST(membership_pages_that_lie)
{
	static const cs_error_t expected[] = {CS_OK,	      CS_ERR_TRY_AGAIN, CS_ERR_LIBRARY,
					      CS_ERR_LIBRARY, CS_ERR_LIBRARY,	CS_ERR_LIBRARY};
	cpg_handle_t handle = start(bad_pages, BOTH, false);
	struct cpg_address list[4] = {0};
	struct cpg_name group = group_of();
	int count = 4;

	atomic_store(&engine.shared->value, (unsigned int)_i);
	ck_assert_int_eq(cpg_membership_get(handle, &group, list, &count), expected[_i]);
	ck_assert_int_eq(count, 4);
	if (!_i)
		ck_assert_uint_eq(list[3].pid, 3);
	stop(handle);
}
END_TEST

START_TEST(membership_of_a_stock_engine_that_lies)
{
	cpg_handle_t handle = start(bad_pages, 0, false);
	struct cpg_address list[4] = {0};
	struct cpg_name group = group_of();
	int count = 4;

	atomic_store(&engine.shared->value, 9);
	ck_assert_int_eq(cpg_membership_get(handle, &group, list, &count), CS_ERR_LIBRARY);
	stop(handle);
}
END_TEST

START_TEST(iteration_goes_with_its_handle)
{
	cpg_handle_t handle = start(NULL, 0, false);
	cpg_iteration_handle_t first, second;
	struct cpg_iteration_description_t description;

	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &first), CS_OK);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_NAME_ONLY, NULL, &second), CS_OK);
	ck_assert_int_eq(cpg_iteration_next(first, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_iteration_next(first, &description), CS_OK);
	ck_assert_uint_eq(description.group.length, 5);
	ck_assert_uint_eq(description.pid, 99);
	ck_assert_int_eq(cpg_iteration_next(handle, &description), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_dispatch(first, CS_DISPATCH_ALL), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_iteration_finalize(first), CS_OK);
	ck_assert_int_eq(cpg_iteration_finalize(first), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	ck_assert_int_eq(cpg_iteration_next(second, &description), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_iteration_finalize(second), CS_ERR_BAD_HANDLE);
	ck_assert_uint_eq(seen(IPC_REQ_ITERATION_FINALIZE), 1);
	fake_engine_stop(&engine);
}
END_TEST

static bool busy_at_first(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	if (request->id != IPC_REQ_ITERATION_FINALIZE || atomic_fetch_add(&fake_shared->value, 1))
		return false;
	fake_respond(conn, IPC_RES_ITERATION_FINALIZE, CS_ERR_TRY_AGAIN);
	return true;
}

/* What can't be ended now can be ended again. */
START_TEST(iteration_stays_while_the_engine_is_busy)
{
	cpg_handle_t handle = start(busy_at_first, 0, false);
	struct cpg_iteration_description_t description;
	cpg_iteration_handle_t iteration;

	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &iteration), CS_OK);
	ck_assert_int_eq(cpg_iteration_finalize(iteration), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_iteration_next(iteration, &description), CS_OK);
	ck_assert_int_eq(cpg_iteration_finalize(iteration), CS_OK);
	ck_assert_int_eq(cpg_iteration_finalize(iteration), CS_ERR_BAD_HANDLE);
	stop(handle);
}
END_TEST

/* Answers that are too short, or hold an error that is none. */
static bool bad_answers(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	struct ipc_iteration_next_response next = {.header = {.size = sizeof(next), .error = CS_OK},
						   .description = {.group = {.length = 129}}};

	switch (request->id) {
	case IPC_REQ_FINALIZE:
		return false;
	case IPC_REQ_LEAVE:
		fake_respond(conn, IPC_RES_LEAVE, 0);
		break;
	case IPC_REQ_ITERATION_FINALIZE:
		fake_respond_raw(conn, request, 16);
		break;
	case IPC_REQ_ITERATION_NEXT:
		fake_respond_raw(conn, &next, sizeof(next));
		break;
	case IPC_REQ_ITERATION_INITIALIZE:
		if (!atomic_load(&fake_shared->value))
			return false;
		/* fall through */
	default:
		fake_respond(conn, request->id, CS_OK);
	}
	return true;
}

START_TEST(answers_that_make_no_sense)
{
	cpg_handle_t handle = start(bad_answers, BOTH, false);
	struct cpg_iteration_description_t description;
	struct cpg_name group = group_of();
	cpg_iteration_handle_t iteration;
	struct cpg_address list[1];
	unsigned int nodeid;
	int count = 1;

	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &iteration), CS_OK);
	ck_assert_int_eq(cpg_iteration_next(iteration, &description), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_iteration_finalize(iteration), CS_ERR_LIBRARY);
	atomic_store(&engine.shared->value, 1);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &iteration),
			 CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_join(handle, &group), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_membership_get(handle, &group, list, &count), CS_ERR_LIBRARY);
	stop(handle);
}
END_TEST

/* Longer than the library looks away at a time. */
static bool be_slow(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	(void)conn;
	if (request->id == IPC_REQ_JOIN)
		usleep(800000);
	return false;
}

START_TEST(answer_comes_late)
{
	cpg_handle_t handle = start(be_slow, 0, false);
	struct cpg_name group = group_of();
	unsigned int nodeid;

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_OK);
	ck_assert_uint_eq(nodeid, FAKE_NODEID);
	stop(handle);
}
END_TEST

/* Dies over the request: nobody may wait for its answer. */
static bool die(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	(void)conn;
	if (request->id == IPC_REQ_LEAVE)
		_exit(1);
	return false;
}

START_TEST(engine_dies_over_a_request)
{
	cpg_handle_t handle = start(die, BOTH, _i);
	cpg_flow_control_state_t state;
	struct cpg_name group = group_of();
	cpg_iteration_handle_t iteration, other;
	struct cpg_iteration_description_t description;
	struct cpg_address list[1];
	unsigned int nodeid;
	int count = 1, fd;
	char text[] = "x";

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &iteration), CS_OK);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_ERR_LIBRARY);
	ck_assert_int_eq(mcast(handle, text, 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_join(handle, &group), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_membership_get(handle, &group, list, &count), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &other), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_iteration_next(iteration, &description), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_iteration_finalize(iteration), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_flow_control_state_get(handle, &state), CS_OK);
	ck_assert_int_eq(state, CPG_FLOW_CONTROL_DISABLED);
	ck_assert_int_eq(cpg_fd_get(handle, &fd), CS_OK);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_BAD_HANDLE);
	fake_engine_kill(&engine);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	delivered = delivered_length = 0;
	delivered_sum = 0;
}

/* The same over the rings. */
static void use_rings(void)
{
	fake_more_features = FAKE_RINGS;
}

static void add_tests(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, forget, NULL);
	tcase_add_test(tcase, no_engine);
	tcase_add_test(tcase, arguments);
	tcase_add_test(tcase, small_things);
	tcase_add_loop_test(tcase, mcast_only_between_join_and_leave, 0, 2);
	tcase_add_loop_test(tcase, messages_arrive_as_they_were, 0, 2);
	tcase_add_test(tcase, fragments_are_patient);
	tcase_add_test(tcase, join_and_leave_wait_while_busy);
	tcase_add_loop_test(tcase, membership_honours_the_array, 0, 2);
	tcase_add_loop_test(tcase, membership_pages_that_lie, 0, 6);
	tcase_add_test(tcase, membership_of_a_stock_engine_that_lies);
	tcase_add_test(tcase, iteration_goes_with_its_handle);
	tcase_add_test(tcase, iteration_stays_while_the_engine_is_busy);
	tcase_add_test(tcase, answers_that_make_no_sense);
	tcase_add_test(tcase, answer_comes_late);
	tcase_add_loop_test(tcase, engine_dies_over_a_request, 0, 2);
	tcase_set_timeout(tcase, 60);
}

int main(void)
{
	TCase *plain = tcase_create("calls"), *rings = tcase_create("calls_by_rings");
	Suite *suite = suite_create("lib_calls");

	fake_private_shm();
	add_tests(plain);
	tcase_add_test(plain, requests_look_as_they_must);
	tcase_add_checked_fixture(rings, use_rings, NULL);
	add_tests(rings);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, rings);
	return run_suite(suite);
}
