/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_local_get: this node's id, for any handle. */
#include "api.h"

int main(void)
{
	struct api_client client;
	unsigned int nodeid = 4711;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_local_get(API_BAD_HANDLE, &nodeid));
	CHECK_NUMBER(nodeid, 4711);
	client_open(&client);
	EXPECT(CS_OK, cpg_local_get(client.handle, &nodeid));
	CHECK_NUMBER(nodeid, API_NODEID);
	client_join(&client, "local_get");
	nodeid = 0;
	EXPECT(CS_OK, cpg_local_get(client.handle, &nodeid));
	CHECK_NUMBER(nodeid, API_NODEID);
	client_close(&client);
	return 0;
}
