/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that the engine reads out of the pool: copies of what was sent, and buffers of cpg_zcb_mcast_async(). */
#include <stdlib.h>

#include "lib_internal.h"

void zcb_collect_locked(struct instance *instance)
{
	struct handover *handover = submission_collect(instance), *next;

	for (; handover; handover = next) {
		struct zcb_buffer *buffer = handover->buffer;

		next = handover->next;
		free(handover);
		if (!--buffer->unread && buffer->freed)
			zcb_buffer_release(buffer);
	}
}

void zcb_collect(struct instance *instance)
{
	if (!instance_has_rings(instance))
		return;
	pthread_mutex_lock(&instance->channel_lock);
	zcb_collect_locked(instance);
	channel_unlock(instance);
}

struct zcb_buffer *zcb_block_new(struct instance *instance, size_t size)
{
	struct zcb_buffer *buffer = calloc(1, sizeof(*buffer));
	bool placed;

	if (!buffer)
		return NULL;
	buffer->size = size;
	buffer->unread = 1;
	buffer->freed = true;
	pthread_mutex_lock(&instance->pool.lock);
	zcb_collect(instance);
	placed = zcb_place(instance, buffer);
	pthread_mutex_unlock(&instance->pool.lock);
	if (placed)
		return buffer;
	free(buffer);
	return NULL;
}

void zcb_block_drop(struct instance *instance, struct zcb_buffer *buffer)
{
	pthread_mutex_lock(&instance->pool.lock);
	zcb_buffer_release(buffer);
	pthread_mutex_unlock(&instance->pool.lock);
}

bool zcb_hand_over(struct instance *instance, struct zcb_buffer *buffer, const void *message, size_t length,
		   cs_error_t *error)
{
	const struct segment *segment = &buffer->segment->segment;
	struct ring_block block = {.segment_id = segment->id,
				   .offset = (uint64_t)((const uint8_t *)message - segment->base),
				   .length = length};
	struct handover *handover = malloc(sizeof(*handover));
	bool accepted;

	if (!handover) {
		*error = CS_ERR_NO_MEMORY;
		return false;
	}
	handover->buffer = buffer;
	pthread_mutex_lock(&instance->channel_lock);
	*error = channel_ready_locked(instance, length);
	accepted = *error == CS_OK;
	if (accepted)
		*error = submission_put_block(instance, &block, handover);
	channel_unlock(instance);
	if (!accepted)
		free(handover);
	return accepted;
}

cs_error_t zcb_send_copy(struct instance *instance, const struct iovec *iov, unsigned int iov_len,
			 size_t size)
{
	cs_error_t error = channel_ready(instance, size);
	struct zcb_buffer *buffer;

	if (error != CS_OK)
		return error;
	buffer = zcb_block_new(instance, size);
	if (!buffer)
		return CS_ERR_NO_RESOURCES;
	gather_copy(buffer->start, iov, iov_len, 0, size);
	if (!zcb_hand_over(instance, buffer, buffer->start, size, &error))
		zcb_block_drop(instance, buffer);
	return error;
}

static void handovers_free(struct handover *handover)
{
	struct handover *next;

	for (; handover; handover = next) {
		next = handover->next;
		if (!--handover->buffer->unread && handover->buffer->freed)
			free(handover->buffer);
		free(handover);
	}
}

void zcb_blocks_free(struct submission *submission)
{
	handovers_free(submission->oldest);
	handovers_free(submission->taken);
}
