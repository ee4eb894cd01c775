/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_zcb_mcast_async, cpg_zcb_wait */
#include <time.h>

#include "lib_internal.h"

/* How long a waiting caller sleeps before it looks again: from the first to the last, doubling. */
#define LOOK_FIRST_NS 20000
#define LOOK_LAST_NS 1000000

/* Who has a lock for longer is likely to wait for an answer under it. */
#define LOCK_NS 1000000

static cs_error_t hand_over(struct instance *instance, struct zcb_buffer *buffer, void *message,
			    size_t length)
{
	cs_error_t error;

	zcb_collect(instance);
	buffer->unread++;
	if (!zcb_hand_over(instance, buffer, message, length, &error))
		buffer->unread--;
	return error;
}

/*
 * A message is copied, and so is taken at once, where the engine can't read from the buffer itself, and where it is small: to copy it
 * costs less than to wait for its buffer.
 */
static cs_error_t zcb_mcast_async(struct instance *instance, cpg_guarantee_t guarantee, void *message,
				  size_t length)
{
	struct zcb_buffer *buffer;
	cs_error_t error = CS_OK;
	bool handed_over;

	if (length <= SUBMISSION_MESSAGE_MAX)
		return zcb_mcast(instance, guarantee, message, length);
	if (length > ATOMIC_MESSAGE_MAX)
		return CS_ERR_TOO_BIG;
	pthread_mutex_lock(&instance->pool.lock);
	buffer = zcb_buffer_find(&instance->pool, message, length);
	handed_over = buffer && buffer->segment && instance_has_rings(instance);
	if (handed_over)
		error = hand_over(instance, buffer, message, length);
	pthread_mutex_unlock(&instance->pool.lock);
	return handed_over ? error : zcb_mcast(instance, guarantee, message, length);
}

/*
 * Not behind another thread's call that the engine is answering: that may take longer than the caller wants to wait. Only by the rings
 * can anything be unread.
 */
static cs_error_t buffer_state(struct instance *instance, void *address)
{
	const struct zcb_buffer *buffer;
	cs_error_t error = CS_OK;

	if (!lock_within(&instance->pool.lock, LOCK_NS))
		return CS_ERR_TRY_AGAIN;
	buffer = zcb_buffer_find(&instance->pool, address, 0);
	if (buffer && buffer->unread && lock_within(&instance->channel_lock, LOCK_NS)) {
		zcb_collect_locked(instance);
		channel_unlock(instance);
	}
	if (!buffer)
		error = CS_ERR_INVALID_PARAM;
	else if (buffer->unread)
		error = CS_ERR_TRY_AGAIN;
	pthread_mutex_unlock(&instance->pool.lock);
	return error;
}

static int64_t end_of_wait(int timeout)
{
	return timeout < 0 ? INT64_MAX : now_ns() + timeout * (int64_t)CS_TIME_NS_IN_MSEC;
}

/* Nobody tells when a message was taken: that would cost more than to look. */
static cs_error_t zcb_wait(struct instance *instance, void *address, int timeout)
{
	struct timespec pause = {.tv_nsec = LOOK_FIRST_NS};
	int64_t end = 0; /* not known before it has to wait */
	cs_error_t error;

	while ((error = buffer_state(instance, address)) == CS_ERR_TRY_AGAIN) {
		if (atomic_load(&instance->finalized))
			return CS_ERR_BAD_HANDLE;
		if (!channel_connected(instance))
			return CS_ERR_LIBRARY;
		if (!timeout)
			break;
		if (!end)
			end = end_of_wait(timeout);
		else if (now_ns() >= end)
			break;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < LOOK_LAST_NS)
			pause.tv_nsec *= 2;
	}
	return error;
}

CPG_PUBLIC cs_error_t cpg_zcb_mcast_async(cpg_handle_t handle, cpg_guarantee_t guarantee, void *msg,
					  size_t msg_len)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = zcb_mcast_async(instance, guarantee, msg, msg_len);
	instance_put(instance);
	return error;
}

CPG_PUBLIC cs_error_t cpg_zcb_wait(cpg_handle_t handle, void *buffer, int timeout)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	error = zcb_wait(instance, buffer, timeout);
	instance_put(instance);
	return error;
}
