/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A batch that was missed. By all that is known of totem it can't happen; should it, nobody may go on as if nothing
 * were. The node that missed it takes nothing of others any more and says MISSED. Where that comes in the order, it is
 * parted from the others: its processes leave, and on its own node all others do. Then every node, once all it had sent
 * is back, says in PRESENT which processes it has; where the last of these comes, the parted ones come back.
 *
 * A node that had no memory for who is a member does the same.
 *
 * Who sends nothing but PRESENT in between has members that do not change meanwhile. A ring change ends an exchange:
 * its sync does the same.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

#define PRESENT_BYTES_MAX ((size_t)128 * 1024)

/* ---- missing something ---- */

static void missed(struct engine *engine)
{
	engine->missed = engine_rule_holds(engine, RULE_COME_BACK);
	engine->missed_told = false;
	engine->ops.wake(engine->context, 0);
}

void exchange_missed(struct engine *engine, const struct node *node, uint64_t expected, uint64_t got)
{
	if (!engine->missed) {
		engine_log(engine, LOG_ERR,
			   "gap: batches %" PRIu64 " to %" PRIu64
			   " of node %u were missed here: this node leaves its groups and comes back",
			   expected, got - 1, node->nodeid);
		engine->stats.gaps++;
		missed(engine);
	} else if (node->nodeid == engine->nodeid) {
		engine->missed_told = false; /* MISSED itself may be what did not come back */
	}
}

void exchange_missed_ring(struct engine *engine, const struct node *node)
{
	if (!engine->missed) {
		engine_log(engine, LOG_ERR,
			   "gap: node %u speaks our own wire format, and what the nodes agreed on it by was "
			   "missed "
			   "here: this node leaves its groups and comes back",
			   node->nodeid);
		engine->stats.gaps++;
		missed(engine);
	}
}

void exchange_out_of_memory(struct engine *engine, const char *what)
{
	engine->incomplete = true;
	if (!engine->ours) {
		engine_log(engine, LOG_CRIT,
			   "out of memory: %s is not known here any more: the clients of this node are "
			   "disconnected, and none may join until a node comes or goes",
			   what);
		engine->missed = false;
		groups_evict(engine, "out of memory, it can't be told who is in its group");
	} else if (!engine->missed) {
		engine_log(engine, LOG_CRIT,
			   "out of memory: %s is not known here any more: this node leaves its groups and "
			   "comes back",
			   what);
		missed(engine);
	}
}

bool exchange_holds(const struct engine *engine)
{
	return engine->missed || engine->exchanging;
}

/* ---- parting ---- */

static void part(struct engine *engine, struct node *from)
{
	size_t i;

	engine->lists_lack = false;
	for (i = 0; i < engine->node_count; i++) {
		struct node *node = engine->nodes[i];

		sync_joinlist_clear(node);
		node->present = false;
		if (node->nodeid != engine->nodeid && (node == from || from->nodeid == engine->nodeid)) {
			node->away = true;
		}
	}
	sync_nodes_away(engine);
}

void exchange_leave(struct engine *engine, struct node *node, uint64_t number)
{
	if (node->nodeid == engine->nodeid) {
		engine->missed = false;
		engine->incomplete = false; /* all that are not of this node leave */
	} else {
		engine_log(engine, LOG_ERR,
			   "gap: node %u missed a batch: it leaves its groups and comes back", node->nodeid);
	}
	outgoing_control_clear(engine, PEER_PRESENT); /* for an earlier one */
	engine->exchanging = true;
	engine->present_sent = false;
	engine->exchange_nodeid = node->nodeid;
	engine->exchange_number = number;
	engine->sync_number++;
	part(engine, node);
	sync_totem_confchg(engine);
	engine->ops.wake(engine->context, 0);
}

size_t exchange_ring(const struct engine *engine, uint32_t *nodeids)
{
	size_t count = 0, i;

	for (i = 0; i < engine->ring_count; i++) {
		const struct node *node = node_find(engine, engine->ring[i]);

		if (node == NULL || !node->away) {
			nodeids[count++] = engine->ring[i];
		}
	}
	return count;
}

/* ---- saying who is here ---- */

static size_t process_size(const struct wire_joinlist_entry *entry)
{
	return sizeof(struct peer_process) + peer_padded(entry->group.length);
}

static size_t process_write(uint8_t *to, const struct wire_joinlist_entry *entry)
{
	struct peer_process process = {.pid = entry->pid, .name_length = entry->group.length};
	size_t size = process_size(entry);

	memset(to, 0, size);
	memcpy(to, &process, sizeof(process));
	memcpy(to + sizeof(process), entry->group.value, entry->group.length);
	return size;
}

/* Processes from the joinlist's `own_joinlist_sent` on, as many as a record takes. */
static bool send_present(struct engine *engine, uint8_t *buffer)
{
	struct peer_present present = {.number = engine->exchange_number, .nodeid = engine->exchange_nodeid};
	struct record record = {
		.kind = PEER_PRESENT,
		.body = {{.iov_base = &present, .iov_len = sizeof(present)}, {.iov_base = buffer}}};

	while (engine->own_joinlist_sent < engine->own_joinlist_count &&
	       record.body[1].iov_len < PRESENT_BYTES_MAX) {
		record.body[1].iov_len += process_write(buffer + record.body[1].iov_len,
							&engine->own_joinlist[engine->own_joinlist_sent++]);
	}
	present.last = engine->own_joinlist_sent == engine->own_joinlist_count;
	return outgoing_control(engine, &record);
}

static bool present_buffer_get(struct engine *engine)
{
	if (engine->present_buffer == NULL) {
		engine->present_buffer = malloc(PRESENT_BYTES_MAX + sizeof(struct wire_joinlist_entry));
	}
	return engine->present_buffer != NULL;
}

static void present_buffer_free(struct engine *engine)
{
	free(engine->present_buffer);
	engine->present_buffer = NULL;
}

static bool send_all_present(struct engine *engine)
{
	bool sent = present_buffer_get(engine) && own_joinlist_take(engine);

	do {
		sent = sent && send_present(engine, engine->present_buffer);
	} while (sent && engine->own_joinlist_sent < engine->own_joinlist_count);
	own_joinlist_free(engine);
	if (!sent) {
		outgoing_control_clear(engine,
				       PEER_PRESENT); /* all of it, or none: tried again at the next token */
		return false;
	}
	present_buffer_free(engine);
	return true;
}

/*
 * From there on all nodes wait for what this one says next, so most of the memory for that is had first. Meanwhile its clients
 * would see an old view, for who knows how long.
 */
static void send_missed(struct engine *engine)
{
	const struct record missed = {.kind = PEER_MISSED};

	engine->missed_told = present_buffer_get(engine) && outgoing_control(engine, &missed);
	if (!engine->missed_told) {
		groups_evict(engine, "out of memory, its group can't be left and joined again");
	}
}

void exchange_flush(struct engine *engine)
{
	if (engine->missed && !engine->missed_told) {
		send_missed(engine);
	} else if (engine->missed) {
		return; /* our MISSED will begin the exchange again */
	} else if (engine->exchanging && !engine->present_sent && engine->inflight == 0) {
		engine->present_sent = send_all_present(engine);
	}
}

/* ---- coming back ---- */

static bool read_processes(struct engine *engine, struct node *node, struct peer_bytes bytes)
{
	while (bytes.size >= sizeof(struct peer_process)) {
		struct wire_joinlist_entry entry = {.pid = peer_u32(&bytes, 0)};
		uint32_t length = peer_u32(&bytes, offsetof(struct peer_process, name_length));
		size_t size = sizeof(struct peer_process) + peer_padded(length);

		if (length > IPC_NAME_MAX || size > bytes.size) {
			return false;
		}
		entry.group.length = length;
		memcpy(entry.group.value, bytes.at + sizeof(struct peer_process), length);
		sync_joinlist(engine, node, &entry, 1);
		bytes.at += size;
		bytes.size -= size;
	}
	return bytes.size == 0;
}

static bool all_present(const struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->ring_count; i++) {
		const struct node *node = node_find(engine, engine->ring[i]);

		if (node == NULL || !node->present) {
			return false;
		}
	}
	return true;
}

static void come_back(struct engine *engine)
{
	exchange_end(engine);
	partials_restart(engine);
	sync_take_joinlists(engine);
	sync_totem_confchg(engine);
	behind_begin(engine);
	engine->ops.wake(engine->context, 0);
}

void exchange_present(struct engine *engine, struct node *node, const struct peer_bytes *body)
{
	struct peer_bytes processes = *body;

	if (body->size < sizeof(struct peer_present)) {
		message_complain(engine, node->nodeid, "list of processes");
		return;
	}
	if (!engine->exchanging || peer_u64(body, 0) != engine->exchange_number ||
	    peer_u32(body, offsetof(struct peer_present, nodeid)) != engine->exchange_nodeid) {
		return; /* of an exchange that began again */
	}
	processes.at += sizeof(struct peer_present);
	processes.size -= sizeof(struct peer_present);
	if (!read_processes(engine, node, processes)) {
		message_complain(engine, node->nodeid, "list of processes");
	}
	node->present = peer_u32(body, offsetof(struct peer_present, last)) != 0;
	if (all_present(engine)) {
		come_back(engine);
	}
}

void exchange_end(struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		engine->nodes[i]->away = engine->nodes[i]->present = false;
	}
	engine->exchanging = false;
	present_buffer_free(engine);
}
