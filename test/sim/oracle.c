/* SPDX-License-Identifier: BSD-3-Clause */
/* The oracle itself, what nodes and processes do, and the end: see oracle.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_internal.h"

static const char *const kind_names[ORACLE_KINDS] = {
	"payload", "not in view", "duplicate",	   "fifo",	    "loss",    "self-delivery", "delta",
	"self",	   "reason",	  "confchg count", "totem_confchg", "ghost",   "order",		"agreement",
	"view",	   "truth",	  "liveness",	   "answer",	    "context",
};

/* ---- the oracle itself ---- */

struct oracle *oracle_new(FILE *trace)
{
	struct oracle *oracle = sim_alloc(sizeof(*oracle));

	oracle->trace = trace;
	oracle->session_count = 1;
	oracle->sessions = sim_grow(NULL, &oracle->session_capacity, 1, sizeof(struct session));
	memset(oracle->sessions, 0, sizeof(struct session));
	return oracle;
}

static void node_free(struct oracle_node *node)
{
	size_t i;

	for (i = 0; i < node->count; i++) {
		free(node->activations[i].members);
		free(node->activations[i].left);
	}
	free(node->activations);
}

static void session_free(struct session *session)
{
	free(session->view);
	free(session->down);
	free(session->up);
	free(session->keys);
	free(session->segments);
}

void oracle_free(struct oracle *oracle)
{
	size_t i;

	for (i = 0; i < oracle->node_count; i++) {
		node_free(&oracle->nodes[i]);
	}
	for (i = 1; i < oracle->session_count; i++) {
		session_free(&oracle->sessions[i]);
	}
	free(oracle->nodes);
	free(oracle->sessions);
	free(oracle->last);
	free(oracle->deeds);
	free(oracle->first);
	free(oracle);
}

void oracle_tells_late(struct oracle *oracle)
{
	oracle->late = true;
}

const char *oracle_kind_name(enum oracle_kind kind)
{
	return kind_names[kind];
}

uint64_t oracle_seen(const struct oracle *oracle, enum oracle_kind kind)
{
	return oracle->seen[kind];
}

uint64_t oracle_weak(const struct oracle *oracle, enum oracle_kind kind)
{
	return oracle->weak[kind];
}

uint64_t oracle_violations(const struct oracle *oracle)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < ORACLE_KINDS; i++) {
		sum += oracle->seen[i];
	}
	return sum;
}

const char *oracle_first(const struct oracle *oracle)
{
	return oracle->first;
}

__attribute__((format(printf, 4, 0))) static void
fail(struct oracle *oracle, bool mixed, enum oracle_kind kind, const char *format, va_list arguments)
{
	char text[400];
	int length = snprintf(text, sizeof(text), "%s: ", kind_names[kind]);

	vsnprintf(text + length, sizeof(text) - (size_t)length, format, arguments);
	if (mixed) {
		oracle->weak[kind]++;
	} else {
		oracle->seen[kind]++;
	}
	if (oracle->first == NULL && !mixed) {
		oracle->first = strdup(text);
	}
	if (oracle->trace) {
		fprintf(oracle->trace, "  %s   %s\n", mixed ? "mixed ring" : "VIOLATION ", text);
	}
}

void oracle_fail(struct oracle *oracle, enum oracle_kind kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fail(oracle, false, kind, format, arguments);
	va_end(arguments);
}

void oracle_judge(struct oracle *oracle, bool mixed, enum oracle_kind kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fail(oracle, mixed, kind, format, arguments);
	va_end(arguments);
}

void oracle_totals(const struct oracle *oracle, struct oracle_totals *totals)
{
	*totals = oracle->totals;
	totals->sessions = oracle->session_count - 1;
}

uint64_t oracle_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

/* ---- nodes ---- */

uint32_t oracle_node(struct oracle *oracle, uint32_t nodeid, bool stock)
{
	struct oracle_node *node;

	oracle->nodes = sim_grow(oracle->nodes, &oracle->node_capacity, oracle->node_count + 1,
				 sizeof(struct oracle_node));
	node = &oracle->nodes[oracle->node_count];
	memset(node, 0, sizeof(*node));
	node->nodeid = nodeid;
	node->stock = stock;
	return (uint32_t)oracle->node_count++;
}

void oracle_node_gone(struct oracle *oracle, uint32_t node)
{
	oracle->nodes[node].gone = true;
}

static uint32_t *copy_ids(const uint32_t *ids, size_t count)
{
	uint32_t *copy = sim_alloc(count * sizeof(*ids));

	if (count) {
		memcpy(copy, ids, count * sizeof(*ids));
	}
	return copy;
}

void oracle_ring(struct oracle *oracle, uint32_t at, bool mixed)
{
	struct oracle_node *node = &oracle->nodes[at];

	node->through_mixed |= node->pending && node->mixed;
	node->pending = true;
	node->mixed = mixed;
}

void oracle_activation(struct oracle *oracle, uint32_t at, uint64_t ring, uint64_t path,
		       const uint32_t *members, size_t member_count, const uint32_t *left, size_t left_count)
{
	struct oracle_node *node = &oracle->nodes[at];

	node->activations =
		sim_grow(node->activations, &node->capacity, node->count + 1, sizeof(struct activation));
	node->activations[node->count++] = (struct activation){
		.ring = ring,
		.path = path,
		.members = copy_ids(members, member_count),
		.member_count = member_count,
		.left = copy_ids(left, left_count),
		.left_count = left_count,
		.mixed = node->mixed,
		.through_mixed = node->through_mixed,
		.missed = node->missed,
	};
	node->pending = node->through_mixed = false;
}

void oracle_exchange(struct oracle *oracle, uint32_t at, uint64_t stage, uint64_t path,
		     const uint32_t *members, size_t member_count, const uint32_t *left, size_t left_count)
{
	struct oracle_node *node = &oracle->nodes[at];
	uint64_t ring = node->activations[node->count - 1].ring;

	oracle_activation(oracle, at, ring, path, members, member_count, left, left_count);
	node->activations[node->count - 1].stage = stage;
}

void oracle_missed(struct oracle *oracle, uint32_t at, bool missed)
{
	struct oracle_node *node = &oracle->nodes[at];

	node->missed = missed;
	if (missed) {
		node->activations[node->count - 1].missed = true;
	}
}

void oracle_missed_change(struct oracle *oracle, uint32_t at)
{
	const struct oracle_node *node = &oracle->nodes[at];

	if (node->count > 1) {
		node->activations[node->count - 2].missed = true;
	}
}

size_t oracle_activations(const struct oracle *oracle, uint32_t node)
{
	return oracle->nodes[node].count;
}

bool met_mixed(const struct oracle_node *node, size_t from, size_t to)
{
	size_t i;

	for (i = from; i <= to && i < node->count; i++) {
		if (node->activations[i].missed) {
			return true;
		}
	}
	return met_stock(node, from, to);
}

bool met_stock(const struct oracle_node *node, size_t from, size_t to)
{
	size_t i;

	for (i = from; i <= to && i < node->count; i++) {
		if (node->activations[i].mixed || (i > from && node->activations[i].through_mixed)) {
			return true;
		}
	}
	if (to + 1 < node->count) {
		return node->activations[to + 1].through_mixed;
	}
	return node->through_mixed || (node->pending && node->mixed);
}

/* ---- sessions ---- */

bool is_stock(const struct oracle *oracle, const struct session *session)
{
	return oracle->nodes[session->node].stock;
}

size_t earliest_activation(const struct session *session)
{
	size_t heard = session->segment_count ? session->segments[session->segment_count - 1].activation
					      : NO_ACTIVATION;

	if (heard != NO_ACTIVATION) {
		return heard;
	}
	return session->began_in ? session->began_in - 1 : 0;
}

size_t latest_activation(const struct oracle *oracle, const struct session *session)
{
	size_t heard = session->segment_count ? session->segments[session->segment_count - 1].activation
					      : NO_ACTIVATION;
	size_t count = oracle->nodes[session->node].count;

	if (heard != NO_ACTIVATION) {
		return heard;
	}
	return count ? count - 1 : 0;
}

void session_end(struct oracle *oracle, struct session *session)
{
	if (session->ended == 0) {
		session->ended = ++oracle->moment;
		session->ended_in = oracle->nodes[session->node].count;
	}
}

uint32_t oracle_join(struct oracle *oracle, uint32_t node, uint32_t pid, unsigned int group, bool old)
{
	struct session *session;
	struct deeds *deeds;

	oracle->sessions = sim_grow(oracle->sessions, &oracle->session_capacity, oracle->session_count + 1,
				    sizeof(struct session));
	session = &oracle->sessions[oracle->session_count];
	memset(session, 0, sizeof(*session));
	session->node = node;
	session->nodeid = oracle->nodes[node].nodeid;
	session->pid = pid;
	session->group = group;
	session->old = old;
	session->began_in = oracle->nodes[node].count;
	deeds = deeds_of(oracle, address_of(session->nodeid, pid), group);
	session->self_since = earliest_activation(session);
	session->again = deeds->joins++ > 0;
	/* accepted again: its earlier leave was delivered before, even if not yet heard */
	if (deeds->newest && oracle->sessions[deeds->newest].ended == 0) {
		session_end(oracle, &oracle->sessions[deeds->newest]);
	}
	session->began = ++oracle->moment;
	deeds->newest = (uint32_t)oracle->session_count;
	return (uint32_t)oracle->session_count++;
}

void oracle_wants_totem_confchg(struct oracle *oracle, uint32_t session)
{
	oracle->sessions[session].wants_totem = true;
}

void oracle_leave(struct oracle *oracle, uint32_t at)
{
	struct session *session = &oracle->sessions[at];

	session->leaving = true;
	session->accepted_at_leave = session->accepted;
	deeds_of(oracle, address_of(session->nodeid, session->pid), session->group)->leaves++;
}

void oracle_dead(struct oracle *oracle, uint32_t at)
{
	struct session *session = &oracle->sessions[at];

	session->dead = true;
	session_end(oracle, session);
	deeds_of(oracle, address_of(session->nodeid, session->pid), session->group)->deaths++;
}

void oracle_all_taken(struct oracle *oracle, uint32_t session)
{
	oracle->sessions[session].all_taken = true;
}

uint64_t oracle_next(const struct oracle *oracle, uint32_t session)
{
	return oracle->sessions[session].accepted + 1;
}

void oracle_offer(struct oracle *oracle, uint32_t session)
{
	oracle->sessions[session].offered = true;
}

void oracle_accept(struct oracle *oracle, uint32_t at)
{
	struct session *session = &oracle->sessions[at];

	session->accepted++;
	session->offered = false;
}

/* ---- the end ---- */

void check_self_delivery(struct oracle *oracle, uint32_t at, uint64_t accepted)
{
	const struct session *session = &oracle->sessions[at];
	uint64_t last = last_of(oracle, at, at)->last;

	if (last < accepted) {
		oracle_judge(oracle,
			     met_mixed(&oracle->nodes[session->node], session->self_since,
				       latest_activation(oracle, session)),
			     ORACLE_SELF_DELIVERY,
			     "session %u of node %u heard its message %llu last, sent %llu", at,
			     session->nodeid, (unsigned long long)last, (unsigned long long)accepted);
	}
}

/* It runs stock's engine now. */
static bool node_is_stock(const struct oracle *oracle, uint32_t nodeid)
{
	size_t i = oracle->node_count;

	while (i > 0 && oracle->nodes[i - 1].nodeid != nodeid) {
		i--;
	}
	return i > 0 && oracle->nodes[i - 1].stock;
}

/* Members of a group, all of them and those on nodes that run our engine. */
struct membership {
	size_t count;
	uint64_t all, ours;
};

static void membership_add(const struct oracle *oracle, struct membership *membership, uint64_t address)
{
	membership->count++;
	membership->all ^= member_hash(address);
	if (!node_is_stock(oracle, (uint32_t)(address >> 32))) {
		membership->ours ^= member_hash(address);
	}
}

static struct membership members_there(const struct oracle *oracle, unsigned int group)
{
	struct membership there = {0};
	size_t i;

	for (i = 1; i < oracle->session_count; i++) {
		const struct session *session = &oracle->sessions[i];

		if (session->group == group && !session->dead && !session->leaving) {
			membership_add(oracle, &there, address_of(session->nodeid, session->pid));
		}
	}
	return there;
}

/* What stock's engine said wrongly of processes of its own, nobody can know better. */
static void check_members(struct oracle *oracle, size_t at)
{
	const struct session *session = &oracle->sessions[at];
	struct membership there = members_there(oracle, session->group), seen = {0};
	size_t i;

	for (i = 0; i < session->view_count; i++) {
		membership_add(oracle, &seen, session->view[i].address);
	}
	if (seen.all != there.all && !session->incomplete) {
		oracle_judge(oracle, is_stock(oracle, session) || seen.ours == there.ours, ORACLE_TRUTH,
			     "session %zu of node %u sees %zu members, there are %zu", at, session->nodeid,
			     seen.count, there.count);
	}
}

/* It is there, and knows all of its group. */
static bool is_at_rest(const struct session *session)
{
	return session->started && !session->dead && !session->leaving && !session->incomplete;
}

/* Of stock nodes' processes that it sees. */
static uint64_t sees_of_stock(const struct oracle *oracle, const struct session *session)
{
	struct membership seen = {0};
	size_t i;

	for (i = 0; i < session->view_count; i++) {
		membership_add(oracle, &seen, session->view[i].address);
	}
	return seen.all ^ seen.ours;
}

/* The first one at rest of this group, on a node with our engine. */
static const struct session *first_of_ours(const struct oracle *oracle, unsigned int group)
{
	size_t i;

	for (i = 1; i < oracle->session_count; i++) {
		const struct session *session = &oracle->sessions[i];

		if (session->group == group && is_at_rest(session) && !is_stock(oracle, session)) {
			return session;
		}
	}
	return NULL;
}

/* Whatever stock's engine said of its processes, ours agree on it. */
static void check_ours_agree(struct oracle *oracle, size_t at)
{
	const struct session *session = &oracle->sessions[at];
	const struct session *first = first_of_ours(oracle, session->group);

	if (is_at_rest(session) && !is_stock(oracle, session) &&
	    sees_of_stock(oracle, session) != sees_of_stock(oracle, first)) {
		oracle_fail(oracle, ORACLE_VIEW,
			    "session %zu of node %u sees others of stock nodes than session %zu of node %u",
			    at, session->nodeid, (size_t)(first - oracle->sessions), first->nodeid);
	}
}

/* Whatever ring change its node went through last, it was told all of it. */
static void check_last_change(struct oracle *oracle, size_t at)
{
	const struct session *session = &oracle->sessions[at];
	const struct oracle_node *node = &oracle->nodes[session->node];
	size_t heard = session->segment_count ? session->segments[session->segment_count - 1].activation
					      : NO_ACTIVATION;

	check_told(oracle, (uint32_t)at, "the end");
	if (heard != NO_ACTIVATION && heard + 1 != node->count) {
		oracle_judge(oracle, is_stock(oracle, session), ORACLE_TOTEM_CONFCHG,
			     "session %zu of node %u heard of %zu of its node's %zu rings", at,
			     session->nodeid, heard + 1, node->count);
	}
}

static void check_truth(struct oracle *oracle)
{
	size_t i;

	for (i = 1; i < oracle->session_count; i++) {
		struct session *session = &oracle->sessions[i];

		if (session->dead || session->leaving) {
			continue;
		}
		if (!session->started) {
			oracle_judge(oracle, is_stock(oracle, session), ORACLE_LIVENESS,
				     "session %zu of node %u never heard of its join", i, session->nodeid);
			continue;
		}
		check_self_delivery(oracle, (uint32_t)i, session->accepted);
		check_last_change(oracle, i);
		check_members(oracle, i);
		check_ours_agree(oracle, i);
	}
}

void oracle_finish(struct oracle *oracle)
{
	size_t i;

	for (i = 1; i < oracle->session_count; i++) {
		const struct session *session = &oracle->sessions[i];

		if (!session->dead && session->leaving && !session->over) {
			oracle_judge(oracle, is_stock(oracle, session), ORACLE_LIVENESS,
				     "session %zu of node %u never heard of its leave", i, session->nodeid);
		}
	}
	check_truth(oracle);
	oracle_compare(oracle);
}
