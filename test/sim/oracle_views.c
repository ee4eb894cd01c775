/* SPDX-License-Identifier: BSD-3-Clause */
/* Views, as each session hears them. */
#include <string.h>

#include "oracle_internal.h"

/* A list of an old library that has this many entries may be one of several. */
#define SLICE_MIN 100u

/* Where `address` is in the view, or would be. */
static size_t view_position(const struct session *session, uint64_t address)
{
	size_t low = 0, high = session->view_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (session->view[middle].address < address) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct seen_member *view_find(const struct session *session, uint64_t address)
{
	size_t at = view_position(session, address);

	return at < session->view_count && session->view[at].address == address ? &session->view[at] : NULL;
}

static bool view_add(struct session *session, uint64_t address, uint32_t reason)
{
	size_t at = view_position(session, address);

	if (at < session->view_count && session->view[at].address == address) {
		return false;
	}
	session->view = sim_grow(session->view, &session->view_capacity, session->view_count + 1,
				 sizeof(struct seen_member));
	memmove(&session->view[at + 1], &session->view[at],
		(session->view_count - at) * sizeof(struct seen_member));
	session->view[at] = (struct seen_member){.address = address,
						 .reason = reason,
						 .since_totem = session->totems,
						 .since = earliest_activation(session)};
	session->view_count++;
	session->view_hash ^= member_hash(address);
	return true;
}

static bool view_remove(struct session *session, uint64_t address)
{
	size_t at = view_position(session, address);

	if (at == session->view_count || session->view[at].address != address) {
		return false;
	}
	session->view_count--;
	memmove(&session->view[at], &session->view[at + 1],
		(session->view_count - at) * sizeof(struct seen_member));
	session->view_hash ^= member_hash(address);
	return true;
}

struct segment *segment_now(const struct session *session)
{
	return &session->segments[session->segment_count - 1];
}

void segment_begin(struct session *session, size_t activation, bool by_join)
{
	session->segments = sim_grow(session->segments, &session->segment_capacity,
				     session->segment_count + 1, sizeof(struct segment));
	session->segments[session->segment_count++] = (struct segment){.activation = activation,
								       .by_join = by_join,
								       .first = session->key_count,
								       .start_view = session->view_hash};
}

void heard(struct session *session, uint64_t key, uint64_t view, bool is_message)
{
	session->keys = sim_grow(session->keys, &session->key_capacity, session->key_count + 1,
				 sizeof(struct heard_key));
	session->keys[session->key_count++] =
		(struct heard_key){.key = key, .view = view, .is_message = is_message};
	segment_now(session)->count++;
}

static void add_node(uint32_t **list, size_t *count, size_t *capacity, uint32_t nodeid)
{
	if (*count && (*list)[*count - 1] == nodeid) {
		return;
	}
	*list = sim_grow(*list, capacity, *count + 1, sizeof(uint32_t));
	(*list)[(*count)++] = nodeid;
}

static bool reason_holds(struct oracle *oracle, const struct session *session,
			 const struct oracle_address *entry)
{
	const struct deeds *deeds = deeds_of(oracle, address_of(entry->nodeid, entry->pid), session->group);

	switch (entry->reason) {
	case REASON_JOIN:
		return deeds->joins > 0;
	case REASON_LEAVE:
		return deeds->leaves > 0;
	case REASON_PROCDOWN:
		return deeds->leaves + deeds->deaths > 0;
	case REASON_NODEUP:
	case REASON_NODEDOWN:
		return entry->nodeid != session->nodeid;
	default:
		return false;
	}
}

/* No process joins or leaves oftener than it asked for. */
static bool is_told_again(struct oracle *oracle, uint32_t at, const struct oracle_address *entry)
{
	const struct session *session = &oracle->sessions[at];
	const struct deeds *deeds = deeds_of(oracle, address_of(entry->nodeid, entry->pid), session->group);

	switch (entry->reason) {
	case REASON_JOIN:
		return ++*told_of(oracle, at, deeds, true) > deeds->joins;
	case REASON_LEAVE:
		return ++*told_of(oracle, at, deeds, false) > deeds->leaves;
	default:
		return false;
	}
}

static bool is_absent(struct oracle *oracle, const struct session *session,
		      const struct oracle_address *entry)
{
	return entry->reason == REASON_PROCDOWN &&
	       deeds_of(oracle, address_of(entry->nodeid, entry->pid), session->group)->deaths == 0;
}

static void check_entries(struct oracle *oracle, uint32_t at, const struct oracle_address *entries,
			  size_t count, bool joined)
{
	struct session *session = &oracle->sessions[at];
	size_t i;

	for (i = 0; i < count; i++) {
		const struct oracle_address *entry = &entries[i];
		bool in_reasons = entry->reason == REASON_JOIN || entry->reason == REASON_NODEUP;
		uint64_t address = address_of(entry->nodeid, entry->pid);

		if (in_reasons != joined || entry->reason != entries[0].reason ||
		    !reason_holds(oracle, session, entry) || is_told_again(oracle, at, entry)) {
			oracle_judge(oracle, is_stock(oracle, session), ORACLE_REASON,
				     "session %u of node %u: process %u of node %u %s with reason %u", at,
				     session->nodeid, entry->pid, entry->nodeid, joined ? "joined" : "left",
				     entry->reason);
		}
		if (entry->reason == REASON_PROCDOWN || entry->reason == REASON_LEAVE) {
			check_last_words(oracle, at, address, entry->reason);
		}
		if (!(joined ? view_add(session, address, entry->reason) : view_remove(session, address)) &&
		    !session->incomplete) {
			oracle_fail(oracle, ORACLE_DELTA, "session %u of node %u: process %u of node %u %s",
				    at, session->nodeid, entry->pid, entry->nodeid,
				    joined ? "joined, but was a member" : "left, but was no member");
		}
		session->absent_told |= is_absent(oracle, session, entry);
		if (entry->reason == REASON_NODEDOWN) {
			add_node(&session->down, &session->down_count, &session->down_capacity,
				 entry->nodeid);
		} else if (entry->reason == REASON_NODEUP) {
			add_node(&session->up, &session->up_count, &session->up_capacity, entry->nodeid);
		}
	}
}

/* An old library's lists are full: more of the same change may follow. */
static bool is_slice(const struct session *session, size_t entries)
{
	return session->old && entries >= SLICE_MIN;
}

static void check_members(struct oracle *oracle, uint32_t at, const struct oracle_view *view)
{
	struct session *session = &oracle->sessions[at];
	bool cut = session->old && (session->incomplete || session->view_count > ORACLE_OLD_MEMBERS ||
				    is_slice(session, view->joined_count + view->left_count));
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < view->member_count; i++) {
		hash ^= member_hash(address_of(view->members[i].nodeid, view->members[i].pid));
		if (view->members[i].reason != 0) {
			oracle_fail(oracle, ORACLE_REASON, "session %u: a plain member with reason %u", at,
				    view->members[i].reason);
		}
	}
	if (cut) {
		if (view->member_count > ORACLE_OLD_MEMBERS) {
			oracle_fail(oracle, ORACLE_DELTA, "session %u: %zu members for an old library", at,
				    view->member_count);
		}
	} else if (view->member_count != session->view_count || hash != session->view_hash) {
		oracle_fail(oracle, ORACLE_DELTA,
			    "session %u of node %u: %zu members, %zu are what was told so far%s", at,
			    session->nodeid, view->member_count, session->view_count,
			    view->member_count == session->view_count ? ", but others" : "");
	}
}

static bool lists(const struct oracle_address *entries, size_t count, uint64_t address)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (address_of(entries[i].nodeid, entries[i].pid) == address) {
			return true;
		}
	}
	return false;
}

/* The first view of a session is its own join, the last its own leave; between them it is always a member. */
static bool check_self(struct oracle *oracle, uint32_t at, const struct oracle_view *view)
{
	struct session *session = &oracle->sessions[at];
	uint64_t self = address_of(session->nodeid, session->pid);
	bool left = lists(view->left, view->left_count, self);

	if (lists(view->joined, view->joined_count, self) != !session->started) {
		oracle_fail(oracle, ORACLE_SELF, "session %u of node %u: %s", at, session->nodeid,
			    session->started ? "joined again" : "its first view is not its join");
	}
	if (left ? view->left[0].reason != REASON_LEAVE || !session->leaving : false) {
		oracle_fail(oracle, ORACLE_SELF, "session %u of node %u is told that it left, reason %u", at,
			    session->nodeid, view->left[0].reason);
	}
	if (lists(view->members, view->member_count, self) == left) {
		oracle_fail(oracle, ORACLE_SELF, "session %u of node %u is %s", at, session->nodeid,
			    left ? "a member of the view that it left" : "not in its own view");
	}
	return left;
}

/* NODEDOWN once, NODEUP once and behind it, totem_confchg behind both, nothing else between them. */
static bool check_change(struct oracle *oracle, uint32_t at, uint32_t reason, size_t entries)
{
	struct session *session = &oracle->sessions[at];
	bool goes_on = session->last_reason == reason && is_slice(session, session->last_size) &&
		       (reason == REASON_NODEDOWN || reason == REASON_NODEUP || reason == REASON_PROCDOWN);

	if (!goes_on && ((reason == REASON_NODEDOWN && (session->down_told || session->up_told)) ||
			 (reason == REASON_NODEUP && session->up_told))) {
		oracle_fail(oracle, ORACLE_CONFCHG_COUNT, "session %u of node %u: %s again in one change", at,
			    session->nodeid, reason == REASON_NODEUP ? "NODEUP" : "NODEDOWN");
	}
	if (reason == REASON_JOIN || reason == REASON_LEAVE) {
		check_told(oracle, at, reason == REASON_JOIN ? "a join" : "a leave");
	}
	session->down_told |= reason == REASON_NODEDOWN;
	session->up_told |= reason == REASON_NODEUP;
	session->last_reason = reason;
	session->last_size = entries;
	return goes_on;
}

static uint64_t sum_of(const struct oracle_address *entries, size_t count)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		sum += member_hash(address_of(entries[i].nodeid, entries[i].pid));
	}
	return sum;
}

static void remember_view(struct session *session, const struct oracle_view *view, uint32_t reason,
			  bool goes_on)
{
	uint64_t sum = sum_of(view->joined, view->joined_count) + sum_of(view->left, view->left_count);

	if (goes_on && segment_now(session)->count) {
		session->key_count--;
		segment_now(session)->count--;
		sum += session->last_sum;
	}
	session->last_sum = sum;
	heard(session, oracle_mix(sum ^ reason), session->incomplete ? 0 : session->view_hash, false);
}

bool oracle_hears_view(struct oracle *oracle, uint32_t at, const struct oracle_view *view)
{
	struct session *session = &oracle->sessions[at];
	uint32_t reason;
	bool left, goes_on;

	oracle->totals.views++;
	if ((view->joined_count == 0) == (view->left_count == 0)) {
		oracle_fail(oracle, ORACLE_CONFCHG_COUNT,
			    "session %u: %zu joined and %zu left in one confchg", at, view->joined_count,
			    view->left_count);
		return false;
	}
	reason = view->joined_count ? view->joined[0].reason : view->left[0].reason;
	if ((reason == REASON_JOIN || reason == REASON_LEAVE) && view->joined_count + view->left_count != 1) {
		oracle_fail(oracle, ORACLE_CONFCHG_COUNT,
			    "session %u: %zu processes joined and %zu left, each by itself, in one confchg",
			    at, view->joined_count, view->left_count);
	}
	left = check_self(oracle, at, view);
	if (!session->started) {
		size_t i;

		session->started = true;
		session->incomplete = session->old && view->member_count == ORACLE_OLD_MEMBERS;
		for (i = 0; i < view->member_count; i++) {
			if (!lists(view->joined, view->joined_count,
				   address_of(view->members[i].nodeid, view->members[i].pid))) {
				view_add(session, address_of(view->members[i].nodeid, view->members[i].pid),
					 0);
			}
		}
		segment_begin(session, NO_ACTIVATION, true);
	}
	goes_on = check_change(oracle, at, reason, view->joined_count + view->left_count);
	check_entries(oracle, at, view->joined, view->joined_count, true);
	check_entries(oracle, at, view->left, view->left_count, false);
	check_members(oracle, at, view);
	remember_view(session, view, reason, goes_on);
	if (left) {
		check_self_delivery(oracle, at, session->accepted_at_leave);
		session->over = true;
		session_end(oracle, session);
	}
	return left;
}
