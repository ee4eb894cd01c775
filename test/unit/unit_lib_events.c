/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dispatching, and events that are not what they should be.
 *
 * Dispatch matrix, seen with stock's library on stock's engine and kept:
 *   nothing there: ONE and BLOCKING wait (a signal does not end that), ALL is OK, ONE_NONBLOCKING is
 * TRY_AGAIN a fragment of a large message counts as one event without a callback finalized in the callback:
 * all four give BAD_HANDLE the engine died: all four give LIBRARY, and the descriptor is readable with a
 * hang-up flags that do not exist: stock waits for ever; INVALID_PARAM here
 */
#define _GNU_SOURCE /* pthread_tryjoin_np */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_engine.h"
#include "lib/lib_internal.h"
#include "run_suite.h"

static struct fake_engine engine;
static unsigned int delivered, confchgs, totem_confchgs;
static size_t last_length, last_members, last_left, last_joined;
static uint64_t last_sum;
static uint32_t last_pid;
static bool finalize_in_callback;
static void (*call_in_callback)(cpg_handle_t handle);

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	uint8_t *bytes = msg;
	size_t i;

	ck_assert_uint_eq(group->length, 5);
	ck_assert_uint_eq(nodeid, FAKE_NODEID);
	ck_assert_uint_eq((uintptr_t)msg % 8, 0);
	last_pid = pid;
	last_length = length;
	for (i = 0, last_sum = 0; i < length; i++) {
		last_sum = last_sum * 31 + bytes[i];
		bytes[i] = 0; /* the message is ours */
	}
	delivered++;
	if (call_in_callback)
		call_in_callback(handle);
	if (finalize_in_callback)
		ck_assert_int_eq(cpg_finalize(handle), CS_OK);
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	size_t i;

	(void)handle;
	(void)group;
	for (i = 0; i < member_count; i++)
		ck_assert_uint_eq(members[i].nodeid + members[i].reason, FAKE_NODEID);
	for (i = 0; i < left_count; i++)
		ck_assert_uint_eq(left[i].reason, 1);
	for (i = 0; i < joined_count; i++)
		ck_assert_uint_eq(joined[i].reason, 1);
	last_members = member_count;
	last_left = left_count;
	last_joined = joined_count;
	confchgs++;
}

static void on_totem_confchg(cpg_handle_t handle, struct cpg_ring_id ring_id, uint32_t count,
			     const uint32_t *members)
{
	(void)handle;
	ck_assert_uint_eq(ring_id.seq, 77);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(members[1], 12);
	totem_confchgs++;
}

static cpg_handle_t start_with(const struct fake_options *options)
{
	cpg_model_v1_data_t model = {CPG_MODEL_V1, on_deliver, on_confchg, on_totem_confchg, 0};
	cpg_handle_t handle;

	fake_engine_start(&engine, options);
	ck_assert_int_eq(cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL),
			 CS_OK);
	return handle;
}

static cpg_handle_t start(bool (*hook)(qb_ipcs_connection_t *, const struct ipc_request *), uint64_t features)
{
	struct fake_options options = {.features = features, .hook = hook};

	return start_with(&options);
}

static void join(cpg_handle_t handle)
{
	struct cpg_name group = fake_name("group");

	ck_assert_int_eq(cpg_join(handle, &group), CS_OK);
}

/* Sends what the hook understands as "now". */
static void poke(cpg_handle_t handle, char what)
{
	struct iovec iov = {&what, 1};

	ck_assert_int_eq(cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1), CS_OK);
}

static bool readable(cpg_handle_t handle, int timeout)
{
	struct pollfd poller = {.events = POLLIN};

	ck_assert_int_eq(cpg_fd_get(handle, &poller.fd), CS_OK);
	return poll(&poller, 1, timeout) == 1;
}

START_TEST(matrix_when_nothing_is_there)
{
	cpg_handle_t handle = start(NULL, 0);

	ck_assert(!readable(handle, 0));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE_NONBLOCKING), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_dispatch(handle, (cs_dispatch_flags_t)0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_dispatch(handle, (cs_dispatch_flags_t)5), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_dispatch(handle + 1, CS_DISPATCH_ALL), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(readable_while_anything_is_left)
{
	cpg_handle_t handle = start(NULL, 0);
	unsigned int i;

	join(handle);
	for (i = 0; i < 10; i++)
		poke(handle, 'x');
	for (i = 0; i < 11; i++) {
		ck_assert(readable(handle, 10000));
		ck_assert_int_eq(cpg_dispatch(handle, i % 2 ? CS_DISPATCH_ONE : CS_DISPATCH_ONE_NONBLOCKING),
				 CS_OK);
		ck_assert_uint_eq(delivered + confchgs, i + 1);
	}
	ck_assert(!readable(handle, 0));
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

static void on_signal(int signal)
{
	(void)signal;
}

struct sleeper {
	cpg_handle_t handle;
	cs_dispatch_flags_t flags;
	cs_error_t result;
	pthread_t thread;
};

static void *sleep_in_dispatch(void *data)
{
	struct sleeper *sleeper = data;

	sleeper->result = cpg_dispatch(sleeper->handle, sleeper->flags);
	return NULL;
}

static void sleeper_start(struct sleeper *sleeper, cpg_handle_t handle, cs_dispatch_flags_t flags)
{
	struct instance *instance = instance_get(handle);

	*sleeper = (struct sleeper){.handle = handle, .flags = flags};
	ck_assert_int_eq(pthread_create(&sleeper->thread, NULL, sleep_in_dispatch, sleeper), 0);
	fake_wait_until(atomic_load(&instance->waiting));
	instance_put(instance);
}

START_TEST(waiting_ends_with_an_event_and_not_with_a_signal)
{
	struct sigaction action = {.sa_handler = on_signal};
	cpg_handle_t handle = start(NULL, 0);
	struct sleeper sleeper;

	sigaction(SIGUSR1, &action, NULL);
	sleeper_start(&sleeper, handle, CS_DISPATCH_ONE);
	pthread_kill(sleeper.thread, SIGUSR1);
	ck_assert_int_eq(pthread_tryjoin_np(sleeper.thread, NULL), EBUSY);
	join(handle);
	pthread_join(sleeper.thread, NULL);
	ck_assert_int_eq(sleeper.result, CS_OK);
	ck_assert_uint_eq(confchgs, 1);
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(finalize_wakes_who_waits)
{
	struct fake_options options = {.sockets = _i & 2};
	struct sleeper sleeper;
	cpg_handle_t handle;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, NULL), CS_OK);
	sleeper_start(&sleeper, handle, _i & 1 ? CS_DISPATCH_BLOCKING : CS_DISPATCH_ONE);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	pthread_join(sleeper.thread, NULL);
	ck_assert_int_eq(sleeper.result, CS_ERR_BAD_HANDLE);
	fake_engine_stop(&engine);
}
END_TEST

static struct sleeper other;

/* Another thread waits for the next event when this returns. */
static void start_other(cpg_handle_t handle)
{
	struct instance *instance = instance_get(handle);

	call_in_callback = NULL;
	other = (struct sleeper){.handle = handle, .flags = CS_DISPATCH_ONE};
	ck_assert_int_eq(pthread_create(&other.thread, NULL, sleep_in_dispatch, &other), 0);
	fake_wait_until(atomic_load(&instance->waiting));
	instance_put(instance);
}

/* Who is through with its event does not wait for the next one because somebody else does. */
START_TEST(dispatch_ends_beside_one_that_waits)
{
	static const cs_dispatch_flags_t flags[] = {CS_DISPATCH_ONE, CS_DISPATCH_ALL,
						    CS_DISPATCH_ONE_NONBLOCKING};
	cpg_handle_t handle = start(NULL, 0);

	join(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	poke(handle, 'x');
	ck_assert(readable(handle, 10000));
	call_in_callback = start_other;
	ck_assert_int_eq(cpg_dispatch(handle, flags[_i]), CS_OK);
	ck_assert_uint_eq(delivered, 1);
	ck_assert_int_eq(pthread_tryjoin_np(other.thread, NULL), EBUSY);
	poke(handle, 'y');
	pthread_join(other.thread, NULL);
	ck_assert_int_eq(other.result, CS_OK);
	ck_assert_uint_eq(delivered, 2);
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(finalize_in_a_callback)
{
	static const cs_dispatch_flags_t flags[] = {CS_DISPATCH_ONE, CS_DISPATCH_ALL, CS_DISPATCH_BLOCKING,
						    CS_DISPATCH_ONE_NONBLOCKING};
	cpg_handle_t handle = start(NULL, 0);

	join(handle);
	poke(handle, 'x');
	poke(handle, 'y');
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert(readable(handle, 10000));
	finalize_in_callback = true;
	ck_assert_int_eq(cpg_dispatch(handle, flags[_i]), CS_ERR_BAD_HANDLE);
	ck_assert_uint_eq(delivered, 1);
	ck_assert_int_eq(cpg_dispatch(handle, flags[_i]), CS_ERR_BAD_HANDLE);
	fake_engine_stop(&engine);
}
END_TEST

/* 0: rings, 1: sockets, whose descriptor does not tell */
START_TEST(engine_dies_while_we_wait)
{
	struct fake_options options = {.sockets = _i};
	cpg_handle_t handle = start_with(&options);
	struct sleeper sleeper;

	sleeper_start(&sleeper, handle, CS_DISPATCH_BLOCKING);
	fake_engine_kill(&engine);
	pthread_join(sleeper.thread, NULL);
	ck_assert_int_eq(sleeper.result, CS_ERR_LIBRARY);
	ck_assert(_i || readable(handle, 0));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE_NONBLOCKING), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_BAD_HANDLE);
}
END_TEST

/* What the hook sends instead of delivering the one byte of a message. */
static bool send_event(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	union {
		struct ipc_response header;
		struct ipc_deliver deliver;
		struct ipc_confchg confchg;
		struct ipc_totem_confchg totem;
		struct ipc_partial_deliver partial;
		struct ipc_event_part part;
		uint8_t bytes[400];
	} event;

	if (request->id != IPC_REQ_MCAST)
		return false;
	memset(&event, 0, sizeof(event));
	event.header.size = 400;
	switch (((const struct ipc_mcast *)request)->message[0]) {
	case 'a': /* unknown */
		event.header.id = 99;
		fake_event(conn, &event, 400);
		break;
	case 'b': /* no header */
		fake_event(conn, &event, 23);
		break;
	case 'c': /* shorter than its fixed part, for each kind */
		event.header.id = IPC_RES_DELIVER;
		fake_event(conn, &event, sizeof(event.deliver) - 1);
		break;
	case 'd':
		event.header.id = IPC_RES_CONFCHG;
		fake_event(conn, &event, sizeof(event.confchg) - 1);
		break;
	case 'e':
		event.header.id = IPC_RES_TOTEM_CONFCHG;
		fake_event(conn, &event, 43);
		break;
	case 'f':
		event.header.id = IPC_RES_PARTIAL_DELIVER;
		fake_event(conn, &event, sizeof(event.partial) - 1);
		break;
	case 'g': /* lies about lengths and counts */
		event.header.id = IPC_RES_DELIVER;
		event.deliver.msglen = 400 - sizeof(event.deliver) + 1;
		fake_event(conn, &event, 400);
		break;
	case 'h':
		event.header.id = IPC_RES_DELIVER;
		event.deliver.group.length = 129;
		fake_event(conn, &event, 400);
		break;
	case 'i':
		event.header.id = IPC_RES_CONFCHG;
		event.confchg.member_list_entries = 5;
		event.confchg.left_list_entries = 5;
		fake_event(conn, &event, 400);
		break;
	case 'j':
		event.header.id = IPC_RES_CONFCHG;
		event.confchg.member_list_entries = UINT32_MAX;
		event.confchg.joined_list_entries = 1;
		fake_event(conn, &event, 400);
		break;
	case 'k':
		event.header.id = IPC_RES_TOTEM_CONFCHG;
		event.totem.member_list_entries = 90;
		fake_event(conn, &event, 400);
		break;
	case 'l':
		event.header.id = IPC_RES_PARTIAL_DELIVER;
		event.partial.type = IPC_FRAGMENT_FIRST;
		event.partial.msglen = UINT32_MAX;
		event.partial.fraglen = 201;
		fake_event(conn, &event, 400);
		break;
	case 'm': /* slices: from the middle */
		event.header.id = IPC_RES_EVENT_PART;
		event.part = (struct ipc_event_part){
			.header = event.header, .total = 1000, .offset = 100, .length = 100};
		fake_event(conn, &event, 400);
		break;
	case 'n': /* longer than what is there */
		event.header.id = IPC_RES_EVENT_PART;
		event.part = (struct ipc_event_part){.header = event.header, .total = 1000, .length = 353};
		fake_event(conn, &event, 400);
		break;
	case 'o': /* longer than the whole */
		event.header.id = IPC_RES_EVENT_PART;
		event.part = (struct ipc_event_part){.header = event.header, .total = 99, .length = 100};
		fake_event(conn, &event, 400);
		break;
	case 'p': /* empty */
		event.header.id = IPC_RES_EVENT_PART;
		event.part = (struct ipc_event_part){.header = event.header, .total = 99};
		fake_event(conn, &event, 400);
		break;
	case 'q': /* an event of slices within slices */
		event.header.id = IPC_RES_EVENT_PART;
		event.part = (struct ipc_event_part){.header = event.header, .total = 100, .length = 100};
		((struct ipc_response *)event.part.data)->id = IPC_RES_EVENT_PART;
		fake_event(conn, &event, 400);
		break;
	case 'r': /* something between slices */
		event.header.id = IPC_RES_EVENT_PART;
		event.part = (struct ipc_event_part){.header = event.header, .total = 1000, .length = 100};
		fake_event(conn, &event, 400);
		fake_deliver(conn, "x", 1);
		break;
	case 's': /* not even a slice */
		event.header.id = IPC_RES_EVENT_PART;
		fake_event(conn, &event, 47);
		break;
	default:
		return false;
	}
	return true;
}

START_TEST(nonsense_ends_the_deliveries)
{
	cpg_handle_t handle = start(send_event, IPC_FEATURE_LARGE_GROUPS);
	cs_error_t error;

	join(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	poke(handle, (char)_i);
	error = cpg_dispatch(handle, CS_DISPATCH_ONE);
	if (error == CS_OK) /* the first slice was all right */
		error = cpg_dispatch(handle, CS_DISPATCH_ONE);
	ck_assert_int_eq(error, CS_ERR_LIBRARY);
	/* And what comes after it is not delivered as if nothing had happened. */
	poke(handle, 'z');
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_ERR_LIBRARY);
	ck_assert_uint_eq(delivered, 0);
	ck_assert_uint_eq(confchgs, 1);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(slices_only_from_who_was_granted_them)
{
	cpg_handle_t handle = start(send_event, 0);

	join(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	poke(handle, 'r');
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_ERR_LIBRARY);
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

#define MANY 50000u

/* A confchg with more members than fit one event, in slices of odd sizes. */
static bool send_many_members(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	size_t total = sizeof(struct ipc_confchg) + (MANY + 1) * sizeof(struct ipc_address), offset, length;
	size_t most = fake_more_features ? 15001 : 300001;
	struct ipc_confchg *confchg;
	struct ipc_event_part *part;
	uint32_t i;

	if (request->id != IPC_REQ_MCAST)
		return false;
	confchg = calloc(1, total);
	confchg->header = (struct ipc_response){.id = IPC_RES_CONFCHG, .size = (int32_t)total};
	confchg->group.length = 5;
	confchg->member_list_entries = MANY;
	confchg->joined_list_entries = 1;
	for (i = 0; i < MANY; i++)
		confchg->list[i].nodeid = FAKE_NODEID;
	confchg->list[MANY].reason = 1;
	part = calloc(1, sizeof(*part) + most);
	for (offset = 0; offset < total; offset += length) {
		length = total - offset < most ? total - offset : most;
		*part = (struct ipc_event_part){.header = {.id = IPC_RES_EVENT_PART},
						.total = total,
						.offset = offset,
						.length = length};
		memcpy(part->data, (char *)confchg + offset, length);
		fake_event(conn, part, sizeof(*part) + length);
	}
	free(part);
	free(confchg);
	return true;
}

START_TEST(slices_make_an_event)
{
	cpg_handle_t handle = start(send_many_members, IPC_FEATURE_LARGE_GROUPS);

	join(handle);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	poke(handle, 'x');
	while (confchgs == 1)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_uint_eq(last_members, MANY);
	ck_assert_uint_eq(last_joined, 1);
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

/* Fragments of a message, interrupted as the message says. */
static bool send_fragments(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	char what;

	if (request->id != IPC_REQ_MCAST)
		return false;
	what = (char)((const struct ipc_mcast *)request)->message[0];
	fake_fragment(conn, 1, IPC_FRAGMENT_FIRST, 6, "abc", 3);
	if (what == 'l')
		fake_confchg(conn, 1, 1, 0, 1);
	if (what == 'j')
		fake_confchg(conn, 1, 0, 1, 1);
	if (what == 'o')
		fake_confchg(conn, 1, 0, 1, 2);
	fake_fragment(conn, 1, IPC_FRAGMENT_LAST, 6, "def", 3);
	fake_deliver(conn, "end", 3);
	return true;
}

START_TEST(fragments_end_with_their_sender)
{
	static const char how[] = "lj o";
	static const unsigned int expected[] = {1, 1, 2, 2};
	cpg_handle_t handle = start(send_fragments, 0);

	join(handle);
	poke(handle, how[_i]);
	while (last_length != 3)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_uint_eq(delivered, expected[_i]);
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

static bool send_totem_confchg(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	struct ipc_totem_confchg head = {.header = {.id = IPC_RES_TOTEM_CONFCHG, .size = 52},
					 .ring_id = {.nodeid = 1, .seq = 77},
					 .member_list_entries = 2};
	uint8_t event[52] IPC_ALIGNED;
	uint32_t nodes[2] = {11, 12};

	if (request->id != IPC_REQ_MCAST)
		return false;
	memcpy(event, &head, 44);
	memcpy(event + 44, nodes, sizeof(nodes));
	fake_event(conn, event, sizeof(event));
	return true;
}

START_TEST(totem_confchg_arrives)
{
	cpg_handle_t handle = start(send_totem_confchg, 0);

	join(handle);
	poke(handle, 'x');
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert_uint_eq(totem_confchgs, 1);
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

START_TEST(callbacks_may_be_missing)
{
	struct fake_options options = {.hook = NULL};
	cpg_handle_t handle;
	unsigned int i;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(_i ? cpg_initialize(&handle, NULL)
			    : cpg_model_initialize(&handle, CPG_MODEL_V1, NULL, NULL),
			 CS_OK);
	join(handle);
	poke(handle, 'x');
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
	ck_assert(!readable(handle, 0));
	cpg_finalize(handle);
	fake_engine_stop(&engine);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	delivered = confchgs = totem_confchgs = 0;
	last_length = last_members = last_left = last_joined = 0;
	last_sum = 0;
	last_pid = 0;
	finalize_in_callback = false;
	call_in_callback = NULL;
}

/* The same over the rings. */
static void use_rings(void)
{
	fake_more_features = FAKE_RINGS;
}

static void add_tests(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, forget, NULL);
	tcase_add_test(tcase, matrix_when_nothing_is_there);
	tcase_add_test(tcase, readable_while_anything_is_left);
	tcase_add_test(tcase, waiting_ends_with_an_event_and_not_with_a_signal);
	tcase_add_loop_test(tcase, finalize_wakes_who_waits, 0, 4);
	tcase_add_loop_test(tcase, dispatch_ends_beside_one_that_waits, 0, 3);
	tcase_add_loop_test(tcase, finalize_in_a_callback, 0, 4);
	tcase_add_loop_test(tcase, engine_dies_while_we_wait, 0, 2);
	tcase_add_loop_test(tcase, nonsense_ends_the_deliveries, 'a', 's' + 1);
	tcase_add_test(tcase, slices_make_an_event);
	tcase_add_loop_test(tcase, fragments_end_with_their_sender, 0, 4);
	tcase_add_test(tcase, totem_confchg_arrives);
	tcase_add_loop_test(tcase, callbacks_may_be_missing, 0, 2);
	tcase_set_timeout(tcase, 60);
}

int main(void)
{
	TCase *plain = tcase_create("events"), *rings = tcase_create("events_by_rings");
	Suite *suite = suite_create("lib_events");

	fake_private_shm();
	add_tests(plain);
	tcase_add_test(plain, slices_only_from_who_was_granted_them);
	tcase_add_checked_fixture(rings, use_rings, NULL);
	add_tests(rings);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, rings);
	return run_suite(suite);
}
