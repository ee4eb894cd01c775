// SPDX-License-Identifier: BSD-3-Clause
/* Loads the module, and puts its engine where the executive looks for the built-in one. */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/loader.h"
#include "service/loader_engine.h"

typedef struct corosync_service_engine *(*engine_get_fn)(void);

/* Programs with raised privileges don't let their caller choose what they load. */
static const char *module_directory(void)
{
	const char *directory = secure_getenv("COROSYNC_SERVICE_PATH");

	return directory != NULL && *directory != '\0' ? directory : SERVICE_DIR;
}

static void *module_open(const char *path, const char *conf)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL)
		loader_fail(LOADER_EXIT_SERVICE,
			    "can't load the module: %s: install it there, set COROSYNC_SERVICE_PATH to its "
			    "directory, or remove the service section " LOADER_MODULE_NAME " from %s",
			    dlerror(), conf);
	return handle;
}

static void *module_symbol(void *handle, const char *path, const char *name)
{
	void *symbol = dlsym(handle, name);

	if (symbol == NULL)
		loader_fail(LOADER_EXIT_SERVICE,
			    "%s is not a service module, it has no %s: install the one that came with this "
			    "loader",
			    path, name);
	return symbol;
}

static void refuse_module(const char *path, const char *error)
{
	loader_fail(LOADER_EXIT_SERVICE, "%s does not fit: %s: install module and loader of the same version",
		    path, error);
}

void loader_module_load(const char *conf, const struct service_option *options, size_t count)
{
	const struct service_module *module;
	engine_get_fn engine_get;
	char path[PATH_MAX];
	const char *error;
	void *handle;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.so", module_directory(), LOADER_MODULE_NAME) >=
	    sizeof(path))
		loader_fail(LOADER_EXIT_SERVICE, "COROSYNC_SERVICE_PATH is too long: shorten it");
	handle = module_open(path, conf);
	module = module_symbol(handle, path, SERVICE_MODULE_SYMBOL);
	error = loader_module_check(module);
	if (error != NULL)
		refuse_module(path, error);
	engine_get = (engine_get_fn)module_symbol(handle, path, SERVICE_ENGINE_SYMBOL);
	error = module->configure(options, count);
	if (error != NULL)
		loader_fail(LOADER_EXIT_CONFIG, "service section " LOADER_MODULE_NAME " in %s: %s", conf,
			    error);
	loader.engine = engine_get();
	error = loader_engine_check(loader.engine);
	if (error != NULL)
		refuse_module(path, error);
	loader.module = module;
}

/*
 * In the place of the built-in exec_init_fn. The executive has read nothing of the table yet but the id and
 * the two init functions; all that it reads from here on is the module's.
 */
static char *service_init(struct corosync_api_v1 *api)
{
	static char error[] = "service_loader can't write to the service table";

	if (image_patch(&loader.image, loader.table, loader.engine, sizeof(*loader.engine)) != 0)
		return error;
	loader.installed = true;
	if (loader.engine->config_init_fn != NULL)
		loader.engine->config_init_fn(api);
	return loader.engine->exec_init_fn(api);
}

void loader_module_arm(void)
{
	struct corosync_service_engine table = *loader.table;

	table.config_init_fn = NULL;
	table.exec_init_fn = service_init;
	if (image_patch(&loader.image, loader.table, &table, sizeof(table)) != 0)
		loader_fail(
			LOADER_EXIT_SERVICE,
			"can't write to the service table: %s: allow the program to change its own memory",
			strerror(errno));
}
