/* SPDX-License-Identifier: BSD-3-Clause */
/* fork() while callbacks run: parent and child have what they were called with, each to itself. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

#define PAGE 4096u
#define HELD 0xa5u /* bytes of what the child keeps */
#define FILLER 1000u
#define FILLERS (2 * DELIVERY_RING_SIZE / ring_entry_size(FILLER))

/* How what the child keeps comes: a message of a run, one that is an event of its own, a list of nodes. */
enum kind { MESSAGE_OF_A_RUN, MESSAGE_ALONE, RING_CHANGE, KINDS };

/* What callbacks are in the middle of, in both processes. */
static struct {
	uint8_t *bytes;
	size_t length;
} held[2];
static unsigned int holding, to_hold;

static int gate[2]; /* readable: the child may go on */
static pid_t child;
static bool child_good;
static unsigned int spoilt; /* messages of the parent's */

static bool all_are(const uint8_t *bytes, size_t length, uint8_t byte)
{
	while (length && *bytes == byte) {
		bytes++;
		length--;
	}
	return !length;
}

static size_t count_of(const uint8_t *bytes, size_t length, uint8_t byte)
{
	size_t count = 0;

	while (length--)
		count += bytes[length] == byte;
	return count;
}

/* What the engine does after the fork does not reach it, and what it does itself does not reach the parent. */
static void be_the_child(void)
{
	unsigned int i;
	char byte;

	close(gate[1]);
	child_good = read(gate[0], &byte, 1) == 1;
	for (i = 0; i < holding; i++) {
		child_good = child_good && all_are(held[i].bytes, held[i].length, HELD);
		memset(held[i].bytes, 0xee, held[i].length + 1);
	}
}

static void fork_child(void)
{
	child = fork();
	if (!child)
		be_the_child();
}

static void (*fork_now)(void);

static void hold(cpg_handle_t handle, void *bytes, size_t length)
{
	cs_error_t error;

	held[holding].bytes = bytes;
	held[holding].length = length;
	if (++holding < to_hold) {
		error = cpg_dispatch(handle, CS_DISPATCH_ONE);
		if (child)
			ck_assert_int_eq(error, CS_OK);
		else
			child_good = child_good && error == CS_ERR_BAD_HANDLE;
		return;
	}
	fork_now();
}

static void on_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	(void)group;
	(void)nodeid;
	(void)pid;
	delivered++;
	if (length == FILLER)
		spoilt += !all_are(msg, length, 0);
	else if (holding < to_hold)
		hold(handle, msg, length);
}

static void on_ring_change(cpg_handle_t handle, struct cpg_ring_id ring_id, uint32_t count,
			   const uint32_t *members)
{
	(void)ring_id;
	delivered++;
	if (holding < to_hold)
		hold(handle, (void *)members, count * sizeof(*members));
}

static void send_ring_change(qb_ipcs_connection_t *conn, const struct ipc_mcast *mcast)
{
	size_t size = offsetof(struct ipc_totem_confchg, member_list) + mcast->msglen;
	struct ipc_totem_confchg *change = calloc(1, size);

	change->header.id = IPC_RES_TOTEM_CONFCHG;
	change->header.size = (int32_t)size;
	change->member_list_entries = mcast->msglen / sizeof(uint32_t);
	memcpy(change->member_list, mcast->message, mcast->msglen);
	fake_event(conn, change, size);
	free(change);
}

/* 'm': more than there is room for, all zero. Else what came, as it is to come. */
static bool send_kinds(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	const struct ipc_mcast *mcast = (const struct ipc_mcast *)request;

	if (request->id != IPC_REQ_MCAST || mcast->message[0] == 'm' ||
	    atomic_load(&fake_shared->value) != RING_CHANGE)
		return send_run(conn, request);
	send_ring_change(conn, mcast);
	return true;
}

static cpg_handle_t start_kind(enum kind kind)
{
	cpg_model_v1_data_t model = {CPG_MODEL_V1, on_message, on_confchg, on_ring_change, 0};
	struct fake_options options = {.features = RINGS, .hook = send_kinds};
	cpg_handle_t handle;

	fake_engine_start(&engine, &options);
	atomic_store(&engine.shared->value, kind);
	ck_assert_int_eq(cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL),
			 CS_OK);
	become_member(handle);
	ck_assert_int_eq(pipe(gate), 0);
	return handle;
}

/* Lets messages of this kind end with a page: the byte behind them is the callback's, too. */
static size_t length_of(cpg_handle_t handle, enum kind kind)
{
	static const size_t headers[] = {
		[MESSAGE_OF_A_RUN] = 2 * sizeof(struct ring_entry) + sizeof(struct ring_run),
		[MESSAGE_ALONE] = sizeof(struct ring_entry) + sizeof(struct ipc_deliver),
		[RING_CHANGE] = sizeof(struct ring_entry) + offsetof(struct ipc_totem_confchg, member_list)};
	const uint8_t *control = (const uint8_t *)control_of(handle);
	uintptr_t at = (uintptr_t)control - SEGMENT_START + DELIVERY_RING_OFFSET + given_back(handle) +
		       headers[kind];
	size_t least = kind == MESSAGE_ALONE ? 2 * PAGE : PAGE;

	return least + (PAGE - at % PAGE) % PAGE;
}

/* By exec: what a child has to leave behind (see cpg.h) is a leak to those who look at its exit. */
static void child_end(bool good)
{
	execl(good ? "/bin/true" : "/bin/false", "child", NULL);
	_exit(3);
}

static void dispatch_held(cpg_handle_t handle)
{
	cs_error_t error = cpg_dispatch(handle, CS_DISPATCH_ONE);

	if (!child)
		child_end(child_good && error == CS_ERR_BAD_HANDLE && cpg_finalize(handle) == CS_OK);
	ck_assert_int_eq(error, CS_OK);
}

static bool child_ended_well(void)
{
	int status;

	close(gate[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status == 0;
}

/* Everywhere, but for the bytes that it leaves between entries, the engine has put in what the parent has not read. */
static void fill_ring(cpg_handle_t handle)
{
	unsigned int i;

	ck_assert_int_eq(send_bytes(handle, 'm', 1), CS_OK);
	fake_ask(handle);
	for (i = 0; i < holding; i++)
		ck_assert_uint_lt(count_of(held[i].bytes, held[i].length, HELD), held[i].length / 10);
}

/* In a callback, or in two, one inside of the other. */
START_TEST(each_has_its_own)
{
	enum kind kind = (enum kind)(_i % KINDS);
	cpg_handle_t handle = start_kind(kind);
	size_t length;
	unsigned int i;

	ck_assert_int_eq(send_bytes(handle, 0, 4), CS_OK); /* the ring's first has the group's name with it */
	deliver(handle, 1);
	to_hold = 1 + (unsigned int)_i / KINDS;
	length = length_of(handle, kind);
	for (i = 0; i < to_hold; i++)
		ck_assert_int_eq(send_bytes(handle, HELD, length), CS_OK);
	dispatch_held(handle);
	/* One more, so that the end of the ring, where the last ones find no room, is not where those were. */
	ck_assert_int_eq(send_bytes(handle, 'x', length), CS_OK);
	deliver(handle, to_hold + 2);
	fill_ring(handle);
	ck_assert_int_eq(write(gate[1], "", 1), 1);
	ck_assert(child_ended_well());
	deliver(handle, to_hold + 2 + FILLERS);
	ck_assert_uint_eq(spoilt, 0);
	close(gate[1]);
	stop(handle);
}
END_TEST

/* There is no memory for a copy; so the child must look at once, and leave it alone. */
static void fork_without_memory(void)
{
	struct rlimit usual, none;

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &usual), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = usual.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	child = fork();
	setrlimit(RLIMIT_AS, &usual);
	child_good = all_are(held[0].bytes, held[0].length, HELD);
}

START_TEST(without_memory_it_is_shared)
{
	cpg_handle_t handle = start_kind(MESSAGE_OF_A_RUN);

	to_hold = 1;
	fork_now = fork_without_memory;
	ck_assert_int_eq(send_bytes(handle, HELD, 5000), CS_OK);
	dispatch_held(handle);
	ck_assert(child_ended_well());
	ck_assert(child_good);
	close(gate[1]);
	stop(handle);
}
END_TEST

static struct instance *shared;
static bool lock_at_fork;

/* As another thread may, between the library's own handler and the fork. Such a thread the child has not got. */
static void lock_events(void)
{
	if (lock_at_fork)
		pthread_mutex_lock(&shared->event_lock);
}

static void unlock_events(void)
{
	if (lock_at_fork)
		pthread_mutex_unlock(&shared->event_lock);
	lock_at_fork = false;
}

static void leave_locked(void)
{
	lock_at_fork = false;
}

static bool fork_again(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		child_end(true);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* No lock that a thread had at the fork keeps the child from anything. */
START_TEST(a_child_has_children_and_handles)
{
	cpg_handle_t handle, own;
	bool good;

	handle = start_kind(MESSAGE_OF_A_RUN);
	shared = instance_get(handle);
	instance_put(shared);
	lock_at_fork = true;
	child = fork();
	if (!child) {
		good = fork_again() && cpg_initialize(&own, NULL) == CS_OK && fork_again() &&
		       cpg_finalize(own) == CS_OK && cpg_finalize(handle) == CS_OK && fork_again();
		child_end(good);
	}
	ck_assert(child_ended_well());
	ck_assert(fork_again());
	close(gate[1]);
	stop(handle);
}
END_TEST

/* As in the handler of a signal that came while its thread took an event. */
START_TEST(in_the_middle_of_a_dispatch)
{
	cpg_handle_t handle = start_kind(MESSAGE_OF_A_RUN);

	shared = instance_get(handle);
	instance_put(shared);
	pthread_mutex_lock(&shared->event_lock);
	ck_assert(fork_again());
	pthread_mutex_unlock(&shared->event_lock);
	close(gate[1]);
	stop(handle);
}
END_TEST

static void forget(void)
{
	member_forget();
	memset(held, 0, sizeof(held));
	holding = to_hold = spoilt = 0;
	fork_now = fork_child;
	child = -1;
	child_good = lock_at_fork = false;
}

int main(void)
{
	TCase *tcase = tcase_create("fork");

	/* Before the library's: so it comes behind that. */
	pthread_atfork(lock_events, unlock_events, leave_locked);
	tcase_add_checked_fixture(tcase, forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, each_has_its_own, 0, 2 * KINDS);
	tcase_add_test(tcase, without_memory_it_is_shared);
	tcase_add_test(tcase, a_child_has_children_and_handles);
	tcase_add_test(tcase, in_the_middle_of_a_dispatch);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_fork", tcase);
}
