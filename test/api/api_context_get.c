/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_context_get: what initialise or cpg_context_set put there. */
#include "api.h"

int main(void)
{
	struct api_client client;
	void *context = &client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_context_get(API_BAD_HANDLE, &context));
	CHECK(context == &client);
	client_open(&client);
	context = NULL;
	EXPECT(CS_OK, cpg_context_get(client.handle, &context));
	CHECK(context == &client);
	client_close(&client);
	return 0;
}
