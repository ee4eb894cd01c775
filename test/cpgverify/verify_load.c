/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes records in and puts them into compact rows; checks only what can be seen on the way. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "verify.h"

/* Ring ids have this shape in history->rings. */
struct ring_key {
	uint64_t seq;
	uint32_t nodeid;
	uint32_t zero;
};

void history_init(struct history *history, struct report *report)
{
	memset(history, 0, sizeof(*history));
	history->report = report;
}

void history_clear(struct history *history)
{
	size_t i;

	for (i = 0; i < history->session_count; i++) {
		free(history->sessions[i].senders);
		free(history->sessions[i].events);
		free(history->sessions[i].views);
		free(history->sessions[i].rings);
	}
	free(history->sessions);
	free(history->senders);
	free(history->digests);
	free(history->flags);
	free(history->ring_flags);
	free(history->scratch);
	intern_clear(&history->incarnations);
	intern_clear(&history->lists);
	intern_clear(&history->rings);
	intern_clear(&history->pages);
	memset(history, 0, sizeof(*history));
}

size_t history_messages(const struct history *history)
{
	return history->pages.count * PAGE_MESSAGES;
}

static const struct page *page_of(const struct history *history, uint32_t message)
{
	size_t length;

	return intern_get(&history->pages, message / PAGE_MESSAGES, &length);
}

uint32_t message_sender(const struct history *history, uint32_t message)
{
	return page_of(history, message)->sender;
}

uint64_t message_seq(const struct history *history, uint32_t message)
{
	return page_of(history, message)->first * PAGE_MESSAGES + message % PAGE_MESSAGES;
}

/* The number of a message; NONE when there are more than an event can count. */
static uint32_t message_number(struct history *history, uint32_t sender, uint64_t seq)
{
	struct page key = {.first = seq / PAGE_MESSAGES, .sender = sender};
	uint32_t page = intern_add(&history->pages, &key, sizeof(key));

	if (page > EVENT_INDEX / PAGE_MESSAGES)
		return NONE;
	history->digests = memory_grow(history->digests, &history->digest_capacity, history_messages(history),
				       sizeof(*history->digests));
	history->flags = memory_grow(history->flags, &history->flag_capacity, history_messages(history), 1);
	return page * PAGE_MESSAGES + (uint32_t)(seq % PAGE_MESSAGES);
}

static int compare_addresses(const void *left, const void *right)
{
	const struct address *a = left, *b = right;

	if (a->nodeid != b->nodeid)
		return a->nodeid < b->nodeid ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return 0;
}

struct address *list_scratch(struct history *history, size_t count)
{
	history->scratch = memory_grow(history->scratch, &history->scratch_capacity, count + 1,
				       sizeof(*history->scratch));
	return history->scratch;
}

uint32_t list_add(struct history *history, struct address *addresses, size_t count)
{
	if (count > 1)
		qsort(addresses, count, sizeof(*addresses), compare_addresses);
	return intern_add(&history->lists, addresses, count * sizeof(*addresses));
}

const struct address *list_get(const struct history *history, uint32_t list, size_t *count)
{
	const struct address *addresses = intern_get(&history->lists, list, count);

	*count /= sizeof(*addresses);
	return addresses;
}

bool list_has(const struct history *history, uint32_t list, uint32_t nodeid, uint32_t pid)
{
	struct address key = {.nodeid = nodeid, .pid = pid};
	const struct address *addresses;
	size_t count;

	addresses = list_get(history, list, &count);
	return bsearch(&key, addresses, count, sizeof(key), compare_addresses) != NULL;
}

static void add_event(struct session *session, uint32_t event)
{
	session->events = memory_grow(session->events, &session->event_capacity, session->event_count + 1,
				      sizeof(*session->events));
	session->events[session->event_count++] = event;
}

/* The sender with this incarnation; an incarnation has one address. */
static uint32_t add_sender(struct history *history, const struct log_record *record)
{
	uint32_t number =
		intern_add(&history->incarnations, &record->incarnation, sizeof(record->incarnation));
	struct sender *sender;

	if (number == history->sender_count) {
		history->senders = memory_grow(history->senders, &history->sender_capacity,
					       history->sender_count + 1, sizeof(*history->senders));
		sender = &history->senders[history->sender_count++];
		sender->incarnation = record->incarnation;
		sender->nodeid = record->nodeid;
		sender->pid = record->pid;
		sender->session = NONE;
	}
	sender = &history->senders[number];
	if (sender->nodeid != record->nodeid || sender->pid != record->pid)
		report_add(history->report, VIOLATION_CONTENT,
			   "messages of incarnation %016" PRIx64 " come from node %u pid %u and from node %u "
			   "pid %u",
			   record->incarnation, sender->nodeid, sender->pid, record->nodeid, record->pid);
	return number;
}

static const char *take_start(struct history *history, uint32_t file, const struct log_record *record)
{
	size_t length = strnlen(history->group, sizeof(history->group));
	struct session *session;
	uint32_t sender;

	if (record->size == 0 || record->size >= sizeof(history->group))
		return "START without a group name";
	if (length == 0)
		memcpy(history->group, record->group, record->size);
	else if (length != record->size || memcmp(history->group, record->group, length) != 0)
		return "the logs are of different groups";
	sender = add_sender(history, record);
	if (history->senders[sender].session != NONE)
		return "this session was read before: a log given twice?";
	history->senders[sender].session = (uint32_t)history->session_count;
	history->sessions = memory_grow(history->sessions, &history->session_capacity,
					history->session_count + 1, sizeof(*history->sessions));
	session = &history->sessions[history->session_count++];
	session->file = file;
	session->nodeid = record->nodeid;
	session->pid = record->pid;
	session->sender = sender;
	return NULL;
}

static uint32_t take_list(struct history *history, const struct address *from, size_t count,
			  bool with_reasons)
{
	struct address *scratch = list_scratch(history, count);
	size_t i;

	for (i = 0; i < count; i++) {
		scratch[i] = from[i];
		if (!with_reasons)
			scratch[i].reason = 0;
	}
	return list_add(history, scratch, count);
}

static void take_view(struct history *history, struct session *session, const struct log_record *record)
{
	const struct address *at = record->addresses;
	struct view *view;

	session->views = memory_grow(session->views, &session->view_capacity, session->view_count + 1,
				     sizeof(*session->views));
	add_event(session, EVENT_VIEW | (uint32_t)session->view_count);
	view = &session->views[session->view_count++];
	view->members = take_list(history, at, record->members, false);
	at += record->members;
	view->left = take_list(history, at, record->left, true);
	view->joined = take_list(history, at + record->left, record->joined, true);
	session->gone = list_has(history, view->left, session->nodeid, session->pid);
}

/* A process hears of its first ring when it joins: that is no change. */
static void see_change(struct history *history, const struct session *session, uint32_t ring)
{
	history->ring_flags =
		memory_grow(history->ring_flags, &history->ring_flag_capacity, history->rings.count, 1);
	if (session->ring_count > 1)
		history->ring_flags[ring] |=
			RING_CHANGE | (session->sent > session->returned ? RING_IN_FLIGHT : 0);
}

static void take_ring(struct history *history, struct session *session, const struct log_record *record)
{
	struct ring_key key = {.seq = record->seq, .nodeid = record->nodeid};
	struct address *scratch = list_scratch(history, record->node_count);
	struct ring_event *ring;
	uint32_t i;

	for (i = 0; i < record->node_count; i++)
		scratch[i] = (struct address){.nodeid = record->nodes[i]};
	session->rings = memory_grow(session->rings, &session->ring_capacity, session->ring_count + 1,
				     sizeof(*session->rings));
	add_event(session, EVENT_RING | (uint32_t)session->ring_count);
	ring = &session->rings[session->ring_count++];
	ring->ring = intern_add(&history->rings, &key, sizeof(key));
	ring->nodes = list_add(history, scratch, record->node_count);
	see_change(history, session, ring->ring);
}

static const char *take_sender(struct history *history, struct session *session,
			       const struct log_record *record)
{
	if (record->ref != session->sender_count)
		return "SENDER out of turn";
	session->senders = memory_grow(session->senders, &session->sender_capacity, session->sender_count + 1,
				       sizeof(*session->senders));
	session->senders[session->sender_count++] = add_sender(history, record);
	return NULL;
}

/* Every sight of a message, at its sender or a receiver, must show the same digest. */
static uint32_t see_message(struct history *history, uint32_t sender, const struct log_record *record,
			    uint8_t flags)
{
	uint32_t message = message_number(history, sender, record->seq);

	if (message == NONE)
		return NONE;
	if ((history->flags[message] & MESSAGE_DIGEST) == 0)
		history->digests[message] = record->digest;
	else if (history->digests[message] != record->digest)
		report_add(history->report, VIOLATION_CONTENT,
			   "message %" PRIu64 " of node %u pid %u has not the same content everywhere",
			   record->seq, history->senders[sender].nodeid, history->senders[sender].pid);
	history->flags[message] |= MESSAGE_DIGEST | flags;
	return message;
}

static const char *take_message(struct history *history, struct session *session,
				const struct log_record *record)
{
	uint32_t sender = session->sender;
	uint8_t flags = record->type == LOG_SENT ? MESSAGE_ACCEPTED : MESSAGE_UNSURE;
	uint32_t message;

	if (record->type == LOG_DELIVER) {
		if (record->ref >= session->sender_count)
			return "DELIVER from an unknown sender";
		sender = session->senders[record->ref];
		flags = MESSAGE_DELIVERED | (sender == session->sender ? MESSAGE_RETURNED : 0);
	}
	message = see_message(history, sender, record, flags);
	if (message == NONE)
		return "too many messages to verify at once";
	session->sent += record->type == LOG_SENT;
	if (record->type == LOG_DELIVER) {
		session->delivered++;
		session->returned += sender == session->sender;
		add_event(session, message);
	}
	return NULL;
}

static void take_corrupt(struct history *history, struct session *session, const struct log_record *record)
{
	session->corrupt++;
	report_add(history->report, VIOLATION_CORRUPT,
		   "node %u pid %u got a corrupt message of %u bytes from node %u pid %u", session->nodeid,
		   session->pid, record->size, record->nodeid, record->pid);
}

/*
 * Until it closes its connection a process may hear of the group that it left; that is no part of its
 * history.
 */
static bool after_leave(const struct session *session, enum log_type type)
{
	return session->gone && (type == LOG_VIEW || type == LOG_RING || type == LOG_DELIVER);
}

static const char *take_in_session(struct history *history, struct session *session,
				   const struct log_record *record)
{
	switch (record->type) {
	case LOG_JOINED:
		session->joined = true;
		break;
	case LOG_VIEW:
		take_view(history, session, record);
		break;
	case LOG_RING:
		take_ring(history, session, record);
		break;
	case LOG_SENDER:
		return take_sender(history, session, record);
	case LOG_DELIVER:
	case LOG_SENT:
	case LOG_UNSURE:
		return take_message(history, session, record);
	case LOG_CORRUPT:
		take_corrupt(history, session, record);
		break;
	case LOG_ERROR:
		session->errors++;
		break;
	case LOG_RETRY:
		session->retries = record->count;
		break;
	case LOG_DEAD:
		session->end = SESSION_DEAD;
		break;
	case LOG_END:
		session->end = SESSION_ENDED;
		break;
	case LOG_START:
		break;
	}
	return NULL;
}

const char *history_record(struct history *history, uint32_t file, const struct log_record *record)
{
	struct session *session = NULL;

	if (record->type == LOG_START)
		return take_start(history, file, record);
	if (history->session_count > 0)
		session = &history->sessions[history->session_count - 1];
	if (session == NULL || session->file != file)
		return "no START record";
	if (session->end != SESSION_KILLED)
		return "a record after the end of a session";
	if (after_leave(session, record->type))
		return NULL;
	return take_in_session(history, session, record);
}

void history_verify(struct history *history, const struct verify_options *options,
		    struct verify_result *result)
{
	size_t i;

	memset(result, 0, sizeof(*result));
	for (i = 0; i < history->session_count; i++)
		result->deliveries += history->sessions[i].delivered;
	for (i = 0; i < history_messages(history); i++)
		result->messages += (history->flags[i] & MESSAGE_DELIVERED) != 0;
	for (i = 0; i < history->sender_count; i++)
		result->absent += history->senders[i].session == NONE;
	for (i = 0; i < history->rings.count; i++) {
		result->changes += (history->ring_flags[i] & RING_CHANGE) != 0;
		result->in_flight += (history->ring_flags[i] & RING_IN_FLIGHT) != 0;
	}
	verify_sessions(history);
	verify_views(history, options, result);
	verify_order(history);
	verify_sent(history);
}
