# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Catches nodes 1 and 2 of cluster.sh in the middle of a sync, which does not end because node 3 stopped in it. They must be a ring, with a
# token timeout that is longer than what the test does meanwhile (cluster_conf token=15000).
#
#	sync_hold [ENGINE]            node 3, which does not run, comes to the ring and stops in its sync
#	sync_over                     true when node 1's last sync is over

SYNC_TRIES=20

# As soon as node 1 begins to sync with it. True: before the sync was through.
sync_hold_once()
{
	local line watch watcher
	log_watch watch "$CLUSTER_DIR/n1/log/corosync.log"
	watcher=$SPAWN_PID
	node_boot 3 "$@"
	while read -r -t 30 -u "$watch" line && [[ $line != *'A new membership ('* ]]; do
		:
	done
	node_pause 3
	log_watch_end watch "$watcher"
	[[ $line == *'A new membership ('* ]] || fail "node 3 never came to the ring"
	! wait_until 1 sync_over
}

# The last thing that node 1 said about rings is that its sync is over.
sync_over()
{
	[[ $(node_log 1 | grep -E 'A new membership|Completed service sync' | tail -n 1) == *Completed* ]]
}

sync_hold()
{
	local try
	for ((try = 1; try <= SYNC_TRIES; try++)); do
		! sync_hold_once "$@" || return 0
		node_resume 3
		nodes_wait_ring "1 2 3"
		node_stop 3
		nodes_wait_ring "1 2"
	done
	fail "node 3 never stopped in time, in $SYNC_TRIES tries"
}
