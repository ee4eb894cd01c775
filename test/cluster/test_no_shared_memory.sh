#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Where shared memory between engine and library is not to be had all works as with a stock engine, and the log says so once. A client
# that has another /dev/shm than corosync hears what stock's library says: libqb itself can't connect it.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/usage.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours && ${CPG_LIB:-ours} == ours ]] || {
	echo "nothing to do: only our engine and our library share memory"
	exit 0
}

# PID: whether it has memory of ours mapped, or a child has that does its work.
shares_memory()
{
	local pid
	for pid in "$1" $(<"/proc/$1/task/$1/children"); do
		! grep -q '/qb-cpg-.*/ring-header' "/proc/$pid/maps" || return 0
	done
	return 1
}

said_once()
{
	(($(node_log 1 | grep -c 'no shared memory for clients') == 1)) || fail "not one line tells of it"
	node_log_has 1 'no shared memory for clients: No space left on device; without it they are slower' || fail "it does not say why"
}

# Node 1's /dev/shm takes a connection's seven files and directories more, or one with four for a segment less one; 0: no limit.
inodes_left()
{
	local limit=0
	(($1 == 0)) || limit=$(($(node_enter 1 df --output=iused /dev/shm | tail -n 1) + $1))
	require node_enter 1 mount -o "remount,nr_inodes=$limit" /dev/shm
}

# Checked traffic between both nodes; node 1's sender and receiver share no memory.
traffic_without()
{
	verify_start
	verify_wait_flow
	! shares_memory "${VERIFY_PID[1]}" || fail "node 1's cpgverify shares memory"
	shares_memory "${VERIFY_PID[2]}" || fail "node 2's cpgverify shares none"
	verify_stop
	verify_verdict
}

initialize_elsewhere()
{
	local status=0
	# shellcheck disable=SC2016
	CPG_LIB=$1 node_run 1 unshare -m --propagation private sh -c 'mount -t tmpfs none /dev/shm && cpgclient --initialize' || status=$?
	return "$status"
}

cluster_init --nodes 2
cluster_boot

step "no room for a segment's files: a connection as with stock's engine"
client_start other 2 group
inodes_left 8
client_start one 1 group
said_once
! shares_memory "${CLIENT_PID[one]}" || fail "the client shares memory"
client_say one "fill 200 100000"
client_wait one "^filled 200\$" 30
client_wait other "^message group $(client_id one) number 200\$"
clients_barrier other one other
inodes_left 8
traffic_without
said_once

step "there is room again"
inodes_left 0
client_start two 1 group
shares_memory "${CLIENT_PID[two]}" || fail "the client shares no memory"
clients_agree one two other
clients_barrier two one two other
said_once

step "another /dev/shm than corosync's"
before=$(node_enter 1 find /dev/shm | sort)
stock=0
initialize_elsewhere stock || stock=$?
ours=0
initialize_elsewhere ours || ours=$?
((stock == ours && ours != 1)) || fail "it says $ours, where stock's library says $stock"
[[ $(node_enter 1 find /dev/shm | sort) == "$before" ]] || fail "something was left in /dev/shm: $(node_enter 1 find /dev/shm)"
clients_barrier one two other

step "sockets, and /dev/shm is full"
for name in one two other; do
	client_say "$name" quit
	client_end "$name"
done
node_stop 1
cluster_conf ipc=socket
node_boot 1
node_wait_up 1
nodes_wait_ring "1 2"
shm_fill 1 65536
traffic_without
said_once
exit 0
