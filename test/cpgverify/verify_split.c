/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "memory.h"
#include "verify_view.h"

enum { REASON_NODEDOWN = 3, REASON_NODEUP = 4 };

struct split {
	struct history *history;
	struct views *views;
	uint32_t number; /* of the session */
	const struct session *session;
	bool inside;	    /* the first view was seen */
	uint32_t told_ring; /* the last totem_confchg before that; NONE: there was none */
	bool changing;	    /* between a NODEDOWN or NODEUP and the totem_confchg that follows */
	bool told;	    /* of a message in such a place */
	uint32_t members;
	uint32_t before; /* members when the change began */
	struct address *gone;
	size_t gone_count, gone_capacity;
};

static void open_passage(struct split *split, uint32_t ring, uint32_t survivors)
{
	struct views *views = split->views;
	struct passage *passage;

	views->passages = memory_grow(views->passages, &views->passage_capacity, views->passage_count + 1,
				      sizeof(*views->passages));
	passage = &views->passages[views->passage_count++];
	passage->session = split->number;
	passage->ring = ring;
	passage->anchored = survivors != NONE;
	passage->survivors = survivors;
	passage->first_step = views->step_count;
	passage->next = NONE;
}

static struct passage *last_passage(struct split *split)
{
	return &split->views->passages[split->views->passage_count - 1];
}

static void add_step(struct split *split, size_t event, const struct view *view)
{
	struct views *views = split->views;
	struct step *step;

	views->steps = memory_grow(views->steps, &views->step_capacity, views->step_count + 1,
				   sizeof(*views->steps));
	step = &views->steps[views->step_count++];
	step->event = event;
	step->members = split->members;
	step->left = view == NULL ? NONE : view->left;
	step->joined = view == NULL ? NONE : view->joined;
	step->view = NONE;
	last_passage(split)->step_count++;
}

static bool has_reason(const struct history *history, uint32_t list, uint32_t reason)
{
	const struct address *at;
	size_t count, i;

	at = list_get(history, list, &count);
	for (i = 0; i < count; i++)
		if (at[i].reason == reason)
			return true;
	return false;
}

static void remember_gone(struct split *split, uint32_t left)
{
	const struct address *at;
	size_t count, i;

	at = list_get(split->history, left, &count);
	split->gone = memory_grow(split->gone, &split->gone_capacity, split->gone_count + count,
				  sizeof(*split->gone));
	for (i = 0; i < count; i++)
		split->gone[split->gone_count++] = (struct address){at[i].nodeid, at[i].pid, 0};
}

/* Members of the last view of the old ring that did not leave on the way into the new one. */
static uint32_t list_survivors(struct split *split)
{
	struct history *history = split->history;
	uint32_t from = split->changing ? split->before : split->members;
	uint32_t gone = list_add(history, split->gone, split->gone_count);
	struct address *kept;
	const struct address *at;
	size_t count, i, kept_count = 0;

	list_get(history, from, &count);
	kept = list_scratch(history, count);
	at = list_get(history, from, &count);
	for (i = 0; i < count; i++)
		if (!list_has(history, gone, at[i].nodeid, at[i].pid))
			kept[kept_count++] = at[i];
	return list_add(history, kept, kept_count);
}

/*
 * The ring that the process joined in. Each ring is told as it comes, and that of the join behind the first view once more: it is the
 * last one that was told before, or else the first one told.
 */
static uint32_t first_ring(const struct split *split)
{
	if (split->told_ring != NONE)
		return split->told_ring;
	if (split->session->ring_count == 0)
		return (uint32_t)split->history->rings.count;
	return split->session->rings[0].ring;
}

static void take_view(struct split *split, size_t event, const struct view *view)
{
	uint32_t before = split->members;

	split->members = view->members;
	if (!split->inside) {
		split->inside = true;
		open_passage(split, first_ring(split), NONE);
		add_step(split, event, view);
		return;
	}
	if (!split->changing && (has_reason(split->history, view->left, REASON_NODEDOWN) ||
				 has_reason(split->history, view->joined, REASON_NODEUP))) {
		split->changing = true;
		split->before = before;
	}
	if (split->changing)
		remember_gone(split, view->left);
	else
		add_step(split, event, view);
}

static void take_ring(struct split *split, size_t event, uint32_t index)
{
	uint32_t ring = split->session->rings[index].ring;

	if (!split->inside) {
		split->told_ring = ring;
		return;
	}
	if (ring == last_passage(split)->ring)
		return;
	open_passage(split, ring, list_survivors(split));
	add_step(split, event, NULL);
	split->changing = false;
	split->gone_count = 0;
}

static void take_message(struct split *split)
{
	if (!split->changing || split->told)
		return;
	split->told = true;
	report_add(split->history->report, VIOLATION_VIEW,
		   "node %u pid %u: a message in the middle of a ring change", split->session->nodeid,
		   split->session->pid);
}

static void split_session(struct split *split)
{
	const struct session *session = split->session;
	size_t i;

	for (i = 0; i < session->event_count; i++) {
		uint32_t index = session->events[i] & EVENT_INDEX;

		switch (session->events[i] & EVENT_KIND) {
		case EVENT_VIEW:
			take_view(split, i, &session->views[index]);
			break;
		case EVENT_RING:
			take_ring(split, i, index);
			break;
		default:
			take_message(split);
			break;
		}
	}
}

void views_split(struct history *history, struct views *views)
{
	struct split split = {.history = history, .views = views};
	size_t i;

	for (i = 0; i < history->session_count; i++) {
		split.number = (uint32_t)i;
		split.session = &history->sessions[i];
		split.inside = split.changing = split.told = false;
		split.told_ring = NONE;
		split.gone_count = 0;
		split_session(&split);
	}
	free(split.gone);
}
