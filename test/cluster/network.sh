# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What is between the nodes of cluster.sh, which sources this: a bridge in the namespace cpgPID-sw, whose port nN is node N's.
# The node's end, eth0, is joined to it by a veth pair, or by two tap devices and our relay between them.
#
#	partition "1 2" "3" [...]     nodes talk inside their set only; a node in no set talks to nobody
#	packet_loss PERCENT           loses packets at random between all nodes, also inside the sets; 0: none
#	packet_delay MS [JITTER_MS [REORDER_PERCENT]]  what a node sends is MS to MS + JITTER_MS late, and so many packets twice as
#	                              much, so that those behind overtake them; only after cluster_init --relay; 0: as it comes
#	heal                          undoes all of it; what is late already comes late
#	relay_count WHAT              prints how many frames the relay has forwarded, delayed, held (so that others overtake) or dropped

NETWORK_CUT=""
NETWORK_LOSS=""
NETWORK_LATE=""
RELAY_IN=""
RELAY_OUT=""
RELAY_SAID=""

network_switch()
{
	require ip netns add "cpg$$-sw"
	in_switch ip link set lo up
	require in_switch ip link add br0 type bridge forward_delay 0 mcast_snooping 0
	require in_switch ip link set br0 up
}

in_switch()
{
	ip netns exec "cpg$$-sw" "$@"
}

# A tap's queue is long enough for what a whole ring may send at once: the relay is no link that loses packets unasked.
network_link()
{
	local n=$1 ns="cpg$$-n$1"
	if [[ -n $RELAY_IN ]]; then
		relay_say "link $ns eth0 cpg$$-sw n$n"
		require ip -n "$ns" link set eth0 txqueuelen 10000
		require in_switch ip link set "n$n" txqueuelen 10000
	else
		require ip -n "cpg$$-sw" link add "n$n" type veth peer name eth0 netns "$ns"
	fi
	require in_switch ip link set "n$n" master br0 up
	require ip -n "$ns" addr add "$(node_ip "$n")/16" dev eth0
	require ip -n "$ns" link set eth0 up
}

### The relay

network_can_relay()
{
	[[ -c /dev/net/tun ]] || skip "no tap devices on this machine (no /dev/net/tun)"
	PATH=$CLUSTER_PATH command -v cpgrelay >/dev/null || fail "no cpgrelay: set CPG_PROGRAMS"
}

network_relay()
{
	mkfifo "$CLUSTER_DIR/relay.in" "$CLUSTER_DIR/relay.out" || fail "no fifo"
	exec {RELAY_IN}<>"$CLUSTER_DIR/relay.in" {RELAY_OUT}<>"$CLUSTER_DIR/relay.out"
	(PATH=$CLUSTER_PATH with_test cpgrelay "$1") <"$CLUSTER_DIR/relay.in" >"$CLUSTER_DIR/relay.out" &
	CLUSTER_SPAWNED+=("$!")
}

relay_say()
{
	echo "$1" >&"$RELAY_IN"
	read -r -t 60 -u "$RELAY_OUT" RELAY_SAID || fail "the relay does not answer '$1'"
	[[ $RELAY_SAID == ok* ]] || fail "the relay answers '$1' with '$RELAY_SAID'"
}

relay_count()
{
	relay_say status
	sed -n "s/.* $1 \([0-9]*\).*/\1/p" <<<"$RELAY_SAID"
}

### The weather

# One transaction in the switch: all nodes are cut at the same moment, in both directions.
network_rules()
{
	in_switch nft -f - <<-RULES || fail "nft refused the rules of the switch"
		add table bridge cut
		delete table bridge cut
		table bridge cut {
			chain forward {
				type filter hook forward priority 0; policy accept;
				$NETWORK_LOSS
				$NETWORK_CUT
			}
		}
	RULES
}

partition()
{
	local set
	NETWORK_CUT=""
	for set; do
		set="n${set// /, n}"
		NETWORK_CUT+="iifname { $set } oifname { $set } accept; "
	done
	NETWORK_CUT+="drop;"
	network_rules
}

packet_loss()
{
	NETWORK_LOSS="numgen random mod 100 < $1 drop;"
	network_rules
}

packet_delay()
{
	[[ -n $RELAY_IN ]] || fail "packet_delay without cluster_init --relay"
	NETWORK_LATE="$1 ${2:-0} ${3:-0}"
	relay_say "weather $NETWORK_LATE"
}

heal()
{
	NETWORK_CUT=""
	NETWORK_LOSS=""
	network_rules
	[[ -z $NETWORK_LATE ]] || packet_delay 0
}
