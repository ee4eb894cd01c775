/* SPDX-License-Identifier: BSD-3-Clause */
#include "digest.h"

#include <nss.h>
#include <sechash.h>

static HASHContext *context;

int digest_open(void)
{
	if (NSS_NoDB_Init(NULL) != SECSuccess)
		return -1;
	context = HASH_Create(HASH_AlgSHA256);
	return context == NULL ? -1 : 0;
}

void digest_close(void)
{
	if (context != NULL)
		HASH_Destroy(context);
	context = NULL;
	NSS_Shutdown();
}

void digest_compute(const void *first, size_t first_size, const void *second, size_t second_size,
		    uint8_t digest[DIGEST_SIZE])
{
	unsigned int length;

	HASH_Begin(context);
	HASH_Update(context, first, (unsigned int)first_size);
	HASH_Update(context, second, (unsigned int)second_size);
	HASH_End(context, digest, &length, DIGEST_SIZE);
}
