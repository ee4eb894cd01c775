/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring formation and recovery: see sim_totem.h. */
#include <string.h>

#include "sim_totem.h"

/* ---- recovery ---- */

static size_t cohort(const struct ring *ring, const struct ring *old, uint32_t *nodeids, struct nodeset *set)
{
	size_t count = 0, i;

	memset(set, 0, sizeof(*set));
	for (i = 0; old && i < ring->count; i++) {
		if (ring->members[i].old == old) {
			nodeset_add(set, ring->members[i].index);
			nodeids[count++] = ring->members[i].index + 1;
		}
	}
	return count;
}

/* Once one member is through recovery, all that come along from the same ring hold the same packets of it. */
static void recovery_complete(struct ring *ring)
{
	size_t i, position;

	ring->recovered = true;
	for (i = 0; i < ring->count; i++) {
		struct ring *old = ring->members[i].old;
		uint32_t nodeids[SIM_NODES_MAX];
		struct nodeset set;

		if (old == NULL || (i > 0 && old == ring->members[i - 1].old)) {
			continue;
		}
		cohort(ring, old, nodeids, &set);
		for (position = old->base; position < old->end; position++) {
			struct packet *packet = ring_packet(old, position);

			if (nodeset_meets(&packet->got, &set)) {
				nodeset_join(&packet->got, &set);
			}
		}
	}
}

static size_t who_left(const struct ring *old, const struct nodeset *trans, uint32_t *left)
{
	size_t count = 0, i;

	for (i = 0; old && i < old->count; i++) {
		if (!nodeset_has(trans, old->members[i].index)) {
			left[count++] = old->members[i].index + 1;
		}
	}
	return count;
}

static void deliver_recovered(struct totem_node *node)
{
	struct ring *old = node->ring;

	while (node->delivered < old->end &&
	       nodeset_has(&ring_packet(old, node->delivered)->got, node->index)) {
		node_deliver_packet(node, ring_packet(old, node->delivered++));
	}
}

static void deliver_behind_gap(struct totem_node *node, const struct nodeset *trans)
{
	struct ring *old = node->ring;

	if (node->delivered < old->end) {
		node->totem->stats.gaps++;
	}
	for (; node->delivered < old->end; node->delivered++) {
		struct packet *packet = ring_packet(old, node->delivered);

		if (nodeset_has(&packet->got, node->index) && nodeset_has(trans, packet->origin)) {
			node->totem->stats.behind_gap++;
			node_deliver_packet(node, packet);
		}
	}
}

static void assembly_forget(struct totem_node *node, const uint32_t *left, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		node->assembly[0][left[i] - 1] = ASSEMBLY_CLEAN;
		node->assembly[1][left[i] - 1] = ASSEMBLY_CLEAN;
	}
}

void node_install_ring(struct totem_node *node)
{
	struct sim_totem *totem = node->totem;
	struct ring *old = node->ring, *ring = node->recovering;
	uint32_t trans[SIM_NODES_MAX], left[SIM_NODES_MAX], members[SIM_NODES_MAX];
	struct nodeset set;
	size_t trans_count, left_count, i;

	if (!ring->recovered) {
		recovery_complete(ring);
	}
	trans_count = cohort(ring, old, trans, &set);
	left_count = who_left(old, &set, left);
	if (old) {
		deliver_recovered(node);
	} else if (sim_percent(totem->clock, 50)) {
		trans[trans_count++] = node->nodeid;
	}
	sim_trace(totem->clock, "node %u: transitional to ring %llu, %zu come along, %zu left", node->nodeid,
		  (unsigned long long)ring->id.seq, trans_count, left_count);
	executive_transitional(node, trans, trans_count, left, left_count);
	assembly_forget(node, left, left_count);
	node->waiting_trans_ack = true;
	if (old) {
		deliver_behind_gap(node, &set);
	}
	node->in_transition = true;
	ring_leave(old);
	node->ring = ring;
	node->recovering = NULL;
	node->delivered = 0;
	for (i = 0; i < ring->count; i++) {
		members[i] = ring->members[i].index + 1;
	}
	executive_regular(node, members, ring->count, &ring->id);
}

/* ---- forming rings ---- */

static struct ring *ring_make(struct sim_totem *totem, struct totem_node **nodes, size_t count)
{
	struct ring *ring = sim_alloc(sizeof(*ring));
	size_t i;

	ring->totem = totem;
	ring->next = totem->rings;
	totem->rings = ring;
	ring->id.nodeid = nodes[0]->nodeid;
	ring->id.seq = totem->next_seq += 4;
	ring->count = count;
	ring->members = sim_alloc(count * sizeof(*ring->members));
	for (i = 0; i < count; i++) {
		struct totem_node *node = nodes[i];

		ring->members[i].index = node->index;
		ring->members[i].incarnation = node->incarnation;
		ring->members[i].old = node->ring;
	}
	return ring;
}

void node_give_up_recovery(struct totem_node *node)
{
	if (node->recovering) {
		node->totem->stats.aborted_recoveries++;
		ring_leave(node->recovering);
		node->recovering = NULL;
	}
}

static void ring_form(struct sim_totem *totem, struct totem_node **nodes, size_t count)
{
	struct ring *ring = ring_make(totem, nodes, count);
	size_t i;

	totem->stats.rings++;
	sim_trace(totem->clock, "ring %llu forms: %zu nodes, first %u, last %u",
		  (unsigned long long)ring->id.seq, count, nodes[0]->nodeid, nodes[count - 1]->nodeid);
	for (i = 0; i < count; i++) {
		struct ring *abandoned = nodes[i]->recovering ? nodes[i]->recovering : nodes[i]->ring;

		if (abandoned && !abandoned->parked) {
			token_lose(abandoned);
		}
		node_give_up_recovery(nodes[i]);
		nodes[i]->recovering = ring;
		ring->users++;
	}
	ring->token_at = 0;
	ring->previous_at = 0;
	sim_after(totem->clock, totem->config.hop, token_arrives, ring, ring->generation);
}

/* Nothing to do for these nodes: they are all there is, and they are in one ring whose token goes round. */
static bool is_settled(struct totem_node **nodes, size_t count)
{
	const struct ring *ring = nodes[0]->recovering ? nodes[0]->recovering : nodes[0]->ring;
	size_t i;

	if (ring == NULL || ring->lost || ring->count != count) {
		return false;
	}
	for (i = 0; i < count; i++) {
		const struct ring *of = nodes[i]->recovering ? nodes[i]->recovering : nodes[i]->ring;

		if (of != ring) {
			return false;
		}
	}
	return true;
}

static size_t within_reach(struct sim_totem *totem, unsigned int label, struct totem_node **nodes)
{
	size_t count = 0;
	unsigned int i;

	for (i = 0; i < totem->config.nodes; i++) {
		struct totem_node *node = &totem->nodes[i];

		if (node->alive && !node->paused && node->label == label) {
			nodes[count++] = node;
		}
	}
	return count;
}

static void reform_label(struct sim_totem *totem, unsigned int label)
{
	struct totem_node *nodes[SIM_NODES_MAX];
	size_t count = within_reach(totem, label, nodes), kept = 0, i;

	if (count == 0 || is_settled(nodes, count)) {
		return;
	}
	if (count > 1 && sim_percent(totem->clock, totem->config.partial_merge)) {
		for (i = 0; i < count; i++) {
			if (sim_percent(totem->clock, 60)) {
				nodes[kept++] = nodes[i];
			}
		}
		totem_look_for_reform(totem);
		count = kept;
	}
	if (count) {
		ring_form(totem, nodes, count);
	}
}

static void reform(void *context, uint64_t unused)
{
	struct sim_totem *totem = context;
	struct nodeset done;
	unsigned int i;

	(void)unused;
	totem->reform_due = false;
	memset(&done, 0, sizeof(done));
	for (i = 0; i < totem->config.nodes; i++) {
		unsigned int label = totem->nodes[i].label;

		if (!nodeset_has(&done, label)) {
			nodeset_add(&done, label);
			reform_label(totem, label);
		}
	}
}

void totem_look_for_reform(struct sim_totem *totem)
{
	uint64_t timeout = totem->config.token_timeout;
	uint64_t delay = sim_between(totem->clock, timeout / 2, timeout * 3 / 2);

	if (totem->reform_due) {
		return;
	}
	if (sim_percent(totem->clock, totem->config.quick_reform)) {
		delay = sim_between(totem->clock, 1, 20 * totem->config.hop);
	}
	totem->reform_due = true;
	sim_after(totem->clock, delay, reform, totem, 0);
}
