# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Checked traffic on the nodes of cluster.sh.
#
#	verify_start OPTION ...       cpgverify run on all nodes, until verify_stop; options go to it
#	verify_add KEY OPTION ...     one more, that sends at once. KEY: the node's number where none runs, or that and a letter
#	verify_forget KEY             it ended with its daemon
#	verify_crash KEY              kill -9 of its only process; fails when it had ended by itself
#	verify_stop                   ends the traffic; every cpgverify must end well
#	verify_verdict [--stock]      the verdict over all logs must be good
#	verify_uses KEY stock|ours    true if it has that library loaded
#	verify_flows KEY              true once it has delivered something since it was asked last
#	verify_wait_flow              waits until all deliver
#
# VERIFY_LIBS: the library for each node, in order ("ours stock ours"); unset: as for node_run.
# VERIFY_NODES: where verify_start starts it; unset: on all nodes.

declare -A VERIFY_PID VERIFY_SEEN
VERIFY_RUN=0
VERIFY_STARTED=0

verify_start()
{
	local n nodes=${VERIFY_NODES:-$CLUSTER_NODES}
	VERIFY_RUN=$((VERIFY_RUN + 1))
	VERIFY_DIR=$CLUSTER_DIR/verify$VERIFY_RUN
	VERIFY_PID=()
	mkdir -p "$VERIFY_DIR"
	for n in $nodes; do
		verify_spawn "$n" "log$n" --members "$(wc -w <<<"$nodes")" "$@"
	done
}

verify_spawn()
{
	local key=$1 n=${1%%[a-z]} log=$2 libs
	shift 2
	read -ra libs <<<"${VERIFY_LIBS:-}"
	CPG_LIB=${libs[n - 1]:-${CPG_LIB:-${CPG_ENGINE:-ours}}} node_spawn "$n" cpgverify run --group "verify$VERIFY_RUN" \
		--log "$VERIFY_DIR/$log" --stop-file "$VERIFY_DIR/stop" --seconds 3600 --progress --seed "$n" "$@" \
		>"$VERIFY_DIR/out$key" 2>&1
	VERIFY_PID[$key]=$SPAWN_PID
	VERIFY_SEEN[$key]=0
}

verify_add()
{
	local key=$1
	shift
	VERIFY_STARTED=$((VERIFY_STARTED + 1))
	verify_spawn "$key" "log$key-$VERIFY_STARTED" "$@"
}

verify_forget()
{
	wait_gone 20 "${VERIFY_PID[$1]}"
	(($? != 124)) || verify_fail "$1" "does not end with its daemon"
	unset "VERIFY_PID[$1]"
}

# The process may just be on its way to a new one because the daemon died: then that one is killed. The parent ends by itself.
verify_crash()
{
	! process_ended "${VERIFY_PID[$1]}" || return
	wait_until 60 verify_killed "${VERIFY_PID[$1]}" || return
	wait "${VERIFY_PID[$1]}"
	unset "VERIFY_PID[$1]"
	grep -q 'of 1 processes 0 lost the daemon, 1 were killed, 0 ended' "$VERIFY_DIR/out$1"
}

verify_killed()
{
	process_ended "$1" && return
	pgrep -P "$1" | xargs -r kill -KILL
	return 1
}

verify_uses()
{
	grep -q "$(CPG_LIB=$2 library_path)/libcpg.so.4" "/proc/${VERIFY_PID[$1]}/maps"
}

verify_delivered()
{
	sed -n 's/.* delivered and verified \([0-9]*\).*/\1/p' "$VERIFY_DIR/out$1" | tail -n 1
}

verify_flows()
{
	local now
	now=$(verify_delivered "$1")
	((${now:-0} > VERIFY_SEEN[$1])) && VERIFY_SEEN[$1]=$now
}

verify_wait_flow()
{
	local n
	for n in "${!VERIFY_PID[@]}"; do
		wait_until "${1:-40}" process_ended_or verify_flows "$n" || verify_fail "$n" "delivers nothing"
		process_ended "${VERIFY_PID[$n]}" && verify_fail "$n" "ended early"
	done
	return 0
}

process_ended_or()
{
	process_ended "${VERIFY_PID[$2]}" || "$@"
}

verify_fail()
{
	tail -n 5 "$VERIFY_DIR/out$1"
	fail "cpgverify on node $1 $2"
}

verify_stop()
{
	local n status
	: >"$VERIFY_DIR/stop"
	for n in "${!VERIFY_PID[@]}"; do
		status=0
		wait_gone 90 "${VERIFY_PID[$n]}" || status=$?
		((status == 0)) || verify_fail "$n" "ended with status $status"
	done
}

verify_logs()
{
	find "$VERIFY_DIR" -name 'log*' | sort
}

verify_verdict()
{
	local logs
	mapfile -t logs <<<"$(verify_logs)"
	node_run 1 cpgverify verify "$@" "${logs[@]}" || fail "cpgverify found what must not be"
}
