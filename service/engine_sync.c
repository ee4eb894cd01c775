/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring changes. Order of events from one ring to the next, as totem and the executive bring them:
 *
 *   transitional   who left; from here on nothing of our clients is multicast
 *   sync_init      the new ring; forget what joinlists said
 *   sync_process   tell everyone which processes are here: DOWNLIST, then JOINLISTs
 *   sync_activate  processes of left nodes go (NODEDOWN), those newly named come (NODEUP), those named no
 *                  longer go (PROCDOWN), then every client hears of the ring
 *   sync_over      the gate opens
 *
 * A next change may come at any point; it starts again with transitional. So the only state kept across
 * changes is which nodes were lost since the last activation: they go then, even if they are back by that
 * time.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

/* DOWNLIST and JOINLIST bytes of ours on their way at any time, and the size of one JOINLIST. */
#define SYNC_WINDOW ((size_t)256 * 1024)
#define JOINLIST_ENTRIES_MAX ((128u * 1024u) / sizeof(struct wire_joinlist_entry))

/* ---- the ring ---- */

static int nodeid_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void ring_set(struct engine *engine, const uint32_t *members, size_t count)
{
	size_t i;

	if (count > TOTEM_PROCESSORS_MAX) {
		count = TOTEM_PROCESSORS_MAX;
	}
	for (i = 0; i < count; i++) {
		engine->ring[i] = members[i];
	}
	qsort(engine->ring, count, sizeof(uint32_t), nodeid_compare);
	engine->ring_count = count;
}

static void node_lost(struct engine *engine, uint32_t nodeid)
{
	struct node *node;

	if (nodeid == engine->nodeid) {
		return; /* a node that was paused may find itself in the list: its own processes are here */
	}
	node = node_find(engine, nodeid);
	if (node) {
		node->lost = true;
	}
}

static void gate_close(struct engine *engine)
{
	if (engine_rule_holds(engine, RULE_CLOSE_GATE)) {
		engine->gate = GATE_CLOSED;
	}
}

void engine_transitional(struct engine *engine, const uint32_t *left, size_t left_count)
{
	size_t i;

	gate_close(engine);
	for (i = 0; i < engine->node_count && !engine_rule_holds(engine, RULE_ACCUMULATE_LEFT); i++) {
		engine->nodes[i]->lost = false;
	}
	for (i = 0; i < left_count; i++) {
		node_lost(engine, left[i]);
	}
}

void engine_regular(struct engine *engine, const struct memb_ring_id *ring_id)
{
	gate_close(engine);
	exchange_end(engine);
	outgoing_ring_changes(engine);
	announce_ring_changes(engine);
	engine->was_ours |= engine->ours;
	engine->ours = false;
	news_clear(engine);
	engine->in_sync = true;
	engine->ring_id = *ring_id;
}

static bool list_has(const uint32_t *list, size_t count, uint32_t nodeid)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (list[i] == nodeid) {
			return true;
		}
	}
	return false;
}

void engine_sync_init(struct engine *engine, const uint32_t *trans, size_t trans_count,
		      const uint32_t *members, size_t member_count, const struct memb_ring_id *ring_id)
{
	size_t i;

	for (i = 0; i < engine->ring_count; i++) {
		if (!list_has(trans, trans_count, engine->ring[i])) {
			node_lost(engine, engine->ring[i]);
		}
	}
	engine->downlist_old_members = (uint32_t)engine->ring_count;
	(void)ring_id; /* the regular configuration brought it */
	ring_set(engine, members, member_count);
	for (i = 0; i < engine->ring_count; i++) {
		(void)node_obtain(engine, engine->ring[i]);
	}
	for (i = 0; i < engine->node_count; i++) {
		sync_joinlist_clear(engine->nodes[i]);
	}
	engine->lists_lack = false;
	engine->sync_number++;
	engine->downlist_sent = false;
	engine->own_joinlist_taken = false;
}

void engine_sync_over(struct engine *engine)
{
	outgoing_sync_over(engine);
}

/* ---- what we say ---- */

static bool send_downlist(struct engine *engine)
{
	struct wire_downlist message = {
		.header = {.id = WIRE_ID(WIRE_DOWNLIST), .size = sizeof(message)},
		.old_members = engine->downlist_old_members,
	};
	struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};
	size_t i;

	for (i = 0; i < engine->node_count && message.left_nodes < TOTEM_PROCESSORS_MAX; i++) {
		if (engine->nodes[i]->lost) {
			message.nodeids[message.left_nodes++] = engine->nodes[i]->nodeid;
		}
	}
	if (engine->ops.mcast(engine->context, &iov, 1) != 0) {
		return false;
	}
	engine->sync_inflight += sizeof(message);
	engine->downlist_sent = true;
	return true;
}

/* Whether a joinlist names this process of ours: whoever the ordered stream has as a member. */
static bool is_named(const struct engine *engine, const struct member *member)
{
	return engine_rule_holds(engine, RULE_JOINLIST_ORDERED) || qb_list_empty(&member->group->departing);
}

bool own_joinlist_take(struct engine *engine)
{
	struct node *self = node_find(engine, engine->nodeid);
	struct qb_list_head *at;
	size_t count = 0;

	free(engine->own_joinlist);
	engine->own_joinlist = NULL;
	engine->own_joinlist_count = 0;
	engine->own_joinlist_sent = 0;
	if (self) {
		qb_list_for_each (at, &self->members) {
			count++;
		}
	}
	if (count) {
		engine->own_joinlist = calloc(count, sizeof(struct wire_joinlist_entry));
		if (engine->own_joinlist == NULL) {
			return false;
		}
		qb_list_for_each (at, &self->members) {
			const struct member *member = qb_list_entry(at, struct member, of_node);
			struct wire_joinlist_entry *entry = &engine->own_joinlist[engine->own_joinlist_count];

			if (is_named(engine, member)) {
				entry->pid = member->pid;
				name_write(&entry->group, &member->group->name);
				engine->own_joinlist_count++;
			}
		}
	}
	engine->own_joinlist_taken = true;
	return true;
}

/* False: no room now. */
static bool send_joinlist(struct engine *engine)
{
	size_t left = engine->own_joinlist_count - engine->own_joinlist_sent;
	size_t count = left < JOINLIST_ENTRIES_MAX ? left : JOINLIST_ENTRIES_MAX;
	size_t bytes = count * sizeof(struct wire_joinlist_entry);
	struct wire_joinlist message = {
		.header = {.id = WIRE_ID(WIRE_JOINLIST), .size = (int32_t)(sizeof(message) + bytes)},
	};
	struct iovec iov[2] = {
		{.iov_base = &message, .iov_len = sizeof(message)},
		{.iov_base = engine->own_joinlist + engine->own_joinlist_sent, .iov_len = bytes},
	};

	if (engine->sync_inflight + sizeof(message) + bytes > SYNC_WINDOW ||
	    engine->ops.mcast(engine->context, iov, 2) != 0) {
		return false;
	}
	engine->sync_inflight += sizeof(message) + bytes;
	engine->own_joinlist_sent += count;
	return true;
}

int engine_sync_process(struct engine *engine)
{
	if (!engine->own_joinlist_taken && !own_joinlist_take(engine)) {
		return -1;
	}
	if (announce_is_due(engine) && !announce_send(engine)) {
		return -1;
	}
	if (!engine->downlist_sent && !send_downlist(engine)) {
		return -1;
	}
	while (engine->own_joinlist_sent < engine->own_joinlist_count) {
		if (!send_joinlist(engine)) {
			return -1;
		}
	}
	return engine->sync_inflight == 0 && announce_all_came(engine) ? 0 : -1;
}

/* ---- what others say ---- */

void sync_joinlist_clear(struct node *node)
{
	free(node->joinlist);
	node->joinlist = NULL;
	node->joinlist_count = node->joinlist_capacity = 0;
}

void sync_joinlist(struct engine *engine, struct node *node, const void *entries, size_t count)
{
	size_t wanted = node->joinlist_count + count;

	if (wanted > node->joinlist_capacity) {
		size_t capacity = wanted > 2 * node->joinlist_capacity ? wanted : 2 * node->joinlist_capacity;
		struct wire_joinlist_entry *grown =
			reallocarray(node->joinlist, capacity, sizeof(struct wire_joinlist_entry));

		if (grown == NULL) {
			engine->lists_lack = true;
			return;
		}
		node->joinlist = grown;
		node->joinlist_capacity = capacity;
	}
	if (count) {
		memcpy(node->joinlist + node->joinlist_count, entries,
		       count * sizeof(struct wire_joinlist_entry));
	}
	node->joinlist_count = wanted;
}

/* ---- activation ---- */

void sync_totem_confchg(struct engine *engine)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->clients) {
		confchg_totem(engine, qb_list_entry(at, struct engine_client, of_engine));
	}
}

/* Where batches are, or were, what did not come back is sent again from the first fragment of a message on. */
static void forget_assemblies(struct engine *engine)
{
	if (engine->ours || engine->was_ours) {
		assemblies_forget(engine);
		partials_break(engine);
	}
	engine->was_ours = false;
}

void engine_sync_activate(struct engine *engine)
{
	rings_arm(engine);
	announce_decide(engine);
	if (engine->missed_announced) {
		engine->missed = engine->missed_announced = false;
	}
	forget_assemblies(engine);
	sync_nodes_down(engine);
	sync_take_joinlists(engine);
	nodes_tidy(engine);
	own_joinlist_free(engine);
	engine->in_sync = false;
	news_begin(engine);
	engine_log(engine, LOG_DEBUG, "ring %" PRIu32 ".%" PRIx64 ": %zu nodes, %zu members in %zu groups",
		   engine->ring_id.nodeid, (uint64_t)engine->ring_id.seq, engine->ring_count,
		   engine->member_count, engine->group_count);
	sync_totem_confchg(engine);
	behind_begin(engine);
}

void own_joinlist_free(struct engine *engine)
{
	free(engine->own_joinlist);
	engine->own_joinlist = NULL;
	engine->own_joinlist_count = engine->own_joinlist_sent = 0;
}
