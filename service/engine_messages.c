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

static void complain(struct engine *engine, uint32_t nodeid, unsigned int function)
{
	struct node *node = node_obtain(engine, nodeid);

	engine->stats.bad_messages++;
	if (node && !node->complained) {
		node->complained = true;
		engine_log(engine, LOG_WARNING,
			   "node %u sent a malformed message, function %u: dropped (said once per node)",
			   nodeid, function);
	}
}

/* ---- joins and leaves ---- */

static void deliver_procjoin(struct engine *engine, const struct wire_procjoin *message,
			     const struct name *name, uint32_t nodeid)
{
	struct group *group = group_obtain(engine, name);
	struct node *node = node_obtain(engine, nodeid);
	struct ipc_address joined = {.nodeid = nodeid, .pid = message->pid, .reason = REASON_JOIN};

	if (group == NULL) {
		engine_log(engine, LOG_CRIT, "out of memory: a member of a group is not known here");
		return;
	}
	if (node && member_find(group, nodeid, message->pid)) {
		return; /* known from a joinlist already */
	}
	if (node == NULL || member_add(engine, group, node, message->pid) == NULL) {
		engine_log(engine, LOG_CRIT, "out of memory: a member of a group is not known here");
		group_release(engine, group);
		return;
	}
	confchg_joined(engine, group, &joined, 1);
}

/* This node's process has left by the ordered stream: nothing keeps it from joining again. */
static void leave_is_delivered(struct group *group, uint32_t pid)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &group->departing) {
		struct departing *departing = qb_list_entry(at, struct departing, of_group);

		if (departing->pid == pid) {
			departing_free(departing);
			return;
		}
	}
	qb_list_for_each_safe (at, next, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (client->pid == pid && client->state == CLIENT_LEAVE_STARTED) {
			client_leave_group(client);
			return;
		}
	}
}

static void deliver_procleave(struct engine *engine, const struct wire_procjoin *message,
			      const struct name *name, uint32_t nodeid)
{
	struct group *group = group_find(engine, name);
	struct member *member = group ? member_find(group, nodeid, message->pid) : NULL;
	struct ipc_address left = {
		.nodeid = nodeid,
		.pid = message->pid,
		.reason = message->reason == REASON_LEAVE ? REASON_LEAVE : REASON_PROCDOWN,
	};

	if (member) {
		member_remove(engine, member);
		confchg_left(engine, group, &left, 1);
	}
	if (group && nodeid == engine->nodeid) {
		leave_is_delivered(group, message->pid);
		group = group_find(engine, name);
	}
	if (group) {
		group_release(engine, group);
	}
}

/* ---- application messages ---- */

static void deliver_to_clients(struct engine *engine, const struct group *group, const struct iovec *iov,
			       unsigned int iov_len)
{
	struct event *shared = NULL;
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (client->state != CLIENT_JOIN_STARTED) {
			client_event(client, &shared, iov, iov_len);
			engine->stats.delivered++;
		}
	}
	event_release(shared);
}

/* The group, if the sender is one of its members here. */
static const struct group *group_of_sender(const struct engine *engine, const struct name *name,
					   uint32_t nodeid, uint32_t pid)
{
	const struct group *group = group_find(engine, name);

	return group && member_find(group, nodeid, pid) ? group : NULL;
}

/* `payload` are the bytes behind the header. */
static void deliver_mcast(struct engine *engine, const struct wire_mcast *message, const void *payload,
			  const struct name *name, uint32_t nodeid)
{
	const struct group *group = group_of_sender(engine, name, nodeid, message->pid);
	struct ipc_deliver event = {
		.header = {.id = IPC_RES_DELIVER,
			   .size = (int32_t)(sizeof(event) + message->msglen),
			   .error = CS_OK},
		.msglen = message->msglen,
		.nodeid = nodeid,
		.pid = message->pid,
	};
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)},
			       {.iov_base = (void *)(uintptr_t)payload, .iov_len = message->msglen}};

	if (group && !qb_list_empty(&group->clients)) {
		name_write(&event.group, name);
		deliver_to_clients(engine, group, iov, message->msglen ? 2 : 1);
	}
}

static void deliver_partial(struct engine *engine, const struct wire_partial_mcast *message,
			    const void *payload, const struct name *name, uint32_t nodeid)
{
	const struct group *group = group_of_sender(engine, name, nodeid, message->pid);
	struct ipc_partial_deliver event = {
		.header = {.id = IPC_RES_PARTIAL_DELIVER,
			   .size = (int32_t)(sizeof(event) + message->fraglen),
			   .error = CS_OK},
		.msglen = message->msglen,
		.fraglen = message->fraglen,
		.nodeid = nodeid,
		.pid = message->pid,
		.type = message->type,
	};
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)},
			       {.iov_base = (void *)(uintptr_t)payload, .iov_len = message->fraglen}};

	if (group && !qb_list_empty(&group->clients)) {
		name_write(&event.group, name);
		deliver_to_clients(engine, group, iov, message->fraglen ? 2 : 1);
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
	struct name name;

	if (size < sizeof(procjoin)) {
		return false;
	}
	memcpy(&procjoin, message, sizeof(procjoin));
	if (!name_read(&name, &procjoin.group)) {
		return false;
	}
	if (function == WIRE_PROCJOIN) {
		deliver_procjoin(engine, &procjoin, &name, nodeid);
	} else {
		deliver_procleave(engine, &procjoin, &name, nodeid);
	}
	return true;
}

static bool receive_mcast(struct engine *engine, const uint8_t *message, size_t size, uint32_t nodeid)
{
	struct wire_mcast mcast;
	struct name name;

	if (size < sizeof(mcast)) {
		return false;
	}
	memcpy(&mcast, message, sizeof(mcast));
	if (mcast.msglen > size - sizeof(mcast) || !name_read(&name, &mcast.group)) {
		return false;
	}
	deliver_mcast(engine, &mcast, message + sizeof(mcast), &name, nodeid);
	return true;
}

static bool receive_partial(struct engine *engine, const uint8_t *message, size_t size, uint32_t nodeid)
{
	struct wire_partial_mcast partial;
	struct name name;

	if (size < sizeof(partial)) {
		return false;
	}
	memcpy(&partial, message, sizeof(partial));
	if (partial.fraglen > size - sizeof(partial) || partial.fraglen > partial.msglen ||
	    partial.type < IPC_FRAGMENT_FIRST || partial.type > IPC_FRAGMENT_LAST ||
	    !name_read(&name, &partial.group)) {
		return false;
	}
	deliver_partial(engine, &partial, message + sizeof(partial), &name, nodeid);
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
	if (node) {
		sync_joinlist_clear(node); /* a joinlist of an aborted sync may have come first */
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

void engine_message(struct engine *engine, unsigned int function, const void *message, uint32_t nodeid)
{
	size_t size = claimed_size(message);

	if (nodeid == engine->nodeid) {
		outgoing_returned(engine, function, size);
	}
	if (!receive(engine, function, message, size, nodeid)) {
		complain(engine, nodeid, function);
	}
}
