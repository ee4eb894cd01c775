/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A service module for the loader's tests. It writes what the loader and the executive do with it, a line
 * each, to the file FAULT_LOADER_LOG, answers every request with "not supported", and has the defect that
 * FAULT_LOADER names.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbipcs.h>

#include "cpg_ipc.h"
#include "loader_abi.h"

#define LIB_COUNT 13
#define NOT_SUPPORTED 20 /* CS_ERR_NOT_SUPPORTED */
#define RATE_OFF 3	 /* QB_IPCS_RATE_OFF */

struct corosync_service_engine *corosync_get_service_engine_ver0(void);
extern struct service_module corosync_service_module;

static struct corosync_api_v1 *api;
static bool hold; /* keep the clients' channel off */

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...)
{
	const char *path = getenv("FAULT_LOADER_LOG");
	va_list arguments;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	va_start(arguments, format);
	vdprintf(fd, format, arguments);
	va_end(arguments);
	close(fd);
}

static char *exec_init(struct corosync_api_v1 *executive_api)
{
	api = executive_api;
	note("exec_init\n");
	return NULL;
}

static int config_init(struct corosync_api_v1 *executive_api)
{
	(void)executive_api;
	note("config_init\n");
	return 0;
}

static int lib_init(void *conn)
{
	(void)conn;
	note("lib_init\n");
	return 0;
}

static int lib_exit(void *conn)
{
	(void)conn;
	note("lib_exit\n");
	return 0;
}

static void lib_handler(void *conn, const void *msg)
{
	const struct ipc_request *request = msg;
	struct ipc_response response = {.size = sizeof(response), .error = NOT_SUPPORTED};
	struct iovec iov = {&response, sizeof(response)};

	note("request %d\n", request->id);
	api->ipc_response_iov_send(conn, &iov, 1);
}

static void exec_handler(const void *msg, unsigned int nodeid)
{
	(void)msg, (void)nodeid;
}

static void convert(void *msg)
{
	(void)msg;
}

static void confchg(enum totem_configuration type, const unsigned int *members, size_t member_count,
		    const unsigned int *left, size_t left_count, const unsigned int *joined,
		    size_t joined_count, const struct memb_ring_id *ring_id)
{
	(void)members, (void)left, (void)left_count, (void)joined, (void)joined_count, (void)ring_id;
	note("confchg %d of %zu\n", (int)type, member_count);
}

static void sync_init(const unsigned int *trans, size_t trans_count, const unsigned int *members,
		      size_t member_count, const struct memb_ring_id *ring_id)
{
	(void)trans, (void)trans_count, (void)members, (void)member_count, (void)ring_id;
	note("sync_init\n");
}

static int sync_process(void)
{
	note("sync_process\n");
	return 0;
}

static void sync_activate(void)
{
	note("sync_activate\n");
}

static void sync_abort(void)
{
}

static struct corosync_lib_handler lib_handlers[LIB_COUNT];
static struct corosync_exec_handler exec_handlers[] = {{exec_handler, convert}};

static struct corosync_service_engine engine = {
	.name = "loader test service",
	.id = SERVICE_ID_CPG,
	.priority = 1,
	.flow_control = SERVICE_FLOW_CONTROL_NOT_REQUIRED,
	.allow_inquorate = SERVICE_INQUORATE_ALLOW,
	.exec_init_fn = exec_init,
	.config_init_fn = config_init,
	.lib_init_fn = lib_init,
	.lib_exit_fn = lib_exit,
	.lib_engine = lib_handlers,
	.lib_engine_count = LIB_COUNT,
	.exec_engine = exec_handlers,
	.exec_engine_count = 1,
	.confchg_fn = confchg,
	.sync_init = sync_init,
	.sync_process = sync_process,
	.sync_activate = sync_activate,
	.sync_abort = sync_abort,
};

struct corosync_service_engine *corosync_get_service_engine_ver0(void)
{
	return &engine;
}

static const char *configure(const struct service_option *options, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		note("option %s=%s\n", options[i].name, options[i].value);
		if (strcmp(options[i].name, "bad") == 0)
			return "unknown option bad: it is good\nor nothing";
	}
	return NULL;
}

static void server_created(void *server)
{
	note("server %s\n", server != NULL ? "created" : "missing");
}

static void client_accepted(void *conn, uid_t uid, gid_t gid)
{
	(void)conn;
	note("accepted %u:%u\n", uid, gid);
}

static int rate_limit(int rate)
{
	note("rate %d\n", rate);
	return hold ? RATE_OFF : rate;
}

static void connection_stats(void *conn, void *stats, bool clear)
{
	note(clear ? "cleared\n" : "kept\n");
	note(conn != NULL ? "statistics\n" : "statistics of nothing\n");
	((struct qb_ipcs_connection_stats *)stats)->requests += 7;
}

static void sigbus_changed(void)
{
	note("SIGBUS changed\n");
}

struct service_module corosync_service_module = {
	.abi = SERVICE_MODULE_ABI,
	.engine_size = sizeof(struct corosync_service_engine),
	.configure = configure,
	.server_created = server_created,
	.client_accepted = client_accepted,
	.rate_limit = rate_limit,
	.connection_stats = connection_stats,
	.sigbus_changed = sigbus_changed,
};

__attribute__((constructor)) static void prepare(void)
{
	const char *defect = getenv("FAULT_LOADER");
	size_t i;

	for (i = 0; i < LIB_COUNT; i++)
		lib_handlers[i] =
			(struct corosync_lib_handler){lib_handler, SERVICE_FLOW_CONTROL_NOT_REQUIRED};
	if (defect == NULL)
		return;
	if (strcmp(defect, "abi") == 0)
		corosync_service_module.abi++;
	if (strcmp(defect, "size") == 0)
		corosync_service_module.engine_size -= 8;
	if (strcmp(defect, "hold") == 0)
		hold = true;
	if (strcmp(defect, "id") == 0)
		engine.id++;
	if (strcmp(defect, "count") == 0)
		engine.lib_engine_count = LIB_COUNT - 1;
}
