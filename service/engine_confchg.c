/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration changes as events for local clients.
 *
 * A stock library copies the lists into arrays of 128: it gets at most that many members, itself and everyone
 * in the joined list among them, and longer joined and left lists in several events. Ours gets everything at
 * once.
 */
#include <stdlib.h>

#include "engine_internal.h"

/* One change of one group, as seen by the event builder. */
struct change {
	struct engine *engine;
	struct group *group;
	const struct ipc_address *joined, *left;
	size_t joined_count, left_count;
	struct ipc_address *members; /* all of them, made when first needed */
	struct event *whole;	     /* the event of our libraries, if it had to be queued */
};

static int address_compare(const void *a, const void *b)
{
	const struct ipc_address *x = a, *y = b;

	if (x->nodeid != y->nodeid) {
		return x->nodeid < y->nodeid ? -1 : 1;
	}
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static bool list_has(const struct ipc_address *list, size_t count, uint32_t nodeid, uint32_t pid)
{
	struct ipc_address key = {.nodeid = nodeid, .pid = pid};

	return count && bsearch(&key, list, count, sizeof(*list), address_compare) != NULL;
}

static bool members_list(struct change *change)
{
	const struct group *group = change->group;
	size_t i;

	if (change->members || group->member_count == 0) {
		return true;
	}
	change->members = calloc(group->member_count, sizeof(struct ipc_address));
	if (change->members == NULL) {
		return false;
	}
	for (i = 0; i < group->member_count; i++) {
		change->members[i].nodeid = group->members[i]->node->nodeid;
		change->members[i].pid = group->members[i]->pid;
	}
	return true;
}

static void send_lists(struct change *change, struct engine_client *client, struct event **shared,
		       const struct ipc_address *members, size_t member_count, const struct ipc_address *left,
		       size_t left_count, const struct ipc_address *joined, size_t joined_count)
{
	size_t size = (member_count + left_count + joined_count) * sizeof(struct ipc_address);
	struct ipc_confchg header = {
		.header = {.id = IPC_RES_CONFCHG, .size = (int32_t)(sizeof(header) + size), .error = CS_OK},
		.member_list_entries = (uint32_t)member_count,
		.left_list_entries = (uint32_t)left_count,
		.joined_list_entries = (uint32_t)joined_count,
	};
	struct iovec iov[4] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)(uintptr_t)members, .iov_len = member_count * sizeof(*members)},
		{.iov_base = (void *)(uintptr_t)left, .iov_len = left_count * sizeof(*left)},
		{.iov_base = (void *)(uintptr_t)joined, .iov_len = joined_count * sizeof(*joined)},
	};

	name_write(&header.group, &change->group->name);
	client_event(client, shared, iov, 4);
}

static void send_whole(struct change *change, struct engine_client *client)
{
	send_lists(change, client, &change->whole, change->members, change->group->member_count, change->left,
		   change->left_count, change->joined, change->joined_count);
}

/*
 * The members that an old library sees next to these joined ones: those, itself, and the first of the others. The
 * work does not grow with the group.
 */
static size_t members_cut(const struct change *change, const struct engine_client *client,
			  const struct ipc_address *joined, size_t joined_count,
			  struct ipc_address cut[IPC_OLD_MEMBERS_MAX])
{
	const struct group *group = change->group;
	const struct ipc_address self = {.nodeid = change->engine->nodeid, .pid = client->pid};
	bool add_self = member_find(group, self.nodeid, self.pid) &&
			!list_has(joined, joined_count, self.nodeid, self.pid);
	size_t count = 0, i;

	for (i = 0; i < joined_count; i++) {
		cut[count++] = (struct ipc_address){.nodeid = joined[i].nodeid, .pid = joined[i].pid};
	}
	if (add_self) {
		cut[count++] = self;
	}
	for (i = 0; i < group->member_count && count < IPC_OLD_MEMBERS_MAX; i++) {
		const struct ipc_address *member = &change->members[i];

		if (address_compare(member, &self) != 0 &&
		    !list_has(joined, joined_count, member->nodeid, member->pid)) {
			cut[count++] = *member;
		}
	}
	qsort(cut, count, sizeof(*cut), address_compare);
	return count;
}

static void send_cut(struct change *change, struct engine_client *client)
{
	/* One less than the arrays hold: the receiver must be listed next to those that joined. */
	const size_t step = IPC_OLD_MEMBERS_MAX - 1;
	struct ipc_address cut[IPC_OLD_MEMBERS_MAX];
	size_t at, total = change->joined_count ? change->joined_count : change->left_count;

	for (at = 0; at < total; at += step) {
		size_t count = total - at < step ? total - at : step;
		const struct ipc_address *joined = change->joined_count ? change->joined + at : NULL;
		const struct ipc_address *left = change->left_count ? change->left + at : NULL;
		struct event *shared = NULL;
		size_t members = members_cut(change, client, joined, joined ? count : 0, cut);

		send_lists(change, client, &shared, cut, members, left, left ? count : 0, joined,
			   joined ? count : 0);
		event_release(shared);
	}
}

static bool fits_old_library(const struct change *change)
{
	return change->group->member_count <= IPC_OLD_MEMBERS_MAX &&
	       change->joined_count <= IPC_OLD_MEMBERS_MAX && change->left_count <= IPC_OLD_MEMBERS_MAX;
}

static void tell(struct change *change, struct engine_client *client)
{
	if (!members_list(change)) {
		client_evict(client, "out of memory for its events");
	} else if ((client->features & IPC_FEATURE_LARGE_GROUPS) || fits_old_library(change)) {
		send_whole(change, client);
	} else {
		send_cut(change, client);
	}
	if (client->wants_totem_conf) {
		client->wants_totem_conf = false;
		confchg_totem(change->engine, client);
	}
}

static void change_finish(struct change *change)
{
	free(change->members);
	event_release(change->whole);
}

void confchg_joined(struct engine *engine, struct group *group, const struct ipc_address *joined,
		    size_t count)
{
	struct change change = {.engine = engine, .group = group, .joined = joined, .joined_count = count};
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (client->state == CLIENT_JOIN_STARTED &&
		    list_has(joined, count, engine->nodeid, client->pid)) {
			client->state = CLIENT_JOINED;
		}
		if (client->state != CLIENT_JOIN_STARTED) {
			tell(&change, client);
		}
	}
	change_finish(&change);
}

void confchg_left(struct engine *engine, struct group *group, const struct ipc_address *left, size_t count)
{
	struct change change = {.engine = engine, .group = group, .left = left, .left_count = count};
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (client->state != CLIENT_JOIN_STARTED) {
			tell(&change, client);
		}
	}
	change_finish(&change);
}

void confchg_totem(struct engine *engine, struct engine_client *client)
{
	uint32_t nodeids[TOTEM_PROCESSORS_MAX];
	size_t count = exchange_ring(engine, nodeids);
	struct ipc_totem_confchg header = {
		.header = {.id = IPC_RES_TOTEM_CONFCHG, .error = CS_OK},
		.ring_id = {.nodeid = engine->ring_id.nodeid, .seq = engine->ring_id.seq},
		.member_list_entries = (uint32_t)count,
	};
	size_t head = offsetof(struct ipc_totem_confchg, member_list);
	struct iovec iov[2] = {{.iov_base = &header, .iov_len = head},
			       {.iov_base = nodeids, .iov_len = count * sizeof(uint32_t)}};
	struct event *shared = NULL;

	header.header.size = (int32_t)(head + iov[1].iov_len);
	client_event(client, &shared, iov, 2);
	event_release(shared);
}
