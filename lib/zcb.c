/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpg_zcb_alloc, cpg_zcb_free, cpg_zcb_mcast_joined: buffers in segments that our engine shares with us, and
 * in the heap where there are none (a stock engine, or no more segments to be had).
 */
#include <stdlib.h>

#include "lib_internal.h"

void zcb_pool_init(struct zcb_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
}

static void buffer_destroy(void *node)
{
	struct zcb_buffer *buffer = node;

	if (!buffer->segment)
		free(buffer->start);
	free(buffer);
}

void zcb_pool_destroy(struct zcb_pool *pool)
{
	size_t i;

	zcb_buffers_destroy(pool, buffer_destroy);
	for (i = 0; i < pool->segment_count; i++)
		zcb_segment_free(pool->segments[i]);
	pthread_mutex_destroy(&pool->lock);
}

void zcb_buffer_release(struct zcb_buffer *buffer)
{
	struct zcb_segment *segment = buffer->segment;

	if (segment)
		zcb_segment_release(segment, (size_t)(buffer->start - segment->segment.base));
	else
		free(buffer->start);
	free(buffer);
}

static struct zcb_buffer *buffer_new(struct instance *instance, size_t size)
{
	struct zcb_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return NULL;
	buffer->size = size ? size : 1;
	if (!zcb_place(instance, buffer))
		buffer->start = malloc(buffer->size);
	if (buffer->start && zcb_buffer_add(&instance->pool, buffer))
		return buffer;
	zcb_buffer_release(buffer);
	return NULL;
}

static cs_error_t zcb_alloc(struct instance *instance, size_t size, void **start)
{
	struct zcb_buffer *buffer;
	cs_error_t error;

	if (!start)
		return CS_ERR_INVALID_PARAM;
	if (size > ATOMIC_MESSAGE_MAX)
		return CS_ERR_TOO_BIG;
	error = hello(instance);
	if (error != CS_OK)
		return error;
	pthread_mutex_lock(&instance->pool.lock);
	buffer = buffer_new(instance, size);
	if (buffer)
		*start = buffer->start;
	pthread_mutex_unlock(&instance->pool.lock);
	return buffer ? CS_OK : CS_ERR_NO_MEMORY;
}

static cs_error_t zcb_free(struct instance *instance, void *start)
{
	struct zcb_buffer *buffer;

	pthread_mutex_lock(&instance->pool.lock);
	buffer = zcb_buffer_find(&instance->pool, start, 0);
	if (buffer && buffer->start != start)
		buffer = NULL;
	if (buffer) {
		zcb_buffer_remove(&instance->pool, buffer);
		zcb_collect(instance);
		buffer->freed = true;
		if (!buffer->unread)
			zcb_buffer_release(buffer);
		zcb_shrink(instance);
	}
	pthread_mutex_unlock(&instance->pool.lock);
	return buffer ? CS_OK : CS_ERR_INVALID_PARAM;
}

static cs_error_t send_from_segment(struct instance *instance, cpg_guarantee_t guarantee,
				    const struct segment *segment, const uint8_t *message, size_t length)
{
	struct ipc_zcb_mcast request = {.header = {.id = IPC_REQ_ZCB_MCAST, .size = sizeof(request)},
					.segment_id = segment->id,
					.guarantee = guarantee,
					.offset = (uint64_t)(message - segment->base),
					.length = length};
	struct iovec iov = {.iov_base = &request, .iov_len = sizeof(request)};
	struct ipc_response response;
	size_t received;
	cs_error_t error = channel_ready(instance, length);

	if (error != CS_OK)
		return error;
	return channel_call(instance, CHANNEL_MCAST, &iov, 1, &response, sizeof(response), sizeof(response),
			    &received);
}

/* To an engine that reads from its segments, but has no rings. */
static cs_error_t send_without_rings(struct instance *instance, cpg_guarantee_t guarantee, void *message,
				     size_t length)
{
	struct iovec iov = {.iov_base = message, .iov_len = length};
	struct segment segment = {0};
	struct zcb_buffer *buffer;

	pthread_mutex_lock(&instance->pool.lock);
	buffer = zcb_buffer_find(&instance->pool, message, length);
	if (buffer && buffer->segment)
		segment = buffer->segment->segment;
	pthread_mutex_unlock(&instance->pool.lock);
	if (!buffer)
		return CS_ERR_INVALID_PARAM;
	if (segment.map)
		return send_from_segment(instance, guarantee, &segment, message, length);
	return mcast_send(instance, guarantee, &iov, 1);
}

cs_error_t zcb_mcast(struct instance *instance, cpg_guarantee_t guarantee, void *message, size_t length)
{
	struct iovec iov = {.iov_base = message, .iov_len = length};

	if (length > ATOMIC_MESSAGE_MAX)
		return CS_ERR_TOO_BIG;
	if (!instance_has_rings(instance))
		return send_without_rings(instance, guarantee, message, length);
	if (!zcb_is_in_buffer(&instance->pool, message, length))
		return CS_ERR_INVALID_PARAM;
	return mcast_send_by_rings(instance, guarantee, &iov, 1, length);
}

CPG_PUBLIC cs_error_t cpg_zcb_alloc(cpg_handle_t handle, size_t size, void **buffer)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = zcb_alloc(instance, size, buffer);
	instance_put(instance);
	return error;
}

CPG_PUBLIC cs_error_t cpg_zcb_free(cpg_handle_t handle, void *buffer)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = zcb_free(instance, buffer);
	instance_put(instance);
	return error;
}

CPG_PUBLIC cs_error_t cpg_zcb_mcast_joined(cpg_handle_t handle, cpg_guarantee_t guarantee, void *msg,
					   size_t msg_len)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = zcb_mcast(instance, guarantee, msg, msg_len);
	instance_put(instance);
	return error;
}
