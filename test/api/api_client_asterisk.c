/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As Asterisk does: CPG_TYPE_FIFO, the list of everybody by an iteration over all groups, and a new beginning after
 * CS_ERR_LIBRARY and CS_ERR_BAD_HANDLE.
 *
 * api_client_asterisk again: goes on until its daemon died and it has begun again with the next one, where several nodes are.
 */
#include "api.h"

#include <stdio.h>
#include <unistd.h>

static unsigned int count_members(struct api_client *client, const char *group)
{
	struct cpg_iteration_description_t entry;
	cpg_iteration_handle_t iteration;
	unsigned int count = 0;
	cs_error_t error;

	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ALL, NULL, &iteration));
	while ((error = cpg_iteration_next(iteration, &entry)) == CS_OK) {
		CHECK_NUMBER(entry.nodeid, API_NODEID);
		if (entry.group.length == strlen(group) &&
		    memcmp(entry.group.value, group, entry.group.length) == 0)
			count++;
	}
	CHECK_NUMBER(error, CS_ERR_NO_SECTIONS);
	EXPECT(CS_OK, cpg_iteration_finalize(iteration));
	return count;
}

static cs_error_t send_event(struct api_client *client)
{
	struct iovec iov[2] = {{.iov_base = (char[]){"ev"}, .iov_len = 2},
			       {.iov_base = (char[]){"ent"}, .iov_len = 3}};

	return cpg_mcast_joined(client->handle, CPG_TYPE_FIFO, iov, 2);
}

static void with_one_daemon(void)
{
	struct api_client client;
	struct api_peer peer;

	peer_start(&peer, "peer");
	for (int i = 0; i < 3; i++) {
		client_open(&client);
		client_join(&client, "asterisk");
		EXPECT_TRACE(&client, "confchg asterisk members self left - joined self:join\n");
		EXPECT_IN_TIME(CS_OK, send_event(&client));
		EXPECT_TRACE(&client, "message asterisk self \"event\"\n");
		CHECK_NUMBER(count_members(&client, "asterisk"), 1);
		client_close(&client);
	}
	client_open(&client);
	client_join(&client, "asterisk");
	EXPECT_IN_TIME(CS_OK, peer_join(&peer, "asterisk"));
	client_dispatch_until(&client, 2);
	CHECK_NUMBER(count_members(&client, "asterisk"), 2);
	client_close(&client);
}

/* ---- again ---- */

static unsigned int events;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *message, size_t length)
{
	(void)handle, (void)group, (void)nodeid, (void)pid;
	events += length == 5 && memcmp(message, "event", 5) == 0;
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle, (void)group, (void)members, (void)member_count, (void)left, (void)left_count,
		(void)joined, (void)joined_count;
}

/* However often: there may be no daemon yet. */
static void begin(struct api_client *client)
{
	cpg_callbacks_t callbacks = {.cpg_deliver_fn = on_deliver, .cpg_confchg_fn = on_confchg};
	struct cpg_name name = api_name("asterisk");
	uint64_t deadline = api_deadline() + API_DEADLINE_MS;
	cs_error_t error;

	events = 0;
	do {
		*client = (struct api_client){0};
		error = cpg_initialize(&client->handle, &callbacks);
		if (error == CS_OK && (error = cpg_join(client->handle, &name)) != CS_OK)
			(void)cpg_finalize(client->handle);
	} while (error != CS_OK && api_before(deadline));
	CHECK_NUMBER(error, CS_OK);
	EXPECT_IN_TIME(CS_OK, send_event(client));
}

/* True once its own event came; false when the daemon is gone. */
static bool live(struct api_client *client, unsigned int wanted)
{
	cs_error_t error = CS_OK;

	while (error == CS_OK && events < wanted) {
		if (client_readable(client, 1000))
			error = cpg_dispatch(client->handle, CS_DISPATCH_ALL);
	}
	if (error == CS_OK)
		return true;
	CHECK(error == CS_ERR_LIBRARY || error == CS_ERR_BAD_HANDLE);
	(void)cpg_finalize(client->handle);
	return false;
}

static void over_the_daemons_death(void)
{
	struct api_client client;

	begin(&client);
	CHECK(live(&client, 1));
	printf("life 1\n");
	CHECK(!live(&client, UINT32_MAX));
	begin(&client);
	CHECK(live(&client, 1));
	printf("life 2\n");
	client_close(&client);
}

int main(int argc, char **argv)
{
	api_begin();
	if (argc == 2 && strcmp(argv[1], "again") == 0)
		over_the_daemons_death();
	else
		with_one_daemon();
	return 0;
}
