# test/sim: the engine over a simulated totem, and the oracle that judges

sim_oracle = test/sim/oracle.c test/sim/oracle.h test/sim/oracle_internal.h test/sim/oracle_history.c \
	test/sim/oracle_messages.c test/sim/oracle_tables.c test/sim/oracle_views.c \
	test/sim/sim_clock.c test/sim/sim_clock.h
noinst_LTLIBRARIES += libsim.la
libsim_la_SOURCES = $(sim_oracle) \
	test/sim/sim_actions.c \
	test/sim/sim_choose.c \
	test/sim/sim_client.c \
	test/sim/sim_events.c \
	test/sim/sim_executive.c \
	test/sim/sim_inject.c \
	test/sim/sim_memory.c test/sim/sim_memory.h test/fault/oom_functions.c \
	test/sim/sim_node.c \
	test/sim/sim_ours.c \
	test/sim/sim_payload.c test/sim/sim_payload.h \
	test/sim/sim_queue.c \
	test/sim/sim_ring.c \
	test/sim/sim_rings.c test/sim/sim_rings.h test/sim/sim_rings_read.c test/sim/sim_rings_send.c \
	test/sim/sim_rogue.c \
	test/sim/sim_schedule.c test/sim/sim_schedule.h \
	test/sim/sim_segments.c test/unit/segment_views.c test/unit/segment_views.h \
	test/sim/sim_stock.c \
	test/sim/sim_totem.c test/sim/sim_totem.h \
	test/sim/sim_world.h \
	test/sim/stock_model.c test/sim/stock_model.h
libsim_la_LIBADD = libengine_oom.la

check_PROGRAMS += sim_run sim_scale sim_oracle_selftest sim_oracle_changes_selftest sim_oracle_mixed_selftest \
	sim_totem_facts sim_stock_selftest
sim_run_SOURCES = test/sim/sim_run.c test/sim/sim_jobs.c test/sim/sim_jobs.h test/sim/sim_totals.c test/sim/sim_totals.h
sim_run_LDADD = libsim.la
sim_scale_SOURCES = test/sim/sim_scale.c
sim_scale_LDADD = libsim.la
sim_oracle_selftest_SOURCES = test/sim/sim_oracle_selftest.c test/sim/oracle_fixture.c test/sim/oracle_fixture.h
sim_oracle_selftest_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
sim_oracle_selftest_LDADD = libsim.la $(CHECK_LIBS)
sim_oracle_changes_selftest_SOURCES = test/sim/sim_oracle_changes_selftest.c test/sim/oracle_fixture.c \
	test/sim/oracle_fixture.h
sim_oracle_changes_selftest_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
sim_oracle_changes_selftest_LDADD = libsim.la $(CHECK_LIBS)
sim_oracle_mixed_selftest_SOURCES = test/sim/sim_oracle_mixed_selftest.c test/sim/oracle_fixture.c \
	test/sim/oracle_fixture.h
sim_oracle_mixed_selftest_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
sim_oracle_mixed_selftest_LDADD = libsim.la $(CHECK_LIBS)
sim_totem_facts_SOURCES = test/sim/sim_totem_facts.c test/sim/totem_fixture.c test/sim/totem_fixture.h
sim_totem_facts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
sim_totem_facts_LDADD = libsim.la $(CHECK_LIBS)
sim_stock_selftest_SOURCES = test/sim/sim_stock_selftest.c
sim_stock_selftest_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
sim_stock_selftest_LDADD = libsim.la $(CHECK_LIBS)

# The same once more, able to do without rules.
check_LTLIBRARIES += libengine_rules.la libsim_rules.la
libengine_rules_la_SOURCES = $(libengine_oom_la_SOURCES)
libengine_rules_la_CPPFLAGS = $(libengine_oom_la_CPPFLAGS) -DENGINE_RULES
libengine_rules_la_CFLAGS = $(libengine_la_CFLAGS)
libsim_rules_la_SOURCES = $(libsim_la_SOURCES)
libsim_rules_la_CPPFLAGS = $(AM_CPPFLAGS) -DENGINE_RULES
libsim_rules_la_LIBADD = libengine_rules.la
check_PROGRAMS += sim_rules
sim_rules_SOURCES = test/sim/sim_rules.c
sim_rules_CPPFLAGS = $(AM_CPPFLAGS) -DENGINE_RULES
sim_rules_LDADD = libsim_rules.la

# make fuzz-sim SEEDS=1-10000 [JOBS=4]: as many schedules as wanted, of every kind that there is.
SEEDS = 1-10000
JOBS = $$(nproc)
fuzz-sim: sim_run$(EXEEXT)
	./sim_run --any --jobs "$(JOBS)" --seeds "$(SEEDS)"
.PHONY: fuzz-sim

# make mutants [MUTANTS="NAME ..."]: engines that lack a rule (test/mutants), each of which has to be caught.
MUTANTS =
mutant_programs = sim_scale$(EXEEXT) unit_engine_sync$(EXEEXT) unit_engine_exchange$(EXEEXT) unit_engine_news$(EXEEXT) unit_engine_large$(EXEEXT) \
	unit_engine_ended$(EXEEXT)
mutants: sim_run$(EXEEXT) $(mutant_programs)
	@MUTANT_COMPILE='$(CC) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(libengine_la_CFLAGS) $(CFLAGS) -w' \
	MUTANT_MEMORY='-include $(top_srcdir)/test/fault/oom_alloc.h' MUTANT_CHECK='$(CHECK_LIBS)' \
	MUTANT_LINK='$(CC) $(AM_LDFLAGS) $(LDFLAGS)' MUTANT_OBJECTS='$(sim_run_OBJECTS)' \
		JOBS="$(JOBS)" $(srcdir)/test/sim/mutants $(srcdir) $(MUTANTS)
.PHONY: mutants
EXTRA_DIST += test/sim/mutants test/mutants

sim_tests = test/sim/sim_any.test test/sim/sim_storms.test test/sim/sim_large.test test/sim/sim_memory.test \
	test/sim/sim_losses.test test/sim/sim_needed.test
EXTRA_DIST += $(sim_tests)
TESTS += sim_oracle_selftest sim_oracle_changes_selftest sim_oracle_mixed_selftest sim_totem_facts sim_stock_selftest \
	$(sim_tests)
