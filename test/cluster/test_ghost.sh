#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A node that is killed while it merges leaves no ghost: every member belongs to a node of the ring. When exactly it dies is
# drawn anew each round, from the new ring to the end of the sync that follows.
# CPG_ROUNDS (6): how often.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

# Returns within a millisecond or two of the line in node 3's log: a poll would always come too late.
wait_merge()
{
	local lines tail status=0
	log_watch lines "$CLUSTER_DIR/n3/log/corosync.log"
	tail=$SPAWN_PID
	timeout 60 grep -q -m 1 'entering OPERATIONAL state' <&"$lines" || status=1
	log_watch_end lines "$tail"
	((status == 0)) || fail "node 3 does not merge"
}

# Stock up to 3.1.10 has the fault that this test is about; it keeps the ghost, so that is the end of its run.
ghost_seen()
{
	[[ ${CPG_ENGINE:-ours} == stock ]] || fail "a ghost on node $1: $(node_groups "$1")"
	step "a ghost on node $1, as this version of stock has them: $(node_groups "$1" | tr '\n' ' ')"
	return 1
}

cluster_init --nodes 3
cluster_conf crypto=nss debug=on
cluster_boot
client_start one 1 group
client_start two 2 group
clients_agree one two

for ((round = 1; round <= ${CPG_ROUNDS:-6}; round++)); do
	partition "1 2" "3"
	nodes_wait_ring "1 2"
	node_alive 3 && node_stop 3
	node_boot 3
	node_wait_up 3
	client_start "ghost$round" 3 group
	delay=$((RANDOM % 8))
	step "round $round: dies $delay ms after the ring is formed"
	heal
	wait_merge
	((delay == 0)) || sleep "0.00$delay"
	node_kill 3
	client_end "ghost$round" 3
	nodes_wait_ring "1 2"
	clients_agree one two
	clients_barrier one one two
	for n in 1 2; do
		[[ $(node_groups "$n" | wc -l) == 2 ]] || ghost_seen "$n" || break 2
	done
done
echo "merged before it died in $(client_count one " joined .*3:[0-9]*:nodeup") of $((round - 1)) rounds"
exit 0
