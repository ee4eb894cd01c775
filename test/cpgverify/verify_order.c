/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One order for all: the rows of deliveries of all sessions must fit into one row. They are merged: a message
 * may go when it is the next one of every session that has it. When none may go, sessions wait for each other
 * in a circle, which is a difference in order. Linear in the number of deliveries.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "verify.h"

/* Differences in order tend to come in thousands; a few are enough to know. */
#define MAX_CIRCLES 100

struct merge {
	struct history *history;
	size_t *position;	/* by session: index of its event that is next */
	uint32_t *missing;	/* by message: sessions that have it and are not there yet */
	uint32_t *first_waiter; /* by message: session that waits at it … */
	uint32_t *next_waiter;	/* … and, by session, the next one */
	uint32_t *ready;	/* stack of sessions that may step on */
	size_t ready_count;
	uint32_t *visited; /* by session: in the search of this stamp */
	uint32_t stamp;
};

static bool in_order_check(uint32_t event)
{
	return (event & EVENT_KIND) == EVENT_MESSAGE;
}

static uint32_t next_message(const struct merge *merge, uint32_t session)
{
	const struct session *at = &merge->history->sessions[session];

	if (merge->position[session] >= at->event_count)
		return NONE;
	return at->events[merge->position[session]];
}

static void skip_others(struct merge *merge, uint32_t session)
{
	const struct session *at = &merge->history->sessions[session];

	while (merge->position[session] < at->event_count &&
	       !in_order_check(at->events[merge->position[session]]))
		merge->position[session]++;
}

/* The session is at its next message: wait there, or, as the last one to come, let all go. */
static void reach(struct merge *merge, uint32_t session)
{
	uint32_t message, waiter;

	skip_others(merge, session);
	message = next_message(merge, session);
	if (message == NONE)
		return;
	merge->next_waiter[session] = merge->first_waiter[message];
	merge->first_waiter[message] = session;
	if (--merge->missing[message] > 0)
		return;
	for (waiter = session; waiter != NONE; waiter = merge->next_waiter[waiter]) {
		merge->position[waiter]++;
		merge->ready[merge->ready_count++] = waiter;
	}
	merge->first_waiter[message] = NONE;
}

static void run_ready(struct merge *merge)
{
	while (merge->ready_count > 0)
		reach(merge, merge->ready[--merge->ready_count]);
}

/* A session that has the message still before it, and is held up by another one. */
static uint32_t find_blocker(const struct merge *merge, uint32_t message)
{
	const struct session *session;
	uint32_t i;
	size_t at;

	for (i = 0; i < merge->history->session_count; i++) {
		session = &merge->history->sessions[i];
		if (next_message(merge, i) == message)
			continue;
		for (at = merge->position[i]; at < session->event_count; at++)
			if (session->events[at] == message)
				return i;
	}
	return NONE;
}

static void report_circle(const struct merge *merge, uint32_t one, uint32_t other)
{
	const struct history *history = merge->history;
	const struct session *a = &history->sessions[one], *b = &history->sessions[other];
	uint32_t first = next_message(merge, one), second = next_message(merge, other);
	const struct sender *from = &history->senders[message_sender(history, first)];
	const struct sender *then = &history->senders[message_sender(history, second)];

	report_add(history->report, VIOLATION_ORDER,
		   "message %" PRIu64 " of node %u pid %u and message %" PRIu64
		   " of node %u pid %u: one order at node %u pid %u, another at node %u pid %u%s",
		   message_seq(history, first), from->nodeid, from->pid, message_seq(history, second),
		   then->nodeid, then->pid, a->nodeid, a->pid, b->nodeid, b->pid,
		   find_blocker(merge, second) == one ? "" : " (over others in a circle)");
}

/* Follows who waits for whom from a session that waits, until one comes again; returns one of the circle. */
static uint32_t find_circle(struct merge *merge, uint32_t from)
{
	uint32_t session = from, blocker;

	merge->stamp++;
	while (merge->visited[session] != merge->stamp) {
		merge->visited[session] = merge->stamp;
		blocker = find_blocker(merge, next_message(merge, session));
		if (blocker == NONE)
			return session;
		session = blocker;
	}
	report_circle(merge, session, find_blocker(merge, next_message(merge, session)));
	return session;
}

/* Takes the session out of the queue at its message and moves it past. */
static void force(struct merge *merge, uint32_t session)
{
	uint32_t *link = &merge->first_waiter[next_message(merge, session)];

	while (*link != session)
		link = &merge->next_waiter[*link];
	*link = merge->next_waiter[session];
	merge->position[session]++;
	merge->ready[merge->ready_count++] = session;
}

static uint32_t any_waiting(const struct merge *merge)
{
	uint32_t i;

	for (i = 0; i < merge->history->session_count; i++)
		if (next_message(merge, i) != NONE)
			return i;
	return NONE;
}

static void start(struct merge *merge)
{
	const struct session *session;
	size_t i, at;

	for (i = 0; i < merge->history->session_count; i++) {
		session = &merge->history->sessions[i];
		for (at = 0; at < session->event_count; at++)
			if (in_order_check(session->events[at]))
				merge->missing[session->events[at]]++;
		merge->ready[merge->ready_count++] = (uint32_t)i;
	}
}

void verify_order(struct history *history)
{
	struct merge merge = {.history = history};
	size_t messages = history_messages(history), sessions = history->session_count;
	uint32_t session, circles = 0;

	merge.position = memory_new(sessions, sizeof(*merge.position));
	merge.missing = memory_new(messages, sizeof(*merge.missing));
	merge.first_waiter = memory_new(messages, sizeof(*merge.first_waiter));
	merge.next_waiter = memory_new(sessions, sizeof(*merge.next_waiter));
	merge.ready = memory_new(sessions, sizeof(*merge.ready));
	merge.visited = memory_new(sessions, sizeof(*merge.visited));
	memset(merge.first_waiter, 0xff, messages * sizeof(*merge.first_waiter));
	start(&merge);
	run_ready(&merge);
	while (circles++ < MAX_CIRCLES && (session = any_waiting(&merge)) != NONE) {
		force(&merge, find_circle(&merge, session));
		run_ready(&merge);
	}
	free(merge.position);
	free(merge.missing);
	free(merge.first_waiter);
	free(merge.next_waiter);
	free(merge.ready);
	free(merge.visited);
}
