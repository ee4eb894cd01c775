#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Stock and our engine, each with the stock and our library: checked traffic on three nodes, without a fault.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/verify.sh"

cluster_init --nodes 3
cluster_conf crypto=nss

for engine in stock ours; do
	cluster_boot "$engine"
	for library in stock ours; do
		step "engine $engine, library $library"
		VERIFY_LIBS="$library $library $library"
		verify_start --rate 300
		verify_wait_flow
		verify_uses 1 "$library" || fail "cpgverify did not load the library '$library'"
		verify_wait_flow
		verify_stop
		verify_verdict
	done
	step "both libraries at once"
	VERIFY_LIBS="stock ours stock"
	verify_start --rate 300
	verify_wait_flow
	verify_stop
	verify_verdict
	for n in $CLUSTER_NODES; do
		node_stop "$n"
	done
done
exit 0
