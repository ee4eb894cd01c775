/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_dispatch: the whole matrix of flags, with nothing, one and several events waiting. */
#include "api.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING = 5 };

static void fill(struct api_client *client, int messages)
{
	client_forget(client);
	for (int i = 0; i < messages; i++)
		client_send_text(client, "x");
	client_fence(client);
	if (messages)
		CHECK(client_readable(client, API_DEADLINE_MS));
}

static void nothing_waits(struct api_client *client)
{
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	EXPECT(CS_ERR_TRY_AGAIN, cpg_dispatch(client->handle, CS_DISPATCH_ONE_NONBLOCKING));
	CHECK_NUMBER(client->lines, 0);
}

static void one(struct api_client *client, cs_dispatch_flags_t flags)
{
	fill(client, WAITING);
	for (unsigned int i = 1; i <= WAITING; i++) {
		EXPECT(CS_OK, cpg_dispatch(client->handle, flags));
		CHECK_NUMBER(client->messages, i);
	}
	EXPECT(CS_ERR_TRY_AGAIN, cpg_dispatch(client->handle, CS_DISPATCH_ONE_NONBLOCKING));
}

static void all(struct api_client *client)
{
	fill(client, WAITING);
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	CHECK_NUMBER(client->messages, WAITING);
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	CHECK_NUMBER(client->messages, WAITING);
}

struct later {
	pthread_t thread;
	struct api_client *sender;
	volatile bool asleep;
};

/* Sends once the other thread can only wake up by it; a little early would do no harm either. */
static void *send_later(void *data)
{
	struct later *later = data;

	while (!later->asleep)
		usleep(1000);
	client_send_text(later->sender, "wake up");
	return NULL;
}

/* With nothing there DISPATCH_ONE waits for an event, whatever handle it comes from. */
static void one_waits(struct api_client *client)
{
	struct later later = {.sender = client};

	fill(client, 0);
	CHECK(pthread_create(&later.thread, NULL, send_later, &later) == 0);
	later.asleep = true;
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ONE));
	CHECK_NUMBER(client->messages, 1);
	CHECK(pthread_join(later.thread, NULL) == 0);
}

static void finalize_after_all(struct api_client *client)
{
	if (client->messages == WAITING) {
		EXPECT(CS_OK, cpg_finalize(client->handle));
		client->closed = true;
	}
}

/* BLOCKING only returns when the handle ends. */
static void blocking(void)
{
	struct api_client client;

	client_open(&client);
	client_join(&client, "blocking");
	client_dispatch_until(&client, 1);
	fill(&client, WAITING);
	client.hook = finalize_after_all;
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(client.handle, CS_DISPATCH_BLOCKING));
	CHECK(client.closed);
	CHECK_NUMBER(client.messages, WAITING);
	client_close(&client);
}

static void sends_again(struct api_client *client)
{
	if (client->messages < 10)
		client_send_text(client, "again");
}

/* A callback may send, and ask. */
static void calls_inside_callbacks(struct api_client *client)
{
	fill(client, 1);
	client->hook = sends_again;
	client_dispatch_until(client, 10);
	client->hook = NULL;
	CHECK_NUMBER(client->messages, 10);
}

/* Stock's library takes any other value for BLOCKING. */
static void unknown_flags(struct api_client *client)
{
	static const int unknown[] = {0, 5, -1, 0x7fffffff};

	for (size_t i = 0; ours_library() && i < sizeof(unknown) / sizeof(unknown[0]); i++)
		EXPECT(CS_ERR_INVALID_PARAM, cpg_dispatch(client->handle, (cs_dispatch_flags_t)unknown[i]));
}

int main(void)
{
	struct api_client client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(API_BAD_HANDLE, CS_DISPATCH_ALL));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(API_BAD_HANDLE, CS_DISPATCH_BLOCKING));
	client_open(&client);
	nothing_waits(&client);
	client_join(&client, "dispatch");
	EXPECT_TRACE(&client, "confchg dispatch members self left - joined self:join\n");
	nothing_waits(&client);
	one(&client, CS_DISPATCH_ONE);
	one(&client, CS_DISPATCH_ONE_NONBLOCKING);
	all(&client);
	one_waits(&client);
	calls_inside_callbacks(&client);
	blocking();
	unknown_flags(&client);
	client_close(&client);
	return 0;
}
