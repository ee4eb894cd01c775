# test/bench: its part of the Makefile

check_PROGRAMS += bench_clients bench_flow bench_trip
bench_shared = test/bench/bench.c test/bench/bench.h
# No wrapper scripts: bench_cpg chooses the library.
bench_ldflags = $(AM_LDFLAGS) -no-install

bench_clients_SOURCES = test/bench/bench_clients.c $(bench_shared)
bench_clients_LDADD = lib/libcpg.la
bench_clients_LDFLAGS = $(bench_ldflags)
bench_flow_SOURCES = test/bench/bench_flow.c $(bench_shared)
bench_flow_LDADD = lib/libcpg.la
bench_flow_LDFLAGS = $(bench_ldflags)
bench_trip_SOURCES = test/bench/bench_trip.c $(bench_shared)
bench_trip_LDADD = lib/libcpg.la
bench_trip_LDFLAGS = $(bench_ldflags)

EXTRA_DIST += test/bench/bench_cpg test/bench/bench_rows.sh test/bench/bench_report.sh

# As the cluster tests it runs what is installed.
bench: bench_clients bench_flow bench_trip
	CPG_PREFIX=$(prefix) CPG_LIBDIR=$(libdir) CPG_PROGRAMS=$(abs_builddir) $(top_srcdir)/test/bench/bench_cpg $(BENCH_FLAGS)
.PHONY: bench
