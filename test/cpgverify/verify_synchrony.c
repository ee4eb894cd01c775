/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual synchrony itself: who passes from one view to the same next view, together, delivers the same
 * messages between them. Their order is verify_order.c's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "verify_view.h"

/* What a session delivered between two views. */
struct segment {
	uint32_t passage;  /* of the first view */
	size_t begin, end; /* events */
	bool counted;	   /* its allowed losses are in the result */
};

struct crossing {
	uint32_t from, to;
	uint32_t survivors; /* NONE within a ring */
	uint32_t zero;
};

/* One way in which survivors came into the begin of a ring. */
struct arrival {
	uint32_t from, survivors;
	uint32_t session;
	uint32_t next; /* arrival at the same view */
};

struct compare {
	struct history *history;
	struct views *views;
	bool stock;
	struct verify_result *result;
	struct intern crossings;
	struct segment *segments; /* by number of the crossing: the first seen */
	size_t segment_capacity;
	struct arrival *arrivals;
	size_t arrival_count, arrival_capacity;
	uint32_t *first_arrival; /* by view */
	uint32_t *marks;	 /* by message: in the segment of this stamp */
	uint32_t stamp;
};

static const struct session *session_of(const struct compare *compare, const struct segment *segment)
{
	return &compare->history->sessions[compare->views->passages[segment->passage].session];
}

static bool is_message(uint32_t event)
{
	return (event & EVENT_KIND) == EVENT_MESSAGE || (event & EVENT_KIND) == EVENT_REPEAT;
}

static size_t skip_to_message(const struct session *session, size_t at, size_t end)
{
	while (at < end && !is_message(session->events[at]))
		at++;
	return at;
}

static bool equal(const struct compare *compare, const struct segment *left, const struct segment *right)
{
	const struct session *a = session_of(compare, left), *b = session_of(compare, right);
	size_t i = left->begin, j = right->begin;

	for (;; i++, j++) {
		i = skip_to_message(a, i, left->end);
		j = skip_to_message(b, j, right->end);
		if (i == left->end || j == right->end)
			return i == left->end && j == right->end;
		if (a->events[i] != b->events[j])
			return false;
	}
}

/*
 * The first message of the sender that the session delivered in this passage has a later number, or there is
 * none.
 */
static bool began_later(const struct compare *compare, const struct segment *segment, uint32_t message)
{
	const struct history *history = compare->history;
	const struct passage *passage = &compare->views->passages[segment->passage];
	const struct session *session = session_of(compare, segment);
	size_t at = compare->views->steps[passage->first_step].event;
	uint32_t sender = message_sender(history, message);

	for (; at < session->event_count; at++) {
		uint32_t event = session->events[at];

		if (is_message(event) && message_sender(history, event & EVENT_INDEX) == sender)
			return message_seq(history, event & EVENT_INDEX) > message_seq(history, message);
	}
	return true;
}

/*
 * In a ring with stock's wire format, those that were not in the sender's previous ring may miss what waited
 * in its totem queue: the first messages that they could get from it in the new ring, and nothing behind
 * them.
 */
static bool loss_allowed(const struct compare *compare, const struct segment *segment, uint32_t message)
{
	const struct passage *passage = &compare->views->passages[segment->passage];
	const struct sender *sender = &compare->history->senders[message_sender(compare->history, message)];

	if (!compare->stock || sender->nodeid == session_of(compare, segment)->nodeid)
		return false;
	if (passage->anchored && list_has(compare->history, passage->survivors, sender->nodeid, sender->pid))
		return false;
	return began_later(compare, segment, message);
}

static void mark_segment(struct compare *compare, const struct segment *segment)
{
	const struct session *session = session_of(compare, segment);
	size_t i;

	compare->stamp++;
	for (i = segment->begin; i < segment->end; i++)
		if (is_message(session->events[i]))
			compare->marks[session->events[i] & EVENT_INDEX] = compare->stamp;
}

static void report_missing(struct compare *compare, const struct segment *has, const struct segment *lacks,
			   uint64_t count, uint32_t first)
{
	const struct history *history = compare->history;
	const struct session *a = session_of(compare, has), *b = session_of(compare, lacks);
	const struct sender *sender = &history->senders[message_sender(history, first)];

	report_add(history->report, VIOLATION_SYNCHRONY,
		   "node %u pid %u and node %u pid %u pass from the same view to the same next view, but the "
		   "second misses %" PRIu64 " of the first's messages there: message %" PRIu64
		   " of node %u pid %u is the first",
		   a->nodeid, a->pid, b->nodeid, b->pid, count, message_seq(history, first), sender->nodeid,
		   sender->pid);
}

/* Reports what one has and the other has not. */
static void find_missing(struct compare *compare, const struct segment *has, struct segment *lacks)
{
	const struct session *session = session_of(compare, has);
	uint64_t missing = 0, allowed = 0;
	uint32_t message, first = NONE;
	size_t i;

	mark_segment(compare, lacks);
	for (i = has->begin; i < has->end; i++) {
		message = session->events[i] & EVENT_INDEX;
		if (!is_message(session->events[i]) || compare->marks[message] == compare->stamp)
			continue;
		if (loss_allowed(compare, lacks, message)) {
			allowed++;
			continue;
		}
		missing++;
		first = first == NONE ? message : first;
	}
	if (missing > 0)
		report_missing(compare, has, lacks, missing, first);
	if (!lacks->counted)
		compare->result->allowed += allowed;
	lacks->counted = true;
}

static void cross(struct compare *compare, const struct crossing *crossing, struct segment *segment)
{
	size_t known = compare->crossings.count;
	uint32_t number = intern_add(&compare->crossings, crossing, sizeof(*crossing));

	compare->segments = memory_grow(compare->segments, &compare->segment_capacity,
					compare->crossings.count, sizeof(*compare->segments));
	if (number == known) {
		compare->segments[number] = *segment;
	} else if (!equal(compare, &compare->segments[number], segment)) {
		find_missing(compare, &compare->segments[number], segment);
		find_missing(compare, segment, &compare->segments[number]);
	}
}

static bool overlap(const struct history *history, uint32_t left, uint32_t right)
{
	const struct address *at;
	size_t count, i;

	at = list_get(history, left, &count);
	for (i = 0; i < count; i++)
		if (list_has(history, right, at[i].nodeid, at[i].pid))
			return true;
	return false;
}

/* Who comes along with whom is mutual: ways into a ring are equal or have no survivor in common. */
static void arrive(struct compare *compare, const struct crossing *crossing, uint32_t session)
{
	const struct session *mine = &compare->history->sessions[session], *other;
	struct arrival *arrival;
	uint32_t at;

	compare->arrivals = memory_grow(compare->arrivals, &compare->arrival_capacity,
					compare->arrival_count + 1, sizeof(*compare->arrivals));
	for (at = compare->first_arrival[crossing->to]; at != NONE; at = compare->arrivals[at].next) {
		arrival = &compare->arrivals[at];
		if (arrival->from == crossing->from && arrival->survivors == crossing->survivors)
			return;
		other = &compare->history->sessions[arrival->session];
		if (overlap(compare->history, arrival->survivors, crossing->survivors))
			report_add(
				compare->history->report, VIOLATION_DISAGREE,
				"node %u pid %u and node %u pid %u do not agree on who came with them into a "
				"ring, or from which view",
				other->nodeid, other->pid, mine->nodeid, mine->pid);
	}
	arrival = &compare->arrivals[compare->arrival_count];
	*arrival = (struct arrival){crossing->from, crossing->survivors, session,
				    compare->first_arrival[crossing->to]};
	compare->first_arrival[crossing->to] = (uint32_t)compare->arrival_count++;
}

static void compare_step(struct compare *compare, uint32_t passage, const struct step *step,
			 uint32_t next_passage, const struct step *next)
{
	const struct passage *entered = &compare->views->passages[next_passage];
	struct crossing crossing = {.from = step->view, .to = next->view, .survivors = NONE};
	struct segment segment = {.passage = passage, .begin = step->event + 1, .end = next->event};

	if (step->view == NONE || next->view == NONE)
		return;
	if (next_passage != passage) {
		crossing.survivors = entered->survivors;
		arrive(compare, &crossing, entered->session);
	}
	cross(compare, &crossing, &segment);
}

static void compare_passage(struct compare *compare, uint32_t number)
{
	const struct views *views = compare->views;
	const struct passage *passage = &views->passages[number];
	const struct step *step = &views->steps[passage->first_step];
	size_t i;

	for (i = 0; i + 1 < passage->step_count; i++)
		compare_step(compare, number, &step[i], number, &step[i + 1]);
	if (number + 1 < views->passage_count && passage[1].session == passage->session)
		compare_step(compare, number, &step[i], number + 1, &step[i + 1]);
}

void views_compare(struct history *history, struct views *views, const struct verify_options *options,
		   struct verify_result *result)
{
	struct compare compare = {.history = history, .views = views, .result = result};
	uint32_t i;

	compare.stock = options->stock;
	compare.marks = memory_new(history_messages(history), sizeof(*compare.marks));
	compare.first_arrival = memory_new(views->view_count, sizeof(*compare.first_arrival));
	memset(compare.first_arrival, 0xff, views->view_count * sizeof(*compare.first_arrival));
	for (i = 0; i < views->passage_count; i++)
		compare_passage(&compare, i);
	intern_clear(&compare.crossings);
	free(compare.segments);
	free(compare.arrivals);
	free(compare.first_arrival);
	free(compare.marks);
}

void verify_views(struct history *history, const struct verify_options *options, struct verify_result *result)
{
	struct views views = {0};

	views_split(history, &views);
	views_align(history, &views);
	views_compare(history, &views, options, result);
	result->views = views.view_count;
	free(views.passages);
	free(views.steps);
}
