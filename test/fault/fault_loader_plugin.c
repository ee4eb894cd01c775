/* SPDX-License-Identifier: BSD-3-Clause */
/* The plugin of fault_loader_host: makes a libqb server with the id of the CPG service. */
#include <stdio.h>

#include <qb/qbipcs.h>

#include "service_abi.h"

int plugin_run(void);

static int32_t msg_process(qb_ipcs_connection_t *conn, void *data, size_t size)
{
	(void)conn, (void)data, (void)size;
	return 0;
}

int plugin_run(void)
{
	struct qb_ipcs_service_handlers handlers = {.msg_process = msg_process};
	qb_ipcs_service_t *server = qb_ipcs_create("fault_loader", SERVICE_ID_CPG, QB_IPC_SOCKET, &handlers);

	if (server == NULL) {
		puts("the plugin's server was not made");
		return -1;
	}
	qb_ipcs_request_rate_limit(server, QB_IPCS_RATE_NORMAL);
	return 0;
}
