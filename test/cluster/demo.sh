#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The demo: three nodes with our module, checked traffic on all of them, one node killed and brought back, and a table.
# CPG_PREFIX: where everything is installed. CPG_DEMO_SECONDS (5): of traffic between the events.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/verify.sh"

# One line that changes, on a terminal; in a file, only what it was at the end of each phase.
progress_line()
{
	[[ -t 1 || ${2:-} == last ]] || return 0
	local n all=0 delivered line=""
	for n in $CLUSTER_NODES; do
		delivered=$(verify_delivered "$n")
		all=$((all + ${delivered:-0}))
		line+="$(printf '  node %d: %-8s' "$n" "${delivered:--}")"
	done
	printf '\r  %-28s verified%s  all: %d ' "$1" "$line" "$all"
}

watch_traffic()
{
	local end=$((SECONDS + ${CPG_DEMO_SECONDS:-5}))
	while ((SECONDS < end)); do
		progress_line "$1"
		sleep 0.5
	done
	progress_line "$1" last
	echo
}

watch_until()
{
	local title=$1
	shift
	local end=$((SECONDS + 60))
	until "$@"; do
		((SECONDS < end)) || fail "$title: not within a minute"
		progress_line "$title"
		sleep 0.3
	done
	progress_line "$title" last
	echo
}

is_up()
{
	node_answers_or_ended "$1" >/dev/null 2>&1
}

cluster_init --nodes 3
cluster_conf crypto=nss
step "three nodes: corosync as Debian ships it, knet with nss aes256/sha256, our module"
cluster_boot ours
for n in $CLUSTER_NODES; do
	echo "  node $n: $(node_log "$n" | sed -n 's/.*\(Service engine loaded: corosync closed.*\)/\1/p')"
done

step "checked traffic on all of them"
verify_start --reconnect --rate 500 --size 16-200000
verify_wait_flow
watch_traffic "three nodes"
node_kill 3
watch_until "node 3 killed" nodes_see_ring "1 2"
watch_traffic "two nodes"
node_boot 3
watch_until "node 3 boots" is_up 3
node_wait_up 3
watch_until "node 3 joins" nodes_see_ring "1 2 3"
verify_wait_flow
watch_traffic "three nodes again"
verify_stop

step "what all nodes logged, checked against virtual synchrony"
verify_verdict
