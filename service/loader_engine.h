/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOADER_ENGINE_H
#define LOADER_ENGINE_H

#include <stdbool.h>

#include "include/loader_abi.h"

#define LOADER_HANDLERS_MAX 64 /* of either kind; the executive counts them in arrays of this size */

static inline bool loader_is_flow_control(int value)
{
	return value == SERVICE_FLOW_CONTROL_REQUIRED || value == SERVICE_FLOW_CONTROL_NOT_REQUIRED;
}

static inline bool loader_is_inquorate(int value)
{
	return value == SERVICE_INQUORATE_REFUSE || value == SERVICE_INQUORATE_ALLOW;
}

static inline bool loader_is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* NULL, or what the executive would trip over. */
const char *loader_engine_check(const struct corosync_service_engine *engine);

/* The same for what the module says of itself. */
const char *loader_module_check(const struct service_module *module);

#endif
