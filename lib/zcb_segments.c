/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments for zcb buffers and for messages on their way: how many, how large, and when they go back. */
#include "lib_internal.h"

/* Segments are small until somebody needs many. */
#define SMALL_SEGMENT_SIZE (1024u * 1024u)
#define LARGE_SEGMENT_SIZE (8u * 1024u * 1024u)
#define SMALL_SEGMENTS 8u
/*
 * Where there was none to be had (/dev/shm is full, or out of this process's reach since it connected) nobody asks again for this long. Else
 * each message would, twice, and the engine would make a segment for nothing each time.
 */
#define NONE_NS ((int64_t)CS_TIME_NS_IN_SEC)
static_assert(ATOMIC_MESSAGE_MAX + SEGMENT_START <= SMALL_SEGMENT_SIZE, "the largest buffer fits a segment");

static cs_error_t segment_give_back(struct instance *instance, const struct segment *segment)
{
	struct ipc_segment_destroy request = {
		.header = {.id = IPC_REQ_SEGMENT_DESTROY, .size = sizeof(request)},
		.segment_id = segment->id};

	return channel_tell(instance, &request, sizeof(request));
}

/* Smaller than asked for is not what the largest message needs. */
static bool segment_usable(const struct segment *segment)
{
	return segment->size >= SMALL_SEGMENT_SIZE;
}

static cs_error_t segment_make(struct instance *instance, size_t user_size, struct segment *segment)
{
	struct ipc_segment_create request = {
		.header = {.id = IPC_REQ_SEGMENT_CREATE, .size = sizeof(request)}, .user_size = user_size};
	struct ipc_segment_create_response response;
	cs_error_t error = channel_ask(instance, &request, sizeof(request), &response, sizeof(response));
	bool attached;

	if (error != CS_OK)
		return error;
	pthread_mutex_lock(&instance->channel_lock);
	attached = hello_attach(instance, segment, &response.segment, segment_usable);
	channel_unlock(instance);
	return attached ? CS_OK : CS_ERR_NO_RESOURCES;
}

static struct zcb_segment *pool_add(struct instance *instance, struct segment *segment)
{
	struct zcb_pool *pool = &instance->pool;
	struct zcb_segment *added = zcb_segment_new(segment);

	if (!added) {
		segment_give_back(instance, segment);
		segment_detach(segment);
		return NULL;
	}
	pool->segments[pool->segment_count++] = added;
	return added;
}

/* A channel that is full or off is nothing that lasts, and asking costs nothing then. */
static struct zcb_segment *pool_extend(struct instance *instance)
{
	struct zcb_pool *pool = &instance->pool;
	size_t size = pool->segment_count < SMALL_SEGMENTS ? SMALL_SEGMENT_SIZE : LARGE_SEGMENT_SIZE;
	struct zcb_segment *added = NULL;
	struct segment segment;
	cs_error_t error;

	if (pool->segment_count == SEGMENTS_PER_CLIENT_MAX || now_ns() < pool->none_before)
		return NULL;
	error = segment_make(instance, size, &segment);
	if (error == CS_OK)
		added = pool_add(instance, &segment);
	else if (error != CS_ERR_TRY_AGAIN)
		pool->none_before = now_ns() + NONE_NS;
	return added;
}

bool zcb_place(struct instance *instance, struct zcb_buffer *buffer)
{
	struct zcb_pool *pool = &instance->pool;
	struct zcb_segment *segment = NULL;
	size_t offset = ZCB_NO_ROOM;
	size_t i;

	if (!(instance->features & IPC_FEATURE_SEGMENTS))
		return false;
	for (i = 0; i < pool->segment_count && offset == ZCB_NO_ROOM; i++) {
		segment = pool->segments[i];
		offset = zcb_segment_alloc(segment, buffer->size);
	}
	if (offset == ZCB_NO_ROOM) {
		segment = pool_extend(instance);
		if (!segment)
			return false;
		offset = zcb_segment_alloc(segment, buffer->size);
	}
	buffer->segment = segment;
	buffer->start = segment->segment.base + offset;
	return true;
}

/* Not the last idle one: somebody who allocates and frees in turn needs it again at once. */
void zcb_shrink(struct instance *instance)
{
	struct zcb_pool *pool = &instance->pool;
	bool kept = false;
	size_t i = 0;

	while (i < pool->segment_count) {
		struct zcb_segment *segment = pool->segments[i];

		if (segment->live || !kept) {
			kept = kept || !segment->live;
			i++;
			continue;
		}
		if (segment_give_back(instance, &segment->segment) == CS_ERR_TRY_AGAIN)
			return; /* it still counts there: the next buffer may as well use it */
		zcb_segment_free(segment);
		pool->none_before = 0; /* there is room for another one */
		pool->segments[i] = pool->segments[--pool->segment_count];
	}
}
