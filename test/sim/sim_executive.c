/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the executive does with a configuration change, as far as a service can notice: see sim_totem.h for the
 * order. Three services take part in sync, ours in the middle: its turn comes later than sync_init, and the end of the
 * whole sync later than its activation.
 */
#include <string.h>

#include "sim_totem.h"

/* A queue that is full again at the end of sync delays the news of it by this much at a time. */
#define OVER_LOOK_AGAIN (1 * SIM_MS)

void executive_start(struct totem_node *node)
{
	node->sync_in_process = true;
	node->waiting_trans_ack = true;
	node->in_transition = true;
	node->sync_state = SYNC_IDLE;
	node->stale_callbacks = 0;
	memset(&node->sync_ring, 0, sizeof(node->sync_ring));
	memset(&node->received, 0, sizeof(node->received));
	node->trans_count = 0;
}

bool executive_is_in_our_sync(const struct totem_node *node)
{
	return node->sync_ring.seq != 0 && node->sync_service == SIM_SYNC_OURS &&
	       (node->sync_state == SYNC_PROCESS || node->sync_state == SYNC_BARRIER);
}

static void sync_abort(struct totem_node *node)
{
	if (node->sync_state == SYNC_PROCESS) {
		if (node->sync_service == SIM_SYNC_OURS && node->service->sync_abort) {
			node->service->sync_abort(node->context);
		}
		node->stale_callbacks += node->sync_ring.seq != 0; /* not by the second abort of one sync */
	}
	if (node->sync_ring.seq) {
		node->totem->stats.aborted_syncs++;
		node->totem->stats.aborted_ours += executive_is_in_our_sync(node);
	}
	memset(&node->sync_ring, 0, sizeof(node->sync_ring));
}

void executive_transitional(struct totem_node *node, const uint32_t *members, size_t count,
			    const uint32_t *left, size_t left_count)
{
	bool aborts = node->sync_in_process;

	node->sync_in_process = true;
	node->service->transitional(node->context, members, count, left, left_count);
	if (aborts) {
		sync_abort(node);
	}
	memcpy(node->trans, members, count * sizeof(*members));
	node->trans_count = count;
}

static void sync_mcast(struct totem_node *node, enum message_kind kind)
{
	uint64_t filler[5] = {0};
	struct iovec iov = {.iov_base = filler, .iov_len = sizeof(filler)};

	if (totem_mcast(node, kind, 0, &iov, 1) != 0) {
		node->totem->stats.sync_full++; /* it does not look: everybody waits for this message */
	}
}

bool totem_cfg(struct totem_node *node)
{
	uint64_t filler[5] = {0};
	struct iovec iov = {.iov_base = filler, .iov_len = sizeof(filler)};

	return totem_mcast(node, MESSAGE_CFG, 0, &iov, 1) == 0;
}

void executive_regular(struct totem_node *node, const uint32_t *members, size_t count,
		       const struct memb_ring_id *ring_id)
{
	node->service->regular(node->context, members, count, ring_id);
	sync_abort(node); /* a sync is always in process here: TRANSITIONAL began it */
	node->sync_ring = *ring_id;
	node->sync_state = SYNC_BUILD;
	node->sync_service = 0;
	memset(&node->received, 0, sizeof(node->received));
	sync_mcast(node, MESSAGE_SERVICE_BUILD);
	node->service->sync_init(node->context, node->trans, node->trans_count, members, count, ring_id);
}

static void service_process(struct totem_node *node)
{
	int result = 0;

	if (node->sync_service == SIM_SYNC_OURS) {
		result = node->service->sync_process(node->context);
	}
	if (result == 0) {
		node->sync_state = SYNC_BARRIER;
		sync_mcast(node, MESSAGE_BARRIER);
	}
}

void executive_token_received(struct totem_node *node)
{
	node->service->token(node->context);
}

void executive_token_sent(struct totem_node *node)
{
	unsigned int i;

	for (i = 0; i <= node->stale_callbacks && node->sync_state == SYNC_PROCESS; i++) {
		service_process(node);
	}
}

static void tell_over(void *context, uint64_t seq)
{
	struct totem_node *node = context;

	if (!node->alive || node->sync_in_process || !node->ring || node->ring->id.seq != seq) {
		return;
	}
	if (totem_is_critical(node)) {
		sim_after(node->totem->clock, OVER_LOOK_AGAIN, tell_over, node, seq);
		return;
	}
	sim_trace(node->totem->clock, "node %u: sync over", node->nodeid);
	node->service->sync_over(node->context);
}

static void sync_over(struct totem_node *node, const struct memb_ring_id *ring_id)
{
	node->sync_state = SYNC_IDLE;
	node->sync_in_process = false;
	node->waiting_trans_ack = false;
	node->in_transition = false;
	memset(&node->sync_ring, 0, sizeof(node->sync_ring));
	if (node->ring->id.seq == ring_id->seq) {
		tell_over(node, ring_id->seq);
	}
}

static bool is_barrier_reached(struct totem_node *node, unsigned int index)
{
	const struct ring *ring = node->ring;
	size_t i;

	nodeset_add(&node->received, index);
	for (i = 0; i < ring->count; i++) {
		if (!nodeset_has(&node->received, ring->members[i].index)) {
			return false;
		}
	}
	return true;
}

static void barrier_reached(struct totem_node *node)
{
	struct memb_ring_id ring_id = node->sync_ring;

	ring_wake(node->ring); /* the real token goes round often enough before it is held */
	memset(&node->received, 0, sizeof(node->received));
	if (node->sync_state == SYNC_BUILD) {
		node->sync_state = SYNC_PROCESS;
		return;
	}
	if (node->sync_service == SIM_SYNC_OURS) {
		sim_trace(node->totem->clock, "node %u: activate ring %llu%s", node->nodeid,
			  (unsigned long long)ring_id.seq, node->recovering ? " (in recovery)" : "");
		node->totem->stats.late_activations += node->recovering != NULL;
		node->service->sync_activate(node->context);
	}
	if (++node->sync_service == SIM_SYNC_SERVICES) {
		sync_over(node, &ring_id);
	} else {
		node->sync_state = SYNC_PROCESS;
	}
}

void executive_deliver(struct totem_node *node, const struct totem_message *message, uint32_t nodeid)
{
	if (message->kind == MESSAGE_SERVICE) {
		node->service->message(node->context, message->function, message->data, message->size,
				       nodeid);
		return;
	}
	if (message->kind == MESSAGE_PEER) {
		if (node->service->peer_message) {
			node->service->peer_message(node->context, message->data, message->size, nodeid);
		}
		return;
	}
	if (message->kind == MESSAGE_CFG || node->sync_ring.seq == 0 ||
	    message->ring_id.seq != node->sync_ring.seq) {
		return; /* none of sync's, or of a sync that was aborted */
	}
	if (is_barrier_reached(node, nodeid - 1)) {
		barrier_reached(node);
	}
}
