/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpg_zcb_alloc, cpg_zcb_free, cpg_zcb_mcast_joined: buffers in segments that our engine shares with us, and
 * in the heap where there are none (a stock engine, or no more segments to be had).
 */
#define _GNU_SOURCE /* tdestroy */
#include <search.h>
#include <stdlib.h>

#include "lib_internal.h"

/* Segments are small until somebody needs many. */
#define SMALL_SEGMENT_SIZE (1024u * 1024u)
#define LARGE_SEGMENT_SIZE (8u * 1024u * 1024u)
#define SMALL_SEGMENTS 8u
static_assert(ATOMIC_MESSAGE_MAX + SEGMENT_START <= SMALL_SEGMENT_SIZE, "the largest buffer fits a segment");

struct zcb_buffer {
	uint8_t *start;
	size_t size;		     /* as asked for, at least 1: no two share an address */
	struct zcb_segment *segment; /* NULL: in the heap */
};

/* Overlapping ranges are equal: so a pointer into a buffer finds it. */
static int buffer_compare(const void *a, const void *b)
{
	const struct zcb_buffer *left = a, *right = b;
	uintptr_t left_start = (uintptr_t)left->start, right_start = (uintptr_t)right->start;

	if (left_start < right_start)
		return right_start - left_start < left->size ? 0 : -1;
	return left_start - right_start < right->size ? 0 : 1;
}

static struct zcb_buffer *buffer_find(struct zcb_pool *pool, void *address, size_t size)
{
	struct zcb_buffer key = {.start = address, .size = size ? size : 1};
	struct zcb_buffer **found = tfind(&key, &pool->buffers, buffer_compare);

	/* Inside of it, from the first byte to the last. */
	if (!found || (*found)->start > key.start || key.size > (*found)->size ||
	    (size_t)(key.start - (*found)->start) > (*found)->size - key.size)
		return NULL;
	return *found;
}

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

void zcb_pool_abandon(struct zcb_pool *pool)
{
	size_t i;

	tdestroy(pool->buffers, buffer_destroy);
	for (i = 0; i < pool->segment_count; i++) {
		free(pool->segments[i]->extent);
		free(pool->segments[i]);
	}
	pthread_mutex_destroy(&pool->lock);
}

void zcb_pool_destroy(struct zcb_pool *pool)
{
	size_t i;

	tdestroy(pool->buffers, buffer_destroy);
	for (i = 0; i < pool->segment_count; i++)
		zcb_segment_free(pool->segments[i]);
	pthread_mutex_destroy(&pool->lock);
}

static cs_error_t segment_give_back(struct instance *instance, const struct segment *segment)
{
	struct ipc_segment_destroy request = {
		.header = {.id = IPC_REQ_SEGMENT_DESTROY, .size = sizeof(request)},
		.segment_id = segment->id};

	return channel_tell(instance, &request, sizeof(request));
}

static bool segment_make(struct instance *instance, size_t user_size, struct segment *segment)
{
	struct ipc_segment_create request = {
		.header = {.id = IPC_REQ_SEGMENT_CREATE, .size = sizeof(request)}, .user_size = user_size};
	struct ipc_segment_create_response response;
	bool attached;

	if (channel_ask(instance, &request, sizeof(request), &response, sizeof(response)) != CS_OK)
		return false;
	pthread_mutex_lock(&instance->channel_lock);
	attached = hello_attach(instance, segment, &response.segment);
	pthread_mutex_unlock(&instance->channel_lock);
	/* Smaller than asked for is not what the largest message needs. */
	if (attached && segment->size < SMALL_SEGMENT_SIZE) {
		segment_give_back(instance, segment);
		segment_detach(segment);
		return false;
	}
	return attached;
}

static struct zcb_segment *pool_extend(struct instance *instance)
{
	struct zcb_pool *pool = &instance->pool;
	size_t size = pool->segment_count < SMALL_SEGMENTS ? SMALL_SEGMENT_SIZE : LARGE_SEGMENT_SIZE;
	struct segment segment;
	struct zcb_segment *added;

	if (pool->segment_count == SEGMENTS_PER_CLIENT_MAX || !segment_make(instance, size, &segment))
		return NULL;
	added = zcb_segment_new(&segment);
	if (!added) {
		segment_give_back(instance, &segment);
		segment_detach(&segment);
		return NULL;
	}
	pool->segments[pool->segment_count++] = added;
	return added;
}

/* Places the buffer in a segment. False: there is none to be had, the heap has to do. */
static bool place_in_segment(struct instance *instance, struct zcb_buffer *buffer)
{
	struct zcb_pool *pool = &instance->pool;
	size_t offset = ZCB_NO_ROOM;
	size_t i;

	if (!(instance->features & IPC_FEATURE_SEGMENTS))
		return false;
	for (i = 0; i < pool->segment_count && offset == ZCB_NO_ROOM; i++) {
		buffer->segment = pool->segments[i];
		offset = zcb_segment_alloc(buffer->segment, buffer->size);
	}
	if (offset == ZCB_NO_ROOM) {
		buffer->segment = pool_extend(instance);
		if (!buffer->segment)
			return false;
		offset = zcb_segment_alloc(buffer->segment, buffer->size);
	}
	buffer->start = buffer->segment->segment.base + offset;
	return true;
}

/* Not the last idle one: somebody who allocates and frees in turn needs it again at once. */
static void segment_retire(struct instance *instance, struct zcb_segment *segment)
{
	struct zcb_pool *pool = &instance->pool;
	size_t i, position = 0, idle = 0;

	for (i = 0; i < pool->segment_count; i++) {
		idle += !pool->segments[i]->live;
		if (pool->segments[i] == segment)
			position = i;
	}
	if (segment->live || idle < 2)
		return;
	if (segment_give_back(instance, &segment->segment) == CS_ERR_TRY_AGAIN)
		return; /* it still counts there: the next buffer may as well use it */
	zcb_segment_free(segment);
	pool->segments[position] = pool->segments[--pool->segment_count];
}

static void buffer_release(struct instance *instance, struct zcb_buffer *buffer)
{
	struct zcb_segment *segment = buffer->segment;

	if (segment) {
		zcb_segment_release(segment, (size_t)(buffer->start - segment->segment.base));
		segment_retire(instance, segment);
	} else {
		free(buffer->start);
	}
	free(buffer);
}

static struct zcb_buffer *buffer_new(struct instance *instance, size_t size)
{
	struct zcb_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return NULL;
	buffer->size = size ? size : 1;
	if (!place_in_segment(instance, buffer)) {
		buffer->segment = NULL;
		buffer->start = malloc(buffer->size);
	}
	if (buffer->start && tsearch(buffer, &instance->pool.buffers, buffer_compare))
		return buffer;
	if (buffer->start)
		buffer_release(instance, buffer);
	else
		free(buffer);
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
	buffer = buffer_find(&instance->pool, start, 0);
	if (buffer && buffer->start != start)
		buffer = NULL;
	if (buffer) {
		tdelete(buffer, &instance->pool.buffers, buffer_compare);
		buffer_release(instance, buffer);
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
	cs_error_t error = channel_ready(instance);

	if (error != CS_OK)
		return error;
	return channel_call(instance, CHANNEL_MCAST, &iov, 1, &response, sizeof(response), sizeof(response),
			    &received);
}

static cs_error_t zcb_mcast(struct instance *instance, cpg_guarantee_t guarantee, void *message,
			    size_t length)
{
	struct iovec iov = {.iov_base = message, .iov_len = length};
	struct segment segment = {0};
	struct zcb_buffer *buffer;

	if (length > ATOMIC_MESSAGE_MAX)
		return CS_ERR_TOO_BIG;
	pthread_mutex_lock(&instance->pool.lock);
	buffer = buffer_find(&instance->pool, message, length);
	if (buffer && buffer->segment)
		segment = buffer->segment->segment;
	pthread_mutex_unlock(&instance->pool.lock);
	if (!buffer)
		return CS_ERR_INVALID_PARAM;
	if (segment.ring)
		return send_from_segment(instance, guarantee, &segment, message, length);
	return mcast_send(instance, guarantee, &iov, 1);
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
