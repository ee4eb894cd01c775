#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The administrator's tools work as always: cpgtool, blackbox, cmapctl's statistics, cfgtool, and both ways to shut down.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

tool()
{
	node_run "$1" timeout 30 "${@:2}"
}

daemon_options()
{
	local preload=() n=$1
	shift
	[[ ${CLUSTER_ENGINE[$n]} != ours ]] || preload=("LD_PRELOAD=$CPG_LIBDIR/corosync/service_loader.so"
		"COROSYNC_SERVICE_PATH=$CPG_LIBDIR/corosync")
	node_enter "$n" env "${preload[@]}" corosync "$@"
}

command -v qb-blackbox >/dev/null || skip "no qb-blackbox (Debian: libqb-tools)"
cluster_init --nodes 2
cluster_conf crypto=nss
cluster_boot

step "corosync -v, -t"
[[ $(daemon_options 1 -v) == "$(node_enter 1 corosync -v)" ]] || fail "corosync -v says something else"
require daemon_options 1 -t
require daemon_options 1 -t -c /etc/corosync/corosync.conf
echo "totem { version: 77 }" >"$CLUSTER_DIR/n1/etc/wrong.conf"
daemon_options 1 -t -c /etc/corosync/wrong.conf && fail "corosync -t took a wrong configuration"

step "corosync-cpgtool"
client_start one 1 red
client_start two 2 red
client_start three 2 "blue sky"
clients_agree one two
expected=$(printf '%s\n' "red|${CLIENT_PID[one]}|1" "red|${CLIENT_PID[two]}|2" "blue sky|${CLIENT_PID[three]}|2" | sort)
for n in 1 2; do
	[[ $(node_groups "$n") == "$expected" ]] || fail "cpgtool on node $n shows: $(node_groups "$n")"
	[[ $(tool "$n" corosync-cpgtool -n | grep -c -x -e 'red' -e 'blue sky') == 2 ]] ||
		fail "cpgtool -n on node $n shows: $(tool "$n" corosync-cpgtool -n)"
done

step "corosync-cmapctl, corosync-cfgtool"
statistic()
{
	tool 1 corosync-cmapctl -m stats | sed -n "s/^stats\.ipcs\.service2\.${CLIENT_PID[one]}\.[^.]*\.$1 .* = //p"
}
client_say one "fill 50 100"
client_wait one "^filled 50\$"
clients_barrier two one
# Whatever way the messages went.
(($(statistic requests) > 50)) || fail "the statistics show $(statistic requests) requests of a client that sent 50 messages"
(($(statistic dispatched) > 50)) || fail "the statistics show $(statistic dispatched) events for a client that got 51 messages"
tool 1 corosync-cmapctl -C ipc
(($(statistic requests) < 10)) || fail "the statistics show $(statistic requests) requests when they were cleared"
(($(statistic dispatched) < 10)) || fail "the statistics show $(statistic dispatched) events when they were cleared"
require tool 1 corosync-cfgtool -s >/dev/null

step "corosync-blackbox"
require tool 1 corosync-cmapctl -s runtime.blackbox.dump_flight_data str now
wait_until 20 test -n "$(ls "$CLUSTER_DIR"/n1/lib/fdata* 2>/dev/null)"
tool 1 corosync-blackbox >"$CLUSTER_DIR/blackbox" 2>&1 || fail "corosync-blackbox: $(head -n 5 "$CLUSTER_DIR/blackbox")"
clients_barrier one one two

step "shutdown by a tool"
require tool 2 corosync-cfgtool -H --force
wait_gone 30 "$(node_pid 2)" || fail "corosync on node 2 did not end cleanly"
client_end two 3
client_end three 3
clients_agree one
step "shutdown by a signal, with a client"
node_stop 1
client_end one 3
for n in 1 2; do
	node_log_has "$n" 'exiting normally' || fail "node $n says no good-bye"
	[[ -z $(node_enter "$n" sh -c 'ls /dev/shm') ]] || fail "node $n left $(node_enter "$n" ls /dev/shm) in /dev/shm"
done
exit 0
