/* SPDX-License-Identifier: BSD-3-Clause */
/* Events out of the delivery ring: every one, in order, and shown by the descriptor. */
#define _GNU_SOURCE /* pthread_tryjoin_np */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

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

static void on_alarm(int signal)
{
	(void)signal;
}

static void alarms_every(long us)
{
	struct itimerval timer = {.it_interval = {.tv_usec = us}, .it_value = {.tv_usec = us}};

	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* The message is there before its doorbell is, and signals come while that is waited for. */
START_TEST(a_signal_comes_before_the_doorbell)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
	cpg_handle_t handle = start(NULL);
	unsigned int round;

	ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
	atomic_store(&engine.shared->bell_delay, 20000);
	for (round = 1; round <= 10; round++) {
		ck_assert_int_eq(send_bytes(handle, 'a', 100), CS_OK);
		alarms_every(2000);
		while (delivered < round)
			ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
		alarms_every(0);
		fake_ask(handle); /* the engine has rung */
		ck_assert(!readable(handle, 0));
	}
	ck_assert_int_eq(sigaction(SIGALRM, &before, NULL), 0);
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

/* The engine has gone on in the large data: all of it lies there. */
START_TEST(a_full_ring_moves)
{
	unsigned int total = 2 * DELIVERY_RING_SIZE / ring_entry_size(1000);
	cpg_handle_t handle = start(send_run);

	atomic_store(&control_of(handle)->grown, 1);
	ck_assert_int_eq(send_bytes(handle, 'm', 1), CS_OK);
	take(handle, true); /* the doorbell of that is through */
	ck_assert(!atomic_load(&control_of(handle)->delivered.more));
	while (delivered < total) {
		ck_assert(readable(handle, 10000));
		ck_assert_int_eq(cpg_dispatch(handle, modes[_i]), CS_OK);
		ck_assert_uint_eq(last_length, 1000);
	}
	ck_assert_uint_eq(delivered, total);
	ck_assert(!readable(handle, 0));
	ck_assert_uint_eq(given_back(handle), atomic_load(&control_of(handle)->delivered.end));
	stop(handle);
}
END_TEST

/* It lies there in one piece, and the callback gets it where it lies. */
static void *huge_message;

static void on_huge(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		    void *msg, size_t length)
{
	on_deliver(handle, group, nodeid, pid, msg, length);
	if (length == ATOMIC_MESSAGE_MAX)
		huge_message = msg;
}

START_TEST(the_largest_message_in_one_piece)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_huge, .cpg_confchg_fn = on_confchg};
	struct fake_options options = {.features = RINGS, .hook = send_run};
	unsigned int round, i;
	cpg_handle_t handle;

	fake_engine_start(&engine, &options);
	ck_assert_int_eq(cpg_initialize(&handle, &callbacks), CS_OK);
	become_member(handle);
	atomic_store(&control_of(handle)->grown, 2);
	for (round = 1; round <= 10; round++) {
		ck_assert_int_eq(send_bytes(handle, 'h', 1), CS_OK);
		for (i = 0; i < 3; i++) {
			ck_assert(readable(handle, 10000));
			ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ONE), CS_OK);
			ck_assert_uint_eq(last_length, i == 1 ? ATOMIC_MESSAGE_MAX : 20);
		}
		ck_assert(!readable(handle, 0));
		ck_assert_uint_gt((uintptr_t)huge_message, (uintptr_t)control_of(handle));
		ck_assert_uint_lt((uintptr_t)huge_message,
				  (uintptr_t)control_of(handle) + SEGMENT_CONTROL_SIZE);
		ck_assert_uint_eq(given_back(handle), atomic_load(&control_of(handle)->delivered.end));
	}
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
		atomic_store(&control->delivered.end, end + DELIVERY_HUGE_SIZE + 64);
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

static void forget(void)
{
	member_forget();
	totem_confchgs = 0;
}

int main(void)
{
	TCase *tcase = tcase_create("rings");

	tcase_add_checked_fixture(tcase, forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, run_one_by_one, 0, 2);
	tcase_add_test(tcase, run_at_once);
	tcase_add_loop_test(tcase, a_byte_behind_a_message_is_the_callbacks, 0, 2);
	tcase_add_loop_test(tcase, finalize_in_the_middle_of_a_run, 0, 4);
	tcase_add_test(tcase, message_outlives_its_handle);
	tcase_add_test(tcase, everything_comes_in_order);
	tcase_add_loop_test(tcase, descriptor_is_right_however_slow_the_engine, 0, 12);
	tcase_add_test(tcase, a_signal_comes_before_the_doorbell);
	tcase_add_loop_test(tcase, more_than_there_is_room_for, 0, 3);
	tcase_add_loop_test(tcase, a_full_ring_moves, 0, 3);
	tcase_add_test(tcase, the_largest_message_in_one_piece);
	tcase_add_loop_test(tcase, nested_dispatch, 0, 3);
	tcase_add_test(tcase, two_threads);
	tcase_add_loop_test(tcase, dispatcher_that_was_first, 0, 2);
	tcase_add_loop_test(tcase, events_from_before_the_rings, 0, 8);
	tcase_add_loop_test(tcase, nonsense_in_the_ring, 'a', 'o' + 1);
	tcase_add_loop_test(tcase, engine_dies_behind_a_run, 0, 8);
	tcase_add_loop_test(tcase, fork_in_a_callback, 0, 3);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_delivery", tcase);
}
