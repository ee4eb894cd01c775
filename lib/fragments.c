/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that are larger than what is multicast as one. With rings the connection is small, and a fragment lies in a block of the pool;
 * otherwise, and where no block is to be had, it is part of the request.
 */
#include <stdlib.h>

#include "lib_internal.h"

/* What libqb may need of a buffer around a request. */
#define REQUEST_SLACK 4096u

/* The message that is on its way, and where its next fragment is put. */
struct fragments {
	struct instance *instance;
	const struct iovec *iov;
	unsigned int iov_len;
	size_t size;	   /* of the message */
	size_t most;	   /* of a fragment */
	uint8_t *room;	   /* `most` bytes */
	struct iovec sent; /* the request */
	struct zcb_buffer *block;
	struct ipc_partial_block in_block;
	struct ipc_partial_mcast *with_fragment;
};

static enum ipc_fragment fragment_type(size_t offset, size_t length, size_t total)
{
	if (!offset)
		return IPC_FRAGMENT_FIRST;
	return offset + length == total ? IPC_FRAGMENT_LAST : IPC_FRAGMENT_CONTINUED;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool begin_in_block(struct fragments *fragments, cpg_guarantee_t guarantee)
{
	struct zcb_buffer *block = zcb_block_new(fragments->instance, fragments->most);

	if (!block)
		return false;
	fragments->block = block;
	fragments->room = block->start;
	fragments->in_block = (struct ipc_partial_block){
		.header = {.id = IPC_REQ_PARTIAL_BLOCK, .size = sizeof(fragments->in_block)},
		.guarantee = guarantee,
		.msglen = (uint32_t)fragments->size,
		.segment_id = block->segment->segment.id,
		.offset = (uint64_t)(block->start - block->segment->segment.base)};
	fragments->sent =
		(struct iovec){.iov_base = &fragments->in_block, .iov_len = sizeof(fragments->in_block)};
	return true;
}

static bool begin_with_fragment(struct fragments *fragments, cpg_guarantee_t guarantee)
{
	struct ipc_partial_mcast *request;

	fragments->most = smaller(fragments->most, fragments->instance->buffer_size - REQUEST_SLACK);
	request = calloc(1, sizeof(*request) + fragments->most);
	if (!request)
		return false;
	request->header.id = IPC_REQ_PARTIAL_MCAST;
	request->guarantee = guarantee;
	request->msglen = (uint32_t)fragments->size;
	fragments->with_fragment = request;
	fragments->room = request->message;
	fragments->sent.iov_base = request;
	return true;
}

static bool begin(struct fragments *fragments, cpg_guarantee_t guarantee)
{
	if (instance_has_rings(fragments->instance) && begin_in_block(fragments, guarantee))
		return true;
	return begin_with_fragment(fragments, guarantee);
}

static void end(struct fragments *fragments)
{
	if (fragments->block)
		zcb_block_drop(fragments->instance, fragments->block);
	free(fragments->with_fragment);
}

static void fill(struct fragments *fragments, size_t offset, size_t length)
{
	struct ipc_partial_mcast *request = fragments->with_fragment;
	enum ipc_fragment type = fragment_type(offset, length, fragments->size);

	gather_copy(fragments->room, fragments->iov, fragments->iov_len, offset, length);
	if (fragments->block) {
		fragments->in_block.fraglen = (uint32_t)length;
		fragments->in_block.type = type;
		return;
	}
	request->fraglen = (uint32_t)length;
	request->type = type;
	fragments->sent.iov_len = sizeof(*request) + length;
	request->header.size = (int32_t)fragments->sent.iov_len;
}

/* The first one goes behind what was accepted before; what comes between the others is from other threads. */
static cs_error_t send_fragment(const struct fragments *fragments, bool first)
{
	struct ipc_response response;
	size_t received;

	if (first)
		return channel_call_behind(fragments->instance, CHANNEL_MCAST, &fragments->sent, 1, &response,
					   sizeof(response), sizeof(response), &received);
	return channel_call(fragments->instance, CHANNEL_MCAST, &fragments->sent, 1, &response,
			    sizeof(response), sizeof(response), &received);
}

/* Once the first fragment is on its way the rest has to follow: giving up would waste what was sent. */
static cs_error_t send_patiently(const struct fragments *fragments, bool first)
{
	unsigned int round = 0;
	cs_error_t error;

	while ((error = send_fragment(fragments, first)) == CS_ERR_TRY_AGAIN && !first)
		channel_pause(round++);
	return error;
}

static cs_error_t send_all(struct fragments *fragments)
{
	cs_error_t error = CS_OK;
	size_t offset, length;

	for (offset = 0; offset < fragments->size && error == CS_OK; offset += length) {
		length = smaller(fragments->size - offset, fragments->most);
		fill(fragments, offset, length);
		error = send_patiently(fragments, !offset);
	}
	return error;
}

cs_error_t fragments_send(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
			  unsigned int iov_len, size_t size)
{
	struct fragments fragments = {.instance = instance, .iov = iov, .iov_len = iov_len, .size = size};
	cs_error_t error = channel_ready(instance, size);

	if (error != CS_OK)
		return error;
	if (pthread_mutex_trylock(&instance->fragments_lock) != 0)
		return CS_ERR_TRY_AGAIN;
	/* At least two: one alone would be no first and last. */
	fragments.most = smaller(ATOMIC_MESSAGE_MAX, (size + 1) / 2);
	error = begin(&fragments, guarantee) ? send_all(&fragments) : CS_ERR_NO_MEMORY;
	end(&fragments);
	pthread_mutex_unlock(&instance->fragments_lock);
	return error;
}
