#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that does nothing takes at most a tenth of the shared memory that it takes with stock's engine and library.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

[[ ${CPG_ENGINE:-ours} == ours && ${CPG_LIB:-ours} == ours ]] || {
	echo "nothing to do: only our engine and our library take less"
	exit 0
}
cluster_init --nodes 2
CLIENTS=20

shm_used()
{
	node_enter "$1" df -B1 --output=used /dev/shm | tail -n 1
}

# NODE LIBRARY: sets EACH, bytes a client. Each is in a group of its own.
measure()
{
	local before i
	before=$(shm_used "$1")
	for ((i = 0; i < CLIENTS; i++)); do
		CPG_LIB=$2 client_start "idle-$1-$i" "$1" "group-$1-$i"
	done
	EACH=$((($(shm_used "$1") - before) / CLIENTS))
	echo "$2: $((EACH / 1024)) KiB each"
}

cluster_conf
cluster_boot ours stock
step "$CLIENTS idle clients on each of the two"
measure 1 ours
ours=$EACH
measure 2 stock
((ours > 0 && ours * 10 <= EACH)) || fail "an idle client takes more than a tenth of what stock's takes"
exit 0
