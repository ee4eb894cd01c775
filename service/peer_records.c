/* SPDX-License-Identifier: BSD-3-Clause */
/* See peer_records.h. */
#include "service/peer_records.h"

#include <byteswap.h>
#include <string.h>

uint32_t peer_u32(const struct peer_bytes *bytes, size_t offset)
{
	uint32_t value;

	memcpy(&value, bytes->at + offset, sizeof(value));
	return bytes->swapped ? bswap_32(value) : value;
}

uint64_t peer_u64(const struct peer_bytes *bytes, size_t offset)
{
	uint64_t value;

	memcpy(&value, bytes->at + offset, sizeof(value));
	return bytes->swapped ? bswap_64(value) : value;
}

static uint16_t peer_u16(const struct peer_bytes *bytes, size_t offset)
{
	uint16_t value;

	memcpy(&value, bytes->at + offset, sizeof(value));
	return bytes->swapped ? bswap_16(value) : value;
}

static size_t fixed_size(uint8_t kind)
{
	switch (kind) {
	case PEER_ANNOUNCE:
		return sizeof(struct peer_announce);
	case PEER_MARK:
		return sizeof(struct peer_mark);
	case PEER_REPEAT:
		return sizeof(struct peer_repeat);
	case PEER_NEWS:
		return sizeof(struct peer_news);
	case PEER_BATCH:
		return sizeof(struct peer_batch);
	default:
		return 0;
	}
}

static bool is_known(const struct peer_head *head)
{
	return head->kind == PEER_BATCH
		       ? head->version >= PEER_VERSION_MIN && head->version <= PEER_VERSION_MAX
		       : head->version == PEER_VERSION_OTHERS;
}

bool peer_head_read(struct peer_head *head, const struct peer_bytes *bytes)
{
	if (bytes->size < sizeof(*head)) {
		return false;
	}
	head->magic = peer_u32(bytes, offsetof(struct peer_head, magic));
	head->kind = bytes->at[offsetof(struct peer_head, kind)];
	head->version = bytes->at[offsetof(struct peer_head, version)];
	head->head_size = peer_u16(bytes, offsetof(struct peer_head, head_size));
	head->size = peer_u32(bytes, offsetof(struct peer_head, size));
	head->ring_nodeid = peer_u32(bytes, offsetof(struct peer_head, ring_nodeid));
	head->ring_seq = peer_u64(bytes, offsetof(struct peer_head, ring_seq));
	return head->magic == PEER_MAGIC && fixed_size(head->kind) != 0 && is_known(head) &&
	       head->head_size >= fixed_size(head->kind) && head->head_size % PEER_ALIGN == 0 &&
	       head->size >= head->head_size && head->size == bytes->size;
}

bool peer_batch_end_read(struct peer_bytes *bytes, uint64_t number)
{
	if (bytes->size < sizeof(struct peer_batch_end)) {
		return false;
	}
	bytes->size -= sizeof(struct peer_batch_end);
	return peer_u64(bytes, bytes->size) == number;
}

struct peer_bytes peer_body(const struct peer_head *head, const struct peer_bytes *bytes)
{
	return (struct peer_bytes){.at = bytes->at + head->head_size,
				   .size = bytes->size - head->head_size,
				   .swapped = bytes->swapped};
}

bool peer_record_next(struct peer_bytes *bytes, struct peer_item *item)
{
	uint32_t length;

	if (bytes->size < sizeof(struct peer_record)) {
		return false;
	}
	length = peer_u32(bytes, offsetof(struct peer_record, length));
	/* the padding of the last one is there, too */
	if (length > bytes->size - sizeof(struct peer_record) ||
	    peer_padded(length) > bytes->size - sizeof(struct peer_record)) {
		return false;
	}
	item->kind = bytes->at[offsetof(struct peer_record, kind)];
	item->detail = bytes->at[offsetof(struct peer_record, detail)];
	item->body = (struct peer_bytes){
		.at = bytes->at + sizeof(struct peer_record), .size = length, .swapped = bytes->swapped};
	bytes->at += sizeof(struct peer_record) + peer_padded(length);
	bytes->size -= sizeof(struct peer_record) + peer_padded(length);
	return true;
}

size_t peer_run_next(struct peer_bytes *bytes, size_t most, size_t *count)
{
	const size_t head_size = sizeof(struct peer_record), end = bytes->size < most ? bytes->size : most;
	size_t size = 0;

	*count = 0;
	if (bytes->swapped) {
		return 0;
	}
	while (end - size >= head_size) {
		struct peer_record head;

		memcpy(&head, bytes->at + size, head_size);
		if (head.kind != PEER_MESSAGE || head.length > end ||
		    peer_padded(head.length) > end - size - head_size) {
			break;
		}
		size += head_size + peer_padded(head.length);
		(*count)++;
	}
	bytes->at += size;
	bytes->size -= size;
	return size;
}
