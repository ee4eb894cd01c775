# test/cluster: its part of the Makefile

check_PROGRAMS += cpgclient cpgprobe cpgrelay cpgwrongpid
cpgclient_SOURCES = test/cluster/cpgclient.c
# No wrapper script: the tests choose the library.
cpgclient_LDFLAGS = $(AM_LDFLAGS) -no-install
cpgclient_LDADD = lib/libcpg.la
cpgprobe_SOURCES = test/cluster/cpgprobe.c
cpgrelay_SOURCES = test/cluster/cpgrelay.c test/cluster/relay_queue.c test/cluster/relay_queue.h
cpgwrongpid_SOURCES = test/cluster/cpgwrongpid.c
cpgwrongpid_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS)
cpgwrongpid_LDADD = $(LIBQB_LIBS)

cluster_tests = test/cluster/test_accepted.sh \
	test/cluster/test_admin_tools.sh \
	test/cluster/test_bad_options.sh \
	test/cluster/test_bench.sh \
	test/cluster/test_client_contracts.sh \
	test/cluster/test_clock_jumps.sh \
	test/cluster/test_debug_switch.sh \
	test/cluster/test_engines_and_libraries.sh \
	test/cluster/test_full_shm.sh \
	test/cluster/test_ghost.sh \
	test/cluster/test_hostile_client.sh \
	test/cluster/test_idle_memory.sh \
	test/cluster/test_ipc_socket.sh \
	test/cluster/test_kill_client.sh \
	test/cluster/test_kill_node.sh \
	test/cluster/test_large_messages.sh \
	test/cluster/test_mixed_ring.sh \
	test/cluster/test_no_authkey.sh \
	test/cluster/test_no_shared_memory.sh \
	test/cluster/test_out_of_memory.sh \
	test/cluster/test_overload.sh \
	test/cluster/test_pacemaker.sh \
	test/cluster/test_partition_heal.sh \
	test/cluster/test_pause_resume.sh \
	test/cluster/test_quorum_lost.sh \
	test/cluster/test_relay.sh \
	test/cluster/test_rolling_upgrade.sh \
	test/cluster/test_slow_receiver.sh \
	test/cluster/test_stop_in_sync.sh \
	test/cluster/test_storm.sh \
	test/cluster/test_storm_mixed.sh \
	test/cluster/test_sync_answers.sh \
	test/cluster/test_token_loss.sh \
	test/cluster/test_torture.sh \
	test/cluster/test_torture_crypto.sh \
	test/cluster/test_torture_library.sh \
	test/cluster/test_torture_mixed.sh \
	test/cluster/test_uidgid_access.sh \
	test/cluster/test_wire_formats.sh \
	test/cluster/test_wrong_pid_refused.sh
EXTRA_DIST += $(cluster_tests) test/cluster/cluster.sh test/cluster/network.sh test/cluster/client.sh test/cluster/sync.sh \
	test/cluster/usage.sh test/cluster/verify.sh test/cluster/demo.sh \
	test/cluster/storm test/cluster/storm_nodes.sh test/cluster/storm_schedule.sh test/cluster/storm_verdict.sh \
	test/cluster/torture \
	quickstart .ci/run .clang-format .clang-tidy .shellcheckrc \
	test/cppcheck.supp test/debian.sh test/excerpt.sh test/run-bare test/run-check test/run-cluster test/run-common.sh test/run-demo test/run-sum \
	test/run-tidy test/skips.txt test/valgrind.supp test/.clang-tidy

# They run what is installed, so they are no part of `make check`: ./quickstart check runs them.
list-tests:
	@for test in $(TESTS); do echo $$test; done
.PHONY: list-tests
