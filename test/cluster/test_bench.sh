#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The benchmark measures and shows stock and ours, and leaves nothing behind. How fast they are is not looked at.
. "$(dirname "$0")/cluster.sh"

[[ ${CPG_ENGINE:-ours} == ours && ${CPG_LIB:-ours} == ours ]] || {
	echo "nothing to do: it chooses engines and libraries itself"
	exit 0
}

ROWS=trip,join
LABELS_MIN=6 # figures of these rows that both have

cluster_can_run
results=$(mktemp -d) || fail "no temporary directory"
trap 'rm -rf "$results"' EXIT
trap 'exit 143' TERM HUP INT

# A test that is ended takes it along; it cleans up itself. Without real-time priority, as other tests run beside it.
setpriv --pdeathsig TERM "$(dirname "$0")/../bench/bench_cpg" --rows "$ROWS" --sizes 64 --rounds 1 --seconds 1 --clients 20 \
	--sched-rr no --out "$results" &
bench=$!
wait "$bench" || fail "bench_cpg ended with status $?"

awk -F '\t' -v min="$LABELS_MIN" 'NR > 1 && $3 > 0 && $5 > 0 { both++ } END { exit both < min }' "$results/medians.tsv" ||
	fail "figures are missing: $(cat "$results/medians.tsv")"
[[ -s $results/plot.svg || -s $results/plot.txt ]] || fail "no plot"
! ip netns list | grep -q "^cpg$bench-" || fail "namespaces were left behind"
exit 0
