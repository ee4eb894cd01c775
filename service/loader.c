// SPDX-License-Identifier: BSD-3-Clause
/*
 * What happens before main(): nothing, unless the program is corosync, is going to read its configuration,
 * and that has a section for our module. Then either everything fits, or the process ends here.
 */
#include "config.h"

#include "service/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "service/loader_args.h"
#include "service/loader_conf.h"

#define EXECUTIVE_NAME "corosync"
#define CONF_NAME "/corosync.conf"
#define CONF_DEFAULT "/etc/corosync" CONF_NAME
#define CONF_SIZE_MAX (16 << 20) /* bytes; real ones have some thousand */
#define LINE_SIZE 1024u

struct loader loader;

static void say(int priority, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

static void say(int priority, const char *format, va_list arguments)
{
	char line[LINE_SIZE];
	char *c;

	vsnprintf(line, sizeof(line), format, arguments);
	for (c = line; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ')
			*c = ' ';
	}
	dprintf(STDERR_FILENO, EXECUTIVE_NAME ": service_loader: %s\n", line);
	syslog(LOG_DAEMON | priority, "service_loader: %s", line);
}

void loader_fail(int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(LOG_ERR, format, arguments);
	va_end(arguments);
	/* Not exit(): half of the program's constructors have not run yet. */
	_exit(code);
}

void loader_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(LOG_WARNING, format, arguments);
	va_end(arguments);
}

static bool program_is_executive(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *slash;

	if (length < 0)
		return false;
	path[length] = '\0';
	slash = strrchr(path, '/');
	return slash != NULL && strcmp(slash + 1, EXECUTIVE_NAME) == 0;
}

/* Reads up to *size bytes, and puts a NUL behind them. *size gets what there was. NULL: out of memory. */
static char *read_all(int fd, size_t *size)
{
	char *text = malloc(*size + 1);
	size_t done = 0;
	ssize_t bytes;

	while (text != NULL && done < *size) {
		bytes = read(fd, text + done, *size - done);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes <= 0)
			break;
		done += (size_t)bytes;
	}
	if (text != NULL)
		text[done] = '\0';
	*size = done;
	return text;
}

/*
 * The configuration's text; NULL if it can't be read: the executive can't either and has its own words for
 * that. A pipe we leave alone: what we took out of it, the executive would not get.
 */
static char *read_conf(const char *path, size_t *size)
{
	struct stat status;
	char *text;
	int fd;

	if (stat(path, &status) != 0 || S_ISDIR(status.st_mode))
		return NULL;
	if (!S_ISREG(status.st_mode) || status.st_size > CONF_SIZE_MAX) {
		loader_warn(
			"%s is not a regular file of at most 16 MiB: not looking for service sections in it, "
			"the built-in service runs",
			path);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	*size = (size_t)status.st_size;
	text = read_all(fd, size);
	close(fd);
	return text;
}

static void find_table(bool described)
{
	size_t tables = described ? image_find_service(&loader.image, SERVICE_ID_CPG, &loader.table) : 0;

	if (tables != 1)
		loader_fail(LOADER_EXIT_SERVICE,
			    "found %zu tables of the built-in CPG service in this corosync where one is "
			    "needed: remove the "
			    "service section " LOADER_MODULE_NAME ", or run a corosync 3.0 or 3.1",
			    tables);
	if (dlsym(RTLD_NEXT, "qb_ipcs_create") == NULL ||
	    dlsym(RTLD_NEXT, "qb_ipcs_request_rate_limit") == NULL)
		loader_fail(LOADER_EXIT_SERVICE,
			    "this corosync does not use libqb as a shared library: remove "
			    "the service section " LOADER_MODULE_NAME);
}

static const char *conf_path(const struct loader_args *args, bool described)
{
	const char *path = args->conf;

	if (path == NULL && described)
		path = image_find_path(&loader.image, CONF_NAME);
	return path != NULL ? path : CONF_DEFAULT;
}

/* The text of the options stays: the module keeps pointers into it. */
static void start(const struct loader_args *args)
{
	struct loader_conf conf;
	bool described = image_of_program(&loader.image);
	const char *path = conf_path(args, described);
	size_t size = 0;
	char *text = read_conf(path, &size);

	if (text == NULL)
		return;
	loader_conf_parse(text, size, LOADER_MODULE_NAME, &conf);
	if (!conf.found) {
		free(text);
		return;
	}
	if (conf.error != NULL)
		loader_fail(LOADER_EXIT_CONFIG, "service section " LOADER_MODULE_NAME " in %s, line %u: %s",
			    path, conf.line, conf.error);
	find_table(described);
	loader_module_load(path, conf.options, conf.option_count);
	loader_module_arm();
}

/* glibc hands constructors what main() gets. */
__attribute__((constructor)) static void loader_constructor(int argc, char *argv[])
{
	struct loader_args args;

	if (!program_is_executive())
		return;
	loader_args_parse(argc, argv, getenv("POSIXLY_CORRECT") != NULL, &args);
	if (args.reads_conf)
		start(&args);
}
