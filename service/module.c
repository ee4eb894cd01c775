/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The module that service_loader.so puts in place of the executive's built-in CPG service: the only file that
 * knows the executive. It turns the executive's calls into the engine's events, and the engine's ops into the
 * executive's and libqb's calls.
 *
 * Everything runs in the executive's main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <qb/qbipcs.h>
#include <qb/qblist.h>
#include <qb/qblog.h>

#include "config.h"
#include "cpg_ipc.h"
#include "cpg_peer.h"
#include "cpg_wire.h"
#include "engine.h"
#include "loader_abi.h"
#include "module_options.h"
#include "segment.h"

#define EXPORT __attribute__((visibility("default")))

/* The executive's logging gives callsites in a file of this name the CPG label and debug switch. */
#define LOG_FILE_NAME "cpg.c"

#define NS_PER_S (1000ull * 1000 * 1000)
#define EXIT_DRAIN_MAX (NS_PER_S / 2) /* how long a shutdown waits for what clients sent */

/* What the executive keeps for us at each connection. */
struct connection {
	struct engine_client *client;
	void *conn;
	uid_t uid;
	gid_t gid;
	uint32_t pid;
	bool evicting; /* nothing is sent to it any more, nor taken from it */
	struct qb_list_head of_evicting;
	struct engine_client_stats cleared; /* when somebody cleared the statistics */
};

static struct module {
	struct corosync_api_v1 *api;
	struct engine *engine;
	struct engine_config config;
	qb_ipcs_service_t *server;
	void *peers; /* the totem group of our own */

	/* the connection that the executive accepted last: lib_init_fn follows at once */
	void *accepted;
	uid_t accepted_uid;
	gid_t accepted_gid;

	/* request rate: what the executive set last, and whether the engine wants the channel closed */
	int rate;
	bool holding, setting_rate;
	bool syncing;

	uint64_t timer; /* handle */
	uint64_t timer_due;
	bool timer_set;

	struct qb_list_head evicting; /* to be disconnected at the next tick */
	uint64_t exit_deadline;
	bool exiting;
} module;

static uint64_t now(void *context)
{
	struct timespec time;

	(void)context;
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void write_log(void *context, int priority, const char *text)
{
	(void)context;
	qb_log_from_external_source(__func__, LOG_FILE_NAME, "%s", (uint8_t)priority, __LINE__, 0, text);
}

/* ---- ops ---- */

static const unsigned int agreed = 0; /* totem stores it and delivers agreed whatever it is */

static int multicast(void *context, const struct iovec *iov, unsigned int iov_len)
{
	(void)context;
	return module.api->totem_mcast(iov, iov_len, agreed) == 0 ? 0 : -1;
}

static int multicast_to_peers(void *context, const struct iovec *iov, unsigned int iov_len)
{
	(void)context;
	return module.api->tpg_joined_mcast(module.peers, iov, iov_len, (int)agreed) == 0 ? 0 : -1;
}

static int send_event(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	size_t size = 0;
	unsigned int i;
	ssize_t result;

	(void)context;
	if (((const struct connection *)module.api->ipc_private_data_get(conn))->evicting) {
		return -ENOTCONN;
	}
	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	if (size > (size_t)qb_ipcs_connection_get_buffer_size(conn)) {
		return -EMSGSIZE; /* it would wait for ever */
	}
	result = qb_ipcs_event_sendv(conn, iov, iov_len);
	/* ENOBUFS is none of these: the event may lie in the ring, only its doorbell could not be sent. */
	if (result == -EAGAIN || result == -ETIMEDOUT) {
		return -EAGAIN;
	}
	return result < 0 ? (int)result : 0;
}

static void tick(void *data);

static void wake(void *context, uint64_t delay)
{
	uint64_t due = now(NULL) + delay;

	(void)context;
	if (module.timer_set) {
		if (module.timer_due <= due) {
			return;
		}
		module.api->timer_delete(module.timer);
	}
	module.timer_set = module.api->timer_add_duration(delay + 1, NULL, tick, &module.timer) == 0;
	module.timer_due = due;
}

static void evict(void *context, void *conn)
{
	struct connection *connection = module.api->ipc_private_data_get(conn);

	(void)context;
	if (!connection->evicting) {
		connection->evicting = true;
		qb_list_add_tail(&connection->of_evicting, &module.evicting);
		wake(NULL, 0);
	}
}

/*
 * Without its answer a client waits for ever, or takes the next one for it. And where libqb's sockets find no one at the
 * other end of a connection's first answer, they look for a second before they say so, on every answer: once is enough.
 */
static void respond(void *context, void *conn, const struct iovec *iov, unsigned int iov_len)
{
	const struct connection *connection = module.api->ipc_private_data_get(conn);
	char text[128];
	int error;

	if (connection->evicting) {
		return;
	}
	error = module.api->ipc_response_iov_send(conn, iov, iov_len);
	if (error) {
		snprintf(text, sizeof(text), "disconnecting process %u: no answer can be sent to it: %s",
			 connection->pid, strerror(-error));
		write_log(NULL, LOG_NOTICE, text);
		evict(context, conn);
	}
}

static void set_rate(void)
{
	if (module.server && !module.exiting) {
		module.setting_rate = true;
		qb_ipcs_request_rate_limit(module.server, (enum qb_ipcs_rate_limit)module.rate);
		module.setting_rate = false;
	}
}

static void hold_requests(void *context, bool hold)
{
	(void)context;
	module.holding = hold;
	set_rate();
}

static int make_segment(void *context, void *conn, size_t user_size, size_t present,
			struct engine_segment *segment, struct engine_segment_name *name)
{
	const struct connection *connection = module.api->ipc_private_data_get(conn);
	struct segment *made;
	int error = segment_create(&made, connection->uid, connection->gid, user_size, present);
	size_t length;

	(void)context;
	if (error) {
		return error;
	}
	length = strlen(segment_name(made));
	if (length >= name->capacity) {
		segment_destroy(made);
		return -ENAMETOOLONG;
	}
	memcpy(name->name, segment_name(made), length + 1);
	name->user_offset = (uint32_t)segment_user_offset(made);
	*segment = (struct engine_segment){
		.base = segment_base(made), .size = segment_size(made), .handle = made};
	return 0;
}

static int grow_segment(void *context, struct engine_segment *segment, size_t present)
{
	int error = segment_grow(segment->handle, present);

	(void)context;
	segment->base = segment_base(segment->handle);
	segment->size = segment_size(segment->handle);
	return error;
}

static void unlink_segment(void *context, struct engine_segment *segment)
{
	(void)context;
	segment_unlink(segment->handle);
}

static void destroy_segment(void *context, struct engine_segment *segment)
{
	(void)context;
	segment_destroy(segment->handle);
}

/* libqb leaves SIGBUS blocked when it finds a ring of its own cut short. */
static void arm_segments(void *context)
{
	(void)context;
	segment_guard_arm();
}

static bool broken_segment(void *context, const struct engine_segment *segment)
{
	(void)context;
	return segment_broken(segment->handle);
}

static const struct engine_ops ops = {
	.mcast = multicast,
	.peer_mcast = multicast_to_peers,
	.respond = respond,
	.event = send_event,
	.evict = evict,
	.now = now,
	.wake = wake,
	.hold_requests = hold_requests,
	.log = write_log,
	.segment_create = make_segment,
	.segment_grow = grow_segment,
	.segment_unlink = unlink_segment,
	.segment_destroy = destroy_segment,
	.segment_arm = arm_segments,
	.segment_broken = broken_segment,
};

/* ---- timer and token ---- */

static void disconnect_evicted(void)
{
	while (!qb_list_empty(&module.evicting)) {
		struct connection *connection =
			qb_list_first_entry(&module.evicting, struct connection, of_evicting);

		qb_list_del(&connection->of_evicting);
		connection->evicting = false;
		qb_ipcs_disconnect(connection->conn); /* calls lib_exit_fn */
	}
}

static void tick(void *data)
{
	(void)data;
	module.timer_set = false;
	disconnect_evicted();
	engine_tick(module.engine);
}

static int token_received(enum totem_callback_token type, const void *data)
{
	(void)type;
	(void)data;
	if (!module.exiting) {
		engine_token(module.engine);
	}
	return 0;
}

/* ---- the totem group of our own ---- */

static void deliver_from_peer(unsigned int nodeid, const void *message, unsigned int length, int swapped)
{
	engine_peer_message(module.engine, message, length, swapped, nodeid);
}

/* The service hears of these itself. */
static void ignore_confchg(enum totem_configuration type, const unsigned int *member_list,
			   size_t member_list_entries, const unsigned int *left_list,
			   size_t left_list_entries, const unsigned int *joined_list,
			   size_t joined_list_entries, const struct memb_ring_id *ring_id)
{
	(void)type;
	(void)member_list;
	(void)member_list_entries;
	(void)left_list;
	(void)left_list_entries;
	(void)joined_list;
	(void)joined_list_entries;
	(void)ring_id;
}

static bool join_peers(void)
{
	static const struct corosync_tpg_group group = {.group = PEER_GROUP,
							.group_len = sizeof(PEER_GROUP) - 1};

	return module.api->tpg_init(&module.peers, deliver_from_peer, ignore_confchg) == 0 &&
	       module.api->tpg_join(module.peers, &group, 1) == 0;
}

/* ---- the executive's calls: life ---- */

static char *exec_init(struct corosync_api_v1 *api)
{
	void *token;

	module.api = api;
	qb_list_init(&module.evicting);
	module.engine = engine_create(&ops, NULL, &module.config);
	if (module.engine == NULL) {
		return (char *)(uintptr_t) "out of memory";
	}
	engine_set_nodeid(module.engine, api->totem_nodeid_get());
	if (!segment_guard_begin()) {
		return (char *)(uintptr_t) "SIGBUS can't be handled";
	}
	if (!join_peers()) {
		return (char *)(uintptr_t) "no totem group to be had";
	}
	if (api->totem_callback_token_create(&token, TOTEM_TOKEN_RECEIVED, 0, token_received, NULL) != 0) {
		return (char *)(uintptr_t) "no token callback to be had";
	}
	return NULL;
}

static int exec_exit(void)
{
	if (module.exit_deadline == 0) {
		module.exit_deadline = now(NULL) + EXIT_DRAIN_MAX;
	}
	if (engine_busy(module.engine) && now(NULL) < module.exit_deadline) {
		return -1;
	}
	/* Token callbacks can't be taken back, and connections are closed after this: the engine stays. */
	module.exiting = true;
	return 0;
}

static void exec_dump(void)
{
	engine_dump(module.engine);
}

/* ---- clients ---- */

static int lib_init(void *conn)
{
	struct connection *connection = module.api->ipc_private_data_get(conn);
	struct qb_ipcs_connection_stats stats;

	memset(&stats, 0, sizeof(stats));
	(void)qb_ipcs_connection_stats_get(conn, &stats, QB_FALSE);
	if (module.accepted != conn) {
		write_log(NULL, LOG_ERR, "a connection was not accepted by the executive: refused");
		return -1;
	}
	module.accepted = NULL;
	connection->conn = conn;
	connection->uid = module.accepted_uid;
	connection->gid = module.accepted_gid;
	connection->pid = (uint32_t)stats.client_pid;
	connection->client = engine_client_new(module.engine, conn, connection->pid);
	if (module.holding) {
		set_rate(); /* libqb opens the channel of each new connection, whatever was said before it came */
	}
	return connection->client ? 0 : -1;
}

static int lib_exit(void *conn)
{
	struct connection *connection = module.api->ipc_private_data_get(conn);

	if (connection->evicting) {
		qb_list_del(&connection->of_evicting);
		connection->evicting = false;
	}
	if (connection->client) {
		engine_client_gone(module.engine, connection->client);
		connection->client = NULL;
	}
	return 0;
}

static void lib_request(void *conn, const void *message)
{
	const struct connection *connection = module.api->ipc_private_data_get(conn);

	if (!connection->evicting) {
		engine_request(module.engine, connection->client, message,
			       (size_t)qb_ipcs_connection_get_buffer_size(conn));
	}
}

/* ---- totem ---- */

#define EXEC_FUNCTION(number)                                                                                \
	static void deliver_##number(const void *message, unsigned int nodeid)                               \
	{                                                                                                    \
		engine_message(module.engine, number, message, nodeid);                                      \
	}                                                                                                    \
	static void convert_##number(void *message)                                                          \
	{                                                                                                    \
		engine_convert(number, message);                                                             \
	}

EXEC_FUNCTION(0)
EXEC_FUNCTION(1)
EXEC_FUNCTION(2)
EXEC_FUNCTION(3)
EXEC_FUNCTION(4)
EXEC_FUNCTION(5)
EXEC_FUNCTION(6)

static void confchg(enum totem_configuration type, const unsigned int *member_list,
		    size_t member_list_entries, const unsigned int *left_list, size_t left_list_entries,
		    const unsigned int *joined_list, size_t joined_list_entries,
		    const struct memb_ring_id *ring_id)
{
	(void)member_list;
	(void)member_list_entries;
	(void)joined_list;
	(void)joined_list_entries;
	module.syncing = true;
	if (type == TOTEM_CONFIGURATION_TRANSITIONAL) {
		engine_transitional(module.engine, left_list, left_list_entries);
	} else {
		engine_regular(module.engine, ring_id);
	}
}

static void sync_init(const unsigned int *trans_list, size_t trans_list_entries,
		      const unsigned int *member_list, size_t member_list_entries,
		      const struct memb_ring_id *ring_id)
{
	module.syncing = true;
	engine_sync_init(module.engine, trans_list, trans_list_entries, member_list, member_list_entries,
			 ring_id);
}

static int sync_process(void)
{
	return engine_sync_process(module.engine);
}

static void sync_activate(void)
{
	engine_sync_activate(module.engine);
}

static void sync_abort(void)
{
	/*
	 * May come twice or not at all: the next transitional configuration and sync_init do what there is to
	 * do.
	 */
}

/* ---- tables ---- */

/* Nothing is refused for totem's sake: what totem can't take now waits in the engine. */
#define LIB_HANDLER(function)                                                                                \
	{                                                                                                    \
		.lib_handler_fn = (function), .flow_control = SERVICE_FLOW_CONTROL_NOT_REQUIRED              \
	}

static struct corosync_lib_handler lib_handlers[IPC_REQ_COUNT] = {
	[IPC_REQ_JOIN] = LIB_HANDLER(lib_request),
	[IPC_REQ_LEAVE] = LIB_HANDLER(lib_request),
	[IPC_REQ_MCAST] = LIB_HANDLER(lib_request),
	[IPC_REQ_MEMBERSHIP] = LIB_HANDLER(lib_request),
	[IPC_REQ_LOCAL_GET] = LIB_HANDLER(lib_request),
	[IPC_REQ_ITERATION_INITIALIZE] = LIB_HANDLER(lib_request),
	[IPC_REQ_ITERATION_NEXT] = LIB_HANDLER(lib_request),
	[IPC_REQ_ITERATION_FINALIZE] = LIB_HANDLER(lib_request),
	[IPC_REQ_FINALIZE] = LIB_HANDLER(lib_request),
	[IPC_REQ_ZC_ALLOC] = LIB_HANDLER(lib_request),
	[IPC_REQ_ZC_FREE] = LIB_HANDLER(lib_request),
	[IPC_REQ_ZC_EXECUTE] = LIB_HANDLER(lib_request),
	[IPC_REQ_PARTIAL_MCAST] = LIB_HANDLER(lib_request),
	[IPC_REQ_SEGMENT_CREATE] = LIB_HANDLER(lib_request),
	[IPC_REQ_SEGMENT_DESTROY] = LIB_HANDLER(lib_request),
	[IPC_REQ_ZCB_MCAST] = LIB_HANDLER(lib_request),
	[IPC_REQ_MEMBERSHIP_PAGE] = LIB_HANDLER(lib_request),
	[IPC_REQ_DOORBELL] = LIB_HANDLER(lib_request),
	[IPC_REQ_PARTIAL_BLOCK] = LIB_HANDLER(lib_request),
};

#define EXEC_HANDLER(number)                                                                                 \
	{                                                                                                    \
		.exec_handler_fn = deliver_##number, .exec_endian_convert_fn = convert_##number              \
	}

static struct corosync_exec_handler exec_handlers[WIRE_FUNCTION_COUNT] = {
	[WIRE_PROCJOIN] = EXEC_HANDLER(0),	[WIRE_PROCLEAVE] = EXEC_HANDLER(1),
	[WIRE_JOINLIST] = EXEC_HANDLER(2),	[WIRE_MCAST] = EXEC_HANDLER(3),
	[WIRE_DOWNLIST_OLD] = EXEC_HANDLER(4),	[WIRE_DOWNLIST] = EXEC_HANDLER(5),
	[WIRE_PARTIAL_MCAST] = EXEC_HANDLER(6),
};

static struct corosync_service_engine engine_table = {
	.name = "corosync closed process group service (" PACKAGE_NAME " " PACKAGE_VERSION ")",
	.id = SERVICE_ID_CPG,
	.priority = 1,
	.private_data_size = sizeof(struct connection),
	.flow_control = SERVICE_FLOW_CONTROL_REQUIRED,
	.allow_inquorate = SERVICE_INQUORATE_ALLOW,
	.exec_init_fn = exec_init,
	.exec_exit_fn = exec_exit,
	.exec_dump_fn = exec_dump,
	.lib_init_fn = lib_init,
	.lib_exit_fn = lib_exit,
	.lib_engine = lib_handlers,
	.lib_engine_count = IPC_REQ_COUNT,
	.exec_engine = exec_handlers,
	.exec_engine_count = WIRE_FUNCTION_COUNT,
	.confchg_fn = confchg,
	.sync_init = sync_init,
	.sync_process = sync_process,
	.sync_activate = sync_activate,
	.sync_abort = sync_abort,
};

/* ---- what the loader calls ---- */

static const char *configure(const struct service_option *options, size_t count)
{
	return module_options_read(&module.config, options, count);
}

/* The executive would let clients choose; what a stock library asks for is more. */
static void server_created(void *server)
{
	module.server = server;
	qb_ipcs_enforce_buffer_size(module.server, IPC_SMALL_BUFFER_SIZE);
}

static void client_accepted(void *conn, uid_t uid, gid_t gid)
{
	module.accepted = conn;
	module.accepted_uid = uid;
	module.accepted_gid = gid;
}

static bool is_off(int rate)
{
	return rate == QB_IPCS_RATE_OFF || rate == QB_IPCS_RATE_OFF_2;
}

/*
 * The executive closes the channel during sync, and while totem's queue is long, for services that multicast what they are asked. The
 * engine keeps that until its time comes, so everything can be asked at any time.
 */
static int rate_limit(int rate)
{
	if (!module.setting_rate) {
		module.rate = rate;
		if (module.syncing && !is_off(rate)) {
			/*
			 * The executive opens the channel again only when all services are through with sync.
			 */
			module.syncing = false;
			engine_sync_over(module.engine);
		}
	}
	if (module.exiting) {
		return rate;
	}
	if (module.holding) {
		return QB_IPCS_RATE_OFF_2;
	}
	return is_off(rate) ? QB_IPCS_RATE_NORMAL : rate;
}

/* A connection is ours only once the executive has given it to us. */
static void connection_stats(void *conn, void *of_libqb, bool clear)
{
	struct qb_ipcs_connection_stats *stats = of_libqb;
	struct connection *connection;
	struct engine_client_stats rings;

	if (module.server == NULL || qb_ipcs_service_id_get(conn) != SERVICE_ID_CPG) {
		return;
	}
	connection = module.api->ipc_private_data_get(conn);
	if (connection == NULL || connection->client == NULL) {
		return;
	}
	engine_client_stats(connection->client, &rings);
	stats->requests += rings.messages - connection->cleared.messages;
	stats->events += rings.events - connection->cleared.events;
	stats->flow_control_state |= rings.refused;
	if (clear) {
		connection->cleared = rings;
	}
}

EXPORT struct corosync_service_engine *corosync_get_service_engine_ver0(void);
EXPORT struct corosync_service_engine *corosync_get_service_engine_ver0(void)
{
	return &engine_table;
}

EXPORT extern const struct service_module corosync_service_module;
const struct service_module corosync_service_module = {
	.abi = SERVICE_MODULE_ABI,
	.engine_size = sizeof(struct corosync_service_engine),
	.configure = configure,
	.server_created = server_created,
	.client_accepted = client_accepted,
	.rate_limit = rate_limit,
	.connection_stats = connection_stats,
	.sigbus_changed = segment_guard_disturbed,
};
