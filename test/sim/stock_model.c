/* SPDX-License-Identifier: BSD-3-Clause */
#include "stock_model.h"

#include <corosync/corotypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpg_wire.h"
#include "sim_clock.h"

/* cpg_reason_t */
enum { JOIN = 1, LEAVE = 2, NODEDOWN = 3, NODEUP = 4, PROCDOWN = 5 };

enum state { UNJOINED, JOIN_STARTED, JOINED, LEAVE_STARTED };

struct stock_client {
	void *conn;
	struct ipc_name group;
	uint32_t pid;
	enum state state;
	bool wants_totem;
};

/* A process in a group, or one that comes or goes. */
struct process {
	struct ipc_name group;
	uint32_t nodeid, pid;
};

struct processes {
	struct process *entry;
	size_t count, capacity;
};

struct stock_model {
	struct stock_ops ops;
	void *context;
	uint32_t nodeid;
	struct stock_client **clients;
	size_t client_count, client_capacity;
	struct processes members;  /* of all groups, as the ordered stream says */
	struct processes dead;	   /* of this node, their leave is on its way */
	struct processes joinlist; /* what was said in this sync, or since */
	uint32_t ring[TOTEM_PROCESSORS_MAX], left[TOTEM_PROCESSORS_MAX];
	size_t ring_count, left_count;
	struct memb_ring_id ring_id;
	bool downlist_sent, joinlist_sent;
};

/* ---- processes ---- */

static bool same_group(const struct ipc_name *a, const struct ipc_name *b)
{
	return a->length == b->length && memcmp(a->value, b->value, a->length) == 0;
}

static bool same_process(const struct process *a, const struct process *b)
{
	return a->nodeid == b->nodeid && a->pid == b->pid && same_group(&a->group, &b->group);
}

static struct process *find(const struct processes *list, const struct process *process)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (same_process(&list->entry[i], process)) {
			return &list->entry[i];
		}
	}
	return NULL;
}

static void add(struct processes *list, const struct process *process)
{
	list->entry = sim_grow(list->entry, &list->capacity, list->count + 1, sizeof(struct process));
	list->entry[list->count++] = *process;
}

static void take_out(struct processes *list, struct process *process)
{
	size_t at = (size_t)(process - list->entry);

	list->count--;
	memmove(process, process + 1, (list->count - at) * sizeof(*process));
}

static void clear(struct processes *list)
{
	free(list->entry);
	memset(list, 0, sizeof(*list));
}

/* ---- what clients hear ---- */

static void dispatch(struct stock_model *model, const struct stock_client *client, const struct iovec *iov,
		     unsigned int iov_len)
{
	model->ops.dispatch(model->context, client->conn, iov, iov_len);
}

static bool hears(const struct stock_client *client, const struct ipc_name *group)
{
	return (client->state == JOINED || client->state == LEAVE_STARTED) &&
	       same_group(&client->group, group);
}

static void tell_group(struct stock_model *model, const struct ipc_name *group, const struct iovec *iov,
		       unsigned int iov_len)
{
	size_t i;

	for (i = 0; i < model->client_count; i++) {
		if (hears(model->clients[i], group)) {
			dispatch(model, model->clients[i], iov, iov_len);
		}
	}
}

static size_t append(struct ipc_address *list, const struct processes *from, const struct ipc_name *group,
		     uint32_t reason)
{
	size_t count = 0, i;

	for (i = 0; i < from->count; i++) {
		if (same_group(&from->entry[i].group, group)) {
			list[count++] = (struct ipc_address){
				.nodeid = from->entry[i].nodeid, .pid = from->entry[i].pid, .reason = reason};
		}
	}
	return count;
}

/* Those of `changed` that are of the group have come or gone; the members are as they are behind it. */
static void tell_confchg(struct stock_model *model, const struct ipc_name *group,
			 const struct processes *changed, uint32_t reason)
{
	bool joined = reason == JOIN || reason == NODEUP;
	struct ipc_confchg event = {.header = {.id = IPC_RES_CONFCHG, .error = CS_OK}, .group = *group};
	struct ipc_address *list = sim_alloc((model->members.count + changed->count) * sizeof(*list));
	size_t members = append(list, &model->members, group, 0);
	size_t others = append(list + members, changed, group, reason);
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)},
			       {.iov_base = list, .iov_len = (members + others) * sizeof(*list)}};

	event.header.size = (int32_t)(iov[0].iov_len + iov[1].iov_len);
	event.member_list_entries = (uint32_t)members;
	event.joined_list_entries = joined ? (uint32_t)others : 0;
	event.left_list_entries = joined ? 0 : (uint32_t)others;
	tell_group(model, group, iov, 2);
	free(list);
}

static void tell_totem(struct stock_model *model, const struct stock_client *client)
{
	struct {
		struct ipc_response header;
		struct ipc_ring_id ring_id;
		uint32_t member_list_entries;
		uint32_t member_list[TOTEM_PROCESSORS_MAX];
	} event = {
		.header = {.id = IPC_RES_TOTEM_CONFCHG, .error = CS_OK},
		.ring_id = {.nodeid = model->ring_id.nodeid, .seq = model->ring_id.seq},
		.member_list_entries = (uint32_t)model->ring_count,
	};
	struct iovec iov = {.iov_base = &event,
			    .iov_len = offsetof(struct ipc_totem_confchg, member_list) +
				       model->ring_count * sizeof(uint32_t)};

	static_assert(offsetof(__typeof__(event), member_list) ==
			      offsetof(struct ipc_totem_confchg, member_list),
		      "TOTEM_CONFCHG");
	memcpy(event.member_list, model->ring, model->ring_count * sizeof(uint32_t));
	event.header.size = (int32_t)iov.iov_len;
	dispatch(model, client, &iov, 1);
}

/* ---- what clients ask ---- */

static void respond(struct stock_model *model, const struct stock_client *client, int id, cs_error_t error)
{
	struct ipc_response response = {.id = id, .size = sizeof(response), .error = error};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};

	model->ops.respond(model->context, client->conn, &iov, 1);
}

static int send_joinleave(struct stock_model *model, const struct stock_client *client, unsigned int function,
			  uint32_t reason)
{
	struct wire_procjoin message = {.header = {.id = WIRE_ID(function), .size = sizeof(message)},
					.group = client->group,
					.pid = client->pid,
					.reason = reason};
	struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};

	return model->ops.mcast(model->context, &iov, 1);
}

static cs_error_t check_duplicate(const struct stock_model *model, const struct process *process)
{
	size_t i;

	for (i = 0; i < model->client_count; i++) {
		const struct stock_client *other = model->clients[i];

		if (other->state != UNJOINED && other->pid == process->pid &&
		    same_group(&other->group, &process->group)) {
			return other->state == LEAVE_STARTED ? CS_ERR_TRY_AGAIN : CS_ERR_EXIST;
		}
	}
	return find(&model->members, process) || find(&model->dead, process) ? CS_ERR_TRY_AGAIN : CS_OK;
}

static void request_join(struct stock_model *model, struct stock_client *client,
			 const struct ipc_join *request)
{
	struct process process = {.group = request->group, .nodeid = model->nodeid, .pid = client->pid};
	cs_error_t error = CS_OK;

	if (client->state == LEAVE_STARTED) {
		error = CS_ERR_BUSY;
	} else if (client->state != UNJOINED) {
		error = CS_ERR_EXIST;
	} else if (request->group.length > IPC_NAME_MAX) {
		error = CS_ERR_NAME_TOO_LONG;
	} else {
		error = check_duplicate(model, &process);
	}
	if (error == CS_OK) {
		client->group = request->group;
		client->state = JOIN_STARTED;
		client->wants_totem = request->flags & IPC_JOIN_INITIAL_TOTEM_CONF;
		(void)send_joinleave(model, client, WIRE_PROCJOIN, JOIN);
	}
	respond(model, client, IPC_RES_JOIN, error);
}

static void request_leave(struct stock_model *model, struct stock_client *client,
			  const struct ipc_leave *request)
{
	cs_error_t error = CS_OK;

	if (client->state == JOIN_STARTED) {
		error = CS_ERR_BUSY;
	} else if (client->state != JOINED || !same_group(&client->group, &request->group)) {
		error = CS_ERR_NOT_EXIST;
	} else {
		client->state = LEAVE_STARTED;
		(void)send_joinleave(model, client, WIRE_PROCLEAVE, LEAVE);
	}
	respond(model, client, IPC_RES_LEAVE, error);
}

static bool may_send(const struct stock_client *client)
{
	return client->state == JOIN_STARTED || client->state == JOINED;
}

static void request_mcast(struct stock_model *model, const struct stock_client *client,
			  const struct ipc_mcast *request)
{
	struct wire_mcast message = {
		.header = {.id = WIRE_ID(WIRE_MCAST), .size = (int32_t)(sizeof(message) + request->msglen)},
		.group = client->group,
		.msglen = request->msglen,
		.pid = client->pid,
		.source = {.nodeid = model->nodeid},
	};
	struct iovec iov[2] = {{.iov_base = &message, .iov_len = sizeof(message)},
			       {.iov_base = (void *)(uintptr_t)request->message, .iov_len = request->msglen}};

	if (may_send(client)) {
		(void)model->ops.mcast(model->context, iov, 2);
	}
}

static void request_partial_mcast(struct stock_model *model, const struct stock_client *client,
				  const struct ipc_partial_mcast *request)
{
	struct wire_partial_mcast message = {
		.header = {.id = WIRE_ID(WIRE_PARTIAL_MCAST),
			   .size = (int32_t)(sizeof(message) + request->fraglen)},
		.group = client->group,
		.msglen = request->msglen,
		.fraglen = request->fraglen,
		.pid = client->pid,
		.type = request->type,
		.source = {.nodeid = model->nodeid},
	};
	struct iovec iov[2] = {
		{.iov_base = &message, .iov_len = sizeof(message)},
		{.iov_base = (void *)(uintptr_t)request->message, .iov_len = request->fraglen}};

	if (may_send(client)) {
		(void)model->ops.mcast(model->context, iov, 2);
	}
	respond(model, client, IPC_RES_PARTIAL_SEND, may_send(client) ? CS_OK : CS_ERR_NOT_EXIST);
}

static void request_membership(struct stock_model *model, const struct stock_client *client,
			       const struct ipc_membership *request)
{
	struct ipc_membership_response response = {
		.header = {.id = IPC_RES_MEMBERSHIP, .size = sizeof(response), .error = CS_OK}};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};
	struct ipc_address *list = sim_alloc(model->members.count * sizeof(*list));
	size_t count = append(list, &model->members, &request->group, 0);

	response.member_count = (uint32_t)(count < IPC_OLD_MEMBERSHIP_MAX ? count : IPC_OLD_MEMBERSHIP_MAX);
	memcpy(response.member_list, list, response.member_count * sizeof(*list));
	model->ops.respond(model->context, client->conn, &iov, 1);
	free(list);
}

static void request_local_get(struct stock_model *model, const struct stock_client *client)
{
	struct ipc_local_get_response response = {
		.header = {.id = IPC_RES_LOCAL_GET, .size = sizeof(response), .error = CS_OK},
		.local_nodeid = model->nodeid};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};

	model->ops.respond(model->context, client->conn, &iov, 1);
}

void stock_request(struct stock_model *model, struct stock_client *client, const void *message)
{
	switch (((const struct ipc_request *)message)->id) {
	case IPC_REQ_JOIN:
		request_join(model, client, message);
		break;
	case IPC_REQ_LEAVE:
		request_leave(model, client, message);
		break;
	case IPC_REQ_MCAST:
		request_mcast(model, client, message);
		break;
	case IPC_REQ_PARTIAL_MCAST:
		request_partial_mcast(model, client, message);
		break;
	case IPC_REQ_MEMBERSHIP:
		request_membership(model, client, message);
		break;
	case IPC_REQ_LOCAL_GET:
		request_local_get(model, client);
		break;
	default: /* iterations are of no interest here */
		respond(model, client, IPC_RES_ITERATION_INITIALIZE, CS_ERR_NOT_SUPPORTED);
	}
}

struct stock_client *stock_client_new(struct stock_model *model, void *conn, uint32_t pid)
{
	struct stock_client *client = sim_alloc(sizeof(*client));

	client->conn = conn;
	client->pid = pid;
	model->clients = sim_grow(model->clients, &model->client_capacity, model->client_count + 1,
				  sizeof(struct stock_client *));
	model->clients[model->client_count++] = client;
	return client;
}

void stock_client_gone(struct stock_model *model, struct stock_client *client)
{
	size_t at = 0;

	if (may_send(client)) {
		struct process process = {
			.group = client->group, .nodeid = model->nodeid, .pid = client->pid};

		add(&model->dead, &process);
		(void)send_joinleave(model, client, WIRE_PROCLEAVE, PROCDOWN);
	}
	while (model->clients[at] != client) {
		at++;
	}
	model->clients[at] = model->clients[--model->client_count];
	free(client);
}

/* ---- what totem delivers ---- */

static struct stock_client *client_of(const struct stock_model *model, const struct process *process,
				      enum state state)
{
	size_t i;

	for (i = 0; i < model->client_count && process->nodeid == model->nodeid; i++) {
		struct stock_client *client = model->clients[i];

		if (client->state == state && client->pid == process->pid &&
		    same_group(&client->group, &process->group)) {
			return client;
		}
	}
	return NULL;
}

static void deliver_join(struct stock_model *model, const struct process *process)
{
	struct stock_client *client = client_of(model, process, JOIN_STARTED);
	struct process joined = *process;
	const struct processes change = {.entry = &joined, .count = 1};

	if (find(&model->members, process)) {
		return;
	}
	add(&model->members, process);
	if (client) {
		client->state = JOINED;
	}
	tell_confchg(model, &process->group, &change, JOIN);
	if (client && client->wants_totem) {
		tell_totem(model, client);
	}
}

static void deliver_leave(struct stock_model *model, const struct process *process, uint32_t reason)
{
	struct process *member = find(&model->members, process), *dead = find(&model->dead, process);
	struct stock_client *client = client_of(model, process, LEAVE_STARTED);
	struct process left = *process;
	const struct processes change = {.entry = &left, .count = 1};

	if (dead) {
		take_out(&model->dead, dead);
	}
	if (member == NULL) {
		return;
	}
	take_out(&model->members, member);
	tell_confchg(model, &process->group, &change, reason);
	if (client) {
		client->state = UNJOINED;
	}
}

static void receive_joinleave(struct stock_model *model, unsigned int function, const uint8_t *message,
			      uint32_t nodeid)
{
	struct wire_procjoin procjoin;
	struct process process;

	memcpy(&procjoin, message, sizeof(procjoin));
	process = (struct process){.group = procjoin.group, .nodeid = nodeid, .pid = procjoin.pid};
	if (function == WIRE_PROCJOIN) {
		deliver_join(model, &process);
	} else {
		deliver_leave(model, &process, procjoin.reason);
	}
}

static bool is_member(const struct stock_model *model, const struct ipc_name *group, uint32_t nodeid,
		      uint32_t pid)
{
	struct process process = {.group = *group, .nodeid = nodeid, .pid = pid};

	return find(&model->members, &process) != NULL;
}

static void receive_mcast(struct stock_model *model, const uint8_t *message, uint32_t nodeid)
{
	struct wire_mcast mcast;
	struct ipc_deliver event = {.header = {.id = IPC_RES_DELIVER, .error = CS_OK}};
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)}};

	memcpy(&mcast, message, sizeof(mcast));
	if (!is_member(model, &mcast.group, nodeid, mcast.pid)) {
		return;
	}
	event.group = mcast.group;
	event.msglen = mcast.msglen;
	event.nodeid = nodeid;
	event.pid = mcast.pid;
	event.header.size = (int32_t)(sizeof(event) + mcast.msglen);
	iov[1] = (struct iovec){.iov_base = (void *)(uintptr_t)(message + sizeof(mcast)),
				.iov_len = mcast.msglen};
	tell_group(model, &mcast.group, iov, 2);
}

static void receive_partial(struct stock_model *model, const uint8_t *message, uint32_t nodeid)
{
	struct wire_partial_mcast partial;
	struct ipc_partial_deliver event = {.header = {.id = IPC_RES_PARTIAL_DELIVER, .error = CS_OK}};
	struct iovec iov[2] = {{.iov_base = &event, .iov_len = sizeof(event)}};

	memcpy(&partial, message, sizeof(partial));
	if (!is_member(model, &partial.group, nodeid, partial.pid)) {
		return;
	}
	event.group = partial.group;
	event.msglen = partial.msglen;
	event.fraglen = partial.fraglen;
	event.nodeid = nodeid;
	event.pid = partial.pid;
	event.type = partial.type;
	event.header.size = (int32_t)(sizeof(event) + partial.fraglen);
	iov[1] = (struct iovec){.iov_base = (void *)(uintptr_t)(message + sizeof(partial)),
				.iov_len = partial.fraglen};
	tell_group(model, &partial.group, iov, 2);
}

static void receive_joinlist(struct stock_model *model, const uint8_t *message, uint32_t nodeid)
{
	struct wire_joinlist joinlist;
	size_t at;

	memcpy(&joinlist, message, sizeof(joinlist));
	for (at = sizeof(joinlist); at < (size_t)joinlist.header.size;
	     at += sizeof(struct wire_joinlist_entry)) {
		struct wire_joinlist_entry entry;
		struct process process;

		memcpy(&entry, message + at, sizeof(entry));
		process = (struct process){.group = entry.group, .nodeid = nodeid, .pid = entry.pid};
		add(&model->joinlist, &process);
	}
}

void stock_message(struct stock_model *model, unsigned int function, const void *message, uint32_t nodeid)
{
	switch (function) {
	case WIRE_PROCJOIN:
	case WIRE_PROCLEAVE:
		receive_joinleave(model, function, message, nodeid);
		break;
	case WIRE_MCAST:
		receive_mcast(model, message, nodeid);
		break;
	case WIRE_PARTIAL_MCAST:
		receive_partial(model, message, nodeid);
		break;
	case WIRE_JOINLIST:
		receive_joinlist(model, message, nodeid);
		break;
	default: /* downlists are informational */
		break;
	}
}

/* ---- sync ---- */

static bool has_node(const uint32_t *list, size_t count, uint32_t nodeid)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (list[i] == nodeid) {
			return true;
		}
	}
	return false;
}

void stock_sync_init(struct stock_model *model, const uint32_t *trans, size_t trans_count,
		     const uint32_t *members, size_t count, const struct memb_ring_id *ring_id)
{
	size_t i;

	model->left_count = 0;
	for (i = 0; i < model->ring_count; i++) {
		if (!has_node(trans, trans_count, model->ring[i])) {
			model->left[model->left_count++] = model->ring[i];
		}
	}
	memcpy(model->ring, members, count * sizeof(*members));
	model->ring_count = count;
	model->ring_id = *ring_id;
	model->downlist_sent = model->joinlist_sent = false;
}

static int send_downlist(struct stock_model *model)
{
	struct wire_downlist message = {.header = {.id = WIRE_ID(WIRE_DOWNLIST), .size = sizeof(message)},
					.old_members = (uint32_t)model->ring_count,
					.left_nodes = (uint32_t)model->left_count};
	struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};

	memcpy(message.nodeids, model->left, model->left_count * sizeof(uint32_t));
	return model->ops.mcast(model->context, &iov, 1);
}

static int send_joinlist(struct stock_model *model)
{
	struct wire_joinlist_entry *entries = sim_alloc(model->members.count * sizeof(*entries));
	struct wire_joinlist message = {.header = {.id = WIRE_ID(WIRE_JOINLIST)}};
	size_t count = 0, i;
	int result = 0;

	for (i = 0; i < model->members.count; i++) {
		const struct process *process = &model->members.entry[i];

		if (process->nodeid == model->nodeid) {
			entries[count].pid = process->pid;
			entries[count++].group = process->group;
		}
	}
	if (count) {
		struct iovec iov[2] = {{.iov_base = &message, .iov_len = sizeof(message)},
				       {.iov_base = entries, .iov_len = count * sizeof(*entries)}};

		message.header.size = (int32_t)(iov[0].iov_len + iov[1].iov_len);
		result = model->ops.mcast(model->context, iov, 2);
	}
	free(entries);
	return result;
}

int stock_sync_process(struct stock_model *model)
{
	if (!model->downlist_sent) {
		model->downlist_sent = send_downlist(model) == 0;
	}
	if (model->downlist_sent && !model->joinlist_sent) {
		model->joinlist_sent = send_joinlist(model) == 0;
	}
	return model->joinlist_sent ? 0 : -1;
}

/* One confchg for each group that is in the list. */
static void tell_changes(struct stock_model *model, const struct processes *changed, uint32_t reason)
{
	size_t i, j;

	for (i = 0; i < changed->count; i++) {
		const struct ipc_name *group = &changed->entry[i].group;

		for (j = 0; j < i && !same_group(&changed->entry[j].group, group); j++) {
		}
		if (j == i) {
			tell_confchg(model, group, changed, reason);
		}
	}
}

static bool node_left(const struct stock_model *model, const struct process *process)
{
	return has_node(model->left, model->left_count, process->nodeid);
}

static bool is_named_nowhere(const struct stock_model *model, const struct process *process)
{
	return process->nodeid != model->nodeid && find(&model->joinlist, process) == NULL;
}

static void members_leave(struct stock_model *model,
			  bool (*leaves)(const struct stock_model *model, const struct process *process),
			  uint32_t reason)
{
	struct processes gone = {0};
	size_t i, kept = 0;

	for (i = 0; i < model->members.count; i++) {
		struct process *process = &model->members.entry[i];

		if (leaves(model, process)) {
			add(&gone, process);
		} else {
			model->members.entry[kept++] = *process;
		}
	}
	model->members.count = kept;
	tell_changes(model, &gone, reason);
	clear(&gone);
}

static void members_come(struct stock_model *model)
{
	struct processes come = {0};
	size_t i;

	for (i = 0; i < model->joinlist.count; i++) {
		const struct process *process = &model->joinlist.entry[i];

		if (process->nodeid != model->nodeid && find(&model->members, process) == NULL) {
			add(&model->members, process);
			add(&come, process);
		}
	}
	tell_changes(model, &come, NODEUP);
	clear(&come);
}

void stock_sync_activate(struct stock_model *model)
{
	size_t i;

	members_leave(model, node_left, NODEDOWN);
	members_come(model);
	members_leave(model, is_named_nowhere, PROCDOWN);
	clear(&model->joinlist);
	for (i = 0; i < model->client_count; i++) {
		tell_totem(model, model->clients[i]);
	}
}

void stock_sync_abort(struct stock_model *model)
{
	clear(&model->joinlist);
}

/* ---- life ---- */

struct stock_model *stock_create(const struct stock_ops *ops, void *context, uint32_t nodeid)
{
	struct stock_model *model = sim_alloc(sizeof(*model));

	model->ops = *ops;
	model->context = context;
	model->nodeid = nodeid;
	return model;
}

void stock_destroy(struct stock_model *model)
{
	while (model->client_count) {
		free(model->clients[--model->client_count]);
	}
	free(model->clients);
	clear(&model->members);
	clear(&model->dead);
	clear(&model->joinlist);
	free(model);
}
