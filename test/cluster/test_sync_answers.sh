#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# While a sync does not come to its end, because a node stopped in the middle of it, our engine answers: node id, members, iterations.
# What is sent and who joins meanwhile is taken, and comes behind it.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/sync.sh"

cluster_init --nodes 3
cluster_conf token=15000
node_boot 1 ours
node_boot 2 ours
nodes_wait_ring "1 2"
client_start one 1 group
client_start two 2 group
client_start short 1 group
clients_agree one two short

step "stop node 3 in the middle of a sync"
sync_hold ours

step "ask"
client_say one members
client_wait one "^asked 1 members" 5
for name in one two short; do
	client_has one "^asked 1 members .*$(client_id "$name")( |\$)" || client_fail one "misses $name"
done
[[ $(node_groups 1 | grep -c '^group|') == 3 ]] || fail "cpgtool wants three members: $(node_groups 1)"

step "send, and die: what was taken comes"
# With stock's library what lies in the connection is gone with the client.
if [[ ${CPG_LIB:-ours} == ours ]]; then
	client_send_and_die short 2000 1000
else
	client_kill short
	CLIENT_SENT=0
fi

step "send, and join"
client_say one "send meanwhile"
mkfifo "$CLUSTER_DIR/late.in" || fail "no fifo"
exec {late_in}<>"$CLUSTER_DIR/late.in"
node_spawn 1 cpgclient group <&"$late_in" >"$CLUSTER_DIR/late.out" 2>&1
late=1:$SPAWN_PID
wait_until 5 grep -q '^up 1 ' "$CLUSTER_DIR/late.out" || fail "who came in the middle is not there: $(cat "$CLUSTER_DIR/late.out")"
! sync_over || fail "the sync was over too early: the test proves nothing"
! client_has one "^message .* meanwhile\$" || client_fail one "got a message in the middle of a sync"

step "let node 3 go on"
node_resume 3
client_wait one "^message .* $(client_id one) meanwhile\$" 60
client_wait two "^message .* $(client_id one) meanwhile\$" 60
client_got_all one two short "$CLIENT_SENT"
client_wait one "^confchg .* joined .*$late:join( |\$)" 60
! client_has one "^error" || client_fail one "got an error"
exit 0
