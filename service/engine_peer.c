/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What totem delivers in the group of our own: see cpg_peer.h for the layout and docs/WIRE.md for what it means.
 *
 * Everybody takes, and drops, the same: a batch counts exactly in the ring that it is for.
 */
#include <string.h>

#include "engine_internal.h"

void peer_head_write(const struct engine *engine, struct peer_head *head, enum peer_kind kind,
		     size_t head_size, size_t size)
{
	*head = (struct peer_head){
		.magic = PEER_MAGIC,
		.kind = (uint8_t)kind,
		.version = kind == PEER_BATCH ? engine->version : PEER_VERSION_OTHERS,
		.head_size = (uint16_t)head_size,
		.size = (uint32_t)size,
		.ring_nodeid = engine->ring_id.nodeid,
		.ring_seq = engine->ring_id.seq,
	};
}

static bool is_for_this_ring(const struct engine *engine, const struct peer_head *head)
{
	return head->ring_seq == engine->ring_id.seq && head->ring_nodeid == engine->ring_id.nodeid;
}

/* ---- records ---- */

static bool receive_fragment(struct engine *engine, const struct sender *sender,
			     const struct peer_bytes *body)
{
	struct fragment fragment;

	if (body->size < sizeof(struct peer_fragment)) {
		return false;
	}
	fragment = (struct fragment){
		.msglen = peer_u32(body, offsetof(struct peer_fragment, msglen)),
		.type = peer_u32(body, offsetof(struct peer_fragment, type)),
		.payload = body->at + sizeof(struct peer_fragment),
		.length = body->size - sizeof(struct peer_fragment),
	};
	if (fragment.type < IPC_FRAGMENT_FIRST || fragment.type > IPC_FRAGMENT_LAST ||
	    fragment.length > fragment.msglen || fragment.length > FRAGMENT_LENGTH_MAX) {
		return false;
	}
	deliver_fragment(engine, sender, &fragment);
	return true;
}

/* One that is longer fits totem, but not the buffer of a client with a stock library. */
static bool receive_message(struct engine *engine, const struct sender *sender, const struct peer_bytes *body)
{
	if (body->size > MESSAGE_LENGTH_MAX) {
		return false;
	}
	deliver_message(engine, sender, body->at, body->size);
	return true;
}

/* What a process sent. False: it is malformed. */
static bool receive_of_sender(struct engine *engine, const struct sender *sender,
			      const struct peer_item *item)
{
	switch (item->kind) {
	case PEER_MESSAGE:
		return receive_message(engine, sender, &item->body);
	case PEER_FRAGMENT:
		return receive_fragment(engine, sender, &item->body);
	case PEER_JOIN:
		deliver_join(engine, sender);
		return true;
	case PEER_LEAVE:
		deliver_leave(engine, sender, item->detail);
		return true;
	case PEER_BEHIND:
		behind_receive(engine, sender, item->detail);
		return true;
	default:
		return false;
	}
}

/* What came from a node that this one is not together with means nothing here, until it is back. */
static bool hears(const struct engine *engine, const struct node *node)
{
	return node->nodeid == engine->nodeid || (!engine->missed && !node->away);
}

/* Before the first SENDER: no group's name is this long. */
static struct sender no_sender(const struct node *node)
{
	return (struct sender){.nodeid = node->nodeid, .group = {.length = IPC_NAME_MAX + 1}};
}

/* False: the record is malformed. */
static bool receive_record(struct engine *engine, struct node *node, uint64_t number, struct sender *sender,
			   const struct peer_item *item)
{
	switch (item->kind) {
	case PEER_SENDER:
		return peer_sender_read(item, &sender->group, &sender->pid);
	case PEER_MISSED:
		exchange_leave(engine, node, number);
		return true;
	case PEER_PRESENT:
		exchange_present(engine, node, &item->body);
		return true;
	default:
		return sender->group.length <= IPC_NAME_MAX &&
		       (!hears(engine, node) || receive_of_sender(engine, sender, item));
	}
}

/* So many bytes of records in a row have no message that is too long: it would not fit. */
#define RUN_MAX (sizeof(struct peer_record) + MESSAGE_LENGTH_MAX)
static_assert(MESSAGE_LENGTH_MAX % PEER_ALIGN == 0, "one byte more takes more room");

/* Messages in a row, which is what most batches are: all at once. */
static void receive_messages(struct engine *engine, const struct node *node, const struct sender *sender,
			     struct peer_bytes *records)
{
	struct peer_bytes run = *records;
	size_t count;

	if (sender->group.length > IPC_NAME_MAX) {
		return;
	}
	run.size = peer_run_next(records, RUN_MAX, &count);
	if (count && hears(engine, node)) {
		deliver_messages(engine, sender, run, count);
	}
}

static void receive_records(struct engine *engine, struct node *node, uint64_t number,
			    struct peer_bytes records)
{
	struct sender sender = no_sender(node);
	struct peer_item item;
	bool any;

	do {
		receive_messages(engine, node, &sender, &records);
		any = peer_record_next(&records, &item);
		if (any && !receive_record(engine, node, number, &sender, &item)) {
			message_complain(engine, node->nodeid, "record");
			return;
		}
	} while (any);
	if (records.size) {
		message_complain(engine, node->nodeid, "batch");
	}
}

/* ---- batches ---- */

/* The number is the one expected from now on. False: the batch was here before. */
static bool check_number(struct engine *engine, struct node *node, uint64_t number)
{
	uint64_t expected = node->numbered ? node->number : number;

	if (!engine_rule_holds(engine, RULE_NUMBERS)) {
		return true;
	}
	node->number = number + 1;
	node->numbered = true;
	if (number > expected) {
		exchange_missed(engine, node, expected, number);
	}
	return number >= expected;
}

static void receive_batch(struct engine *engine, struct node *node, const struct peer_head *head,
			  const struct peer_bytes *bytes)
{
	uint64_t number = peer_u64(bytes, offsetof(struct peer_batch, number));
	struct peer_bytes records = peer_body(head, bytes);

	if (!peer_batch_end_read(&records, number)) {
		message_complain(engine, node->nodeid, "batch");
		return;
	}
	if (!is_for_this_ring(engine, head) && engine_rule_holds(engine, RULE_DROP_OLD_RING)) {
		engine->stats.stale++;
		return;
	}
	if (!engine->ours) {
		exchange_missed_ring(engine, node);
		if (!announce_believe(engine, head->version)) {
			return;
		}
	}
	if (!check_number(engine, node, number)) {
		message_complain(engine, node->nodeid, "batch");
		return;
	}
	receive_records(engine, node, number, records);
	if (node->nodeid == engine->nodeid) {
		outgoing_batch_returned(engine, number);
	}
}

static bool is_repeated(uint8_t kind)
{
	return kind == PEER_SENDER || kind == PEER_JOIN || kind == PEER_LEAVE;
}

/*
 * Joins and leaves that this node may have missed in stock's format: no news where it did not, and never for the
 * sender.
 */
static void receive_repeat(struct engine *engine, struct node *node, const struct peer_head *head,
			   const struct peer_bytes *bytes)
{
	struct sender sender = no_sender(node);
	struct peer_bytes records = peer_body(head, bytes);
	struct peer_item item;

	if (!is_for_this_ring(engine, head) || engine->ours || engine->in_sync ||
	    node->nodeid == engine->nodeid) {
		return;
	}
	while (peer_record_next(&records, &item)) {
		if (!is_repeated(item.kind) || !receive_record(engine, node, 0, &sender, &item)) {
			message_complain(engine, node->nodeid, "record");
			return;
		}
		news_repeated(engine, &sender, &item);
	}
}

static void receive(struct engine *engine, struct node *node, const struct peer_head *head,
		    const struct peer_bytes *bytes)
{
	switch (head->kind) {
	case PEER_ANNOUNCE:
		if (node->nodeid == engine->nodeid) {
			engine->sync_inflight -=
				bytes->size < engine->sync_inflight ? bytes->size : engine->sync_inflight;
		}
		if (is_for_this_ring(engine, head)) {
			announce_receive(engine, node, head, bytes);
		}
		break;
	case PEER_MARK:
		if (node->nodeid == engine->nodeid && is_for_this_ring(engine, head)) {
			outgoing_settled(engine);
		}
		break;
	case PEER_REPEAT:
		receive_repeat(engine, node, head, bytes);
		break;
	case PEER_NEWS:
		if (is_for_this_ring(engine, head) && !engine->ours && !engine->in_sync) {
			news_receive(engine, node, head, bytes);
		}
		break;
	default:
		receive_batch(engine, node, head, bytes);
		break;
	}
}

void engine_peer_message(struct engine *engine, const void *message, size_t size, bool swapped,
			 uint32_t nodeid)
{
	struct peer_bytes bytes = {.at = message, .size = size, .swapped = swapped};
	struct node *node = node_obtain(engine, nodeid);
	struct peer_head head;

	rings_arm(engine);
	if (node == NULL || !peer_head_read(&head, &bytes)) {
		message_complain(engine, nodeid, "message of our own format");
	} else {
		receive(engine, node, &head, &bytes);
	}
}
