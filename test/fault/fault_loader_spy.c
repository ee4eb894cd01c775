/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded behind the loader: stands in for libqb and syslog, and writes what reaches them to the file
 * FAULT_LOADER_LOG. Two clients knock at every server that is created.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include <qb/qbipcs.h>

#define ALICE 1000
#define MALLORY 2000

void __syslog_chk(int priority, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void vnote(const char *prefix, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void vnote(const char *prefix, const char *format, va_list arguments)
{
	const char *path = getenv("FAULT_LOADER_LOG");
	int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%s ", prefix);
	vdprintf(fd, format, arguments);
	dprintf(fd, "\n");
	close(fd);
}

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vnote("libqb", format, arguments);
	va_end(arguments);
}

void syslog(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vnote(priority == (LOG_DAEMON | LOG_ERR) ? "syslog daemon.err" : "syslog", format, arguments);
	va_end(arguments);
}

/* What syslog() is in programs that are compiled with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	vnote(priority == (LOG_DAEMON | LOG_ERR) ? "syslog daemon.err" : "syslog", format, arguments);
	va_end(arguments);
}

qb_ipcs_service_t *qb_ipcs_create(const char *name, int32_t service_id, enum qb_ipc_type type,
				  struct qb_ipcs_service_handlers *handlers)
{
	static char servers[8]; /* only their addresses are used */

	note("create %s %d %d", name, service_id, type);
	note("alice %d", handlers->connection_accept((void *)servers, ALICE, ALICE));
	note("mallory %d", handlers->connection_accept((void *)servers, MALLORY, MALLORY));
	handlers->connection_created((void *)servers);
	return (qb_ipcs_service_t *)(void *)&servers[service_id];
}

void qb_ipcs_request_rate_limit(qb_ipcs_service_t *server, enum qb_ipcs_rate_limit rate)
{
	note("rate %s %d", server != NULL ? "server" : "null", rate);
}

int32_t qb_ipcs_connection_stats_get(qb_ipcs_connection_t *c, struct qb_ipcs_connection_stats *stats,
				     int32_t clear_after_read)
{
	if (c == NULL)
		return -EINVAL;
	*stats = (struct qb_ipcs_connection_stats){.requests = clear_after_read ? 0 : 1000};
	return 0;
}
