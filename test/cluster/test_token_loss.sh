#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The token is lost while a client sends as fast as it goes. When the engine's backlog is full, another client fills its own ring, and then
# gets CS_ERR_TRY_AGAIN, and is told so; the daemon's memory stays within what the backlog, the rings and the receivers' queues allow; and
# afterwards nothing that was accepted is missing or out of order. Once the other daemons are paused, once the network is cut.
# CPG_LONG=1: five times each.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: the limits are those of our engine"
	exit 0
}

# What node 1's daemon may need more than before that traffic, in MiB: what waits (4: BACKLOG_HOLD; with rings as much as may be with
# totem, 0.5, and the sender's blocks, which the daemon has mapped: SUBMISSION_BLOCKS_MAX, 2), what is with totem (0.5), here and there, a
# receiver's queue (client_queue: 4) and what was on its way when it became full (6), and what malloc and segments in part use keep
# (12), and the rings of the clients here, which grow (4). Totem keeps some of the old ring's messages at each change of the ring for ever, with stock's engine too, up to 4 each under
# such load.
MORE=$((4 + 1 + 4 + 6 + 12 + 4))
MORE_EACH_RING=4
SENT=0
FLOW=""
ACCEPTED=0

# Client one sends messages of this size. So many of them, each with a header of 8 bytes, fill its submission ring when that has grown.
SIZE=64
ROOM=$((512 * 1024 / (SIZE + 8)))

# Prints a number that grows with each line of that kind.
lines()
{
	node_log 1 | grep -Ec -e "$1"
}

more_lines()
{
	(($(lines "$1") > $2))
}

# What client one counted so far: SENT; and FLOW: enabled or disabled.
status()
{
	client_status one
	read -r _ SENT _ _ _ FLOW <<<"$CLIENT_STATUS"
}

# COUNT: it tries to send so many; of these ACCEPTED were.
tries()
{
	local before=$SENT
	client_say one "try $1 $SIZE"
	status
	ACCEPTED=$((SENT - before))
}

# Stock's library does not know.
flow_is()
{
	[[ ${CPG_LIB:-ours} != ours || $FLOW == "$1" ]]
}

is_refused()
{
	tries 10
	((ACCEPTED == 0)) && flow_is enabled
}

can_send()
{
	tries 1
	((ACCEPTED == 1)) && flow_is disabled
}

# Nothing is taken while the backlog is full. But our library has a ring for each client: it says that there is room, takes not more
# than that, and then says so.
fill_room()
{
	local least=1
	[[ ${CPG_LIB:-ours} == ours ]] || least=0
	status
	flow_is disabled && tries $((2 * ROOM)) && ((ACCEPTED >= least && ACCEPTED <= ROOM)) && flow_is enabled
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
	fill_room || more_lines 'A new membership' "$rings" ||
		client_fail one "sent $ACCEPTED without a token, where $ROOM have room, or was not told"
	while ((refused < 5)) && is_refused && ! more_lines 'A new membership' "$rings"; do
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
status
client_wait one "^message other $(client_id one) number $SENT\$"
[[ $(client_output one | sed -n "s/^message other $(client_id one) number //p") == "$(seq "$SENT")" ]] ||
	client_fail one "did not get all that it sent, in order"
! grep -Eh 'gap: |disconnecting' "$CLUSTER_DIR"/n?/log/corosync.log || fail "see these lines of the logs"
exit 0
