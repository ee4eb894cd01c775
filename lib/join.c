/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_join, cpg_leave */
#include "lib_internal.h"

/*
 * BUSY means that an earlier join or leave of this instance is still on its way round the ring: it comes back
 * whatever the caller does, so it is waited for here, as callers are used to.
 */
static cs_error_t tell_when_idle(struct instance *instance, const void *request, size_t size)
{
	unsigned int round = 0;
	cs_error_t error;

	do {
		error = channel_tell(instance, request, size);
	} while (error == CS_ERR_BUSY && channel_pause(instance, round++));
	return error;
}

static cs_error_t join(struct instance *instance, const struct cpg_name *group)
{
	struct ipc_join request = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(request)}};
	cs_error_t error = group_name_pack(&request.group, group);

	if (error == CS_OK)
		error = hello(instance);
	if (error != CS_OK)
		return error;
	request.pid = (uint32_t)instance->pid;
	if (instance->model.flags & CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF)
		request.flags = IPC_JOIN_INITIAL_TOTEM_CONF;
	error = tell_when_idle(instance, &request, sizeof(request));
	if (error == CS_OK)
		atomic_store(&instance->joined, true);
	return error;
}

static cs_error_t leave(struct instance *instance, const struct cpg_name *group)
{
	struct ipc_leave request = {.header = {.id = IPC_REQ_LEAVE, .size = sizeof(request)}};
	cs_error_t error = group_name_pack(&request.group, group);

	if (error != CS_OK)
		return error;
	request.pid = (uint32_t)instance->pid;
	error = tell_when_idle(instance, &request, sizeof(request));
	if (error == CS_OK)
		atomic_store(&instance->joined, false);
	return error;
}

CPG_PUBLIC cs_error_t cpg_join(cpg_handle_t handle, const struct cpg_name *group)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = join(instance, group);
	instance_put(instance);
	return error;
}

CPG_PUBLIC cs_error_t cpg_leave(cpg_handle_t handle, const struct cpg_name *group)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = leave(instance, group);
	instance_put(instance);
	return error;
}
