/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_zcb_free: any order, reuse, leaks, and what was never a buffer. */
#include "api.h"

#include <stdlib.h>

static void reuse(struct api_client *client)
{
	void *buffers[8];

	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < 8; i++)
			EXPECT(CS_OK,
			       cpg_zcb_alloc(client->handle, 3000 * (1 + (round + i) % 5), &buffers[i]));
		for (unsigned int i = 0; i < 8; i++)
			EXPECT(CS_OK, cpg_zcb_free(client->handle, buffers[(i * 3 + round) % 8]));
	}
}

/* Stock's library takes whatever lies before the pointer for its own notes. */
static void not_a_buffer(struct api_client *client)
{
	char *own = calloc(1, 4096);
	void *buffer;

	CHECK(own != NULL);
	if (ours_library()) {
		EXPECT(CS_ERR_INVALID_PARAM, cpg_zcb_free(client->handle, own + 2048));
		EXPECT(CS_ERR_INVALID_PARAM, cpg_zcb_free(client->handle, NULL));
		EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 1000, &buffer));
		EXPECT(CS_ERR_INVALID_PARAM, cpg_zcb_free(client->handle, (char *)buffer + 8));
		EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
		EXPECT(CS_ERR_INVALID_PARAM, cpg_zcb_free(client->handle, buffer));
	}
	free(own);
}

/* Finalize takes along what was not freed. */
static void left_behind(void)
{
	struct api_client client;
	void *buffer;

	for (int i = 0; i < 10; i++) {
		client_open(&client);
		EXPECT(CS_OK, cpg_zcb_alloc(client.handle, 300000, &buffer));
		memset(buffer, 1, 300000);
		client_close(&client);
	}
}

int main(void)
{
	struct api_client client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_free(API_BAD_HANDLE, &client));
	client_open(&client);
	reuse(&client);
	not_a_buffer(&client);
	left_behind();
	client_close(&client);
	return 0;
}
