#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The relay between the nodes delays and reorders what they send, as it is told, and nothing once they are healed; a ring forms over
# it. Of delays only lower bounds are asked: a loaded machine may add to them, not take away.
. "$(dirname "$0")/cluster.sh"

PORT=7000
COUNT=200 # a receiver that sleeps all the while has room for them

# Echoes of COUNT datagrams: BACK, OVERTAKEN, FASTEST (ms)
ask()
{
	local said
	said=$(node_run 1 cpgprobe ask "$(node_ip 2)" "$PORT" "$COUNT") || fail "no datagram came back"
	echo "    $said"
	read -r BACK OVERTAKEN FASTEST <<<"$(sed -n 's/.* back \([0-9]*\) overtaken \([0-9]*\) fastest \([0-9]*\)$/\1 \2 \3/p' <<<"$said")"
}

cluster_init --nodes 3 --relay 7
node_spawn 2 cpgprobe echo "$(node_ip 2)" "$PORT" >"$CLUSTER_DIR/echo"
require wait_until 30 grep -q ready "$CLUSTER_DIR/echo"

step "nothing is delayed yet"
ask
((BACK == COUNT && OVERTAKEN == 0)) || fail "the relay loses or reorders datagrams unasked"
(($(relay_count delayed) + $(relay_count held) == 0)) || fail "it delays unasked"
(($(relay_count forwarded) >= 4 * COUNT)) || fail "datagrams pass beside it"

step "delay"
packet_delay 40 20
ask
((BACK == COUNT && OVERTAKEN == 0)) || fail "a delay alone loses or reorders datagrams"
((FASTEST >= 80)) || fail "a datagram was faster than the delay"
(($(relay_count held) == 0)) || fail "it holds frames unasked"

step "reordering"
packet_delay 10 0 20
ask
((BACK == COUNT)) || fail "reordering loses datagrams"
((OVERTAKEN > 0)) || fail "no datagram was overtaken"
((FASTEST >= 20)) || fail "a datagram was faster than the delay"

step "heal"
heal
ask # behind it nothing is late any more
delayed=$(relay_count delayed)
ask
((BACK == COUNT && OVERTAKEN == 0)) || fail "datagrams are lost or overtaken after the nodes were healed"
(($(relay_count delayed) == delayed)) || fail "frames are still delayed"

step "a ring"
cluster_boot
packet_delay 10 10 10
partition "1 2" 3
nodes_wait_ring "1 2"
heal
nodes_wait_ring "1 2 3"
(($(relay_count dropped) == 0)) || echo "    frames dropped: $(relay_count dropped)"
exit 0
