/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one session alone must show: each view follows from the one before, the receiver is in it, every
 * sender is in the view at delivery, and each sender's messages come once and in its order.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "memory.h"
#include "verify.h"

enum reason { REASON_JOIN = 1, REASON_LEAVE, REASON_NODEDOWN, REASON_NODEUP, REASON_PROCDOWN };

struct walk {
	struct history *history;
	struct session *session;
	uint32_t number;  /* of the session */
	uint32_t members; /* NONE before the first view */
	/* By sender; valid where seen_by holds this session's number + 1. */
	uint64_t *last_seq;
	uint32_t *seen_by;
	uint32_t *member_since; /* the view for which the sender was last found to be a member, + 1 */
};

static void wrong_view(struct walk *walk, size_t view, const char *what, const struct address *who)
{
	report_add(walk->history->report, VIOLATION_VIEW, "node %u pid %u, view %zu: %s: node %u pid %u",
		   walk->session->nodeid, walk->session->pid, view, what, who->nodeid, who->pid);
}

static bool reason_fits(const struct address *who, bool joined)
{
	if (joined)
		return who->reason == REASON_JOIN || who->reason == REASON_NODEUP;
	return who->reason == REASON_LEAVE || who->reason == REASON_NODEDOWN ||
	       who->reason == REASON_PROCDOWN;
}

/* Members and list are sorted; each address may appear once. */
static void check_repeats(struct walk *walk, size_t view, uint32_t list)
{
	const struct address *at;
	size_t count, i;

	at = list_get(walk->history, list, &count);
	for (i = 1; i < count; i++)
		if (at[i].nodeid == at[i - 1].nodeid && at[i].pid == at[i - 1].pid)
			wrong_view(walk, view, "twice in a list", &at[i]);
}

static void check_joined(struct walk *walk, size_t index, const struct view *view)
{
	const struct address *at;
	size_t count, i;

	at = list_get(walk->history, view->joined, &count);
	for (i = 0; i < count; i++) {
		if (!reason_fits(&at[i], true))
			wrong_view(walk, index, "wrong reason for joining", &at[i]);
		if (!list_has(walk->history, view->members, at[i].nodeid, at[i].pid))
			wrong_view(walk, index, "joined but no member", &at[i]);
		if (walk->members != NONE && list_has(walk->history, walk->members, at[i].nodeid, at[i].pid))
			wrong_view(walk, index, "joined but was a member before", &at[i]);
	}
}

static void check_left(struct walk *walk, size_t index, const struct view *view)
{
	const struct address *at;
	size_t count, i;

	at = list_get(walk->history, view->left, &count);
	for (i = 0; i < count; i++) {
		if (!reason_fits(&at[i], false))
			wrong_view(walk, index, "wrong reason for leaving", &at[i]);
		if (list_has(walk->history, view->members, at[i].nodeid, at[i].pid))
			wrong_view(walk, index, "left but still a member", &at[i]);
		if (walk->members != NONE && !list_has(walk->history, walk->members, at[i].nodeid, at[i].pid))
			wrong_view(walk, index, "left but was no member before", &at[i]);
	}
}

/* Nobody comes without being in joined, nobody goes without being in left. */
static void check_change(struct walk *walk, size_t index, const struct view *view)
{
	const struct address *at;
	size_t count, i;

	at = list_get(walk->history, view->members, &count);
	for (i = 0; i < count && walk->members != NONE; i++)
		if (!list_has(walk->history, walk->members, at[i].nodeid, at[i].pid) &&
		    !list_has(walk->history, view->joined, at[i].nodeid, at[i].pid))
			wrong_view(walk, index, "a member that never joined", &at[i]);
	if (walk->members == NONE)
		return;
	at = list_get(walk->history, walk->members, &count);
	for (i = 0; i < count; i++)
		if (!list_has(walk->history, view->members, at[i].nodeid, at[i].pid) &&
		    !list_has(walk->history, view->left, at[i].nodeid, at[i].pid))
			wrong_view(walk, index, "a member is gone and never left", &at[i]);
}

static void check_view(struct walk *walk, size_t index)
{
	const struct session *session = walk->session;
	const struct view *view = &session->views[index];
	struct address self = {.nodeid = session->nodeid, .pid = session->pid};

	check_repeats(walk, index, view->members);
	check_repeats(walk, index, view->left);
	check_repeats(walk, index, view->joined);
	check_joined(walk, index, view);
	check_left(walk, index, view);
	check_change(walk, index, view);
	if (walk->members == NONE && !list_has(walk->history, view->joined, self.nodeid, self.pid))
		wrong_view(walk, index, "the first view is not the receiver's own join", &self);
	if (!list_has(walk->history, view->members, self.nodeid, self.pid) &&
	    !list_has(walk->history, view->left, self.nodeid, self.pid))
		wrong_view(walk, index, "the receiver is no member", &self);
	walk->members = view->members;
}

/* No member may be of a node outside the ring: it would stay for ever. */
static void check_ring(struct walk *walk, const struct ring_event *ring)
{
	const struct address *at;
	size_t count, i;

	if (walk->members == NONE)
		return;
	at = list_get(walk->history, walk->members, &count);
	for (i = 0; i < count; i++)
		if (!list_has(walk->history, ring->nodes, at[i].nodeid, 0))
			wrong_view(walk, walk->session->view_count, "a member of a node outside the ring",
				   &at[i]);
}

static bool sender_is_member(struct walk *walk, uint32_t number, size_t view)
{
	const struct sender *sender = &walk->history->senders[number];

	if (walk->members == NONE)
		return false;
	if (walk->member_since[number] == view + 1)
		return true;
	if (!list_has(walk->history, walk->members, sender->nodeid, sender->pid))
		return false;
	walk->member_since[number] = (uint32_t)view + 1;
	return true;
}

static void check_message(struct walk *walk, uint32_t *event, size_t view)
{
	struct history *history = walk->history;
	uint32_t number = message_sender(history, *event);
	const struct sender *sender = &history->senders[number];
	uint64_t seq = message_seq(history, *event);

	if (walk->seen_by[number] != walk->number + 1) {
		walk->seen_by[number] = walk->number + 1;
		walk->member_since[number] = 0;
	} else if (seq <= walk->last_seq[number]) {
		report_add(history->report, VIOLATION_FIFO,
			   "node %u pid %u: message %" PRIu64 " of node %u pid %u comes %s %" PRIu64,
			   walk->session->nodeid, walk->session->pid, seq, sender->nodeid, sender->pid,
			   seq == walk->last_seq[number] ? "twice: after" : "again or too late: after",
			   walk->last_seq[number]);
		*event |= EVENT_REPEAT;
		return;
	}
	walk->last_seq[number] = seq;
	if (!sender_is_member(walk, number, view))
		report_add(history->report, VIOLATION_STRANGER,
			   "node %u pid %u, view %zu: message %" PRIu64
			   " of node %u pid %u, which is no member",
			   walk->session->nodeid, walk->session->pid, view, seq, sender->nodeid, sender->pid);
}

static void walk_session(struct walk *walk)
{
	struct session *session = walk->session;
	size_t i, view = 0;

	for (i = 0; i < session->event_count; i++) {
		uint32_t index = session->events[i] & EVENT_INDEX;

		switch (session->events[i] & EVENT_KIND) {
		case EVENT_VIEW:
			check_view(walk, index);
			view = index;
			break;
		case EVENT_RING:
			check_ring(walk, &session->rings[index]);
			break;
		default:
			check_message(walk, &session->events[i], view);
			break;
		}
	}
}

void verify_sessions(struct history *history)
{
	struct walk walk = {.history = history};
	size_t i;

	walk.last_seq = memory_new(history->sender_count, sizeof(*walk.last_seq));
	walk.seen_by = memory_new(history->sender_count, sizeof(*walk.seen_by));
	walk.member_since = memory_new(history->sender_count, sizeof(*walk.member_since));
	for (i = 0; i < history->session_count; i++) {
		walk.session = &history->sessions[i];
		walk.number = (uint32_t)i;
		walk.members = NONE;
		walk_session(&walk);
	}
	free(walk.last_seq);
	free(walk.seen_by);
	free(walk.member_since);
}
