/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service_loader.so, preloaded into a stock corosync: what its parts share.
 *
 * loader.c         constructor: all checks, before main()
 * loader_args.c    which configuration file the command line names
 * loader_conf.c    the service section in it
 * loader_scan.c    the built-in service table in the program's memory
 * loader_engine.c  is the module's engine one that the executive can run?
 * loader_module.c  loads the module, and puts its engine in place when the executive starts the service
 * loader_wrap.c    the libqb calls that the executive makes through us
 * loader_poll.c    and those of libqb's main loop
 */
#ifndef LOADER_H
#define LOADER_H

#include "include/loader_abi.h"
#include "service/loader_scan.h"

#define LOADER_MODULE_NAME "corosync_cpg"

/* A function that others call through us. */
#define EXPORT __attribute__((visibility("default")))

/* Exit codes: the executive's own ones for the same kinds of trouble. */
#define LOADER_EXIT_CONFIG 8   /* the service section is wrong */
#define LOADER_EXIT_SERVICE 20 /* module and executive can't be brought together */

/* The one state of the loader. All zero, and so without effect, unless a section asks for the module. */
struct loader {
	struct image image;
	struct corosync_service_engine *table; /* the built-in one, in the program */
	const struct service_module *module;   /* NULL: not active */
	const struct corosync_service_engine *engine;
	bool installed; /* the engine is in the table */
};

extern struct loader loader;

/* One line to stderr and syslog, then the process ends. */
_Noreturn void loader_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same line, and the process goes on. */
void loader_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Loads the module, configures it, and takes its engine. Doesn't return when it can't. `conf` names the file.
 */
void loader_module_load(const char *conf, const struct service_option *options, size_t count);

/* Makes the built-in table start our service instead of its own. */
void loader_module_arm(void);

/* libqb's own function of that name, for a caller of ours; or NULL. */
void *loader_libqb_function(const char *name, const void *caller);

#endif
