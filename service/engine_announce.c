/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In each sync every engine of ours announces itself. A ring whose nodes all did is ours and speaks our own format from
 * its activation on; one stock node in it, and all speak stock's. And those who come through together tell each other what they
 * got in the ring before: who got less has missed something.
 */
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

struct heard_body {
	struct peer_heard_ring ring;
	struct peer_heard heard[TOTEM_PROCESSORS_MAX];
};

/* Returns its size: 0 where there is nothing to say. */
static size_t heard_write(const struct engine *engine, struct heard_body *body)
{
	size_t count = 0, i;

	body->ring =
		(struct peer_heard_ring){.seq = engine->last_ring.seq, .nodeid = engine->last_ring.nodeid};
	for (i = 0; i < engine->node_count && count < TOTEM_PROCESSORS_MAX; i++) {
		const struct node *node = engine->nodes[i];

		if (node->was_there && node->nodeid != engine->nodeid) {
			body->heard[count++] =
				(struct peer_heard){.next_number = node->heard, .nodeid = node->nodeid};
		}
	}
	return count ? sizeof(body->ring) + count * sizeof(body->heard[0]) : 0;
}

bool announce_is_due(const struct engine *engine)
{
	return !engine->announce_sent ||
	       (engine->missed && !engine->missed_announced && !engine->config.wire_stock);
}

bool announce_send(struct engine *engine)
{
	struct heard_body body;
	size_t size = heard_write(engine, &body);
	struct peer_announce announce = {
		.next_number = engine->next_number,
		.version_min = PEER_VERSION_MIN,
		.version_max = PEER_VERSION_MAX,
		.flags = engine->missed ? PEER_ANNOUNCE_MISSED : 0,
	};
	struct iovec iov[2] = {{.iov_base = &announce, .iov_len = sizeof(announce)},
			       {.iov_base = &body, .iov_len = size}};

	peer_head_write(engine, &announce.head, PEER_ANNOUNCE, sizeof(announce), sizeof(announce) + size);
	if (engine->ops.peer_mcast(engine->context, iov, 2) != 0) {
		return false;
	}
	engine->sync_inflight += sizeof(announce) + size;
	engine->announce_sent = true;
	engine->missed_announced = engine->missed;
	return true;
}

static void remember_ring(struct engine *engine)
{
	size_t i;

	engine->last_ring = engine->ours ? engine->ring_id : (struct memb_ring_id){.seq = 0};
	for (i = 0; i < engine->node_count; i++) {
		struct node *node = engine->nodes[i];

		node->was_there = engine->ours && node->announced;
		node->heard = node->number;
	}
}

void announce_ring_changes(struct engine *engine)
{
	size_t i;

	if (!engine->in_sync) {
		remember_ring(engine);
	}
	for (i = 0; i < engine->node_count; i++) {
		engine->nodes[i]->announced = false;
	}
	engine->announce_sent = engine->config.wire_stock;
	engine->missed_announced = false;
}

bool announce_all_came(const struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		const struct node *node = engine->nodes[i];

		if (node->was_there && !node->lost && !node->announced && ring_has(engine, node->nodeid)) {
			return false;
		}
	}
	return true;
}

/* The node, or this one, missed a batch before this ring: they are not together any more. */
static void part_from(struct engine *engine, struct node *node)
{
	size_t i;

	if (node->nodeid != engine->nodeid) {
		node->lost = true;
		return;
	}
	for (i = 0; i < engine->node_count; i++) {
		engine->nodes[i]->lost = engine->nodes[i] != node;
	}
}

/*
 * Who comes through with a node has what that one got in the ring before, also of nodes that are left behind. And has activated that ring: the
 * numbers know nothing of one that it has not.
 */
static void heard_compare(struct engine *engine, const struct node *by, const struct peer_bytes *body)
{
	size_t at = sizeof(struct peer_heard_ring);
	uint64_t seq;

	if (engine->last_ring.seq == 0 || body->size < at) {
		return;
	}
	seq = peer_u64(body, offsetof(struct peer_heard_ring, seq));
	if (seq > engine->last_ring.seq) {
		exchange_missed_ring(engine, by);
		return;
	}
	if (seq != engine->last_ring.seq ||
	    peer_u32(body, offsetof(struct peer_heard_ring, nodeid)) != engine->last_ring.nodeid) {
		return;
	}
	for (; body->size - at >= sizeof(struct peer_heard); at += sizeof(struct peer_heard)) {
		uint64_t next = peer_u64(body, at + offsetof(struct peer_heard, next_number));
		const struct node *node =
			node_find(engine, peer_u32(body, at + offsetof(struct peer_heard, nodeid)));

		if (node && node->nodeid != engine->nodeid && node->was_there && node->heard < next) {
			exchange_missed(engine, node, node->heard, next);
		}
	}
}

void announce_receive(struct engine *engine, struct node *node, const struct peer_head *head,
		      const struct peer_bytes *bytes)
{
	struct peer_bytes body = peer_body(head, bytes);
	uint64_t next = peer_u64(bytes, offsetof(struct peer_announce, next_number));
	uint32_t flags = peer_u32(bytes, offsetof(struct peer_announce, flags));

	if ((flags & PEER_ANNOUNCE_MISSED) && engine_rule_holds(engine, RULE_COME_BACK)) {
		part_from(engine, node);
	}
	if (node->numbered && !node->lost && node->number != next &&
	    engine_rule_holds(engine, RULE_NUMBERS)) {
		exchange_missed(engine, node, node->number, next);
	}
	if (node->was_there && !node->lost && engine_rule_holds(engine, RULE_NUMBERS)) {
		heard_compare(engine, node, &body);
	}
	node->number = next;
	node->numbered = true;
	node->announced = true;
	node->version_min = bytes->at[offsetof(struct peer_announce, version_min)];
	node->version_max = bytes->at[offsetof(struct peer_announce, version_max)];
}

/* The version that all nodes of the ring know, or 0. */
static uint8_t common_version(const struct engine *engine)
{
	uint8_t low = PEER_VERSION_MIN, high = PEER_VERSION_MAX;
	size_t i;

	for (i = 0; i < engine->ring_count; i++) {
		const struct node *node = node_find(engine, engine->ring[i]);

		if (node == NULL || !node->announced) {
			return 0;
		}
		low = node->version_min > low ? node->version_min : low;
		high = node->version_max < high ? node->version_max : high;
	}
	return low <= high ? high : 0;
}

/* Those that did not announce, as text: as many as fit. */
static void silent_nodes(const struct engine *engine, char *text, size_t size)
{
	size_t at = 0, i;

	text[0] = '\0';
	for (i = 0; i < engine->ring_count && at < size; i++) {
		const struct node *node = node_find(engine, engine->ring[i]);

		if (node == NULL || !node->announced) {
			at += (size_t)snprintf(text + at, size - at, " %u", engine->ring[i]);
		}
	}
}

static void log_format(struct engine *engine, enum format format)
{
	char nodes[200];

	if (format == engine->format) {
		return;
	}
	engine->format = format;
	switch (format) {
	case FORMAT_OWN:
		engine_log(engine, LOG_NOTICE, "wire format: our own, version %u: all %zu nodes speak it",
			   engine->version, engine->ring_count);
		break;
	case FORMAT_STOCK_FORCED:
		engine_log(engine, LOG_NOTICE, "wire format: stock's, by the option wire");
		break;
	default:
		silent_nodes(engine, nodes, sizeof(nodes));
		engine_log(
			engine, LOG_NOTICE,
			nodes[0] ? "wire format: stock's, because these nodes speak no other:%s"
				 : "wire format: stock's, because nodes have no version of ours in common%s",
			nodes);
		break;
	}
}

void announce_decide(struct engine *engine)
{
	uint8_t version = engine->config.wire_stock ? 0 : common_version(engine);

	engine->ours = version != 0;
	if (engine->ours) {
		engine->version = version;
		log_format(engine, FORMAT_OWN);
	} else {
		log_format(engine, engine->config.wire_stock ? FORMAT_STOCK_FORCED : FORMAT_STOCK_NODES);
	}
}

bool announce_believe(struct engine *engine, uint8_t version)
{
	size_t i;

	if (engine->in_sync || engine->config.wire_stock) {
		return false; /* not activated yet; not announced by this node, so nobody can take the ring for ours */
	}
	for (i = 0; i < engine->node_count; i++) {
		engine->nodes[i]->numbered &= engine->nodes[i]->announced;
	}
	engine->ours = true;
	engine->version = version;
	news_clear(engine);
	log_format(engine, FORMAT_OWN);
	outgoing_settle_again(engine);
	return true;
}
