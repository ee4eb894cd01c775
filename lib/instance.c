/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpg_initialize, cpg_model_initialize, cpg_finalize, cpg_fd_get, cpg_context_get/set, cpg_local_get, sizes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib_internal.h"

struct instance *instance_get(cpg_handle_t handle)
{
	struct handle_object *object = handle_get(handle, HANDLE_INSTANCE);
	struct instance *instance = (struct instance *)object;

	if (instance && instance_forked(instance)) {
		instance_put(instance);
		return NULL;
	}
	return instance;
}

void instance_put(struct instance *instance)
{
	handle_put(&instance->object);
}

cs_error_t group_name_pack(struct ipc_name *packed, const struct cpg_name *group)
{
	if (!group)
		return CS_ERR_INVALID_PARAM;
	if (group->length > CPG_MAX_NAME_LENGTH)
		return CS_ERR_NAME_TOO_LONG;
	memset(packed, 0, sizeof(*packed));
	packed->length = group->length;
	memcpy(packed->value, group->value, group->length);
	return CS_OK;
}

bool group_name_unpack(struct cpg_name *group, const struct ipc_name *packed)
{
	if (packed->length > CPG_MAX_NAME_LENGTH)
		return false;
	group->length = packed->length;
	memcpy(group->value, packed->value, sizeof(group->value));
	return true;
}

static void instance_free_memory(struct instance *instance)
{
	event_parts_free(&instance->parts);
	assembly_free_all(&instance->assemblies);
	free(instance->spare);
	free(instance->response);
	pthread_mutex_destroy(&instance->event_lock);
	pthread_mutex_destroy(&instance->fragments_lock);
	pthread_mutex_destroy(&instance->channel_lock);
	free(instance);
}

/*
 * In a forked child too: what it unmaps are its own mappings. What libqb has of the connection stays there until exec or exit, for libqb
 * would end it for the parent as well.
 */
static void instance_destroy(struct handle_object *object)
{
	struct instance *instance = (struct instance *)object;

	fork_forget(instance);
	zcb_blocks_free(&instance->submission);
	zcb_pool_destroy(&instance->pool);
	segment_detach(&instance->control);
	if (instance->ipc && !instance_forked(instance))
		qb_ipcc_disconnect(instance->ipc);
	instance_free_memory(instance);
}

static struct instance *instance_new(void)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return NULL;
	instance->object.type = HANDLE_INSTANCE;
	instance->object.destroy = instance_destroy;
	atomic_init(&instance->object.references, 1);
	instance->pid = getpid();
	instance->forks = handle_forks;
	pthread_mutex_init(&instance->channel_lock, NULL);
	pthread_mutex_init(&instance->fragments_lock, NULL);
	pthread_mutex_init(&instance->event_lock, NULL);
	zcb_pool_init(&instance->pool);
	fork_watch(instance);
	return instance;
}

static cs_error_t instance_create(cpg_handle_t *handle, const cpg_model_v1_data_t *model, void *context)
{
	struct instance *instance = instance_new();
	cs_error_t error;

	if (!instance)
		return CS_ERR_NO_MEMORY;
	if (model)
		instance->model = *model;
	atomic_init(&instance->context, context);
	error = connection_open(instance);
	if (error == CS_OK)
		error = handle_create(&instance->object, &instance->handle);
	if (error == CS_OK)
		*handle = instance->handle;
	instance_put(instance);
	return error;
}

CPG_PUBLIC cs_error_t cpg_model_initialize(cpg_handle_t *handle, cpg_model_t model,
					   cpg_model_data_t *model_data, void *context)
{
	const cpg_model_v1_data_t *v1 = (const cpg_model_v1_data_t *)model_data;

	if (!handle || model != CPG_MODEL_V1)
		return CS_ERR_INVALID_PARAM;
	if (v1 && (v1->flags & ~(unsigned int)CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF))
		return CS_ERR_INVALID_PARAM;
	return instance_create(handle, v1, context);
}

CPG_PUBLIC cs_error_t cpg_initialize(cpg_handle_t *handle, cpg_callbacks_t *callbacks)
{
	cpg_model_v1_data_t model = {.model = CPG_MODEL_V1};

	if (!handle)
		return CS_ERR_INVALID_PARAM;
	if (callbacks) {
		model.cpg_deliver_fn = callbacks->cpg_deliver_fn;
		model.cpg_confchg_fn = callbacks->cpg_confchg_fn;
	}
	return instance_create(handle, &model, NULL);
}

/*
 * Threads that sleep in the event channel hold references of their own: they are woken by the end of the
 * connection, and the last one frees it.
 */
static cs_error_t instance_finalize(struct instance *instance)
{
	cs_error_t error;
	int fd;

	atomic_store(&instance->finalized, true);
	error = channel_end(instance);
	if (atomic_load(&instance->waiting) && qb_ipcc_fd_get(instance->ipc, &fd) == 0)
		shutdown(fd, SHUT_RDWR);
	return error;
}

/*
 * In a forked child. The connection is the parent's as well: closing our copy of the descriptor is all that does
 * not reach over to the parent. Not left to the last reference: threads that the child has not got may hold some.
 */
static cs_error_t instance_let_go(struct instance *instance)
{
	int fd;

	atomic_store(&instance->finalized, true);
	if (qb_ipcc_fd_get(instance->ipc, &fd) == 0)
		close(fd);
	return CS_OK;
}

CPG_PUBLIC cs_error_t cpg_finalize(cpg_handle_t handle)
{
	struct handle_object *object = handle_get(handle, HANDLE_INSTANCE);
	struct instance *instance = (struct instance *)object;
	cs_error_t error = CS_ERR_BAD_HANDLE;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	if (handle_remove(handle, object))
		error = instance_forked(instance) ? instance_let_go(instance) : instance_finalize(instance);
	/* Iterations keep the connection: who forgot to end one would never get rid of it. */
	handle_remove_owned(object);
	instance_put(instance);
	return error;
}

CPG_PUBLIC cs_error_t cpg_fd_get(cpg_handle_t handle, int *fd)
{
	struct instance *instance = instance_get(handle);
	int32_t result;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	result = fd ? qb_ipcc_fd_get(instance->ipc, fd) : -EINVAL;
	instance_put(instance);
	return result < 0 ? qb_to_cs_error(result) : CS_OK;
}

CPG_PUBLIC cs_error_t cpg_max_atomic_msgsize_get(cpg_handle_t handle, uint32_t *size)
{
	struct instance *instance = instance_get(handle);

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	instance_put(instance);
	if (!size)
		return CS_ERR_INVALID_PARAM;
	*size = ATOMIC_MESSAGE_MAX;
	return CS_OK;
}

CPG_PUBLIC cs_error_t cpg_context_get(cpg_handle_t handle, void **context)
{
	struct instance *instance = instance_get(handle);

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	if (context)
		*context = atomic_load(&instance->context);
	instance_put(instance);
	return context ? CS_OK : CS_ERR_INVALID_PARAM;
}

CPG_PUBLIC cs_error_t cpg_context_set(cpg_handle_t handle, void *context)
{
	struct instance *instance = instance_get(handle);

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	atomic_store(&instance->context, context);
	instance_put(instance);
	return CS_OK;
}

static cs_error_t local_ask(struct instance *instance, unsigned int *local_nodeid)
{
	struct ipc_request request = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(request)};
	struct ipc_local_get_response response;
	cs_error_t error = channel_ask(instance, &request, sizeof(request), &response, sizeof(response));

	if (error == CS_OK)
		*local_nodeid = response.local_nodeid;
	return error;
}

/* With rings the engine has said it, and its node has no other as long as it lives. */
static cs_error_t local_get(struct instance *instance, unsigned int *local_nodeid)
{
	if (!instance_has_rings(instance))
		return local_ask(instance, local_nodeid);
	if (atomic_load(&instance->finalized))
		return CS_ERR_BAD_HANDLE;
	if (!channel_connected(instance))
		return CS_ERR_LIBRARY;
	*local_nodeid = atomic_load(&instance->nodeid);
	return CS_OK;
}

CPG_PUBLIC cs_error_t cpg_local_get(cpg_handle_t handle, unsigned int *local_nodeid)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = local_nodeid ? local_get(instance, local_nodeid) : CS_ERR_INVALID_PARAM;
	instance_put(instance);
	return error;
}
