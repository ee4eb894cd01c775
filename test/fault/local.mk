# test/fault: its part of the Makefile

# service/loader*: in programs that resemble an executive, and in corosync itself. What is preloaded into them, or loaded
# by them, is built without sanitizers as they are.
loader_fault_cflags = -std=gnu11 $(WARN_CFLAGS) $(LIBQB_CFLAGS)
loader_fault_module_ldflags = -module -avoid-version -shared -rpath /nowhere
loader_fault_executives = test/fault/fault_loader_executive_one test/fault/fault_loader_executive_const \
	test/fault/fault_loader_executive_two test/fault/fault_loader_executive_hidden
check_PROGRAMS += $(loader_fault_executives) test/fault/fault_loader_host
check_LTLIBRARIES += test/fault/fault_loader_module.la test/fault/fault_loader_plugin.la \
	test/fault/fault_loader_spy.la
TESTS += test/fault/fault_loader.sh test/fault/fault_loader_corosync.sh test/fault/fault_loader_live.sh
EXTRA_DIST += test/fault/fault_loader.sh test/fault/fault_loader_corosync.sh test/fault/fault_loader_live.sh \
	test/fault/fault_loader_lib.sh

test_fault_fault_loader_module_la_SOURCES = test/fault/fault_loader_module.c
test_fault_fault_loader_module_la_CFLAGS = $(loader_fault_cflags)
test_fault_fault_loader_module_la_LDFLAGS = $(loader_fault_module_ldflags)
test_fault_fault_loader_plugin_la_SOURCES = test/fault/fault_loader_plugin.c
test_fault_fault_loader_plugin_la_CFLAGS = $(loader_fault_cflags)
test_fault_fault_loader_plugin_la_LDFLAGS = $(loader_fault_module_ldflags)
test_fault_fault_loader_plugin_la_LIBADD = $(LIBQB_LIBS)
test_fault_fault_loader_spy_la_SOURCES = test/fault/fault_loader_spy.c
test_fault_fault_loader_spy_la_CFLAGS = $(loader_fault_cflags)
test_fault_fault_loader_spy_la_LDFLAGS = $(loader_fault_module_ldflags)

test_fault_fault_loader_host_SOURCES = test/fault/fault_loader_host.c
test_fault_fault_loader_host_CFLAGS = -std=gnu11 $(WARN_CFLAGS)
test_fault_fault_loader_host_LDFLAGS = -no-install
test_fault_fault_loader_executive_one_SOURCES = test/fault/fault_loader_executive.c
test_fault_fault_loader_executive_one_CFLAGS = $(loader_fault_cflags)
test_fault_fault_loader_executive_one_LDFLAGS = -no-install
test_fault_fault_loader_executive_one_LDADD = $(LIBQB_LIBS)
test_fault_fault_loader_executive_const_SOURCES = test/fault/fault_loader_executive.c
test_fault_fault_loader_executive_const_CFLAGS = $(loader_fault_cflags) -DTABLE_CONST
test_fault_fault_loader_executive_const_LDFLAGS = -no-install
test_fault_fault_loader_executive_const_LDADD = $(LIBQB_LIBS)
test_fault_fault_loader_executive_two_SOURCES = test/fault/fault_loader_executive.c
test_fault_fault_loader_executive_two_CFLAGS = $(loader_fault_cflags) -DTABLE_TWICE
test_fault_fault_loader_executive_two_LDFLAGS = -no-install
test_fault_fault_loader_executive_two_LDADD = $(LIBQB_LIBS)
test_fault_fault_loader_executive_hidden_SOURCES = test/fault/fault_loader_executive.c
test_fault_fault_loader_executive_hidden_CFLAGS = $(loader_fault_cflags) -DTABLE_HIDDEN
test_fault_fault_loader_executive_hidden_LDFLAGS = -no-install
test_fault_fault_loader_executive_hidden_LDADD = $(LIBQB_LIBS)

# service/engine*: the same sources, with allocations that can be made to fail
check_PROGRAMS += fault_oom fault_oom_views
TESTS += fault_oom fault_oom_views
noinst_LTLIBRARIES += libengine_oom.la
libengine_oom_la_SOURCES = $(libengine_la_SOURCES) test/fault/oom_alloc.h test/fault/oom_functions.h
libengine_oom_la_CPPFLAGS = $(AM_CPPFLAGS) -include $(top_srcdir)/test/fault/oom_alloc.h
libengine_oom_la_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS)
oom_fixture = test/unit/engine_fixture.c test/unit/engine_fixture.h \
	test/unit/peer_fixture.c test/unit/peer_fixture.h \
	test/unit/segment_views.c test/unit/segment_views.h \
	test/unit/transport_fixture.c test/unit/transport_fixture.h
oom_countdown = test/fault/oom_countdown.c test/fault/oom_countdown.h test/fault/oom_functions.c
fault_oom_SOURCES = test/fault/fault_oom.c $(oom_countdown) $(oom_fixture)
fault_oom_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fault_oom_LDADD = libengine_oom.la $(CHECK_LIBS)
fault_oom_views_SOURCES = test/fault/fault_oom_views.c $(oom_countdown) $(oom_fixture)
fault_oom_views_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fault_oom_views_LDADD = libengine_oom.la $(CHECK_LIBS)

# What happens to a daemon in test/cluster: preloaded, so without sanitizers
check_LTLIBRARIES += test/fault/fault_world.la
test_fault_fault_world_la_SOURCES = test/fault/fault_world.c
test_fault_fault_world_la_CFLAGS = $(loader_fault_cflags)
test_fault_fault_world_la_LDFLAGS = $(loader_fault_module_ldflags)
