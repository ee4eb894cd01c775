/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As dlm_controld does: asks for the initial totem configuration, one handle for each lockspace, leaves, waits for the
 * confchg that says so, and finalizes inside of it.
 */
#include "api.h"

#include <stdio.h>

enum { LOCKSPACES = 8 };

static void finalize_when_left(struct api_client *client)
{
	if (!client->closed && strstr(client->trace, "left self:leave")) {
		EXPECT(CS_OK, cpg_finalize(client->handle));
		client->closed = true;
	}
}

static void dispatch_until_closed(struct api_client *client)
{
	uint64_t deadline = api_deadline();
	cs_error_t error = CS_OK;

	while (!client->closed && api_now_ms() < deadline) {
		if (client_readable(client, 1000))
			error = cpg_dispatch(client->handle, CS_DISPATCH_ALL);
		CHECK(error == (client->closed ? CS_ERR_BAD_HANDLE : CS_OK));
	}
	CHECK(client->closed);
}

static void joined(struct api_client *client, int lockspace)
{
	char expected[200];

	snprintf(expected, sizeof(expected),
		 "confchg dlm:ls:%d members self left - joined self:join\nring 1\n", lockspace);
	EXPECT_TRACE(client, expected);
}

int main(void)
{
	struct api_client lockspaces[LOCKSPACES];
	struct cpg_name name;
	char group[32];

	api_begin();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LOCKSPACES; i++) {
			snprintf(group, sizeof(group), "dlm:ls:%d", i);
			client_open_flags(&lockspaces[i], CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF);
			client_join(&lockspaces[i], group);
			/* Stock's engine sends the ring with the next confchg of any group: keep those apart. */
			if (!ours_engine())
				joined(&lockspaces[i], i);
		}
		for (int i = 0; i < LOCKSPACES && ours_engine(); i++)
			joined(&lockspaces[i], i);
		for (int i = LOCKSPACES; i-- > 0;) {
			snprintf(group, sizeof(group), "dlm:ls:%d", i);
			name = api_name(group);
			lockspaces[i].hook = finalize_when_left;
			EXPECT_IN_TIME(CS_OK, cpg_leave(lockspaces[i].handle, &name));
			dispatch_until_closed(&lockspaces[i]);
			client_close(&lockspaces[i]);
		}
	}
	return 0;
}
