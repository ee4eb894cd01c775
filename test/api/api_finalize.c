/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_finalize: the handle is gone, and so is the process from its group. */
#include "api.h"

#include <fcntl.h>
#include <unistd.h>

static void every_call_refuses(cpg_handle_t handle)
{
	struct cpg_name name = api_name("finalize");
	struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct cpg_address members[1];
	cpg_iteration_handle_t iteration;
	cpg_flow_control_state_t state;
	unsigned int nodeid;
	int count = 1, fd;
	uint32_t size;
	void *pointer = NULL;

	EXPECT(CS_ERR_BAD_HANDLE, cpg_finalize(handle));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_fd_get(handle, &fd));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(handle, CS_DISPATCH_ALL));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(handle, CS_DISPATCH_BLOCKING));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_join(handle, &name));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_leave(handle, &name));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_membership_get(handle, &name, members, &count));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_local_get(handle, &nodeid));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_context_get(handle, &pointer));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_context_set(handle, NULL));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_max_atomic_msgsize_get(handle, &size));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_flow_control_state_get(handle, &state));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, &iteration));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_alloc(handle, 10, &pointer));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_free(handle, &iov));
}

static void handle_is_gone(void)
{
	struct api_client client;
	cpg_handle_t old;
	int fd;

	client_open(&client);
	client_join(&client, "finalize-gone");
	old = client.handle;
	EXPECT(CS_OK, cpg_fd_get(old, &fd));
	client_close(&client);
	every_call_refuses(old);
	CHECK(fcntl(fd, F_GETFD) < 0);
	every_call_refuses(0);
	every_call_refuses(API_BAD_HANDLE);
	client_open(&client);
	CHECK(client.handle != old);
	client_close(&client);
}

/* Finalize without leave is an end of the process, as far as others can see. */
static void others_see_procdown(void)
{
	struct api_client client;
	struct api_peer peer;

	peer_start(&peer, "peer");
	client_open(&client);
	client_join(&client, "finalize");
	EXPECT(CS_OK, peer_join(&peer, "finalize"));
	EXPECT_TRACE(&client, "confchg finalize members self left - joined self:join\n"
			      "confchg finalize members self,peer left - joined peer:join\n");
	EXPECT(CS_OK, peer_finalize(&peer));
	EXPECT_TRACE(&client, "confchg finalize members self left peer:procdown joined -\n");
	peer_exit(&peer);
	EXPECT_TRACE(&client, "");
	client_close(&client);
}

/* What was accepted before it is delivered before the end is seen. */
static void sent_messages_come(void)
{
	struct api_client client;
	struct api_peer peer;
	char message[20];

	peer_start(&peer, "peer");
	client_open(&client);
	client_join(&client, "finalize");
	client_dispatch_until(&client, 1);
	client_forget(&client);
	EXPECT(CS_OK, peer_join(&peer, "finalize"));
	for (uint32_t i = 0; i < 200; i++)
		EXPECT_IN_TIME(CS_OK, peer_send(&peer, sizeof(message), i));
	EXPECT(CS_OK, peer_finalize(&peer));
	client_dispatch_until(&client, 202);
	CHECK_NUMBER(client.messages, 200);
	CHECK_NUMBER(client.confchgs, 2);
	CHECK(strstr(client.trace, "members self left peer:procdown joined -\n") ==
	      client.trace + client.used - strlen("members self left peer:procdown joined -\n"));
	peer_exit(&peer);
	client_close(&client);
}

static void finalize_init_join_loop(void)
{
	struct api_client client;

	for (int i = 0; i < 50; i++) {
		client_open(&client);
		client_join(&client, "loop"); /* TRY_AGAIN while the last one's end is on its way */
		EXPECT_TRACE(&client, "confchg loop members self left - joined self:join\n");
		client_close(&client);
	}
}

static void finalizes(struct api_client *client)
{
	if (client->confchgs == 1 && !client->closed) {
		EXPECT(CS_OK, cpg_finalize(client->handle));
		client->closed = true;
	}
}

/* The dispatch that called the callback says that the handle is gone. */
static void inside_a_callback(cs_dispatch_flags_t flags)
{
	struct api_client client;

	client_open(&client);
	client.hook = finalizes;
	client_join(&client, "inside");
	CHECK(client_readable(&client, API_DEADLINE_MS));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(client.handle, flags));
	CHECK(client.closed);
	every_call_refuses(client.handle);
	client_close(&client);
}

int main(void)
{
	api_begin();
	handle_is_gone();
	others_see_procdown();
	sent_messages_come();
	finalize_init_join_loop();
	inside_a_callback(CS_DISPATCH_ONE);
	inside_a_callback(CS_DISPATCH_ALL);
	inside_a_callback(CS_DISPATCH_BLOCKING);
	inside_a_callback(CS_DISPATCH_ONE_NONBLOCKING);
	return 0;
}
