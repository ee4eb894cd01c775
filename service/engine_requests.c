/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients ask. One table says for each request how long it must be, which response answers it and
 * who handles it; whatever does not fit is refused before any handler sees it.
 *
 * A request lies in memory that its client can still write, aligned to 4 bytes: its fixed part is copied once, and
 * only the copy is looked at. The payload behind it is copied once too, by whoever takes it.
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

/* ---- join and leave ---- */

static void log_step(const struct engine_client *client, const char *does)
{
	char text[IPC_NAME_MAX + 1];

	name_text(&client->group->name, text);
	engine_log(client->engine, LOG_DEBUG, "process %u %s group %s", client->pid, does, text);
}

static bool is_on_its_way_out(const struct engine_client *client)
{
	return client->evicted || client->state == CLIENT_LEAVE_STARTED;
}

/* Another handle of the same process may be in this group. */
static cs_error_t check_duplicate(const struct group *group, uint32_t pid)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		const struct engine_client *other = qb_list_entry(at, struct engine_client, of_group);

		if (other->pid == pid) {
			return is_on_its_way_out(other) ? CS_ERR_TRY_AGAIN : CS_ERR_EXIST;
		}
	}
	qb_list_for_each (at, &group->departing) {
		if (qb_list_entry(at, struct departing, of_group)->pid == pid) {
			return CS_ERR_TRY_AGAIN;
		}
	}
	return CS_OK;
}

static cs_error_t join_group(struct engine_client *client, const struct name *name, uint32_t flags)
{
	struct group *group;
	cs_error_t error;

	if (client->engine->incomplete) {
		return CS_ERR_TRY_AGAIN;
	}
	group = group_obtain(client->engine, name);
	if (group == NULL) {
		return CS_ERR_NO_MEMORY;
	}
	error = check_duplicate(group, client->pid);
	if (error == CS_OK && !client_join_group(client, group)) {
		error = CS_ERR_NO_MEMORY;
	}
	if (error != CS_OK) {
		group_release(client->engine, group);
		return error;
	}
	client->wants_totem_conf = flags & IPC_JOIN_INITIAL_TOTEM_CONF;
	log_step(client, "joins");
	return CS_OK;
}

static void request_join(struct engine_client *client, const struct ipc_join *request)
{
	static const cs_error_t refusal[] = {
		[CLIENT_UNJOINED] = CS_OK,
		[CLIENT_JOIN_STARTED] = CS_ERR_EXIST,
		[CLIENT_JOINED] = CS_ERR_EXIST,
		[CLIENT_LEAVE_STARTED] = CS_ERR_BUSY,
	};
	struct name name;
	cs_error_t error;

	if (!name_read(&name, &request->group)) {
		error = CS_ERR_NAME_TOO_LONG;
		client_complain(client, "join: the group's name is too long");
	} else if (request->pid != client->pid) {
		error = CS_ERR_INVALID_PARAM;
		client_complain(client,
				"join: it says another process id (a fork, or another pid namespace?)");
	} else if (refusal[client->state] != CS_OK) {
		error = refusal[client->state];
	} else {
		error = join_group(client, &name, request->flags);
	}
	client_respond(client, IPC_RES_JOIN, error);
}

static cs_error_t leave_group(struct engine_client *client, const struct name *name)
{
	if (!name_equal(name, &client->group->name)) {
		return CS_ERR_NOT_EXIST;
	}
	if (!departing_may_leave(client->departing) ||
	    !send_leave(client->engine, client->group, client->pid, REASON_LEAVE)) {
		return CS_ERR_NO_MEMORY;
	}
	client->state = CLIENT_LEAVE_STARTED;
	log_step(client, "leaves");
	return CS_OK;
}

static void request_leave(struct engine_client *client, const struct ipc_leave *request)
{
	static const cs_error_t refusal[] = {
		[CLIENT_UNJOINED] = CS_ERR_NOT_EXIST,
		[CLIENT_JOIN_STARTED] = CS_ERR_BUSY,
		[CLIENT_JOINED] = CS_OK,
		[CLIENT_LEAVE_STARTED] = CS_ERR_NOT_EXIST,
	};
	struct name name;
	cs_error_t error;

	if (!name_read(&name, &request->group)) {
		error = CS_ERR_NAME_TOO_LONG;
		client_complain(client, "leave: the group's name is too long");
	} else if (request->pid != client->pid) {
		error = CS_ERR_INVALID_PARAM;
		client_complain(client, "leave: it says another process id");
	} else if (refusal[client->state] != CS_OK) {
		error = refusal[client->state];
	} else {
		error = leave_group(client, &name);
	}
	client_respond(client, IPC_RES_LEAVE, error);
}

static void request_finalize(struct engine_client *client, const void *request)
{
	(void)request;
	/*
	 * Not left to the end of the connection, though that follows: whoever got our answer may join again by another
	 * connection, and its request may be seen first.
	 */
	client_depart(client);
	client_respond(client, IPC_RES_FINALIZE, CS_OK);
}

/* ---- multicast ---- */

static void request_mcast(struct engine_client *client, const struct ipc_mcast *request, const void *payload,
			  size_t size)
{
	uint32_t length = request->msglen;

	if (length > size - sizeof(*request) || length > MESSAGE_LENGTH_MAX) {
		/* Nobody waits for an answer, so this is the only way to tell. */
		client_complain(client, "multicast: the message is longer than the request");
		client_evict(client, "it sent a multicast that is longer than its request");
		return;
	}
	if (client_may_send(client) && !send_message(client, payload, length)) {
		client_evict(client, "out of memory for its messages");
	}
}

/* The client's next message in fragments, if there is room for it and nobody is too slow for it. */
static cs_error_t partial_first(struct engine_client *client, uint32_t msglen)
{
	struct engine *engine = client->engine;
	uint64_t others = engine->large - (client->partial ? client->partial->msglen : 0);

	client->interrupted = false;
	if (msglen > engine->config.message_max) {
		return CS_ERR_TOO_BIG;
	}
	if (others && others + msglen > engine->config.queue_total) {
		partial_give_up(client);
		partials_no_room(engine);
		return CS_ERR_TRY_AGAIN;
	}
	if (receiver_behind(client)) {
		return CS_ERR_TRY_AGAIN;
	}
	return partial_begin(client, msglen) ? CS_OK : CS_ERR_NO_MEMORY;
}

/* Starts, continues or refuses the client's message in fragments. */
static cs_error_t partial_check(struct engine_client *client, const struct fragment *fragment)
{
	struct partial *partial;

	if (fragment->type == IPC_FRAGMENT_FIRST) {
		cs_error_t error = partial_first(client, fragment->msglen);

		if (error != CS_OK) {
			return error;
		}
	}
	partial = client->partial;
	if (partial == NULL && client->interrupted) {
		return CS_ERR_INTERRUPT;
	}
	if (partial == NULL || partial->msglen != fragment->msglen ||
	    partial->fragments == fragments_max(partial->msglen) ||
	    fragment->length > partial->msglen - partial->done ||
	    (fragment->type == IPC_FRAGMENT_LAST && partial->done + fragment->length != partial->msglen)) {
		return CS_ERR_INVALID_PARAM;
	}
	partial->done += (uint32_t)fragment->length;
	partial->fragments++;
	return CS_OK;
}

static cs_error_t partial_take(struct engine_client *client, const struct fragment *fragment)
{
	cs_error_t error;

	if (fragment->type < IPC_FRAGMENT_FIRST || fragment->type > IPC_FRAGMENT_LAST ||
	    fragment->length > FRAGMENT_LENGTH_MAX) {
		return CS_ERR_INVALID_PARAM;
	}
	if (!client_may_send(client)) {
		return CS_ERR_NOT_EXIST;
	}
	error = partial_check(client, fragment);
	if (error == CS_OK && !send_fragment(client, fragment)) {
		error = CS_ERR_NO_MEMORY;
	}
	return error;
}

/* `inside`: where it says that it lies it does. */
static void partial_send(struct engine_client *client, const struct fragment *fragment, bool inside)
{
	cs_error_t error = inside ? partial_take(client, fragment) : CS_ERR_INVALID_PARAM;

	if (error == CS_ERR_INVALID_PARAM) {
		client_complain(client, "fragment: its lengths or type do not fit, or there are too many");
	}
	if (error != CS_OK) {
		partial_give_up(client);
	} else if (fragment->type == IPC_FRAGMENT_LAST) {
		partial_end(client);
	}
	client_respond(client, IPC_RES_PARTIAL_SEND, error);
}

static void request_partial_mcast(struct engine_client *client, const struct ipc_partial_mcast *request,
				  const void *payload, size_t size)
{
	struct fragment fragment = {
		.msglen = request->msglen,
		.type = request->type,
		.payload = payload,
		.length = request->fraglen,
	};

	partial_send(client, &fragment, fragment.length <= size - sizeof(*request));
}

static void request_partial_block(struct engine_client *client, const struct ipc_partial_block *request)
{
	struct fragment fragment = {
		.msglen = request->msglen,
		.type = request->type,
		.payload = segment_message(client, request->segment_id, request->offset, request->fraglen),
		.length = request->fraglen,
	};

	partial_send(client, &fragment, fragment.payload != NULL);
}

/* ---- membership ---- */

static void fill_address(struct ipc_address *address, const struct member *member)
{
	*address = (struct ipc_address){.nodeid = member->node->nodeid, .pid = member->pid};
}

static void request_membership(struct engine_client *client, const struct ipc_membership *request)
{
	struct ipc_membership_response response = {
		.header = {.id = IPC_RES_MEMBERSHIP, .size = sizeof(response), .error = CS_OK},
	};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};
	const struct group *group;
	struct name name;
	size_t i;

	if (!name_read(&name, &request->group)) {
		client_complain(client, "membership: the group's name is too long");
		response.header.error = CS_ERR_INVALID_PARAM;
	} else if (client->engine->incomplete) {
		response.header.error = CS_ERR_TRY_AGAIN;
	} else if ((group = group_find(client->engine, &name)) != NULL) {
		for (i = 0; i < group->member_count && i < IPC_OLD_MEMBERSHIP_MAX; i++) {
			fill_address(&response.member_list[i], group->members[i]);
		}
		response.member_count = (uint32_t)i;
	}
	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

static void respond_page(struct engine_client *client, const struct group *group, size_t first)
{
	size_t total = group ? group->member_count : 0;
	size_t left = first < total ? total - first : 0;
	size_t count = left < IPC_MEMBERSHIP_PAGE_MAX ? left : IPC_MEMBERSHIP_PAGE_MAX;
	size_t size = sizeof(struct ipc_membership_page_response) + count * sizeof(struct ipc_address);
	struct ipc_membership_page_response *response = calloc(1, size);
	struct iovec iov = {.iov_base = response, .iov_len = size};
	size_t i;

	if (response == NULL) {
		client_respond(client, IPC_RES_MEMBERSHIP_PAGE, CS_ERR_NO_MEMORY);
		return;
	}
	response->header =
		(struct ipc_response){.id = IPC_RES_MEMBERSHIP_PAGE, .size = (int32_t)size, .error = CS_OK};
	response->total = (uint32_t)total;
	response->count = (uint32_t)count;
	response->view = group ? group->view : 0;
	for (i = 0; i < count; i++) {
		fill_address(&response->list[i], group->members[first + i]);
	}
	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
	free(response);
}

static void request_membership_page(struct engine_client *client, const struct ipc_membership_page *request)
{
	struct name name;

	if (!(client->features & IPC_FEATURE_LARGE_GROUPS) || !name_read(&name, &request->group)) {
		client_complain(client, "membership: not agreed on, or the group's name is too long");
		client_respond(client, IPC_RES_MEMBERSHIP_PAGE, CS_ERR_INVALID_PARAM);
		return;
	}
	if (client->engine->incomplete) {
		client_respond(client, IPC_RES_MEMBERSHIP_PAGE, CS_ERR_TRY_AGAIN);
		return;
	}
	respond_page(client, group_find(client->engine, &name), request->first);
}

/* ---- dispatch ---- */

static void request_zc_alloc(struct engine_client *client, const void *request)
{
	(void)request; /* its path and addresses are not looked at */
	client_respond(client, IPC_RES_ZC_ALLOC, CS_ERR_NOT_SUPPORTED);
}

static void request_zc_free(struct engine_client *client, const void *request)
{
	(void)request;
	client_respond(client, IPC_RES_ZC_FREE, CS_ERR_NOT_SUPPORTED);
}

static void request_zc_execute(struct engine_client *client, const void *request)
{
	(void)request;
	client_respond(client, IPC_RES_ZC_EXECUTE, CS_ERR_NOT_SUPPORTED);
}

/* The fixed part of a request. The largest is HELLO's or a join's. */
union request_head {
	struct ipc_request header;
	struct ipc_join join;
	struct ipc_hello hello;
	uint8_t bytes[sizeof(struct ipc_join)];
};

/* Adapters: the table's handlers get (client, request, payload, size), and a payload is what lies behind the type. */
#define HANDLER(name, type)                                                                                  \
	static void handle_##name(struct engine_client *client, const void *request, const uint8_t *message, \
				  size_t size)                                                               \
	{                                                                                                    \
		(void)message;                                                                               \
		(void)size;                                                                                  \
		request_##name(client, (const type *)request);                                               \
	}
#define PAYLOAD_HANDLER(name, type)                                                                          \
	static void handle_##name(struct engine_client *client, const void *request, const uint8_t *message, \
				  size_t size)                                                               \
	{                                                                                                    \
		static_assert(sizeof(type) <= sizeof(union request_head), #name);                            \
		request_##name(client, (const type *)request, message + sizeof(type), size);                 \
	}

static void request_doorbell(struct engine_client *client, const void *request)
{
	(void)request;
	if (client->rings == NULL) {
		client_complain(client, "doorbell: it has no rings");
		return;
	}
	submission_rung(client);
	client_has_room(client);
}

static void handle_local_get(struct engine_client *client, const void *request, const uint8_t *message,
			     size_t size)
{
	(void)message;
	request_local_get(client, (const struct ipc_hello *)request, size);
}

HANDLER(join, struct ipc_join)
HANDLER(leave, struct ipc_leave)
PAYLOAD_HANDLER(mcast, struct ipc_mcast)
HANDLER(membership, struct ipc_membership)
HANDLER(iteration_initialize, struct ipc_iteration_initialize)
HANDLER(iteration_next, struct ipc_iteration)
HANDLER(iteration_finalize, struct ipc_iteration)
HANDLER(finalize, void)
HANDLER(zc_alloc, void)
HANDLER(zc_free, void)
HANDLER(zc_execute, void)
PAYLOAD_HANDLER(partial_mcast, struct ipc_partial_mcast)
HANDLER(partial_block, struct ipc_partial_block)
HANDLER(segment_create, struct ipc_segment_create)
HANDLER(segment_destroy, struct ipc_segment_destroy)
HANDLER(zcb_mcast, struct ipc_zcb_mcast)
HANDLER(membership_page, struct ipc_membership_page)
HANDLER(doorbell, void)

struct request_kind {
	void (*handle)(struct engine_client *client, const void *request, const uint8_t *message,
		       size_t size);
	size_t size; /* at least */
	int response;
};

static const struct request_kind kinds[IPC_REQ_COUNT] = {
	[IPC_REQ_JOIN] = {handle_join, sizeof(struct ipc_join), IPC_RES_JOIN},
	[IPC_REQ_LEAVE] = {handle_leave, sizeof(struct ipc_leave), IPC_RES_LEAVE},
	[IPC_REQ_MCAST] = {handle_mcast, sizeof(struct ipc_mcast), IPC_RES_MCAST},
	[IPC_REQ_MEMBERSHIP] = {handle_membership, sizeof(struct ipc_membership), IPC_RES_MEMBERSHIP},
	[IPC_REQ_LOCAL_GET] = {handle_local_get, sizeof(struct ipc_request), IPC_RES_LOCAL_GET},
	[IPC_REQ_ITERATION_INITIALIZE] = {handle_iteration_initialize,
					  sizeof(struct ipc_iteration_initialize),
					  IPC_RES_ITERATION_INITIALIZE},
	[IPC_REQ_ITERATION_NEXT] = {handle_iteration_next, sizeof(struct ipc_iteration),
				    IPC_RES_ITERATION_NEXT},
	[IPC_REQ_ITERATION_FINALIZE] = {handle_iteration_finalize, sizeof(struct ipc_iteration),
					IPC_RES_ITERATION_FINALIZE},
	[IPC_REQ_FINALIZE] = {handle_finalize, sizeof(struct ipc_request), IPC_RES_FINALIZE},
	[IPC_REQ_ZC_ALLOC] = {handle_zc_alloc, sizeof(struct ipc_request), IPC_RES_ZC_ALLOC},
	[IPC_REQ_ZC_FREE] = {handle_zc_free, sizeof(struct ipc_request), IPC_RES_ZC_FREE},
	[IPC_REQ_ZC_EXECUTE] = {handle_zc_execute, sizeof(struct ipc_request), IPC_RES_ZC_EXECUTE},
	[IPC_REQ_PARTIAL_MCAST] = {handle_partial_mcast, sizeof(struct ipc_partial_mcast),
				   IPC_RES_PARTIAL_SEND},
	[IPC_REQ_SEGMENT_CREATE] = {handle_segment_create, sizeof(struct ipc_segment_create),
				    IPC_RES_SEGMENT_CREATE},
	[IPC_REQ_SEGMENT_DESTROY] = {handle_segment_destroy, sizeof(struct ipc_segment_destroy),
				     IPC_RES_SEGMENT_DESTROY},
	[IPC_REQ_ZCB_MCAST] = {handle_zcb_mcast, sizeof(struct ipc_zcb_mcast), IPC_RES_ZCB_MCAST},
	[IPC_REQ_MEMBERSHIP_PAGE] = {handle_membership_page, sizeof(struct ipc_membership_page),
				     IPC_RES_MEMBERSHIP_PAGE},
	[IPC_REQ_PARTIAL_BLOCK] = {handle_partial_block, sizeof(struct ipc_partial_block),
				   IPC_RES_PARTIAL_SEND},
	[IPC_REQ_DOORBELL] = {handle_doorbell, sizeof(struct ipc_request), IPC_RES_DOORBELL},
};

static void refuse(struct engine_client *client, int32_t id, int response)
{
	client_complain(client, "its size or number is out of range");
	if (id == IPC_REQ_DOORBELL) {
		return; /* nobody waits for an answer, and nothing is lost */
	}
	if (id == IPC_REQ_MCAST) {
		client_evict(client, "it sent a multicast that is longer than its request");
	} else {
		client_respond(client, response, CS_ERR_INVALID_PARAM);
	}
}

/* What its rings hold was sent before it. A doorbell is of the rings, and no request. */
static void handle(struct engine_client *client, const union request_head *head, const void *message,
		   size_t size)
{
	bool rung = head->header.id == IPC_REQ_DOORBELL;
	size_t before = client->engine->backlog;

	if (client->rings && !rung) {
		submission_take_all(client);
	}
	if (!client->evicted) {
		kinds[head->header.id].handle(client, head, message, size);
	}
	if (!rung) {
		submissions_credit(client->engine, before);
	}
}

void engine_request(struct engine *engine, struct engine_client *client, const void *message, size_t readable)
{
	union request_head head = {0};
	const struct ipc_request *header = &head.header;
	size_t size;

	if (client->evicted) {
		return;
	}
	rings_arm(engine);
	if (readable < sizeof(*header)) {
		refuse(client, -1, 0);
		return;
	}
	memcpy(&head, message, sizeof(*header));
	size = header->size < 0 ? 0 : (size_t)header->size;
	if (header->id < 0 || header->id >= IPC_REQ_COUNT) {
		refuse(client, header->id, 0);
	} else if (size < kinds[header->id].size || size > readable) {
		refuse(client, header->id, kinds[header->id].response);
	} else {
		size_t fixed = size < sizeof(head) ? size : sizeof(head);

		memcpy(head.bytes + sizeof(*header), (const uint8_t *)message + sizeof(*header),
		       fixed - sizeof(*header));
		handle(client, &head, message, size);
	}
	outgoing_flush(engine, false);
}
