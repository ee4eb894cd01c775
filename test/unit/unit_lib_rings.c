/* SPDX-License-Identifier: BSD-3-Clause */
/* What the library sends by the submission ring and the pool, and doorbells only where they are needed. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

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

/* While the engine is awake nobody rings; while it sleeps, who finds it so. */
START_TEST(engine_is_rung_when_it_sleeps)
{
	cpg_handle_t handle = start(NULL);
	unsigned int i, rung;

	fake_wait_until(atomic_load(&control_of(handle)->submission_taken.asleep));
	rung = seen(IPC_REQ_DOORBELL);
	atomic_store(&engine.shared->awake, true);
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
	deliver(handle, 1);
	fake_wait_until(seen(IPC_REQ_DOORBELL) == rung + 1);
	for (i = 2; i < 100; i++) {
		ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
		deliver(handle, i);
	}
	ck_assert_uint_eq(seen(IPC_REQ_DOORBELL), rung + 1);
	atomic_store(&engine.shared->awake, false);
	fake_wait_until(atomic_load(&control_of(handle)->submission_taken.asleep));
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_OK);
	deliver(handle, i);
	fake_wait_until(seen(IPC_REQ_DOORBELL) == rung + 2);
	stop(handle);
}
END_TEST

/* Nothing of libqb is used for messages that fit, and the padding is zero (the engine looks). */
START_TEST(full_ring_is_what_the_state_says)
{
	static const size_t fills[] = {0, 1, 60, 1000, SUBMISSION_MESSAGE_MAX - 100, SUBMISSION_MESSAGE_MAX};
	cpg_handle_t handle = start(NULL);
	struct segment_control *control = control_of(handle);
	unsigned int round, sent = 0;

	for (round = 0; round < 5; round++) {
		take(handle, false);
		while (!congested(handle)) {
			ck_assert_int_eq(send_bytes(handle, 1, fills[_i]), CS_OK);
			sent++;
		}
		ck_assert_int_eq(send_bytes(handle, 1, 0), CS_ERR_TRY_AGAIN);
		ck_assert_int_eq(send_bytes(handle, 1, 50000), CS_ERR_TRY_AGAIN);
		ck_assert_int_eq(send_bytes(handle, 1, ATOMIC_MESSAGE_MAX), CS_ERR_TRY_AGAIN);
		ck_assert_uint_gt(atomic_load(&control->submitted.end) -
					  atomic_load(&control->submission_taken.end),
				  SUBMISSION_RING_LIMIT(SUBMISSION_RING_SIZE));
		ck_assert_uint_le(atomic_load(&control->submitted.end) -
					  atomic_load(&control->submission_taken.end),
				  SUBMISSION_RING_SIZE);
		take(handle, true);
		fake_wait_until(!congested(handle));
		ck_assert_int_eq(send_bytes(handle, 1, SUBMISSION_MESSAGE_MAX), CS_OK);
		deliver(handle, ++sent);
	}
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), sent);
	stop(handle);
}
END_TEST

static void expect_next(cpg_handle_t handle)
{
	(void)handle;
	ck_assert_uint_eq(last_byte, delivered % 251);
}

/* It goes on in the large data as soon as the engine says that there is some, and not before. */
START_TEST(a_full_ring_moves)
{
	cpg_handle_t handle = start(NULL);
	struct segment_control *control = control_of(handle);
	unsigned int round, sent = 0, small;

	in_callback = expect_next;
	take(handle, false);
	while (!congested(handle))
		ck_assert_int_eq(send_bytes(handle, (uint8_t)(++sent % 251), 1000), CS_OK);
	small = sent;
	atomic_store(&control->grown, 1);
	for (round = 0; round < 3; round++) {
		while (!congested(handle))
			ck_assert_int_eq(send_bytes(handle, (uint8_t)(++sent % 251), 1000), CS_OK);
		ck_assert_uint_gt(sent - delivered, 7 * small);
		ck_assert_uint_le(atomic_load(&control->submitted.end) -
					  atomic_load(&control->submission_taken.end),
				  SUBMISSION_LARGE_SIZE);
		take(handle, true);
		fake_wait_until(!congested(handle));
		deliver(handle, sent);
		take(handle, false);
	}
	stop(handle);
}
END_TEST

/* A ring that has moved, with nothing behind that, holds nothing up. */
START_TEST(a_moved_ring_is_empty)
{
	cpg_handle_t handle = start(NULL);
	struct cpg_name group = fake_name("group");
	unsigned int sent = 0;

	take(handle, false);
	while (!congested(handle)) {
		ck_assert_int_eq(send_bytes(handle, 1, 1000), CS_OK);
		sent++;
	}
	atomic_store(&control_of(handle)->grown, 1);
	ck_assert(!congested(handle)); /* it moved */
	take(handle, true);
	deliver(handle, sent);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	stop(handle);
}
END_TEST

/* A zcb send is a plain one of that memory, which is the caller's again. */
START_TEST(zcb_is_a_plain_send)
{
	cpg_handle_t handle = start(NULL);
	unsigned int i;
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	for (i = 0; i < SIZES; i++) {
		memset(buffer, (int)i + 1, sizes[i]);
		ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, sizes[i]), CS_OK);
		memset(buffer, 0xee, sizes[i]);
		deliver(handle, i + 1);
		ck_assert_uint_eq(last_length, sizes[i]);
		ck_assert_uint_eq(last_byte, sizes[i] ? i + 1 : 0);
	}
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), 0);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 3);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	stop(handle);
}
END_TEST

/* Blocks wait up to a limit, large ones alone, and their room is used again and again. */
static const struct fill {
	size_t size, most;
} block_fills[] = {
	{SUBMISSION_MESSAGE_MAX + 1, SUBMISSION_BLOCKS_MAX / (SUBMISSION_MESSAGE_MAX + 1) + 1},
	{100000, SUBMISSION_BLOCKS_MAX / 100000 + 1},
	{SUBMISSION_LARGE_BLOCK - 1, 9},
	{SUBMISSION_LARGE_BLOCK, 1},
	{ATOMIC_MESSAGE_MAX, 1},
};
#define BLOCK_FILLS ((int)(sizeof(block_fills) / sizeof(block_fills[0])))

START_TEST(blocks_are_used_again)
{
	size_t size = block_fills[_i].size, most = block_fills[_i].most;
	cpg_handle_t handle = start(NULL);
	unsigned int round, sent = 0, i, segments = 0;
	void *buffer;

	for (round = 0; round < 5; round++) {
		take(handle, false);
		for (i = 0; !congested(handle); i++, sent++)
			ck_assert_int_eq(send_bytes(handle, (uint8_t)sent, size), CS_OK);
		ck_assert_uint_eq(i, most);
		if (size < SUBMISSION_LARGE_BLOCK)
			ck_assert_int_eq(send_bytes(handle, 1, 1), CS_ERR_TRY_AGAIN);
		ck_assert_int_eq(send_bytes(handle, 1, size), CS_ERR_TRY_AGAIN);
		if (!segments)
			segments = atomic_load(&engine.shared->segments);
		ck_assert_uint_eq(atomic_load(&engine.shared->segments), segments);
		take(handle, true);
		for (i = 0; i < most; i++) {
			deliver(handle, delivered + 1);
			ck_assert_uint_eq(last_byte, (uint8_t)(delivered - 1));
		}
		wait_until_taken(handle);
	}
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), sent);
	/* What is idle goes back with the next buffer. */
	ck_assert_int_eq(cpg_zcb_alloc(handle, 1, &buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	stop(handle);
}
END_TEST

/* Smaller ones wait behind it, no other large one does. */
START_TEST(one_large_block_waits)
{
	cpg_handle_t handle = start(NULL);

	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 2, SUBMISSION_LARGE_BLOCK), CS_OK);
	ck_assert(congested(handle));
	ck_assert_int_eq(send_bytes(handle, 9, SUBMISSION_LARGE_BLOCK), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(send_bytes(handle, 3, 1), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 4, SUBMISSION_LARGE_BLOCK - 1), CS_OK);
	take(handle, true);
	deliver(handle, 4);
	wait_until_taken(handle);
	ck_assert(!congested(handle));
	ck_assert_int_eq(send_bytes(handle, 5, SUBMISSION_LARGE_BLOCK), CS_OK);
	deliver(handle, 5);
	ck_assert_uint_eq(last_byte, 5);
	stop(handle);
}
END_TEST

/* Where there is no pool, larger ones go in fragments, behind what was sent before. */
START_TEST(no_blocks_to_be_had)
{
	static const size_t fills[] = {SUBMISSION_MESSAGE_MAX + 1, 100000, ATOMIC_MESSAGE_MAX};
	struct fake_options options = {.features = RINGS, .refuse_segments = true};
	cpg_handle_t handle = start_with(&options);

	ck_assert_int_eq(send_bytes(handle, 7, 10), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 9, fills[_i]), CS_OK);
	deliver(handle, 1);
	ck_assert_uint_eq(last_length, 10);
	deliver(handle, 2);
	ck_assert_uint_eq(last_length, fills[_i]);
	ck_assert_uint_eq(last_byte, 9);
	ck_assert_uint_ge(seen(IPC_REQ_PARTIAL_MCAST), 2);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 0);
	stop(handle);
}
END_TEST

/* The library believes nothing of an engine that took what it was not given. */
START_TEST(nonsense_about_what_was_taken)
{
	cpg_handle_t handle = start(NULL);
	struct segment_control *control = control_of(handle);
	cs_error_t error;

	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	atomic_store(&control->submission_taken.end, atomic_load(&control->submitted.end) + 1000000);
	while ((error = send_bytes(handle, 1, 5000)) == CS_OK)
		;
	ck_assert_int_eq(error, CS_ERR_LIBRARY);
	ck_assert_int_eq(send_bytes(handle, 1, 1), CS_ERR_LIBRARY);
	ck_assert_int_eq(send_bytes(handle, 1, 50000), CS_ERR_LIBRARY);
	ck_assert(!congested(handle));
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_kill(&engine);
}
END_TEST

static void *leave(void *data)
{
	struct cpg_name group = fake_name("group");

	ck_assert_int_eq(cpg_leave(*(cpg_handle_t *)data, &group), CS_OK);
	return NULL;
}

static void *finalize(void *data)
{
	ck_assert_int_eq(cpg_finalize(*(cpg_handle_t *)data), CS_OK);
	return NULL;
}

static void *send_large(void *data)
{
	static uint8_t message[ATOMIC_MESSAGE_MAX + 1];
	struct iovec iov = {message, sizeof(message)};

	ck_assert_int_eq(cpg_mcast_joined(*(cpg_handle_t *)data, CPG_TYPE_AGREED, &iov, 1), CS_OK);
	return NULL;
}

static const struct follower {
	void *(*call)(void *handle);
	enum ipc_request_id request;
	cs_error_t meanwhile; /* what a send is told */
} followers[] = {{leave, IPC_REQ_LEAVE, CS_ERR_TRY_AGAIN},
		 {finalize, IPC_REQ_FINALIZE, CS_ERR_BAD_HANDLE},
		 {send_large, IPC_REQ_PARTIAL_MCAST, CS_ERR_TRY_AGAIN}};

/* What travels another way goes when all that was accepted was taken; and nothing more is accepted meanwhile. */
START_TEST(others_follow_what_was_accepted)
{
	const struct follower *follower = &followers[_i];
	cpg_handle_t handle = start(NULL);
	unsigned int accepted = 3;
	pthread_t thread;
	cs_error_t error;

	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK); /* there is a segment */
	deliver(handle, 1);
	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK);
	ck_assert_int_eq(pthread_create(&thread, NULL, follower->call, &handle), 0);
	while ((error = send_bytes(handle, 1, 1)) == CS_OK && accepted < 1000) {
		accepted++;
		usleep(1000);
	}
	ck_assert_int_eq(error, follower->meanwhile);
	usleep(20000);
	ck_assert_uint_eq(seen(follower->request), 0);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), 1);
	atomic_store(&engine.shared->keep_taken, false);
	pthread_join(thread, NULL);
	ck_assert_uint_ge(seen(follower->request), 1);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), accepted);
	if (follower->call != finalize)
		ck_assert_int_eq(cpg_finalize(handle), CS_OK);
	fake_engine_stop(&engine);
}
END_TEST

/* They do not wait for an engine that is gone. */
START_TEST(nobody_waits_for_a_dead_engine)
{
	struct fake_options options = {.features = RINGS, .sockets = _i & 1};
	struct cpg_name group = fake_name("group");
	cpg_handle_t handle = start_with(&options);

	take(handle, false);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	fake_engine_kill(&engine);
	if (_i & 2)
		ck_assert_int_eq(cpg_leave(handle, &group), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
}
END_TEST

/* Without the rings everything goes as it did before there were any. */
START_TEST(control_segment_that_can_not_be_used)
{
	struct fake_options options = {.features = RINGS, .control = (enum fake_control)_i};
	cpg_handle_t handle = start_with(&options);
	void *buffer;

	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	ck_assert_int_eq(send_bytes(handle, 1, 100000), CS_OK);
	deliver(handle, 2);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, &buffer), CS_OK);
	memset(buffer, 0, 100);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	deliver(handle, 3);
	ck_assert(!congested(handle));
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), 2);
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), 1);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_messages), 0);
	stop(handle);
}
END_TEST

/* A dispatcher that has to ring does not wait for the thread that has the channel: that one rings. */
START_TEST(doorbell_waits_for_the_channel)
{
	unsigned int total = 2 * DELIVERY_RING_SIZE / ring_entry_size(1000), rung;
	cpg_handle_t handle = start(send_run);
	struct instance *instance = instance_get(handle);

	ck_assert_int_eq(send_bytes(handle, 'm', 1), CS_OK);
	take(handle, true); /* the doorbell of that is through */
	ck_assert(atomic_load(&control_of(handle)->delivered.more));
	rung = seen(IPC_REQ_DOORBELL);
	pthread_mutex_lock(&instance->channel_lock);
	ck_assert_int_eq(cpg_dispatch(handle, CS_DISPATCH_ALL), CS_OK);
	ck_assert_uint_ge(delivered, DELIVERY_RING_SIZE / ring_entry_size(1000) / 2);
	ck_assert_uint_lt(delivered, total);
	ck_assert(!readable(handle, 20));
	ck_assert_uint_eq(seen(IPC_REQ_DOORBELL), rung);
	channel_unlock(instance);
	deliver(handle, total);
	instance_put(instance);
	stop(handle);
}
END_TEST

/* It is rung by nobody, and its ring has room; that it takes nothing shows it. */
START_TEST(engine_dies_awake)
{
	struct fake_options options = {.features = RINGS, .sockets = _i & 1};
	cpg_handle_t handle = start_with(&options);
	struct segment_control *control = control_of(handle);
	uint64_t taken, submitted;
	cs_error_t error;

	atomic_store(&engine.shared->awake, true);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	deliver(handle, 1);
	wait_until_taken(handle);
	fake_engine_kill(&engine);
	ck_assert_uint_eq(atomic_load(&control->submission_taken.asleep), 0);
	taken = atomic_load(&control->submission_taken.end);
	while ((error = send_bytes(handle, 2, 100)) == CS_OK)
		usleep(5000);
	ck_assert_int_eq(error, CS_ERR_LIBRARY);
	submitted = atomic_load(&control->submitted.end);
	ck_assert_uint_lt(submitted - taken, SUBMISSION_RING_LIMIT(SUBMISSION_RING_SIZE));
	ck_assert_int_eq(send_bytes(handle, 3, 100), CS_ERR_LIBRARY);
	ck_assert_int_eq(cpg_finalize(handle), CS_ERR_LIBRARY);
}
END_TEST

/* One that only stands still is there: nothing is lost, whenever it goes on. */
START_TEST(engine_stands_still)
{
	cpg_handle_t handle = start(NULL);
	unsigned int sent = 1;
	cs_error_t error;

	atomic_store(&engine.shared->awake, true);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	deliver(handle, 1);
	take(handle, false);
	while ((error = send_bytes(handle, 2, 100)) == CS_OK) {
		sent++;
		usleep(1000);
	}
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	take(handle, true);
	deliver(handle, sent);
	stop(handle);
}
END_TEST

/* With a request that the engine ignores, and that has no answer. It takes none out any more. */
static void fill_channel(struct instance *instance)
{
	struct ipc_request request = {.id = 99, .size = sizeof(request)};

	atomic_store(&engine.shared->sleepy, true);
	ck_assert_int_gt((int)qb_ipcc_send(instance->ipc, &request, sizeof(request)), 0);
	fake_wait_until(atomic_load(&engine.shared->sleeping));
	while (qb_ipcc_send(instance->ipc, &request, sizeof(request)) > 0)
		;
}

/* libqb has no room for a doorbell: the message was accepted all the same, and the next call rings. */
START_TEST(doorbell_finds_no_room)
{
	struct fake_options options = {.features = RINGS, .sockets = true};
	cpg_handle_t handle = start_with(&options);
	struct instance *instance = instance_get(handle);

	fake_wait_until(atomic_load(&control_of(handle)->submission_taken.asleep));
	fill_channel(instance);
	ck_assert_int_eq(send_bytes(handle, 1, 100), CS_OK);
	ck_assert(atomic_load(&instance->doorbell_due));
	atomic_store(&engine.shared->sleepy, false);
	fake_wait_until(!congested(handle) && !atomic_load(&instance->doorbell_due));
	deliver(handle, 1);
	instance_put(instance);
	stop(handle);
}
END_TEST

/* An engine that holds back requests asks for more doorbells all the same: more than the socket takes that libqb rings with. */
START_TEST(doorbells_that_nobody_takes)
{
	struct fake_options options = {.features = RINGS, .sockets = _i};
	cpg_handle_t handle = start_with(&options);
	struct segment_control *control = control_of(handle);
	const unsigned int count = 600;
	unsigned int i;

	take(handle, false);
	atomic_store(&engine.shared->sleepy, true);
	ck_assert_int_eq(send_bytes(handle, 0, 0), CS_OK);
	fake_wait_until(atomic_load(&engine.shared->sleeping));
	for (i = 1; i < count; i++) {
		atomic_store(&control->submission_taken.asleep, 1);
		ck_assert_int_eq(send_bytes(handle, (uint8_t)i, 1), CS_OK);
	}
	atomic_store(&engine.shared->keep_taken, false);
	atomic_store(&engine.shared->sleepy, false);
	deliver(handle, count);
	stop(handle);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("rings");

	tcase_add_checked_fixture(tcase, member_forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, messages_of_every_size, 0, 4);
	tcase_add_test(tcase, engine_is_rung_when_it_sleeps);
	tcase_add_loop_test(tcase, full_ring_is_what_the_state_says, 0, 6);
	tcase_add_test(tcase, a_full_ring_moves);
	tcase_add_test(tcase, a_moved_ring_is_empty);
	tcase_add_test(tcase, zcb_is_a_plain_send);
	tcase_add_loop_test(tcase, blocks_are_used_again, 0, BLOCK_FILLS);
	tcase_add_test(tcase, one_large_block_waits);
	tcase_add_loop_test(tcase, no_blocks_to_be_had, 0, 3);
	tcase_add_test(tcase, nonsense_about_what_was_taken);
	tcase_add_loop_test(tcase, others_follow_what_was_accepted, 0, 3);
	tcase_add_loop_test(tcase, nobody_waits_for_a_dead_engine, 0, 4);
	tcase_add_loop_test(tcase, engine_dies_awake, 0, 2);
	tcase_add_test(tcase, engine_stands_still);
	tcase_add_loop_test(tcase, control_segment_that_can_not_be_used, CONTROL_NOT_THERE, CONTROL_NEW + 1);
	tcase_add_test(tcase, doorbell_waits_for_the_channel);
	tcase_add_test(tcase, doorbell_finds_no_room);
	tcase_add_loop_test(tcase, doorbells_that_nobody_takes, 0, 2);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_rings", tcase);
}
