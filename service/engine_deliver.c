/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ordered stream says, whatever format it came in: who joins and leaves, and what members send. */
#include <syslog.h>

#include "engine_internal.h"

/* ---- joins and leaves ---- */

void deliver_join(struct engine *engine, const struct sender *sender)
{
	struct group *group = group_obtain(engine, &sender->group);
	struct node *node = node_obtain(engine, sender->nodeid);
	struct ipc_address joined = {.nodeid = sender->nodeid, .pid = sender->pid, .reason = REASON_JOIN};

	if (group == NULL) {
		engine_log(engine, LOG_CRIT, "out of memory: a member of a group is not known here");
		return;
	}
	if (node && member_find(group, sender->nodeid, sender->pid)) {
		return; /* known from a joinlist already */
	}
	if (node == NULL || member_add(engine, group, node, sender->pid) == NULL) {
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

void deliver_leave(struct engine *engine, const struct sender *sender, enum reason reason)
{
	struct group *group = group_find(engine, &sender->group);
	struct member *member = group ? member_find(group, sender->nodeid, sender->pid) : NULL;
	struct ipc_address left = {
		.nodeid = sender->nodeid,
		.pid = sender->pid,
		.reason = reason == REASON_LEAVE ? REASON_LEAVE : REASON_PROCDOWN,
	};

	if (engine->in_sync) {
		sync_joinlist_forget(engine, sender);
	}
	if (member) {
		member_remove(engine, member);
		confchg_left(engine, group, &left, 1);
	}
	if (group && sender->nodeid == engine->nodeid) {
		leave_is_delivered(group, sender->pid);
		group = group_find(engine, &sender->group);
	}
	if (group) {
		group_release(engine, group);
	}
}

/* ---- messages ---- */

struct group *deliver_group(const struct engine *engine, const struct sender *sender, struct member **member)
{
	struct group *group = group_find(engine, &sender->group);

	*member = group ? member_find(group, sender->nodeid, sender->pid) : NULL;
	return *member ? group : NULL;
}

void deliver_event(struct engine *engine, const struct group *group, struct event **shared,
		   const struct iovec *iov, unsigned int iov_len)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (client->state != CLIENT_JOIN_STARTED) {
			client_event(client, shared, iov, iov_len);
			engine->stats.delivered++;
		}
	}
}

/* A process here sent it, whose join was held up between rings with and without a stock node. */
static void count_own_lost(struct engine *engine, const struct sender *sender)
{
	if (sender->nodeid == engine->nodeid) {
		engine->stats.lost++;
	}
}

void deliver_message(struct engine *engine, const struct sender *sender, const void *payload, size_t length)
{
	struct member *member;
	const struct group *group = deliver_group(engine, sender, &member);
	struct ipc_deliver event = {
		.header = {.id = IPC_RES_DELIVER, .size = (int32_t)(sizeof(event) + length), .error = CS_OK},
		.msglen = (uint32_t)length,
		.nodeid = sender->nodeid,
		.pid = sender->pid,
	};
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)},
			       {.iov_base = (void *)(uintptr_t)payload, .iov_len = length}};
	struct event *shared = NULL;

	if (group == NULL) {
		count_own_lost(engine, sender);
	} else if (!qb_list_empty(&group->clients)) {
		name_write(&event.group, &sender->group);
		deliver_event(engine, group, &shared, iov, length ? 2 : 1);
		event_release(shared);
	}
}
