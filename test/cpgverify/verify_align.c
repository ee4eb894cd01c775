/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "verify_view.h"

/* A view as it was first met; its index is the number of the view. */
struct node {
	uint32_t members, left, joined;
	uint32_t passage; /* where it was first met */
	uint32_t next;	  /* view in the same row */
};

struct align {
	struct history *history;
	struct views *views;
	struct node *nodes;
	size_t node_count, node_capacity;
	struct intern joins; /* in this ring: struct address with reason 0 … */
	uint32_t *join_node; /* … and the view in which it joined */
	size_t join_capacity;
	struct intern followers; /* in this ring: who joined after somebody whose log we have */
};

static const struct session *session_of(const struct align *align, const struct passage *passage)
{
	return &align->history->sessions[passage->session];
}

static struct address self_of(const struct align *align, const struct passage *passage)
{
	const struct session *session = session_of(align, passage);

	return (struct address){session->nodeid, session->pid, 0};
}

static struct address joined_at(const struct align *align, uint32_t list, size_t index)
{
	size_t count;
	const struct address *at = list_get(align->history, list, &count);

	return (struct address){at[index].nodeid, at[index].pid, 0};
}

static size_t list_count(const struct align *align, uint32_t list)
{
	size_t count = 0;

	if (list != NONE)
		list_get(align->history, list, &count);
	return count;
}

static void remember_joins(struct align *align, uint32_t node)
{
	uint32_t list = align->nodes[node].joined;
	size_t i, count = list_count(align, list), known;
	struct address who;
	uint32_t number;

	for (i = 0; i < count; i++) {
		who = joined_at(align, list, i);
		known = align->joins.count;
		number = intern_add(&align->joins, &who, sizeof(who));
		align->join_node = memory_grow(align->join_node, &align->join_capacity, align->joins.count,
					       sizeof(*align->join_node));
		if (number == known)
			align->join_node[number] = node;
	}
}

static uint32_t add_node(struct align *align, const struct step *step, uint32_t passage)
{
	uint32_t number = (uint32_t)align->node_count;
	struct node *node;

	align->nodes = memory_grow(align->nodes, &align->node_capacity, align->node_count + 1,
				   sizeof(*align->nodes));
	node = &align->nodes[align->node_count++];
	*node = (struct node){step->members, step->left, step->joined, passage, NONE};
	remember_joins(align, number);
	return number;
}

/* "1:2041 3:877 …", cut where the room ends. */
static const char *list_words(const struct align *align, uint32_t list, char *words, size_t room)
{
	const struct address *at;
	size_t count, i, used = 0;

	words[0] = '\0';
	if (list == NONE)
		return words;
	at = list_get(align->history, list, &count);
	for (i = 0; i < count && used + 26 < room; i++)
		used += (size_t)snprintf(words + used, room - used, "%s%u:%u", i > 0 ? " " : "", at[i].nodeid,
					 at[i].pid);
	if (i < count)
		snprintf(words + used, room - used, " …");
	return words;
}

static bool same_view(const struct node *node, const struct step *step)
{
	if (node->members != step->members)
		return false;
	return step->joined == NONE || (node->left == step->left && node->joined == step->joined);
}

static void report_disagreement(struct align *align, const struct node *node, const struct passage *passage,
				const struct step *step)
{
	const struct session *first = session_of(align, &align->views->passages[node->passage]);
	const struct session *second = session_of(align, passage);
	char ours[80], theirs[80];

	report_add(
		align->history->report, VIOLATION_DISAGREE,
		"the same view is [%s] left %zu joined %zu at node %u pid %u, and [%s] left %zu joined %zu "
		"at node %u pid %u",
		list_words(align, node->members, ours, sizeof(ours)), list_count(align, node->left),
		list_count(align, node->joined), first->nodeid, first->pid,
		list_words(align, step->members, theirs, sizeof(theirs)), list_count(align, step->left),
		list_count(align, step->joined), second->nodeid, second->pid);
}

/* Lays the steps of a passage along a row, from the view node on, or along a new row when it is NONE. */
static uint32_t place(struct align *align, uint32_t number, uint32_t node)
{
	struct passage *passage = &align->views->passages[number];
	struct step *step = &align->views->steps[passage->first_step];
	uint32_t first = NONE, previous = NONE;
	size_t i;

	for (i = 0; i < passage->step_count; i++, step++) {
		if (node == NONE) {
			node = add_node(align, step, number);
			if (previous != NONE)
				align->nodes[previous].next = node;
		} else if (!same_view(&align->nodes[node], step)) {
			report_disagreement(align, &align->nodes[node], passage, step);
			return first;
		}
		step->view = node;
		first = first == NONE ? node : first;
		previous = node;
		node = align->nodes[node].next;
	}
	return first;
}

/* All that were there when the ring began: one row. */
static void place_anchored(struct align *align, uint32_t head)
{
	const struct passage *passages = align->views->passages;
	uint32_t begin = NONE, placed, at;

	for (at = head; at != NONE; at = passages[at].next) {
		if (!passages[at].anchored)
			continue;
		placed = place(align, at, begin);
		begin = begin == NONE ? placed : begin;
	}
}

static void find_followers(struct align *align, uint32_t head)
{
	const struct passage *passages = align->views->passages;
	const struct step *step;
	struct address who;
	uint32_t at;
	size_t i, j;

	for (at = head; at != NONE; at = passages[at].next) {
		step = &align->views->steps[passages[at].first_step];
		for (i = 1; i < passages[at].step_count; i++)
			for (j = 0; j < list_count(align, step[i].joined); j++) {
				who = joined_at(align, step[i].joined, j);
				intern_add(&align->followers, &who, sizeof(who));
			}
	}
}

enum sweep { SWEEP_KNOWN, SWEEP_FOUNDERS, SWEEP_ONE };

static bool fits_sweep(struct align *align, uint32_t at, enum sweep sweep, uint32_t *node)
{
	struct address self = self_of(align, &align->views->passages[at]);
	uint32_t join = intern_find(&align->joins, &self, sizeof(self));

	*node = join == INTERN_NONE ? NONE : align->join_node[join];
	if (sweep == SWEEP_KNOWN)
		return *node != NONE;
	if (sweep == SWEEP_FOUNDERS)
		return intern_find(&align->followers, &self, sizeof(self)) == INTERN_NONE;
	return true;
}

/* Places what fits this sweep, takes it out of the row of waiting passages; tells whether there was any. */
static bool sweep_joined(struct align *align, uint32_t *waiting, size_t *count, enum sweep sweep)
{
	size_t i, kept = 0, before = *count;
	uint32_t node;

	for (i = 0; i < before; i++) {
		bool enough = sweep == SWEEP_ONE && kept < i;

		if (!enough && fits_sweep(align, waiting[i], sweep, &node))
			place(align, waiting[i], node);
		else
			waiting[kept++] = waiting[i];
	}
	*count = kept;
	return kept < before;
}

/*
 * Those who joined in the ring: at their join in a row, or, when nobody else can have seen it, in a new row.
 */
static void place_joined(struct align *align, uint32_t head, uint32_t *waiting)
{
	const struct passage *passages = align->views->passages;
	size_t count = 0;
	uint32_t at;

	for (at = head; at != NONE; at = passages[at].next)
		if (!passages[at].anchored)
			waiting[count++] = at;
	sweep_joined(align, waiting, &count, SWEEP_KNOWN);
	sweep_joined(align, waiting, &count, SWEEP_FOUNDERS);
	while (count > 0)
		if (!sweep_joined(align, waiting, &count, SWEEP_KNOWN))
			sweep_joined(align, waiting, &count, SWEEP_ONE);
}

void views_align(struct history *history, struct views *views)
{
	struct align align = {.history = history, .views = views};
	size_t ring, ring_count = history->rings.count + 1, i;
	uint32_t *heads = memory_new(ring_count, sizeof(*heads));
	uint32_t *waiting = memory_new(views->passage_count, sizeof(*waiting));

	memset(heads, 0xff, ring_count * sizeof(*heads));
	for (i = views->passage_count; i-- > 0;) {
		views->passages[i].next = heads[views->passages[i].ring];
		heads[views->passages[i].ring] = (uint32_t)i;
	}
	for (ring = 0; ring < ring_count; ring++) {
		place_anchored(&align, heads[ring]);
		find_followers(&align, heads[ring]);
		place_joined(&align, heads[ring], waiting);
		intern_clear(&align.joins);
		intern_clear(&align.followers);
	}
	views->view_count = (uint32_t)align.node_count;
	free(align.join_node);
	free(align.nodes);
	free(heads);
	free(waiting);
}
