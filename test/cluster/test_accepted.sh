#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A message for which our library said CS_OK comes to all other members, in order, whatever becomes of its sender: killed with the next
# instruction while the daemon does not even run, or evicted, also in the middle of sending. (Killed in the middle of a sync: test_sync_answers.)
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

[[ ${CPG_ENGINE:-ours} == ours && ${CPG_LIB:-ours} == ours ]] || {
	echo "nothing to do: with others, what lies in a connection is gone with it"
	exit 0
}

TOKEN=5000 # ms: a pause is no loss of the node

# SIZE COUNT: the daemon is paused while the client sends that many messages, or as many as there is room for, and kills itself.
die_while_paused()
{
	client_start "dead$1" 1 group
	clients_agree one two "dead$1"
	client_say "dead$1" "fill 1 $1" # a large one's memory comes from the daemon
	client_wait "dead$1" "^filled 1\$"
	node_pause 1
	client_send_and_die "dead$1" "$2" "$1"
	node_resume 1
	echo "$CLIENT_SENT messages of $1 bytes were taken"
	client_got_all one two "dead$1" $((1 + CLIENT_SENT))
}

# Senders that read nothing, each in a group of its own with a reader on another node. All that they have unread is too much.
SENDERS=7

# NUMBER: the reader has all that its sender was told is accepted, and at most the one that was answered with an error, and then that it is gone.
all_came()
{
	local sender=sender$1 reader=reader$1 sent saw
	client_wait "$sender" "^tried " 30
	client_end "$sender" 3
	client_has "$sender" "^error mcast 2\$" || client_fail "$sender" "was not evicted"
	sent=$(client_output "$sender" | sed -n 's/^tried [0-9]* sent \([0-9]*\) .*/\1/p')
	client_wait "$reader" "^confchg .* left $(client_id "$sender"):procdown\$"
	saw=$(client_saw_of "$reader" "$(client_id "$sender")")
	echo "$sent messages were taken, $(wc -l <<<"$saw") lines heard"
	[[ $saw == "$(seq "$sent")"$'\n'gone || $saw == "$(seq $((sent + 1)))"$'\n'gone ]] ||
		client_fail "$reader" "lacks messages of $sender, or has others"
}

cluster_init --nodes 2
cluster_conf token=$TOKEN service='	client_queue: 1M
	client_stall: 500
	message_max: 1M
	queue_total: 4M'
cluster_boot ours
client_start one 1 group
client_start two 2 group
clients_agree one two

step "killed while its daemon is paused, with a full ring, and with full blocks"
for size in 64 1000 8192; do
	die_while_paused $size 10000
	((CLIENT_SENT < 10000)) || fail "the ring took all of them: it was never full"
done
die_while_paused 8193 100
die_while_paused 100000 9
die_while_paused 1000000 1

step "evicted"
client_start evicted 1 group
clients_agree one two evicted
client_say evicted "try 20000 1000"
client_wait evicted "^tried "
require kill -STOP "${CLIENT_PID[evicted]}"
sent=$(client_output evicted | sed -n 's/^tried 20000 sent \([0-9]*\) .*/\1/p')
echo "$sent messages were taken"
client_say two "fill 600 4000"
client_got_all one two evicted "$sent"
node_log_has 1 "\[CPG *\] disconnecting process ${CLIENT_PID[evicted]}: its queue is over client_queue and it took nothing" ||
	fail "no line says why it was evicted"
client_wait two "^filled 600\$" 30
clients_barrier two one two

step "evicted in the middle of sending, as all have too much unread"
for ((i = 1; i <= SENDERS; i++)); do
	client_start "reader$i" 2 "own$i"
	client_start "sender$i" 1 "own$i"
done
for ((i = 1; i <= SENDERS; i++)); do
	client_say "sender$i" "try 1000000000 64"
done
for ((i = 1; i <= SENDERS; i++)); do
	all_came "$i"
done
node_log_has 1 "\[CPG *\] disconnecting process [0-9]*: .*queue_total" || fail "nobody was evicted for what all have"
exit 0
