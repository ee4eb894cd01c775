/* SPDX-License-Identifier: BSD-3-Clause */
/* As sheepdog does: DISPATCH_ALL whenever the fd is readable, and it must say CS_OK; a wave of leaves arrives. */
#include "api.h"

enum { PEERS = 12 };

static void dispatch_until(struct api_client *client, const unsigned int *counter, unsigned int expected)
{
	uint64_t deadline = api_deadline();

	while (*counter < expected && api_now_ms() < deadline) {
		if (client_readable(client, 1000))
			EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	}
	CHECK_NUMBER(*counter, expected);
}

int main(void)
{
	struct api_client client;
	struct api_peer peers[PEERS];

	api_begin();
	client_open(&client);
	client_join(&client, "sheepdog");
	for (int i = 0; i < PEERS; i++) {
		peer_start(&peers[i], "sheep");
		EXPECT_IN_TIME(CS_OK, peer_join(&peers[i], "sheepdog"));
	}
	dispatch_until(&client, &client.confchgs, 1 + PEERS);
	for (uint32_t i = 0; i < PEERS; i++)
		EXPECT_IN_TIME(CS_OK, peer_send(&peers[i], 10, i));
	dispatch_until(&client, &client.messages, PEERS);
	for (int i = 0; i < PEERS; i++)
		peer_kill(&peers[i]);
	dispatch_until(&client, &client.confchgs, 1 + 2 * PEERS);
	CHECK_NUMBER(client.messages, PEERS);
	EXPECT_TRACE(&client, client.trace); /* and nothing more */
	client_close(&client);
	return 0;
}
