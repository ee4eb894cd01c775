/* SPDX-License-Identifier: BSD-3-Clause */
/* As Asterisk does: CPG_TYPE_FIFO, and the list of everybody by an iteration over all groups. */
#include "api.h"

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

int main(void)
{
	struct iovec iov[2] = {{.iov_base = (char[]){"ev"}, .iov_len = 2},
			       {.iov_base = (char[]){"ent"}, .iov_len = 3}};
	struct api_client client;
	struct api_peer peer;

	api_begin();
	peer_start(&peer, "peer");
	for (int i = 0; i < 3; i++) { /* as after CS_ERR_LIBRARY or CS_ERR_BAD_HANDLE: it starts again */
		client_open(&client);
		client_join(&client, "asterisk");
		EXPECT_TRACE(&client, "confchg asterisk members self left - joined self:join\n");
		EXPECT_IN_TIME(CS_OK, cpg_mcast_joined(client.handle, CPG_TYPE_FIFO, iov, 2));
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
	return 0;
}
