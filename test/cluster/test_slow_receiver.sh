#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A receiver that does not read slows the senders of its group on all nodes of a ring of ours, and nobody else; the memory of its daemon
# is bounded; when it reads again all that was accepted arrives in order. One that takes nothing for client_stall is evicted. In a ring
# with a stock node senders on its own node are slowed.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

[[ ${CPG_ENGINE:-ours} == ours && ${CPG_LIB:-ours} == ours ]] || {
	echo "nothing to do: only our library can be told, and only by our engine"
	exit 0
}

SIZE=32768
# What the receiver's daemon may need more than with an idle receiver, in KiB: client_queue (1 MiB) and what was accepted before the
# senders were told. That is, of each node with senders, what waits in the sender's blocks (SUBMISSION_BLOCKS_MAX: 2 MiB) and with the
# engine (as much as with totem: 0.5 MiB), and what is with totem (WINDOW_MAX: 0.5 MiB). And the one message by which each may be
# exceeded, copies on the way through corosync, and what malloc keeps: 8 MiB. The rings of three clients grow to 1.7 MiB: 5 MiB. A ring
# change adds nothing: who was slowed stays so on nodes that stay with the receiver's.
RSS_MORE=$(((1 + 2 * 3 + 8 + 5) * 1024))
declare -A FILLED
STATUS=""

# NAME COUNT: it sends so many messages more, as it can.
fill()
{
	FILLED[$1]=$((${FILLED[$1]:-0} + $2))
	client_say "$1" "fill $2 $SIZE"
}

filled()
{
	client_wait "$1" "^filled ${FILLED[$1]}\$" 60
}

# What the client counted, and its state: "SENT enabled", or disabled.
status()
{
	local sent flow
	client_status "$1"
	read -r _ sent _ _ _ flow <<<"$CLIENT_STATUS"
	STATUS="$sent $flow"
}

# When what another client on its node sends now has come back, nothing of NAME is on its way: if it is refused still, that is for a
# receiver's sake.
is_slowed()
{
	local other=other${CLIENT_NODE[$1]} before
	status "$1"
	before=$STATUS
	clients_barrier "$other" "$other"
	status "$1"
	[[ $STATUS == "${before%% *} enabled" ]]
}

wait_slowed()
{
	local name end=$((SECONDS + 30))
	for name; do
		until is_slowed "$name"; do
			((SECONDS < end)) || client_fail "$name" "is not slowed"
		done
	done
}

wait_not_slowed()
{
	local end=$((SECONDS + 30))
	until status "$1" && [[ $STATUS == *disabled ]]; do
		((SECONDS < end)) || client_fail "$1" "is slowed still"
	done
}

# NAME COUNT: all of so many tries are refused.
all_refused()
{
	client_say "$1" "try $2 $SIZE"
	client_wait "$1" "^tried $2 sent 0 refused $2\$" 60
}

receiver_stops()
{
	require kill -STOP "${CLIENT_PID[$1]}"
}

receiver_goes_on()
{
	require kill -CONT "${CLIENT_PID[$1]}"
}

# RECEIVER SENDER: prints the numbers of the messages that it got.
numbers()
{
	sed -n "s/^message group $(client_id "$2") number //p" "$CLUSTER_DIR/$1.out"
}

# SENDER FIRST RECEIVER ...: they get all numbers from FIRST on, in order.
got_all()
{
	local sender=$1 first=$2 name
	shift 2
	for name; do
		client_wait "$name" "^message group $(client_id "$sender") number ${FILLED[$sender]}\$" 30
		[[ $(numbers "$name" "$sender") == "$(seq "$first" "${FILLED[$sender]}")" ]] ||
			fail "$name got from $sender: $(numbers "$name" "$sender" | tr '\n' ' ')"
	done
}

nobody_evicted()
{
	! grep -Eh 'disconnecting process' "$CLUSTER_DIR"/n?/log/corosync.log || fail "a client was evicted"
}

# NODE KEY: KiB
memory()
{
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$(node_pid "$1")/status"
}

# From here on, VmHWM is the most that node 3 has needed since.
memory_watch()
{
	RSS_BEFORE=$(memory 3 VmRSS)
	echo 5 >"/proc/$(node_pid 3)/clear_refs" || fail "can't reset the peak of node 3's memory"
}

memory_check()
{
	local more=$(($(memory 3 VmHWM) - RSS_BEFORE))
	echo "node 3 needed at most $more KiB more"
	((more <= $1)) || fail "node 3 needed $more KiB more, not at most $1"
}

cluster_init --nodes 3
cluster_conf crypto=nss service='	client_queue: 1M
	client_stall: 600000'
cluster_boot ours
for n in 1 2 3; do
	client_start "sender$n" "$n" group
	client_start "other$n" "$n" other
done
client_start slow 3 group
clients_agree sender1 sender2 sender3 slow
wait_not_slowed sender1

step "the receiver stops"
memory_watch
receiver_stops slow
fill sender1 2000
fill sender2 2000
wait_slowed sender1 sender2 sender3
all_refused sender1 10000
all_refused sender3 100
memory_check $RSS_MORE

step "a sender of another group goes on"
fill other1 500
filled other1
wait_not_slowed other1
memory_check $RSS_MORE

step "cut and heal"
status sender1
before=${STATUS%% *}
partition "1 3" "2"
nodes_wait_ring "1 3"
wait_slowed sender1 sender3
wait_not_slowed sender2
heal
nodes_wait_ring "1 2 3"
wait_slowed sender1 sender2 sender3
fill sender2 500
wait_slowed sender2
memory_check $RSS_MORE
status sender1
[[ ${STATUS%% *} == "$before" ]] || node_log_has 1 'Members left:.* 3( |$)' ||
	client_fail sender1 "was not slowed all the time, though its node never was without the receiver's"

step "the receiver reads again"
nobody_evicted
receiver_goes_on slow
filled sender1
filled sender2
got_all sender1 1 slow sender1 sender3
# what it sent alone came to nobody else, but what follows came to all, in one order
clients_barrier sender2 slow sender1 sender2 sender3
for name in sender1 sender3; do
	[[ $(numbers "$name" sender2) == "$(numbers slow sender2)" ]] || fail "$name and slow got different messages of sender2"
done
[[ $(numbers slow sender2) == "$(numbers slow sender2 | sort -n -u)" ]] || fail "messages of sender2 came out of order, or twice"
[[ $(numbers slow sender2 | tail -n 500) == "$(seq $((FILLED[sender2] - 499)) "${FILLED[sender2]}")" ]] ||
	fail "messages of sender2 are missing"
for name in sender1 sender2 sender3; do
	wait_not_slowed "$name"
done
nobody_evicted

step "with a stock node in the ring: senders on its own node alone"
node_stop 2
client_end sender2 3
client_end other2 3
node_boot 2 stock
node_wait_up 2
nodes_wait_ring "1 2 3"
CPG_LIB=stock client_start sender2 2 group
CPG_LIB=stock client_start other2 2 other
FILLED[sender2]=0
receiver_stops slow
fill sender1 300
fill sender2 300
filled sender1
filled sender2
wait_slowed sender3
all_refused sender3 99
wait_not_slowed sender1
clients_barrier sender2 sender1 sender2 sender3
nobody_evicted
receiver_goes_on slow
got_all sender1 1 slow sender1 sender3
got_all sender2 1 slow sender1 sender3
wait_not_slowed sender3

step "evicted after client_stall"
node_stop 2
node_stop 3
for name in sender2 other2 sender3 other3 slow; do
	client_end "$name" 3
done
cluster_conf service='	client_queue: 1M
	client_stall: 500'
node_boot 2 ours
node_boot 3 ours
node_wait_up 2
node_wait_up 3
nodes_wait_ring "1 2 3"
client_start sender2 2 group
client_start evicted 3 group
client_start sender3 3 group
clients_agree sender1 sender2 sender3 evicted
gone=$(client_id evicted)
receiver_stops evicted
fill sender1 1000
for name in sender1 sender2 sender3; do
	client_wait "$name" "^confchg .* left $gone:procdown\$"
done
filled sender1
clients_barrier sender1 sender1 sender2 sender3
got_all sender1 $((FILLED[sender1] - 999)) sender2 sender3
wait_not_slowed sender1
[[ $(node_log 3 | grep -c 'disconnecting process') == 1 ]] || fail "not one line tells of it"
node_log_has 3 "\[CPG *\] disconnecting process ${gone#*:}: its queue is over client_queue and it took nothing" ||
	fail "no line says why it was evicted"
receiver_goes_on evicted
client_end evicted 3
client_has evicted "^disconnected\$" || fail "it does not know that it was disconnected"
exit 0
