/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ordered stream says, whatever format it came in: who joins and leaves, and what members send. */
#include "engine_internal.h"

/* ---- joins and leaves ---- */

/* NULL: out of memory. A process of this node has had what it takes since it asked. */
static struct member *joined_member(struct engine *engine, struct group *group, const struct sender *sender)
{
	struct node *node = node_obtain(engine, sender->nodeid);
	struct departing *departing =
		sender->nodeid == engine->nodeid ? departing_find(group, sender->pid) : NULL;

	if (node && departing && departing->member) {
		return member_add_reserved(engine, departing, node);
	}
	return node ? member_add(engine, group, node, sender->pid) : NULL;
}

void deliver_join(struct engine *engine, const struct sender *sender)
{
	struct group *group = group_obtain(engine, &sender->group);
	struct ipc_address joined = {.nodeid = sender->nodeid, .pid = sender->pid, .reason = REASON_JOIN};

	if (group == NULL) {
		exchange_out_of_memory(engine, "who joined");
		return;
	}
	if (member_find(group, sender->nodeid, sender->pid)) {
		return; /* known from a joinlist already */
	}
	if (joined_member(engine, group, sender) == NULL) {
		group_release(engine, group);
		exchange_out_of_memory(engine, "who joined");
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

/* Members of the group here get an event: all of them, those with rings, or those without. */
enum audience { ALL, WITH_RINGS, WITHOUT_RINGS };

static bool hears(const struct engine_client *client, enum audience audience)
{
	return client->state != CLIENT_JOIN_STARTED &&
	       (audience == ALL || (client->rings != NULL) == (audience == WITH_RINGS));
}

static void event_to(struct engine *engine, const struct group *group, enum audience audience,
		     struct event **shared, const struct iovec *iov, unsigned int iov_len)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (hears(client, audience)) {
			client_event(client, shared, iov, iov_len);
			engine->stats.delivered++;
		}
	}
}

void deliver_event(struct engine *engine, const struct group *group, struct event **shared,
		   const struct iovec *iov, unsigned int iov_len)
{
	event_to(engine, group, ALL, shared, iov, iov_len);
}

struct message {
	const struct sender *sender;
	const void *payload;
	size_t length;
};

/* As clients without rings get it, and those whose rings are too small. */
static void message_head(const struct message *message, struct ipc_deliver *event)
{
	*event = (struct ipc_deliver){
		.header = {.id = IPC_RES_DELIVER,
			   .size = (int32_t)(sizeof(*event) + message->length),
			   .error = CS_OK},
		.msglen = (uint32_t)message->length,
		.nodeid = message->sender->nodeid,
		.pid = message->sender->pid,
	};
	name_write(&event->group, &message->sender->group);
}

static void message_to_others(struct engine *engine, const struct group *group, const struct message *message)
{
	struct ipc_deliver event;
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)},
			       {.iov_base = (void *)(uintptr_t)message->payload, .iov_len = message->length}};
	struct event *shared = NULL;

	message_head(message, &event);
	event_to(engine, group, WITHOUT_RINGS, &shared, iov, message->length ? 2 : 1);
	event_release(shared);
}

/* Messages in a row, in entries as rings have them. `iov` begins with the struct ring_run. */
static void run_to_rings(struct engine *engine, const struct group *group, const struct iovec *iov,
			 unsigned int iov_len, size_t count)
{
	struct event *shared = NULL;
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (hears(client, WITH_RINGS)) {
			client_run(client, &shared, iov, iov_len, count);
			engine->stats.delivered += count;
		}
	}
	event_release(shared);
}

static bool has(const struct group *group, enum audience audience)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		if (hears(qb_list_entry(at, struct engine_client, of_group), audience)) {
			return true;
		}
	}
	return false;
}

/* A process here sent them, whose join was held up between rings with and without a stock node. */
static void count_own_lost(struct engine *engine, const struct sender *sender, size_t count)
{
	if (sender->nodeid == engine->nodeid) {
		engine->stats.lost += count;
	}
}

/* One message that some of the rings are too small for. */
static void large_to_rings(struct engine *engine, const struct group *group, const struct message *message,
			   const struct iovec *run, unsigned int run_len)
{
	struct event *shared = NULL, *whole = NULL;
	struct ipc_deliver event;
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)},
			       {.iov_base = (void *)(uintptr_t)message->payload, .iov_len = message->length}};
	size_t size = pieces_size(run, run_len);
	struct qb_list_head *at;

	message_head(message, &event);
	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (!hears(client, WITH_RINGS)) {
			continue;
		}
		if (delivery_fits(client, size)) {
			client_run(client, &shared, run, run_len, 1);
		} else {
			client_event(client, &whole, iov, 2); /* in slices, unless it made room just now */
		}
		engine->stats.delivered++;
	}
	event_release(shared);
	event_release(whole);
}

static void message_to_rings(struct engine *engine, const struct group *group, const struct message *message)
{
	struct {
		struct ring_run run;
		struct ring_entry entry;
	} head = {.run = {.nodeid = message->sender->nodeid, .pid = message->sender->pid},
		  .entry = {.kind = RING_MESSAGE, .length = (uint32_t)message->length}};
	static const uint8_t zeros[RING_ALIGN];
	struct iovec iov[3] = {{.iov_base = &head, .iov_len = sizeof(head)},
			       {.iov_base = (void *)(uintptr_t)message->payload, .iov_len = message->length},
			       {.iov_base = (void *)(uintptr_t)zeros,
				.iov_len = peer_padded(message->length) - message->length}};

	if (pieces_size(iov, 3) - sizeof(head.run) > DELIVERY_RUN_MAX) {
		large_to_rings(engine, group, message, iov, 3);
	} else {
		run_to_rings(engine, group, iov, 3, 1);
	}
}

void deliver_message(struct engine *engine, const struct sender *sender, const void *payload, size_t length)
{
	const struct message message = {.sender = sender, .payload = payload, .length = length};
	struct member *member;
	const struct group *group = deliver_group(engine, sender, &member);

	if (group == NULL) {
		count_own_lost(engine, sender, 1);
		return;
	}
	if (has(group, WITHOUT_RINGS)) {
		message_to_others(engine, group, &message);
	}
	if (has(group, WITH_RINGS)) {
		message_to_rings(engine, group, &message);
	}
}

/* ---- many messages of one sender ---- */

static void messages_to_others(struct engine *engine, const struct group *group, const struct sender *sender,
			       struct peer_bytes run)
{
	struct peer_item item;

	while (peer_record_next(&run, &item)) {
		const struct message message = {
			.sender = sender, .payload = item.body.at, .length = item.body.size};

		message_to_others(engine, group, &message);
	}
}

static void messages_to_rings(struct engine *engine, const struct group *group, const struct sender *sender,
			      struct peer_bytes run)
{
	struct ring_run head = {.nodeid = sender->nodeid, .pid = sender->pid};
	struct peer_item item;
	size_t count;

	while (run.size) {
		struct iovec iov[2] = {{.iov_base = &head, .iov_len = sizeof(head)},
				       {.iov_base = (void *)(uintptr_t)run.at}};

		iov[1].iov_len = peer_run_next(&run, DELIVERY_RUN_MAX, &count);
		if (count) {
			run_to_rings(engine, group, iov, 2, count);
		} else if (peer_record_next(&run, &item)) {
			const struct message message = {
				.sender = sender, .payload = item.body.at, .length = item.body.size};

			message_to_rings(engine, group, &message);
		}
	}
}

void deliver_messages(struct engine *engine, const struct sender *sender, struct peer_bytes run, size_t count)
{
	struct member *member;
	const struct group *group = deliver_group(engine, sender, &member);

	if (group == NULL) {
		count_own_lost(engine, sender, count);
		return;
	}
	if (has(group, WITHOUT_RINGS)) {
		messages_to_others(engine, group, sender, run);
	}
	if (has(group, WITH_RINGS)) {
		messages_to_rings(engine, group, sender, run);
	}
}
