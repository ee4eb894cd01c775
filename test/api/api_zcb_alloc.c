/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpg_zcb_alloc: sizes, alignment, many at a time. Stock's library hands buffers out of its own memory even when
 * the engine refuses its zcb: it says so only when one is sent.
 */
#include "api.h"

#include <stdint.h>
#include <stdlib.h>

static void sizes(struct api_client *client)
{
	static const size_t lengths[] = {0, 1, 7, 4096, 65536, 1024 * 1024 - 1024};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		void *buffer = NULL;

		EXPECT(CS_OK, cpg_zcb_alloc(client->handle, lengths[i], &buffer));
		CHECK(buffer != NULL);
		CHECK(((uintptr_t)buffer & 7) == 0);
		memset(buffer, 0xa5, lengths[i]);
		EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
	}
}

/* No message can be so large: ours refuses, stock hands out what it can. The handle still works. */
static void impossible(struct api_client *client)
{
	void *buffer = NULL;

	if (ours_library()) {
		CHECK(cpg_zcb_alloc(client->handle, SIZE_MAX, &buffer) != CS_OK);
		CHECK(cpg_zcb_alloc(client->handle, SIZE_MAX - 4096, &buffer) != CS_OK);
		CHECK(cpg_zcb_alloc(client->handle, SIZE_MAX / 2, &buffer) != CS_OK);
		EXPECT(CS_ERR_TOO_BIG, cpg_zcb_alloc(client->handle, 8u << 20, &buffer));
		CHECK(buffer == NULL);
	}
	EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 100, &buffer));
	EXPECT(CS_OK, cpg_zcb_free(client->handle, buffer));
}

/* Each buffer is its own, and every byte of it is there. */
static void many(struct api_client *client)
{
	enum { BUFFERS = 40 };
	unsigned char *buffers[BUFFERS];

	for (unsigned int i = 0; i < BUFFERS; i++) {
		void *buffer;

		EXPECT(CS_OK, cpg_zcb_alloc(client->handle, 1000 + 700 * i, &buffer));
		buffers[i] = buffer;
		memset(buffers[i], (int)i, 1000 + 700 * i);
	}
	for (unsigned int i = 0; i < BUFFERS; i++) {
		for (size_t at = 0; at < 1000 + 700 * i; at++)
			CHECK(buffers[i][at] == i);
	}
	for (unsigned int i = 0; i < BUFFERS; i++)
		EXPECT(CS_OK, cpg_zcb_free(client->handle, buffers[(i * 7) % BUFFERS]));
}

int main(void)
{
	struct api_client client;
	void *buffer = &client;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_alloc(API_BAD_HANDLE, 100, &buffer));
	CHECK(buffer == &client);
	client_open(&client);
	sizes(&client);
	impossible(&client);
	many(&client);
	client_close(&client);
	return 0;
}
