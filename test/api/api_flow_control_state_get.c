/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpg_flow_control_state_get: enabled while a send would be refused. Stock's library always says that it is
 * disabled.
 */
#include "api.h"

#include <stdlib.h>

static cpg_flow_control_state_t state_of(const struct api_client *client)
{
	cpg_flow_control_state_t state = (cpg_flow_control_state_t)4711;

	EXPECT(CS_OK, cpg_flow_control_state_get(client->handle, &state));
	CHECK(state == CPG_FLOW_CONTROL_DISABLED || state == CPG_FLOW_CONTROL_ENABLED);
	return state;
}

/*
 * Sends without dispatching until a send is refused; the state must have said so then, and say otherwise in
 * the end.
 */
static void truth(struct api_client *client)
{
	size_t length = 100000;
	char *message = calloc(1, length);
	uint64_t deadline = api_deadline();
	cs_error_t error = CS_OK;
	unsigned int sent = 0;

	CHECK(message != NULL);
	while (error == CS_OK && sent < 100000) {
		error = client_send(client, message, length);
		sent += error == CS_OK;
	}
	free(message);
	CHECK_NUMBER(error, CS_ERR_TRY_AGAIN);
	CHECK(!ours_library() || !ours_engine() || state_of(client) == CPG_FLOW_CONTROL_ENABLED ||
	      client_send(client, "x", 1) != CS_ERR_TRY_AGAIN);
	while (client->messages < sent && api_now_ms() < deadline) {
		if (client_readable(client, 100))
			EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	}
	CHECK(client->messages >= sent);
	EXPECT_IN_TIME(CS_OK, client_send(client, "x", 1));
	deadline = api_deadline();
	while (state_of(client) == CPG_FLOW_CONTROL_ENABLED && api_before(deadline))
		;
	CHECK_NUMBER(state_of(client), CPG_FLOW_CONTROL_DISABLED);
}

int main(void)
{
	cpg_flow_control_state_t state;
	struct api_client client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_flow_control_state_get(API_BAD_HANDLE, &state));
	client_open(&client);
	CHECK_NUMBER(state_of(&client), CPG_FLOW_CONTROL_DISABLED);
	client_join(&client, "flow_control");
	client_dispatch_until(&client, 1);
	client_forget(&client);
	CHECK_NUMBER(state_of(&client), CPG_FLOW_CONTROL_DISABLED);
	truth(&client);
	client_close(&client);
	return 0;
}
