# service: its part of the Makefile

# The preloaded object runs inside programs that were built without sanitizers, and depends on libc alone.
service_LTLIBRARIES += service_loader.la
service_loader_la_SOURCES = service/loader.c service/loader.h \
	service/loader_args.c service/loader_args.h \
	service/loader_conf.c service/loader_conf.h \
	service/loader_engine.c service/loader_engine.h \
	service/loader_module.c \
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
