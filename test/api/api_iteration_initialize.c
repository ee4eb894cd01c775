/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_iteration_initialize: types, group names, snapshots. */
#include "api.h"

static void bad_arguments(struct api_client *client)
{
	struct cpg_name name = api_name("iteration"), too_long = api_name_of('n', 129);
	cpg_iteration_handle_t iteration = 0;
	cpg_handle_t handle = client->handle;

	EXPECT(CS_ERR_BAD_HANDLE,
	       cpg_iteration_initialize(API_BAD_HANDLE, CPG_ITERATION_ALL, NULL, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_initialize(handle, 0, NULL, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_initialize(handle, 0, &name, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_initialize(handle, 4, NULL, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_initialize(handle, 4, &name, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_initialize(handle, CPG_ITERATION_ALL, NULL, NULL));
	EXPECT(CS_ERR_INVALID_PARAM,
	       cpg_iteration_initialize(handle, CPG_ITERATION_ONE_GROUP, NULL, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM,
	       cpg_iteration_initialize(handle, CPG_ITERATION_NAME_ONLY, &name, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_initialize(handle, CPG_ITERATION_ALL, &name, &iteration));
	EXPECT(CS_ERR_NAME_TOO_LONG,
	       cpg_iteration_initialize(handle, CPG_ITERATION_ONE_GROUP, &too_long, &iteration));
	CHECK(iteration == 0);
}

static unsigned int count_entries(cpg_iteration_handle_t iteration)
{
	struct cpg_iteration_description_t entry;
	unsigned int count = 0;
	cs_error_t error;

	while ((error = cpg_iteration_next(iteration, &entry)) == CS_OK)
		count++;
	CHECK_NUMBER(error, CS_ERR_NO_SECTIONS);
	return count;
}

static void unknown_group(struct api_client *client)
{
	struct cpg_name name = api_name("no such group");
	cpg_iteration_handle_t iteration;

	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ONE_GROUP, &name, &iteration));
	CHECK_NUMBER(count_entries(iteration), 0);
	EXPECT(CS_OK, cpg_iteration_finalize(iteration));
}

/* What happens to the group afterwards does not show. */
static void snapshot(struct api_client *client)
{
	struct cpg_name name = api_name("iteration");
	cpg_iteration_handle_t before, after;
	struct api_peer peer;

	peer_start(&peer, "peer");
	EXPECT(CS_OK, peer_join(&peer, "iteration"));
	EXPECT_TRACE(client, "confchg iteration members self,peer left - joined peer:join\n");
	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ONE_GROUP, &name, &before));
	peer_exit(&peer);
	EXPECT_TRACE(client, "confchg iteration members self left peer:procdown joined -\n");
	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ONE_GROUP, &name, &after));
	CHECK(before != after);
	CHECK_NUMBER(count_entries(before), 2);
	CHECK_NUMBER(count_entries(after), 1);
	EXPECT(CS_OK, cpg_iteration_finalize(before));
	EXPECT(CS_OK, cpg_iteration_finalize(after));
}

int main(void)
{
	struct api_client client;

	api_begin();
	client_open(&client);
	bad_arguments(&client);
	unknown_group(&client);
	client_join(&client, "iteration");
	EXPECT_TRACE(&client, "confchg iteration members self left - joined self:join\n");
	snapshot(&client);
	client_close(&client);
	return 0;
}
