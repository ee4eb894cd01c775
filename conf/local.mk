# conf: its part of the Makefile

examplesdir = $(docdir)/examples
dist_examples_DATA = conf/corosync.conf.example conf/TUNING.md
conf_substituted = conf/corosync.default conf/corosync.service.d-cpg.conf conf/ld.so.conf.d-corosync-cpg.conf
nodist_examples_DATA = $(conf_substituted)
EXTRA_DIST += $(conf_substituted:=.in)
CLEANFILES += $(conf_substituted)

# By make, not by configure: libdir is known only here in full.
$(conf_substituted): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) conf && sed -e 's|[@]servicedir@|$(servicedir)|g' -e 's|[@]libdir@|$(libdir)|g' $< >$@
