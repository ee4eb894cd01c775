#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A daemon that is stopped in the middle of a sync, or while nodes flap, ends cleanly, whatever its clients do meanwhile: no service is
# called that has gone already.
# CPG_ROUNDS (4): how often while nodes flap.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/sync.sh"

# NODE NAME: it ended with status 0, said so, and its client NAME heard of it.
stops_cleanly()
{
	node_stop "$1" 60
	client_end "$2" 3
	node_log_has "$1" 'exiting normally' || fail "node $1 says no good-bye"
	[[ -z $(node_enter "$1" ls /dev/shm) ]] || fail "node $1 left $(node_enter "$1" ls /dev/shm) in /dev/shm"
}

cluster_init --nodes 3
cluster_conf token=15000
node_boot 1
node_boot 2
nodes_wait_ring "1 2"
client_start one 1 group
client_start two 2 group
clients_agree one two

step "in the middle of a sync"
sync_hold
client_say one "fill 1000 1000"
client_say two "fill 1000 1000"
! sync_over || fail "the sync was over too early: the test proves nothing"
stops_cleanly 1 one
! sync_over || fail "the sync was over too early: the test proves nothing"
stops_cleanly 2 two
node_resume 3
node_wait_up 3
node_stop 3

cluster_conf token=1000
cluster_boot
client_start two 2 group
for ((round = 1; round <= ${CPG_ROUNDS:-4}; round++)); do
	[[ $round == 1 ]] || { node_boot 1; node_wait_up 1; }
	nodes_wait_ring "1 2 3"
	client_start one 1 group
	client_say one "fill 100000 1000"
	delay=$((RANDOM % 30))
	step "round $round: while nodes flap, $((delay * 100)) ms after the cut"
	partition "1 2" "3"
	for ((wait = 0; wait < delay; wait++)); do
		((wait != 15)) || heal
		pause_shortly
	done
	stops_cleanly 1 one
	heal
	nodes_wait_ring "2 3"
done
clients_barrier two two
exit 0
