# test/unit: its part of the Makefile

noinst_HEADERS += test/unit/run_suite.h

# service/loader*: what it reads, before anything of it is used
loader_unit_tests = unit_loader_args unit_loader_conf unit_loader_engine unit_loader_poll unit_loader_scan
check_PROGRAMS += $(loader_unit_tests)
TESTS += $(loader_unit_tests)
unit_loader_args_SOURCES = test/unit/unit_loader_args.c service/loader_args.c
unit_loader_args_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_loader_args_LDADD = $(CHECK_LIBS)
unit_loader_poll_SOURCES = test/unit/unit_loader_poll.c service/loader_poll.c service/loader_poll.h
unit_loader_poll_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_loader_poll_LDADD = $(CHECK_LIBS)
unit_loader_conf_SOURCES = test/unit/unit_loader_conf.c service/loader_conf.c
unit_loader_conf_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_loader_conf_LDADD = $(CHECK_LIBS)
unit_loader_engine_SOURCES = test/unit/unit_loader_engine.c service/loader_engine.c
unit_loader_engine_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_loader_engine_LDADD = $(CHECK_LIBS)
unit_loader_scan_SOURCES = test/unit/unit_loader_scan.c service/loader_scan.c
unit_loader_scan_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_loader_scan_LDADD = $(CHECK_LIBS)

# service/segment*: shared memory that a client can do anything to
check_PROGRAMS += unit_segment unit_segment_room
TESTS += unit_segment unit_segment_room
EXTRA_DIST += test/unit/valgrind.supp
segment_shared = test/unit/segment_fixture.c test/unit/segment_fixture.h service/segment.c service/segment.h \
	service/segment_guard.c service/segment_guard.h \
	service/segment_libqb.c service/segment_libqb.h
unit_segment_SOURCES = test/unit/unit_segment.c $(segment_shared)
unit_segment_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(LIBQB_CFLAGS)
unit_segment_LDADD = $(CHECK_LIBS) $(LIBQB_LIBS)
unit_segment_room_SOURCES = test/unit/unit_segment_room.c $(segment_shared)
unit_segment_room_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(LIBQB_CFLAGS)
unit_segment_room_LDADD = $(CHECK_LIBS) $(LIBQB_LIBS)

# include/cpg_ring.h: alone, and between two threads, also built with other tools and for another machine
ring_unit_scripts = test/unit/unit_ring_tsan.sh test/unit/unit_ring_arm64.sh
check_PROGRAMS += unit_ring unit_ring_bells unit_ring_moves unit_ring_litmus unit_ring_stress
TESTS += unit_ring unit_ring_bells unit_ring_moves unit_ring_litmus unit_ring_stress $(ring_unit_scripts)
EXTRA_DIST += $(ring_unit_scripts)
ring_shared = test/unit/ring_fixture.c test/unit/ring_fixture.h
unit_ring_SOURCES = test/unit/unit_ring.c $(ring_shared)
unit_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_ring_LDADD = $(CHECK_LIBS)
unit_ring_bells_SOURCES = test/unit/unit_ring_bells.c $(ring_shared)
unit_ring_bells_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_ring_bells_LDADD = $(CHECK_LIBS)
unit_ring_moves_SOURCES = test/unit/unit_ring_moves.c $(ring_shared)
unit_ring_moves_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_ring_moves_LDADD = $(CHECK_LIBS)
unit_ring_litmus_SOURCES = test/unit/unit_ring_litmus.c
unit_ring_litmus_CFLAGS = $(AM_CFLAGS) -pthread
unit_ring_litmus_LDFLAGS = $(AM_LDFLAGS) -pthread
unit_ring_stress_SOURCES = test/unit/unit_ring_stress.c
unit_ring_stress_CFLAGS = $(AM_CFLAGS) -pthread
unit_ring_stress_LDFLAGS = $(AM_LDFLAGS) -pthread

# include/cpg_copy.h
check_PROGRAMS += unit_copy
TESTS += unit_copy
unit_copy_SOURCES = test/unit/unit_copy.c
unit_copy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_copy_LDADD = $(CHECK_LIBS)

# test/cpgverify: the verifier sees each kind of violation, and the log each changed byte
cpgverify_unit_tests = unit_cpgverify_log unit_cpgverify_verify
check_PROGRAMS += $(cpgverify_unit_tests)
TESTS += $(cpgverify_unit_tests)
unit_cpgverify_log_SOURCES = test/unit/unit_cpgverify_log.c $(cpgverify_core) test/cpgverify/digest.c \
	test/cpgverify/digest.h test/cpgverify/message.c test/cpgverify/message.h
unit_cpgverify_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(NSS_CFLAGS)
unit_cpgverify_log_LDADD = $(CHECK_LIBS) $(NSS_LIBS)
unit_cpgverify_verify_SOURCES = test/unit/unit_cpgverify_verify.c $(cpgverify_core)
unit_cpgverify_verify_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_cpgverify_verify_LDADD = $(CHECK_LIBS)

# test/cluster/relay_queue: what waits on its way between two nodes
check_PROGRAMS += unit_relay_queue
TESTS += unit_relay_queue
unit_relay_queue_SOURCES = test/unit/unit_relay_queue.c test/cluster/relay_queue.c test/cluster/relay_queue.h
unit_relay_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_relay_queue_LDADD = $(CHECK_LIBS)

# service/engine*, wire_convert: the core, behind ops that record
engine_unit_tests = unit_engine_membership unit_engine_sync unit_engine_outgoing unit_engine_clients \
	unit_engine_memory unit_engine_requests unit_engine_peer unit_engine_rings unit_engine_rings_large \
	unit_engine_announce unit_engine_exchange unit_engine_news unit_engine_behind unit_engine_large \
	unit_engine_submission unit_engine_submission_lies unit_engine_ended \
	unit_engine_delivery unit_engine_golden unit_peer_records unit_wire unit_module_options
check_PROGRAMS += $(engine_unit_tests)
TESTS += $(engine_unit_tests)
noinst_LTLIBRARIES += libfixture.la
libfixture_la_SOURCES = test/unit/engine_fixture.c test/unit/engine_fixture.h test/unit/peer_fixture.c \
	test/unit/peer_fixture.h test/unit/segment_views.c test/unit/segment_views.h test/unit/transport_fixture.c \
	test/unit/transport_fixture.h
libfixture_la_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
libfixture_la_LIBADD = libengine.la $(CHECK_LIBS)
unit_engine_membership_SOURCES = test/unit/unit_engine_membership.c
unit_engine_membership_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_membership_LDADD = libfixture.la
unit_engine_sync_SOURCES = test/unit/unit_engine_sync.c
unit_engine_sync_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_sync_LDADD = libfixture.la
unit_engine_outgoing_SOURCES = test/unit/unit_engine_outgoing.c
unit_engine_outgoing_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_outgoing_LDADD = libfixture.la
unit_engine_clients_SOURCES = test/unit/unit_engine_clients.c
unit_engine_clients_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_clients_LDADD = libfixture.la
unit_engine_submission_SOURCES = test/unit/unit_engine_submission.c
unit_engine_submission_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_submission_LDADD = libfixture.la
unit_engine_submission_lies_SOURCES = test/unit/unit_engine_submission_lies.c
unit_engine_submission_lies_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_submission_lies_LDADD = libfixture.la
unit_engine_ended_SOURCES = test/unit/unit_engine_ended.c
unit_engine_ended_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_ended_LDADD = libfixture.la
unit_engine_delivery_SOURCES = test/unit/unit_engine_delivery.c
unit_engine_delivery_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_delivery_LDADD = libfixture.la
unit_engine_requests_SOURCES = test/unit/unit_engine_requests.c
unit_engine_requests_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_requests_LDADD = libfixture.la
unit_engine_peer_SOURCES = test/unit/unit_engine_peer.c
unit_engine_peer_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_peer_LDADD = libfixture.la
unit_engine_memory_SOURCES = test/unit/unit_engine_memory.c $(oom_fixture)
unit_engine_memory_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_memory_LDADD = libengine_oom.la $(CHECK_LIBS)
unit_engine_rings_SOURCES = test/unit/unit_engine_rings.c
unit_engine_rings_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_rings_LDADD = libfixture.la
unit_engine_rings_large_SOURCES = test/unit/unit_engine_rings_large.c
unit_engine_rings_large_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_rings_large_LDADD = libfixture.la
unit_engine_announce_SOURCES = test/unit/unit_engine_announce.c
unit_engine_announce_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_announce_LDADD = libfixture.la
unit_engine_news_SOURCES = test/unit/unit_engine_news.c
unit_engine_news_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_news_LDADD = libfixture.la
unit_engine_exchange_SOURCES = test/unit/unit_engine_exchange.c
unit_engine_exchange_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_exchange_LDADD = libfixture.la
unit_engine_behind_SOURCES = test/unit/unit_engine_behind.c
unit_engine_behind_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_behind_LDADD = libfixture.la
unit_engine_large_SOURCES = test/unit/unit_engine_large.c
unit_engine_large_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_large_LDADD = libfixture.la
peer_golden = test/unit/peer_golden.c test/unit/peer_golden.h
unit_engine_golden_SOURCES = test/unit/unit_engine_golden.c $(peer_golden)
unit_engine_golden_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_engine_golden_LDADD = libfixture.la
unit_peer_records_SOURCES = test/unit/unit_peer_records.c $(peer_golden)
unit_peer_records_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_peer_records_LDADD = libfixture.la
unit_wire_SOURCES = test/unit/unit_wire.c
unit_wire_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_wire_LDADD = libfixture.la
unit_module_options_SOURCES = test/unit/unit_module_options.c service/module_options.c service/module_options.h
unit_module_options_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
unit_module_options_LDADD = libfixture.la

# lib/: its parts alone, and the library against an engine that is not one
lib_unit_tests = unit_lib_parts unit_lib_calls unit_lib_connection unit_lib_delivery unit_lib_events \
	unit_lib_flow_control unit_lib_fork unit_lib_memory unit_lib_rings unit_lib_sharing unit_lib_zcb
check_PROGRAMS += $(lib_unit_tests)
TESTS += $(lib_unit_tests) test/unit/unit_lib_abi.sh
EXTRA_DIST += test/unit/unit_lib_abi.sh
lib_unit_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) $(LIBQB_CFLAGS) $(CMAP_COMMON_CFLAGS) -pthread
lib_unit_libs = lib/libcpgcore.la $(CHECK_LIBS) $(LIBQB_LIBS) $(CMAP_COMMON_LIBS) -lpthread
lib_unit_fake = test/unit/fake_engine.c test/unit/fake_engine.h test/unit/fake_events.c test/unit/fake_internal.h \
	test/unit/fake_rings.c test/unit/fake_rings.h test/unit/fake_segments.c
lib_unit_member = $(lib_unit_fake) test/unit/member_fixture.c test/unit/member_fixture.h
unit_lib_parts_SOURCES = test/unit/unit_lib_parts.c
unit_lib_parts_CFLAGS = $(lib_unit_cflags)
unit_lib_parts_LDADD = $(lib_unit_libs)
unit_lib_calls_SOURCES = test/unit/unit_lib_calls.c $(lib_unit_fake)
unit_lib_calls_CFLAGS = $(lib_unit_cflags)
unit_lib_calls_LDADD = $(lib_unit_libs)
unit_lib_connection_SOURCES = test/unit/unit_lib_connection.c $(lib_unit_member)
unit_lib_connection_CFLAGS = $(lib_unit_cflags)
unit_lib_connection_LDADD = $(lib_unit_libs)
unit_lib_delivery_SOURCES = test/unit/unit_lib_delivery.c $(lib_unit_member)
unit_lib_delivery_CFLAGS = $(lib_unit_cflags)
unit_lib_delivery_LDADD = $(lib_unit_libs)
unit_lib_events_SOURCES = test/unit/unit_lib_events.c $(lib_unit_fake)
unit_lib_events_CFLAGS = $(lib_unit_cflags)
unit_lib_events_LDADD = $(lib_unit_libs)
unit_lib_flow_control_SOURCES = test/unit/unit_lib_flow_control.c $(lib_unit_member)
unit_lib_flow_control_CFLAGS = $(lib_unit_cflags)
unit_lib_flow_control_LDADD = $(lib_unit_libs)
unit_lib_fork_SOURCES = test/unit/unit_lib_fork.c $(lib_unit_member)
unit_lib_fork_CFLAGS = $(lib_unit_cflags)
unit_lib_fork_LDADD = $(lib_unit_libs)
unit_lib_memory_SOURCES = test/unit/unit_lib_memory.c $(lib_unit_member)
unit_lib_memory_CFLAGS = $(lib_unit_cflags)
unit_lib_memory_LDADD = $(lib_unit_libs)
unit_lib_rings_SOURCES = test/unit/unit_lib_rings.c $(lib_unit_member)
unit_lib_rings_CFLAGS = $(lib_unit_cflags)
unit_lib_rings_LDADD = $(lib_unit_libs)
unit_lib_sharing_SOURCES = test/unit/unit_lib_sharing.c $(lib_unit_fake)
unit_lib_sharing_CFLAGS = $(lib_unit_cflags)
unit_lib_sharing_LDADD = $(lib_unit_libs)
unit_lib_zcb_SOURCES = test/unit/unit_lib_zcb.c $(lib_unit_member)
unit_lib_zcb_CFLAGS = $(lib_unit_cflags)
unit_lib_zcb_LDADD = $(lib_unit_libs)
