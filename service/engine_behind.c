/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slow receivers slow their senders on all nodes of a ring of ours: engines tell each other which groups have a
 * receiver that is behind. After a ring change those for whom it was so say it again, or that it is no more. Until then what
 * they said counts on the nodes that came with them, or their senders would all have a go at each ring change. Of nodes
 * that went, and in a ring that is not ours, it is forgotten.
 */
#include <stdlib.h>

#include "engine_internal.h"

static void tell_clients(struct group *group)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		segment_receiver_behind(qb_list_entry(at, struct engine_client, of_group));
	}
}

static void tell_nodes(struct engine *engine, struct group *group)
{
	bool behind = group->behind != 0;
	struct record record = {.kind = PEER_BEHIND, .detail = behind, .group = &group->name};

	if (!engine->ours || behind == group->behind_told) {
		return;
	}
	if (outgoing_record(engine, &record)) {
		group->behind_told = behind;
		engine->ops.wake(engine->context, 0);
	} else {
		engine->behind_untold = true;
		engine->ops.wake(engine->context, MEMORY_DELAY);
	}
}

void behind_changed(struct engine *engine, struct group *group)
{
	tell_clients(group);
	tell_nodes(engine, group);
}

void behind_tell_untold(struct engine *engine)
{
	struct group *group;

	if (!engine->behind_untold) {
		return;
	}
	engine->behind_untold = false;
	for (group = group_first(engine); group; group = group_next(engine, group)) {
		tell_nodes(engine, group);
	}
}

static struct remote_behind *find(const struct group *group, uint32_t nodeid)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->remote_behind) {
		struct remote_behind *remote = qb_list_entry(at, struct remote_behind, of_group);

		if (remote->nodeid == nodeid) {
			return remote;
		}
	}
	return NULL;
}

static void add(struct group *group, uint32_t nodeid)
{
	struct remote_behind *remote = malloc(sizeof(*remote));

	if (remote) { /* without memory: senders here are not slowed, that is all */
		remote->nodeid = nodeid;
		qb_list_add_tail(&remote->of_group, &group->remote_behind);
	}
}

static void forget(struct group *group, struct remote_behind *remote)
{
	if (remote) {
		qb_list_del(&remote->of_group);
		free(remote);
		tell_clients(group);
	}
}

void behind_receive(struct engine *engine, const struct sender *sender, bool behind)
{
	struct group *group = group_find(engine, &sender->group);
	struct remote_behind *remote = group ? find(group, sender->nodeid) : NULL;

	if (group == NULL || sender->nodeid == engine->nodeid) {
		return;
	}
	if (behind && remote == NULL) {
		add(group, sender->nodeid);
		tell_clients(group);
	} else if (!behind) {
		forget(group, remote);
	}
}

void behind_forget_node(struct engine *engine, uint32_t nodeid)
{
	struct group *group;

	for (group = group_first(engine); group; group = group_next(engine, group)) {
		forget(group, find(group, nodeid));
	}
}

void behind_forget(struct group *group)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &group->remote_behind) {
		forget(group, qb_list_entry(at, struct remote_behind, of_group));
	}
}

void behind_begin(struct engine *engine)
{
	struct group *group;

	for (group = group_first(engine); group; group = group_next(engine, group)) {
		if (!engine->ours) {
			behind_forget(group);
		} else if (group->behind || group->behind_told) {
			/* what was told may be on its way again, with what is sent again: the last word counts */
			group->behind_told = !group->behind;
			tell_nodes(engine, group);
		}
	}
}
