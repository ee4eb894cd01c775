/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes that go, or come, many at a time: because of a ring change, or because a node missed something. Each group that it concerns hears of a
 * step once. Without memory for it clients who should hear that others go are disconnected; and nobody comes, until lists are there again.
 */
#include <stdlib.h>

#include "engine_internal.h"

/* ---- a step ---- */

/* A process and the group that it joins or leaves in this step. */
struct step_entry {
	struct group *group;
	struct ipc_address address;
};

struct step {
	struct step_entry *entry;
	size_t count, capacity;
	bool failed;
};

/* False: out of memory, and so the whole step fails. */
static bool step_add(struct step *step, struct group *group, uint32_t nodeid, uint32_t pid,
		     enum reason reason)
{
	if (step->count == step->capacity) {
		size_t capacity = step->capacity ? step->capacity * 2 : 64;
		struct step_entry *grown = reallocarray(step->entry, capacity, sizeof(struct step_entry));

		if (grown == NULL) {
			step->failed = true;
			return false;
		}
		step->entry = grown;
		step->capacity = capacity;
	}
	step->entry[step->count++] = (struct step_entry){
		.group = group, .address = {.nodeid = nodeid, .pid = pid, .reason = reason}};
	return true;
}

static int step_compare(const void *a, const void *b)
{
	const struct step_entry *x = a, *y = b;

	if (x->group != y->group) {
		return name_compare(&x->group->name, &y->group->name);
	}
	if (x->address.nodeid != y->address.nodeid) {
		return x->address.nodeid < y->address.nodeid ? -1 : 1;
	}
	return x->address.pid < y->address.pid ? -1 : x->address.pid > y->address.pid;
}

/* The addresses of one group's entries at a time; NULL: there is no memory to tell of the step. */
static struct ipc_address *step_list(struct step *step)
{
	return step->failed ? NULL : calloc(step->count + 1, sizeof(struct ipc_address)); /* never none */
}

/* One confchg per affected group, all its processes in it; `left`: they leave, otherwise they have joined. */
static void step_tell(struct engine *engine, struct step *step, struct ipc_address *list, bool left)
{
	size_t from, to;

	if (step->count) {
		qsort(step->entry, step->count, sizeof(struct step_entry), step_compare);
	}
	for (from = 0; from < step->count; from = to) {
		struct group *group = step->entry[from].group;

		for (to = from; to < step->count && step->entry[to].group == group; to++) {
			list[to - from] = step->entry[to].address;
		}
		if (left) {
			members_sweep(engine, group);
			confchg_left(engine, group, list, to - from);
		} else {
			confchg_joined(engine, group, list, to - from);
		}
		group_release(engine, group);
	}
}

/* They leave all the same. Clients that would have to hear of it come again, and see who is there then. */
static void leave_untold(struct engine *engine)
{
	struct group *group = group_first(engine), *next;

	for (; group; group = next) {
		size_t before = group->member_count;

		next = group_next(engine, group);
		members_sweep(engine, group);
		if (group->member_count != before) {
			group_evict(group, "out of memory for its events");
			group_release(engine, group);
		}
	}
}

static void step_run_left(struct engine *engine, struct step *step)
{
	struct ipc_address *list = step_list(step);

	if (list) {
		step_tell(engine, step, list, true);
	} else {
		leave_untold(engine);
	}
	free(list);
	free(step->entry);
}

/* It has not been told yet: as if it had not begun. */
static void step_undo(struct engine *engine, const struct step *step)
{
	size_t i;

	for (i = 0; i < step->count; i++) {
		const struct step_entry *entry = &step->entry[i];

		member_remove(engine, member_find(entry->group, entry->address.nodeid, entry->address.pid));
		group_release(engine, entry->group);
	}
}

/* False: out of memory, nothing happened. */
static bool step_run_joined(struct engine *engine, struct step *step)
{
	struct ipc_address *list = step_list(step);

	if (list) {
		step_tell(engine, step, list, false);
	} else {
		step_undo(engine, step);
	}
	free(list);
	free(step->entry);
	return list != NULL;
}

/* ---- who goes ---- */

static void step_leave(struct step *step, struct member *member, enum reason reason)
{
	member->leaving = true;
	(void)step_add(step, member->group, member->node->nodeid, member->pid, reason);
}

static void node_down(struct engine *engine, struct step *step, const struct node *node)
{
	struct qb_list_head *at;

	behind_forget_node(engine, node->nodeid);
	qb_list_for_each (at, &node->members) {
		step_leave(step, qb_list_entry(at, struct member, of_node), REASON_NODEDOWN);
	}
}

/* Everyone on nodes that were lost since the last activation, or that are not in the ring. */
void sync_nodes_down(struct engine *engine)
{
	struct step step = {0};
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		struct node *node = engine->nodes[i];

		if (node->nodeid != engine->nodeid && (node->lost || !ring_has(engine, node->nodeid))) {
			node->lost = false;
			node_down(engine, &step, node);
		}
	}
	step_run_left(engine, &step);
}

void sync_nodes_away(struct engine *engine)
{
	struct step step = {0};
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		if (engine->nodes[i]->away) {
			node_down(engine, &step, engine->nodes[i]);
		}
	}
	step_run_left(engine, &step);
}

/* ---- who comes ---- */

/* One that was not known. False: out of memory. */
static bool process_comes(struct engine *engine, struct step *step, struct group *group, struct node *node,
			  uint32_t pid)
{
	struct member *member = member_add(engine, group, node, pid);

	if (member == NULL) {
		return false;
	}
	if (!step_add(step, group, node->nodeid, pid, REASON_NODEUP)) {
		member_remove(engine, member);
		return false;
	}
	member->seen = engine->sync_number;
	return true;
}

/* A process that a joinlist names. False: out of memory. */
static bool process_named(struct engine *engine, struct step *step, struct node *node,
			  const struct wire_joinlist_entry *entry)
{
	struct sender process = {.nodeid = node->nodeid, .pid = entry->pid};
	struct member *member;
	struct group *group;

	if (!name_read(&process.group, &entry->group)) {
		engine->stats.bad_messages++;
		return true;
	}
	if (news_has_left(engine, &process)) {
		return true; /* it left when this was on its way */
	}
	group = group_obtain(engine, &process.group);
	if (group == NULL) {
		return false;
	}
	member = member_find(group, node->nodeid, entry->pid);
	if (member) {
		member->seen = engine->sync_number;
	} else if (!process_comes(engine, step, group, node, entry->pid)) {
		group_release(engine, group);
		return false;
	}
	return true;
}

/* Everyone that joinlists of the ring's nodes name and that is not known yet. False: out of memory, nobody comes. */
static bool processes_up(struct engine *engine)
{
	struct step step = {0};
	size_t i, j;

	for (i = 0; i < engine->node_count; i++) {
		struct node *node = engine->nodes[i];

		if (node->nodeid == engine->nodeid || !ring_has(engine, node->nodeid)) {
			continue;
		}
		for (j = 0; j < node->joinlist_count && !step.failed; j++) {
			step.failed = !process_named(engine, &step, node, &node->joinlist[j]);
		}
	}
	return step_run_joined(engine, &step);
}

/* ---- and who did not ---- */

/* Everyone on other nodes that no joinlist names. */
static void processes_down(struct engine *engine)
{
	struct step step = {0};
	struct qb_list_head *at;
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		struct node *node = engine->nodes[i];

		if (node->nodeid == engine->nodeid) {
			continue;
		}
		qb_list_for_each (at, &node->members) {
			struct member *member = qb_list_entry(at, struct member, of_node);

			if (member->seen != engine->sync_number) {
				step_leave(&step, member, REASON_PROCDOWN);
			}
		}
	}
	step_run_left(engine, &step);
}

void sync_take_joinlists(struct engine *engine)
{
	size_t i;

	if (engine->lists_lack || !processes_up(engine)) {
		exchange_out_of_memory(engine, "who is in which group");
	} else {
		processes_down(engine);
		engine->incomplete = false;
	}
	for (i = 0; i < engine->node_count; i++) {
		sync_joinlist_clear(engine->nodes[i]);
	}
}
