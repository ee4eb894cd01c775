#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The clock of the day jumps, by an hour and by months, back and forth: the engine's time goes on as it did. Nobody is evicted, slow or not,
# no ring changes, nothing is lost.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: it is our engine's clock"
	exit 0
}

rings()
{
	cat "$CLUSTER_DIR"/n?/log/corosync.log | grep -c 'A new membership'
}

# SECONDS: for the daemons of both nodes. Long enough for each timer to be looked at.
jump()
{
	step "the clock is $1 seconds off"
	node_world 1 0 "$1"
	node_world 2 0 "$1"
	verify_wait_flow
	verify_wait_flow
	verify_wait_flow
	! grep -Eh 'disconnecting process' "$CLUSTER_DIR"/n?/log/corosync.log || fail "a client was evicted"
	[[ $(rings) == "$RINGS" ]] || fail "the ring changed"
}

cluster_init --nodes 2
cluster_conf crypto=nss token=default service='	client_queue: 1M
	client_stall: 600000'
node_world 1 0 0
node_world 2 0 0
cluster_boot
client_start sender 1 group
client_start slow 2 group
clients_agree sender slow
require kill -STOP "${CLIENT_PID[slow]}"
client_say sender "fill 300 30000"
verify_start --rate 500 --size 0-2000
verify_wait_flow
RINGS=$(rings)
for seconds in 3600 -3600 0 8640000 -8640000; do
	jump "$seconds"
done
require kill -CONT "${CLIENT_PID[slow]}"
client_wait sender "^filled 300\$" 60
client_wait slow "^message .* number 300\$" 60
verify_stop
verify_verdict

step "the daemon did see the jumps"
for name in sender slow; do
	client_say "$name" quit
	client_end "$name"
done
node_stop 1
[[ $(node_log 1 | tail -n 1) != "$(date +%b) "* ]] || fail "the log has today's month: the test proves nothing"
exit 0
