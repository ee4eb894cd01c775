/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_dispatch */
#include "lib_internal.h"

/* Finalized; or a callback forked and this is the child: the rest of the events are its parent's. */
static bool ended(const struct instance *instance)
{
	return atomic_load(&instance->finalized) || instance_forked(instance);
}

static cs_error_t dispatch_step(struct instance *instance, bool wait, struct event *event)
{
	cs_error_t error = event_next(instance, wait, event);

	if (error == CS_OK && !atomic_load(&instance->finalized)) {
		error = event_deliver(instance, event);
		if (error != CS_OK)
			event_lost(instance);
	}
	return ended(instance) ? CS_ERR_BAD_HANDLE : error;
}

static cs_error_t dispatch(struct instance *instance, cs_dispatch_flags_t types)
{
	bool wait = types == CS_DISPATCH_ONE || types == CS_DISPATCH_BLOCKING;
	bool repeat = types == CS_DISPATCH_ALL || types == CS_DISPATCH_BLOCKING;
	struct event event = {.kind = EVENT_NONE};
	cs_error_t error;

	do {
		error = dispatch_step(instance, wait, &event);
	} while (repeat && error == CS_OK);
	event_release(instance, &event);
	return types == CS_DISPATCH_ALL && error == CS_ERR_TRY_AGAIN ? CS_OK : error;
}

CPG_PUBLIC cs_error_t cpg_dispatch(cpg_handle_t handle, cs_dispatch_flags_t dispatch_types)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error = CS_ERR_INVALID_PARAM;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	if (dispatch_types >= CS_DISPATCH_ONE && dispatch_types <= CS_DISPATCH_ONE_NONBLOCKING)
		error = dispatch(instance, dispatch_types);
	instance_put(instance);
	return error;
}
