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
MORE=3000
# KiB: what may wait (4 MiB), and be on its way (0.5), what is not yet read of all that came back, for each client (1 MiB), and what malloc keeps.
RSS_MORE=$((32 * 1024))
REFUSALS=0

# NAME: how often it was told to try again.
refusals()
{
	client_status "$1"
	read -r _ _ _ REFUSALS _ <<<"$CLIENT_STATUS"
}

# NAME BEFORE
refused_more()
{
	refusals "$1"
	((REFUSALS > $2))
}

# Too large to go on with, also where it would take all of the machine's memory before anything else shows.
grew()
{
	(($(usage_memory 1 VmRSS) - RSS > RSS_MORE))
}

own()
{
	client_count "$1" "^message [^ ]* $(client_id "$1") "
}

# NAME COUNT: it got so many of its own messages, or there is no use in waiting for them.
got_own()
{
	(($(own "$1") >= $2)) || grew
}

# NAME COUNT: so many more than now.
wait_own()
{
	local count=$(($(own "$1") + $2))
	wait_until 60 got_own "$1" "$count"
	(($(own "$1") >= count)) || grew || fail "client $1 got no $2 messages of its own: they are not sent, or wait for ever"
	! grew || fail "corosync has $(($(usage_memory 1 VmRSS) - RSS)) KiB more than before"
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
cluster_conf token=30000 service='	client_queue: 1M'
cluster_boot
for name in one two three; do
	CPG_LIB=stock client_start $name 1 $name
done
client_start rings 1 rings
RSS=$(usage_memory 1 VmRSS)

step "three send without end"
for name in one two three; do
	client_say $name "fill $ENDLESS $SIZE"
	wait_own $name 500
done
node_pause 2
node_pause 3
for name in one two three; do
	refusals $name
	wait_until 10 refused_more $name "$((REFUSALS + 10))" || fail "there is no overload"
done

step "another one comes, and sends at once"
come_and_send
for name in one two three; do
	wait_own $name 2000
done

step "one with rings, beside them"
client_say rings "fill $MORE 1000"
wait_own rings "$MORE"
echo "corosync: $(($(usage_memory 1 VmRSS) - RSS)) KiB more than before"
exit 0
