#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The module's lines have the CPG label in corosync's log, and its debug lines obey that label's switch alone.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: the lines are those of our engine"
	exit 0
}
cluster_init --nodes 1

# All that is said when nothing is wrong.
unexpected_lines()
{
	node_log 1 | grep '\[CPG *\]' | grep -v '\[CPG *\] wire format: '
}

step "switched off"
cluster_conf debug=off
cluster_boot ours
client_start one 1 group
node_log_has 1 'notice *\[CPG *\] wire format: our own' || fail "no notice of the wire format"
! unexpected_lines || fail "a CPG line although nothing is wrong"
node_stop 1

step "switched on for CPG alone"
cluster_conf debug=off extra='logging {
	logger_subsys {
		subsys: CPG
		debug: on
	}
}'
node_boot 1 ours
node_wait_up 1
client_start two 1 group
wait_until 20 node_log_has 1 'debug *\[CPG *\] process [0-9]+ joins group group' || fail "no debug line of a join"
node_log_has 1 'debug *\[CPG *\] ring ' || fail "no debug line of a ring"
node_log_has 1 'debug *\[SYNC' && fail "debug lines of others"
exit 0
