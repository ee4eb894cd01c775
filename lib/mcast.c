/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_mcast_joined. Through the rings: in the submission ring, or in a block of the pool. Through libqb: one request. */
#include <stdlib.h>
#include <string.h>

#include "lib_internal.h"

/* Pieces that are handed to libqb as they are; a message in more of them is gathered first. */
#define PIECES_MAX 31u

static cs_error_t send_pieces(struct instance *instance, struct ipc_mcast *request, const struct iovec *iov,
			      unsigned int iov_len)
{
	struct iovec pieces[PIECES_MAX + 1] = {{.iov_base = request, .iov_len = sizeof(*request)}};

	if (iov_len)
		memcpy(&pieces[1], iov, iov_len * sizeof(*iov));
	return channel_mcast(instance, pieces, iov_len + 1);
}

/* libqb's socket transport takes no more pieces than writev(2). */
static cs_error_t send_gathered(struct instance *instance, struct ipc_mcast *request, const struct iovec *iov,
				unsigned int iov_len)
{
	uint8_t *message = malloc(request->msglen ? request->msglen : 1);
	struct iovec gathered = {.iov_base = message, .iov_len = request->msglen};
	cs_error_t error;

	if (!message)
		return CS_ERR_NO_MEMORY;
	gather_copy(message, iov, iov_len, 0, request->msglen);
	error = send_pieces(instance, request, &gathered, 1);
	free(message);
	return error;
}

static cs_error_t send_whole(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
			     unsigned int iov_len, size_t size)
{
	struct ipc_mcast request = {
		.header = {.id = IPC_REQ_MCAST, .size = (int32_t)(sizeof(request) + size)},
		.guarantee = guarantee,
		.msglen = (uint32_t)size};

	if (iov_len > PIECES_MAX)
		return send_gathered(instance, &request, iov, iov_len);
	return send_pieces(instance, &request, iov, iov_len);
}

static cs_error_t send_small(struct instance *instance, const struct iovec *iov, unsigned int iov_len,
			     size_t size)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	error = channel_ready_locked(instance, size);
	if (error == CS_OK)
		error = submission_put(instance, iov, iov_len, size);
	channel_unlock(instance);
	return error;
}

/* Where there is no block to be had, two fragments have to do. */
cs_error_t mcast_send_by_rings(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
			       unsigned int iov_len, size_t size)
{
	cs_error_t error;

	if (size <= SUBMISSION_MESSAGE_MAX)
		return send_small(instance, iov, iov_len, size);
	error = zcb_send_copy(instance, iov, iov_len, size);
	if (error != CS_ERR_NO_RESOURCES)
		return error;
	return fragments_send(instance, guarantee, iov, iov_len, size);
}

cs_error_t mcast_send(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
		      unsigned int iov_len)
{
	size_t size;
	cs_error_t error = gather_size(iov, iov_len, &size);

	if (error != CS_OK)
		return error;
	if (size <= ATOMIC_MESSAGE_MAX && instance_has_rings(instance))
		return mcast_send_by_rings(instance, guarantee, iov, iov_len, size);
	if (size <= ATOMIC_MESSAGE_MAX)
		return send_whole(instance, guarantee, iov, iov_len, size);
	return fragments_send(instance, guarantee, iov, iov_len, size);
}

CPG_PUBLIC cs_error_t cpg_mcast_joined(cpg_handle_t handle, cpg_guarantee_t guarantee,
				       const struct iovec *iovec, unsigned int iov_len)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = mcast_send(instance, guarantee, iovec, iov_len);
	instance_put(instance);
	return error;
}
