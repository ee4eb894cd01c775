#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Messages of 3 to 12 MB from two nodes, small ones from the third, while nodes are cut off, paused, killed and booted: each that was
# accepted arrives once, whole and unchanged, with our library and with stock's. With a stock node in the ring nothing is changed on its
# way and no daemon dies. What is over message_max is refused.
# CPG_LONG=1: with each library on each node, and each change three times.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"
. "$(dirname "$0")/verify.sh"

[[ ${CPG_ENGINE:-ours} == ours ]] || {
	echo "nothing to do: stock's engine promises none of it"
	exit 0
}

LARGE=(--large --size 3000000-12000000 --window 20000000 --reconnect)
SMALL=(--size 16-20000 --rate 100 --reconnect)

# LIBRARY of each node
start()
{
	step "libraries $*"
	VERIFY_LIBS=$*
	VERIFY_NODES="1 2"
	verify_start "${LARGE[@]}" --members 1
	verify_add 3 "${SMALL[@]}"
	verify_wait_flow
}

# NODES ...: the rings to come.
rings()
{
	local ring
	for ring; do
		nodes_wait_ring "$ring"
	done
	verify_wait_flow
}

# RING RING: two parts, and together again.
cut_and_heal()
{
	step "cut: $*"
	partition "$@"
	rings "$@"
	heal
	rings "1 2 3"
}

pause_and_resume()
{
	step "node 2 is paused"
	node_pause 2
	nodes_wait_ring "1 3"
	node_resume 2
	rings "1 2 3"
}

# NODE RING: which is left.
kill_and_boot()
{
	step "node $1 is killed"
	node_kill "$1"
	nodes_wait_ring "$2"
	node_boot "$1"
	node_wait_up "$1"
	rings "1 2 3"
}

all_changes()
{
	local round
	for ((round = 1; round <= 3; round++)); do
		cut_and_heal "1 2" "3"
		cut_and_heal "1" "2 3"
		pause_and_resume
		kill_and_boot 1 "2 3"
		kill_and_boot 3 "1 2"
	done
}

check_limit()
{
	step "message_max"
	client_start below 1 limit
	client_start above 2 limit
	client_say below "try 1 $((16 * 1024 * 1024))"
	client_wait above "^message limit $(client_id below) number 1\$"
	client_say above "try 1 $((16 * 1024 * 1024 + 1))"
	client_end above 1
	client_has above '^error mcast 26$' || client_fail above "sent more than message_max"
	client_say below quit
	client_end below
}

# What a ring with a stock node may not do either: all but losing messages, and what comes of it.
nothing_changed()
{
	local logs
	mapfile -t logs <<<"$(verify_logs)"
	node_run 1 cpgverify verify --stock "${logs[@]}" >"$VERIFY_DIR/verdict"
	cat "$VERIFY_DIR/verdict"
	! grep -E 'VIOLATION.*(corrupt|content|fifo|stranger|order|invented)' "$VERIFY_DIR/verdict" || fail "see above"
}

lib=${CPG_LIB:-ours}
combinations=("$lib $lib stock")
[[ -z ${CPG_LONG:-} ]] || combinations+=("ours ours ours" "stock ours ours" "stock stock stock")

cluster_init --nodes 3
cluster_conf crypto=nss service='	message_max: 16M'
cluster_boot ours
check_limit
for combination in "${combinations[@]}"; do
	# shellcheck disable=SC2086 # a word for each node
	start $combination
	if [[ -n ${CPG_LONG:-} ]]; then
		all_changes
	else
		cut_and_heal "1" "2 3"
		pause_and_resume
		kill_and_boot 1 "2 3"
	fi
	verify_stop
	verify_verdict
done

step "node 3 is stock"
node_stop 3
node_boot 3 stock
node_wait_up 3
nodes_wait_ring "1 2 3"
start "$lib" stock stock
if [[ -n ${CPG_LONG:-} ]]; then
	all_changes
else
	cut_and_heal "1 2" "3"
	kill_and_boot 3 "1 2"
fi
verify_stop
nothing_changed
for n in 1 2 3; do
	node_alive "$n" || fail "the daemon of node $n died"
done
! grep -Eh 'gap: |disconnecting' "$CLUSTER_DIR"/n?/log/corosync.log || fail "see these lines of the logs"
exit 0
