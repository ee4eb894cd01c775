/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_zcb_wait: until corosync has taken what was sent from a buffer. Stock's library has no such call. */
#define _GNU_SOURCE
#include "api.h"

#include <dlfcn.h>
#include <signal.h>

#define GROUP "zcb-wait"
#define SIZE 100000u

/* Looked up, so that the test loads with stock's library, too. */
static __typeof__(&cpg_zcb_mcast_async) mcast_async;
static __typeof__(&cpg_zcb_wait) wait_for;

static void nothing_was_sent(struct api_client *client)
{
	char own[10];
	char *buffer;
	void *allocated;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, SIZE, &allocated));
	buffer = allocated;
	EXPECT(CS_OK, wait_for(client->handle, buffer, 0));
	EXPECT(CS_OK, wait_for(client->handle, buffer + SIZE - 1, -1));
	EXPECT(CS_ERR_INVALID_PARAM, wait_for(client->handle, own, 0));
	EXPECT(CS_ERR_INVALID_PARAM, wait_for(client->handle, NULL, 0));
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
	EXPECT(CS_ERR_INVALID_PARAM, wait_for(client->handle, buffer, 0));
}

/* An engine that stands still takes nothing. */
static void not_taken(struct api_client *client)
{
	void *buffer;

	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, SIZE, &buffer));
	memset(buffer, 'w', SIZE);
	CHECK(kill(api_daemon(), SIGSTOP) == 0);
	EXPECT_IN_TIME(CS_OK, mcast_async(client->handle, CPG_TYPE_AGREED, buffer, SIZE));
	EXPECT(ours_engine() ? CS_ERR_TRY_AGAIN : CS_OK, wait_for(client->handle, buffer, 20));
	CHECK(kill(api_daemon(), SIGCONT) == 0);
	EXPECT(CS_OK, wait_for(client->handle, buffer, API_DEADLINE_MS));
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
	client_dispatch_until(client, 1);
	CHECK_NUMBER(client->messages, 1);
}

int main(void)
{
	struct api_client client;

	api_begin();
	mcast_async = (__typeof__(mcast_async))dlsym(RTLD_DEFAULT, "cpg_zcb_mcast_async");
	wait_for = (__typeof__(wait_for))dlsym(RTLD_DEFAULT, "cpg_zcb_wait");
	CHECK_NUMBER(wait_for != NULL, ours_library());
	if (!wait_for)
		return 0;
	EXPECT(CS_ERR_BAD_HANDLE, wait_for(API_BAD_HANDLE, &client, 0));
	client_open(&client);
	client_join(&client, GROUP);
	EXPECT_TRACE(&client, "confchg " GROUP " members self left - joined self:join\n");
	nothing_was_sent(&client);
	not_taken(&client);
	client_close(&client);
	return 0;
}
