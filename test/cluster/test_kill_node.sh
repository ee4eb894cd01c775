#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of a daemon: its processes leave with NODEDOWN in one confchg per group, its clients hear of it, and
# the node comes back.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

cluster_init --nodes 3
cluster_conf crypto=nss
cluster_boot

step "two groups, two clients of each on node 3"
for group in red blue; do
	client_start "one-$group" 1 "$group"
	client_start "two-$group" 2 "$group"
	client_start "three-$group" 3 "$group"
	client_start "four-$group" 3 "$group"
	clients_agree "one-$group" "two-$group" "three-$group" "four-$group"
done

step "kill -9 of node 3"
node_kill 3
for group in red blue; do
	client_end "three-$group" 3
	client_end "four-$group" 3
	for name in "one-$group" "two-$group"; do
		client_wait_last "$name" "one-$group" "two-$group"
		[[ $(client_count "$name" ":nodedown") == 1 ]] || client_fail "$name" "wants one confchg with nodedown"
		for victim in "three-$group" "four-$group"; do
			client_has "$name" " left .*$(client_id "$victim"):nodedown" ||
				client_fail "$name" "missed the nodedown of $victim"
		done
		client_wait "$name" "^ring [0-9.]* members 1 2\$"
	done
done

step "node 3 comes back"
node_boot 3
node_wait_up 3
nodes_wait_ring "1 2 3"
for group in red blue; do
	client_start "new-$group" 3 "$group"
	clients_agree "one-$group" "two-$group" "new-$group"
	clients_barrier "new-$group" "one-$group" "two-$group" "new-$group"
	clients_barrier "one-$group" "one-$group" "two-$group" "new-$group"
done
exit 0
