/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract between service_loader.so and the modules it loads (both ours).
 *
 * A module exports two symbols:
 *   struct corosync_service_engine *corosync_get_service_engine_ver0(void);
 *   const struct service_module corosync_service_module;
 * The loader dlopens <name>.so, checks `abi`, hands over the options of the service section, asks for the
 * engine and checks it, all before main(). From then on it calls the hooks, always in the
 * executive's main thread.
 */
#ifndef LOADER_ABI_H
#define LOADER_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "service_abi.h"

#define SERVICE_MODULE_ABI 4u
#define SERVICE_ENGINE_SYMBOL "corosync_get_service_engine_ver0"
#define SERVICE_MODULE_SYMBOL "corosync_service_module"

/* One `key: value` line of the service section, name and ver left out. */
struct service_option {
	const char *name;
	const char *value;
};

struct service_module {
	uint32_t abi;	      /* SERVICE_MODULE_ABI */
	uint32_t engine_size; /* sizeof(struct corosync_service_engine) it was built with */

	/*
	 * Takes the section's options (the strings live as long as the process). Called once, before main().
	 * Returns NULL, or one line that says which option is wrong and what it may be (static or leaked
	 * storage).
	 */
	const char *(*configure)(const struct service_option *options, size_t count);

	/*
	 * The service's IPC server exists: qb_ipcs_create() returned it. `server` is its qb_ipcs_service_t.
	 */
	void (*server_created)(void *server);

	/*
	 * The executive accepted connection `conn` (qb_ipcs_connection_t) of a client with these
	 * effective ids; lib_init_fn(conn) comes next.
	 */
	void (*client_accepted)(void *conn, uid_t uid, gid_t gid);

	/*
	 * The executive set the request rate of this service's server (enum qb_ipcs_rate_limit). Returns
	 * the rate to set instead: the module may keep its own channel off for longer, never on.
	 */
	int (*rate_limit)(int rate);

	/*
	 * The executive reads the statistics of connection `conn`, of whatever service. `stats` is libqb's struct
	 * qb_ipcs_connection_stats, filled in: the module adds what went past libqb. `clear`: they begin anew, as libqb's just did.
	 */
	void (*connection_stats)(void *conn, void *stats, bool clear);

	/*
	 * Somebody in this process changes what happens on SIGBUS. libqb does, twice, when it closes a connection; in between it may leave a
	 * handler by longjmp, with the signal blocked. Alone of all hooks it may be called in any thread.
	 */
	void (*sigbus_changed)(void);
};

#endif
