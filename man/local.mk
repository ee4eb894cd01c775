# man: its part of the Makefile

dist_man_MANS += man/cpg_context_get.3 man/cpg_context_set.3 man/cpg_dispatch.3 man/cpg_fd_get.3 \
	man/cpg_finalize.3 man/cpg_flow_control_state_get.3 man/cpg_initialize.3 man/cpg_iteration_finalize.3 \
	man/cpg_iteration_initialize.3 man/cpg_iteration_next.3 man/cpg_join.3 man/cpg_leave.3 man/cpg_local_get.3 \
	man/cpg_max_atomic_msgsize_get.3 man/cpg_mcast_joined.3 man/cpg_membership_get.3 \
	man/cpg_model_initialize.3 man/cpg_zcb_alloc.3 man/cpg_zcb_free.3 man/cpg_zcb_mcast_async.3 \
	man/cpg_zcb_mcast_joined.3 man/cpg_zcb_wait.3 \
	man/cpg_overview.3 man/cpg_overview.8 man/cpgverify.8
man8_MANS = man/corosync_cpg.8

# Names the directories that it is installed for.
man/corosync_cpg.8: $(srcdir)/man/corosync_cpg.8.in Makefile
	$(AM_V_GEN)$(MKDIR_P) man && sed -e 's|@servicedir[@]|$(servicedir)|g' -e 's|@libdir[@]|$(libdir)|g' \
		-e 's|@pkgconfigdir[@]|$(pkgconfigdir)|g' -e 's|@docdir[@]|$(docdir)|g' \
		-e 's|@VERSION[@]|$(PACKAGE_VERSION)|g' \
		$(srcdir)/man/corosync_cpg.8.in >$@-t && mv $@-t $@

EXTRA_DIST += man/corosync_cpg.8.in man/check-man.sh
CLEANFILES += man/corosync_cpg.8

# Each exported call has its page, each page its errors.
TESTS += man/check-man.sh
