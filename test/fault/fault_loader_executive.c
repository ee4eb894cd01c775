/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Something that looks like an executive to the loader: it has service tables and starts a service from one
 * as corosync does. Compiled several times:
 *   TABLE_CONST   the table is in memory that is read-only after relocation
 *   TABLE_TWICE   there are two of them
 *   TABLE_HIDDEN  the one that is used is not the one that looks like a table
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <qb/qbipcs.h>

#include "service_abi.h"

#define OTHER_ID 3
#define ALLOWED_UID 1000

#ifdef TABLE_CONST
#define TABLE_QUALIFIER const
#else
#define TABLE_QUALIFIER
#endif

static char *exec_init(struct corosync_api_v1 *api)
{
	(void)api;
	puts("built-in exec_init");
	return NULL;
}

static int config_init(struct corosync_api_v1 *api)
{
	(void)api;
	puts("built-in config_init");
	return 0;
}

static int lib_fn(void *conn)
{
	(void)conn;
	return 0;
}

static void lib_handler(void *conn, const void *msg)
{
	(void)conn, (void)msg;
}

static void exec_handler(const void *msg, unsigned int nodeid)
{
	(void)msg, (void)nodeid;
}

static void convert(void *msg)
{
	(void)msg;
}

static struct corosync_lib_handler lib_handlers[] = {{lib_handler, SERVICE_FLOW_CONTROL_REQUIRED}};
static struct corosync_exec_handler exec_handlers[] = {{exec_handler, convert}};

#define ENGINE(service_id, service_flow)                                                                     \
	{                                                                                                    \
		.name = "built-in service", .id = (service_id), .flow_control = (service_flow),              \
		.exec_init_fn = exec_init, .config_init_fn = config_init, .lib_init_fn = lib_fn,             \
		.lib_exit_fn = lib_fn, .lib_engine = lib_handlers, .lib_engine_count = 1,                    \
		.exec_engine = exec_handlers, .exec_engine_count = 1                                         \
	}

static TABLE_QUALIFIER struct corosync_service_engine tables[] = {
	ENGINE(OTHER_ID, SERVICE_FLOW_CONTROL_REQUIRED),
	ENGINE(SERVICE_ID_CPG, SERVICE_FLOW_CONTROL_REQUIRED),
#ifdef TABLE_TWICE
	ENGINE(SERVICE_ID_CPG, SERVICE_FLOW_CONTROL_REQUIRED),
#endif
#ifdef TABLE_HIDDEN
	ENGINE(SERVICE_ID_CPG, 0),
#endif
};
#define TABLE_USED (&tables[sizeof(tables) / sizeof(tables[0]) - 1])

/* Where a built-in path to the configuration leads in the tests: to the working directory. */
static volatile char conf_file[4096] = "/proc/self/cwd/corosync.conf";

static int32_t connection_accept(qb_ipcs_connection_t *conn, uid_t euid, gid_t egid)
{
	(void)conn, (void)egid;
	return euid == ALLOWED_UID ? 0 : -EACCES;
}

static void connection_created(qb_ipcs_connection_t *conn)
{
	(void)conn;
	puts("connection created");
}

static int32_t msg_process(qb_ipcs_connection_t *conn, void *data, size_t size)
{
	(void)conn, (void)data, (void)size;
	return 0;
}

static struct qb_ipcs_service_handlers handlers = {
	.connection_accept = connection_accept,
	.connection_created = connection_created,
	.msg_process = msg_process,
};

/* Of something that libqb would take for a connection: here it takes anything. */
static void show_requests(void *connection)
{
	struct qb_ipcs_connection_stats stats = {0};

	if (qb_ipcs_connection_stats_get(connection, &stats, 0) == 0)
		printf("requests %d\n", (int)stats.requests);
	if (qb_ipcs_connection_stats_get(connection, &stats, 1) == 0)
		printf("requests when cleared %d\n", (int)stats.requests);
	/* An error is passed on, and nothing is added. */
	if (qb_ipcs_connection_stats_get(NULL, &stats, 0) == 0)
		puts("statistics of nothing");
}

static void on_signal(int number)
{
	if (number == SIGBUS)
		(void)!write(STDOUT_FILENO, "SIGBUS came\n", 12);
}

/* libqb's, as it closes a connection: looks at what there was, changes it, and back. */
static void handle_sigbus(void)
{
	struct sigaction action = {.sa_handler = on_signal}, previous;

	fflush(stdout);
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)sigaction(SIGBUS, NULL, &previous);
	(void)sigaction(SIGBUS, &action, NULL);
	(void)raise(SIGBUS);
	(void)sigaction(SIGBUS, &previous, NULL);
}

int main(void)
{
	const struct corosync_service_engine *engine = TABLE_USED;
	qb_ipcs_service_t *other, *server;
	const char *error;

	/* Nobody in here changes the tables; the compiler must not count on that. */
	__asm__ volatile("" : "+r"(engine) : : "memory");
	printf("conf %s\n", (const char *)conf_file);
	if (engine->config_init_fn != NULL)
		engine->config_init_fn(NULL);
	error = engine->exec_init_fn(NULL);
	if (error != NULL) {
		puts(error);
		return EXIT_FAILURE;
	}
	printf("loaded %s [%d] %d\n", engine->name, engine->id, engine->lib_engine_count);
	fflush(stdout);
	other = qb_ipcs_create("other", OTHER_ID, QB_IPC_SOCKET, &handlers);
	server = qb_ipcs_create("cpg", SERVICE_ID_CPG, QB_IPC_SOCKET, &handlers);
	qb_ipcs_request_rate_limit(other, QB_IPCS_RATE_FAST);
	qb_ipcs_request_rate_limit(server, QB_IPCS_RATE_OFF_2);
	qb_ipcs_request_rate_limit(server, QB_IPCS_RATE_FAST);
	show_requests(other);
	handle_sigbus();
	return other != NULL && server != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
