/* SPDX-License-Identifier: BSD-3-Clause */
/* The request channel of an instance: one request and its answer at a time, and multicasts that have none. */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "lib_internal.h"

/* How often a caller that waits for an answer looks whether the engine is still there, milliseconds. */
#define ANSWER_POLL_MS 500

/*
 * A full socket is no reason to ring later unless one of its bytes is of a request that the engine has not looked at. libqb takes up to 50
 * requests before it reads their bytes, each of which counts some 768 for the kernel: in a smaller socket they may all be of such.
 */
#define SOCKET_ROOM_LEAST (64 * 768)

/* A byte never counts for more than this, so many are sure to fit without asking the kernel again. */
#define SOCKET_BYTE_MOST 2048

/* libqb tells "no requests" from "no multicasts" by a level; a sender says up to which one it is refused. */
#define FLOW_LEVEL_NONE 0u
#define FLOW_LEVEL_REQUESTS 1u
#define FLOW_LEVEL_MULTICASTS 2u

/*
 * The engine gives a request's room back an instant after it answered. Behind one that fills most of the channel that
 * instant matters: it is no reason to refuse the next one.
 */
#define SETTLE_ROUNDS 50u
#define SETTLE_PAUSE_NS 200000

static uint32_t flow_level(enum channel_kind kind)
{
	switch (kind) {
	case CHANNEL_DOORBELL:
		return FLOW_LEVEL_NONE;
	case CHANNEL_MCAST:
		return FLOW_LEVEL_MULTICASTS;
	default:
		return FLOW_LEVEL_REQUESTS;
	}
}

bool channel_connected(struct instance *instance)
{
	if (!qb_ipcc_is_connected(instance->ipc))
		atomic_store(&instance->gone, true);
	return !atomic_load(&instance->gone);
}

/*
 * libqb rings with a byte in a stream socket for each request, and spins while the kernel takes none: a few hundred, while the engine
 * holds requests back. So we ask the kernel, which takes a byte while less than SO_SNDBUF is allocated for those before it.
 */
static bool socket_full(struct instance *instance)
{
	int fd, allocated;

	if (instance->socket_sure > 0 || !instance->socket_room || qb_ipcc_fd_get(instance->ipc, &fd) < 0 ||
	    ioctl(fd, SIOCOUTQ, &allocated) < 0)
		return false;
	if (allocated < instance->socket_room)
		instance->socket_sure =
			(instance->socket_room - allocated + SOCKET_BYTE_MOST - 1) / SOCKET_BYTE_MOST;
	return instance->socket_sure == 0;
}

static ssize_t try_send(struct instance *instance, const struct iovec *iov, unsigned int iov_len)
{
	if (socket_full(instance))
		return -EAGAIN;
	instance->socket_sure -= instance->socket_sure > 0;
	return qb_ipcc_sendv(instance->ipc, iov, iov_len);
}

static ssize_t request_send(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			    unsigned int iov_len)
{
	struct timespec pause = {.tv_nsec = SETTLE_PAUSE_NS};
	unsigned int round = 0;
	ssize_t result;

	qb_ipcc_fc_enable_max_set(instance->ipc, flow_level(kind));
	while ((result = try_send(instance, iov, iov_len)) == -EAGAIN && instance->settling &&
	       round++ < SETTLE_ROUNDS)
		nanosleep(&pause, NULL);
	instance->settling = false;
	/* A full channel and a switch that is off outlive the engine, and libqb looks at them first. */
	if (result < 0 && !channel_connected(instance) && result == -EAGAIN)
		return -ENOTCONN;
	return result;
}

/* A signal must not leave the answer behind: the next request would take it for its own. */
static ssize_t response_wait(struct instance *instance)
{
	ssize_t result;

	do {
		result = qb_ipcc_recv(instance->ipc, instance->response, instance->buffer_size,
				      ANSWER_POLL_MS);
	} while (result == -EAGAIN || result == -ETIMEDOUT || result == -EINTR);
	if (result < 0)
		channel_connected(instance);
	return result;
}

cs_error_t channel_call_locked(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			       unsigned int iov_len, void *response, size_t capacity, size_t least,
			       size_t *received)
{
	const struct ipc_response *header = (const struct ipc_response *)instance->response;
	ssize_t result;
	size_t size;
	bool large;

	if (instance->ended)
		return CS_ERR_BAD_HANDLE;
	result = request_send(instance, kind, iov, iov_len);
	if (result < 0)
		return qb_to_cs_error((int)result);
	large = (size_t)result > instance->buffer_size / 8;
	result = response_wait(instance);
	if (result < 0)
		return qb_to_cs_error((int)result);
	instance->settling = large;
	size = (size_t)result;
	if (size < sizeof(*header) || header->error < CS_OK)
		return CS_ERR_LIBRARY;
	if (header->error != CS_OK)
		return (cs_error_t)header->error;
	if (size < least)
		return CS_ERR_LIBRARY;
	if (size > capacity)
		size = capacity;
	memcpy(response, instance->response, size);
	*received = size;
	return CS_OK;
}

cs_error_t channel_call(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			unsigned int iov_len, void *response, size_t capacity, size_t least, size_t *received)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	error = channel_call_locked(instance, kind, iov, iov_len, response, capacity, least, received);
	channel_unlock(instance);
	return error;
}

cs_error_t channel_call_behind(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			       unsigned int iov_len, void *response, size_t capacity, size_t least,
			       size_t *received)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	submission_drain(instance);
	error = channel_call_locked(instance, kind, iov, iov_len, response, capacity, least, received);
	channel_unlock(instance);
	return error;
}

cs_error_t channel_ask(struct instance *instance, const void *request, size_t size, void *response,
		       size_t response_size)
{
	struct iovec iov = {.iov_base = (void *)request, .iov_len = size};
	size_t received;

	return channel_call(instance, CHANNEL_PLAIN, &iov, 1, response, response_size, response_size,
			    &received);
}

cs_error_t channel_tell(struct instance *instance, const void *request, size_t size)
{
	struct ipc_response response;

	return channel_ask(instance, request, size, &response, sizeof(response));
}

void channel_socket_look(struct instance *instance)
{
	socklen_t size = sizeof(int);
	int fd, type, room;

	instance->socket_room = 0;
	instance->socket_sure = 0;
	if (qb_ipcc_fd_get(instance->ipc, &fd) < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return;
	instance->datagrams = type == SOCK_DGRAM;
	if (!instance->datagrams && getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &size) == 0 &&
	    room >= SOCKET_ROOM_LEAST)
		instance->socket_room = room;
}

/* A member of the group has too much unread: sends are refused until it catches up or is gone. */
static bool receiver_behind(const struct instance *instance)
{
	return atomic_load_explicit(&instance_control(instance)->receiver_behind, memory_order_relaxed) != 0;
}

/*
 * Whether the engine has switched multicasts off. libqb does not tell, but qb_ipcc_sendv_recv() looks at that
 * before it looks at the size: a request that can never be sent is harmless, and its error says which of the
 * two it met.
 */
static bool mcast_switched_off(struct instance *instance)
{
	struct iovec impossible = {.iov_base = instance->response, .iov_len = INT32_MAX};

	qb_ipcc_fc_enable_max_set(instance->ipc, FLOW_LEVEL_MULTICASTS);
	return qb_ipcc_sendv_recv(instance->ipc, &impossible, 1, instance->response, instance->buffer_size,
				  0) == -EAGAIN;
}

/* EAGAIN. A full socket, and multicasts that are off, show by themselves; a full channel of libqb's does not. */
static void note_refusal(struct instance *instance)
{
	if (!socket_full(instance) && !mcast_switched_off(instance))
		instance->refused = true;
}

/* With rings nothing else shows that the engine is gone, until they are full. Without them libqb does, and all the rest. */
static cs_error_t send_state(struct instance *instance, size_t size)
{
	if (atomic_load(&instance->gone))
		return CS_ERR_LIBRARY;
	if (!instance_has_rings(instance))
		return CS_OK;
	return receiver_behind(instance) ? CS_ERR_TRY_AGAIN : submission_state(instance, size);
}

/* Nothing more is accepted from a handle that is just being finalized: it may wait for what was. */
cs_error_t channel_ready_locked(struct instance *instance, size_t size)
{
	cs_error_t error;

	if (atomic_load(&instance->finalized))
		return CS_ERR_BAD_HANDLE;
	if (!instance->joined)
		return CS_ERR_NOT_EXIST;
	error = send_state(instance, size);
	if (error == CS_ERR_TRY_AGAIN && !channel_connected(instance))
		return CS_ERR_LIBRARY;
	return error;
}

cs_error_t channel_ready(struct instance *instance, size_t size)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	error = channel_ready_locked(instance, size);
	channel_unlock(instance);
	return error;
}

static cs_error_t mcast_locked(struct instance *instance, const struct iovec *iov, unsigned int iov_len)
{
	cs_error_t error = channel_ready_locked(instance, 0); /* without rings no size is refused now */
	ssize_t result;

	if (error != CS_OK)
		return error;
	/* The handle was in no group yet when the sender looked for rings. */
	if (instance_has_rings(instance))
		return CS_ERR_NOT_EXIST;
	result = request_send(instance, CHANNEL_MCAST, iov, iov_len);
	if (result < 0) {
		if (result == -EAGAIN)
			note_refusal(instance);
		return qb_to_cs_error((int)result);
	}
	instance->refused = false;
	return CS_OK;
}

cs_error_t channel_mcast(struct instance *instance, const struct iovec *iov, unsigned int iov_len)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	error = mcast_locked(instance, iov, iov_len);
	channel_unlock(instance);
	return error;
}

/*
 * Nothing shows that a channel which was full has room again, except an answer: requests are taken in order, so once
 * it is there everything before it was taken.
 */
static bool still_refused(struct instance *instance)
{
	struct ipc_request request = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(request)};
	struct iovec iov = {.iov_base = &request, .iov_len = sizeof(request)};
	struct ipc_local_get_response response;
	size_t received;

	if (channel_call_locked(instance, CHANNEL_MCAST, &iov, 1, &response, sizeof(response),
				sizeof(response), &received) == CS_ERR_TRY_AGAIN)
		return true;
	instance->refused = false;
	return false;
}

static bool congested_locked(struct instance *instance)
{
	if (instance_has_rings(instance))
		return send_state(instance, SIZE_MAX) == CS_ERR_TRY_AGAIN;
	return mcast_switched_off(instance) || socket_full(instance) ||
	       (instance->refused && still_refused(instance));
}

bool channel_congested(struct instance *instance)
{
	bool congested;

	pthread_mutex_lock(&instance->channel_lock);
	congested = congested_locked(instance) && channel_connected(instance);
	channel_unlock(instance);
	return congested;
}

/* False: there is no room for it now. What it rings for is in the ring: an error must not say that nothing was done. */
static bool doorbell_send(struct instance *instance, cs_error_t *error)
{
	struct ipc_request request = {.id = IPC_REQ_DOORBELL, .size = sizeof(request)};
	struct iovec iov = {.iov_base = &request, .iov_len = sizeof(request)};
	ssize_t result;

	*error = CS_ERR_BAD_HANDLE;
	if (instance->ended)
		return true;
	result = request_send(instance, CHANNEL_DOORBELL, &iov, 1);
	*error = result < 0 && result != -EAGAIN ? CS_ERR_LIBRARY : CS_OK;
	return result != -EAGAIN;
}

cs_error_t channel_doorbell_locked(struct instance *instance)
{
	cs_error_t error;

	if (!doorbell_send(instance, &error))
		atomic_store(&instance->doorbell_due, true);
	return error;
}

/*
 * The fence is between the store of doorbell_due and a try of the lock on one side, and between giving back the lock and this
 * load on the other one: so either who stored it gets the lock, or who had that sees it. A try that fails orders nothing by itself, nor
 * does giving back a lock before a load.
 */
static bool doorbell_is_due(const struct instance *instance)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(&instance->doorbell_due);
}

/*
 * Who finds the channel taken leaves: the thread that has it looks here after it gave it back. So nobody waits behind an answer
 * only to ring.
 */
void channel_doorbells_ring(struct instance *instance)
{
	cs_error_t error;
	bool room = true;

	while (room && doorbell_is_due(instance) && pthread_mutex_trylock(&instance->channel_lock) == 0) {
		atomic_store(&instance->doorbell_due, false);
		room = doorbell_send(instance, &error);
		if (!room)
			atomic_store(&instance->doorbell_due, true);
		pthread_mutex_unlock(&instance->channel_lock);
	}
}

void channel_doorbell(struct instance *instance)
{
	atomic_store(&instance->doorbell_due, true);
	channel_doorbells_ring(instance);
}

void channel_unlock(struct instance *instance)
{
	pthread_mutex_unlock(&instance->channel_lock);
	channel_doorbells_ring(instance);
}

void channel_pause(unsigned int round)
{
	unsigned int shift = round < 5 ? round : 5;
	struct timespec pause = {.tv_nsec = (long)CS_TIME_NS_IN_MSEC << shift};

	nanosleep(&pause, NULL);
}

/* What was accepted may fill the channel, or the ring, and would be lost with the connection. */
cs_error_t channel_end(struct instance *instance)
{
	struct ipc_request request = {.id = IPC_REQ_FINALIZE, .size = sizeof(request)};
	struct iovec iov = {.iov_base = &request, .iov_len = sizeof(request)};
	struct ipc_response response;
	unsigned int round = 0;
	size_t received;
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	submission_drain(instance);
	while ((error = channel_call_locked(instance, CHANNEL_PLAIN, &iov, 1, &response, sizeof(response),
					    sizeof(response), &received)) == CS_ERR_TRY_AGAIN)
		channel_pause(round++);
	instance->ended = true;
	channel_unlock(instance);
	return error;
}
