/* SPDX-License-Identifier: BSD-3-Clause */
/* Our engine in a simulated executive: what it wants done, and how it is called. See sim_world.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "oracle_internal.h"
#include "sim_world.h"

#define NO_MEMORY 10	 /* percent of segments that can't be had */
#define DOORBELL_FAILS 3 /* percent of doorbells that find no room; in reality a rogue's alone */

/* ---- what the engine wants done ---- */

/* Totem has no room for it; or that is what the dice say, whatever room there is. */
static bool mcast_refused(struct sim_node *node)
{
	bool refused = !node->world->healing && sim_percent(&node->world->clock, node->world->config.refused);

	node->world->stats.refused_sends += refused;
	return refused;
}

/* Facts 3 and 7 of totem: from TRANSITIONAL to the end of sync only sync_process may multicast. */
static void check_context(struct sim_node *node)
{
	if (node->context == CONTEXT_QUIET ||
	    (node->context == CONTEXT_SYNC) != node->totem->waiting_trans_ack) {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT, "node %u multicasts in context %d%s",
			    node->totem->nodeid, node->context,
			    node->totem->waiting_trans_ack ? " during a ring change" : "");
	}
}

static void check_mcast(struct sim_node *node, const struct ipc_request *header, size_t size)
{
	check_context(node);
	if (size > TOTEM_MESSAGE_SIZE_MAX || (size_t)header->size != size ||
	    header->id >> 16 != (int32_t)SERVICE_ID_CPG) {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT,
			    "node %u multicasts %zu bytes, header %d, %d", node->totem->nodeid, size,
			    header->id, header->size);
	}
}

static int op_mcast(void *context, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_node *node = context;
	struct ipc_request header;

	memcpy(&header, iov[0].iov_base, sizeof(header));
	check_mcast(node, &header, iov_size(iov, iov_len));
	node->mcast_calls++;
	if (mcast_refused(node)) {
		return -1;
	}
	return totem_mcast(node->totem, MESSAGE_SERVICE, (unsigned int)header.id & 0xffff, iov, iov_len);
}

static int op_peer_mcast(void *context, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_node *node = context;

	check_context(node);
	if (iov_size(iov, iov_len) > TOTEM_MESSAGE_SIZE_MAX) {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT, "node %u multicasts %zu bytes",
			    node->totem->nodeid, iov_size(iov, iov_len));
	}
	node->mcast_calls++;
	if (mcast_refused(node)) {
		return -1;
	}
	return totem_mcast(node->totem, MESSAGE_PEER, 0, iov, iov_len);
}

static void op_respond(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	(void)context;
	node_answer(conn, iov, iov_len);
}

/* Something that a process of another node did. */
static bool is_of_others(const struct sim_node *node, const struct iovec *iov)
{
	const union {
		struct ipc_response header;
		struct ipc_deliver deliver;
		struct ipc_partial_deliver partial;
		struct ipc_confchg confchg;
	} *event = iov[0].iov_base;
	const struct ipc_address *changed;

	switch (event->header.id) {
	case IPC_RES_DELIVER:
		return event->deliver.nodeid != node->totem->nodeid;
	case IPC_RES_PARTIAL_DELIVER:
		return event->partial.nodeid != node->totem->nodeid;
	case IPC_RES_CONFCHG:
		changed = event->confchg.left_list_entries ? iov[2].iov_base : iov[3].iov_base;
		return changed->nodeid != node->totem->nodeid && changed->reason <= REASON_LEAVE;
	default:
		return false;
	}
}

/* Where events do not wait: whose node does not know all members hears of nobody else. */
static void check_quiet(const struct sim_node *node, const struct iovec *iov)
{
	if (node->hurt && node->world->config.event_room == SIZE_MAX && is_of_others(node, iov)) {
		oracle_fail(node->world->oracle, ORACLE_VIEW,
			    "node %u does not know all members, and tells of others", node->totem->nodeid);
	}
}

static int op_event(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_node *node = context;
	struct sim_client *client = conn;

	node->event_calls++;
	if (client->dead) {
		return sim_percent(&node->world->clock, 50) ? 0 : -ENOTCONN;
	}
	if (client->inbox.first &&
	    client->inbox.bytes + iov_size(iov, iov_len) > node->world->config.event_room) {
		node->world->stats.full_connections++;
		return -EAGAIN;
	}
	if (client->rings && sim_percent(&node->world->clock, DOORBELL_FAILS)) {
		return -EAGAIN;
	}
	if (client == node->watcher) {
		inject_watcher_hears(node, iov, iov_len);
		return 0;
	}
	check_quiet(node, iov);
	node_event(client, iov, iov_len);
	return 0;
}

static void op_evict(void *context, void *conn)
{
	struct sim_node *node = context;
	struct sim_client *client = conn;

	client->evicted = true;
	node->world->stats.evictions++;
	sim_trace(&node->world->clock, "node %u: client %u is evicted", node->totem->nodeid, client->number);
	node_end_connection(client);
}

static uint64_t op_now(void *context)
{
	return ((struct sim_node *)context)->world->clock.now;
}

static void op_wake(void *context, uint64_t delay)
{
	node_wake(context, delay);
}

static void op_hold_requests(void *context, bool hold)
{
	struct sim_node *node = context;

	node->held = hold;
}

static void op_log(void *context, int priority, const char *text)
{
	struct sim_node *node = context;

	sim_trace(&node->world->clock, "node %u: log %d: %s", node->totem->nodeid, priority, text);
	if (priority > LOG_CRIT) {
		return;
	}
	if (node->world->memory.failures && strstr(text, "comes back")) {
		inject_forgets(node);
	} else if (node->world->memory.failures && strstr(text, "disconnected")) {
		inject_gives_up(node);
	} else {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT, "node %u: %s", node->totem->nodeid, text);
	}
}

/* ---- shared memory ---- */

static int op_segment_create(void *context, void *conn, size_t user_size, size_t present,
			     struct engine_segment *segment, struct engine_segment_name *name)
{
	struct sim_node *node = context;
	struct sim_segment *made;

	if (sim_percent(&node->world->clock, NO_MEMORY)) {
		return -ENOSPC;
	}
	made = segment_new(conn, user_size);
	*segment = (struct engine_segment){
		.base = segment_views_engine(made->views), .size = present, .handle = made};
	snprintf(name->name, name->capacity, "%s", made->name);
	return 0;
}

/* All of it is there from the beginning. It moves in any case, as a real one may. */
static int op_segment_grow(void *context, struct engine_segment *segment, size_t present)
{
	const struct sim_segment *made = segment->handle;
	struct sim_node *node = context;

	segment_views_move(made->views);
	segment->base = segment_views_engine(made->views);
	if (sim_percent(&node->world->clock, NO_MEMORY)) {
		return -ENOSPC;
	}
	segment->size = present;
	return 0;
}

static void op_segment_unlink(void *context, struct engine_segment *segment)
{
	struct sim_node *node = context;
	struct sim_segment *made = segment->handle;

	if (!made->named) {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT, "node %u: %s is unlinked twice",
			    node->totem->nodeid, made->name);
	}
	made->named = false;
}

static void op_segment_destroy(void *context, struct engine_segment *segment)
{
	(void)context;
	segment_destroyed(segment->handle);
}

/* A client's cut is no signal here. */
static void op_segment_arm(void *context)
{
	(void)context;
}

static bool op_segment_broken(void *context, const struct engine_segment *segment)
{
	(void)context;
	return ((const struct sim_segment *)segment->handle)->cut;
}

static const struct engine_ops ours_ops = {
	.mcast = op_mcast,
	.peer_mcast = op_peer_mcast,
	.respond = op_respond,
	.event = op_event,
	.evict = op_evict,
	.now = op_now,
	.wake = op_wake,
	.hold_requests = op_hold_requests,
	.log = op_log,
	.segment_create = op_segment_create,
	.segment_grow = op_segment_grow,
	.segment_unlink = op_segment_unlink,
	.segment_destroy = op_segment_destroy,
	.segment_arm = op_segment_arm,
	.segment_broken = op_segment_broken,
};

/* ---- how it is called ---- */

static void *ours_create(struct sim_node *node, const struct engine_config *config)
{
	struct engine *engine = engine_create(&ours_ops, node, config);

	if (engine) {
		engine_set_nodeid(engine, node->totem->nodeid);
	}
	return engine;
}

static void ours_destroy(void *engine)
{
	engine_destroy(engine);
}

static void *ours_client_new(void *engine, struct sim_client *client)
{
	return engine_client_new(engine, client, client->pid);
}

static void ours_client_gone(void *engine, void *peer)
{
	engine_client_gone(engine, peer);
}

static void ours_request(void *engine, struct sim_client *client, const void *message, size_t size)
{
	engine_request(engine, client->peer, message, size);
}

static void ours_message(void *engine, unsigned int function, const void *message, uint32_t nodeid)
{
	engine_message(engine, function, message, nodeid);
}

static void ours_peer_message(void *engine, const void *message, size_t size, uint32_t nodeid)
{
	engine_peer_message(engine, message, size, false, nodeid);
}

static void ours_transitional(void *engine, const uint32_t *left, size_t count)
{
	engine_transitional(engine, left, count);
}

static void ours_regular(void *engine, const struct memb_ring_id *ring_id)
{
	engine_regular(engine, ring_id);
}

static void ours_sync_init(void *engine, const uint32_t *trans, size_t trans_count, const uint32_t *members,
			   size_t count, const struct memb_ring_id *ring_id)
{
	engine_sync_init(engine, trans, trans_count, members, count, ring_id);
}

static int ours_sync_process(void *engine)
{
	return engine_sync_process(engine);
}

static void ours_sync_activate(void *engine)
{
	engine_sync_activate(engine);
}

static void ours_sync_over(void *engine)
{
	engine_sync_over(engine);
}

static void ours_token(void *engine)
{
	engine_token(engine);
}

static void ours_tick(void *engine)
{
	engine_tick(engine);
}

static bool ours_is_idle(const void *engine)
{
	struct engine_stats stats;

	engine_stats(engine, &stats);
	return !engine_busy(engine) && stats.queued_bytes == 0 && !stats.news;
}

static void ours_stats(const void *engine, struct engine_stats *stats)
{
	engine_stats(engine, stats);
}

static void ours_dump(void *engine)
{
	engine_dump(engine);
}

const struct sim_engine_kind sim_ours = {
	.create = ours_create,
	.destroy = ours_destroy,
	.client_new = ours_client_new,
	.client_gone = ours_client_gone,
	.request = ours_request,
	.message = ours_message,
	.peer_message = ours_peer_message,
	.transitional = ours_transitional,
	.regular = ours_regular,
	.sync_init = ours_sync_init,
	.sync_process = ours_sync_process,
	.sync_activate = ours_sync_activate,
	.sync_over = ours_sync_over,
	.token = ours_token,
	.tick = ours_tick,
	.is_idle = ours_is_idle,
	.stats = ours_stats,
	.dump = ours_dump,
};
