/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service plugin ABI of the corosync 3 executive, as far as a service needs it.
 *
 * The executive is not ours: these are its layouts, identical in corosync 3.0.0 to 3.1.10, checked
 * here offset by offset. Nothing in this file may change unless the executive does.
 */
#ifndef SERVICE_ABI_H
#define SERVICE_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define SERVICE_ID_CPG 2u

/* Limits of totem as the executive builds it. */
#define TOTEM_MESSAGE_SIZE_MAX (1024u * 1024u) /* bytes, headers included; more aborts the ring */
#define TOTEM_PROCESSORS_MAX 384u

/* corosync_service_engine.flow_control and corosync_lib_handler.flow_control */
enum service_flow_control { SERVICE_FLOW_CONTROL_REQUIRED = 1, SERVICE_FLOW_CONTROL_NOT_REQUIRED = 2 };

/* corosync_service_engine.allow_inquorate */
enum service_inquorate { SERVICE_INQUORATE_REFUSE = 0, SERVICE_INQUORATE_ALLOW = 1 };

/* First argument of confchg_fn. */
enum totem_configuration { TOTEM_CONFIGURATION_REGULAR = 0, TOTEM_CONFIGURATION_TRANSITIONAL = 1 };

/* totem_callback_token_create: when the callback runs. */
enum totem_callback_token { TOTEM_TOKEN_RECEIVED = 1, TOTEM_TOKEN_SENT = 2 };

/* Ring identity, packed as the executive packs it. */
struct memb_ring_id {
	uint32_t nodeid;
	uint64_t seq;
} __attribute__((packed));
static_assert(sizeof(struct memb_ring_id) == 12, "memb_ring_id");

/* A totem group's name; totem keeps the pointer. */
struct corosync_tpg_group {
	const void *group;
	size_t group_len;
};
static_assert(sizeof(struct corosync_tpg_group) == 16, "tpg group");

/* Configuration changes, as a service and a totem group hear of them. */
typedef void (*totem_confchg_fn)(enum totem_configuration type, const unsigned int *member_list,
				 size_t member_list_entries, const unsigned int *left_list,
				 size_t left_list_entries, const unsigned int *joined_list,
				 size_t joined_list_entries, const struct memb_ring_id *ring_id);

struct corosync_api_v1;

struct corosync_lib_handler {
	void (*lib_handler_fn)(void *conn, const void *msg);
	int flow_control;
};
static_assert(sizeof(struct corosync_lib_handler) == 16, "lib handler");

struct corosync_exec_handler {
	void (*exec_handler_fn)(const void *msg, unsigned int nodeid);
	void (*exec_endian_convert_fn)(void *msg); /* never NULL */
};
static_assert(sizeof(struct corosync_exec_handler) == 16, "exec handler");

struct corosync_service_engine {
	const char *name;
	uint16_t id;
	uint16_t priority;
	size_t private_data_size; /* bytes per connection, see ipc_private_data_get */
	int flow_control;
	int allow_inquorate;
	char *(*exec_init_fn)(struct corosync_api_v1 *api); /* error text or NULL */
	int (*exec_exit_fn)(void);			    /* -1: call again later */
	void (*exec_dump_fn)(void);
	int (*lib_init_fn)(void *conn); /* not 0: disconnect */
	int (*lib_exit_fn)(void *conn); /* not 0: call again later */
	struct corosync_lib_handler *lib_engine;
	int lib_engine_count;
	struct corosync_exec_handler *exec_engine;
	int exec_engine_count;
	int (*config_init_fn)(struct corosync_api_v1 *api);
	totem_confchg_fn confchg_fn;
	void (*sync_init)(const unsigned int *trans_list, size_t trans_list_entries,
			  const unsigned int *member_list, size_t member_list_entries,
			  const struct memb_ring_id *ring_id);
	int (*sync_process)(void); /* 0: done, -1: call again */
	void (*sync_activate)(void);
	void (*sync_abort)(void);
};
static_assert(offsetof(struct corosync_service_engine, id) == 8, "engine.id");
static_assert(offsetof(struct corosync_service_engine, priority) == 10, "engine.priority");
static_assert(offsetof(struct corosync_service_engine, private_data_size) == 16, "engine.private");
static_assert(offsetof(struct corosync_service_engine, flow_control) == 24, "engine.flow_control");
static_assert(offsetof(struct corosync_service_engine, allow_inquorate) == 28, "engine.inquorate");
static_assert(offsetof(struct corosync_service_engine, exec_init_fn) == 32, "engine.exec_init");
static_assert(offsetof(struct corosync_service_engine, exec_exit_fn) == 40, "engine.exec_exit");
static_assert(offsetof(struct corosync_service_engine, exec_dump_fn) == 48, "engine.exec_dump");
static_assert(offsetof(struct corosync_service_engine, lib_init_fn) == 56, "engine.lib_init");
static_assert(offsetof(struct corosync_service_engine, lib_exit_fn) == 64, "engine.lib_exit");
static_assert(offsetof(struct corosync_service_engine, lib_engine) == 72, "engine.lib_engine");
static_assert(offsetof(struct corosync_service_engine, lib_engine_count) == 80, "engine.lib_count");
static_assert(offsetof(struct corosync_service_engine, exec_engine) == 88, "engine.exec_engine");
static_assert(offsetof(struct corosync_service_engine, exec_engine_count) == 96, "engine.exec_count");
static_assert(offsetof(struct corosync_service_engine, config_init_fn) == 104, "engine.config_init");
static_assert(offsetof(struct corosync_service_engine, confchg_fn) == 112, "engine.confchg");
static_assert(offsetof(struct corosync_service_engine, sync_init) == 120, "engine.sync_init");
static_assert(offsetof(struct corosync_service_engine, sync_process) == 128, "engine.sync_process");
static_assert(offsetof(struct corosync_service_engine, sync_activate) == 136, "engine.sync_activate");
static_assert(offsetof(struct corosync_service_engine, sync_abort) == 144, "engine.sync_abort");
static_assert(sizeof(struct corosync_service_engine) == 152, "corosync_service_engine");

/* A slot of the api that this project does not call. */
typedef void (*corosync_api_slot)(void);

struct corosync_api_v1 {
	int (*timer_add_duration)(unsigned long long nanoseconds, void *data, void (*fn)(void *data),
				  void *handle /* uint64_t * */);
	corosync_api_slot timer_add_absolute;
	void (*timer_delete)(uint64_t handle);
	corosync_api_slot timer_time_get;
	corosync_api_slot timer_expire_time_get;
	corosync_api_slot ipc_source_set;
	corosync_api_slot ipc_source_is_local;
	void *(*ipc_private_data_get)(void *conn);
	corosync_api_slot ipc_response_send;
	int (*ipc_response_iov_send)(void *conn, const struct iovec *iov, unsigned int iov_len);
	corosync_api_slot ipc_dispatch_send;
	corosync_api_slot ipc_dispatch_iov_send;
	void (*ipc_refcnt_inc)(void *conn);
	void (*ipc_refcnt_dec)(void *conn);
	unsigned int (*totem_nodeid_get)(void);
	corosync_api_slot totem_family_get;
	int (*totem_mcast)(const struct iovec *iov, unsigned int iov_len, unsigned int guarantee);
	corosync_api_slot totem_ifaces_get;
	corosync_api_slot totem_ifaces_print;
	corosync_api_slot totem_ip_print;
	corosync_api_slot totem_crypto_set;
	int (*totem_callback_token_create)(void **handle, enum totem_callback_token type, int delete_after,
					   int (*fn)(enum totem_callback_token type, const void *data),
					   const void *data);
	int (*tpg_init)(void **instance,
			void (*deliver_fn)(unsigned int nodeid, const void *msg, unsigned int msg_len,
					   int endian_conversion_required),
			totem_confchg_fn confchg_fn);
	corosync_api_slot tpg_exit;
	int (*tpg_join)(void *instance, const struct corosync_tpg_group *groups, size_t group_count);
	corosync_api_slot tpg_leave;
	int (*tpg_joined_mcast)(void *instance, const struct iovec *iov, unsigned int iov_len, int guarantee);
	corosync_api_slot tpg_joined_reserve;
	corosync_api_slot tpg_joined_release;
	corosync_api_slot tpg_groups_mcast;
	corosync_api_slot tpg_groups_reserve;
	corosync_api_slot tpg_groups_release;
	corosync_api_slot schedwrk_create;
	corosync_api_slot schedwrk_destroy;
	corosync_api_slot sync_request;
	corosync_api_slot quorum_is_quorate;
	corosync_api_slot quorum_register_callback;
	corosync_api_slot quorum_unregister_callback;
	corosync_api_slot quorum_initialize;
	corosync_api_slot plugin_interface_reference;
	corosync_api_slot plugin_interface_release;
	corosync_api_slot service_link_and_init;
	corosync_api_slot service_unlink_and_exit;
	corosync_api_slot error_memory_failure;
	corosync_api_slot fatal_error;
	corosync_api_slot shutdown_request;
	corosync_api_slot state_dump;
	corosync_api_slot poll_handle_get;
	corosync_api_slot totem_get_stats;
	corosync_api_slot schedwrk_create_nolock;
	corosync_api_slot poll_dispatch_add;
	corosync_api_slot poll_dispatch_delete;
};
static_assert(sizeof(struct corosync_api_v1) == 416, "corosync_api_v1");
static_assert(offsetof(struct corosync_api_v1, ipc_private_data_get) == 7 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, totem_nodeid_get) == 14 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, totem_mcast) == 16 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, totem_callback_token_create) == 21 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, tpg_init) == 22 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, tpg_join) == 24 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, tpg_joined_mcast) == 26 * 8, "api");
static_assert(offsetof(struct corosync_api_v1, schedwrk_create) == 32 * 8, "api");

#endif
