/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As Pacemaker does: model V1 without flags, one CS_DISPATCH_ONE for each time that the fd is readable, one iovec, AGREED. Any
 * result of dispatch but CS_OK ends its connection, so there must be none.
 */
#define _GNU_SOURCE
#include "api.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES = 300, PEER_MESSAGES = 50 };

static void ask_who_is_there(struct api_client *client)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	char path[64], name[32] = "";
	FILE *comm;
	int fd;

	EXPECT(CS_OK, cpg_fd_get(client->handle, &fd));
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	if (socket_ipc())
		return;
	CHECK_NUMBER(peer.pid, api_daemon());
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)peer.pid);
	comm = fopen(path, "r");
	CHECK(comm != NULL && fgets(name, sizeof(name), comm) != NULL);
	fclose(comm);
	CHECK(strcmp(name, "corosync\n") == 0);
}

/* It stops when the fd is not readable any more: then nothing may be left. */
static void one_for_each_readiness(struct api_client *client, unsigned int messages)
{
	uint64_t deadline = api_deadline();

	while (client->messages < messages && api_now_ms() < deadline) {
		if (client_readable(client, 1000))
			EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ONE));
	}
	CHECK_NUMBER(client->messages, messages);
}

static void sends(struct api_client *client)
{
	char text[32];

	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		client_send_text(client, text);
		/* Between sends it reads what is there, as its main loop does. */
		if (i % 7 == 0 && client_readable(client, 0))
			EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ONE));
	}
}

int main(void)
{
	struct api_client client;
	struct api_peer peer;

	api_begin();
	peer_start(&peer, "peer");
	client_open(&client);
	ask_who_is_there(&client);
	client_join(&client, "pacemaker");
	EXPECT_IN_TIME(CS_OK, peer_join(&peer, "pacemaker"));
	for (uint32_t i = 0; i < PEER_MESSAGES; i++)
		EXPECT_IN_TIME(CS_OK, peer_send(&peer, 100 + 1000 * i, i));
	sends(&client);
	one_for_each_readiness(&client, MESSAGES + PEER_MESSAGES);
	CHECK_NUMBER(client.confchgs, 2);
	client_fence(&client);
	CHECK(!client_readable(&client, 0));
	client_close(&client);
	return 0;
}
