/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_join: names, second joins, who is told what. */
#include "api.h"

static void name_lengths(void)
{
	static const uint32_t good[] = {0, 1, 127, 128}, bad[] = {129, 130, 256, 0x7fffffff, 0xffffffff};
	struct api_client client;
	struct cpg_name name;

	client_open(&client);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		name = api_name_of('n', bad[i]);
		EXPECT(CS_ERR_NAME_TOO_LONG, cpg_join(client.handle, &name));
	}
	EXPECT_TRACE(&client, "");
	client_close(&client);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		client_open(&client);
		name = api_name_of('n', good[i]);
		EXPECT(CS_OK, cpg_join(client.handle, &name));
		client_dispatch_until(&client, 1);
		CHECK_NUMBER(client.confchgs, 1);
		CHECK(memcmp(client.trace, "confchg nnn", 8 + (good[i] < 3 ? good[i] : 3)) == 0);
		client_close(&client);
	}
}

/* A name is its length and its bytes: a NUL is one of them. */
static void names_are_bytes(void)
{
	struct cpg_name shorter = api_name("x"), longer = api_name("x");
	struct api_client one, two;
	struct cpg_address members[2];
	int count = 2;

	longer.length = 2;
	client_open(&one);
	client_open(&two);
	EXPECT(CS_OK, cpg_join(one.handle, &shorter));
	EXPECT(CS_OK, cpg_join(two.handle, &longer)); /* a duplicate, were it the same group */
	EXPECT_TRACE(&one, "confchg x members self left - joined self:join\n");
	client_dispatch_until(&two, 1);
	CHECK_NUMBER(two.confchgs, 1);
	EXPECT_IN_TIME(CS_OK, cpg_membership_get(one.handle, &shorter, members, &count));
	CHECK_NUMBER(count, 1);
	client_close(&two);
	EXPECT_TRACE(&one, "");
	client_close(&one);
}

static void one_group_for_a_handle(void)
{
	struct cpg_name name = api_name("join"), other = api_name("join-other");
	struct api_client client;

	client_open(&client);
	EXPECT(CS_OK, cpg_join(client.handle, &name));
	EXPECT(CS_ERR_EXIST, cpg_join(client.handle, &name));
	EXPECT_TRACE(&client, "confchg join members self left - joined self:join\n");
	EXPECT(CS_ERR_EXIST, cpg_join(client.handle, &name));
	EXPECT(CS_ERR_EXIST, cpg_join(client.handle, &other));
	EXPECT_TRACE(&client, "");
	client_close(&client);
}

static void one_handle_of_a_process_in_a_group(void)
{
	struct cpg_name name = api_name("join");
	struct api_client one, two;

	client_open(&one);
	client_open(&two);
	client_join(&one, "join");
	EXPECT(CS_ERR_EXIST, cpg_join(two.handle, &name));
	client_join(&two, "join-two");
	EXPECT_TRACE(&one, "confchg join members self left - joined self:join\n");
	EXPECT_TRACE(&two, "confchg join-two members self left - joined self:join\n");
	client_close(&one);
	EXPECT_TRACE(&two, "");
	client_close(&two);
}

static void everyone_is_told(void)
{
	struct api_client client;
	struct api_peer b, c;

	peer_start(&b, "b");
	peer_start(&c, "c");
	client_open(&client);
	EXPECT_IN_TIME(CS_OK, peer_join(&b, "join"));
	EXPECT_PEER_TRACE(&b, "confchg join members self left - joined self:join\n");
	client_join(&client, "join");
	EXPECT_TRACE(&client, "confchg join members self,b left - joined self:join\n");
	EXPECT(CS_OK, peer_join(&c, "join"));
	EXPECT_TRACE(&client, "confchg join members self,b,c left - joined c:join\n");
	EXPECT_PEER_TRACE(&c, "confchg join members main,b,self left - joined self:join\n");
	peer_kill(&b);
	EXPECT_TRACE(&client, "confchg join members self,c left b:procdown joined -\n");
	peer_exit(&c);
	client_close(&client);
}

int main(void)
{
	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_join(API_BAD_HANDLE, &(struct cpg_name){.length = 1}));
	name_lengths();
	names_are_bytes();
	one_group_for_a_handle();
	one_handle_of_a_process_in_a_group();
	everyone_is_told();
	return 0;
}
