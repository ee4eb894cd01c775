/* SPDX-License-Identifier: BSD-3-Clause */
/* A client as the engine sees one: what it asks, and what it makes of the answers. */
#include <corosync/corotypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim_payload.h"
#include "sim_world.h"

/* ---- queues of bytes ---- */

struct sim_message *message_new(const struct iovec *iov, unsigned int iov_len)
{
	struct sim_message *message = sim_alloc(sizeof(*message) + iov_size(iov, iov_len));
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		if (iov[i].iov_len) {
			memcpy(message->data + message->size, iov[i].iov_base, iov[i].iov_len);
		}
		message->size += iov[i].iov_len;
	}
	return message;
}

struct sim_message *fifo_push(struct sim_fifo *fifo, const struct iovec *iov, unsigned int iov_len)
{
	struct sim_message *message = message_new(iov, iov_len);

	if (fifo->first == NULL) {
		fifo->last = &fifo->first;
	}
	*fifo->last = message;
	fifo->last = &message->next;
	fifo->bytes += message->size;
	return message;
}

struct sim_message *fifo_pop(struct sim_fifo *fifo)
{
	struct sim_message *message = fifo->first;

	if (message) {
		fifo->first = message->next;
		fifo->bytes -= message->size;
	}
	return message;
}

void fifo_clear(struct sim_fifo *fifo)
{
	struct sim_message *message;

	while ((message = fifo_pop(fifo)) != NULL) {
		free(message);
	}
}

/* ---- groups ---- */

/* Group 1's name is as long as a name may be, group 2's is group 0's with a NUL behind it. */
void group_name(struct ipc_name *name, unsigned int group)
{
	memset(name, 0, sizeof(*name));
	name->length =
		(uint32_t)snprintf(name->value, sizeof(name->value), "group-%u", group == 2 ? 0 : group);
	if (group == 1) {
		memset(name->value + name->length, 'x', IPC_NAME_MAX - name->length);
		name->length = IPC_NAME_MAX;
	} else if (group == 2) {
		name->length++;
	}
}

/* ---- life ---- */

void client_free(struct sim_client *client)
{
	size_t i;

	fifo_clear(&client->requests);
	fifo_clear(&client->inbox);
	for (i = 0; i < client->assembly_count; i++) {
		free(client->assemblies[i].data);
	}
	free(client->assemblies);
	free(client->reading);
	free(client->sending);
	free(client->slices);
	rings_free(client);
	free(client);
}

void client_dies(struct sim_client *client)
{
	struct oracle *oracle = client->node->world->oracle;
	size_t i;

	if (client->dead) {
		return;
	}
	client->dead = true;
	client->node->world->stats.deaths++;
	for (i = 0; i < client->reading_count; i++) {
		oracle_dead(oracle, client->reading[i].id);
		/* without memory what lies in its ring is lost with it */
		if ((client->finalized || client->rings) && client->node->world->memory.failures == 0) {
			oracle_all_taken(oracle, client->reading[i].id);
		}
	}
	fifo_clear(&client->requests);
	fifo_clear(&client->inbox);
	free(client->sending);
	client->sending = NULL;
	segments_unmap(client);
}

/* ---- asking ---- */

void client_tell(struct sim_client *client, const void *request, size_t size)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)request, .iov_len = size};

	if (!client->dead) {
		fifo_push(&client->requests, &iov, 1);
		node_request(client);
	}
}

void client_ask(struct sim_client *client, const void *request, size_t size, bool answered)
{
	client->waiting = answered && !client->dead;
	client->asked = *(const int32_t *)request;
	client_tell(client, request, size);
}

void client_join(struct sim_client *client, unsigned int group, bool wants_totem)
{
	struct ipc_join request = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(request)},
				   .pid = client->pid,
				   .flags = wants_totem ? IPC_JOIN_INITIAL_TOTEM_CONF : 0};

	group_name(&request.group, group);
	client->asked_group = group;
	client->wants_totem = wants_totem;
	client_ask(client, &request, sizeof(request), true);
}

void client_leave(struct sim_client *client, unsigned int group)
{
	struct ipc_leave request = {.header = {.id = IPC_REQ_LEAVE, .size = sizeof(request)},
				    .pid = client->pid};

	group_name(&request.group, group);
	client->asked_group = group;
	client_ask(client, &request, sizeof(request), true);
}

void client_finalize(struct sim_client *client)
{
	struct ipc_request request = {.id = IPC_REQ_FINALIZE, .size = sizeof(request)};

	client_ask(client, &request, sizeof(request), true);
}

void client_fill(struct sim_client *client, void *at, size_t size)
{
	struct sim_world *world = client->node->world;

	payload_fill(at, size, client->session.id, oracle_next(world->oracle, client->session.id),
		     sim_random(&world->clock));
}

void client_accepted(struct sim_client *client)
{
	oracle_accept(client->node->world->oracle, client->session.id);
	client->node->world->stats.accepted++;
}

void client_send(struct sim_client *client, size_t size)
{
	struct ipc_mcast *request;

	if (client->rings) {
		rings_send(client, size);
		return;
	}
	size = size < PAYLOAD_MIN ? PAYLOAD_MIN : size;
	request = sim_alloc(sizeof(*request) + size);
	request->header.id = IPC_REQ_MCAST;
	request->header.size = (int32_t)(sizeof(*request) + size);
	request->msglen = (uint32_t)size;
	client_fill(client, request->message, size);
	client_accepted(client);
	client_ask(client, request, sizeof(*request) + size, false);
	free(request);
}

void client_send_fragmented(struct sim_client *client, size_t size)
{
	size = size < PAYLOAD_MIN ? PAYLOAD_MIN : size;
	client->sending = sim_alloc(size);
	client->sending_size = size;
	client->sending_done = 0;
	client->sending_first = true;
	client->node->world->stats.fragmented++;
	client_fill(client, client->sending, size);
	client_send_fragment(client);
}

void client_send_fragment(struct sim_client *client)
{
	size_t left = client->sending_size - client->sending_done;
	size_t size = 1 + sim_below(&client->node->world->clock, client->sending_size / 2 + 1);
	struct ipc_partial_mcast *request;

	if (client->sending_done == 0 && size >= left) {
		size = left - 1;
	} else if (size > left) {
		size = left;
	}
	if (size > 900000) {
		size = 900000;
	}
	request = sim_alloc(sizeof(*request) + size);
	request->header.id = IPC_REQ_PARTIAL_MCAST;
	request->header.size = (int32_t)(sizeof(*request) + size);
	request->msglen = (uint32_t)client->sending_size;
	request->fraglen = (uint32_t)size;
	request->type = client->sending_done == 0 ? IPC_FRAGMENT_FIRST
			: size == left		  ? IPC_FRAGMENT_LAST
						  : IPC_FRAGMENT_CONTINUED;
	memcpy(request->message, client->sending + client->sending_done, size);
	client->sending_done += size;
	if (request->type == IPC_FRAGMENT_LAST) {
		oracle_offer(client->node->world->oracle, client->session.id);
	}
	client_ask(client, request, sizeof(*request) + size, true);
	free(request);
}

/* ---- answers ---- */

void client_wrong_answer(struct sim_client *client, const char *to, int32_t error)
{
	oracle_fail(client->node->world->oracle, ORACLE_ANSWER, "client %u of node %u: %s answered with %d",
		    client->number, client->node->totem->nodeid, to, error);
}

/* Stock's executive refuses at any time what would be multicast. */
static bool is_refusal_of_stock(const struct sim_client *client, int32_t error)
{
	return client->node->kind->is_stock && error == CS_ERR_TRY_AGAIN;
}

/* Another handle of the same process makes EXIST and TRY_AGAIN possible. */
static bool has_namesake(const struct sim_client *client)
{
	const struct sim_node *node = client->node;
	size_t i;

	for (i = 0; i < node->client_count; i++) {
		if (node->clients[i] != client && node->clients[i]->pid == client->pid) {
			return true;
		}
	}
	return false;
}

static bool join_refusal_holds(const struct sim_client *client, int32_t error)
{
	if (is_refusal_of_stock(client, error)) {
		return true;
	}
	if (client->joined && !client->leaving) {
		return error == CS_ERR_EXIST;
	}
	if (client->leaving && error == CS_ERR_BUSY) {
		return true;
	}
	return has_namesake(client) && (error == CS_ERR_EXIST || error == CS_ERR_TRY_AGAIN);
}

static void session_begin(struct sim_client *client)
{
	struct sim_world *world = client->node->world;

	client->session.group = client->asked_group;
	client->session.id = oracle_join(world->oracle, client->node->oracle_node, client->pid,
					 client->asked_group, !client->greeted);
	if (client->wants_totem) {
		oracle_wants_totem_confchg(world->oracle, client->session.id);
	}
	client->reading = sim_grow(client->reading, &client->reading_capacity, client->reading_count + 1,
				   sizeof(struct sim_session));
	client->reading[client->reading_count++] = client->session;
	client->joined = true;
	client->leaving = false;
	world->stats.joins++;
	sim_trace(&world->clock, "node %u: client %u (process %u) joins group %u: session %u",
		  client->node->totem->nodeid, client->number, client->pid, client->asked_group,
		  client->session.id);
}

static void join_answered(struct sim_client *client, int32_t error)
{
	/* leaving: its leave may have been delivered, and not yet been read */
	bool may_join = !client->joined || client->leaving;

	if (error == CS_OK && may_join) {
		session_begin(client);
	} else if (error == CS_OK || !join_refusal_holds(client, error)) {
		client_wrong_answer(client, "join", error);
	} else {
		client->node->world->stats.again++;
	}
}

static void leave_answered(struct sim_client *client, int32_t error)
{
	bool may_leave = client->joined && !client->leaving && client->asked_group == client->session.group;

	if (error == CS_OK && may_leave) {
		oracle_leave(client->node->world->oracle, client->session.id);
		client->leaving = true;
		client->node->world->stats.leaves++;
		sim_trace(&client->node->world->clock, "node %u: session %u leaves",
			  client->node->totem->nodeid, client->session.id);
	} else if (!(error == CS_ERR_BUSY && client->joined && !client->leaving) &&
		   !(error == CS_ERR_NOT_EXIST && !may_leave) && !is_refusal_of_stock(client, error)) {
		client_wrong_answer(client, "leave", error);
	}
}

/* Only the first may be refused: what has begun goes on, whatever happens to the ring. */
static bool fragment_refusal_holds(const struct sim_client *client, int32_t error)
{
	bool too_big = client->sending_size > client->node->world->config.engine.message_max;

	return client->sending_first && error == (too_big ? CS_ERR_TOO_BIG : CS_ERR_TRY_AGAIN);
}

static void fragment_answered(struct sim_client *client, int32_t error)
{
	if (error == CS_OK && client->sending_done < client->sending_size) {
		client->sending_first = false;
		client_send_fragment(client);
		return;
	}
	if (error == CS_OK) {
		client_accepted(client);
	} else if (!fragment_refusal_holds(client, error) && !is_refusal_of_stock(client, error)) {
		client_wrong_answer(client, "fragment", error);
	}
	free(client->sending);
	client->sending = NULL;
}

/* It closes the connection. */
static void finalize_answered(struct sim_client *client, int32_t error)
{
	if (error != CS_OK) {
		client_wrong_answer(client, "finalize", error);
	}
	client->finalized = true;
	node_kill_client(client);
}

static void iteration_answered(struct sim_client *client, const uint8_t *answer, size_t size, int32_t error)
{
	if (client->asked == IPC_REQ_ITERATION_INITIALIZE && error == CS_OK &&
	    size == sizeof(struct ipc_iteration_initialize_response)) {
		client->iteration =
			((const struct ipc_iteration_initialize_response *)answer)->iteration_handle;
		client->iteration_steps = 0;
	} else if (client->asked == IPC_REQ_ITERATION_NEXT && error == CS_OK) {
		client->iteration_steps++;
	} else if (client->asked == IPC_REQ_ITERATION_FINALIZE ? error != CS_OK
							       : error != CS_ERR_NO_SECTIONS) {
		if (client->asked != IPC_REQ_ITERATION_INITIALIZE) {
			client_wrong_answer(client, "iteration", error);
		}
	}
	if (client->asked == IPC_REQ_ITERATION_FINALIZE) {
		client->iteration = 0;
	}
}

static void hello_answered(struct sim_client *client, const uint8_t *answer, size_t size)
{
	const struct ipc_hello_response *hello = (const struct ipc_hello_response *)answer;

	if (size < sizeof(struct ipc_local_get_response) ||
	    hello->local.local_nodeid != client->node->totem->nodeid) {
		client_wrong_answer(client, "local_get", (int32_t)size);
	}
	client->greeted = client->greeted ||
			  (client->ours && size >= sizeof(*hello) && hello->magic == IPC_HELLO_MAGIC &&
			   (hello->features & IPC_FEATURE_LARGE_GROUPS));
	if (client->node->kind->is_stock && size != sizeof(struct ipc_local_get_response)) {
		client_wrong_answer(client, "hello to stock", (int32_t)size);
	}
	if (client->node->kind->is_stock) {
		client->ours = false; /* on a stock engine our library is as stock's */
	} else if (client->ours && !client->greeted) {
		client_wrong_answer(client, "hello", (int32_t)size);
	} else if (client->wants_rings && size >= sizeof(*hello)) {
		rings_hello_answered(client, hello);
	}
}

/* For want of memory: of a message in fragments nothing is sent. */
static void nothing_was_done(struct sim_client *client)
{
	client->node->world->memory.answers++;
	if (client->asked == IPC_REQ_PARTIAL_MCAST) {
		free(client->sending);
		client->sending = NULL;
	}
}

/* Who joins is told, too. */
static bool asks_for_members(const struct sim_client *client)
{
	return client->asked == IPC_REQ_JOIN || client->asked == IPC_REQ_MEMBERSHIP ||
	       client->asked == IPC_REQ_MEMBERSHIP_PAGE || client->asked == IPC_REQ_ITERATION_INITIALIZE;
}

void client_answered(struct sim_client *client, const void *answer, size_t size)
{
	const struct ipc_response *header = answer;

	if (client->dead || client->rogue) {
		client->waiting = false;
		return;
	}
	if (size < sizeof(*header) || header->size != (int32_t)size || !client->waiting) {
		client_wrong_answer(client, "a request with a strange header", (int32_t)size);
		return;
	}
	client->waiting = false;
	if (header->error == CS_ERR_TRY_AGAIN && client->node->hurt && asks_for_members(client)) {
		client->node->world->memory.answers++;
		return;
	}
	if (header->error == CS_ERR_NO_MEMORY && client->node->world->memory.failures) {
		nothing_was_done(client);
		return;
	}
	switch (client->asked) {
	case IPC_REQ_JOIN:
		join_answered(client, header->error);
		break;
	case IPC_REQ_LEAVE:
		leave_answered(client, header->error);
		break;
	case IPC_REQ_PARTIAL_MCAST:
		fragment_answered(client, header->error);
		break;
	case IPC_REQ_ITERATION_INITIALIZE:
	case IPC_REQ_ITERATION_NEXT:
	case IPC_REQ_ITERATION_FINALIZE:
		iteration_answered(client, answer, size, header->error);
		break;
	case IPC_REQ_FINALIZE:
		finalize_answered(client, header->error);
		break;
	case IPC_REQ_SEGMENT_CREATE:
		rings_segment_answered(client, answer);
		break;
	case IPC_REQ_LOCAL_GET:
		hello_answered(client, answer, size);
		break;
	default:
		if (header->error != CS_OK) {
			client_wrong_answer(client, "a query", header->error);
		}
	}
}
