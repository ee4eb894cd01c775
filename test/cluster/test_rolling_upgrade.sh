#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Five stock nodes become ours, one by one and under traffic, and then stock again. No client on another node gets an error; those on
# the node itself see one disconnect for each restart, and go on with the new daemon, by the library that they had. What starts
# there afterwards has the new one.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/verify.sh"

# NODE: the one that is restarted just now, or none
clients_untouched()
{
	local n
	for n in $CLUSTER_NODES; do
		[[ $n == "$1" ]] || ! client_has "on$n" '^(error|disconnected)' || client_fail "on$n" "noticed the restart of node $1"
	done
}

others()
{
	local n rest=""
	for n in $CLUSTER_NODES; do
		[[ $n == "$1" ]] || rest+="${rest:+ }$n"
	done
	echo "$rest"
}

# NODE ENGINE
replace()
{
	step "node $1 becomes $2"
	node_stop "$1"
	client_end "on$1" 3
	[[ $(client_count "on$1" '^disconnected$') == 1 ]] || client_fail "on$1" "wants one disconnect"
	client_has "on$1" '^error' && client_fail "on$1" "wants nothing but a disconnect"
	nodes_wait_ring "$(others "$1")"
	clients_untouched "$1"
	node_boot "$1" "$2"
	node_wait_up "$1"
	nodes_wait_ring "$CLUSTER_NODES"
	CPG_LIB=$2 client_start "on$1" "$1" upgrade
	clients_agree on1 on2 on3 on4 on5
	clients_barrier "on$1" on1 on2 on3 on4 on5
	verify_wait_flow
	clients_untouched none
}

# Each was restarted twice.
session_of()
{
	local said
	said=$(node_run "$1" cpgverify dump "$VERIFY_DIR/log$1")
	[[ $(grep -c '^daemon died' <<<"$said") == 2 ]] || fail "cpgverify on node $1 lost its daemon $(grep -c '^daemon died' <<<"$said") times, not 2"
	! grep '^error' <<<"$said" || fail "cpgverify on node $1 got an error"
}

# With stock nodes in the ring, messages travel in stock's format, with its known loss at merges. Where a machine is so busy that rings
# fall apart unasked, one in the middle of the next one's sync, stock loses more: then only what that can't explain is an error.
verdict()
{
	local log verdict=$CLUSTER_DIR/verdict status=0 broken=0
	for log in "$CLUSTER_DIR"/n*/log/corosync.log; do
		broken=$((broken + $(grep -c 'A processor failed' "$log")))
	done
	(verify_verdict --stock) >"$verdict" || status=$?
	cat "$verdict"
	((status == 0)) && return
	((broken > 0)) || fail "no ring fell apart, and yet cpgverify found what must not be"
	grep -Eq '^cpgverify: VIOLATION: [0-9]+ \(synchrony [0-9]+\)' "$verdict" || fail "not only messages are missing"
	echo "the rings fell apart $broken times: stock's loss"
}

cluster_init --nodes 5
cluster_conf crypto=nss
cluster_boot stock
for n in $CLUSTER_NODES; do
	CPG_LIB=stock client_start "on$n" "$n" upgrade
done
VERIFY_LIBS="stock ours stock ours stock"
verify_start --reconnect --rate 100 --size 16-5000
verify_wait_flow

for engine in ours stock; do
	for n in $CLUSTER_NODES; do
		replace "$n" "$engine"
	done
	step "all are $engine"
done
verify_stop
for n in $CLUSTER_NODES; do
	session_of "$n"
done
verdict
exit 0
