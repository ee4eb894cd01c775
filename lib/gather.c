/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a message that lies in pieces. */
#include "lib_internal.h"

cs_error_t gather_size(const struct iovec *iov, unsigned int iov_len, size_t *size)
{
	size_t total = 0;
	unsigned int i;

	if (iov_len && !iov)
		return CS_ERR_INVALID_PARAM;
	for (i = 0; i < iov_len; i++) {
		if (!iov[i].iov_base && iov[i].iov_len)
			return CS_ERR_INVALID_PARAM;
		/* Lengths travel in 32 bits. */
		if (iov[i].iov_len > UINT32_MAX - total)
			return CS_ERR_TOO_BIG;
		total += iov[i].iov_len;
	}
	*size = total;
	return CS_OK;
}

void gather_copy(void *destination, const struct iovec *iov, unsigned int iov_len, size_t offset,
		 size_t length)
{
	uint8_t *to = destination;
	unsigned int i;

	for (i = 0; i < iov_len && length; i++) {
		size_t part = iov[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > length)
			part = length;
		copy_bytes(to, (const uint8_t *)iov[i].iov_base + offset, part);
		to += part;
		length -= part;
		offset = 0;
	}
}
