/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comparison of histories at the end.
 *
 * All segments of one group in one ring are windows of one total order. Among nodes that went on together they end
 * at the same point, so a longer one ends with all of a shorter one; who left or died earlier has a window that
 * matches where it overlaps. Nodes that went different ways may differ behind the first message that one side
 * never got; what both heard has one order still.
 */
#include <stdlib.h>
#include <string.h>

#include "oracle_internal.h"

enum { PATH_NONE = 0, PATH_END = 1 };

struct window {
	uint64_t ring, stage, path; /* path: which way its node went on; PATH_NONE: it crashed */
	unsigned int group;
	uint32_t session;
	bool whole; /* it heard all that its node heard until then */
	bool by_join;
	bool mixed;
	bool stock;
	bool missed; /* its node lacked something, maybe from the beginning on */
	const struct heard_key *keys;
	size_t count;
	uint64_t start_view;
};

static int window_compare(const void *a, const void *b)
{
	const struct window *x = a, *y = b;

	if (x->group != y->group) {
		return x->group < y->group ? -1 : 1;
	}
	if (x->ring != y->ring) {
		return x->ring < y->ring ? -1 : 1;
	}
	if (x->stage != y->stage) {
		return x->stage < y->stage ? -1 : 1;
	}
	if (x->path != y->path) {
		return x->path < y->path ? -1 : 1;
	}
	return x->session < y->session ? -1 : x->session > y->session;
}

static uint64_t path_from(const struct oracle_node *node, size_t activation)
{
	uint64_t path = node->gone ? PATH_NONE : PATH_END;

	if (activation + 1 < node->count) {
		path = node->activations[activation + 1].path;
	}
	/* who lacks something goes a way of its own */
	return path != PATH_NONE && node->activations[activation].missed ? oracle_mix(path ^ node->nodeid)
									 : path;
}

/*
 * A join that no totem_confchg followed was in the ring of its node's last activation, if there was none from its
 * request to its end.
 */
static size_t activation_of(const struct oracle_node *node, const struct session *session,
			    const struct segment *segment)
{
	if (segment->activation != NO_ACTIVATION) {
		return segment->activation;
	}
	if (session->ended) {
		return session->began_in == session->ended_in && session->ended_in ? session->ended_in - 1
										   : NO_ACTIVATION;
	}
	return !node->gone && node->count ? node->count - 1 : NO_ACTIVATION;
}

static size_t collect(const struct oracle *oracle, struct window **windows)
{
	size_t count = 0, capacity = 0, i, j;

	*windows = NULL;
	for (i = 1; i < oracle->session_count; i++) {
		const struct session *session = &oracle->sessions[i];
		const struct oracle_node *node = &oracle->nodes[session->node];

		for (j = 0; j < session->segment_count && !session->vague; j++) {
			const struct segment *segment = &session->segments[j];
			bool is_last = j + 1 == session->segment_count;
			size_t activation = activation_of(node, session, segment);

			if (activation == NO_ACTIVATION) {
				continue;
			}
			*windows = sim_grow(*windows, &capacity, count + 1, sizeof(struct window));
			(*windows)[count] = (struct window){
				.ring = node->activations[activation].ring,
				.stage = node->activations[activation].stage,
				.path = path_from(node, activation),
				.group = session->group,
				.session = (uint32_t)i,
				.whole = !is_last || (!session->dead && !session->over && !node->gone),
				.by_join = segment->by_join,
				.mixed = met_mixed(node, activation, activation),
				.stock = node->stock,
				.missed = node->activations[activation].missed,
				.keys = session->keys + segment->first,
				.count = segment->count,
				.start_view = segment->start_view,
			};
			count++;
		}
	}
	return count;
}

static bool is_same(const struct heard_key *a, const struct heard_key *b)
{
	return a->key == b->key && (a->view == b->view || a->view == 0 || b->view == 0);
}

static bool same_keys(const struct heard_key *a, const struct heard_key *b, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!is_same(&a[i], &b[i])) {
			return false;
		}
	}
	return true;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* `late` begins somewhere in `early` and agrees with it from there to where one of them ends. */
static bool overlaps(const struct window *early, const struct window *late)
{
	size_t i;

	for (i = 0; i < early->count; i++) {
		if (is_same(&early->keys[i], &late->keys[0]) &&
		    same_keys(early->keys + i, late->keys, smaller(early->count - i, late->count))) {
			return true;
		}
	}
	return false;
}

static bool has_key(const struct window *window, const struct heard_key *key)
{
	size_t i;

	for (i = 0; i < window->count; i++) {
		if (is_same(&window->keys[i], key)) {
			return true;
		}
	}
	return false;
}

static bool is_disjoint(const struct window *a, const struct window *b)
{
	return !has_key(a, &b->keys[0]) && !has_key(b, &a->keys[0]);
}

static bool shares_message(const struct window *a, const struct window *b)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (a->keys[i].is_message && has_key(b, &a->keys[i])) {
			return true;
		}
	}
	return false;
}

/*
 * Views tell two windows apart only as long as nobody comes back: a process that joins a second time makes a view
 * that was there before.
 */
static bool is_ambiguous(const struct oracle *oracle, const struct window *a, const struct window *b)
{
	return (oracle->sessions[a->session].again || oracle->sessions[b->session].again) &&
	       !shares_message(a, b);
}

/* A window that ends early, beside one that is whole. */
static bool part_agrees(const struct oracle *oracle, const struct window *whole, const struct window *part)
{
	if (part->count == 0 || whole->count == 0) {
		return true;
	}
	if (!part->by_join && !whole->by_join) {
		return part->count <= whole->count && same_keys(whole->keys, part->keys, part->count);
	}
	return overlaps(whole, part) || overlaps(part, whole) || is_disjoint(whole, part) ||
	       is_ambiguous(oracle, whole, part);
}

static bool whole_agrees(const struct window *longest, const struct window *other)
{
	if (!other->by_join && other->count != longest->count) {
		return false;
	}
	return same_keys(longest->keys + longest->count - other->count, other->keys, other->count);
}

static const struct window *longest_of(const struct window *windows, size_t count)
{
	const struct window *longest = NULL;
	size_t i;

	for (i = 0; i < count; i++) {
		if (windows[i].whole && (longest == NULL || windows[i].count > longest->count)) {
			longest = &windows[i];
		}
	}
	return longest;
}

static void trace_window(const struct oracle *oracle, const struct window *window)
{
	size_t i;

	if (oracle->trace == NULL) {
		return;
	}
	fprintf(oracle->trace, "  session %u%s%s:", window->session, window->by_join ? " (joined)" : "",
		window->whole ? "" : " (part)");
	for (i = 0; i < window->count; i++) {
		fprintf(oracle->trace, " %c%04x", window->keys[i].is_message ? 'm' : 'v',
			(unsigned int)(window->keys[i].key & 0xffff));
	}
	fputc('\n', oracle->trace);
}

/* The one had ended when the other asked to join: nothing to compare. */
static bool is_earlier(const struct oracle *oracle, const struct window *part, const struct window *whole)
{
	uint64_t ended = oracle->sessions[part->session].ended;

	return whole->by_join && ended && ended < oracle->sessions[whole->session].began;
}

/* Windows of nodes that went on together. */
static void compare_cohort(struct oracle *oracle, const struct window *windows, size_t count)
{
	const struct window *longest = longest_of(windows, count);
	size_t i;

	for (i = 0; longest && i < count; i++) {
		const struct window *other = &windows[i];

		oracle->totals.compared++;
		if (!other->whole && is_earlier(oracle, other, longest)) {
			continue;
		}
		if (other->whole ? !whole_agrees(longest, other) : !part_agrees(oracle, longest, other)) {
			oracle_judge(oracle, other->mixed || longest->stock || other->stock, ORACLE_AGREEMENT,
				     "group %u, ring %llu: sessions %u (node %u) and %u (node %u) heard "
				     "different things",
				     other->group, (unsigned long long)other->ring, longest->session,
				     oracle->sessions[longest->session].nodeid, other->session,
				     oracle->sessions[other->session].nodeid);
			trace_window(oracle, longest);
			trace_window(oracle, other);
		}
	}
}

struct position {
	uint64_t key;
	size_t at;
};

static int position_compare(const void *a, const void *b)
{
	const struct position *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* What both heard, they heard in one order. */
static void compare_order(struct oracle *oracle, const struct window *a, const struct window *b)
{
	struct position *positions = sim_alloc(a->count * sizeof(*positions));
	size_t count = 0, last = 0, i;

	for (i = 0; i < a->count; i++) {
		if (a->keys[i].is_message) {
			positions[count++] = (struct position){.key = a->keys[i].key, .at = i + 1};
		}
	}
	qsort(positions, count, sizeof(*positions), position_compare);
	for (i = 0; i < b->count; i++) {
		struct position wanted = {.key = b->keys[i].key};
		const struct position *found =
			b->keys[i].is_message
				? bsearch(&wanted, positions, count, sizeof(*positions), position_compare)
				: NULL;

		if (found && found->at < last) {
			oracle_fail(
				oracle, ORACLE_ORDER,
				"group %u, ring %llu: sessions %u (node %u) and %u (node %u) heard the same "
				"messages in different order",
				a->group, (unsigned long long)a->ring, a->session,
				oracle->sessions[a->session].nodeid, b->session,
				oracle->sessions[b->session].nodeid);
			break;
		}
		last = found ? found->at : last;
	}
	free(positions);
}

static bool begins_in_ring(const struct oracle *oracle, const struct window *window)
{
	return !window->by_join && !window->missed && !oracle->sessions[window->session].incomplete;
}

/* Whose view at the beginning of the ring is what all others' must be: one of ours, if there is one. */
static const struct window *reference_start(const struct oracle *oracle, const struct window *windows,
					    size_t count)
{
	const struct window *reference = NULL;
	size_t i;

	for (i = 0; i < count; i++) {
		if (begins_in_ring(oracle, &windows[i]) &&
		    (reference == NULL || (reference->stock && !windows[i].stock))) {
			reference = &windows[i];
		}
	}
	return reference;
}

static void compare_starts(struct oracle *oracle, const struct window *windows, size_t count)
{
	const struct window *reference = reference_start(oracle, windows, count);
	size_t i;

	for (i = 0; i < count; i++) {
		if (begins_in_ring(oracle, &windows[i]) && reference->start_view != windows[i].start_view) {
			oracle_judge(oracle, windows[i].stock, ORACLE_VIEW,
				     "group %u: sessions %u (node %u) and %u (node %u) begin ring %llu with "
				     "different views",
				     reference->group, reference->session,
				     oracle->sessions[reference->session].nodeid, windows[i].session,
				     oracle->sessions[windows[i].session].nodeid,
				     (unsigned long long)reference->ring);
		}
	}
}

/* The windows of those who went one way; they begin at `begin`. Returns where they end. */
static size_t same_way(const struct window *windows, size_t count, size_t begin)
{
	size_t end = begin;

	while (end < count && windows[end].path == windows[begin].path) {
		end++;
	}
	return end;
}

/* Each way's longest history, and all of those who crashed, against the longest of each earlier way. */
static void compare_ways(struct oracle *oracle, const struct window *windows, size_t count,
			 const struct window *other)
{
	size_t begin = 0, end;

	for (; begin < count; begin = end) {
		const struct window *longest;

		end = same_way(windows, count, begin);
		longest = windows[begin].path == PATH_NONE ? NULL : longest_of(windows + begin, end - begin);
		if (longest) {
			compare_order(oracle, longest, other);
		}
	}
}

/* All windows of one group in one ring, sorted by path. */
static void compare_ring(struct oracle *oracle, const struct window *windows, size_t count)
{
	size_t begin = 0, end, i;

	compare_starts(oracle, windows, count);
	for (i = 0; i < count && windows[i].path == PATH_NONE; i++) {
		compare_ways(oracle, windows, count, &windows[i]);
	}
	for (begin = i; begin < count; begin = end) {
		const struct window *longest;

		end = same_way(windows, count, begin);
		compare_cohort(oracle, windows + begin, end - begin);
		longest = longest_of(windows + begin, end - begin);
		if (longest) {
			compare_ways(oracle, windows, begin, longest);
		}
	}
}

void oracle_compare(struct oracle *oracle)
{
	struct window *windows;
	size_t count = collect(oracle, &windows), begin = 0, end;

	oracle->totals.segments += count;
	if (count) {
		qsort(windows, count, sizeof(*windows), window_compare);
	}
	for (; begin < count; begin = end) {
		for (end = begin;
		     end < count && windows[end].group == windows[begin].group &&
		     windows[end].ring == windows[begin].ring && windows[end].stage == windows[begin].stage;
		     end++) {
		}
		compare_ring(oracle, windows + begin, end - begin);
	}
	free(windows);
}
