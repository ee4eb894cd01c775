/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Iterations over groups and members: a snapshot taken when the iteration begins, bounded per client and
 * freed with it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

#define ITERATIONS_PER_CLIENT_MAX 64u
#define ITERATION_BYTES_PER_CLIENT_MAX ((size_t)64 * 1024 * 1024)

/* cpg_iteration_type_t */
enum iteration_type { ITERATION_NAME_ONLY = 1, ITERATION_ONE_GROUP = 2, ITERATION_ALL = 3 };

static size_t iteration_size(size_t count)
{
	return sizeof(struct iteration) + count * sizeof(struct ipc_iteration_description);
}

static struct ipc_iteration_description *append(struct iteration *iteration, const struct group *group)
{
	struct ipc_iteration_description *description = &iteration->entry[iteration->count++];

	name_write(&description->group, &group->name);
	return description;
}

static void append_members(struct iteration *iteration, const struct group *group)
{
	size_t i;

	for (i = 0; i < group->member_count; i++) {
		struct ipc_iteration_description *description = append(iteration, group);

		description->nodeid = group->members[i]->node->nodeid;
		description->pid = group->members[i]->pid;
	}
}

/* How many entries the snapshot needs. A group without a delivered member does not exist yet. */
static size_t count_entries(const struct engine *engine, uint32_t type, const struct group *only)
{
	const struct group *group;
	size_t count = 0;

	if (type == ITERATION_ONE_GROUP) {
		return only ? only->member_count : 0;
	}
	if (type == ITERATION_ALL) {
		return engine->member_count;
	}
	for (group = group_first(engine); group; group = group_next(engine, group)) {
		count += group->member_count != 0;
	}
	return count;
}

static void fill(const struct engine *engine, struct iteration *iteration, uint32_t type,
		 const struct group *only)
{
	const struct group *group;

	if (type == ITERATION_ONE_GROUP) {
		if (only) {
			append_members(iteration, only);
		}
		return;
	}
	for (group = group_first(engine); group; group = group_next(engine, group)) {
		if (type == ITERATION_ALL) {
			append_members(iteration, group);
		} else if (group->member_count) {
			append(iteration, group);
		}
	}
}

static cs_error_t iteration_begin(struct engine_client *client, uint32_t type, const struct name *name,
				  uint64_t *handle)
{
	struct engine *engine = client->engine;
	const struct group *only = type == ITERATION_ONE_GROUP ? group_find(engine, name) : NULL;
	size_t count = count_entries(engine, type, only);
	size_t size = iteration_size(count);
	struct iteration *iteration;

	if (engine->incomplete) {
		return CS_ERR_TRY_AGAIN;
	}
	if (client->iteration_count >= ITERATIONS_PER_CLIENT_MAX ||
	    (client->iteration_count && client->iteration_bytes + size > ITERATION_BYTES_PER_CLIENT_MAX)) {
		return CS_ERR_NO_RESOURCES;
	}
	iteration = calloc(1, size);
	if (iteration == NULL) {
		return CS_ERR_NO_MEMORY;
	}
	fill(engine, iteration, type, only);
	iteration->handle = ++client->next_iteration;
	qb_list_add_tail(&iteration->of_client, &client->iterations);
	client->iteration_count++;
	client->iteration_bytes += size;
	*handle = iteration->handle;
	return CS_OK;
}

void request_iteration_initialize(struct engine_client *client,
				  const struct ipc_iteration_initialize *request)
{
	struct ipc_iteration_initialize_response response = {
		.header = {.id = IPC_RES_ITERATION_INITIALIZE, .size = sizeof(response)},
	};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};
	uint32_t type = request->iteration_type;
	struct name name = {0};

	if (type < ITERATION_NAME_ONLY || type > ITERATION_ALL ||
	    (type == ITERATION_ONE_GROUP && !name_read(&name, &request->group))) {
		client_complain(client, "iteration: its type or the group's name is out of range");
		response.header.error = CS_ERR_INVALID_PARAM;
	} else {
		response.header.error =
			(int32_t)iteration_begin(client, type, &name, &response.iteration_handle);
	}
	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

static struct iteration *iteration_find(struct engine_client *client, uint64_t handle)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &client->iterations) {
		struct iteration *iteration = qb_list_entry(at, struct iteration, of_client);

		if (iteration->handle == handle) {
			return iteration;
		}
	}
	return NULL;
}

void request_iteration_next(struct engine_client *client, const struct ipc_iteration *request)
{
	struct ipc_iteration_next_response response = {
		.header = {.id = IPC_RES_ITERATION_NEXT, .size = sizeof(response), .error = CS_OK},
	};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};
	struct iteration *iteration = iteration_find(client, request->iteration_handle);

	if (iteration == NULL) {
		response.header.error = CS_ERR_BAD_HANDLE;
	} else if (iteration->next == iteration->count) {
		response.header.error = CS_ERR_NO_SECTIONS;
	} else {
		response.description = iteration->entry[iteration->next++];
	}
	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

static void iteration_free(struct engine_client *client, struct iteration *iteration)
{
	qb_list_del(&iteration->of_client);
	client->iteration_count--;
	client->iteration_bytes -= iteration_size(iteration->count);
	free(iteration);
}

void request_iteration_finalize(struct engine_client *client, const struct ipc_iteration *request)
{
	struct iteration *iteration = iteration_find(client, request->iteration_handle);

	if (iteration) {
		iteration_free(client, iteration);
	}
	client_respond(client, IPC_RES_ITERATION_FINALIZE, iteration ? CS_OK : CS_ERR_BAD_HANDLE);
}

void iterations_free(struct engine_client *client)
{
	while (!qb_list_empty(&client->iterations)) {
		iteration_free(client, qb_list_first_entry(&client->iterations, struct iteration, of_client));
	}
}
