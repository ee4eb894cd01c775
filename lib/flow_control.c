/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_flow_control_state_get */
#include "lib_internal.h"

CPG_PUBLIC cs_error_t cpg_flow_control_state_get(cpg_handle_t handle,
						 cpg_flow_control_state_t *flow_control_state)
{
	struct instance *instance = instance_get(handle);
	cs_error_t error = CS_ERR_INVALID_PARAM;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	if (flow_control_state) {
		*flow_control_state =
			channel_congested(instance) ? CPG_FLOW_CONTROL_ENABLED : CPG_FLOW_CONTROL_DISABLED;
		error = CS_OK;
	}
	instance_put(instance);
	return error;
}
