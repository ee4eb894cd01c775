// SPDX-License-Identifier: BSD-3-Clause
/*
 * The executive calls what it finds in the table and asks no questions: an empty slot is a crash at the first
 * client or the first ring. So everything it relies on is checked while there is still somebody to read the
 * answer.
 */
#include "service/loader_engine.h"

#define LIB_HANDLERS_MIN 13 /* the requests of a stock library: 0 to 12 */

static bool is_printable_text(const char *text)
{
	if (text == NULL || *text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (!loader_is_printable(*text))
			return false;
	}
	return true;
}

static const char *check_lib_handlers(const struct corosync_service_engine *engine)
{
	int i;

	if (engine->lib_engine_count < LIB_HANDLERS_MIN || engine->lib_engine_count > LOADER_HANDLERS_MAX)
		return "number of client request handlers out of range";
	if (engine->lib_engine == NULL)
		return "no client request handlers";
	for (i = 0; i < engine->lib_engine_count; i++) {
		if (engine->lib_engine[i].lib_handler_fn == NULL)
			return "a client request handler is missing";
		if (!loader_is_flow_control(engine->lib_engine[i].flow_control))
			return "unknown flow control of a client request";
	}
	return NULL;
}

static const char *check_exec_handlers(const struct corosync_service_engine *engine)
{
	int i;

	if (engine->exec_engine_count < 1 || engine->exec_engine_count > LOADER_HANDLERS_MAX)
		return "number of message handlers out of range";
	if (engine->exec_engine == NULL)
		return "no message handlers";
	for (i = 0; i < engine->exec_engine_count; i++) {
		if (engine->exec_engine[i].exec_handler_fn == NULL)
			return "a message handler is missing";
		if (engine->exec_engine[i].exec_endian_convert_fn == NULL)
			return "a message's endian converter is missing";
	}
	return NULL;
}

static const char *check_functions(const struct corosync_service_engine *engine)
{
	if (engine->exec_init_fn == NULL)
		return "no exec_init_fn";
	if (engine->lib_init_fn == NULL || engine->lib_exit_fn == NULL)
		return "no lib_init_fn or lib_exit_fn";
	if (engine->confchg_fn == NULL)
		return "no confchg_fn";
	if (engine->sync_init == NULL || engine->sync_process == NULL || engine->sync_activate == NULL ||
	    engine->sync_abort == NULL)
		return "a sync function is missing";
	return NULL;
}

const char *loader_engine_check(const struct corosync_service_engine *engine)
{
	const char *error;

	if (engine == NULL)
		return "it has no engine";
	if (!is_printable_text(engine->name))
		return "its name is empty or not printable";
	if (engine->id != SERVICE_ID_CPG)
		return "its service id is not 2";
	if (!loader_is_flow_control(engine->flow_control))
		return "unknown flow control of the service";
	if (!loader_is_inquorate(engine->allow_inquorate))
		return "unknown allow_inquorate";
	error = check_functions(engine);
	if (error == NULL)
		error = check_lib_handlers(engine);
	if (error == NULL)
		error = check_exec_handlers(engine);
	return error;
}

const char *loader_module_check(const struct service_module *module)
{
	if (module->abi != SERVICE_MODULE_ABI)
		return "it was made for another version of the loader";
	if (module->engine_size != sizeof(struct corosync_service_engine))
		return "its engine has another size than the executive's";
	if (module->configure == NULL || module->server_created == NULL || module->client_accepted == NULL ||
	    module->connection_stats == NULL || module->sigbus_changed == NULL || module->rate_limit == NULL)
		return "one of its functions is missing";
	return NULL;
}
