/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_zcb_mcast_async: a message that corosync reads out of a zcb buffer. Stock's library has no such call. */
#define _GNU_SOURCE
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP "async"

/* Looked up, so that the test loads with stock's library, too. */
static __typeof__(&cpg_zcb_mcast_async) mcast_async;
static __typeof__(&cpg_zcb_wait) wait_for;

static cs_error_t async_send(struct api_client *client, void *buffer, size_t length)
{
	return mcast_async(client->handle, CPG_TYPE_AGREED, buffer, length);
}

static void size(struct api_client *client, size_t length)
{
	char expected[100];
	void *buffer;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, length, &buffer));
	api_fill(buffer, length, (uint32_t)length);
	snprintf(expected, sizeof(expected), "message " GROUP " self %s\n", api_text(buffer, length));
	EXPECT_IN_TIME(CS_OK, async_send(client, buffer, length));
	EXPECT(CS_OK, wait_for(client->handle, buffer, API_DEADLINE_MS));
	memset(buffer, 0, length); /* ours again: what was sent does not change */
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
	EXPECT_TRACE(client, expected);
}

static void sizes(struct api_client *client)
{
	uint32_t max;

	EXPECT(CS_OK, cpg_max_atomic_msgsize_get(client->handle, &max));
	size(client, 0);
	for (size_t length = 1; length < max; length = length * 7 + 5)
		size(client, length);
	size(client, max);
}

/* Among plain ones, and out of buffers that are freed at once. */
static void order(struct api_client *client)
{
	char expected[4000] = "", *end = expected;

	for (int i = 0; i < 60; i++) {
		char text[10];
		int length = snprintf(text, sizeof(text), "%d", i);
		void *buffer;

		if (i % 3) {
			EXPECT(CS_OK, cpg_zcb_alloc(client->handle, sizeof(text), &buffer));
			memcpy(buffer, text, sizeof(text));
			EXPECT_IN_TIME(CS_OK, async_send(client, buffer, (size_t)length));
			EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
		} else {
			client_send_text(client, text);
		}
		end += snprintf(end, (size_t)(expected + sizeof(expected) - end),
				"message " GROUP " self \"%d\"\n", i);
	}
	EXPECT_TRACE(client, expected);
}

static void outside_of_the_buffer(struct api_client *client)
{
	char own[100] = "";
	void *buffer;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 1000, &buffer));
	EXPECT(CS_ERR_INVALID_PARAM, async_send(client, own, 10));
	EXPECT(CS_ERR_INVALID_PARAM, async_send(client, buffer, 1001));
	EXPECT(CS_ERR_INVALID_PARAM, async_send(client, NULL, 10));
	EXPECT(CS_ERR_TOO_BIG, async_send(client, buffer, (size_t)64 << 20));
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
	EXPECT(CS_ERR_INVALID_PARAM, async_send(client, buffer, 10));
	EXPECT_TRACE(client, "");
}

int main(void)
{
	struct api_client client;
	void *buffer;

	api_begin();
	mcast_async = (__typeof__(mcast_async))dlsym(RTLD_DEFAULT, "cpg_zcb_mcast_async");
	wait_for = (__typeof__(wait_for))dlsym(RTLD_DEFAULT, "cpg_zcb_wait");
	CHECK_NUMBER(mcast_async != NULL, ours_library());
	if (!mcast_async)
		return 0;
	EXPECT(CS_ERR_BAD_HANDLE, mcast_async(API_BAD_HANDLE, CPG_TYPE_AGREED, &client, 10));
	client_open(&client);
	EXPECT(CS_OK, cpg_zcb_alloc(client.handle, 10, &buffer));
	EXPECT(CS_ERR_NOT_EXIST, async_send(&client, buffer, 10));
	client_join(&client, GROUP);
	EXPECT_TRACE(&client, "confchg " GROUP " members self left - joined self:join\n");
	sizes(&client);
	order(&client);
	outside_of_the_buffer(&client);
	client_close(&client);
	return 0;
}
