/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_iteration_initialize, cpg_iteration_next, cpg_iteration_finalize */
#include <stdlib.h>

#include "lib_internal.h"

struct iteration {
	struct handle_object object;
	struct instance *instance; /* a reference */
	uint64_t engine_handle;
};

static void iteration_destroy(struct handle_object *object)
{
	struct iteration *iteration = (struct iteration *)object;

	instance_put(iteration->instance);
	free(iteration);
}

/* It ends with the handle that it was made from. */
static struct iteration *iteration_get(cpg_iteration_handle_t handle)
{
	struct handle_object *object = handle_get(handle, HANDLE_ITERATION);
	struct iteration *iteration = (struct iteration *)object;

	if (iteration &&
	    (instance_forked(iteration->instance) || atomic_load(&iteration->instance->finalized))) {
		handle_put(object);
		return NULL;
	}
	return iteration;
}

static cs_error_t engine_forget(struct instance *instance, uint64_t engine_handle)
{
	struct ipc_iteration request = {.header = {.id = IPC_REQ_ITERATION_FINALIZE, .size = sizeof(request)},
					.iteration_handle = engine_handle};

	return channel_tell(instance, &request, sizeof(request));
}

static struct iteration *iteration_new(struct instance *instance, uint64_t engine_handle)
{
	struct iteration *iteration = calloc(1, sizeof(*iteration));

	if (!iteration)
		return NULL;
	atomic_fetch_add_explicit(&instance->object.references, 1, memory_order_relaxed);
	iteration->object.type = HANDLE_ITERATION;
	iteration->object.destroy = iteration_destroy;
	atomic_init(&iteration->object.references, 1);
	iteration->object.owner = &instance->object;
	iteration->instance = instance;
	iteration->engine_handle = engine_handle;
	return iteration;
}

static cs_error_t iteration_create(struct instance *instance, uint64_t engine_handle,
				   cpg_iteration_handle_t *handle)
{
	struct iteration *iteration = iteration_new(instance, engine_handle);
	cs_error_t error = CS_ERR_NO_MEMORY;

	if (iteration) {
		error = handle_create(&iteration->object, handle);
		handle_put(&iteration->object);
	}
	if (error != CS_OK) {
		engine_forget(instance, engine_handle);
		return error;
	}
	/* cpg_finalize() in another thread ends the iterations after it set this: one of us ends ours. */
	if (atomic_load(&instance->finalized)) {
		handle_remove_owned(&instance->object);
		return CS_ERR_BAD_HANDLE;
	}
	return CS_OK;
}

static cs_error_t iteration_ask(struct instance *instance, cpg_iteration_type_t type,
				const struct cpg_name *group, uint64_t *engine_handle)
{
	struct ipc_iteration_initialize request = {
		.header = {.id = IPC_REQ_ITERATION_INITIALIZE, .size = sizeof(request)},
		.iteration_type = type};
	struct ipc_iteration_initialize_response response;
	cs_error_t error = CS_OK;

	if (group)
		error = group_name_pack(&request.group, group);
	if (error == CS_OK)
		error = channel_ask(instance, &request, sizeof(request), &response, sizeof(response));
	if (error == CS_OK)
		*engine_handle = response.iteration_handle;
	return error;
}

static bool arguments_valid(cpg_iteration_type_t type, const struct cpg_name *group,
			    const cpg_iteration_handle_t *handle)
{
	if (!handle || type < CPG_ITERATION_NAME_ONLY || type > CPG_ITERATION_ALL)
		return false;
	return (type == CPG_ITERATION_ONE_GROUP) == (group != NULL);
}

CPG_PUBLIC cs_error_t cpg_iteration_initialize(cpg_handle_t handle, cpg_iteration_type_t iteration_type,
					       const struct cpg_name *group,
					       cpg_iteration_handle_t *cpg_iteration_handle)
{
	struct instance *instance = instance_get(handle);
	uint64_t engine_handle;
	cs_error_t error = CS_ERR_INVALID_PARAM;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	if (arguments_valid(iteration_type, group, cpg_iteration_handle))
		error = iteration_ask(instance, iteration_type, group, &engine_handle);
	if (error == CS_OK)
		error = iteration_create(instance, engine_handle, cpg_iteration_handle);
	instance_put(instance);
	return error;
}

static cs_error_t iteration_next(struct iteration *iteration, struct cpg_iteration_description_t *description)
{
	struct ipc_iteration request = {.header = {.id = IPC_REQ_ITERATION_NEXT, .size = sizeof(request)},
					.iteration_handle = iteration->engine_handle};
	struct ipc_iteration_next_response response;
	cs_error_t error;

	error = channel_ask(iteration->instance, &request, sizeof(request), &response, sizeof(response));
	if (error != CS_OK)
		return error;
	if (!group_name_unpack(&description->group, &response.description.group))
		return CS_ERR_LIBRARY;
	description->nodeid = response.description.nodeid;
	description->pid = response.description.pid;
	return CS_OK;
}

CPG_PUBLIC cs_error_t cpg_iteration_next(cpg_iteration_handle_t handle,
					 struct cpg_iteration_description_t *description)
{
	struct iteration *iteration = iteration_get(handle);
	cs_error_t error;

	if (!iteration)
		return CS_ERR_BAD_HANDLE;
	error = description ? iteration_next(iteration, description) : CS_ERR_INVALID_PARAM;
	handle_put(&iteration->object);
	return error;
}

/* Unless the engine could not be told now the handle ends, also after its cpg_handle_t did. */
CPG_PUBLIC cs_error_t cpg_iteration_finalize(cpg_iteration_handle_t handle)
{
	struct handle_object *object = handle_get(handle, HANDLE_ITERATION);
	struct iteration *iteration = (struct iteration *)object;
	struct instance *instance;
	cs_error_t error = CS_ERR_BAD_HANDLE;

	if (!iteration)
		return CS_ERR_BAD_HANDLE;
	instance = iteration->instance;
	if (!instance_forked(instance) && !atomic_load(&instance->finalized))
		error = engine_forget(instance, iteration->engine_handle);
	if (error != CS_ERR_TRY_AGAIN && !handle_remove(handle, object))
		error = CS_ERR_BAD_HANDLE;
	handle_put(object);
	return error;
}
