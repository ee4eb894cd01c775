# test/api: its part of the Makefile
#
# run-api runs these, and fault_ipc, inside real nodes, so they are no TESTS: test/cluster/test_api.sh does it.
api_tests = api_client_asterisk api_client_cmirrord api_client_dlm api_client_pacemaker api_client_pmxcfs \
	api_client_sbd api_client_sheepdog api_context_get api_context_set api_daemon_dies api_dispatch \
	api_fd_get api_finalize api_flow_control_state_get api_fork api_initialize api_iteration_finalize \
	api_iteration_initialize api_iteration_next api_join api_large_senders api_leave api_local_get \
	api_many_members api_max_atomic_msgsize_get api_mcast_joined api_membership_get api_memory \
	api_model_initialize api_random_sizes api_threads api_zcb_alloc api_zcb_free api_zcb_mcast_async \
	api_zcb_mcast_joined api_zcb_wait
check_PROGRAMS += $(api_tests)

# Linked against our library. run-api chooses one at run time, so there must be no wrapper scripts.
api_shared = test/api/api.c test/api/api_peer.c test/api/api.h
api_ldflags = $(AM_LDFLAGS) -no-install -pthread

api_client_asterisk_SOURCES = test/api/api_client_asterisk.c $(api_shared)
api_client_asterisk_LDADD = lib/libcpg.la
api_client_asterisk_LDFLAGS = $(api_ldflags)
api_client_cmirrord_SOURCES = test/api/api_client_cmirrord.c $(api_shared)
api_client_cmirrord_LDADD = lib/libcpg.la
api_client_cmirrord_LDFLAGS = $(api_ldflags)
api_client_dlm_SOURCES = test/api/api_client_dlm.c $(api_shared)
api_client_dlm_LDADD = lib/libcpg.la
api_client_dlm_LDFLAGS = $(api_ldflags)
api_client_pacemaker_SOURCES = test/api/api_client_pacemaker.c $(api_shared)
api_client_pacemaker_LDADD = lib/libcpg.la
api_client_pacemaker_LDFLAGS = $(api_ldflags)
api_client_pmxcfs_SOURCES = test/api/api_client_pmxcfs.c $(api_shared)
api_client_pmxcfs_LDADD = lib/libcpg.la
api_client_pmxcfs_LDFLAGS = $(api_ldflags)
api_client_sbd_SOURCES = test/api/api_client_sbd.c $(api_shared)
api_client_sbd_LDADD = lib/libcpg.la
api_client_sbd_LDFLAGS = $(api_ldflags)
api_client_sheepdog_SOURCES = test/api/api_client_sheepdog.c $(api_shared)
api_client_sheepdog_LDADD = lib/libcpg.la
api_client_sheepdog_LDFLAGS = $(api_ldflags)
api_context_get_SOURCES = test/api/api_context_get.c $(api_shared)
api_context_get_LDADD = lib/libcpg.la
api_context_get_LDFLAGS = $(api_ldflags)
api_context_set_SOURCES = test/api/api_context_set.c $(api_shared)
api_context_set_LDADD = lib/libcpg.la
api_context_set_LDFLAGS = $(api_ldflags)
api_daemon_dies_SOURCES = test/api/api_daemon_dies.c $(api_shared)
api_daemon_dies_LDADD = lib/libcpg.la
api_daemon_dies_LDFLAGS = $(api_ldflags)
api_dispatch_SOURCES = test/api/api_dispatch.c $(api_shared)
api_dispatch_LDADD = lib/libcpg.la
api_dispatch_LDFLAGS = $(api_ldflags)
api_fd_get_SOURCES = test/api/api_fd_get.c $(api_shared)
api_fd_get_LDADD = lib/libcpg.la
api_fd_get_LDFLAGS = $(api_ldflags)
api_finalize_SOURCES = test/api/api_finalize.c $(api_shared)
api_finalize_LDADD = lib/libcpg.la
api_finalize_LDFLAGS = $(api_ldflags)
api_flow_control_state_get_SOURCES = test/api/api_flow_control_state_get.c $(api_shared)
api_flow_control_state_get_LDADD = lib/libcpg.la
api_flow_control_state_get_LDFLAGS = $(api_ldflags)
api_fork_SOURCES = test/api/api_fork.c $(api_shared)
api_fork_LDADD = lib/libcpg.la
api_fork_LDFLAGS = $(api_ldflags)
api_initialize_SOURCES = test/api/api_initialize.c $(api_shared)
api_initialize_LDADD = lib/libcpg.la
api_initialize_LDFLAGS = $(api_ldflags)
api_iteration_finalize_SOURCES = test/api/api_iteration_finalize.c $(api_shared)
api_iteration_finalize_LDADD = lib/libcpg.la
api_iteration_finalize_LDFLAGS = $(api_ldflags)
api_iteration_initialize_SOURCES = test/api/api_iteration_initialize.c $(api_shared)
api_iteration_initialize_LDADD = lib/libcpg.la
api_iteration_initialize_LDFLAGS = $(api_ldflags)
api_iteration_next_SOURCES = test/api/api_iteration_next.c $(api_shared)
api_iteration_next_LDADD = lib/libcpg.la
api_iteration_next_LDFLAGS = $(api_ldflags)
api_join_SOURCES = test/api/api_join.c $(api_shared)
api_join_LDADD = lib/libcpg.la
api_join_LDFLAGS = $(api_ldflags)
api_large_senders_SOURCES = test/api/api_large_senders.c $(api_shared)
api_large_senders_LDADD = lib/libcpg.la
api_large_senders_LDFLAGS = $(api_ldflags)
api_leave_SOURCES = test/api/api_leave.c $(api_shared)
api_leave_LDADD = lib/libcpg.la
api_leave_LDFLAGS = $(api_ldflags)
api_local_get_SOURCES = test/api/api_local_get.c $(api_shared)
api_local_get_LDADD = lib/libcpg.la
api_local_get_LDFLAGS = $(api_ldflags)
api_many_members_SOURCES = test/api/api_many_members.c $(api_shared)
api_many_members_LDADD = lib/libcpg.la
api_many_members_LDFLAGS = $(api_ldflags)
api_max_atomic_msgsize_get_SOURCES = test/api/api_max_atomic_msgsize_get.c $(api_shared)
api_max_atomic_msgsize_get_LDADD = lib/libcpg.la
api_max_atomic_msgsize_get_LDFLAGS = $(api_ldflags)
api_mcast_joined_SOURCES = test/api/api_mcast_joined.c $(api_shared)
api_mcast_joined_LDADD = lib/libcpg.la
api_mcast_joined_LDFLAGS = $(api_ldflags)
api_membership_get_SOURCES = test/api/api_membership_get.c $(api_shared)
api_membership_get_LDADD = lib/libcpg.la
api_membership_get_LDFLAGS = $(api_ldflags)
api_memory_SOURCES = test/api/api_memory.c $(api_shared)
api_memory_LDADD = lib/libcpg.la
api_memory_LDFLAGS = $(api_ldflags)
api_model_initialize_SOURCES = test/api/api_model_initialize.c $(api_shared)
api_model_initialize_LDADD = lib/libcpg.la
api_model_initialize_LDFLAGS = $(api_ldflags)
api_random_sizes_SOURCES = test/api/api_random_sizes.c $(api_shared)
api_random_sizes_LDADD = lib/libcpg.la
api_random_sizes_LDFLAGS = $(api_ldflags)
api_threads_SOURCES = test/api/api_threads.c $(api_shared)
api_threads_LDADD = lib/libcpg.la
api_threads_LDFLAGS = $(api_ldflags)
api_zcb_alloc_SOURCES = test/api/api_zcb_alloc.c $(api_shared)
api_zcb_alloc_LDADD = lib/libcpg.la
api_zcb_alloc_LDFLAGS = $(api_ldflags)
api_zcb_free_SOURCES = test/api/api_zcb_free.c $(api_shared)
api_zcb_free_LDADD = lib/libcpg.la
api_zcb_free_LDFLAGS = $(api_ldflags)
api_zcb_mcast_joined_SOURCES = test/api/api_zcb_mcast_joined.c $(api_shared)
api_zcb_mcast_joined_LDADD = lib/libcpg.la
api_zcb_mcast_joined_LDFLAGS = $(api_ldflags)
api_zcb_mcast_async_SOURCES = test/api/api_zcb_mcast_async.c $(api_shared)
api_zcb_mcast_async_LDADD = lib/libcpg.la
api_zcb_mcast_async_LDFLAGS = $(api_ldflags)
api_zcb_wait_SOURCES = test/api/api_zcb_wait.c $(api_shared)
api_zcb_wait_LDADD = lib/libcpg.la
api_zcb_wait_LDFLAGS = $(api_ldflags)

fault_ipc_shared = test/fault/fault_ipc.h test/fault/fault_ipc_ringed.c test/fault/fault_ipc_wire.c $(api_shared)
check_PROGRAMS += fault_ipc cpghostile
fault_ipc_SOURCES = test/fault/fault_ipc.c test/fault/fault_ipc_rings.c test/fault/fault_ipc_segments.c $(fault_ipc_shared)
fault_ipc_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS)
fault_ipc_LDADD = lib/libcpg.la $(LIBQB_LIBS)
fault_ipc_LDFLAGS = $(api_ldflags)
# test_hostile_client.sh runs this one
cpghostile_SOURCES = test/fault/cpghostile.c test/fault/hostile.h test/fault/hostile_requests.c $(fault_ipc_shared)
cpghostile_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS)
cpghostile_LDADD = lib/libcpg.la $(LIBQB_LIBS)
cpghostile_LDFLAGS = $(api_ldflags)

TESTS += test/api/coverage test/api/pkgconfig
EXTRA_DIST += test/api/run-api test/api/coverage test/api/pkgconfig test/cluster/test_api.sh
