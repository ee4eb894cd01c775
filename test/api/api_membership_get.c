/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_membership_get: members in order, and the size of the caller's array. */
#include "api.h"

#include <unistd.h>

#define GROUP "membership_get"
#define UNTOUCHED 0x5a5a5a5au

static void bad_arguments(struct api_client *client)
{
	struct cpg_name name = api_name(GROUP), too_long = api_name_of('n', 129);
	struct cpg_address members[1];
	int count = 1;

	EXPECT(CS_ERR_BAD_HANDLE, cpg_membership_get(API_BAD_HANDLE, &name, members, &count));
	EXPECT(CS_ERR_NAME_TOO_LONG, cpg_membership_get(client->handle, &too_long, members, &count));
	CHECK_NUMBER(count, 1);
}

static void nobody(struct api_client *client)
{
	struct cpg_name name = api_name("no such group");
	struct cpg_address members[2];
	int count = 2;

	EXPECT_IN_TIME(CS_OK, cpg_membership_get(client->handle, &name, members, &count));
	CHECK_NUMBER(count, 0);
}

static void all_members(struct api_client *client, int expected)
{
	struct cpg_name name = api_name(GROUP);
	struct cpg_address members[64];
	int count = 64;

	memset(members, 0x5a, sizeof(members));
	EXPECT_IN_TIME(CS_OK, cpg_membership_get(client->handle, &name, members, &count));
	CHECK_NUMBER(count, expected);
	for (int i = 0; i < count; i++) {
		CHECK_NUMBER(members[i].nodeid, API_NODEID);
		CHECK_NUMBER(members[i].reason, CPG_REASON_UNDEFINED);
		CHECK(i == 0 || members[i].pid > members[i - 1].pid);
		CHECK((pid_t)members[i].pid == getpid() || peer_name((pid_t)members[i].pid) != NULL);
	}
	CHECK_NUMBER(members[count].pid, UNTOUCHED);
}

/*
 * Ours writes no more than there is room for, and tells how many there are. Stock's library looks at no size
 * and writes them all. Callers that left the size unset trust in that: 0 and less are taken for a large
 * array.
 */
static void small_array(struct api_client *client, int room, int expected)
{
	struct cpg_name name = api_name(GROUP);
	struct cpg_address members[CPG_MEMBERS_MAX + 1];
	int count = room, written = 0;
	bool cut = ours_library() && room > 0 && room < expected;

	memset(members, 0x5a, sizeof(members));
	EXPECT(cut ? CS_ERR_NO_SPACE : CS_OK, cpg_membership_get(client->handle, &name, members, &count));
	CHECK_NUMBER(count, expected);
	while (members[written].pid != UNTOUCHED)
		written++;
	CHECK_NUMBER(written, cut ? room : expected);
}

/* Whoever is in no group may ask, too. */
static void from_outside(int expected)
{
	struct api_client client;

	client_open(&client);
	all_members(&client, expected);
	client_close(&client);
}

int main(void)
{
	enum { PEERS = 5 };
	struct api_peer peers[PEERS];
	struct api_client client;

	api_begin();
	client_open(&client);
	bad_arguments(&client);
	nobody(&client);
	client_join(&client, GROUP);
	client_dispatch_until(&client, 1);
	all_members(&client, 1);
	for (int i = 0; i < PEERS; i++) {
		peer_start(&peers[i], "peer");
		EXPECT(CS_OK, peer_join(&peers[i], GROUP));
	}
	client_dispatch_until(&client, 1 + PEERS);
	all_members(&client, 1 + PEERS);
	small_array(&client, 1, 1 + PEERS);
	small_array(&client, PEERS, 1 + PEERS);
	small_array(&client, 1 + PEERS, 1 + PEERS);
	small_array(&client, 0, 1 + PEERS);
	small_array(&client, -1, 1 + PEERS);
	from_outside(1 + PEERS);
	for (int i = 0; i < PEERS; i++)
		peer_kill(&peers[i]);
	client_dispatch_until(&client, 1 + 2 * PEERS);
	all_members(&client, 1);
	client_close(&client);
	return 0;
}
