#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rings of ours speak our own format, rings with a stock node stock's, and so does one with a node that has `wire: stock`: each change is
# logged, and checked traffic as fast as it goes passes from one to the other without loss. Where stock's format follows on
# stock's, its known loss at merges is allowed.
# CPG_LONG=1: five times each.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: the formats are those of our engine"
	exit 0
}

OWN='our own, version [0-9]+: all [0-9]+ nodes speak it$'
WITH_4="stock's, because these nodes speak no other: 4\$"
FORCED="stock's, by the option wire\$"

last_format()
{
	node_log "$1" | sed -n 's/.*\[CPG *\] wire format: //p' | tail -n 1
}

format_is()
{
	grep -Eq -e "$2" <<<"$(last_format "$1")"
}

# NODES REGEX: it has changed on all of them, and is this now.
format_changes()
{
	local n
	for n in $1; do
		wait_until 20 format_is "$n" "$2" || fail "node $n speaks '$(last_format "$n")', not '$2'"
	done
}

# NODE: lines that say the same as the one before, in all its log.
told_twice()
{
	awk '/Corosync Cluster Engine .* starting up/ { last = "" }
		sub(/.*\[CPG *\] wire format: /, "") { sub(/: all .*/, ""); if ($0 == last) print; last = $0 }' \
		"$CLUSTER_DIR/n$1/log/corosync.log"
}

# ENGINE [OPTION]: node 4 comes, with traffic of its own.
comes()
{
	step "node 4 comes: $1 ${2:-}"
	cluster_conf service="	${2:-}"
	node_boot 4 "$1"
	node_wait_up 4
	nodes_wait_ring "1 2 3 4"
	[[ $1 == stock ]] || format_changes 4 "$FORCED"
	format_changes "1 2 3" "$WITH_4"
	verify_wait_flow
	verify_add 4 "${TRAFFIC[@]}"
	verify_wait_flow
}

# stop|kill
goes()
{
	step "node 4 goes: $1"
	"node_$1" 4
	nodes_wait_ring "1 2 3"
	format_changes "1 2 3" "$OWN"
	verify_forget 4
	verify_wait_flow
}

# Who stays with node 4 goes from stock's format to stock's, the others from stock's to ours and back.
cut_and_heal()
{
	step "cut and heal, with node 4 in one part"
	partition "1 2" "3 4"
	nodes_wait_ring "1 2"
	nodes_wait_ring "3 4"
	format_changes "1 2" "$OWN"
	verify_wait_flow
	heal
	nodes_wait_ring "1 2 3 4"
	format_changes "1 2" "$WITH_4"
	verify_wait_flow
	partition "1 2 3" "4"
	nodes_wait_ring "1 2 3"
	format_changes "1 2 3" "$OWN"
	verify_wait_flow
	heal
	nodes_wait_ring "1 2 3 4"
	format_changes "1 2 3" "$WITH_4"
	verify_wait_flow
}

no_line()
{
	local regex=$1
	shift
	! grep -Eh -m 5 -e "$regex" "$@" || fail "see these lines of the logs"
}

# As fast as it goes: something is on its way whenever a ring changes.
TRAFFIC=(--size 16-20000 --window 400000)
rounds=${CPG_LONG:+5}

cluster_init --nodes 4
cluster_conf crypto=nss
for n in 1 2 3; do
	node_boot "$n" ours
done
for n in 1 2 3; do
	node_wait_up "$n"
done
nodes_wait_ring "1 2 3"
format_changes "1 2 3" "$OWN"

VERIFY_LIBS="ours stock ours stock"
VERIFY_NODES="1 2 3"
verify_start "${TRAFFIC[@]}"
verify_wait_flow
for ((round = 1; round <= ${rounds:-1}; round++)); do
	comes stock
	goes kill
	[[ -z ${CPG_LONG:-} ]] || { comes stock && goes stop; }
	comes ours "wire: stock"
	goes stop
done
verify_stop
verify_verdict

verify_start "${TRAFFIC[@]}"
verify_wait_flow
comes stock
for ((round = 1; round <= ${rounds:-1}; round++)); do
	cut_and_heal
done
verify_stop
verify_verdict --stock

no_line 'gap: |lost between rings' "$CLUSTER_DIR"/n?/log/corosync.log
no_line 'warning *\[CPG|[Uu]nknown' "$CLUSTER_DIR/n4/log/corosync.log"
for n in $CLUSTER_NODES; do
	[[ -z $(told_twice "$n") ]] || fail "node $n logs what is no change: $(told_twice "$n")"
done
exit 0
