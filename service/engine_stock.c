/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of ours as messages in stock's format, for rings with a stock node in them. */
#include <string.h>

#include "engine_internal.h"

static void add_piece(struct stock_message *message, const void *bytes, size_t size)
{
	if (size) {
		message->iov[message->iov_len++] =
			(struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
		message->size += size;
	}
}

static void make_joinleave(struct stock_message *message, const struct peer_item *item,
			   const struct name *name, uint32_t pid)
{
	struct wire_procjoin *procjoin = &message->head.procjoin;
	bool join = item->kind == PEER_JOIN;

	procjoin->header.id = WIRE_ID(join ? WIRE_PROCJOIN : WIRE_PROCLEAVE);
	procjoin->pid = pid;
	procjoin->reason = join ? REASON_JOIN : item->detail;
	name_write(&procjoin->group, name);
	add_piece(message, procjoin, sizeof(*procjoin));
	procjoin->header.size = (int32_t)message->size;
}

static void make_mcast(const struct engine *engine, struct stock_message *message,
		       const struct peer_item *item, const struct name *name, uint32_t pid)
{
	struct wire_mcast *mcast = &message->head.mcast;

	mcast->header.id = WIRE_ID(WIRE_MCAST);
	mcast->msglen = (uint32_t)item->body.size;
	mcast->pid = pid;
	mcast->source.nodeid = engine->nodeid;
	name_write(&mcast->group, name);
	add_piece(message, mcast, sizeof(*mcast));
	add_piece(message, item->body.at, item->body.size);
	mcast->header.size = (int32_t)message->size;
}

static void make_partial(const struct engine *engine, struct stock_message *message,
			 const struct peer_item *item, const struct name *name, uint32_t pid)
{
	struct wire_partial_mcast *partial = &message->head.partial;
	size_t length = item->body.size - sizeof(struct peer_fragment);

	partial->header.id = WIRE_ID(WIRE_PARTIAL_MCAST);
	partial->msglen = peer_u32(&item->body, offsetof(struct peer_fragment, msglen));
	partial->type = peer_u32(&item->body, offsetof(struct peer_fragment, type));
	partial->fraglen = (uint32_t)length;
	partial->pid = pid;
	partial->source.nodeid = engine->nodeid;
	name_write(&partial->group, name);
	add_piece(message, partial, sizeof(*partial));
	add_piece(message, item->body.at + sizeof(struct peer_fragment), length);
	partial->header.size = (int32_t)message->size;
}

void stock_message_make(struct engine *engine, struct stock_message *message, const struct batch *batch,
			const struct cursor *cursor, const struct peer_item *item)
{
	struct peer_bytes bytes = batch_sender(batch, cursor);
	struct name name = {0};
	struct peer_item sender;
	uint32_t pid = 0;

	memset(message, 0, sizeof(*message));
	/* what the engine wrote itself */
	(void)peer_record_next(&bytes, &sender);
	(void)peer_sender_read(&sender, &name, &pid);
	switch (item->kind) {
	case PEER_MESSAGE:
		make_mcast(engine, message, item, &name, pid);
		break;
	case PEER_FRAGMENT:
		make_partial(engine, message, item, &name, pid);
		break;
	default:
		make_joinleave(message, item, &name, pid);
		break;
	}
}
