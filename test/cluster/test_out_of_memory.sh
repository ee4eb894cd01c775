#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The engine of a node gets no memory, now and then or not at all: its clients get errors or are disconnected, and the log says why; it
# lives, clients of other nodes notice nothing, and when there is memory again all is well.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/usage.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: it is our engine that gets no memory"
	exit 0
}

# Those of these clients that still run: ALIVE. The others heard of it, or saw an error; none of them crashed.
who_lives()
{
	local name status
	ALIVE=()
	for name; do
		if ! process_ended "${CLIENT_PID[$name]}"; then
			ALIVE+=("$name")
			continue
		fi
		status=0
		wait "${CLIENT_PID[$name]}" || status=$?
		[[ $status == 1 || $status == 3 ]] || client_fail "$name" "ended with status $status"
		client_has "$name" '^(disconnected|error)' || client_fail "$name" "ended without a word"
	done
	echo "still there: ${ALIVE[*]:-none}"
}

# COUNT: the log said it more often than that, or there is nobody any more who could.
memory_is_short_or_gone()
{
	! node_alive 1 || (($(node_log 1 | grep -c 'out of memory') > $1))
}

# Nodes 1 and 2 have traffic while of node 1's allocations each $1-th fails, until the log says so.
run_short_of_memory()
{
	local name said
	said=$(node_log 1 | grep -c 'out of memory')
	node_world 1 "$1" 0
	for name in one two three; do
		client_say "$name" "fill 20000 2000"
	done
	wait_until 60 memory_is_short_or_gone "$said" || fail "the log does not say that memory is short"
	node_alive 1 || fail "corosync is gone"
	client_wait three "^filled " 120
	node_world 1 0 0
	! process_ended "${CLIENT_PID[three]}" || client_fail three "ended for another node's lack of memory"
	who_lives one two
}

cluster_init --nodes 2
cluster_conf crypto=nss token=15000
node_world 1 0 0
cluster_boot
usage_note 1

for each in 50 1; do
	step "one of $each allocations fails"
	client_start one 1 group
	client_start two 1 group
	client_start three 2 group
	clients_agree one two three
	run_short_of_memory "$each"
	clients_agree "${ALIVE[@]}" three
	clients_barrier three "${ALIVE[@]}" three
	for name in "${ALIVE[@]}" three; do
		client_say "$name" quit
		client_end "$name"
	done
	usage_back 1
done

step "no memory for who comes"
node_world 1 1 0
status=0
node_run 1 cpgclient --initialize </dev/null || status=$?
((status != 0 && status < 128)) || fail "a client was served without memory, or crashed: status $status"
node_world 1 0 0
usage_back 1

step "there is memory again"
verify_start
verify_wait_flow
verify_stop
verify_verdict
usage_back 1
exit 0
