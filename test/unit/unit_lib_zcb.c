/* SPDX-License-Identifier: BSD-3-Clause */
/* Zero-copy buffers: sent when the call returns, or some time later. */
#include <check.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "member_fixture.h"
#include "run_suite.h"

/* 0: segments, 1: a stock engine, 2: no more segments to be had */
static cpg_handle_t start_zcb(int how)
{
	struct fake_options options = {.features = how == 1 ? 0 : SEGMENTS, .refuse_segments = how == 2};

	return start_with(&options);
}

START_TEST(zcb_sends_what_was_written)
{
	static const size_t sizes[] = {0, 1, 64, 1000, ATOMIC_MESSAGE_MAX};
	cpg_handle_t handle = start_zcb(_i);
	uint8_t *buffers[5];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(cpg_zcb_alloc(handle, sizes[i], (void **)&buffers[i]), CS_OK);
		memset(buffers[i], (int)(i + 1), sizes[i]);
	}
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffers[i % 5], sizes[i % 5]),
				 CS_OK);
		deliver(handle, i + 1);
		ck_assert_uint_eq(last_length, sizes[i % 5]);
		if (sizes[i % 5])
			ck_assert_uint_eq(last_byte, i % 5 + 1);
	}
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), _i ? 0 : 10);
	ck_assert_uint_eq(seen(IPC_REQ_MCAST), _i ? 10 : 0);
	/* From inside a buffer. */
	buffers[3][500] = 99;
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffers[3] + 100, 401), CS_OK);
	deliver(handle, 11);
	ck_assert_uint_eq(last_byte, 99);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(cpg_zcb_free(handle, buffers[4 - i]), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->named), 0);
	stop(handle);
}
END_TEST

START_TEST(zcb_refuses_what_is_not_a_buffer)
{
	cpg_handle_t handle = start_zcb(_i);
	struct cpg_name group = fake_name("group");
	uint8_t *buffer, *other, *large;
	char mine[10];

	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX + 1, (void **)&large), CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_alloc(handle, SIZE_MAX, (void **)&large), CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, (void **)&buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_alloc(handle, 100, (void **)&other), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, mine, 10), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, NULL, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, (void *)UINTPTR_MAX, 10),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 101), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer + 50, 51),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer - 1, 10), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, ATOMIC_MESSAGE_MAX + 1),
			 CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_free(handle, NULL), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_free(handle, mine), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer + 1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, other, 1), CS_ERR_NOT_EXIST);
	stop(handle); /* `other` goes with it */
}
END_TEST

/* Nothing was copied: what is written to the buffer too early is what is sent. */
START_TEST(async_sends_without_a_copy)
{
	static const size_t sizes[] = {READ_IN_PLACE, 10000, 500000, ATOMIC_MESSAGE_MAX};
	cpg_handle_t handle = start(NULL);
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	take(handle, false);
	memset(buffer, 1, sizes[_i]);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, sizes[_i]), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer + sizes[_i] - 1, 20), CS_ERR_TRY_AGAIN);
	memset(buffer, 2, sizes[_i]);
	take(handle, true);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, -1), CS_OK);
	deliver(handle, 1);
	ck_assert_uint_eq(last_length, sizes[_i]);
	ck_assert_uint_eq(last_byte, 2);
	ck_assert_uint_eq(atomic_load(&engine.shared->ring_blocks), 1);
	stop(handle);
}
END_TEST

/* A small one is the caller's again at once: to copy it costs less than to wait. */
START_TEST(async_copies_what_is_small)
{
	cpg_handle_t handle = start(NULL);
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, READ_IN_PLACE - 1, (void **)&buffer), CS_OK);
	memset(buffer, 1, READ_IN_PLACE - 1);
	take(handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, READ_IN_PLACE - 1), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	memset(buffer, 2, READ_IN_PLACE - 1);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(last_byte, 1);
	stop(handle);
}
END_TEST

/* Several from one buffer, from parts of it, and plain ones in between: in order, and taken when the last one was. */
START_TEST(async_keeps_the_order)
{
	cpg_handle_t handle = start(NULL);
	uint8_t *buffer, i;
	size_t at;

	ck_assert_int_eq(cpg_zcb_alloc(handle, READ_IN_PLACE + 100, (void **)&buffer), CS_OK);
	for (at = 0; at < READ_IN_PLACE + 100; at++)
		buffer[at] = (uint8_t)at;
	take(handle, false);
	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer + i, READ_IN_PLACE + i),
				 CS_OK);
		ck_assert_int_eq(cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, buffer, 100), CS_OK);
	}
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_ERR_TRY_AGAIN);
	take(handle, true);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 10000), CS_OK);
	for (i = 0; i < 50; i++) {
		deliver(handle, 2 * i + 1u);
		ck_assert_uint_eq(last_length, READ_IN_PLACE + i);
		ck_assert_uint_eq(last_byte, (uint8_t)(READ_IN_PLACE + 2 * i - 1));
		deliver(handle, 2 * i + 2u);
		ck_assert_uint_eq(last_length, 100);
	}
	stop(handle);
}
END_TEST

/* A buffer that was freed too early is not given to anybody else before the engine is through with it. */
START_TEST(async_outlives_free)
{
	cpg_handle_t handle = start(NULL);
	uint8_t *buffer, *other, *again;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	memset(buffer, 5, READ_IN_PLACE);
	take(handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, READ_IN_PLACE), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, -1), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&other), CS_OK);
	ck_assert(other != buffer);
	memset(other, 6, READ_IN_PLACE);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(last_byte, 5);
	take(handle, true); /* it is behind that message */
	ck_assert_int_eq(cpg_zcb_free(handle, other), CS_OK);
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	/* Both are free again: what is left of the two segments is one. */
	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&again), CS_OK);
	ck_assert(again == buffer || again == other);
	ck_assert_uint_eq(atomic_load(&engine.shared->segments), 1);
	stop(handle);
}
END_TEST

/* Where the engine can't read it, it is copied, and taken when the call returns. 3: segments, but no rings */
START_TEST(async_without_shared_memory)
{
	struct fake_options options = {.features = _i == 1   ? 0
						   : _i == 3 ? SEGMENTS
							     : RINGS,
				       .refuse_segments = _i == 2};
	cpg_handle_t handle = start_with(&options);
	uint8_t *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(handle, 20000, (void **)&buffer), CS_OK);
	if (_i != 3)
		take(handle, false);
	memset(buffer, 1, 20000);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, 5000), CS_OK);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	memset(buffer, 2, 20000);
	take(handle, true);
	deliver(handle, 1);
	ck_assert_uint_eq(last_byte, 1);
	ck_assert_uint_eq(seen(IPC_REQ_ZCB_MCAST), _i == 3);
	ck_assert_int_eq(cpg_zcb_free(handle, buffer), CS_OK);
	stop(handle);
}
END_TEST

START_TEST(async_refuses_what_it_must)
{
	cpg_handle_t handle = start(NULL);
	struct cpg_name group = fake_name("group");
	unsigned int sent = 0;
	uint8_t *buffer, mine[10];
	cs_error_t error;

	ck_assert_int_eq(cpg_zcb_alloc(handle, ATOMIC_MESSAGE_MAX, (void **)&buffer), CS_OK);
	memset(buffer, 0, ATOMIC_MESSAGE_MAX);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, mine, 10), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer + 1, ATOMIC_MESSAGE_MAX),
			 CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, ATOMIC_MESSAGE_MAX + 1),
			 CS_ERR_TOO_BIG);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle + 1, CPG_TYPE_AGREED, buffer, 1), CS_ERR_BAD_HANDLE);
	ck_assert_int_eq(cpg_zcb_wait(handle, mine, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_wait(handle, NULL, 0), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(cpg_zcb_wait(handle + 1, buffer, 0), CS_ERR_BAD_HANDLE);
	take(handle, false);
	while ((error = cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, 200000)) == CS_OK)
		sent++;
	ck_assert_int_eq(error, CS_ERR_TRY_AGAIN);
	ck_assert_uint_eq(sent, SUBMISSION_BLOCKS_MAX / 200000 + 1);
	ck_assert(congested(handle));
	take(handle, true);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, -1), CS_OK);
	ck_assert_int_eq(cpg_leave(handle, &group), CS_OK);
	ck_assert_int_eq(cpg_zcb_mcast_async(handle, CPG_TYPE_AGREED, buffer, 1), CS_ERR_NOT_EXIST);
	ck_assert_int_eq(cpg_zcb_wait(handle, buffer, 0), CS_OK);
	stop(handle);
}
END_TEST

struct waiter {
	cpg_handle_t handle;
	void *buffer;
	cs_error_t result;
	atomic_bool answered;
};

static void *wait_for_buffer(void *data)
{
	struct waiter *waiter = data;

	waiter->result = cpg_zcb_wait(waiter->handle, waiter->buffer, -1);
	return NULL;
}

static void *finalize(void *data)
{
	cpg_finalize(*(cpg_handle_t *)data);
	return NULL;
}

/* Who waits hears of the end, whoever's that is. */
START_TEST(async_wait_ends)
{
	struct waiter waiter = {.handle = start(NULL)};
	pthread_t threads[2];

	ck_assert_int_eq(cpg_zcb_alloc(waiter.handle, READ_IN_PLACE, &waiter.buffer), CS_OK);
	memset(waiter.buffer, 0, READ_IN_PLACE);
	take(waiter.handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(waiter.handle, CPG_TYPE_AGREED, waiter.buffer, READ_IN_PLACE),
			 CS_OK);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, wait_for_buffer, &waiter), 0);
	if (_i) {
		ck_assert_int_eq(pthread_create(&threads[1], NULL, finalize, &waiter.handle), 0);
		pthread_join(threads[0], NULL);
		ck_assert_int_eq(waiter.result, CS_ERR_BAD_HANDLE);
		fake_engine_kill(&engine); /* cpg_finalize() would wait, too */
		pthread_join(threads[1], NULL);
	} else {
		usleep(10000);
		fake_engine_kill(&engine);
		pthread_join(threads[0], NULL);
		ck_assert_int_eq(waiter.result, CS_ERR_LIBRARY);
		ck_assert_int_eq(cpg_finalize(waiter.handle), CS_ERR_LIBRARY);
	}
}
END_TEST

/* Asks something; without a buffer, for one that needs another segment. */
static void *call_the_engine(void *data)
{
	struct waiter *caller = data;

	if (caller->buffer)
		fake_ask(caller->handle);
	else
		caller->result = cpg_zcb_alloc(caller->handle, ATOMIC_MESSAGE_MAX, &caller->buffer);
	atomic_store(&caller->answered, true);
	return NULL;
}

/* While another thread waits for an answer: 0, with the channel; 1, with the pool, too. */
START_TEST(wait_is_not_held_up_by_other_calls)
{
	struct waiter caller = {.handle = start(NULL)};
	pthread_t thread;
	void *buffer;

	ck_assert_int_eq(cpg_zcb_alloc(caller.handle, ATOMIC_MESSAGE_MAX, &buffer), CS_OK);
	memset(buffer, 0, READ_IN_PLACE);
	caller.buffer = _i ? NULL : buffer;
	take(caller.handle, false);
	ck_assert_int_eq(cpg_zcb_mcast_async(caller.handle, CPG_TYPE_AGREED, buffer, READ_IN_PLACE), CS_OK);
	fake_ask(caller.handle); /* the doorbell of that is through */
	atomic_store(&engine.shared->sleepy, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, call_the_engine, &caller), 0);
	fake_wait_until(atomic_load(&engine.shared->sleeping));
	ck_assert_int_eq(cpg_zcb_wait(caller.handle, buffer, 0), CS_ERR_TRY_AGAIN);
	ck_assert_int_eq(cpg_zcb_wait(caller.handle, buffer, 20), CS_ERR_TRY_AGAIN);
	ck_assert(!atomic_load(&caller.answered));
	atomic_store(&engine.shared->sleepy, false);
	pthread_join(thread, NULL);
	take(caller.handle, true);
	ck_assert_int_eq(cpg_zcb_wait(caller.handle, buffer, -1), CS_OK);
	stop(caller.handle);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("zcb");

	tcase_add_checked_fixture(tcase, member_forget, NULL);
	fake_private_shm();
	tcase_add_loop_test(tcase, zcb_sends_what_was_written, 0, 3);
	tcase_add_loop_test(tcase, zcb_refuses_what_is_not_a_buffer, 0, 3);
	tcase_add_loop_test(tcase, async_sends_without_a_copy, 0, 4);
	tcase_add_test(tcase, async_copies_what_is_small);
	tcase_add_test(tcase, async_keeps_the_order);
	tcase_add_test(tcase, async_outlives_free);
	tcase_add_loop_test(tcase, async_without_shared_memory, 1, 4);
	tcase_add_test(tcase, async_refuses_what_it_must);
	tcase_add_loop_test(tcase, async_wait_ends, 0, 2);
	tcase_add_loop_test(tcase, wait_is_not_held_up_by_other_calls, 0, 2);
	tcase_set_timeout(tcase, 20);
	return run_case("lib_zcb", tcase);
}
