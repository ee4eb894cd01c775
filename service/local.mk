# service: its part of the Makefile

# The preloaded object runs inside programs that were built without sanitizers, and depends on libc alone.
service_LTLIBRARIES += service_loader.la
service_loader_la_SOURCES = service/loader.c service/loader.h \
	service/loader_args.c service/loader_args.h \
	service/loader_conf.c service/loader_conf.h \
	service/loader_engine.c service/loader_engine.h \
	service/loader_module.c \
	service/loader_poll.c service/loader_poll.h \
	service/loader_scan.c service/loader_scan.h \
	service/loader_wrap.c
service_loader_la_CPPFLAGS = $(AM_CPPFLAGS) -DSERVICE_DIR='"$(servicedir)"'
service_loader_la_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -fvisibility=hidden
service_loader_la_LDFLAGS = -module -avoid-version -shared

# Nothing links with the modules: libtool's descriptions of them would only be litter.
install-data-hook:
	for la in $(service_LTLIBRARIES); do rm -f "$(DESTDIR)$(servicedir)/$$la"; done
uninstall-hook:
	for la in $(service_LTLIBRARIES); do rm -f "$(DESTDIR)$(servicedir)/$${la%.la}.so"; done

# The engine: a core that knows neither corosync nor libqb's IPC, for the module and for the tests.
noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = service/engine.c service/engine.h service/engine_internal.h \
	service/engine_announce.c \
	service/engine_batches.c \
	service/engine_behind.c \
	service/engine_clients.c \
	service/engine_confchg.c \
	service/engine_deliver.c \
	service/engine_delivery.c \
	service/engine_events.c \
	service/engine_exchange.c \
	service/engine_groups.c \
	service/engine_iteration.c \
	service/engine_large.c \
	service/engine_messages.c \
	service/engine_names.c \
	service/engine_news.c \
	service/engine_outgoing.c \
	service/engine_partials.c \
	service/engine_peer.c \
	service/engine_requests.c \
	service/engine_returned.c \
	service/engine_rules.h \
	service/engine_segments.c \
	service/engine_send.c \
	service/engine_steps.c \
	service/engine_stock.c \
	service/engine_submission.c \
	service/engine_sync.c \
	service/engine_waiting.c \
	service/peer_records.c service/peer_records.h \
	service/wire_convert.c
libengine_la_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS) -fvisibility=hidden

# The module that the loader puts in place of the built-in service.
service_LTLIBRARIES += corosync_cpg.la
corosync_cpg_la_SOURCES = service/module.c \
	service/module_options.c service/module_options.h \
	service/segment.c service/segment.h \
	service/segment_guard.c service/segment_guard.h \
	service/segment_libqb.c service/segment_libqb.h
corosync_cpg_la_CFLAGS = $(AM_CFLAGS) $(LIBQB_CFLAGS) -fvisibility=hidden
corosync_cpg_la_LIBADD = libengine.la $(LIBQB_LIBS)
corosync_cpg_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
