/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 by NSS, the library that corosync itself encrypts with. */
#ifndef CPGVERIFY_DIGEST_H
#define CPGVERIFY_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

/* NSS must be opened after the last fork. Returns 0, or -1 when NSS does not start. */
int digest_open(void);
void digest_close(void);

/* The digest of two pieces of memory, one after the other. */
void digest_compute(const void *first, size_t first_size, const void *second, size_t second_size,
		    uint8_t digest[DIGEST_SIZE]);

#endif
