/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What totem delivers in stock's format. The executive tells no length, so all that can be checked is a
 * message against its own header; whatever does not fit is dropped, counted, and logged once per node.
 *
 * Totem packs messages back to back: they are aligned to nothing, so their headers are copied before use.
 */
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

void message_complain(struct engine *engine, uint32_t nodeid, const char *what)
{
	struct node *node = node_obtain(engine, nodeid);

	engine->stats.bad_messages++;
	if (node && !node->complained) {
		node->complained = true;
		engine_log(engine, LOG_WARNING, "node %u sent a malformed %s: dropped (said once per node)",
			   nodeid, what);
	}
}

/* ---- checks ---- */

/* The size that the header claims, or 0 when it is out of range. */
static size_t claimed_size(const uint8_t *message)
{
	int32_t size;

	memcpy(&size, message + offsetof(struct ipc_request, size), sizeof(size));
	return size < 0 || (size_t)size > TOTEM_MESSAGE_SIZE_MAX ? 0 : (size_t)size;
}

static bool receive_joinleave(struct engine *engine, unsigned int function, const uint8_t *message,
			      size_t size, uint32_t nodeid)
{
	struct wire_procjoin procjoin;
	struct sender sender = {.nodeid = nodeid};

	if (size < sizeof(procjoin)) {
		return false;
	}
	memcpy(&procjoin, message, sizeof(procjoin));
	if (!name_read(&sender.group, &procjoin.group)) {
		return false;
	}
	sender.pid = procjoin.pid;
	if (function == WIRE_PROCJOIN) {
		news_heard(engine, &sender, PEER_JOIN, 0);
		deliver_join(engine, &sender);
	} else {
		news_heard(engine, &sender, PEER_LEAVE, (uint8_t)procjoin.reason);
		deliver_leave(engine, &sender, procjoin.reason);
	}
	return true;
}

static bool receive_mcast(struct engine *engine, const uint8_t *message, size_t size, uint32_t nodeid)
{
	struct wire_mcast mcast;
	struct sender sender = {.nodeid = nodeid};

	if (size < sizeof(mcast)) {
		return false;
	}
	memcpy(&mcast, message, sizeof(mcast));
	if (mcast.msglen > size - sizeof(mcast) || !name_read(&sender.group, &mcast.group)) {
		return false;
	}
	sender.pid = mcast.pid;
	deliver_message(engine, &sender, message + sizeof(mcast), mcast.msglen);
	return true;
}

static bool receive_partial(struct engine *engine, const uint8_t *message, size_t size, uint32_t nodeid)
{
	struct wire_partial_mcast partial;
	struct sender sender = {.nodeid = nodeid};
	struct fragment fragment = {.payload = message + sizeof(partial)};

	if (size < sizeof(partial)) {
		return false;
	}
	memcpy(&partial, message, sizeof(partial));
	if (partial.fraglen > size - sizeof(partial) || partial.fraglen > partial.msglen ||
	    partial.type < IPC_FRAGMENT_FIRST || partial.type > IPC_FRAGMENT_LAST ||
	    !name_read(&sender.group, &partial.group)) {
		return false;
	}
	sender.pid = partial.pid;
	fragment.msglen = partial.msglen;
	fragment.type = partial.type;
	fragment.length = partial.fraglen;
	deliver_fragment(engine, &sender, &fragment);
	return true;
}

static bool receive_joinlist(struct engine *engine, const uint8_t *message, size_t size, uint32_t nodeid)
{
	const size_t head = sizeof(struct wire_joinlist), entry = sizeof(struct wire_joinlist_entry);
	struct node *node = node_obtain(engine, nodeid);

	if (size < head || (size - head) % entry != 0) {
		return false;
	}
	if (!engine->in_sync) {
		engine->stats.bad_messages++; /* nobody says joinlists now, and nothing would clear it */
	} else if (node) {
		sync_joinlist(engine, node, message + head, (size - head) / entry);
	}
	return true;
}

static bool receive_downlist(struct engine *engine, size_t size, uint32_t nodeid)
{
	struct node *node = node_find(engine, nodeid);

	if (size < sizeof(struct wire_downlist)) {
		return false;
	}
	/* a joinlist of an aborted sync may have come first; in an exchange the list is what PRESENT says */
	if (node && engine->in_sync) {
		sync_joinlist_clear(node);
	}
	return true;
}

static bool receive(struct engine *engine, unsigned int function, const uint8_t *message, size_t size,
		    uint32_t nodeid)
{
	switch (function) {
	case WIRE_PROCJOIN:
	case WIRE_PROCLEAVE:
		return receive_joinleave(engine, function, message, size, nodeid);
	case WIRE_JOINLIST:
		return receive_joinlist(engine, message, size, nodeid);
	case WIRE_MCAST:
		return receive_mcast(engine, message, size, nodeid);
	case WIRE_DOWNLIST:
		return receive_downlist(engine, size, nodeid);
	case WIRE_PARTIAL_MCAST:
		return receive_partial(engine, message, size, nodeid);
	default: /* DOWNLIST_OLD: whatever it holds */
		return true;
	}
}

static bool is_of_sync(unsigned int function)
{
	return function == WIRE_DOWNLIST || function == WIRE_JOINLIST;
}

static void returned(struct engine *engine, unsigned int function, size_t size)
{
	if (is_of_sync(function)) {
		engine->sync_inflight -= size < engine->sync_inflight ? size : engine->sync_inflight;
	} else {
		outgoing_stock_returned(engine, size);
	}
}

void engine_message(struct engine *engine, unsigned int function, const void *message, uint32_t nodeid)
{
	size_t size = claimed_size(message);

	rings_arm(engine);
	if (nodeid == engine->nodeid) {
		returned(engine, function, size);
	}
	if (engine->ours && !is_of_sync(function) && engine_rule_holds(engine, RULE_DROP_STOCK)) {
		engine->stats.stale++; /* of an older ring: its sender sends it again */
	} else {
		/* what is still on its way comes soon, or brings the token or a tick */
		deliveries_begin_many(engine, engine->inflight && engine->gate == GATE_OPEN);
		if (!receive(engine, function, message, size, nodeid)) {
			message_complain(engine, nodeid, "message");
		}
		deliveries_end_many(engine);
	}
}
