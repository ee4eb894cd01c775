// SPDX-License-Identifier: BSD-3-Clause
/*
 * Functions of libqb, called through us because we are preloaded. The executive's api tells a service
 * neither who its clients are nor when sync is over; two of these calls do. The third is where the executive reads the statistics of a
 * connection that it shows to administrators. And one of libc, by which libqb leaves SIGBUS blocked now and then: the module, which
 * needs it, would have to unblock it each time that it reads a client's memory.
 *
 * libqb's types are its own: what matters here is five pointers in a row, so that we needn't depend on it.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>

#include "service/loader.h"

typedef int32_t (*accept_fn)(void *conn, uid_t euid, gid_t egid);

/* struct qb_ipcs_service_handlers */
struct ipcs_handlers {
	accept_fn connection_accept;
	void (*connection_created)(void *conn);
	int32_t (*msg_process)(void *conn, void *data, size_t size);
	int32_t (*connection_closed)(void *conn);
	void (*connection_destroyed)(void *conn);
};

typedef void *(*create_fn)(const char *name, int32_t service_id, int type, struct ipcs_handlers *handlers);
typedef void (*rate_limit_fn)(void *server, int rate);
typedef int32_t (*connection_stats_fn)(void *conn, void *stats, int32_t clear);
typedef int (*sigaction_fn)(int number, const struct sigaction *action, struct sigaction *previous);

EXPORT void *qb_ipcs_create(const char *name, int32_t service_id, int type, struct ipcs_handlers *handlers);
EXPORT void qb_ipcs_request_rate_limit(void *server, int rate);
EXPORT int32_t qb_ipcs_connection_stats_get(void *conn, void *stats, int32_t clear);

/* The service's server, and how the executive wants its connections to be accepted. */
static struct {
	void *server;
	accept_fn accept;
	struct ipcs_handlers handlers;
} wrapped;

/*
 * In a program that has libqb only below something it opened with dlopen, it is not behind us in the global scope but in that
 * of our caller.
 */
void *loader_libqb_function(const char *name, const void *caller)
{
	void *function = dlsym(RTLD_NEXT, name);
	void *object;
	Dl_info info;

	if (function != NULL || dladdr(caller, &info) == 0)
		return function;
	object = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (object == NULL)
		return NULL;
	function = dlsym(object, name);
	dlclose(object);
	return function;
}

static int32_t connection_accept(void *conn, uid_t euid, gid_t egid)
{
	int32_t result = wrapped.accept != NULL ? wrapped.accept(conn, euid, egid) : 0;

	if (result == 0)
		loader.module->client_accepted(conn, euid, egid);
	return result;
}

static void *create_service_server(create_fn create, const char *name, int type,
				   const struct ipcs_handlers *handlers)
{
	if (!loader.installed)
		loader_fail(LOADER_EXIT_SERVICE,
			    "this corosync uses another service table than the one found: remove the service "
			    "section " LOADER_MODULE_NAME " and report its version");
	wrapped.accept = handlers->connection_accept;
	wrapped.handlers = *handlers;
	wrapped.handlers.connection_accept = connection_accept;
	wrapped.server = create(name, SERVICE_ID_CPG, type, &wrapped.handlers);
	if (wrapped.server != NULL)
		loader.module->server_created(wrapped.server);
	return wrapped.server;
}

void *qb_ipcs_create(const char *name, int32_t service_id, int type, struct ipcs_handlers *handlers)
{
	create_fn create = (create_fn)loader_libqb_function("qb_ipcs_create", __builtin_return_address(0));

	if (create == NULL) {
		errno = ENOSYS;
		return NULL;
	}
	if (loader.module == NULL || service_id != (int32_t)SERVICE_ID_CPG)
		return create(name, service_id, type, handlers);
	return create_service_server(create, name, type, handlers);
}

/*
 * The module calls this too, when it changes its mind about the rate: its own rate_limit() hears of that as
 * well.
 */
void qb_ipcs_request_rate_limit(void *server, int rate)
{
	rate_limit_fn rate_limit = (rate_limit_fn)loader_libqb_function("qb_ipcs_request_rate_limit",
									__builtin_return_address(0));

	if (rate_limit == NULL) {
		errno = ENOSYS;
		return;
	}
	if (loader.module != NULL && server != NULL && server == wrapped.server)
		rate = loader.module->rate_limit(rate);
	rate_limit(server, rate);
}

int32_t qb_ipcs_connection_stats_get(void *conn, void *stats, int32_t clear)
{
	connection_stats_fn get = (connection_stats_fn)loader_libqb_function("qb_ipcs_connection_stats_get",
									     __builtin_return_address(0));
	int32_t result;

	if (get == NULL)
		return -ENOSYS;
	result = get(conn, stats, clear);
	if (result == 0 && loader.module != NULL)
		loader.module->connection_stats(conn, stats, clear);
	return result;
}

/* A program may call it where dlsym can't be, in a handler or between fork and exec: so it is looked up before main(). */
static sigaction_fn libc_sigaction;

__attribute__((constructor)) static void libc_find(void)
{
	libc_sigaction = (sigaction_fn)dlsym(RTLD_NEXT, "sigaction");
}

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *previous)
{
	if (libc_sigaction == NULL)
		libc_find(); /* somebody's constructor comes before ours */
	if (libc_sigaction == NULL) {
		errno = ENOSYS;
		return -1;
	}
	if (number == SIGBUS && action != NULL && loader.module != NULL)
		loader.module->sigbus_changed();
	return libc_sigaction(number, action, previous);
}
