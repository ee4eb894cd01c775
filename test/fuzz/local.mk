# test/fuzz: its part of the Makefile

# With --enable-fuzzers they look for inputs by themselves; otherwise they play those that they are given.
fuzz_targets = fuzz_conf fuzz_events fuzz_peer fuzz_requests fuzz_rings fuzz_totem
check_PROGRAMS += $(fuzz_targets)
TESTS += test/fuzz/fuzz_corpora.sh
EXTRA_DIST += test/fuzz/fuzz_corpora.sh test/fuzz/coverage test/fuzz/corpus test/fuzz/conf.dict
if FUZZERS
fuzz_main = test/fuzz/fuzz.h
else
fuzz_main = test/fuzz/fuzz.h test/fuzz/fuzz_replay.c
endif
fuzz_memory = test/fuzz/fuzz_memory.c test/fault/oom_functions.c test/fault/oom_functions.h
# No wrapper script.
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_LDFLAGS) -no-install

fuzz_conf_SOURCES = test/fuzz/fuzz_conf.c $(fuzz_main) service/loader_conf.c service/loader_conf.h \
	service/module_options.c service/module_options.h
fuzz_conf_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS)
fuzz_conf_LDFLAGS = $(fuzz_ldflags)
fuzz_conf_LDADD = libengine.la
# The library's own sources: their allocations may fail, and its connection is the target's.
fuzz_events_SOURCES = test/fuzz/fuzz_events.c $(fuzz_memory) $(fuzz_main) lib/server_name.c $(lib_libcpgcore_la_SOURCES)
fuzz_events_CPPFLAGS = $(lib_libcpgcore_la_CPPFLAGS) -D_GNU_SOURCE= -include $(top_srcdir)/test/fault/oom_alloc.h
fuzz_events_CFLAGS = $(AM_CFLAGS) -pthread
fuzz_events_LDFLAGS = $(fuzz_ldflags) -pthread
fuzz_events_LDADD = $(LIBQB_LIBS) $(CMAP_COMMON_LIBS) -lpthread

# The fixtures of the unit tests, without libcheck.
fuzz_engine = test/fuzz/fuzz_engine.c $(fuzz_memory) test/fuzz/fuzz_engine.h test/fuzz/fuzz_check.c $(fuzz_main) \
	test/unit/engine_fixture.c test/unit/engine_fixture.h test/unit/peer_fixture.c test/unit/peer_fixture.h \
	test/unit/segment_views.c test/unit/segment_views.h test/unit/transport_fixture.c test/unit/transport_fixture.h
fuzz_peer_SOURCES = test/fuzz/fuzz_peer.c $(fuzz_engine)
fuzz_peer_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fuzz_peer_LDFLAGS = $(fuzz_ldflags)
fuzz_peer_LDADD = libengine_oom.la
fuzz_requests_SOURCES = test/fuzz/fuzz_requests.c $(fuzz_engine)
fuzz_requests_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fuzz_requests_LDFLAGS = $(fuzz_ldflags)
fuzz_requests_LDADD = libengine_oom.la
fuzz_rings_SOURCES = test/fuzz/fuzz_rings.c $(fuzz_engine)
fuzz_rings_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fuzz_rings_LDFLAGS = $(fuzz_ldflags)
fuzz_rings_LDADD = libengine_oom.la
fuzz_totem_SOURCES = test/fuzz/fuzz_totem.c $(fuzz_engine)
fuzz_totem_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fuzz_totem_LDFLAGS = $(fuzz_ldflags)
fuzz_totem_LDADD = libengine_oom.la
