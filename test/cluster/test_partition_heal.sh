#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A 3+1 partition and its heal: per ring at most one leave and one join confchg for a group, and one view at the end.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

# A membership change may take more than one ring, so the rule is checked per ring: a ring event ends its confchgs.
one_confchg_per_ring()
{
	client_output "$1" | awk '
		/^ring/ { down = up = 0 }
		/^confchg/ && / left .*:nodedown/ { if (++down > 1) bad = 1 }
		/^confchg/ && / joined .*:nodeup/ { if (++up > 1) bad = 1 }
		END { exit bad }' || client_fail "$1" "got a change of the ring in several confchgs"
}

cluster_init --nodes 4
cluster_conf crypto=nss
cluster_boot

step "two clients on each node"
most=(a1 b1 a2 b2 a3 b3)
for n in $CLUSTER_NODES; do
	client_start "a$n" "$n" group
	client_start "b$n" "$n" group
done
clients_agree "${most[@]}" a4 b4

for round in 1 2; do
	step "partition 3+1, round $round"
	partition "1 2 3" "4"
	nodes_wait_ring "1 2 3"
	nodes_wait_ring "4"
	clients_agree "${most[@]}"
	clients_agree a4 b4
	clients_barrier a1 "${most[@]}"
	clients_barrier a4 a4 b4

	step "heal, round $round"
	heal
	nodes_wait_ring "1 2 3 4"
	clients_agree "${most[@]}" a4 b4
	clients_barrier a4 "${most[@]}" a4 b4
	clients_barrier a1 "${most[@]}" a4 b4
done

for name in "${most[@]}" a4 b4; do
	one_confchg_per_ring "$name"
	client_has "$name" "left .*$(client_id "$name")" && client_fail "$name" "saw itself leave"
	client_has "$name" "error|procdown|garbage" && client_fail "$name" "printed what it should not"
done
exit 0
