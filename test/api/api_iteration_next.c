/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_iteration_next: what each type of iteration lists, and its end. */
#include "api.h"

#include <stdio.h>
#include <unistd.h>

enum { PEERS = 3 };

static unsigned int in_group, in_other, elsewhere;

static bool is(const struct cpg_name *name, const char *text)
{
	return name->length == strlen(text) && memcmp(name->value, text, name->length) == 0;
}

/* Other groups may exist; the order of all is nobody's promise. */
static void walk(struct api_client *client, cpg_iteration_type_t type, const struct cpg_name *group,
		 bool with_members)
{
	struct cpg_iteration_description_t entry;
	cpg_iteration_handle_t iteration;
	cs_error_t error;

	in_group = in_other = elsewhere = 0;
	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, type, group, &iteration));
	memset(&entry, 0x5a, sizeof(entry));
	while ((error = cpg_iteration_next(iteration, &entry)) == CS_OK) {
		CHECK_NUMBER(entry.nodeid, with_members ? API_NODEID : 0);
		CHECK(with_members ? entry.pid != 0 : entry.pid == 0);
		if (is(&entry.group, "next"))
			in_group++;
		else if (is(&entry.group, "next-other"))
			in_other++;
		else
			elsewhere++;
		memset(&entry, 0x5a, sizeof(entry));
	}
	CHECK_NUMBER(error, CS_ERR_NO_SECTIONS);
	EXPECT(CS_OK, cpg_iteration_finalize(iteration));
}

static void bad_handles(struct api_client *client)
{
	struct cpg_iteration_description_t entry;
	cpg_iteration_handle_t iteration;

	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_next(API_BAD_HANDLE, &entry));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_next(client->handle + 1, &entry));
	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ALL, NULL, &iteration));
	EXPECT(CS_ERR_INVALID_PARAM, cpg_iteration_next(iteration, NULL));
	EXPECT(CS_OK, cpg_iteration_finalize(iteration));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_next(iteration, &entry));
}

int main(void)
{
	struct cpg_name name = api_name("next");
	struct api_peer peers[PEERS];
	struct api_client client, other;
	unsigned int groups;

	api_begin();
	client_open(&client);
	client_open(&other);
	bad_handles(&client);
	client_join(&client, "next");
	client_join(&other, "next-other");
	for (int i = 0; i < PEERS; i++) {
		peer_start(&peers[i], "peer");
		EXPECT(CS_OK, peer_join(&peers[i], "next"));
	}
	client_dispatch_until(&client, 1 + PEERS);
	client_dispatch_until(&other, 1);
	walk(&client, CPG_ITERATION_ONE_GROUP, &name, true);
	CHECK(in_group == 1 + PEERS && in_other == 0 && elsewhere == 0);
	walk(&client, CPG_ITERATION_NAME_ONLY, NULL, false);
	CHECK(in_group == 1 && in_other == 1);
	groups = elsewhere;
	walk(&client, CPG_ITERATION_ALL, NULL, true);
	CHECK(in_group == 1 + PEERS && in_other == 1 && elsewhere >= groups);
	client_close(&other);
	client_close(&client);
	return 0;
}
