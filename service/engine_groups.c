/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups, nodes and members: who is where, as the ordered stream says. Finding any of them costs the same
 * however many unrelated groups, nodes and clients there are.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

#define BUCKETS_MIN 64u

/* ---- groups ---- */

static bool buckets_grow(struct engine *engine)
{
	size_t count = engine->bucket_count ? engine->bucket_count * 2 : BUCKETS_MIN;
	struct group **buckets = calloc(count, sizeof(struct group *));
	size_t i;

	if (buckets == NULL) {
		return engine->bucket_count != 0; /* longer chains do too */
	}
	for (i = 0; i < engine->bucket_count; i++) {
		struct group *group = engine->buckets[i];

		while (group) {
			struct group *next = group->next_in_bucket;

			group->next_in_bucket = buckets[group->hash & (count - 1)];
			buckets[group->hash & (count - 1)] = group;
			group = next;
		}
	}
	free(engine->buckets);
	engine->buckets = buckets;
	engine->bucket_count = count;
	return true;
}

static struct group *group_find_hashed(const struct engine *engine, const struct name *name, uint64_t hash)
{
	struct group *group;

	if (engine->bucket_count == 0) {
		return NULL;
	}
	for (group = engine->buckets[hash & (engine->bucket_count - 1)]; group;
	     group = group->next_in_bucket) {
		if (group->hash == hash && name_equal(&group->name, name)) {
			return group;
		}
	}
	return NULL;
}

struct group *group_find(const struct engine *engine, const struct name *name)
{
	return group_find_hashed(engine, name, name_hash(name));
}

struct group *group_obtain(struct engine *engine, const struct name *name)
{
	uint64_t hash = name_hash(name);
	struct group *group = group_find_hashed(engine, name, hash);
	struct group **bucket;

	if (group) {
		return group;
	}
	if (engine->group_count >= engine->bucket_count && !buckets_grow(engine)) {
		return NULL;
	}
	group = calloc(1, sizeof(*group));
	if (group == NULL) {
		return NULL;
	}
	group->hash = hash;
	group->name.length = name->length;
	memcpy(group->name.value, name->value, name->length);
	qb_list_init(&group->clients);
	qb_list_init(&group->departing);
	qb_list_init(&group->remote_behind);
	bucket = &engine->buckets[hash & (engine->bucket_count - 1)];
	group->next_in_bucket = *bucket;
	*bucket = group;
	engine->group_count++;
	return group;
}

static void group_free(struct group *group)
{
	behind_forget(group);
	free(group->members);
	free(group);
}

void group_release(struct engine *engine, struct group *group)
{
	struct group **link = &engine->buckets[group->hash & (engine->bucket_count - 1)];

	if (group->member_count || !qb_list_empty(&group->clients) || !qb_list_empty(&group->departing)) {
		return;
	}
	while (*link != group) {
		link = &(*link)->next_in_bucket;
	}
	*link = group->next_in_bucket;
	engine->group_count--;
	group_free(group);
}

static struct group *first_from(const struct engine *engine, size_t bucket)
{
	for (; bucket < engine->bucket_count; bucket++) {
		if (engine->buckets[bucket]) {
			return engine->buckets[bucket];
		}
	}
	return NULL;
}

struct group *group_first(const struct engine *engine)
{
	return first_from(engine, 0);
}

struct group *group_next(const struct engine *engine, const struct group *group)
{
	if (group->next_in_bucket) {
		return group->next_in_bucket;
	}
	return first_from(engine, (group->hash & (engine->bucket_count - 1)) + 1);
}

void groups_destroy(struct engine *engine)
{
	struct qb_list_head *at, *next;
	size_t i;

	for (i = 0; i < engine->bucket_count; i++) {
		while (engine->buckets[i]) {
			struct group *group = engine->buckets[i];

			engine->buckets[i] = group->next_in_bucket;
			qb_list_for_each_safe (at, next, &group->departing) {
				departing_free(qb_list_entry(at, struct departing, of_group));
			}
			group_free(group);
		}
	}
	free(engine->buckets);
}

/* ---- nodes ---- */

/* Index of the first node whose id is not lower. */
static size_t node_position(const struct engine *engine, uint32_t nodeid)
{
	size_t low = 0, high = engine->node_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (engine->nodes[middle]->nodeid < nodeid) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct node *node_find(const struct engine *engine, uint32_t nodeid)
{
	size_t at = node_position(engine, nodeid);

	return at < engine->node_count && engine->nodes[at]->nodeid == nodeid ? engine->nodes[at] : NULL;
}

/* Room for one more pointer in a sorted array. */
static bool pointers_grow(void **array, size_t count, size_t *capacity)
{
	size_t wanted = *capacity ? *capacity * 2 : 4;
	void *grown;

	if (count < *capacity) {
		return true;
	}
	grown = reallocarray(*array, wanted, sizeof(void *));
	if (grown == NULL) {
		return false;
	}
	*array = grown;
	*capacity = wanted;
	return true;
}

bool nodes_create(struct engine *engine)
{
	size_t i;

	engine->nodes = calloc(NODES_MAX, sizeof(struct node *));
	engine->node_store = calloc(NODES_MAX, sizeof(struct node));
	for (i = 0; engine->nodes && engine->node_store && i < NODES_MAX; i++) {
		engine->nodes[i] = &engine->node_store[i];
	}
	return engine->nodes && engine->node_store;
}

struct node *node_obtain(struct engine *engine, uint32_t nodeid)
{
	size_t at = node_position(engine, nodeid);
	struct node *node;

	if (at < engine->node_count && engine->nodes[at]->nodeid == nodeid) {
		return engine->nodes[at];
	}
	if (engine->node_count == NODES_MAX) {
		return NULL;
	}
	node = engine->nodes[engine->node_count];
	*node = (struct node){.nodeid = nodeid};
	qb_list_init(&node->members);
	memmove(engine->nodes + at + 1, engine->nodes + at,
		(engine->node_count - at) * sizeof(struct node *));
	engine->nodes[at] = node;
	engine->node_count++;
	return node;
}

void nodes_tidy(struct engine *engine)
{
	size_t from, to = 0;

	for (from = 0; from < engine->node_count; from++) {
		struct node *node = engine->nodes[from];

		if (qb_list_empty(&node->members) && !ring_has(engine, node->nodeid)) {
			sync_joinlist_clear(node);
		} else {
			engine->nodes[from] = engine->nodes[to];
			engine->nodes[to++] = node;
		}
	}
	engine->node_count = to;
}

static void member_free(struct engine *engine, struct member *member)
{
	assembly_free(engine, member);
	qb_list_del(&member->of_node);
	free(member);
}

void nodes_destroy(struct engine *engine)
{
	struct qb_list_head *at, *next;
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		qb_list_for_each_safe (at, next, &engine->nodes[i]->members) {
			member_free(engine, qb_list_entry(at, struct member, of_node));
		}
		sync_joinlist_clear(engine->nodes[i]);
	}
	free(engine->nodes);
	free(engine->node_store);
}

/* ---- members ---- */

/* Index of the first member that is not before (nodeid, pid). */
static size_t member_position(const struct group *group, uint32_t nodeid, uint32_t pid)
{
	size_t low = 0, high = group->member_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct member *member = group->members[middle];

		if (member->node->nodeid < nodeid || (member->node->nodeid == nodeid && member->pid < pid)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct member *member_find(const struct group *group, uint32_t nodeid, uint32_t pid)
{
	size_t at = member_position(group, nodeid, pid);
	struct member *member;

	if (at == group->member_count) {
		return NULL;
	}
	member = group->members[at];
	return member->node->nodeid == nodeid && member->pid == pid ? member : NULL;
}

/* There is room for it. */
static struct member *member_insert(struct engine *engine, struct member *member, struct group *group,
				    struct node *node, uint32_t pid)
{
	size_t at = member_position(group, node->nodeid, pid);

	member->group = group;
	member->node = node;
	member->pid = pid;
	qb_list_add_tail(&member->of_node, &node->members);
	memmove(group->members + at + 1, group->members + at,
		(group->member_count - at) * sizeof(struct member *));
	group->members[at] = member;
	group->member_count++;
	group->view++;
	engine->member_count++;
	return member;
}

/* A new one, with room in the group. NULL: out of memory. */
static struct member *member_new(struct group *group)
{
	void *array = group->members;

	if (!pointers_grow(&array, group->member_count + group->reserved, &group->member_capacity)) {
		return NULL;
	}
	group->members = array;
	return calloc(1, sizeof(struct member));
}

struct member *member_add(struct engine *engine, struct group *group, struct node *node, uint32_t pid)
{
	struct member *member = member_new(group);

	return member ? member_insert(engine, member, group, node, pid) : NULL;
}

struct member *member_add_reserved(struct engine *engine, struct departing *departing, struct node *node)
{
	struct member *member = departing->member;

	departing->member = NULL;
	departing->group->reserved--;
	return member_insert(engine, member, departing->group, node, departing->pid);
}

void member_remove(struct engine *engine, struct member *member)
{
	struct group *group = member->group;
	size_t at = member_position(group, member->node->nodeid, member->pid);

	memmove(group->members + at, group->members + at + 1,
		(group->member_count - at - 1) * sizeof(struct member *));
	group->member_count--;
	group->view++;
	engine->member_count--;
	member_free(engine, member);
}

void members_sweep(struct engine *engine, struct group *group)
{
	size_t from, to = 0;

	for (from = 0; from < group->member_count; from++) {
		struct member *member = group->members[from];

		if (member->leaving) {
			member_free(engine, member);
		} else {
			group->members[to++] = member;
		}
	}
	engine->member_count -= group->member_count - to;
	group->view += group->member_count - to;
	group->member_count = to;
}

/* ---- local processes ---- */

struct departing *departing_new(struct group *group, uint32_t pid)
{
	struct departing *departing = calloc(1, sizeof(*departing));

	if (departing == NULL) {
		return NULL;
	}
	qb_list_init(&departing->of_group);
	departing->group = group;
	departing->pid = pid;
	departing->member = member_new(group);
	group->reserved += departing->member != NULL;
	if (departing->member == NULL || !departing_may_leave(departing)) {
		departing_free(departing);
		return NULL;
	}
	return departing;
}

bool departing_may_leave(struct departing *departing)
{
	if (departing->again == NULL) {
		departing->again = batch_of(NULL, 2 * sizeof(struct peer_record) +
							  peer_padded(sizeof(struct peer_sender) +
								      departing->group->name.length));
	}
	return departing->again != NULL;
}

void departing_free(struct departing *departing)
{
	qb_list_del(&departing->of_group);
	departing->group->reserved -= departing->member != NULL;
	free(departing->member);
	if (departing->again) {
		batch_free(departing->again);
	}
	free(departing);
}

struct departing *departing_find(const struct group *group, uint32_t pid)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->departing) {
		struct departing *departing = qb_list_entry(at, struct departing, of_group);

		if (departing->pid == pid) {
			return departing;
		}
	}
	qb_list_for_each (at, &group->clients) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_group);

		if (client->pid == pid) {
			return client->departing;
		}
	}
	return NULL;
}

/* ---- the ring ---- */

bool ring_has(const struct engine *engine, uint32_t nodeid)
{
	size_t low = 0, high = engine->ring_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (engine->ring[middle] < nodeid) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < engine->ring_count && engine->ring[low] == nodeid;
}
