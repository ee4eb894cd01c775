/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpg_fd_get: a connected unix socket to the daemon, readable exactly while there is something to dispatch.
 */
#define _GNU_SOURCE
#include "api.h"

#include <sys/socket.h>
#include <unistd.h>

static void bad_handle(void)
{
	int fd = 1234;

	EXPECT(CS_ERR_BAD_HANDLE, cpg_fd_get(API_BAD_HANDLE, &fd));
	CHECK_NUMBER(fd, 1234);
}

/* Pacemaker asks the socket who is at its other end. */
static void peer_is_the_daemon(struct api_client *client)
{
	struct ucred peer = {.pid = -1};
	socklen_t size = sizeof(peer);
	struct sockaddr_storage address = {0};
	int fd = -1, other = -2;

	EXPECT(CS_OK, cpg_fd_get(client->handle, &fd));
	EXPECT(CS_OK, cpg_fd_get(client->handle, &other));
	CHECK_NUMBER(other, fd);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	if (!socket_ipc()) {
		CHECK_NUMBER(peer.pid, api_daemon());
		CHECK_NUMBER(peer.uid, 0);
	}
	size = sizeof(address);
	CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	CHECK_NUMBER(address.ss_family, AF_UNIX);
}

static void readable_while_anything_is_left(struct api_client *client)
{
	enum { MESSAGES = 20 };

	CHECK(!client_readable(client, 0));
	for (int i = 0; i < MESSAGES; i++)
		client_send_text(client, "x");
	client_fence(client);
	for (int i = 0; i < MESSAGES; i++) {
		CHECK(client_readable(client, 0));
		EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ONE));
	}
	CHECK_NUMBER(client->messages, MESSAGES);
	CHECK(!client_readable(client, 0));
	EXPECT(CS_ERR_TRY_AGAIN, cpg_dispatch(client->handle, CS_DISPATCH_ONE_NONBLOCKING));
}

/* Answers to requests are not events: they never make it readable. */
static void quiet_for_answers(struct api_client *client)
{
	for (int i = 0; i < 20; i++)
		client_ask(client);
	CHECK(!client_readable(client, 0));
}

int main(void)
{
	struct api_client client;

	api_begin();
	bad_handle();
	client_open(&client);
	CHECK(!client_readable(&client, 0));
	peer_is_the_daemon(&client);
	client_join(&client, "fd_get");
	CHECK(client_readable(&client, API_DEADLINE_MS));
	EXPECT_TRACE(&client, "confchg fd_get members self left - joined self:join\n");
	readable_while_anything_is_left(&client);
	quiet_for_answers(&client);
	client_close(&client);
	return 0;
}
