/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_zcb_mcast_joined: a message that lies in a zcb buffer, which is the caller's again on return. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP "zcb"

static void open_joined(struct api_client *client)
{
	client_open(client);
	client_join(client, GROUP);
	EXPECT_TRACE(client, "confchg " GROUP " members self left - joined self:join\n");
}

static cs_error_t zcb_send(struct api_client *client, void *buffer, size_t length)
{
	return cpg_zcb_mcast_joined(client->handle, CPG_TYPE_AGREED, buffer, length);
}

static void unjoined(void)
{
	struct api_client client;
	void *buffer;

	client_open(&client);
	EXPECT(CS_OK, cpg_zcb_alloc(client.handle, 1000, &buffer));
	EXPECT(CS_ERR_NOT_EXIST, zcb_send(&client, buffer, 1000));
	EXPECT_TRACE(&client, "");
	EXPECT(CS_OK, cpg_zcb_free(client.handle, buffer));
	client_close(&client);
}

static void size(struct api_client *client, size_t length)
{
	char expected[100];
	void *buffer;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, length, &buffer));
	api_fill(buffer, length, (uint32_t)length);
	snprintf(expected, sizeof(expected), "message " GROUP " self %s\n", api_text(buffer, length));
	EXPECT_IN_TIME(CS_OK, zcb_send(client, buffer, length));
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

/* The same buffer many times, with other content each time; a part of it will do. */
static void again_and_again(struct api_client *client)
{
	char *buffer, expected[100];
	void *allocated;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 5000, &allocated));
	buffer = allocated;
	for (uint32_t i = 0; i < 50; i++) {
		api_fill(buffer, 5000, i);
		snprintf(expected, sizeof(expected), "message " GROUP " self %s\n",
			 api_text(buffer, 5000 - i));
		EXPECT_IN_TIME(CS_OK, zcb_send(client, buffer, 5000 - i));
		EXPECT_TRACE(client, expected);
	}
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
}

/* Plain and zcb sends of a handle arrive as they were sent. */
static void order(struct api_client *client)
{
	char expected[2000] = "", *end = expected;
	void *buffer;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 10, &buffer));
	for (int i = 0; i < 20; i++) {
		char text[10];
		int length = snprintf(text, sizeof(text), "%d", i);

		memcpy(buffer, text, sizeof(text));
		if (i % 3)
			EXPECT_IN_TIME(CS_OK, zcb_send(client, buffer, (size_t)length));
		else
			client_send_text(client, text);
		end += snprintf(end, (size_t)(expected + sizeof(expected) - end),
				"message " GROUP " self \"%d\"\n", i);
	}
	EXPECT_TRACE(client, expected);
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
}

/* Stock's library sends whatever it is told to. */
static void outside_of_the_buffer(struct api_client *client)
{
	char *own = calloc(1, 4096), *buffer;
	void *allocated;

	CHECK(own != NULL);
	if (ours_library()) {
		EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 1000, &allocated));
		buffer = allocated;
		EXPECT(CS_ERR_INVALID_PARAM, zcb_send(client, own + 2048, 10));
		EXPECT(CS_ERR_INVALID_PARAM, zcb_send(client, buffer, 500000));
		EXPECT(CS_ERR_INVALID_PARAM, zcb_send(client, NULL, 10));
		EXPECT(CS_ERR_TOO_BIG, zcb_send(client, buffer, (size_t)64 << 20));
		EXPECT(CS_ERR_TOO_BIG, zcb_send(client, buffer, SIZE_MAX));
		EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
		EXPECT(CS_ERR_INVALID_PARAM, zcb_send(client, buffer, 10));
		EXPECT_TRACE(client, "");
	}
	free(own);
}

/*
 * What stock's library calls zcb our engine refuses, as newer stock engines do; the library says so only
 * here.
 */
static void refused(struct api_client *client)
{
	void *buffer;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 1000, &buffer));
	EXPECT(CS_ERR_NOT_SUPPORTED, zcb_send(client, buffer, 1000));
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
	EXPECT_TRACE(client, "");
	client_send_text(client, "plain");
	EXPECT_TRACE(client, "message " GROUP " self \"plain\"\n");
}

int main(void)
{
	struct api_client client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_mcast_joined(API_BAD_HANDLE, CPG_TYPE_AGREED, &client, 10));
	open_joined(&client);
	if (!ours_library() && ours_engine()) {
		refused(&client);
	} else {
		unjoined();
		sizes(&client);
		again_and_again(&client);
		order(&client);
		outside_of_the_buffer(&client);
	}
	client_close(&client);
	return 0;
}
