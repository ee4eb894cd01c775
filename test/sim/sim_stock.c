/* SPDX-License-Identifier: BSD-3-Clause */
/* The model of stock's engine in a simulated executive, whose flow control is stock's, too. See sim_world.h. */
#include <corosync/corotypes.h>
#include <string.h>

#include "sim_world.h"
#include "stock_model.h"

/* ---- what it wants done ---- */

static int op_mcast(void *context, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_node *node = context;
	struct ipc_request header;

	memcpy(&header, iov[0].iov_base, sizeof(header));
	node->mcast_calls++;
	return totem_mcast(node->totem, MESSAGE_SERVICE, (unsigned int)header.id & 0xffff, iov, iov_len);
}

static void op_respond(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	(void)context;
	node_answer(conn, iov, iov_len);
}

static void op_dispatch(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_node *node = context;
	struct sim_client *client = conn;

	node->event_calls++;
	if (!client->dead) {
		node_event(client, iov, iov_len);
	}
}

static const struct stock_ops stock_ops = {
	.mcast = op_mcast,
	.respond = op_respond,
	.dispatch = op_dispatch,
};

/* ---- how it is called ---- */

static void *stock_model_create(struct sim_node *node, const struct engine_config *config)
{
	(void)config; /* it has no options */
	return stock_create(&stock_ops, node, node->totem->nodeid);
}

static void stock_model_destroy(void *engine)
{
	stock_destroy(engine);
}

static void *client_new(void *engine, struct sim_client *client)
{
	return stock_client_new(engine, client, client->pid);
}

static void client_gone(void *engine, void *peer)
{
	stock_client_gone(engine, peer);
}

/* Those that multicast; the executive itself refuses them when it is no time for that. */
static bool is_flow_controlled(int32_t id)
{
	return id == IPC_REQ_JOIN || id == IPC_REQ_LEAVE || id == IPC_REQ_MCAST ||
	       id == IPC_REQ_PARTIAL_MCAST;
}

static void request(void *engine, struct sim_client *client, const void *message, size_t size)
{
	const struct totem_node *totem = client->node->totem;
	struct ipc_response refusal = {.size = sizeof(refusal), .error = CS_ERR_TRY_AGAIN};
	struct iovec iov = {.iov_base = &refusal, .iov_len = sizeof(refusal)};
	int32_t id = ((const struct ipc_request *)message)->id;

	if (!is_flow_controlled(id) || (!totem->sync_in_process && totem_has_room(totem, size))) {
		stock_request(engine, client->peer, message);
	} else if (id == IPC_REQ_MCAST) {
		sim_trace(&client->node->world->clock, "node %u: a message of client %u is refused, unheard",
			  totem->nodeid, client->number);
	} else {
		node_answer(client, &iov, 1);
	}
}

static void message_delivered(void *engine, unsigned int function, const void *message, uint32_t nodeid)
{
	stock_message(engine, function, message, nodeid);
}

static void sync_init(void *engine, const uint32_t *trans, size_t trans_count, const uint32_t *members,
		      size_t count, const struct memb_ring_id *ring_id)
{
	stock_sync_init(engine, trans, trans_count, members, count, ring_id);
}

static int sync_process(void *engine)
{
	return stock_sync_process(engine);
}

static void sync_activate(void *engine)
{
	stock_sync_activate(engine);
}

static void sync_abort(void *engine)
{
	stock_sync_abort(engine);
}

static bool is_idle(const void *engine)
{
	(void)engine; /* it keeps nothing back */
	return true;
}

const struct sim_engine_kind sim_stock = {
	.is_stock = true,
	.create = stock_model_create,
	.destroy = stock_model_destroy,
	.client_new = client_new,
	.client_gone = client_gone,
	.request = request,
	.message = message_delivered,
	.sync_init = sync_init,
	.sync_process = sync_process,
	.sync_activate = sync_activate,
	.sync_abort = sync_abort,
	.is_idle = is_idle,
};
