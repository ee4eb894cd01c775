/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that has nothing to do with corosync, under a loader that somebody preloads everywhere. Without
 * libqb it gets ENOSYS from the wrappers; with a plugin that has its own libqb (argument), the plugin gets
 * what it asks for.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *(*create_fn)(const char *name, int32_t service_id, int type, void *handlers);
typedef void (*rate_limit_fn)(void *server, int rate);

static int without_libqb(void)
{
	create_fn create = (create_fn)dlsym(RTLD_DEFAULT, "qb_ipcs_create");
	rate_limit_fn rate_limit = (rate_limit_fn)dlsym(RTLD_DEFAULT, "qb_ipcs_request_rate_limit");

	if (create == NULL || rate_limit == NULL) {
		puts("no wrappers");
		return EXIT_FAILURE;
	}
	errno = 0;
	if (create("cpg", 2, 0, NULL) != NULL || errno != ENOSYS) {
		puts("create: not ENOSYS");
		return EXIT_FAILURE;
	}
	errno = 0;
	rate_limit(NULL, 0);
	if (errno != ENOSYS) {
		puts("rate_limit: not ENOSYS");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int with_plugin(const char *path)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*run)(void);

	if (plugin == NULL) {
		puts(dlerror());
		return EXIT_FAILURE;
	}
	run = (int (*)(void))dlsym(plugin, "plugin_run");
	return run != NULL && run() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	return argc > 1 ? with_plugin(argv[1]) : without_libqb();
}
