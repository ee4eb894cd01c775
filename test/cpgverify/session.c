/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

#define DISPATCH_AT_ONCE 256

/* A sender as SENDER records introduce it. */
struct sender_key {
	uint64_t incarnation;
	uint32_t nodeid, pid;
};

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *bytes, size_t size);
static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count);
static void on_totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count, const uint32_t *nodes);

static struct connection *connection_of(cpg_handle_t handle)
{
	void *context = NULL;

	if (cpg_context_get(handle, &context) != CS_OK || context == NULL)
		abort(); /* a handle of ours without our context: nothing can be right any more */
	return context;
}

static uint32_t sender_ref(struct connection *connection, const struct message *message, uint32_t nodeid,
			   uint32_t pid)
{
	struct sender_key key = {.incarnation = message->incarnation, .nodeid = nodeid, .pid = pid};
	size_t known = connection->senders.count;
	uint32_t ref = intern_add(&connection->senders, &key, sizeof(key));
	struct log_record record = {.type = LOG_SENDER,
				    .ref = ref,
				    .nodeid = nodeid,
				    .pid = pid,
				    .incarnation = message->incarnation};

	if (ref == known)
		log_append(connection->log, &record);
	return ref;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *bytes, size_t size)
{
	struct connection *connection = connection_of(handle);
	struct log_record record = {.nodeid = nodeid, .pid = pid, .size = (uint32_t)size};
	struct address from = {.nodeid = nodeid, .pid = pid};
	struct message message;

	(void)group;
	if (message_check(bytes, size, &message) != 0) {
		record.type = LOG_CORRUPT;
		log_append(connection->log, &record);
		connection->progress->corrupt++;
		return;
	}
	record.type = LOG_DELIVER;
	record.ref = sender_ref(connection, &message, nodeid, pid);
	record.seq = message.seq;
	record.digest = message.digest;
	log_append(connection->log, &record);
	connection->progress->delivered++;
	if (message.incarnation == connection->incarnation) {
		connection->returned++;
		connection->returned_bytes += size;
	}
	if ((message.flags & MESSAGE_LAST) != 0)
		intern_add(&connection->ended, &from, sizeof(from));
}

static size_t take_addresses(struct connection *connection, size_t at, const struct cpg_address *from,
			     size_t count)
{
	size_t i;

	for (i = 0; i < count; i++, at++) {
		connection->lists[at].nodeid = from[i].nodeid;
		connection->lists[at].pid = from[i].pid;
		connection->lists[at].reason = from[i].reason;
	}
	return at;
}

static bool is_self(const struct connection *connection, const struct cpg_address *who)
{
	return who->nodeid == connection->nodeid && who->pid == connection->pid;
}

static void keep_members(struct connection *connection, size_t count)
{
	size_t i;

	connection->members = memory_grow(connection->members, &connection->member_capacity, count + 1,
					  sizeof(*connection->members));
	for (i = 0; i < count; i++)
		connection->members[i] =
			(struct address){connection->lists[i].nodeid, connection->lists[i].pid, 0};
	connection->member_count = count;
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	struct connection *connection = connection_of(handle);
	struct log_record record = {.type = LOG_VIEW};
	size_t i, at;

	(void)group;
	connection->lists =
		memory_grow(connection->lists, &connection->list_capacity,
			    member_count + left_count + joined_count + 1, sizeof(*connection->lists));
	at = take_addresses(connection, 0, members, member_count);
	at = take_addresses(connection, at, left, left_count);
	take_addresses(connection, at, joined, joined_count);
	record.addresses = connection->lists;
	record.members = (uint32_t)member_count;
	record.left = (uint32_t)left_count;
	record.joined = (uint32_t)joined_count;
	log_append(connection->log, &record);
	connection->progress->views++;
	keep_members(connection, member_count);
	for (i = 0; i < joined_count; i++)
		connection->member |= is_self(connection, &joined[i]);
	for (i = 0; i < left_count; i++)
		connection->gone |= is_self(connection, &left[i]);
}

static void on_totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count, const uint32_t *nodes)
{
	struct log_record record = {.type = LOG_RING, .nodeid = ring.nodeid, .seq = ring.seq};

	record.nodes = nodes;
	record.node_count = count;
	log_append(connection_of(handle)->log, &record);
}

cs_error_t connection_open(struct connection *connection, const char *group)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_deliver,
		.cpg_confchg_fn = on_confchg,
		.cpg_totem_confchg_fn = on_totem,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	uint32_t atomic = 0;
	cs_error_t error;

	error = cpg_model_initialize(&connection->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model,
				     connection);
	if (error != CS_OK)
		return error;
	error = cpg_fd_get(connection->handle, &connection->fd);
	if (error == CS_OK)
		error = cpg_local_get(connection->handle, &connection->nodeid);
	if (error == CS_OK)
		error = cpg_max_atomic_msgsize_get(connection->handle, &atomic);
	if (error != CS_OK) {
		cpg_finalize(connection->handle);
		return error;
	}
	connection->max_payload = atomic - MESSAGE_HEADER;
	connection->pid = (uint32_t)getpid();
	connection->group.length = (uint32_t)strlen(group);
	memcpy(connection->group.value, group, connection->group.length);
	return CS_OK;
}

void connection_begin(struct connection *connection)
{
	struct log_record record = {.type = LOG_START};
	struct timespec now;

	if (getrandom(&connection->incarnation, sizeof(connection->incarnation), 0) !=
	    sizeof(connection->incarnation))
		abort();
	connection->incarnation %= INCARNATION_LIMIT;
	clock_gettime(CLOCK_REALTIME, &now);
	record.count = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	record.nodeid = connection->nodeid;
	record.pid = connection->pid;
	record.incarnation = connection->incarnation;
	record.group = connection->group.value;
	record.size = connection->group.length;
	log_append(connection->log, &record);
}

void connection_dispatch(struct connection *connection)
{
	cs_error_t error = CS_OK;
	int i;

	for (i = 0; i < DISPATCH_AT_ONCE && error == CS_OK; i++)
		error = cpg_dispatch(connection->handle, CS_DISPATCH_ONE_NONBLOCKING);
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN)
		connection_error(connection, LOG_CALL_DISPATCH, error);
}

bool connection_all_ended(const struct connection *connection)
{
	size_t i;

	for (i = 0; i < connection->member_count; i++)
		if (intern_find(&connection->ended, &connection->members[i], sizeof(struct address)) ==
		    INTERN_NONE)
			return false;
	return true;
}

void connection_error(struct connection *connection, enum log_call call, cs_error_t error)
{
	struct log_record record = {.type = LOG_ERROR, .call = call, .code = error};

	if (error == CS_ERR_LIBRARY || error == CS_ERR_BAD_HANDLE) {
		connection->dead = true;
		return;
	}
	log_append(connection->log, &record);
	connection->progress->errors++;
	connection->failed = true;
}

void connection_note(struct connection *connection, enum log_type type, uint32_t code)
{
	struct log_record record = {.type = type, .code = code, .count = code};

	log_append(connection->log, &record);
}

void connection_close(struct connection *connection)
{
	cpg_finalize(connection->handle);
	intern_clear(&connection->senders);
	intern_clear(&connection->ended);
	free(connection->members);
	free(connection->lists);
}
