/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_context_set: any pointer, NULL too, of each handle its own. */
#include "api.h"

int main(void)
{
	struct api_client one, two;
	void *context;

	api_begin();
	EXPECT(CS_ERR_BAD_HANDLE, cpg_context_set(API_BAD_HANDLE, &context));
	client_open(&one);
	client_open(&two);
	EXPECT(CS_OK, cpg_context_set(one.handle, &context));
	EXPECT(CS_OK, cpg_context_get(two.handle, &context));
	CHECK(context == &two);
	EXPECT(CS_OK, cpg_context_get(one.handle, &context));
	CHECK(context == &context);
	EXPECT(CS_OK, cpg_context_set(one.handle, NULL));
	EXPECT(CS_OK, cpg_context_get(one.handle, &context));
	CHECK(context == NULL);
	client_close(&one);
	client_close(&two);
	return 0;
}
