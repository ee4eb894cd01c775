/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_max_atomic_msgsize_get: 1 MiB less 1 KiB, whatever is at the other end. */
#include "api.h"

int main(void)
{
	struct api_client client;
	uint32_t size = 4711;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_max_atomic_msgsize_get(API_BAD_HANDLE, &size));
	CHECK_NUMBER(size, 4711);
	client_open(&client);
	EXPECT(CS_OK, cpg_max_atomic_msgsize_get(client.handle, &size));
	CHECK_NUMBER(size, 1024 * 1024 - 1024);
	client_close(&client);
	return 0;
}
