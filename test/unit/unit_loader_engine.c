/* SPDX-License-Identifier: BSD-3-Clause */
/* service/loader_engine.c: whatever the executive would call or read unasked is checked. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "run_suite.h"
#include "service/loader_engine.h"

#define LIB_COUNT 13
#define EXEC_COUNT 6

static struct corosync_lib_handler lib[LOADER_HANDLERS_MAX];
static struct corosync_exec_handler exec[LOADER_HANDLERS_MAX];
static struct corosync_service_engine engine;
static struct service_module module;

static char *exec_init(struct corosync_api_v1 *api)
{
	(void)api;
	return NULL;
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

static void confchg(enum totem_configuration type, const unsigned int *members, size_t member_count,
		    const unsigned int *left, size_t left_count, const unsigned int *joined,
		    size_t joined_count, const struct memb_ring_id *ring_id)
{
	(void)type, (void)members, (void)member_count, (void)left, (void)left_count, (void)joined;
	(void)joined_count, (void)ring_id;
}

static void sync_init(const unsigned int *trans, size_t trans_count, const unsigned int *members,
		      size_t member_count, const struct memb_ring_id *ring_id)
{
	(void)trans, (void)trans_count, (void)members, (void)member_count, (void)ring_id;
}

static int sync_process(void)
{
	return 0;
}

static void nothing(void)
{
}

static const char *configure(const struct service_option *options, size_t count)
{
	(void)options, (void)count;
	return NULL;
}

static void client_accepted(void *conn, uid_t uid, gid_t gid)
{
	(void)conn, (void)uid, (void)gid;
}

static int rate_limit(int rate)
{
	return rate;
}

static void connection_stats(void *conn, void *stats, bool clear)
{
	(void)conn, (void)stats, (void)clear;
}

static void sigbus_changed(void)
{
}

static void setup(void)
{
	int i;

	for (i = 0; i < LOADER_HANDLERS_MAX; i++) {
		lib[i] = (struct corosync_lib_handler){lib_handler, SERVICE_FLOW_CONTROL_REQUIRED};
		exec[i] = (struct corosync_exec_handler){exec_handler, convert};
	}
	engine = (struct corosync_service_engine){
		.name = "test service",
		.id = SERVICE_ID_CPG,
		.flow_control = SERVICE_FLOW_CONTROL_REQUIRED,
		.allow_inquorate = SERVICE_INQUORATE_ALLOW,
		.exec_init_fn = exec_init,
		.lib_init_fn = lib_fn,
		.lib_exit_fn = lib_fn,
		.lib_engine = lib,
		.lib_engine_count = LIB_COUNT,
		.exec_engine = exec,
		.exec_engine_count = EXEC_COUNT,
		.confchg_fn = confchg,
		.sync_init = sync_init,
		.sync_process = sync_process,
		.sync_activate = nothing,
		.sync_abort = nothing,
	};
	module =
		(struct service_module){SERVICE_MODULE_ABI, sizeof(engine), configure,	      convert,
					client_accepted,    rate_limit,	    connection_stats, sigbus_changed};
}

static void assert_refused(const char *words)
{
	const char *error = loader_engine_check(&engine);

	ck_assert_msg(error != NULL && strstr(error, words) != NULL, "%s: %s", words,
		      error ? error : "accepted");
	setup();
}

START_TEST(sound)
{
	ck_assert_ptr_null(loader_engine_check(&engine));
	engine.lib_engine_count = engine.exec_engine_count = LOADER_HANDLERS_MAX;
	ck_assert_ptr_null(loader_engine_check(&engine));
	engine.exec_engine_count = 1;
	ck_assert_ptr_null(loader_engine_check(&engine));
	ck_assert_ptr_null(loader_module_check(&module));
}
END_TEST

START_TEST(fields)
{
	ck_assert_ptr_nonnull(loader_engine_check(NULL));
	engine.name = NULL;
	assert_refused("name");
	engine.name = "";
	assert_refused("name");
	engine.name = "line\nline";
	assert_refused("name");
	engine.id = 3;
	assert_refused("id");
	engine.flow_control = 0;
	assert_refused("flow control");
	engine.allow_inquorate = 2;
	assert_refused("inquorate");
}
END_TEST

START_TEST(functions)
{
	engine.exec_init_fn = NULL;
	assert_refused("exec_init_fn");
	engine.lib_init_fn = NULL;
	assert_refused("lib_init_fn");
	engine.lib_exit_fn = NULL;
	assert_refused("lib_exit_fn");
	engine.confchg_fn = NULL;
	assert_refused("confchg_fn");
	engine.sync_init = NULL;
	assert_refused("sync");
	engine.sync_process = NULL;
	assert_refused("sync");
	engine.sync_activate = NULL;
	assert_refused("sync");
	engine.sync_abort = NULL;
	assert_refused("sync");
}
END_TEST

START_TEST(handlers)
{
	engine.lib_engine_count = LIB_COUNT - 1;
	assert_refused("request handlers");
	engine.lib_engine_count = LOADER_HANDLERS_MAX + 1;
	assert_refused("request handlers");
	engine.lib_engine = NULL;
	assert_refused("request handlers");
	lib[LIB_COUNT - 1].lib_handler_fn = NULL;
	assert_refused("request handler");
	lib[0].flow_control = 3;
	assert_refused("flow control");
	engine.exec_engine_count = 0;
	assert_refused("message handlers");
	engine.exec_engine_count = LOADER_HANDLERS_MAX + 1;
	assert_refused("message handlers");
	engine.exec_engine = NULL;
	assert_refused("message handlers");
	exec[EXEC_COUNT - 1].exec_handler_fn = NULL;
	assert_refused("message handler");
	exec[EXEC_COUNT - 1].exec_endian_convert_fn = NULL;
	assert_refused("endian");
}
END_TEST

START_TEST(module_contract)
{
	module.abi = SERVICE_MODULE_ABI + 1;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.engine_size = 144;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.configure = NULL;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.server_created = NULL;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.client_accepted = NULL;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.rate_limit = NULL;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.connection_stats = NULL;
	ck_assert_ptr_nonnull(loader_module_check(&module));
	setup();
	module.sigbus_changed = NULL;
	ck_assert_ptr_nonnull(loader_module_check(&module));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("check");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, sound);
	tcase_add_test(tcase, fields);
	tcase_add_test(tcase, functions);
	tcase_add_test(tcase, handlers);
	tcase_add_test(tcase, module_contract);
	return run_case("loader_engine", tcase);
}
