/* SPDX-License-Identifier: BSD-3-Clause */
/* Network, token, delivery: see sim_totem.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim_totem.h"

#define HOLD_AFTER_ROTATIONS 2
#define RECOVERY_ROTATIONS 1
#define TRIM_AFTER 256
#define RETRANSMIT_LATER 50 /* percent of requests that a round of the token does not answer */

void totem_init(struct sim_totem *totem, struct sim_clock *clock, const struct sim_totem_config *config)
{
	unsigned int i;

	memset(totem, 0, sizeof(*totem));
	totem->clock = clock;
	totem->config = *config;
	totem->nodes = sim_alloc(config->nodes * sizeof(*totem->nodes));
	for (i = 0; i < config->nodes; i++) {
		totem->nodes[i].totem = totem;
		totem->nodes[i].index = i;
		totem->nodes[i].nodeid = i + 1;
	}
}

static void ring_clear_log(struct ring *ring)
{
	while (ring->base < ring->end) {
		packet_release(ring->log[ring->base++ % ring->capacity]);
	}
	free(ring->log);
	ring->log = NULL;
	ring->capacity = 0;
}

void totem_free(struct sim_totem *totem)
{
	struct ring *ring = totem->rings, *next;
	unsigned int i;

	for (; ring; ring = next) {
		next = ring->next;
		ring_clear_log(ring);
		free(ring->members);
		free(ring);
	}
	for (i = 0; i < totem->config.nodes; i++) {
		queue_clear(&totem->nodes[i]);
	}
	free(totem->nodes);
}

/* ---- the log of a ring: a circular buffer of positions base .. end - 1 ---- */

struct packet *ring_packet(const struct ring *ring, size_t position)
{
	assert(ring->capacity != 0);
	return ring->log[position % ring->capacity];
}

static void log_append(struct ring *ring, struct packet *packet)
{
	if (ring->end - ring->base == ring->capacity) {
		size_t capacity = ring->capacity ? 2 * ring->capacity : 64, i;
		struct packet **larger = sim_alloc(capacity * sizeof(*larger));

		for (i = ring->base; i < ring->end; i++) {
			larger[i % capacity] = ring_packet(ring, i);
		}
		free(ring->log);
		ring->log = larger;
		ring->capacity = capacity;
	}
	ring->log[ring->end++ % ring->capacity] = packet;
}

static void log_trim(struct ring *ring)
{
	size_t needed = ring->end, i;

	for (i = 0; i < ring->totem->config.nodes; i++) {
		const struct totem_node *node = &ring->totem->nodes[i];

		if (node->alive && node->ring == ring && node->delivered < needed) {
			needed = node->delivered;
		}
	}
	while (ring->base < needed) {
		packet_release(ring->log[ring->base++ % ring->capacity]);
	}
}

void ring_leave(struct ring *ring)
{
	if (ring && --ring->users == 0) {
		ring_clear_log(ring);
	}
}

/* ---- who hears whom ---- */

bool node_hears(const struct totem_node *a, const struct totem_node *b)
{
	return a->alive && b->alive && a->label == b->label;
}

struct totem_node *ring_member_node(const struct ring *ring, size_t at)
{
	struct totem_node *node = &ring->totem->nodes[ring->members[at].index];

	return node->alive && node->incarnation == ring->members[at].incarnation ? node : NULL;
}

bool node_is_in_ring(const struct totem_node *node, const struct ring *ring)
{
	return node->alive && node->ring == ring && node->recovering == NULL;
}

/* ---- delivery ---- */

void node_deliver_packet(struct totem_node *node, struct packet *packet)
{
	struct sim_totem *totem = node->totem;
	uint8_t *assembly = &node->assembly[node->in_transition][packet->origin];
	size_t i;

	if (*assembly == ASSEMBLY_DROPPING || packet->continues != (*assembly == ASSEMBLY_IN_CHAIN)) {
		totem->stats.chain_drops++;
		sim_trace(totem->clock, "node %u: drops a packet of a chain from node %u (%zu messages)",
			  node->nodeid, packet->origin + 1, packet->count);
		*assembly = packet->chained ? ASSEMBLY_DROPPING : ASSEMBLY_CLEAN;
		return;
	}
	*assembly = packet->chained ? ASSEMBLY_IN_CHAIN : ASSEMBLY_CLEAN;
	for (i = 0; i < packet->count; i++) {
		totem->stats.messages++;
		executive_deliver(node, packet->messages[i], packet->origin + 1);
	}
}

/* A packet that did not come by itself is asked for as long as there is a token. */
static bool packet_obtain(struct totem_node *node, struct packet *packet)
{
	const struct ring *ring = node->ring;
	size_t i;

	if (nodeset_has(&packet->got, node->index)) {
		return true;
	}
	if (ring->lost || sim_percent(node->totem->clock, RETRANSMIT_LATER)) {
		return false;
	}
	for (i = 0; i < ring->count; i++) {
		const struct totem_node *holder = ring_member_node(ring, i);

		if (holder && !holder->paused && nodeset_has(&packet->got, holder->index) &&
		    node_hears(holder, node)) {
			nodeset_add(&packet->got, node->index);
			return true;
		}
	}
	return false;
}

static void deliver_available(struct totem_node *node, size_t end)
{
	struct ring *ring = node->ring;

	while (node->delivered < end && packet_obtain(node, ring_packet(ring, node->delivered))) {
		struct packet *packet = ring_packet(ring, node->delivered++);

		packet->references++;
		node_deliver_packet(node, packet);
		packet_release(packet);
	}
	if (ring->end - ring->base > TRIM_AFTER) {
		log_trim(ring);
	}
}

static void deliver_due(void *context, uint64_t incarnation)
{
	struct totem_node *node = context;

	if (!node->alive || node->incarnation != incarnation) {
		return;
	}
	node->deliver_due = false;
	if (!node->paused && node->ring && node->recovering == NULL) {
		deliver_available(node, node->ring->end);
	}
}

static void deliver_later(struct totem_node *node)
{
	struct sim_totem *totem = node->totem;

	if (node->deliver_due || node->paused) {
		return;
	}
	node->deliver_due = true;
	sim_after(totem->clock, sim_between(totem->clock, 1, 2 * totem->config.hop), deliver_due, node,
		  node->incarnation);
}

/* ---- the token ---- */

static void token_forward(struct ring *ring)
{
	struct sim_totem *totem = ring->totem;

	ring->previous_at = ring->token_at;
	if (++ring->token_at == ring->count) {
		ring->token_at = 0;
		ring->rotations++;
		ring->idle++;
	}
	sim_after(totem->clock, sim_between(totem->clock, totem->config.hop / 4, totem->config.hop),
		  token_arrives, ring, ring->generation);
}

void ring_wake(struct ring *ring)
{
	ring->idle = 0;
	if (ring->held && !ring->lost) {
		ring->held = false;
		token_forward(ring);
	}
}

void token_lose(struct ring *ring)
{
	if (!ring->lost) {
		ring->lost = true;
		ring->held = false;
		ring->generation++;
		totem_look_for_reform(ring->totem);
	}
}

static void packet_send(struct totem_node *node, struct packet *packet)
{
	struct sim_totem *totem = node->totem;
	struct ring *ring = node->ring;
	size_t i;

	nodeset_add(&packet->got, node->index);
	for (i = 0; i < ring->count; i++) {
		const struct totem_node *other = ring_member_node(ring, i);

		if (other && node_is_in_ring(other, ring) && node_hears(node, other) &&
		    !sim_percent(totem->clock, totem->config.loss)) {
			nodeset_add(&packet->got, other->index);
		}
	}
	totem->stats.packets++;
	log_append(ring, packet);
}

static void wake_receivers(struct ring *ring)
{
	size_t i;

	for (i = 0; i < ring->count; i++) {
		struct totem_node *node = ring_member_node(ring, i);

		if (node && node_is_in_ring(node, ring) && node->delivered < ring->end) {
			deliver_later(node);
		}
	}
}

static void token_send_packets(struct totem_node *node)
{
	struct sim_totem *totem = node->totem;
	struct ring *ring = node->ring;
	unsigned int sent = 0;
	struct packet *packet;

	while (sent < totem->config.window && (packet = queue_take(node)) != NULL) {
		packet_send(node, packet);
		sent++;
	}
	if (sent || !queue_is_idle(node) || node->sync_state == SYNC_PROCESS) {
		ring->idle = 0;
	}
	deliver_available(node, ring->end);
	wake_receivers(ring);
}

/* In recovery, too: what is sent there lies in the queue in use, and waits. */
static void token_visit(struct totem_node *node, struct ring *ring)
{
	executive_token_received(node);
	queue_flush(node);
	if (node->recovering != ring) {
		token_send_packets(node);
	} else {
		ring->idle = 0;
		if (ring->rotations > RECOVERY_ROTATIONS) {
			node_install_ring(node);
		}
	}
	executive_token_sent(node);
}

static bool can_take_token(const struct ring *ring, const struct totem_node *node)
{
	const struct totem_node *previous = ring_member_node(ring, ring->previous_at);

	return node && previous && node_hears(previous, node) &&
	       (node_is_in_ring(node, ring) || node->recovering == ring);
}

static bool all_delivered(const struct ring *ring)
{
	size_t i;

	for (i = 0; i < ring->count; i++) {
		const struct totem_node *node = ring_member_node(ring, i);

		if (node && node_is_in_ring(node, ring) && node->delivered < ring->end) {
			return false;
		}
	}
	return true;
}

void token_arrives(void *context, uint64_t generation)
{
	struct ring *ring = context;
	struct totem_node *node = ring_member_node(ring, ring->token_at);

	if (ring->lost || ring->generation != generation) {
		return;
	}
	if (!can_take_token(ring, node)) {
		token_lose(ring);
		return;
	}
	if (node->paused) {
		ring->parked = true;
		token_lose(ring);
		return;
	}
	token_visit(node, ring);
	if (ring->token_at == 0 && ring->idle > HOLD_AFTER_ROTATIONS && all_delivered(ring)) {
		ring->held = true;
		return;
	}
	token_forward(ring);
}

/* ---- what happens to nodes ---- */

void totem_start(struct totem_node *node, const struct sim_service *service, void *context)
{
	node->alive = true;
	node->paused = false;
	node->incarnation = ++node->totem->next_incarnation;
	node->service = service;
	node->context = context;
	node->ring = node->recovering = NULL;
	node->delivered = 0;
	node->deliver_due = false;
	memset(node->assembly, 0, sizeof(node->assembly));
	executive_start(node);
	totem_look_for_reform(node->totem);
}

void totem_crash(struct totem_node *node)
{
	node->alive = false;
	node_give_up_recovery(node);
	ring_leave(node->ring);
	node->ring = NULL;
	queue_clear(node);
	totem_look_for_reform(node->totem);
}

void totem_pause(struct totem_node *node)
{
	node->paused = true;
	totem_look_for_reform(node->totem);
}

/* The first thing that a resumed node may find is the token of a ring that the others have left. */
static void take_parked_token(struct totem_node *node)
{
	struct ring *ring = node->recovering ? node->recovering : node->ring;

	if (ring && ring->parked && ring_member_node(ring, ring->token_at) == node) {
		sim_trace(node->totem->clock, "node %u: finds the token of ring %llu", node->nodeid,
			  (unsigned long long)ring->id.seq);
		ring->parked = false;
		ring->lost = false;
		sim_after(node->totem->clock, 1, token_arrives, ring, ring->generation);
	}
}

void totem_resume(struct totem_node *node)
{
	node->paused = false;
	take_parked_token(node);
	if (node->ring && node->recovering == NULL) {
		deliver_later(node);
	}
	totem_look_for_reform(node->totem);
}

void totem_set_label(struct totem_node *node, unsigned int label)
{
	node->label = label;
	totem_look_for_reform(node->totem);
}

bool totem_is_whole(const struct sim_totem *totem)
{
	const struct ring *ring = NULL;
	unsigned int i;

	for (i = 0; i < totem->config.nodes; i++) {
		const struct totem_node *node = &totem->nodes[i];

		if (!node->alive) {
			continue;
		}
		if (ring == NULL) {
			ring = node->ring;
		}
		if (node->ring != ring || ring == NULL || node->recovering || node->sync_in_process ||
		    ring->lost) {
			return false;
		}
	}
	return true;
}

bool totem_is_idle(const struct sim_totem *totem)
{
	unsigned int i;

	for (i = 0; i < totem->config.nodes; i++) {
		const struct totem_node *node = &totem->nodes[i];

		if (node->alive &&
		    (node->ring == NULL || node->delivered < node->ring->end || !queue_is_idle(node))) {
			return false;
		}
	}
	return true;
}
