/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_iteration_finalize: by itself, with its connection, and never twice. */
#include "api.h"

int main(void)
{
	struct cpg_iteration_description_t entry;
	cpg_iteration_handle_t iteration, other;
	struct api_client client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_finalize(0));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_finalize(API_BAD_HANDLE));
	client_open(&client);
	EXPECT(CS_OK, cpg_iteration_initialize(client.handle, CPG_ITERATION_ALL, NULL, &iteration));
	EXPECT(CS_OK, cpg_iteration_initialize(client.handle, CPG_ITERATION_ALL, NULL, &other));
	EXPECT(CS_OK, cpg_iteration_finalize(iteration));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_finalize(iteration));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_next(iteration, &entry));
	client_close(&client);
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_next(other, &entry));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_iteration_finalize(other));
	/* The daemon has room again after each. */
	client_open(&client);
	for (int i = 0; i < 300; i++) {
		EXPECT(CS_OK,
		       cpg_iteration_initialize(client.handle, CPG_ITERATION_NAME_ONLY, NULL, &iteration));
		EXPECT(CS_OK, cpg_iteration_finalize(iteration));
	}
	client_close(&client);
	return 0;
}
