/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_leave: states, names, and what comes after it. */
#include "api.h"

#include <stdio.h>
#include <unistd.h>

static void not_in_a_group(void)
{
	struct cpg_name name = api_name("leave"), too_long = api_name_of('n', 129);
	struct api_client client;

	client_open(&client);
	EXPECT(CS_ERR_NOT_EXIST, cpg_leave(client.handle, &name));
	EXPECT(CS_ERR_NAME_TOO_LONG, cpg_leave(client.handle, &too_long));
	EXPECT_TRACE(&client, "");
	client_close(&client);
}

/* Exactly one LEAVE, for all members and the one who leaves; the end of the process adds nothing. */
static void leave_then_finalize(void)
{
	struct api_client client;
	struct api_peer peer;

	peer_start(&peer, "peer");
	client_open(&client);
	client_join(&client, "leave");
	EXPECT_TRACE(&client, "confchg leave members self left - joined self:join\n");
	EXPECT(CS_OK, peer_join(&peer, "leave"));
	EXPECT_TRACE(&client, "confchg leave members self,peer left - joined peer:join\n");
	EXPECT_PEER_TRACE(&peer, "confchg leave members main,self left - joined self:join\n");
	EXPECT(CS_OK, peer_leave(&peer, "leave"));
	EXPECT_PEER_TRACE(&peer, "confchg leave members main left self:leave joined -\n");
	EXPECT(CS_ERR_NOT_EXIST, peer_leave(&peer, "leave"));
	EXPECT(CS_OK, peer_finalize(&peer));
	peer_exit(&peer);
	EXPECT_TRACE(&client, "confchg leave members self left peer:leave joined -\n");
	EXPECT_TRACE(&client, "");
	client_close(&client);
}

static void leave_and_finalize_at_once(void)
{
	struct api_client client;
	struct api_peer peer;

	client_open(&client);
	client_join(&client, "leave");
	EXPECT_TRACE(&client, "confchg leave members self left - joined self:join\n");
	for (int i = 0; i < 10; i++) {
		peer_start(&peer, "peer");
		EXPECT(CS_OK, peer_join(&peer, "leave"));
		EXPECT_TRACE(&client, "confchg leave members self,peer left - joined peer:join\n");
		EXPECT(CS_OK, peer_leave(&peer, "leave"));
		EXPECT(CS_OK, peer_finalize(&peer));
		peer_exit(&peer);
		EXPECT_TRACE(&client, "confchg leave members self left peer:leave joined -\n");
	}
	EXPECT_TRACE(&client, "");
	client_close(&client);
}

/* What was sent before comes back before, also to the one who leaves. */
static void messages_before_it_come(void)
{
	struct cpg_name name = api_name("leave");
	struct api_client client;

	client_open(&client);
	client_join(&client, "leave");
	client_send_text(&client, "one");
	client_send_text(&client, "two");
	EXPECT_IN_TIME(CS_OK, cpg_leave(client.handle, &name));
	EXPECT_TRACE(&client, "confchg leave members self left - joined self:join\n"
			      "message leave self \"one\"\n"
			      "message leave self \"two\"\n"
			      "confchg leave members - left self:leave joined -\n");
	EXPECT(CS_ERR_NOT_EXIST, cpg_leave(client.handle, &name));
	client_close(&client);
}

/*
 * After its leave was delivered a handle is as new. Stock's engine forgets to say so: its process can't join
 * that group before the handle is gone, and a join of another group by that handle is never answered.
 */
static void join_again(void)
{
	struct cpg_name name = api_name("leave");
	struct api_client client;

	client_open(&client);
	client_join(&client, "leave");
	EXPECT_TRACE(&client, "confchg leave members self left - joined self:join\n");
	EXPECT(CS_OK, cpg_leave(client.handle, &name));
	EXPECT_TRACE(&client, "confchg leave members - left self:leave joined -\n");
	if (ours_engine()) {
		for (int i = 0; i < 5; i++) {
			client_join(&client, i % 2 ? "leave" : "leave-other");
			client_dispatch_until(&client, 1);
			name = api_name(i % 2 ? "leave" : "leave-other");
			EXPECT(CS_OK, cpg_leave(client.handle, &name));
			client_dispatch_until(&client, 2);
			CHECK_NUMBER(client.confchgs, 2);
			client_forget(&client);
		}
	} else {
		EXPECT(CS_ERR_EXIST, cpg_join(client.handle, &name));
	}
	client_close(&client);
	client_open(&client);
	client_join(&client, "leave");
	EXPECT_TRACE(&client, "confchg leave members self left - joined self:join\n");
	client_close(&client);
}

/* A second handle of the process may have the group as soon as the first one's leave is delivered. */
static void other_handle_joins(void)
{
	struct cpg_name name = api_name("leave");
	struct api_client first, second;

	client_open(&first);
	client_open(&second);
	client_join(&first, "leave");
	client_dispatch_until(&first, 1);
	EXPECT(CS_OK, cpg_leave(first.handle, &name));
	if (ours_engine()) {
		EXPECT_IN_TIME(CS_OK, cpg_join(second.handle, &name));
		EXPECT_TRACE(&second, "confchg leave members self left - joined self:join\n");
	} else {
		EXPECT_IN_TIME(CS_ERR_EXIST, cpg_join(second.handle, &name));
	}
	client_close(&first);
	EXPECT_TRACE(&second, "");
	client_close(&second);
}

/*
 * With the name of another group nothing happens. Stock's engine says OK, and its process stays in the group
 * for ever, after its end too: so here the group is one that nobody needs again.
 */
static void other_name(void)
{
	struct cpg_name other = api_name("leave-another"), name;
	struct api_client client;
	char group[32], expected[100];

	snprintf(group, sizeof(group), "leave-ghost-%d", (int)getpid());
	snprintf(expected, sizeof(expected), "confchg %s members self left - joined self:join\n", group);
	name = api_name(group);
	client_open(&client);
	client_join(&client, group);
	EXPECT_TRACE(&client, expected);
	EXPECT(ours_engine() ? CS_ERR_NOT_EXIST : CS_OK, cpg_leave(client.handle, &other));
	EXPECT_TRACE(&client, "");
	EXPECT(ours_engine() ? CS_OK : CS_ERR_NOT_EXIST, cpg_leave(client.handle, &name));
	client_close(&client);
}

int main(void)
{
	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_leave(API_BAD_HANDLE, &(struct cpg_name){.length = 1}));
	not_in_a_group();
	leave_then_finalize();
	leave_and_finalize_at_once();
	messages_before_it_come();
	join_again();
	other_handle_joins();
	other_name();
	return 0;
}
