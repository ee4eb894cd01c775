/* SPDX-License-Identifier: BSD-3-Clause */
/* fork() while callbacks run: parent and child have what they were called with, each to itself. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
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
static atomic_uint holding;
static unsigned int to_hold;

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

/* Whether all that is held is as it came. Then it is not any more. */
static bool held_spoil(void)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < holding; i++) {
		good = good && all_are(held[i].bytes, held[i].length, HELD);
		memset(held[i].bytes, 0xee, held[i].length + 1);
	}
	return good;
}

/* By exec: what a child has to leave behind (see cpg.h) is a leak to those who look at its exit. */
static void child_end(bool good)
{
	execl(good ? "/bin/true" : "/bin/false", "child", NULL);
	_exit(3);
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool fork_to_spoil(void)
{
	pid_t pid = fork();

	if (!pid)
		child_end(held_spoil());
	return ended_well(pid);
}

/*
 * What the engine does after the fork does not reach it, what it does itself does not reach the parent, and so it is between it and a
 * child of its own.
 */
static void be_the_child(void)
{
	char byte;

	close(gate[1]);
	child_good = read(gate[0], &byte, 1) == 1;
	child_good = fork_to_spoil() && child_good;
	child_good = held_spoil() && child_good;
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

static void dispatch_held(cpg_handle_t handle)
{
	cs_error_t error = cpg_dispatch(handle, CS_DISPATCH_ONE);

	if (!child)
		child_end(child_good && error == CS_ERR_BAD_HANDLE && cpg_finalize(handle) == CS_OK);
	ck_assert_int_eq(error, CS_OK);
}

static bool child_ended_well(void)
{
	close(gate[0]);
	return ended_well(child);
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

/* What the program does while it forks, between the library's own handlers and the fork. NULL: nothing. */
static const struct at_fork {
	void (*begins)(void), (*parent)(void), (*child)(void);
} * at_fork;

static void program_begins(void)
{
	if (at_fork && at_fork->begins)
		at_fork->begins();
}

static void program_goes_on(void)
{
	if (at_fork && at_fork->parent)
		at_fork->parent();
}

static void program_has_a_child(void)
{
	if (at_fork && at_fork->child)
		at_fork->child();
}

static struct instance *shared;

/* As another thread may. Such a thread the child has not got. */
static void lock_events(void)
{
	pthread_mutex_lock(&shared->event_lock);
}

static void unlock_events(void)
{
	at_fork = NULL;
	pthread_mutex_unlock(&shared->event_lock);
}

static void leave_locked(void)
{
	at_fork = NULL;
}

static const struct at_fork events_locked = {lock_events, unlock_events, leave_locked};

static bool fork_again(void)
{
	pid_t pid = fork();

	if (!pid)
		child_end(true);
	return ended_well(pid);
}

/* No lock that a thread had at the fork keeps the child from anything. */
START_TEST(a_child_has_children_and_handles)
{
	cpg_handle_t handle, own;
	bool good;

	handle = start_kind(MESSAGE_OF_A_RUN);
	shared = instance_get(handle);
	instance_put(shared);
	at_fork = &events_locked;
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

/* ---- forks that meet something ---- */

#define FORKS 60u
#define SIGNALS 200u /* for calls of which only an instant is of interest */

static atomic_uint signals_forked; /* forks in the handler of a signal */
static atomic_bool over;
static bool fork_failed;

static pthread_mutex_t program_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_program(void)
{
	pthread_mutex_lock(&program_lock);
}

static void unlock_program(void)
{
	pthread_mutex_unlock(&program_lock);
}

/* As a program has it whose threads fork: its state is whole in the child. */
static const struct at_fork program_locked = {lock_program, unlock_program, unlock_program};

static void *call_under_lock(void *handle)
{
	void *context;

	while (!atomic_load(&over)) {
		pthread_mutex_lock(&program_lock);
		cpg_context_get(*(cpg_handle_t *)handle, &context);
		pthread_mutex_unlock(&program_lock);
	}
	return NULL;
}

START_TEST(a_program_locks_for_its_forks)
{
	cpg_handle_t handle = start_kind(MESSAGE_OF_A_RUN);
	pthread_t thread;
	unsigned int i;

	at_fork = &program_locked;
	ck_assert_int_eq(pthread_create(&thread, NULL, call_under_lock, &handle), 0);
	for (i = 0; i < FORKS; i++)
		ck_assert(fork_again());
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	stop(handle);
}
END_TEST

static void on_alarm(int signal)
{
	(void)signal;
	fork_failed = !fork_again() || fork_failed;
	atomic_fetch_add(&signals_forked, 1);
}

/* A while from now: each time another one, and of any length that a call takes. */
static void alarm_set(unsigned int round)
{
	struct itimerval timer = {.it_value = {.tv_usec = 1 + (long)(round * 7 % 300)}};

	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* Over and over, and signals' handlers fork in the middle of it. */
static void while_signals_fork(unsigned int rounds, void (*act)(cpg_handle_t handle), cpg_handle_t handle)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, before;
	unsigned int i;

	ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
	for (i = 0; i < rounds; i++) {
		alarm_set(i);
		while (atomic_load(&signals_forked) <= i)
			act(handle);
	}
	ck_assert_int_eq(sigaction(SIGALRM, &before, NULL), 0);
	ck_assert(!fork_failed);
}

static void get_context(cpg_handle_t handle)
{
	void *context;

	ck_assert_int_eq(cpg_context_get(handle, &context), CS_OK);
}

static void send_one(cpg_handle_t handle)
{
	cs_error_t error = send_bytes(handle, 'x', 100);

	ck_assert_msg(error == CS_OK || error == CS_ERR_TRY_AGAIN, "send: %d", error);
}

/* The list of handles is in somebody's hands for a part of that. */
static void come_and_go(cpg_handle_t handle)
{
	struct instance instance = {.forks = handle_forks};

	(void)handle;
	fork_watch(&instance);
	fork_forget(&instance);
}

static bool swallow(qb_ipcs_connection_t *conn, const struct ipc_request *request)
{
	(void)conn;
	return request->id == IPC_REQ_MCAST;
}

START_TEST(a_signal_forks_in_the_middle_of_a_call)
{
	void (*const acts[])(cpg_handle_t handle) = {get_context, send_one, come_and_go};
	cpg_handle_t handle = start(swallow);

	while_signals_fork(SIGNALS, acts[_i], handle);
	stop(handle);
}
END_TEST

/* In callbacks. */
static cpg_handle_t holder;

static void fork_and_spoil(cpg_handle_t handle)
{
	(void)handle;
	fork_failed = !fork_to_spoil() || fork_failed;
}

static void fork_while_signals_do(void)
{
	while_signals_fork(FORKS, fork_and_spoil, holder);
	child_good = all_are(held[0].bytes, held[0].length, HELD);
}

static void *fork_often(void *failed)
{
	unsigned int i;

	for (i = 0; i < FORKS; i++)
		*(bool *)failed = !fork_to_spoil() || *(bool *)failed;
	return NULL;
}

static void fork_in_two_threads(void)
{
	bool failed[2] = {false, false};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fork_often, &failed[0]), 0);
	fork_often(&failed[1]);
	pthread_join(thread, NULL);
	ck_assert(!failed[0] && !failed[1]);
	child_good = all_are(held[0].bytes, held[0].length, HELD);
}

/* Each child writes to the message, which is as it came for all others. */
START_TEST(forks_meet)
{
	void (*const ways[])(void) = {fork_while_signals_do, fork_in_two_threads};

	holder = start_kind(MESSAGE_OF_A_RUN);
	to_hold = 1;
	fork_now = ways[_i];
	ck_assert_int_eq(send_bytes(holder, HELD, 5000), CS_OK);
	ck_assert_int_eq(cpg_dispatch(holder, CS_DISPATCH_ONE), CS_OK);
	ck_assert(child_good);
	stop(holder);
}
END_TEST

static void stay(struct handle_object *object)
{
	(void)object;
}

/* More than there is room for at first. */
#define OBJECTS 40u

/* Makes handles and ends them: something is locked for most of that. */
static bool handles_come_and_go(void)
{
	struct handle_object objects[OBJECTS] = {{.type = HANDLE_INSTANCE}};
	uint64_t handles[OBJECTS];
	bool good = true;
	unsigned int i;

	for (i = 0; i < OBJECTS; i++) {
		objects[i].destroy = stay;
		atomic_init(&objects[i].references, 1);
		good = handle_create(&objects[i], &handles[i]) == CS_OK && good;
	}
	for (i = 0; i < OBJECTS; i++)
		good = handle_remove(handles[i], &objects[i]) && good;
	for (i = 0; i < OBJECTS; i++)
		come_and_go(0);
	return good;
}

static void *be_busy(void *nothing)
{
	while (!atomic_load(&over))
		handles_come_and_go();
	return nothing;
}

static bool fork_with_handles(cpg_handle_t handle)
{
	pid_t pid = fork();
	void *context;

	if (!pid)
		child_end(cpg_context_get(handle, &context) == CS_ERR_BAD_HANDLE && handles_come_and_go());
	return ended_well(pid);
}

/* Whatever the other thread was in the middle of, which the child has not got. */
START_TEST(a_child_of_a_busy_process)
{
	cpg_handle_t handle = start_kind(MESSAGE_OF_A_RUN);
	pthread_t thread;
	unsigned int i;

	ck_assert_int_eq(pthread_create(&thread, NULL, be_busy, NULL), 0);
	for (i = 0; i < FORKS; i++)
		ck_assert(fork_with_handles(handle));
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	get_context(handle);
	stop(handle);
}
END_TEST

/* ---- a handle that ends while another thread forks ---- */

static int released[2]; /* readable: the callback may return */
static pthread_t dispatcher;

static void await_release(void)
{
	char byte;

	child_good = read(released[0], &byte, 1) == 1;
}

static void *dispatch_and_finalize(void *handle)
{
	cpg_dispatch(*(cpg_handle_t *)handle, CS_DISPATCH_ONE);
	cpg_finalize(*(cpg_handle_t *)handle);
	return NULL;
}

static void *ring_was;
static size_t ring_size;

/* The thread that had the handle goes on while this one forks; and something else comes to where the ring was. */
static void handle_ends(void)
{
	void *at;

	at_fork = NULL;
	ck_assert_int_eq(write(released[1], "", 1), 1);
	pthread_join(dispatcher, NULL);
	at = mmap(ring_was, ring_size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ck_assert_ptr_eq(at, ring_was);
	memset(at, 'o', ring_size);
}

static const struct at_fork ends_there = {.begins = handle_ends};

START_TEST(a_handle_ends_while_another_thread_forks)
{
	cpg_handle_t handle = start_kind(MESSAGE_OF_A_RUN);
	pid_t pid;

	shared = instance_get(handle);
	ring_was = shared->control.map;
	ring_size = shared->control.map_size;
	instance_put(shared);
	to_hold = 1;
	fork_now = await_release;
	ck_assert_int_eq(pipe(released), 0);
	ck_assert_int_eq(send_bytes(handle, HELD, 5000), CS_OK);
	ck_assert_int_eq(pthread_create(&dispatcher, NULL, dispatch_and_finalize, &handle), 0);
	fake_wait_until(atomic_load(&holding) == 1);
	at_fork = &ends_there;
	pid = fork();
	if (!pid)
		child_end(all_are(ring_was, ring_size, 'o'));
	ck_assert(ended_well(pid));
	ck_assert(child_good);
	munmap(ring_was, ring_size);
	fake_engine_stop(&engine);
}
END_TEST

static void forget(void)
{
	member_forget();
	memset(held, 0, sizeof(held));
	holding = to_hold = spoilt = 0;
	fork_now = fork_child;
	child = -1;
	child_good = fork_failed = false;
	at_fork = NULL;
	atomic_store(&over, false);
	atomic_store(&signals_forked, 0);
}

int main(void)
{
	TCase *tcase = tcase_create("fork");

	/* Before the library's: so it comes behind that. */
	pthread_atfork(program_begins, program_goes_on, program_has_a_child);
	tcase_add_checked_fixture(tcase, forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, each_has_its_own, 0, 2 * KINDS);
	tcase_add_test(tcase, without_memory_it_is_shared);
	tcase_add_test(tcase, a_child_has_children_and_handles);
	tcase_add_test(tcase, in_the_middle_of_a_dispatch);
	tcase_add_test(tcase, a_program_locks_for_its_forks);
	tcase_add_loop_test(tcase, a_signal_forks_in_the_middle_of_a_call, 0, 3);
	tcase_add_loop_test(tcase, forks_meet, 0, 2);
	tcase_add_test(tcase, a_child_of_a_busy_process);
	tcase_add_test(tcase, a_handle_ends_while_another_thread_forks);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_fork", tcase);
}
