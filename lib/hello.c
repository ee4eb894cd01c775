/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding out what the engine is, and agreeing on shared memory. cpg_initialize() asks where the connection shows an engine of ours; else
 * the first call that waits for the engine anyway does: a stock one in the middle of a sync answers late.
 */
#include <string.h>

#include "lib_internal.h"

static struct ipc_hello hello_request(enum ipc_hello_step step, uint32_t segment_id)
{
	return (struct ipc_hello){.header = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(struct ipc_hello)},
				  .magic = IPC_HELLO_MAGIC,
				  .version = IPC_HELLO_VERSION,
				  .features =
					  IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS,
				  .step = step,
				  .segment_id = segment_id};
}

/* Anything an engine adds to its answer later is behind what we know: its size may grow. */
static cs_error_t hello_ask(struct instance *instance, const struct ipc_hello *request,
			    struct ipc_hello_response *response)
{
	struct iovec iov = {.iov_base = (void *)request, .iov_len = sizeof(*request)};
	size_t received;
	cs_error_t error;

	memset(response, 0, sizeof(*response));
	error = channel_call_locked(instance, CHANNEL_PLAIN, &iov, 1, response, sizeof(*response),
				    sizeof(response->local), &received);
	if (error == CS_OK && (received < sizeof(*response) || response->magic != IPC_HELLO_MAGIC))
		response->features = 0; /* stock's answer */
	return error;
}

static void rings_begin(struct instance *instance)
{
	submission_init(instance);
	delivery_init(instance);
	atomic_store_explicit(&instance->rings, true, memory_order_release);
}

/*
 * With its answer to this the engine turns to the rings. What it had sent before lies in the connection, then come
 * doorbells: so nobody may be taking an event in the meantime who does not know of them.
 */
static cs_error_t tell_attached(struct instance *instance, const struct ipc_hello *report)
{
	struct ipc_hello_response response;
	cs_error_t error;

	pthread_mutex_lock(&instance->event_lock);
	error = hello_ask(instance, report, &response);
	if (error == CS_OK)
		rings_begin(instance);
	pthread_mutex_unlock(&instance->event_lock);
	return error;
}

static cs_error_t tell(struct instance *instance, const struct ipc_hello *report, bool rings)
{
	struct ipc_hello_response response;

	return rings ? tell_attached(instance, report) : hello_ask(instance, report, &response);
}

bool hello_attach(struct instance *instance, struct segment *segment, const struct ipc_segment *offer,
		  bool (*usable)(const struct segment *segment))
{
	bool attached = segment_attach(segment, offer) && usable(segment);
	bool rings = attached && segment == &instance->control;
	struct ipc_hello report = hello_request(attached ? IPC_HELLO_ATTACHED : IPC_HELLO_REFUSED, offer->id);
	unsigned int round = 0;
	cs_error_t error;

	/* The engine keeps the segment and its name until it hears this: no reason to give up before the handle ends. */
	do {
		error = tell(instance, &report, rings);
		if (error == CS_ERR_TRY_AGAIN)
			channel_pause(round++);
	} while (error == CS_ERR_TRY_AGAIN && !atomic_load(&instance->finalized));
	if (attached && error == CS_OK)
		return true;
	segment_detach(segment);
	return false;
}

static bool control_usable(const struct segment *segment)
{
	const struct segment_control *control =
		(const struct segment_control *)(segment->base + SEGMENT_START);

	return segment->size >= SEGMENT_CONTROL_SIZE && control->magic == SEGMENT_CONTROL_MAGIC &&
	       control->version == SEGMENT_CONTROL_VERSION;
}

static cs_error_t hello_locked(struct instance *instance)
{
	struct ipc_hello request = hello_request(IPC_HELLO_START, 0);
	struct ipc_hello_response response;
	cs_error_t error;

	if (instance->greeted)
		return CS_OK;
	error = hello_ask(instance, &request, &response);
	if (error != CS_OK)
		return error;
	instance->greeted = true;
	atomic_store(&instance->nodeid, response.local.local_nodeid);
	instance->features = response.features & request.features;
	if (instance->features & IPC_FEATURE_RINGS && response.control.id)
		hello_attach(instance, &instance->control, &response.control, control_usable);
	return CS_OK;
}

cs_error_t hello(struct instance *instance)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->channel_lock);
	error = hello_locked(instance);
	channel_unlock(instance);
	return error;
}
