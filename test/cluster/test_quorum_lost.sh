#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Without quorum CPG goes on: messages, joins and leaves work on the node that is alone.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

quorate()
{
	[[ $(node_enter "$1" timeout 5 corosync-quorumtool -s 2>/dev/null | awk '$1 == "Quorate:" { print $2 }') == "$2" ]]
}

cluster_init --nodes 3
cluster_conf crypto=nss quorum=votequorum
cluster_boot
for n in 1 2 3; do
	wait_until 20 quorate "$n" Yes || fail "node $n is not quorate at the start"
done
client_start one 1 group
client_start three 3 group
clients_agree one three

step "node 3 alone"
partition "1 2" "3"
nodes_wait_ring "3"
wait_until 20 quorate 3 No || fail "node 3 still has quorum"
clients_agree three
clients_barrier three three

step "join, multicast and leave without quorum"
client_start late 3 group
clients_agree three late
clients_barrier late three late
client_say late leave
client_wait three "left $(client_id late):leave"
client_say late quit
client_end late
quorate 3 No || fail "node 3 got quorum from somewhere"

step "heal"
heal
nodes_wait_ring "1 2 3"
wait_until 20 quorate 3 Yes || fail "node 3 did not get its quorum back"
clients_agree one three
clients_barrier three one three
exit 0
