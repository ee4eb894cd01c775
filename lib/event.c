/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event channel: one step takes exactly one event from libqb, so the descriptor stays readable while
 * anything is left. A step that only brought a piece of something larger has no callback.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_internal.h"

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
	memcpy(parts->data + parts->received, part->data, (size_t)part->length);
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

static cs_error_t event_take(struct instance *instance, struct event *event)
{
	const struct ipc_event_part *part = (const struct ipc_event_part *)event->buffer;
	bool sliced = event->size >= sizeof(part->header) && part->header.id == IPC_RES_EVENT_PART;
	uint8_t *whole = NULL;
	cs_error_t error;

	if (!sliced) {
		/* Nothing comes between the slices of an event. */
		if (instance->parts.data)
			return CS_ERR_LIBRARY;
		return event_classify(instance, event);
	}
	if (!(instance->features & IPC_FEATURE_LARGE_GROUPS))
		return CS_ERR_LIBRARY;
	error = slice_add(&instance->parts, part, event->size, &whole, &event->size);
	if (error != CS_OK || !whole)
		return error;
	event->data = whole;
	return event_classify(instance, event);
}

/*
 * libqb trusts the size that an event states on its socket transport: the buffer must be as large as events
 * get.
 */
static uint8_t *buffer_take(struct instance *instance)
{
	uint8_t *buffer = instance->spare;

	instance->spare = NULL;
	return buffer ? buffer : malloc(instance->buffer_size);
}

static cs_error_t receive_locked(struct instance *instance, bool wait, struct event *event)
{
	ssize_t result;

	if (atomic_load(&instance->broken))
		return CS_ERR_LIBRARY;
	event->buffer = buffer_take(instance);
	if (!event->buffer)
		return CS_ERR_NO_MEMORY;
	do {
		result = qb_ipcc_event_recv(instance->ipc, event->buffer, instance->buffer_size,
					    wait ? -1 : 0);
	} while (result == -EINTR || (wait && (result == -EAGAIN || result == -ETIMEDOUT)));
	if (result < 0)
		return qb_to_cs_error((int)result);
	if (atomic_load(&instance->broken))
		return CS_ERR_LIBRARY;
	event->data = event->buffer;
	event->size = (size_t)result;
	return event_take(instance, event);
}

/* Someone else is at the channel: a caller that will not wait finds nothing. */
static bool event_lock(struct instance *instance, bool wait)
{
	if (!wait)
		return pthread_mutex_trylock(&instance->event_lock) == 0;
	pthread_mutex_lock(&instance->event_lock);
	return true;
}

cs_error_t event_receive(struct instance *instance, bool wait, struct event *event)
{
	cs_error_t error;

	*event = (struct event){.kind = EVENT_NONE};
	if (!event_lock(instance, wait))
		return CS_ERR_TRY_AGAIN;
	error = receive_locked(instance, wait, event);
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN && event->data)
		atomic_store(&instance->broken, true);
	pthread_mutex_unlock(&instance->event_lock);
	return error;
}

void event_lost(struct instance *instance)
{
	atomic_store(&instance->broken, true);
}

void event_release(struct instance *instance, struct event *event)
{
	assembly_free(event->assembly);
	if (event->data != event->buffer)
		free(event->data);
	/* Who holds the lock may wait for the next event, however long that takes, and has a buffer. */
	if (event->buffer && event_lock(instance, false)) {
		if (!instance->spare) {
			instance->spare = event->buffer;
			event->buffer = NULL;
		}
		pthread_mutex_unlock(&instance->event_lock);
	}
	free(event->buffer);
}
