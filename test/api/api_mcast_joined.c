/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_mcast_joined: states, guarantees, shapes and sizes of messages. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP "mcast_joined"

static void open_joined(struct api_client *client)
{
	client_open(client);
	client_join(client, GROUP);
	EXPECT_TRACE(client, "confchg " GROUP " members self left - joined self:join\n");
}

/* The request has no answer: stock's library can't know that the daemon throws it away. */
static void unjoined(void)
{
	struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct cpg_name name = api_name(GROUP);
	struct api_client client;

	EXPECT(CS_ERR_BAD_HANDLE, cpg_mcast_joined(API_BAD_HANDLE, CPG_TYPE_AGREED, &iov, 1));
	client_open(&client);
	EXPECT(ours_library() ? CS_ERR_NOT_EXIST : CS_OK, client_send(&client, "x", 1));
	EXPECT_TRACE(&client, "");
	client_join(&client, GROUP);
	client_send_text(&client, "joining"); /* the join need not be delivered yet */
	EXPECT_IN_TIME(CS_OK, cpg_leave(client.handle, &name));
	EXPECT(ours_library() ? CS_ERR_NOT_EXIST : CS_OK, client_send(&client, "x", 1));
	EXPECT_TRACE(&client, "confchg " GROUP " members self left - joined self:join\n"
			      "message " GROUP " self \"joining\"\n"
			      "confchg " GROUP " members - left self:leave joined -\n");
	EXPECT(ours_library() ? CS_ERR_NOT_EXIST : CS_OK, client_send(&client, "x", 1));
	EXPECT_TRACE(&client, "");
	client_close(&client);
}

/* All four are delivered as AGREED; so are numbers that mean nothing. */
static void guarantees(struct api_client *client)
{
	static const int known[] = {CPG_TYPE_UNORDERED, CPG_TYPE_FIFO, CPG_TYPE_AGREED, CPG_TYPE_SAFE};
	char digits[] = "0123";
	struct iovec iov = {.iov_len = 1};

	for (size_t i = 0; i < 4; i++) {
		iov.iov_base = &digits[i];
		EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, (cpg_guarantee_t)known[i], &iov, 1));
	}
	EXPECT_TRACE(client, "message " GROUP " self \"0\"\n"
			     "message " GROUP " self \"1\"\n"
			     "message " GROUP " self \"2\"\n"
			     "message " GROUP " self \"3\"\n");
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, (cpg_guarantee_t)-1, &iov, 1));
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, (cpg_guarantee_t)4, &iov, 1));
	EXPECT_TRACE(client, "message " GROUP " self \"3\"\n"
			     "message " GROUP " self \"3\"\n");
}

static void nothing_in_it(struct api_client *client)
{
	struct iovec empty[3] = {
		{.iov_base = NULL}, {.iov_base = (char[]){"ab"}, .iov_len = 2}, {.iov_base = NULL}};

	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, NULL, 0));
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, &empty[1], 0));
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, empty, 1));
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, empty, 3));
	EXPECT_TRACE(client, "message " GROUP " self \"\"\n"
			     "message " GROUP " self \"\"\n"
			     "message " GROUP " self \"\"\n"
			     "message " GROUP " self \"ab\"\n");
}

/* More than 63 pieces overrun an array of stock's library. */
static void many_pieces(struct api_client *client, unsigned int count)
{
	struct iovec *iov = calloc(count, sizeof(*iov));
	char *bytes = malloc(count);
	char expected[100];

	CHECK(iov && bytes);
	api_fill(bytes, count, count);
	for (unsigned int i = 0; i < count; i++)
		iov[i] = (struct iovec){.iov_base = &bytes[i], .iov_len = 1};
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, iov, count));
	snprintf(expected, sizeof(expected), "message " GROUP " self %s\n", api_text(bytes, count));
	EXPECT_TRACE(client, expected);
	free(iov);
	free(bytes);
}

/* The same bytes whole and in pieces that do not fit the fragments. */
static void size(struct api_client *client, size_t length)
{
	char *bytes = malloc(length + 1);
	char expected[200];
	struct iovec iov[3];

	CHECK(bytes != NULL);
	api_fill(bytes, length, (uint32_t)length);
	iov[0] = (struct iovec){.iov_base = bytes, .iov_len = length / 3};
	iov[1] = (struct iovec){.iov_base = bytes + length / 3, .iov_len = length / 2};
	iov[2] = (struct iovec){.iov_base = bytes + length / 3 + length / 2,
				.iov_len = length - length / 3 - length / 2};
	EXPECT_IN_TIME(CS_OK, client_send(client, bytes, length));
	EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, iov, 3));
	snprintf(expected, sizeof(expected), "message " GROUP " self %s\nmessage " GROUP " self %s\n",
		 api_text(bytes, length), api_text(bytes, length));
	EXPECT_TRACE(client, expected);
	free(bytes);
}

static void sizes(struct api_client *client)
{
	uint32_t max;

	EXPECT(CS_OK, cpg_max_atomic_msgsize_get(client->handle, &max));
	for (size_t length = 1; length < max; length = length * 5 + 3)
		size(client, length);
	size(client, max - 1);
	size(client, max);
}

/* Larger ones travel in fragments and arrive whole. */
static void large_sizes(struct api_client *client)
{
	uint32_t max;

	EXPECT(CS_OK, cpg_max_atomic_msgsize_get(client->handle, &max));
	size(client, (size_t)max + 1);
	size(client, 1u << 20);
	size(client, (1u << 20) + 1);
	size(client, 2 * (size_t)max);
	size(client, 2 * (size_t)max + 1);
	size(client, 5000001);
}

/* Here the daemon answers, so also stock's library knows. */
static void large_unjoined(void)
{
	struct api_client client;
	size_t length = 1500000;
	char *bytes = calloc(1, length);

	CHECK(bytes != NULL);
	client_open(&client);
	EXPECT(CS_ERR_NOT_EXIST, client_send(&client, bytes, length));
	EXPECT_TRACE(&client, "");
	client_close(&client);
	free(bytes);
}

int main(void)
{
	struct api_client client;

	api_begin();
	unjoined();
	open_joined(&client);
	guarantees(&client);
	nothing_in_it(&client);
	many_pieces(&client, 2);
	many_pieces(&client, 60);
	if (ours_library()) {
		many_pieces(&client, 64);
		many_pieces(&client, 1024);
		many_pieces(&client, 5000);
	}
	sizes(&client);
	large_sizes(&client);
	client_close(&client);
	large_unjoined();
	return 0;
}
