#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's pacemaker on three nodes: its daemons form a cluster, a resource runs, its node is killed, it runs on another one, the
# node comes back.
. "$(dirname "$0")/cluster.sh"

# Its daemons that talk through process groups, and these. cpgtool shows that the names have their NUL with them.
PACEMAKER_DAEMONS="pacemaker-attrd pacemaker-based pacemaker-controld pacemaker-fenced"
PACEMAKER_GROUPS="attrd cib crmd stonith-ng"
# It waits 20 s for others before it elects, and on a loaded machine everything takes its time.
PACEMAKER_DEADLINE=120

pacemaker_can_run()
{
	local tool
	for tool in pacemakerd crm_mon crm_resource cibadmin crm_attribute; do
		command -v "$tool" >/dev/null || skip "no $tool on this machine (Debian: pacemaker, pacemaker-cli-utils)"
	done
}

# Its state must not be this machine's.
pacemaker_prepare()
{
	local dir
	for dir in /var/lib/pacemaker /var/log/pacemaker; do
		require node_enter "$1" mount -t tmpfs -o mode=755 pacemaker "$dir"
	done
	for dir in blackbox cib cores pengine; do
		require node_enter "$1" install -d -m 750 -o hacluster -g haclient "/var/lib/pacemaker/$dir"
	done
}

pacemaker_start()
{
	require node_enter "$1" install -d /run/resource-agents
	node_spawn "$1" env "LD_LIBRARY_PATH=$CLUSTER_DIR/public" PCMK_logfacility=none "PCMK_logfile=$(node_dir "$1")/pacemaker.log" \
		pacemakerd >"$CLUSTER_DIR/n$1/pacemakerd.out" 2>&1
}

tool()
{
	node_enter "$1" timeout 30 "${@:2}"
}

### What a node sees

# Prints "n1 n2 n3"
pacemaker_online()
{
	tool "$1" crm_mon -1 2>/dev/null | sed -n 's/.* Online: \[ \(.*\) \].*/\1/p'
}

pacemaker_sees()
{
	[[ $(pacemaker_online "$1") == "$2" ]]
}

# "1 2": each of these sees these in all groups, and is told by pacemaker that they are online.
pacemaker_wait_whole()
{
	local n online="n${1// / n}"
	for n in $1; do
		wait_until "$PACEMAKER_DEADLINE" pacemaker_sees "$n" "$online" ||
			fail "pacemaker on node $n does not see $online online: $(tool "$n" crm_mon -1 2>&1)"
		wait_until "$PACEMAKER_DEADLINE" pacemaker_groups_are "$n" "$1" || fail "node $n shows other groups: $(node_groups "$n")"
	done
}

pacemaker_groups_are()
{
	local group members
	for group in $PACEMAKER_GROUPS; do
		members=$(node_groups "$1" | sed -n "s/^$group\\\\x00|[0-9]*|//p" | sort -n | tr '\n' ' ')
		[[ ${members% } == "$2" ]] || return 1
	done
}

# Prints the node's number; nothing when it runs nowhere, more than one when it runs on more.
resource_node()
{
	tool "$1" crm_resource --resource thing --locate --quiet 2>/dev/null | sed 's/^n//'
}

# NODE OTHER ...: pacemaker on NODE says that it runs on one of these.
resource_runs()
{
	local on
	on=$(resource_node "$1")
	[[ -n $on && " ${*:2} " == *" $on "* ]]
}

# What the agent on the node itself left says so, too.
resource_is_on()
{
	node_enter "$1" test -e /run/Dummy-thing.state
}

# All nodes name the same one, and it alone has it.
resource_settled()
{
	local n node
	node=$(resource_node 1)
	for n in $CLUSTER_NODES; do
		[[ $(resource_node "$n") == "$node" ]] || return 1
		if [[ $n == "$node" ]]; then
			resource_is_on "$n" || return 1
		else
			! resource_is_on "$n" || return 1
		fi
	done
}

### What runs there

daemon_pid()
{
	local pid
	for pid in $(ip netns pids "cpg$$-n$1"); do
		if [[ $(readlink "/proc/$pid/exe") == */"$2" ]]; then
			echo "$pid"
			return
		fi
	done
	fail "no $2 on node $1"
}

check_libraries()
{
	local daemon pid maps
	require cmp "$(library_path)/libcpg.so.4" "$CLUSTER_DIR/public/libcpg.so.4"
	for daemon in $PACEMAKER_DAEMONS; do
		pid=$(daemon_pid "$1" "$daemon") || exit 1
		maps=$(grep -o '/.*/libcpg\.so.*' "/proc/$pid/maps" | sort -u)
		[[ $maps != *$'\n'* && $maps == *"$CLUSTER_DIR/public/libcpg.so.4" ]] || fail "$daemon on node $1 has the library '$maps'"
	done
}

check_engine()
{
	local engine=stock
	! grep -q '/corosync_cpg\.so$' "/proc/$(node_pid "$1")/maps" || engine=ours
	[[ $engine == "${CPG_ENGINE:-ours}" ]] || fail "node $1 runs the engine '$engine'"
}

pacemaker_can_run
cluster_init --nodes 3
cluster_conf crypto=nss quorum=votequorum token=3000
library_publish
cluster_boot

step "pacemaker on all of them"
for n in $CLUSTER_NODES; do
	pacemaker_prepare "$n"
	pacemaker_start "$n"
done
pacemaker_wait_whole "1 2 3"
for n in $CLUSTER_NODES; do
	check_engine "$n"
	check_libraries "$n"
done

step "a resource"
require tool 1 crm_attribute --type crm_config --name stonith-enabled --update false
require tool 1 cibadmin --create --scope resources --xml-text '
	<primitive id="thing" class="ocf" provider="pacemaker" type="Dummy"><operations>
		<op id="thing-monitor" name="monitor" interval="10s"/></operations></primitive>'
wait_until "$PACEMAKER_DEADLINE" resource_runs 1 1 2 3 || fail "the resource does not run: $(tool 1 crm_mon -1 2>&1)"
on=$(resource_node 1)
others=$(tr ' ' '\n' <<<"$CLUSTER_NODES" | grep -vx "$on" | tr '\n' ' ')
others=${others% }
first=${others%% *}
resource_is_on "$on" || fail "node $on should have the resource, but has no sign of it"

step "kill -9 of node $on, which runs it"
node_crash "$on"
pacemaker_wait_whole "$others"
# shellcheck disable=SC2086
wait_until "$PACEMAKER_DEADLINE" resource_runs "$first" $others || fail "the resource did not move: $(tool "$first" crm_mon -1 2>&1)"
moved=$(resource_node "$first")
resource_is_on "$moved" || fail "node $moved should have the resource, but has no sign of it"

step "it moved to node $moved; node $on comes back"
node_boot "$on"
node_wait_up "$on"
nodes_wait_ring "1 2 3"
pacemaker_start "$on"
pacemaker_wait_whole "1 2 3"
check_libraries "$on"
check_engine "$on"
wait_until "$PACEMAKER_DEADLINE" resource_settled || fail "no one place for the resource: $(tool 1 crm_mon -1 2>&1)"
exit 0
