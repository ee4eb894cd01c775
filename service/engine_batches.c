/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches: what clients send, as records in the format of cpg_peer.h, from the moment that it is accepted. In a ring of
 * ours a batch goes out as it is; in another one its records go out one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

#define NO_SENDER SIZE_MAX

static struct batch *batch_new(size_t capacity)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL) {
		return NULL;
	}
	if (capacity < PEER_ALIGN) {
		capacity = PEER_ALIGN; /* it may double */
	}
	batch->records = malloc(capacity);
	if (batch->records == NULL) {
		free(batch);
		return NULL;
	}
	batch->capacity = capacity;
	batch->last_sender = NO_SENDER;
	batch_rewind(batch);
	return batch;
}

void batch_free(struct batch *batch)
{
	free(batch->records);
	free(batch);
}

static size_t body_size(const struct record *record)
{
	return pieces_size(record->body, RECORD_PIECES);
}

static size_t sender_size(const struct record *record)
{
	return sizeof(struct peer_sender) + record->group->length;
}

static struct peer_bytes batch_bytes(const struct batch *batch, size_t from)
{
	return (struct peer_bytes){.at = batch->records + from, .size = batch->size - from};
}

/* The record's sender is the one that its batch named last. */
static bool sender_is_named(const struct batch *batch, const struct record *record)
{
	struct peer_bytes bytes;
	struct peer_item item;

	if (record->group == NULL) {
		return true;
	}
	if (batch->last_sender == NO_SENDER) {
		return false;
	}
	bytes = batch_bytes(batch, batch->last_sender);
	return peer_record_next(&bytes, &item) && item.body.size == sender_size(record) &&
	       peer_u32(&item.body, 0) == record->pid &&
	       memcmp(item.body.at + sizeof(struct peer_sender), record->group->value,
		      record->group->length) == 0;
}

/* `named`: the sender is. */
static size_t needed(const struct record *record, bool named)
{
	size_t size = sizeof(struct peer_record) + peer_padded(body_size(record));

	if (!named) {
		size += sizeof(struct peer_record) + peer_padded(sender_size(record));
	}
	return size;
}

static bool batch_reserve(struct batch *batch, size_t size)
{
	size_t capacity = batch->capacity;
	uint8_t *grown;

	while (capacity < size) {
		capacity *= 2;
	}
	if (capacity == batch->capacity) {
		return true;
	}
	grown = realloc(batch->records, capacity);
	if (grown == NULL) {
		return false;
	}
	batch->records = grown;
	batch->capacity = capacity;
	return true;
}

static void put(struct batch *batch, const void *bytes, size_t size)
{
	if (size) {
		copy_bytes(batch->records + batch->size, bytes, size);
	}
	batch->size += size;
}

static void put_head(struct batch *batch, uint8_t kind, uint8_t detail, size_t length)
{
	struct peer_record head = {.kind = kind, .detail = detail, .length = (uint32_t)length};

	put(batch, &head, sizeof(head));
}

static void put_padding(struct batch *batch, size_t length)
{
	static const uint8_t zeros[PEER_ALIGN];

	put(batch, zeros, peer_padded(length) - length);
}

static void put_sender(struct batch *batch, const struct record *record)
{
	struct peer_sender sender = {.pid = record->pid};

	batch->last_sender = batch->size;
	put_head(batch, PEER_SENDER, 0, sender_size(record));
	put(batch, &sender, sizeof(sender));
	put(batch, record->group->value, record->group->length);
	put_padding(batch, sender_size(record));
}

static void put_record(struct batch *batch, const struct record *record, bool named)
{
	size_t length = body_size(record);
	unsigned int i;

	if (!named) {
		put_sender(batch, record);
	}
	put_head(batch, record->kind, record->detail, length);
	for (i = 0; i < RECORD_PIECES; i++) {
		put(batch, record->body[i].iov_base, record->body[i].iov_len);
	}
	put_padding(batch, length);
	batch->count++;
}

struct batch *batch_of(const struct record *record, size_t room)
{
	bool named = record == NULL || record->group == NULL;
	size_t size = record ? needed(record, named) : 0;
	struct batch *batch = batch_new(size > room ? size : room);

	if (batch && record) {
		put_record(batch, record, named);
	}
	return batch;
}

bool batch_add(struct batch *batch, const struct record *record)
{
	bool named = sender_is_named(batch, record);
	size_t size = batch->size + needed(record, named);

	if (size > BATCH_SIZE_MAX || !batch_reserve(batch, size)) {
		return false;
	}
	put_record(batch, record, named);
	return true;
}

/* ---- messages that are records already ---- */

bool batch_begin_messages(struct batch *batch, const struct record *sender, size_t room)
{
	bool named = sender_is_named(batch, sender);
	size_t size = batch->size + room;

	if (!named) {
		size += sizeof(struct peer_record) + peer_padded(sender_size(sender));
	}
	if (size > BATCH_SIZE_MAX || !batch_reserve(batch, size)) {
		return false;
	}
	if (!named) {
		put_sender(batch, sender);
	}
	return true;
}

size_t batch_copy(struct batch *batch, const void *records, size_t size)
{
	size_t room = BATCH_SIZE_MAX - batch->size;

	if (size > room) {
		size = room;
	}
	if (!batch_reserve(batch, batch->size + size)) {
		size = batch->capacity - batch->size; /* what there is room for already */
	}
	copy_bytes(batch->records + batch->size, records, size);
	return size;
}

/* Nothing but the message is what its sender says. */
static void clean(uint8_t *record, uint32_t length)
{
	struct peer_record head = {.kind = PEER_MESSAGE, .length = length};

	memcpy(record, &head, sizeof(head));
	memset(record + sizeof(head) + length, 0, peer_padded(length) - length);
}

size_t batch_keep_messages(struct batch *batch, size_t size, size_t length_max)
{
	uint8_t *records = batch->records + batch->size;
	size_t kept = 0;

	while (size - kept >= sizeof(struct peer_record)) {
		struct peer_record head;

		memcpy(&head, records + kept, sizeof(head));
		if (head.kind != PEER_MESSAGE || head.length > length_max ||
		    peer_padded(head.length) > size - kept - sizeof(head)) {
			break;
		}
		clean(records + kept, head.length);
		kept += sizeof(head) + peer_padded(head.length);
		batch->count++;
	}
	batch->size += kept;
	return kept;
}

/* ---- reading ---- */

/* There is such a thing in stock's format. */
static bool is_of_stocks(const struct peer_item *item)
{
	return item->kind <= PEER_LEAVE && (item->kind != PEER_FRAGMENT || item->detail != PEER_FRAGMENT_END);
}

bool batch_step(const struct batch *batch, struct cursor *cursor, struct peer_item *item)
{
	struct peer_bytes bytes = batch_bytes(batch, cursor->at);

	while (peer_record_next(&bytes, item)) {
		size_t at = cursor->at;

		cursor->at = batch->size - bytes.size;
		if (item->kind == PEER_SENDER) {
			cursor->sender = at;
		} else if (is_of_stocks(item)) {
			return true;
		}
	}
	return false;
}

void batch_rewind(struct batch *batch)
{
	batch->handed = batch->returned = (struct cursor){.at = 0, .sender = NO_SENDER};
}

bool batch_is_returned(const struct batch *batch)
{
	struct cursor cursor = batch->returned;
	struct peer_item item;

	return !batch_step(batch, &cursor, &item);
}

bool peer_sender_read(const struct peer_item *item, struct name *name, uint32_t *pid)
{
	size_t length = item->body.size - sizeof(struct peer_sender);

	if (item->body.size < sizeof(struct peer_sender) || length > IPC_NAME_MAX) {
		return false;
	}
	*pid = peer_u32(&item->body, offsetof(struct peer_sender, pid));
	name->length = (uint32_t)length;
	memcpy(name->value, item->body.at + sizeof(struct peer_sender), length);
	return true;
}

struct peer_bytes batch_sender(const struct batch *batch, const struct cursor *cursor)
{
	struct peer_bytes bytes, rest;
	struct peer_item item;

	if (cursor->sender == NO_SENDER) {
		return (struct peer_bytes){.at = batch->records};
	}
	bytes = rest = batch_bytes(batch, cursor->sender);
	(void)peer_record_next(&rest, &item);
	bytes.size -= rest.size;
	return bytes;
}
