/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As cmirrord does: reads joined[0] or left[0] alone, so no confchg may have both or more than one; messages may
 * come after its cpg_leave; it finalizes in the confchg callback that shows it leaving.
 */
#include "api.h"

static const char *last_line(const struct api_client *client)
{
	size_t at = client->used - 1; /* at the line's end */

	while (at > 0 && client->trace[at - 1] != '\n')
		at--;
	return client->trace + at;
}

static void on_event(struct api_client *client)
{
	const char *line = last_line(client);

	if (strncmp(line, "confchg", 7) != 0)
		return;
	CHECK(strstr(line, "left -") != NULL || strstr(line, "joined -") != NULL);
	CHECK(strchr(strstr(line, " left "), ',') == NULL);
	if (strstr(line, "left self:leave")) {
		EXPECT(CS_OK, cpg_finalize(client->handle));
		client->closed = true;
	}
}

int main(void)
{
	struct cpg_name name = api_name("cmirror");
	struct api_client client;
	struct api_peer peers[3];
	uint64_t deadline = api_deadline();
	cs_error_t error = CS_OK;

	api_begin();
	client_open(&client);
	client.hook = on_event;
	client_join(&client, "cmirror");
	for (int i = 0; i < 3; i++) {
		peer_start(&peers[i], (const char[3][3]){"p0", "p1", "p2"}[i]);
		EXPECT_IN_TIME(CS_OK, peer_join(&peers[i], "cmirror"));
	}
	for (uint32_t i = 0; i < 30; i++)
		EXPECT_IN_TIME(CS_OK, peer_send(&peers[i % 3], 500, i));
	/* Between processes nothing says that what one sent comes before the other's leave: an answer to it does. */
	for (int i = 0; i < 3; i++)
		EXPECT_IN_TIME(CS_ERR_EXIST, peer_join(&peers[i], "cmirror"));
	EXPECT_IN_TIME(CS_OK, peer_leave(&peers[0], "cmirror"));
	peer_kill(&peers[1]);
	EXPECT_IN_TIME(CS_OK, cpg_leave(client.handle, &name));
	while (!client.closed && api_now_ms() < deadline) {
		if (client_readable(&client, 1000))
			error = cpg_dispatch(client.handle, CS_DISPATCH_ALL);
	}
	CHECK_NUMBER(error, CS_ERR_BAD_HANDLE);
	CHECK_NUMBER(client.messages, 30);
	client_close(&client);
	return 0;
}
