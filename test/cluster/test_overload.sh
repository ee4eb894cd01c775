#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Clients with stock's library send more than totem takes, for as long as they like. What waits in the daemon is bounded, also for one that
# comes while nothing more is accepted; each of them goes on; and what a client with rings sends beside them gets through, too.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/usage.sh"

[[ ${CPG_ENGINE:-ours} == ours && ${CPG_LIB:-ours} == ours ]] || {
	echo "nothing to do: the senders have both libraries, and stock's engine is not what is tested"
	exit 0
}

SIZE=8000
ENDLESS=1000000000
MORE=500
# KiB: what may wait (4 MiB), and be on its way (0.5), what is not yet read of all that came back, for each client (1 MiB), and what malloc keeps.
RSS_MORE=$((32 * 1024))
declare -A STATUSES
REFUSALS=0

# NAME: how often it was told to try again.
refusals()
{
	STATUSES[$1]=$((${STATUSES[$1]:-0} + 1))
	client_say "$1" status
	client_wait "$1" "^status ${STATUSES[$1]} "
	REFUSALS=$(client_output "$1" | sed -n "s/^status ${STATUSES[$1]} .* refused \([0-9]*\) .*/\1/p")
}

# NAME BEFORE
refused_more()
{
	refusals "$1"
	((REFUSALS > $2))
}

# NAME COUNT: it got so many of its own messages, and meanwhile the daemon did not grow.
got_own()
{
	local more=$(($(usage_memory 1 VmRSS) - RSS))
	((more <= RSS_MORE)) || fail "corosync has $more KiB more than before"
	(($(client_count "$1" "^message [^ ]* $(client_id "$1") ") >= $2))
}

wait_own()
{
	wait_until 60 got_own "$1" "$2" || fail "client $1 got no $2 messages of its own: they are not sent, or wait for ever"
}

# While nothing more is accepted, of this one neither. As soon as it is there it tries to send 80 MB: who waits until it sees itself in its
# group comes to that when all may send again.
come_and_send()
{
	local sent
	CPG_LIB=stock node_spawn 1 cpgclient late <<<"try 10000 $SIZE" >"$CLUSTER_DIR/late.out" 2>&1
	! wait_until 3 process_ended "$SPAWN_PID" || fail "it was let in: $(<"$CLUSTER_DIR/late.out")"
	node_resume 2
	node_resume 3
	wait_gone 60 "$SPAWN_PID" || fail "it ended with status $?: $(<"$CLUSTER_DIR/late.out")"
	sent=$(sed -n 's/^tried 10000 sent \([0-9]*\) .*/\1/p' "$CLUSTER_DIR/late.out")
	echo "$sent of its 10000 messages were accepted"
	((sent < 3000)) || fail "that is more than may wait"
}

cluster_init --nodes 3
cluster_conf token=15000 service='	client_queue: 1M'
cluster_boot
CPG_LIB=stock client_start one 1 one
client_start rings 1 rings
RSS=$(usage_memory 1 VmRSS)

step "one sends without end"
client_say one "fill $ENDLESS $SIZE"
wait_own one "$MORE"
node_pause 2
node_pause 3
refusals one
wait_until 10 refused_more one "$((REFUSALS + 10))" || fail "there is no overload"

step "another one comes, and sends at once"
come_and_send
wait_own one $((2 * MORE))

step "one with rings, beside them"
client_say rings "fill $MORE 100"
wait_own rings "$MORE"
echo "corosync: $(($(usage_memory 1 VmRSS) - RSS)) KiB more than before"
exit 0
