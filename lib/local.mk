# lib: its part of the Makefile
lib_LTLIBRARIES += lib/libcpg.la
noinst_LTLIBRARIES += lib/libcpgcore.la

# Everything but the name of the server: the unit tests bring one of their own.
lib_libcpgcore_la_SOURCES = lib/lib_internal.h lib/assembly.c lib/callback.c lib/channel.c lib/clock.c lib/connection.c \
	lib/delivery.c lib/dispatch.c lib/event.c lib/flow_control.c lib/fork.c lib/fragments.c lib/gather.c lib/handle.c \
	lib/hello.c lib/instance.c lib/iteration.c lib/join.c lib/mcast.c lib/membership.c lib/segment.c lib/submission.c \
	lib/zcb.c lib/zcb_async.c lib/zcb_blocks.c lib/zcb_lookup.c lib/zcb_pool.c lib/zcb_segments.c
lib_libcpgcore_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden -pthread
lib_libcpgcore_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBQB_CFLAGS) $(CMAP_COMMON_CFLAGS)

# The version is stock's, 4.1.0: programs that were built against it find this one.
lib_libcpg_la_SOURCES = lib/server_name.c
lib_libcpg_la_CFLAGS = $(lib_libcpgcore_la_CFLAGS)
lib_libcpg_la_CPPFLAGS = $(lib_libcpgcore_la_CPPFLAGS)
lib_libcpg_la_LIBADD = lib/libcpgcore.la $(LIBQB_LIBS) $(CMAP_COMMON_LIBS)
lib_libcpg_la_LDFLAGS = $(AM_LDFLAGS) -pthread -version-info 5:0:1 \
	-Wl,--version-script=$(srcdir)/lib/libcpg.map
lib_libcpg_la_DEPENDENCIES = lib/libcpgcore.la $(srcdir)/lib/libcpg.map
EXTRA_DIST += lib/libcpg.map

pkgconfig_DATA = lib/libcpg.pc
corosyncincludedir = $(includedir)/corosync
corosyncinclude_HEADERS = include/corosync/cpg.h
