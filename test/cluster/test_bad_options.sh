#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A wrong line in the service section: corosync does not start, and says which line is wrong and what may be there.
. "$(dirname "$0")/cluster.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: the section is that of our engine"
	exit 0
}

# LINE WORD ...
refused()
{
	local line=$1 word status=0
	shift
	step "$line"
	cluster_conf service="	$line"
	node_boot 1 ours
	wait_gone 20 "$(node_pid 1)" || status=$?
	((status == 8)) || fail "'$line': corosync ended with status $status"
	for word; do
		grep -qF -e "$word" "$CLUSTER_DIR/n1/stderr" || fail "'$line': not a word about '$word': $(cat "$CLUSTER_DIR/n1/stderr")"
	done
}

# LINE: it is taken.
taken()
{
	step "$1"
	cluster_conf service="	$1"
	node_boot 1 ours
	node_wait_up 1
	node_stop 1
}

cluster_init --nodes 1
refused "wire: own" "option wire: 'own' is neither auto nor stock"
refused "wire: Stock" "option wire: 'Stock' is neither auto nor stock"
refused "message_max: 1025M" "option message_max: '1025M' is not a number from 1048576 to 1073741824"
refused "message_max: 1023K" "option message_max: '1023K' is not a number"
refused "message_max: 1MB" "option message_max: '1MB' is not a number"
refused "message_most: 1M" "unknown option 'message_most'" "message_max" "wire"
refused "queue_total: 32M" "option queue_total must not be less than client_queue"
refused $'queue_total: 100M\n\tmessage_max: 64M' "option queue_total must not be less than twice message_max"
taken "message_max: 1024m"
taken "wire: auto"
exit 0
