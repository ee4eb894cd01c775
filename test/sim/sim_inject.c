/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches that get lost (the real totem loses some where a recovery ends too early; here others are lost as well), and nodes that have no memory for
 * who is a member. Engines have to notice. One that missed something is seen to leave and to come back, which is as if the network had
 * parted it from the others: the oracle is told where in the order that happens, and which node may lack what from when on.
 *
 * The only one that knows when an engine sees a node leave or come back is the engine. It tells its clients, so on each
 * node there is one more of them who listens, in no group.
 */
#include <stdlib.h>
#include <string.h>

#include "cpg_peer.h"
#include "oracle_internal.h"
#include "sim_world.h"

#define WATCHER_PID 99u
#define BATCHES_MAX 30 /* the first that comes, up to so many later, is lost */

static bool is_watched(const struct sim_world *world)
{
	return world->config.inject || world->config.memory || world->config.memory_at;
}

void inject_boot(struct sim_node *node)
{
	node->lose_in = 0;
	node->missed_from = 0;
	memset(node->got, 0, sizeof(node->got));
	node->hurt = false;
	memset(&node->parted, 0, sizeof(node->parted));
	node->watcher = NULL;
	if (is_watched(node->world) && !node->kind->is_stock) {
		memory_hold(true);
		node->watcher = node_connect(node, WATCHER_PID, false);
		memory_hold(false);
		node->watcher->rogue = true; /* nobody judges what it hears */
	}
}

void inject_sync_over(struct sim_node *node)
{
	struct sim_clock *clock = &node->world->clock;
	unsigned int percent = node->world->config.inject;

	node->lose_in =
		percent && sim_percent(clock, percent) ? (unsigned int)sim_between(clock, 1, BATCHES_MAX) : 0;
}

static bool is_of_ring(const struct sim_node *node, const struct peer_head *head)
{
	return head->ring_seq == node->ring_seq;
}

/* MISSED is alone in its batch, and PRESENT comes first in its. */
static bool begins_with(const void *message, const struct peer_head *head, uint8_t record)
{
	return head->size > head->head_size + sizeof(struct peer_batch_end) &&
	       *((const uint8_t *)message + head->head_size) == record;
}

/* Not PRESENT: all wait for it, so nothing would come behind it that shows the loss, until a ring does. The real totem loses nothing in a ring. */
static bool is_lost_in_ring(struct sim_node *node, const void *message, const struct peer_head *head)
{
	if (node->totem->sync_in_process || node->lose_in == 0 ||
	    (node->lose_in == 1 && begins_with(message, head, PEER_PRESENT))) {
		return false;
	}
	return --node->lose_in == 0;
}

/* A recovery that ended too early for this node: some of what others had of one node is not there. */
static bool is_lost_in_recovery(struct sim_node *node, uint32_t nodeid)
{
	return node->world->config.inject && (node->missed_from == 0 || node->missed_from == nodeid) &&
	       sim_percent(&node->world->clock, 50);
}

static bool is_lost(struct sim_node *node, const void *message, const struct peer_head *head, uint32_t nodeid)
{
	if (head->kind != PEER_BATCH || !is_of_ring(node, head) || nodeid == node->totem->nodeid ||
	    node->world->healing) {
		return false;
	}
	return node->totem->recovering ? is_lost_in_recovery(node, nodeid)
				       : is_lost_in_ring(node, message, head);
}

static uint64_t number_of(const void *message)
{
	struct peer_batch batch;

	memcpy(&batch, message, sizeof(batch));
	return batch.number;
}

static void lose(struct sim_node *node, uint32_t nodeid)
{
	sim_trace(&node->world->clock, "node %u: loses a batch of node %u", node->totem->nodeid, nodeid);
	node->world->stats.injected++;
	node->world->stats.injected_in_recovery += node->totem->recovering != NULL;
	if (node->missed_from == 0) {
		node->missed_from = nodeid;
		node->missed_in = node->ring_seq;
		oracle_missed(node->world->oracle, node->oracle_node, true);
	}
}

/* What totem makes of a batch whose end it missed: from somewhere on it is the end of a later one, and may have the right length. */
static void deliver_glued(struct sim_node *node, const void *message, const struct peer_head *head,
			  uint32_t nodeid)
{
	size_t at =
		sim_between(&node->world->clock, head->head_size, head->size - sizeof(struct peer_batch_end));
	struct peer_batch_end end = {.number = number_of(message) + 1};
	uint8_t *glued = sim_alloc(head->size);

	memcpy(glued, message, head->size);
	for (; at < head->size; at++) {
		glued[at] ^= 0x55;
	}
	memcpy(glued + head->size - sizeof(end), &end, sizeof(end));
	node->world->stats.injected_glued++;
	node->kind->peer_message(node->engine, glued, head->size, nodeid);
	free(glued);
}

static void is_together_again(struct sim_node *node)
{
	node->missed_from = 0;
	oracle_missed(node->world->oracle, node->oracle_node, false);
}

static void is_hurt(struct sim_node *node)
{
	node->hurt = true;
	node->world->memory.hurt++;
}

void inject_forgets(struct sim_node *node)
{
	is_hurt(node);
	if (node->missed_from == 0) {
		node->missed_from = node->totem->nodeid;
		oracle_missed(node->world->oracle, node->oracle_node, true);
	}
	if (node->activating) {
		oracle_missed_change(node->world->oracle, node->oracle_node);
	}
}

void inject_gives_up(struct sim_node *node)
{
	is_hurt(node);
	node->world->memory.given_up++;
	is_together_again(node); /* nobody is there who could lack something */
}

/* Who announced that it missed something is seen to leave and come back by this sync. */
static void remember_announced(struct sim_node *node, const void *message, uint32_t nodeid)
{
	struct peer_announce announce;

	memcpy(&announce, message, sizeof(announce));
	if (announce.flags & PEER_ANNOUNCE_MISSED) {
		nodeset_add(&node->parted, nodeid - 1);
	}
}

static void remember_got(struct sim_node *node, const void *message, uint32_t nodeid)
{
	struct sim_got *got = node->got[nodeid - 1];

	if (got[0].ring_seq != node->ring_seq) {
		got[1] = got[0];
	}
	got[0] = (struct sim_got){.ring_seq = node->ring_seq, .next_number = number_of(message) + 1};
}

/* Of the ring in which `node` missed something, and of the node that it was of. */
static uint64_t next_number(const struct sim_node *of, const struct sim_node *node)
{
	const struct sim_got *got = of->got[node->missed_from - 1];
	int i;

	for (i = 0; i < 2; i++) {
		if (got[i].ring_seq == node->missed_in) {
			return got[i].next_number;
		}
	}
	return 0;
}

/* Batches are where engines see nodes leave and come back; all of them by the same one. */
static uint64_t point_of(const void *message, uint32_t nodeid)
{
	return oracle_mix(number_of(message) << 16 | nodeid);
}

bool inject_peer_message(struct sim_node *node, const void *message, uint32_t nodeid)
{
	struct peer_head head;

	if (!is_watched(node->world)) {
		return true;
	}
	memcpy(&head, message, sizeof(head));
	if (is_lost(node, message, &head, nodeid)) {
		lose(node, nodeid);
		if (sim_percent(&node->world->clock, 50)) {
			deliver_glued(node, message, &head, nodeid);
		}
		return false;
	}
	if (head.kind == PEER_BATCH) {
		node->point = point_of(message, nodeid);
		node->leaves =
			is_of_ring(node, &head) && begins_with(message, &head, PEER_MISSED) ? nodeid : 0;
		if (is_of_ring(node, &head)) {
			remember_got(node, message, nodeid);
		}
	} else if (head.kind == PEER_ANNOUNCE && is_of_ring(node, &head)) {
		remember_announced(node, message, nodeid);
	}
	return true;
}

void inject_taken(struct sim_node *node)
{
	if (node->leaves && node->leaves != node->totem->nodeid) {
		oracle_fail(node->world->oracle, ORACLE_VIEW,
			    "node %u does not show node %u leaving, which missed a batch",
			    node->totem->nodeid, node->leaves);
	}
	node->leaves = 0;
	node->point = 0;
}

static bool has_node(const uint32_t *list, size_t count, uint32_t nodeid)
{
	size_t i;

	for (i = 0; i < count && list[i] != nodeid; i++) {
	}
	return i < count;
}

/* The engine sees some of the ring leave, or come back: `members` are those that it is together with from here on. */
static void exchange(struct sim_node *node, const uint32_t *members, size_t count)
{
	uint64_t stage = node->point;
	uint32_t left[SIM_NODES_MAX];
	size_t left_count = 0, i;

	for (i = 0; i < node->member_count; i++) {
		if (!has_node(members, count, node->members[i])) {
			left[left_count++] = node->members[i];
		}
	}
	for (i = 0; i < count; i++) {
		stage = oracle_mix(stage ^ members[i]);
	}
	if (count == 1) {
		node->hurt &= node->leaves != node->totem->nodeid;
		is_together_again(node);
	}
	if (!has_node(members, count, node->leaves)) {
		node->leaves = 0;
	}
	oracle_exchange(node->world->oracle, node->oracle_node, stage, oracle_mix(node->path ^ stage),
			members, count, left, left_count);
	node->path = stage;
}

void inject_watcher_hears(struct sim_node *node, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_message *event = message_new(iov, iov_len);
	const struct ipc_totem_confchg *confchg = (const void *)event->data;

	/* between batches it is of a sync, and the oracle knows */
	if (confchg->header.id == IPC_RES_TOTEM_CONFCHG && node->point) {
		exchange(node, confchg->member_list, confchg->member_list_entries);
	}
	free(event);
}

/* Of the node that it missed something of. */
static bool others_got_more(const struct sim_node *node)
{
	size_t i;

	for (i = 0; i < node->member_count; i++) {
		const struct sim_node *other = &node->world->nodes[node->members[i] - 1];

		if (!has_node(node->left, node->left_count, node->members[i]) &&
		    next_number(other, node) > next_number(node, node)) {
			return true;
		}
	}
	return false;
}

/* Those who come through with it must not be seen to: what they got differs. If nobody got more, nobody can know, or need. */
static void judge_coming_through(struct sim_node *node)
{
	if (others_got_more(node)) {
		oracle_fail(node->world->oracle, ORACLE_LOSS,
			    "node %u comes into ring %llx with nodes that got more of node %u",
			    node->totem->nodeid, (unsigned long long)node->ring_seq, node->missed_from);
	} else if (has_node(node->left, node->left_count, node->missed_from)) {
		is_together_again(node);
	}
}

void inject_activation(struct sim_node *node)
{
	uint32_t self = node->totem->nodeid;
	size_t i;

	node->hurt = false;
	for (i = 0; i < node->member_count; i++) {
		uint32_t nodeid = node->members[i];

		if (nodeid != self &&
		    (nodeset_has(&node->parted, nodeid - 1) || nodeset_has(&node->parted, self - 1))) {
			remember_left(node, &nodeid, 1);
		}
	}
	if (nodeset_has(&node->parted, self - 1)) {
		node->path = oracle_mix(node->path ^ self);
	}
	if (nodeset_has(&node->parted, self - 1)) {
		is_together_again(node);
	} else if (node->missed_from && node->missed_from != self) {
		judge_coming_through(node);
	}
	memset(&node->parted, 0, sizeof(node->parted));
}

void inject_show(struct sim_node *node)
{
	if (node->watcher && node->watcher->peer) {
		client_join(node->watcher, node->world->config.groups, false);
	}
}

void inject_judge(const struct sim_node *node)
{
	if (node->engine && node->missed_from) {
		oracle_fail(node->world->oracle, ORACLE_LOSS,
			    "node %u never left and came back for what it missed", node->totem->nodeid);
	}
}
