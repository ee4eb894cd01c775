#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Without the key of its cluster corosync does not start, and says so, with our module as without it; nothing is left of the try.
. "$(dirname "$0")/cluster.sh"

cluster_init --nodes 1
for engine in stock ours; do
	step "$engine: no authkey"
	cluster_conf crypto=nss totem='	keyfile: /etc/corosync/nowhere'
	node_boot 1 "$engine"
	status=0
	wait_gone 20 "$(node_pid 1)" || status=$?
	said=$(cat "$CLUSTER_DIR/n1/stderr"; node_log 1)
	((status == 8)) || fail "corosync ended with status $status: $said"
	[[ $said == *'Could not open /etc/corosync/nowhere: No such file or directory'* ]] || fail "it did not say why: $said"
	[[ $(node_enter 1 find /dev/shm -type f | wc -l) == 0 ]] || fail "it left $(node_enter 1 find /dev/shm -type f)"

	step "$engine: and with it"
	cluster_conf totem=''
	node_boot 1
	node_wait_up 1
	node_stop 1
done
exit 0
