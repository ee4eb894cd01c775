/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages and totem_confchgs, as each session hears them. */
#include <string.h>

#include "oracle_internal.h"

/* ---- messages ---- */

/* A mixed ring may have lost the sender's join, which then comes late, and what it sent behind that. */
static bool joined_by_mixed(const struct oracle *oracle, const struct session *from)
{
	const struct oracle_node *node = &oracle->nodes[from->node];

	return node->count && met_mixed(node, from->began_in ? from->began_in - 1 : 0, node->count - 1);
}

/*
 * Who was in the view since it heard this sender's last message, or its join, has missed nothing. Where its node lacks a batch
 * the next one of the same sender shows it, and nothing of that is taken: there is no hole either.
 */
static void check_loss(struct oracle *oracle, uint32_t at, struct seen_member *member, uint32_t sender,
		       uint64_t number)
{
	const struct session *session = &oracle->sessions[at];
	uint64_t expected = number;
	bool late = false;

	if (member->sender == sender) {
		expected = member->last + 1;
	} else if (member->reason == REASON_JOIN) {
		expected = 1;
		late = joined_by_mixed(oracle, &oracle->sessions[sender]);
	}
	if (number > expected) {
		oracle_judge(oracle,
			     late || met_stock(&oracle->nodes[session->node], member->since,
					       latest_activation(oracle, session)),
			     ORACLE_LOSS,
			     "session %u of node %u hears message %llu of session %u of node %u, not %llu",
			     at, session->nodeid, (unsigned long long)number, sender,
			     oracle->sessions[sender].nodeid, (unsigned long long)expected);
	}
	member->sender = sender;
	member->last = number;
	member->since = earliest_activation(session);
}

/* 0: it is not known which of its sessions it is. */
static uint32_t session_of(struct oracle *oracle, const struct session *session,
			   const struct seen_member *member)
{
	const struct deeds *deeds = deeds_of(oracle, member->address, session->group);

	if (member->sender) {
		return member->sender;
	}
	return member->reason == REASON_JOIN && deeds->joins == 1 ? deeds->newest : 0;
}

/* How many messages of it everybody must have heard by the time that it goes. */
static uint64_t owed_by(const struct session *from, uint32_t reason)
{
	if (reason == REASON_LEAVE) {
		return from->leaving ? from->accepted_at_leave : 0;
	}
	return from->all_taken ? from->accepted : 0;
}

void check_last_words(struct oracle *oracle, uint32_t at, uint64_t address, uint32_t reason)
{
	const struct session *session = &oracle->sessions[at];
	const struct seen_member *member = view_find(session, address);
	uint32_t sender = member ? session_of(oracle, session, member) : 0;
	const struct session *from = &oracle->sessions[sender];
	uint64_t last = member && member->sender ? member->last : 0;

	if (sender && sender != at && last < owed_by(from, reason)) {
		oracle_judge(oracle,
			     met_mixed(&oracle->nodes[session->node], member->since,
				       latest_activation(oracle, session)),
			     ORACLE_LOSS,
			     "session %u of node %u hears of the %s of session %u of node %u after its "
			     "message %llu of %llu",
			     at, session->nodeid, reason == REASON_LEAVE ? "leave" : "death", sender,
			     from->nodeid, (unsigned long long)last,
			     (unsigned long long)owed_by(from, reason));
	}
}

void check_told(struct oracle *oracle, uint32_t at, const char *what)
{
	const struct session *session = &oracle->sessions[at];

	if (session->down_told || session->up_told) {
		oracle_fail(oracle, ORACLE_TOTEM_CONFCHG,
			    "session %u of node %u: %s, and no totem_confchg behind NODE%s", at,
			    session->nodeid, what, session->up_told ? "UP" : "DOWN");
	}
	if (session->wants_totem && session->segment_count && segment_now(session)->count) {
		oracle_judge(oracle, is_stock(oracle, session), ORACLE_TOTEM_CONFCHG,
			     "session %u of node %u: %s, and no totem_confchg behind its first view", at,
			     session->nodeid, what);
	}
	if (session->absent_told) {
		oracle_judge(oracle, is_stock(oracle, session), ORACLE_REASON,
			     "session %u of node %u: %s, and PROCDOWN of one that left was of no ring change",
			     at, session->nodeid, what);
	}
}

void oracle_hears_message(struct oracle *oracle, uint32_t at, uint32_t sender, uint32_t nodeid, uint32_t pid,
			  uint64_t number)
{
	struct session *session = &oracle->sessions[at];
	struct last_heard *last = last_of(oracle, at, sender);
	struct seen_member *member = view_find(session, address_of(nodeid, pid));
	const struct session *from = &oracle->sessions[sender];

	oracle->totals.messages++;
	if (from->nodeid != nodeid || from->pid != pid || from->group != session->group ||
	    number > from->accepted + from->offered) {
		oracle_fail(oracle, ORACLE_PAYLOAD,
			    "session %u hears message %llu of session %u (process %u of node %u) as from %u "
			    "of %u",
			    at, (unsigned long long)number, sender, from->pid, from->nodeid, pid, nodeid);
		return;
	}
	if (!session->started || (member == NULL && !session->incomplete)) {
		oracle_fail(oracle, ORACLE_NOT_IN_VIEW,
			    "session %u of node %u: message %llu of process %u of node %u", at,
			    session->nodeid, (unsigned long long)number, pid, nodeid);
		return;
	}
	check_told(oracle, at, "a message");
	if (number <= last->last) {
		oracle_fail(oracle, number == last->last ? ORACLE_DUPLICATE : ORACLE_FIFO,
			    "session %u of node %u: message %llu of session %u of node %u behind %llu", at,
			    session->nodeid, (unsigned long long)number, sender, nodeid,
			    (unsigned long long)last->last);
	} else {
		if (member) {
			check_loss(oracle, at, member, sender, number);
		}
		last->last = number;
		session->self_since = sender == at ? earliest_activation(session) : session->self_since;
	}
	session->last_reason = 0;
	heard(session, oracle_mix(address_of(sender, 0) ^ number), 0, true);
}

/* ---- totem_confchg ---- */

static bool has_node(const uint32_t *list, size_t count, uint32_t nodeid)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (list[i] == nodeid) {
			return true;
		}
	}
	return false;
}

/* The nodes of which NODEDOWN and NODEUP were told are those that left, or came. */
static void check_nodes(struct oracle *oracle, uint32_t at, size_t index)
{
	const struct session *session = &oracle->sessions[at];
	const struct oracle_node *node = &oracle->nodes[session->node];
	const struct activation *now = &node->activations[index];
	const struct activation *before = index ? now - 1 : NULL;
	size_t from = index ? index - 1 : 0, i;

	for (i = 0; i < session->down_count; i++) {
		if (!has_node(now->left, now->left_count, session->down[i])) {
			oracle_judge(oracle, is_stock(oracle, session), ORACLE_REASON,
				     "session %u of node %u: NODEDOWN of node %u, which did not leave", at,
				     session->nodeid, session->down[i]);
		}
	}
	for (i = 0; before && i < session->up_count; i++) {
		if (has_node(before->members, before->member_count, session->up[i]) &&
		    !has_node(now->left, now->left_count, session->up[i])) {
			oracle_judge(oracle, met_mixed(node, from, from) || is_stock(oracle, session),
				     ORACLE_REASON,
				     "session %u of node %u: NODEUP of node %u, which was there", at,
				     session->nodeid, session->up[i]);
		}
	}
	for (i = 0; now && i < session->view_count; i++) {
		const struct seen_member *member = &session->view[i];
		uint32_t nodeid = (uint32_t)(member->address >> 32);
		bool is_new = member->reason == REASON_NODEUP && member->since_totem == session->totems;

		if (!has_node(now->members, now->member_count, nodeid) ||
		    (has_node(now->left, now->left_count, nodeid) && !is_new)) {
			oracle_judge(oracle, is_stock(oracle, session), ORACLE_GHOST,
				     "session %u of node %u: process %u of node %u is still a member", at,
				     session->nodeid, (uint32_t)member->address, nodeid);
		}
	}
}

/* What a totem_confchg says. */
struct ring_told {
	uint64_t ring;
	const uint32_t *members;
	size_t member_count;
};

static bool is_of(const struct activation *activation, const struct ring_told *told)
{
	return activation->ring == told->ring && activation->member_count == told->member_count &&
	       (told->member_count == 0 ||
		memcmp(activation->members, told->members, told->member_count * sizeof(*told->members)) == 0);
}

static void change_told(struct session *session)
{
	session->down_told = session->up_told = session->absent_told = false;
	session->down_count = session->up_count = 0;
	session->last_reason = 0;
	session->totems++;
}

static size_t last_of_it(const struct oracle_node *node, size_t count, const struct ring_told *told)
{
	while (count > 0 && !is_of(&node->activations[count - 1], told)) {
		count--;
	}
	return count;
}

/*
 * Which of the node's first `count` activations, counted from 1, it is of; 0: of none. In a ring there are several when nodes are
 * seen to leave and to come back in it: it is the next.
 */
static size_t index_of(const struct oracle_node *node, const struct segment *segment, size_t count,
		       const struct ring_told *told)
{
	size_t next = segment->activation + 1;

	if (segment->activation != NO_ACTIVATION && next < count && is_of(&node->activations[next], told)) {
		return next + 1;
	}
	return last_of_it(node, count, told);
}

/* What it hears first behind its join may be of any of them. */
static bool is_vague(const struct oracle *oracle, const struct session *session, size_t count,
		     const struct ring_told *told)
{
	const struct oracle_node *node = &oracle->nodes[session->node];

	if (!oracle->late || session->segments[session->segment_count - 1].activation != NO_ACTIVATION) {
		return false;
	}
	count = last_of_it(node, count, told);
	return count > session->began_in && last_of_it(node, count - 1, told) >= session->began_in;
}

void oracle_hears_totem(struct oracle *oracle, uint32_t at, size_t told, uint64_t ring,
			const uint32_t *members, size_t member_count)
{
	const struct ring_told says = {.ring = ring, .members = members, .member_count = member_count};
	struct session *session = &oracle->sessions[at];
	const struct oracle_node *node = &oracle->nodes[session->node];
	size_t index;
	struct segment *segment;

	if (!session->started) {
		return; /* what is told before the join is nobody's business */
	}
	index = index_of(node, segment_now(session), told, &says);
	if (index-- == 0) {
		oracle_fail(oracle, ORACLE_TOTEM_CONFCHG,
			    "session %u of node %u: ring %llu of %zu members was not activated there", at,
			    session->nodeid, (unsigned long long)ring, member_count);
		return;
	}
	session->vague |= is_vague(oracle, session, told, &says);
	if (session->vague) {
		session->wants_totem = false;
		change_told(session);
		return;
	}
	segment = segment_now(session);
	if (session->wants_totem) {
		session->wants_totem = false;
		segment->activation = index;
		return;
	}
	if (segment->activation == NO_ACTIVATION && index > 0) {
		segment->activation = index - 1;
	}
	if (segment->activation + 1 != index) {
		oracle_fail(oracle, ORACLE_TOTEM_CONFCHG,
			    "session %u of node %u: ring %llu is activation %zu of its node, it was in %zu",
			    at, session->nodeid, (unsigned long long)ring, index, segment->activation);
	}
	check_nodes(oracle, at, index);
	change_told(session);
	segment_begin(session, index, false);
}
