/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several threads send on one handle while another one dispatches: whole messages, each thread's in order. Stock's library has
 * no lock for senders, so there they take turns by one of their own.
 */
#include "api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SENDERS = 4, MESSAGES = 200 };

struct stamp {
	unsigned int sender, number;
};

static struct api_client client;
static unsigned int next[SENDERS];
static atomic_uint delivered;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static size_t length_of(unsigned int sender, unsigned int number)
{
	return sizeof(struct stamp) + (size_t)number * 37 * (sender + 1) % 9000;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *message, size_t length)
{
	uint8_t expected[10000];
	struct stamp stamp;

	(void)handle, (void)group, (void)nodeid, (void)pid;
	CHECK(length >= sizeof(stamp));
	memcpy(&stamp, message, sizeof(stamp));
	CHECK(stamp.sender < SENDERS);
	CHECK_NUMBER(stamp.number, next[stamp.sender]);
	next[stamp.sender]++;
	CHECK_NUMBER(length, length_of(stamp.sender, stamp.number));
	api_fill(expected, length, stamp.sender * 1000 + stamp.number);
	CHECK(memcmp((uint8_t *)message + sizeof(stamp), expected + sizeof(stamp), length - sizeof(stamp)) ==
	      0);
	atomic_fetch_add(&delivered, 1);
}

static void take_turn(void)
{
	if (!ours_library())
		pthread_mutex_lock(&turn);
}

static void end_turn(void)
{
	if (!ours_library())
		pthread_mutex_unlock(&turn);
}

static cs_error_t send_in_turn(const void *message, size_t length)
{
	cs_error_t error;

	take_turn();
	error = client_send(&client, message, length);
	end_turn();
	return error;
}

static cs_error_t ask_in_turn(unsigned int *nodeid)
{
	cs_error_t error;

	take_turn();
	error = cpg_local_get(client.handle, nodeid);
	end_turn();
	return error;
}

static void *sender_main(void *data)
{
	struct stamp stamp = {.sender = *(unsigned int *)data};
	uint8_t message[10000];
	size_t length;

	for (stamp.number = 0; stamp.number < MESSAGES; stamp.number++) {
		length = length_of(stamp.sender, stamp.number);
		api_fill(message, length, stamp.sender * 1000 + stamp.number);
		memcpy(message, &stamp, sizeof(stamp));
		EXPECT_IN_TIME(CS_OK, send_in_turn(message, length));
	}
	return NULL;
}

/* Asks in between: answers must reach those who asked. */
static void *asker_main(void *data)
{
	unsigned int nodeid;

	(void)data;
	while (atomic_load(&delivered) < SENDERS * MESSAGES) {
		EXPECT_IN_TIME(CS_OK, ask_in_turn(&nodeid));
		CHECK_NUMBER(nodeid, API_NODEID);
		(void)api_before(api_deadline());
	}
	return NULL;
}

int main(void)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver};
	unsigned int numbers[SENDERS];
	pthread_t senders[SENDERS], asker;
	uint64_t deadline = api_deadline();

	api_begin();
	EXPECT(CS_OK, cpg_initialize(&client.handle, &callbacks));
	client_join(&client, "threads");
	CHECK(pthread_create(&asker, NULL, asker_main, NULL) == 0);
	for (unsigned int i = 0; i < SENDERS; i++) {
		numbers[i] = i;
		CHECK(pthread_create(&senders[i], NULL, sender_main, &numbers[i]) == 0);
	}
	while (atomic_load(&delivered) < SENDERS * MESSAGES && api_now_ms() < deadline) {
		if (client_readable(&client, 1000))
			EXPECT(CS_OK, cpg_dispatch(client.handle, CS_DISPATCH_ALL));
	}
	CHECK_NUMBER(delivered, SENDERS * MESSAGES);
	for (unsigned int i = 0; i < SENDERS; i++)
		CHECK(pthread_join(senders[i], NULL) == 0);
	CHECK(pthread_join(asker, NULL) == 0);
	client_close(&client);
	return 0;
}
