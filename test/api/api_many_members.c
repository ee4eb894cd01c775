/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * More members than the arrays of old libraries have room for (CPG_MEMBERS_MAX, 128). Ours on our engine shows all
 * of them. Of our engine stock's library gets 128, and each receiver is among those that it sees. Stock's engine is
 * asked no more than its library can stand.
 */
#include "api.h"

#include <stdio.h>
#include <unistd.h>

enum { PEERS = CPG_MEMBERS_MAX + 12, ROOM = PEERS + 10 };

static struct api_peer peers[PEERS];

static unsigned int peer_count(void)
{
	return ours_engine() ? PEERS : CPG_MEMBERS_MAX - 1;
}

static size_t members_seen;
static bool own_seen;

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle, (void)group, (void)left, (void)joined;
	CHECK(left_count + joined_count == 1);
	members_seen = member_count;
	own_seen = false;
	for (size_t i = 0; i < member_count; i++) {
		CHECK_NUMBER(members[i].nodeid, API_NODEID);
		CHECK_NUMBER(members[i].reason, CPG_REASON_UNDEFINED);
		CHECK(i == 0 || members[i].pid > members[i - 1].pid);
		own_seen |= members[i].pid == (uint32_t)getpid();
	}
	CHECK(own_seen);
}

static size_t visible(size_t members)
{
	return ours_library() || members < CPG_MEMBERS_MAX ? members : CPG_MEMBERS_MAX;
}

static void dispatch_one(struct api_client *client, size_t expected)
{
	CHECK(client_readable(client, API_DEADLINE_MS));
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ONE));
	CHECK_NUMBER(members_seen, expected);
}

/* Asked for, not told. A stock library's answer has room for more than its confchgs have. */
static void membership(struct api_client *client, int expected)
{
	struct cpg_name name = api_name("many");
	struct cpg_address members[ROOM];
	int count = ROOM;

	EXPECT_IN_TIME(CS_OK, cpg_membership_get(client->handle, &name, members, &count));
	CHECK_NUMBER(count, expected);
	if (!ours_library())
		return;
	count = CPG_MEMBERS_MAX - 2;
	EXPECT(CS_ERR_NO_SPACE, cpg_membership_get(client->handle, &name, members, &count));
	CHECK_NUMBER(count, expected);
}

int main(void)
{
	cpg_callbacks_t callbacks = {.cpg_confchg_fn = on_confchg};
	struct api_client client = {0};
	unsigned int count = peer_count();

	api_begin();
	EXPECT(CS_OK, cpg_initialize(&client.handle, &callbacks));
	client_join(&client, "many");
	dispatch_one(&client, 1);
	for (unsigned int i = 0; i < count; i++) {
		peer_start(&peers[i], "peer");
		EXPECT_IN_TIME(CS_OK, peer_join(&peers[i], "many"));
		dispatch_one(&client, visible(i + 2));
	}
	membership(&client, (int)count + 1);
	for (unsigned int i = count; i-- > 0;) {
		peer_kill(&peers[i]);
		dispatch_one(&client, visible(i + 1));
	}
	client_close(&client);
	return 0;
}
