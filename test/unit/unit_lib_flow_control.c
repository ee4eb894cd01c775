/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow control: the state tells what the next send would get, with rings and without. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

/* Everything that could fill a member's queue further waits until it has caught up. */
START_TEST(a_receiver_that_is_behind_holds_up_all_sends)
{
	static const size_t sizes[] = {1, 10000, ATOMIC_MESSAGE_MAX, ATOMIC_MESSAGE_MAX + 1};
	cpg_handle_t handle = start(NULL);
	unsigned int i;
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	atomic_store(&engine.shared->behind, true);
	fake_ask(handle);
	ck_assert(congested(handle));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		ck_assert_int_eq(send_bytes(handle, 0, sizes[i]), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_ERR_TRY_AGAIN);
	atomic_store(&engine.shared->behind, false);
	fake_ask(handle);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 0, 1), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	stop(handle);
}
END_TEST

/* One state for all kinds of sends: none of them goes past a ring that is full. */
START_TEST(a_full_ring_holds_up_all_sends)
{
	cpg_handle_t handle = start(NULL);
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	take(handle, false);
	while (!congested(handle))
		ck_assert_int_eq(send_bytes(handle, 0, 2000), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 0, 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, 0, ATOMIC_MESSAGE_MAX + 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_ERR_TRY_AGAIN);
	take(handle, true);
	fake_wait_until(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 0, ATOMIC_MESSAGE_MAX + 1), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	stop(handle);
}
END_TEST

/* Why sends are refused when the engine dies. */
enum cause { RING_FULL, RECEIVER_BEHIND, SWITCHED_OFF, CHANNEL_FULL, CAUSES };

/* What the engine can do. */
static const uint64_t features_for[CAUSES] = {RINGS, RINGS, SEGMENTS, 0};

static void get_refused(cpg_handle_t handle, enum cause cause)
{
	cs_error_t error;

	if (cause == RING_FULL) {
		take(handle, false);
	} else if (cause == RECEIVER_BEHIND) {
		atomic_store(&engine.shared->behind, true);
		fake_ask(handle);
	} else if (cause == SWITCHED_OFF) {
		atomic_store(&engine.shared->rate, QB_IPCS_RATE_OFF);
		fake_wait_until(atomic_load(&engine.shared->rate_set) == QB_IPCS_RATE_OFF);
	} else {
		atomic_store(&engine.shared->sleepy, true);
	}
	while ((error = send_bytes(handle, 0, 200000)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	ck_assert(cause == CHANNEL_FULL || congested(handle));
}

/* Who tries again as it was told must hear that there is nobody any more. */
START_TEST(engine_dies_while_sends_are_refused)
{
	enum cause cause = (enum cause)(_i % CAUSES);
	struct fake_options options = {.features = features_for[cause], .sockets = _i >= CAUSES};
	cpg_handle_t handle = start_with(&options);
	unsigned int nodeid;
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	get_refused(handle, cause);
	fake_engine_kill(&engine);
	ck_assert_int_eq(send_bytes(handle, 0, 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(send_bytes(handle, 0, ATOMIC_MESSAGE_MAX + 1), CS_ERR_LIBRARY);
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
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM)
			ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	}
	channel_socket_look(instance);
	instance_put(instance);
}

static const struct fill {
	size_t size;	    /* of each message */
	unsigned int limit; /* how many; 0: until one would be refused */
} fills[] = {
	{0, 0},	    {1, 0},	{60, 0},    {5000, 0},
	{17000, 0}, {60000, 0}, {90000, 0}, {ATOMIC_MESSAGE_MAX, 0},
	{0, 200},   {200, 100}, {1000, 20}, {60000, 10},
};
#define FILLS ((int)(sizeof(fills) / sizeof(fills[0])))

/* Whatever the state says must be what a send then gets: with the largest of messages, too. */
START_TEST(state_is_true_at_every_size)
{
	const struct fill *fill = &fills[_i % FILLS];
	struct fake_options options = {.features = RINGS, .sockets = _i >= FILLS};
	cpg_handle_t handle = start_with(&options);
	unsigned int sent = 0;

	take(handle, false);
	while (!congested(handle) && (!fill->limit || sent++ < fill->limit))
		ck_assert_int_eq(send_bytes(handle, 0, fill->size), CS_OK);
	ck_assert(congested(handle) == !fill->limit);
	/* As full as it gets without being refused, there still is room for the largest. */
	ck_assert_int_eq(send_bytes(handle, 0, ATOMIC_MESSAGE_MAX), fill->limit ? CS_OK : CS_ERR_TRY_AGAIN);
	ck_assert(congested(handle));
	take(handle, true);
	stop(handle);
}
END_TEST

START_TEST(state_shows_that_the_engine_switched_off)
{
	struct fake_options options = {.features = _i & 1 ? SEGMENTS : 0, .sockets = _i & 2};
	cpg_handle_t handle = start_with(&options);
	int off = _i & 4 ? QB_IPCS_RATE_OFF : QB_IPCS_RATE_OFF_2;

	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 0, 1), CS_OK);
	atomic_store(&engine.shared->rate, off);
	fake_wait_until(atomic_load(&engine.shared->rate_set) == off);
	ck_assert(congested(handle));
	ck_assert_int_eq(send_bytes(handle, 0, 1), CS_ERR_TRY_AGAIN);
	ck_assert(congested(handle));
	atomic_store(&engine.shared->rate, QB_IPCS_RATE_FAST);
	fake_wait_until(atomic_load(&engine.shared->rate_set) == QB_IPCS_RATE_FAST);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 0, 1), CS_OK);
	stop(handle);
}
END_TEST

/* An engine without rings shows nothing: the state must not stay "full" for ever after one refusal. */
START_TEST(state_recovers_without_a_control_segment)
{
	struct fake_options options = {.features = _i & 1 ? SEGMENTS : 0, .sockets = _i & 2};
	cpg_handle_t handle = start_with(&options);
	cs_error_t error;

	atomic_store(&engine.shared->sleepy, true);
	while ((error = send_bytes(handle, 0, 200000)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	atomic_store(&engine.shared->sleepy, false);
	fake_wait_until(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 0, options.sockets ? 200000 : ATOMIC_MESSAGE_MAX), CS_OK);
	stop(handle);
}
END_TEST

/*
 * Small messages fill the socket with which libqb rings at each of them before they fill its channel, and then libqb would wait in a send until
 * the engine takes one.
 */
START_TEST(no_call_spins_while_the_engine_stands_still)
{
	cpg_handle_t handle = start_features(0);
	unsigned int sent = 0, nodeid;

	shrink_sockets(handle);
	ck_assert_int_eq(kill(engine.pid, SIGSTOP), 0);
	for (; !congested(handle); sent++)
		ck_assert_int_eq(send_bytes(handle, 1, 64), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 1, 64), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, 1, ATOMIC_MESSAGE_MAX + 1), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_local_get(handle, &nodeid), CS_ERR_TRY_AGAIN);
	ck_assert(congested(handle));
	if (_i) {
		fake_engine_kill(&engine);
		ck_assert_int_eq(send_bytes(handle, 1, 64), CS_ERR_LIBRARY);
		ck_assert(!congested(handle));
		ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
		return;
	}
	ck_assert_int_eq(kill(engine.pid, SIGCONT), 0);
	deliver(handle, sent);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 2, 64), CS_OK);
	deliver(handle, sent + 1);
	ck_assert_uint_eq(last_byte, 2);
	stop(handle);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("flow_control");

	tcase_add_checked_fixture(tcase, member_forget, NULL);
	fake_private_shm();
	tcase_add_test(tcase, a_receiver_that_is_behind_holds_up_all_sends);
	tcase_add_test(tcase, a_full_ring_holds_up_all_sends);
	tcase_add_loop_test(tcase, engine_dies_while_sends_are_refused, 0, 2 * CAUSES);
	tcase_add_loop_test(tcase, state_is_true_at_every_size, 0, 2 * FILLS);
	tcase_add_loop_test(tcase, state_shows_that_the_engine_switched_off, 0, 8);
	tcase_add_loop_test(tcase, state_recovers_without_a_control_segment, 0, 4);
	tcase_add_loop_test(tcase, no_call_spins_while_the_engine_stands_still, 0, 2);
	tcase_set_timeout(tcase, 20);
	return run_case("lib_flow_control", tcase);
}
