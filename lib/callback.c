/* SPDX-License-Identifier: BSD-3-Clause */
/* From an event to the caller's function. */
#include <stdlib.h>

#include "lib_internal.h"

static bool deliver_valid(const struct ipc_deliver *deliver, size_t size)
{
	return size >= sizeof(*deliver) && deliver->group.length <= IPC_NAME_MAX &&
	       deliver->msglen <= size - sizeof(*deliver);
}

static bool partial_valid(const struct ipc_partial_deliver *partial, size_t size)
{
	return size >= sizeof(*partial) && partial->group.length <= IPC_NAME_MAX &&
	       partial->fraglen <= size - sizeof(*partial);
}

static bool confchg_valid(const struct ipc_confchg *confchg, size_t size)
{
	uint64_t entries;

	if (size < sizeof(*confchg) || confchg->group.length > IPC_NAME_MAX)
		return false;
	entries = (uint64_t)confchg->member_list_entries + confchg->left_list_entries +
		  confchg->joined_list_entries;
	return entries <= (size - sizeof(*confchg)) / sizeof(confchg->list[0]);
}

static bool totem_confchg_valid(const struct ipc_totem_confchg *confchg, size_t size)
{
	size_t fixed = offsetof(struct ipc_totem_confchg, member_list);

	return size >= fixed &&
	       confchg->member_list_entries <= (size - fixed) / sizeof(confchg->member_list[0]);
}

bool event_valid(const struct ipc_response *header, size_t size)
{
	if (size < sizeof(*header))
		return false;
	switch (header->id) {
	case IPC_RES_DELIVER:
		return deliver_valid((const struct ipc_deliver *)header, size);
	case IPC_RES_PARTIAL_DELIVER:
		return partial_valid((const struct ipc_partial_deliver *)header, size);
	case IPC_RES_CONFCHG:
		return confchg_valid((const struct ipc_confchg *)header, size);
	case IPC_RES_TOTEM_CONFCHG:
		return totem_confchg_valid((const struct ipc_totem_confchg *)header, size);
	default:
		return false;
	}
}

static void call_deliver(struct instance *instance, const struct event *event)
{
	struct ipc_deliver *deliver = (struct ipc_deliver *)event->data;
	struct assembly *whole = event->assembly;
	struct cpg_name group;

	if (!instance->model.cpg_deliver_fn)
		return;
	if (!group_name_unpack(&group, whole ? &whole->group : &deliver->group))
		return;
	if (whole)
		instance->model.cpg_deliver_fn(instance->handle, &group, whole->nodeid, whole->pid,
					       whole->data, whole->total);
	else
		instance->model.cpg_deliver_fn(instance->handle, &group, deliver->nodeid, deliver->pid,
					       deliver->message, deliver->msglen);
}

static void call_message(struct instance *instance, const struct event *event)
{
	if (instance->model.cpg_deliver_fn)
		instance->model.cpg_deliver_fn(instance->handle, &event->group, event->nodeid, event->pid,
					       event->data, event->size);
}

static cs_error_t call_confchg(struct instance *instance, const struct ipc_confchg *confchg)
{
	size_t members = confchg->member_list_entries;
	size_t left = confchg->left_list_entries;
	size_t joined = confchg->joined_list_entries;
	size_t entries = members + left + joined;
	struct cpg_address *list;
	struct cpg_name group;
	size_t i;

	if (!instance->model.cpg_confchg_fn || !group_name_unpack(&group, &confchg->group))
		return CS_OK;
	list = calloc(entries + 1, sizeof(*list)); /* + 1: no list is ever NULL */
	if (!list)
		return CS_ERR_NO_MEMORY;
	for (i = 0; i < entries; i++)
		list[i] = (struct cpg_address){.nodeid = confchg->list[i].nodeid,
					       .pid = confchg->list[i].pid,
					       .reason = confchg->list[i].reason};
	instance->model.cpg_confchg_fn(instance->handle, &group, list, members, list + members, left,
				       list + members + left, joined);
	free(list);
	return CS_OK;
}

static void call_totem_confchg(struct instance *instance, const struct ipc_totem_confchg *confchg)
{
	struct cpg_ring_id ring_id = {.nodeid = confchg->ring_id.nodeid, .seq = confchg->ring_id.seq};

	if (instance->model.cpg_totem_confchg_fn)
		instance->model.cpg_totem_confchg_fn(instance->handle, ring_id, confchg->member_list_entries,
						     confchg->member_list);
}

cs_error_t event_deliver(struct instance *instance, const struct event *event)
{
	switch (event->kind) {
	case EVENT_NONE:
	case EVENT_SLICE:
		break;
	case EVENT_MESSAGE:
		call_message(instance, event);
		break;
	case EVENT_DELIVER:
		call_deliver(instance, event);
		break;
	case EVENT_CONFCHG:
		return call_confchg(instance, (const struct ipc_confchg *)event->data);
	case EVENT_TOTEM_CONFCHG:
		call_totem_confchg(instance, (const struct ipc_totem_confchg *)event->data);
		break;
	}
	return CS_OK;
}
