# test/bench: its part of the Makefile

check_PROGRAMS += bench_flow
bench_flow_SOURCES = test/bench/bench_flow.c
bench_flow_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_flow_LDADD = lib/libcpg.la
EXTRA_DIST += test/bench/bench_cpg
