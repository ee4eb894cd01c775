/* SPDX-License-Identifier: BSD-3-Clause */
/* As sbd does: no deliver callback; of the confchg only the number of members counts. */
#include "api.h"

static unsigned int members_now;

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle, (void)group, (void)members, (void)left, (void)left_count, (void)joined,
		(void)joined_count;
	members_now = (unsigned int)member_count;
}

static void dispatch_until(struct api_client *client, unsigned int members)
{
	uint64_t deadline = api_deadline();

	while (members_now != members && api_now_ms() < deadline) {
		if (client_readable(client, 1000))
			EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	}
	CHECK_NUMBER(members_now, members);
}

int main(void)
{
	cpg_callbacks_t callbacks = {.cpg_confchg_fn = on_confchg};
	struct api_client client = {0};
	struct api_peer peer;

	api_begin();
	peer_start(&peer, "peer");
	EXPECT(CS_OK, cpg_initialize(&client.handle, &callbacks));
	client_join(&client, "sbd:cluster");
	dispatch_until(&client, 1);
	EXPECT_IN_TIME(CS_OK, peer_join(&peer, "sbd:cluster"));
	dispatch_until(&client, 2); /* a confchg in the middle of a large message ends it on a stock engine */
	EXPECT_IN_TIME(CS_OK, peer_send(&peer, 100, 1));
	if (ours_library()) /* stock's crashes: it calls the callback that is not there */
		EXPECT_IN_TIME(CS_OK, peer_send(&peer, 2000000, 1));
	peer_kill(&peer);
	dispatch_until(&client, 1);
	client_close(&client);
	return 0;
}
