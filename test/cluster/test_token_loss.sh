#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The token is lost while a client sends as fast as it goes: when the engine's backlog is full it gets CS_ERR_TRY_AGAIN, the daemon's
# memory stays within what the backlog and the receivers' queues allow, and afterwards nothing that was accepted is missing or out of
# order. Once the other daemons are paused, once the network is cut.
# CPG_LONG=1: five times each.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: the limits are those of our engine"
	exit 0
}

# What node 1's daemon may need more than before that traffic, in MiB: the backlog (4), what is with totem (2), here and there,
# a receiver's queue (client_queue: 4) and what was on its way when it became full (6), and what malloc keeps (12). Totem keeps some of
# the old ring's messages at each change of the ring for ever, with stock's engine too, up to 4 each under such load.
MORE=$((4 + 2 * 2 + 4 + 6 + 12))
MORE_EACH_RING=4
TRIES=0
STATUSES=0

# Prints a number that grows with each line of that kind.
lines()
{
	node_log 1 | grep -Ec -e "$1"
}

more_lines()
{
	(($(lines "$1") > $2))
}

# A client of node 1 can't send.
is_refused()
{
	TRIES=$((TRIES + 1))
	client_say one "try $TRIES 64"
	client_wait one "^tried $TRIES "
	client_has one "^tried $TRIES sent 0 refused $TRIES\$"
}

can_send()
{
	! is_refused
}

is_told()
{
	client_say one status
	client_wait one "^status $((++STATUSES)) "
	[[ ${CPG_LIB:-ours} != ours ]] || client_has one "^status $STATUSES .* flow enabled\$"
}

# KEY: KiB of node 1's daemon
memory()
{
	sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$(node_pid 1)/status"
}

memory_check()
{
	local more=$(($(memory VmHWM) - MEMORY_BEFORE)) rings
	rings=$(lines 'A new membership')
	echo "node 1 needed at most $more KiB more, $rings rings"
	((more <= (MORE + rings * MORE_EACH_RING) * 1024)) || fail "node 1 needed $more KiB more"
}

# COMMAND ...: the token is lost by it. When node 1 has noticed, and until it has a ring of its own, the backlog is full.
lose_token()
{
	local lost rings refused=0
	lost=$(lines 'A processor failed')
	rings=$(lines 'A new membership')
	"$@"
	wait_until 30 more_lines 'A processor failed' "$lost" || fail "node 1 does not notice that the token is lost"
	while ((refused < 5)) && is_refused && is_told && ! more_lines 'A new membership' "$rings"; do
		refused=$((refused + 1))
	done
	((refused == 5)) || more_lines 'A new membership' "$rings" || client_fail one "could send without a token, or was not told"
	((refused > 0)) || fail "node 1 had a ring of its own before a client could try"
	nodes_wait_ring "1"
	wait_until 30 can_send || client_fail one "can't send though node 1 has a ring of its own"
	memory_check
}

pause_others()
{
	node_pause 2
	node_pause 3
}

resume_others()
{
	node_resume 2
	node_resume 3
}

# COMMAND ...: it comes back by that.
all_back()
{
	"$@"
	nodes_wait_ring "1 2 3"
	wait_until 30 can_send || client_fail one "can't send though all are back"
	verify_wait_flow
	memory_check
}

cluster_init --nodes 3
cluster_conf crypto=nss token=3000 service='	client_queue: 4M'
cluster_boot ours
client_start one 1 other
MEMORY_BEFORE=$(memory VmRSS)
VERIFY_NODES="2 3"
verify_start --rate 50
verify_add 1 --window 0 --size 16-60000
verify_wait_flow
rounds=${CPG_LONG:+5}
for ((round = 1; round <= ${rounds:-1}; round++)); do
	step "the other daemons are paused"
	lose_token pause_others
	all_back resume_others
	step "the network is cut"
	lose_token partition "1" "2" "3"
	all_back heal
done
verify_stop
verify_verdict
! grep -Eh 'gap: |disconnecting' "$CLUSTER_DIR"/n?/log/corosync.log || fail "see these lines of the logs"
exit 0
