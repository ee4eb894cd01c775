#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A daemon that is stopped past the token timeout and goes on: its clients hear NODEDOWN and then NODEUP of all peers and never
# leave themselves; a client of it that died meanwhile is gone everywhere.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

# NODEDOWN of the peer must come before its NODEUP, at a client that was there all the time.
down_then_up()
{
	client_output "$1" | awk -v id="$2" '
		/^confchg/ && index($0, id ":nodedown") { down = 1 }
		/^confchg/ && index($0, id ":nodeup") && down { up = 1 }
		END { exit !up }' || client_fail "$1" "wants nodedown, then nodeup of $2"
}

cluster_init --nodes 3
cluster_conf crypto=nss
cluster_boot

client_start one 1 group
client_start two 2 group
client_start stays 3 group
client_start dies 3 group
clients_agree one two stays dies

step "pause node 3, kill one of its clients"
node_pause 3
nodes_wait_ring "1 2"
clients_agree one two
dead=$(client_id dies)
client_kill dies

step "resume"
node_resume 3
nodes_wait_ring "1 2 3"
clients_agree one two stays
clients_barrier stays one two stays
clients_barrier one one two stays

down_then_up stays "$(client_id one)"
down_then_up stays "$(client_id two)"
down_then_up one "$(client_id stays)"
down_then_up two "$(client_id stays)"
client_has stays "left .*$(client_id stays):" && client_fail stays "saw itself leave"
[[ $(client_count stays "left .*$dead:procdown") == 1 ]] || client_fail stays "wants one procdown of $dead"
exit 0
