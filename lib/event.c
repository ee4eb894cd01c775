/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events, from the delivery ring or from libqb: one step takes exactly one, so the descriptor stays readable while anything
 * is left. A step that only brought a piece of something larger has no callback.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "lib_internal.h"

/* libqb's sockets do not show that the engine is gone: how often somebody who waits asks, milliseconds. */
#define LIVENESS_POLL_MS 500
/* How often a doorbell is tried that could not be sent. */
#define DOORBELL_POLL_MS 5

void event_parts_free(struct event_parts *parts)
{
	free(parts->data);
	*parts = (struct event_parts){0};
}

static bool slice_valid(const struct event_parts *parts, const struct ipc_event_part *part, size_t size)
{
	if (size < sizeof(*part) || !part->length || part->length > size - sizeof(*part))
		return false;
	if (part->offset != parts->received || part->length > UINT32_MAX || part->total > UINT32_MAX)
		return false;
	if (parts->data && part->total != parts->total)
		return false;
	return part->offset + part->length <= part->total;
}

/* CS_OK with *data set: the event is whole and the caller's to free. */
static cs_error_t slice_add(struct event_parts *parts, const struct ipc_event_part *part, size_t size,
			    uint8_t **data, size_t *total)
{
	if (!slice_valid(parts, part, size))
		return CS_ERR_LIBRARY;
	parts->total = (size_t)part->total;
	if (!buffer_grow(&parts->data, &parts->capacity, parts->received + (size_t)part->length,
			 parts->total))
		return CS_ERR_NO_MEMORY;
	copy_bytes(parts->data + parts->received, part->data, (size_t)part->length);
	parts->received += (size_t)part->length;
	if (parts->received < parts->total)
		return CS_OK;
	*data = parts->data;
	*total = parts->total;
	*parts = (struct event_parts){0};
	return CS_OK;
}

/*
 * Who left or came anew will not finish what it was sending; and who is not a member for a while misses
 * fragments of all. A piece of the next message of the same size must not end up behind a piece of this one.
 */
static void forget_senders(struct instance *instance, const struct ipc_confchg *confchg)
{
	const struct ipc_address *changed = confchg->list + confchg->member_list_entries;
	size_t count = (size_t)confchg->left_list_entries + confchg->joined_list_entries;
	size_t i;

	for (i = 0; instance->assemblies && i < count; i++) {
		if (changed[i].nodeid == atomic_load(&instance->nodeid) &&
		    changed[i].pid == (uint32_t)instance->pid)
			assembly_free_all(&instance->assemblies);
		else
			assembly_drop(&instance->assemblies, changed[i].nodeid, changed[i].pid);
	}
}

/* A whole event: what it is, and what it means for fragments. */
static cs_error_t event_classify(struct instance *instance, struct event *event)
{
	const struct ipc_response *header = (const struct ipc_response *)event->data;
	cs_error_t error;

	if (!event_valid(header, event->size))
		return CS_ERR_LIBRARY;
	switch (header->id) {
	case IPC_RES_DELIVER:
		event->kind = EVENT_DELIVER;
		return CS_OK;
	case IPC_RES_CONFCHG:
		event->kind = EVENT_CONFCHG;
		forget_senders(instance, (const struct ipc_confchg *)header);
		return CS_OK;
	case IPC_RES_TOTEM_CONFCHG:
		event->kind = EVENT_TOTEM_CONFCHG;
		return CS_OK;
	case IPC_RES_PARTIAL_DELIVER:
		error = assembly_add(&instance->assemblies, (const struct ipc_partial_deliver *)header,
				     event->size, &event->assembly);
		event->kind = event->assembly ? EVENT_DELIVER : EVENT_NONE;
		return error;
	default:
		return CS_ERR_LIBRARY;
	}
}

cs_error_t event_take(struct instance *instance, struct event *event)
{
	const struct ipc_event_part *part = (const struct ipc_event_part *)event->data;
	bool sliced = event->size >= sizeof(part->header) && part->header.id == IPC_RES_EVENT_PART;
	cs_error_t error;

	if (!sliced) {
		/* Nothing comes between the slices of an event. */
		if (instance->parts.data)
			return CS_ERR_LIBRARY;
		return event_classify(instance, event);
	}
	if (!(instance->features & (IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_RINGS)))
		return CS_ERR_LIBRARY;
	error = slice_add(&instance->parts, part, event->size, &event->whole, &event->size);
	event->kind = EVENT_SLICE;
	if (error != CS_OK || !event->whole)
		return error;
	event->data = event->whole;
	return event_classify(instance, event);
}

/*
 * libqb trusts the size that an event states on its socket transport: the buffer must be as large as events
 * get.
 */
uint8_t *event_buffer_take(struct instance *instance)
{
	uint8_t *buffer = instance->spare;

	instance->spare = NULL;
	return buffer ? buffer : malloc(instance->buffer_size);
}

static cs_error_t receive(struct instance *instance, struct event *event)
{
	ssize_t result;

	event->buffer = event_buffer_take(instance);
	if (!event->buffer)
		return CS_ERR_NO_MEMORY;
	do {
		result = qb_ipcc_event_recv(instance->ipc, event->buffer, instance->buffer_size, 0);
	} while (result == -EINTR);
	if (result == -ETIMEDOUT)
		return CS_ERR_TRY_AGAIN;
	if (result < 0)
		return qb_to_cs_error((int)result);
	instance->received++;
	event->data = event->buffer;
	event->size = (size_t)result;
	return event_take(instance, event);
}

/* What came over the connection before the rings comes first. */
static bool by_ring(const struct instance *instance)
{
	return instance_has_rings(instance) && instance->received == instance->delivery.events_before;
}

static cs_error_t take_locked(struct instance *instance, struct event *event)
{
	cs_error_t error;

	if (atomic_load(&instance->broken))
		return CS_ERR_LIBRARY;
	if (by_ring(instance))
		error = delivery_take(instance, event);
	else
		error = receive(instance, event);
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN && event->data)
		event_lost(instance);
	return error;
}

/* What is only the thread's own. */
static void event_free(struct event *event)
{
	assembly_free(event->assembly);
	event->assembly = NULL;
	free(event->whole);
	event->whole = NULL;
}

static void release_locked(struct instance *instance, struct event *event)
{
	if (event->held)
		delivery_release(instance, event);
	if (instance->spare)
		free(event->buffer);
	else
		instance->spare = event->buffer;
	event->buffer = NULL;
	event->data = NULL;
	event->kind = EVENT_NONE;
}

/* Lets others at the events, and tells the engine what it waits for. */
static void unlock(struct instance *instance)
{
	bool wanted = instance_has_rings(instance) && delivery_give_back(instance);

	pthread_mutex_unlock(&instance->event_lock);
	if (wanted)
		channel_doorbell(instance);
}

static cs_error_t step(struct instance *instance, struct event *event)
{
	cs_error_t error;

	pthread_mutex_lock(&instance->event_lock);
	release_locked(instance, event);
	error = take_locked(instance, event);
	if (event->held)
		delivery_settle(instance);
	unlock(instance);
	return error;
}

static int wait_limit(const struct instance *instance)
{
	if (atomic_load(&instance->doorbell_due))
		return DOORBELL_POLL_MS;
	return instance->datagrams ? LIVENESS_POLL_MS : -1;
}

/* False: the handle was finalized. */
static bool wait_for_event(struct instance *instance)
{
	struct pollfd poller = {.events = POLLIN};
	bool finalized;

	channel_doorbells_ring(instance);
	qb_ipcc_fd_get(instance->ipc, &poller.fd);
	atomic_fetch_add(&instance->waiting, 1);
	/* Looked at after we count as waiting: cpg_finalize() does the two in the other order. */
	finalized = atomic_load(&instance->finalized);
	if (!finalized)
		poll(&poller, 1, wait_limit(instance));
	atomic_fetch_sub(&instance->waiting, 1);
	return !finalized;
}

cs_error_t event_next(struct instance *instance, bool wait, struct event *event)
{
	cs_error_t error;

	event_free(event);
	do {
		error = step(instance, event);
	} while ((error == CS_OK && event->kind == EVENT_SLICE) ||
		 (error == CS_ERR_TRY_AGAIN && wait && wait_for_event(instance)));
	return error;
}

void event_lost(struct instance *instance)
{
	atomic_store(&instance->broken, true);
}

/* A forked child has a copy of the lock that nobody may ever give back, and the ring is its parent's. */
void event_release(struct instance *instance, struct event *event)
{
	event_free(event);
	if (instance_forked(instance)) {
		free(event->buffer);
		return;
	}
	pthread_mutex_lock(&instance->event_lock);
	release_locked(instance, event);
	unlock(instance);
}
