#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# /dev/shm is full, or read-only: clients that come hear an error, the same as with stock's engine and library, and the log says why; those that
# are there go on, also with messages that their rings should grow for. With room again all is as before.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/usage.sh"

# LIBRARY: what cpg_initialize returns.
initialize()
{
	local status=0
	CPG_LIB=$1 node_run 1 timeout 20 cpgclient --initialize </dev/null >/dev/null || status=$?
	echo "$status"
}

# REGEX: clients hear an error that says what is wrong, the log has such a line.
nobody_comes()
{
	local stock ours
	stock=$(initialize stock)
	ours=$(initialize ours)
	((stock == ours && ours > 1 && ours < 124)) || fail "cpg_initialize returns $ours, where stock's library says $stock"
	node_log_has 1 "$1" || fail "the log does not say why"
	client_say one "fill 50 200000"
	client_say two "fill 50 200000"
	FILLED=$((FILLED + 50))
	client_wait one "^filled $FILLED\$" 60
	client_wait two "^filled $FILLED\$" 60
	clients_barrier one one two
	clients_barrier two one two
	clients_agree one two
}

somebody_comes()
{
	client_start "$1" 1 group
	clients_agree one two "$1"
	client_say "$1" quit
	client_end "$1"
	usage_back 1
}

cluster_init --nodes 2
cluster_conf crypto=nss
cluster_boot
require node_enter 1 mount -o remount,size=64M /dev/shm
FILLED=0
client_start one 1 group
client_start two 2 group
clients_agree one two
usage_note 1

step "/dev/shm is full"
shm_fill 1 8192
nobody_comes 'No space left on device'
shm_empty 1
somebody_comes after-full

step "/dev/shm is read-only"
shm_read_only 1
nobody_comes 'Read-only file system'
shm_writable 1
somebody_comes after-read-only

step "a daemon starts, and /dev/shm is read-only"
node_stop 2
client_end two 3
shm_read_only 2
node_boot 2
nodes_wait_ring "1 2" # no tool can ask it
clients_barrier one one
! node_enter 2 timeout 20 corosync-cmapctl >/dev/null 2>&1 || fail "a tool was served"
node_log_has 2 'Read-only file system' || fail "the log does not say why nobody is served"
shm_writable 2
node_wait_up 2
client_start again 2 group
clients_agree one again
exit 0
