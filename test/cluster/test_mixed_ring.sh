#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two of our nodes and one stock node in one ring, the stock node last and first (where it is the ring's representative): checked
# traffic goes on while each node is restarted once, by kill -9 or cleanly.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/verify.sh"

comes_back()
{
	node_boot "$1"
	node_wait_up "$1"
	nodes_wait_ring "1 2 3"
	verify_wait_flow
}

ring_of()
{
	step "ring of $*"
	cluster_boot "$@"
	VERIFY_LIBS="ours stock ours"
	verify_start --reconnect --rate 200 --size 16-200000
	verify_wait_flow
	step "kill -9 of node 3"
	node_kill 3
	nodes_wait_ring "1 2"
	comes_back 3
	step "clean restart of node 2"
	node_stop 2
	nodes_wait_ring "1 3"
	comes_back 2
	step "kill -9 of node 1"
	node_kill 1
	nodes_wait_ring "2 3"
	comes_back 1
	verify_stop
	# Messages travel in stock's wire format here, with its known loss at merges.
	verify_verdict --stock
	for n in $CLUSTER_NODES; do
		node_stop "$n"
	done
}

cluster_init --nodes 3
cluster_conf crypto=nss
ring_of ours ours stock
ring_of stock ours ours
exit 0
