/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_join, cpg_leave */
#include "lib_internal.h"

/*
 * Notes the outcome before the channel is free again: a thread that heard of the join in its callback may send at
 * once, and nobody's message may follow a leave.
 */
static cs_error_t tell(struct instance *instance, const void *request, size_t size, bool joins)
{
	struct iovec iov = {.iov_base = (void *)request, .iov_len = size};
	struct ipc_response response;
	size_t received;
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	/* Messages from before a leave are sent before it. */
	submission_drain(instance);
	error = channel_call_locked(instance, CHANNEL_PLAIN, &iov, 1, &response, sizeof(response),
				    sizeof(response), &received);
	if (error == CS_OK)
		instance->joined = joins;
	channel_unlock(instance);
	return error;
}

/*
 * BUSY means that an earlier join or leave of this instance is still on its way round the ring: it comes back
 * whatever the caller does, so it is waited for here, as callers are used to.
 */
static cs_error_t tell_when_idle(struct instance *instance, const void *request, size_t size, bool joins)
{
	unsigned int round = 0;
	cs_error_t error;

	while ((error = tell(instance, request, size, joins)) == CS_ERR_BUSY)
		channel_pause(round++);
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
	return tell_when_idle(instance, &request, sizeof(request), true);
}

static cs_error_t leave(struct instance *instance, const struct cpg_name *group)
{
	struct ipc_leave request = {.header = {.id = IPC_REQ_LEAVE, .size = sizeof(request)}};
	cs_error_t error = group_name_pack(&request.group, group);

	if (error != CS_OK)
		return error;
	request.pid = (uint32_t)instance->pid;
	return tell_when_idle(instance, &request, sizeof(request), false);
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
