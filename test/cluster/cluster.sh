# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Boots real corosync nodes on one machine. Sourced by the cluster tests (bash):
#
#	. "$(dirname "$0")/cluster.sh"
#	cluster_init --nodes 3
#	cluster_conf crypto=nss
#	cluster_boot ours ours stock
#	CPG_LIB=stock node_run 1 cpgverify run ...
#
# Each node is a network namespace (cpgPID-nN, address 10.77.0.N, PID is the test's) and a mount namespace with its own
# /dev/shm, /run, /etc/corosync, /var/lib/corosync and /var/log/corosync. Their switch is a bridge in a namespace
# of its own (cpgPID-sw): see network.sh. Nothing of it is visible outside, and all of it ends with the test, however that ends.
#
# Setup
#	cluster_init [--nodes N] [--relay SEED]  makes the namespaces (3 nodes unless told); SKIPs where that is impossible.
#	                              With --relay all frames go through cpgrelay, as packet_delay needs it
#	cluster_conf key=value ...    what the nodes' corosync.conf says; counts from each node's next boot. Keys, first is default:
#	                              crypto=none|nss  ipc=native|socket  token=1000 (ms)|default  debug=off|on  quorum=none|votequorum
#	                              service='lines of our service section'  totem='lines'  system='lines'  extra='more sections'
#	                              uidgid='uidgid section lines'  sched_rr=no|yes
#	cluster_boot [ENGINE ...]     boots all nodes (engines in order, the last one is for all that follow) and waits for the ring
#	cluster_end                   runs by itself on exit
#
# Nodes
#	node_boot N [stock|ours]      starts the daemon (the engine it had last time; at first $CPG_ENGINE, or ours)
#	node_world N EACH SECONDS     from its next boot on, node N's daemon has test/fault/fault_world.c preloaded, and this is what that does:
#	                              of its module's allocations each EACH-th fails (0: none), its clock of the day is SECONDS off; at once
#	                              where it runs with that already. What malloc keeps of what was freed goes back each time
#	node_wait_up N [SECONDS]      until it answers and the log shows the engine that it was booted with
#	node_pid N                    prints the daemon's pid
#	node_alive N                  true while the daemon runs (also when it is paused)
#	node_kill N                   kill -9
#	node_crash N                  kill -9 of everything that runs in the node; its files stay, but what is in /run and /dev/shm
#	node_term N                   SIGTERM, as soon as the daemon has a handler for it
#	node_stop N [SECONDS]         SIGTERM, waits for its end; fails when that is not clean
#	node_pause N, node_resume N   SIGSTOP, SIGCONT
#	node_run N CMD ...            runs CMD inside the node; CPG_LIB=stock|ours (default $CPG_ENGINE, or ours) chooses libcpg
#	node_spawn N CMD ...          the same in the background: SPAWN_PID is its pid; ends with the test
#	node_ip N                     prints its address
#	node_dir N                    prints a directory that all nodes and the test see, for the node's files; when the test fails it shows
#	                              those that end in .log
#	library_publish               copies the library that node_run would choose to $CLUSTER_DIR/public, where any user can read it
#	node_log N                    prints the log since the node's last boot
#	node_log_has N REGEX          true if a line of that matches
#	node_ring N                   prints what the node saw last, after sync: "RINGID: ID ID ..."
#	node_groups N                 prints corosync-cpgtool's members: "GROUP|PID|NODEID", sorted
#
# The ring
#	nodes_wait_ring "1 2 3" [SECONDS]  until exactly these nodes see exactly these members, in the same ring
#	partition, packet_loss, packet_delay, heal: see network.sh
#
# Tests
#	wait_until SECONDS CMD ...    polls CMD until it succeeds; fails after SECONDS
#	log_watch FD LOG ...          opens the descriptor FD (a variable), from which each new line of these files can be read: SPAWN_PID
#	                              writes them; log_watch_end FD PID
#	wait_gone SECONDS PID         until our child PID ended; its status
#	require CMD ...               runs CMD; the test fails when it does
#	fail TEXT, skip TEXT          end the test: exit 1, exit 77
#	step TEXT                     says what the test does next
#
# Environment
#	CPG_PREFIX    prefix that our module, loader, library and tools are installed in (engine and library `ours` need it)
#	CPG_PROGRAMS  directories with the test programs (cpgclient, ...), as in PATH
#	CPG_ENGINE    engine of a node's first boot when the test doesn't say (ours)
#	CPG_KEEP      1: leaves the nodes' files behind; failed: only when the test fails
#	CLUSTER_REPEAT  (set by the test) how to do the same again, for who reads that it failed
#	CLUSTER_DIR   (set by us) the test's files; CLUSTER_NODES: the nodes' numbers

CLUSTER_NODES=""
CLUSTER_DIR=""
CLUSTER_ENDING=""
CLUSTER_GIVEN_BACK=0
PATH=$PATH:/usr/sbin:/sbin # a root that came by su may lack them
# The installed programs first: what libtool leaves in a build directory would choose its own library.
CLUSTER_PATH=${CPG_PREFIX:+$CPG_PREFIX/bin:}${CPG_PROGRAMS:+$CPG_PROGRAMS:}$PATH
CPG_LIBDIR=${CPG_LIBDIR:-${CPG_PREFIX:+$CPG_PREFIX/lib}}
declare -A CLUSTER_CONF CLUSTER_WORLD CLUSTER_HOLDER CLUSTER_DAEMON CLUSTER_ENGINE CLUSTER_LOG_FROM
CLUSTER_SPAWNED=()
SPAWN_PID=""
. "$(dirname "${BASH_SOURCE[0]}")/network.sh"

fail()
{
	echo "FAIL: $*" >&2
	[[ -z ${CLUSTER_REPEAT:-} ]] || echo "The same again: $CLUSTER_REPEAT" >&2
	exit 1
}

skip()
{
	echo "SKIP: $*"
	exit 77
}

step()
{
	echo "--- $*"
}

require()
{
	"$@" || fail "$* (status $?)"
}

# Reads the clock, not a counter: a loaded machine polls less often, but not longer.
wait_until()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		pause_shortly
	done
}

# A tenth of a second without a process of its own. From a descriptor that nothing ever comes from, opened at the first time.
pause_shortly()
{
	[[ -n ${PAUSE_FD:-} ]] || exec {PAUSE_FD}<>"$CLUSTER_DIR/pause"
	read -r -t 0.1 -u "$PAUSE_FD" || true
}

# No <(...): bash 5.2 now and then loses the end of the process that it waits for just then, and waits for ever.
log_watch()
{
	local -n watch_fd=$1
	local fifo=$CLUSTER_DIR/watch.$1
	shift
	rm -f "$fifo"
	mkfifo "$fifo" || fail "no fifo"
	exec {watch_fd}<>"$fifo"
	(with_test tail -q -n 0 -f "$@") >"$fifo" &
	SPAWN_PID=$!
	CLUSTER_SPAWNED+=("$SPAWN_PID")
}

log_watch_end()
{
	local -n watch_fd=$1
	end_process "$2"
	exec {watch_fd}<&-
}

# A child that ended is a zombie until somebody waits for it. A shell may have done that, and its number be another process's by now: one
# that is not below this test. Read without a process of its own, which may fail: who takes a daemon for ended waits for it.
process_ended()
{
	local stat fields pid=$1
	while read -r stat 2>/dev/null <"/proc/$pid/stat"; do
		read -ra fields <<<"${stat##*) }"
		[[ ${fields[0]} != Z ]] || return 0
		pid=${fields[1]}
		[[ $pid != "$$" ]] || return 1
	done
	return 0
}

wait_gone()
{
	wait_until "$1" process_ended "$2" || return 124
	wait "$2" 2>/dev/null
}

### Setup

cluster_init()
{
	local nodes=3 relay="" n
	while (($#)); do
		case $1 in
		--nodes) nodes=$2; shift 2 ;;
		--relay) relay=$2; shift 2 ;;
		*) fail "cluster_init: unknown argument '$1'" ;;
		esac
	done
	cluster_can_run
	[[ -z $relay ]] || network_can_relay
	CLUSTER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/cpg-cluster-$$.XXXXXX") || fail "no temporary directory"
	chmod 755 "$CLUSTER_DIR"
	mkfifo "$CLUSTER_DIR/pause" || fail "no fifo"
	trap cluster_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	cluster_forget_dead
	network_switch
	[[ -z $relay ]] || network_relay "$relay"
	for ((n = 1; n <= nodes; n++)); do
		node_make "$n"
		CLUSTER_NODES="$CLUSTER_NODES $n"
	done
	CLUSTER_NODES=${CLUSTER_NODES# }
	cluster_conf
}

cluster_can_run()
{
	local tool
	[[ $(id -u) == 0 ]] || skip "not root: network namespaces can't be made"
	for tool in corosync corosync-cmapctl corosync-cpgtool ip nft nsenter unshare setpriv; do
		command -v "$tool" >/dev/null || skip "no $tool on this machine"
	done
	ip netns add "cpg$$-try" 2>/dev/null || skip "no network namespaces on this machine"
	ip netns del "cpg$$-try"
	unshare -m true 2>/dev/null ||
		skip "no mount namespaces on this machine (or a chroot into what is no mount point: mount --bind it onto itself)"
}

# Names and files of tests that were killed: their processes died with them, these stay.
cluster_forget_dead()
{
	local name pid dir
	for name in $(ip netns list 2>/dev/null | sed -n 's/^\(cpg[0-9]*-[a-z0-9]*\).*/\1/p'); do
		pid=${name#cpg}
		pid=${pid%%-*}
		[[ -d /proc/$pid ]] || ip netns del "$name" 2>/dev/null
	done
	for dir in "${TMPDIR:-/tmp}"/cpg-cluster-*.*; do
		pid=${dir##*/cpg-cluster-}
		[[ -d /proc/${pid%%.*} ]] || rm -rf "$dir"
	done
}

# Dies when the test dies, however that happens.
with_test()
{
	exec setpriv --pdeathsig KILL "$@"
}

node_make()
{
	local n=$1 ns="cpg$$-n$1" dir="$CLUSTER_DIR/n$1"
	mkdir -p "$dir"/{etc/uidgid.d,lib,log,files} || fail "can't write to $dir"
	chmod 777 "$dir/files"
	require ip netns add "$ns"
	require ip -n "$ns" link set lo up
	network_link "$n"
	(with_test ip netns exec "$ns" unshare -m --propagation private bash -c "$CLUSTER_MOUNTS" holder "$dir") &
	CLUSTER_HOLDER[$n]=$!
	wait_until 10 test -e "$dir/ready" || fail "node $n: no mount namespace"
	CLUSTER_ENGINE[$n]=${CPG_ENGINE:-ours}
	CLUSTER_LOG_FROM[$n]=1
}

# Runs in the node's new mount namespace and keeps it.
# shellcheck disable=SC2016
CLUSTER_MOUNTS='
set -e
dir=$1
mkdir -p /dev/shm /etc/corosync /var/lib/corosync /var/log/corosync
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount --bind "$dir/etc" /etc/corosync
mount --bind "$dir/lib" /var/lib/corosync
mount --bind "$dir/log" /var/log/corosync
: >"$dir/ready"
exec sleep infinity'

cluster_end()
{
	local status=$? n pid
	[[ -z $CLUSTER_ENDING ]] || return
	CLUSTER_ENDING=1
	trap - EXIT
	trap '' INT TERM HUP
	if ((status != 0 && status != 77 && status < 128)); then
		cluster_show_logs
	elif [[ ${CPG_KEEP:-} == failed ]]; then
		CPG_KEEP=""
	fi
	for pid in "${CLUSTER_SPAWNED[@]}" "${CLUSTER_DAEMON[@]}"; do
		end_process "$pid"
	done
	for n in $CLUSTER_NODES; do
		node_processes_end "$n"
	done
	for pid in "${CLUSTER_HOLDER[@]}"; do
		end_process "$pid"
	done
	for n in $CLUSTER_NODES; do
		ip netns del "cpg$$-n$n" 2>/dev/null
	done
	ip netns del "cpg$$-sw" 2>/dev/null
	if [[ -n ${CPG_KEEP:-} ]]; then
		mv "$CLUSTER_DIR" "${CLUSTER_DIR/cpg-cluster/cpg-kept}"
		echo "kept: ${CLUSTER_DIR/cpg-cluster/cpg-kept}"
	else
		rm -rf --one-file-system "$CLUSTER_DIR"
	fi
	exit "$status"
}

end_process()
{
	process_ended "$1" && return
	kill -KILL "$1" 2>/dev/null || return 0
	kill -CONT "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

cluster_show_logs()
{
	local n file
	for n in $CLUSTER_NODES; do
		echo "=== node $n (${CLUSTER_ENGINE[$n]}), last lines of its log"
		node_log "$n" | grep -v 'KNET  ]' | tail -n 40
		sed 's/^/stderr: /' "$CLUSTER_DIR/n$n/stderr" 2>/dev/null | tail -n 20
		for file in "$(node_dir "$n")"/*.log; do
			[[ ! -e $file ]] || grep -v 'info: ' "$file" | sed "s/^/${file##*/}: /" | tail -n 40
		done
	done
}

cluster_conf()
{
	local pair key
	: "${CLUSTER_CONF[crypto]=none}" "${CLUSTER_CONF[ipc]=native}" "${CLUSTER_CONF[token]=1000}" \
		"${CLUSTER_CONF[debug]=${CPG_DEBUG:-off}}" "${CLUSTER_CONF[quorum]=none}" "${CLUSTER_CONF[sched_rr]=no}"
	for pair; do
		key=${pair%%=*}
		case $key in
		crypto | ipc | token | debug | quorum | sched_rr | service | totem | system | extra | uidgid)
			CLUSTER_CONF[$key]=${pair#*=} ;;
		*) fail "cluster_conf: unknown key '$key'" ;;
		esac
	done
	if [[ ${CLUSTER_CONF[crypto]} == nss && ! -e $CLUSTER_DIR/authkey ]]; then
		dd if=/dev/urandom of="$CLUSTER_DIR/authkey" bs=256 count=1 status=none
		chmod 400 "$CLUSTER_DIR/authkey"
	fi
}

node_write_conf()
{
	local n=$1 etc="$CLUSTER_DIR/n$1/etc" m
	{
		echo "totem {"
		printf '\tversion: 2\n\tcluster_name: cpgtest\n\ttransport: knet\n'
		[[ ${CLUSTER_CONF[token]} == default ]] || echo "	token: ${CLUSTER_CONF[token]}"
		if [[ ${CLUSTER_CONF[crypto]} == nss ]]; then
			printf '\tcrypto_model: nss\n\tcrypto_cipher: aes256\n\tcrypto_hash: sha256\n'
		fi
		printf '%s\n}\n' "${CLUSTER_CONF[totem]:-}"
		echo "nodelist {"
		for m in $CLUSTER_NODES; do
			printf '\tnode {\n\t\tnodeid: %d\n\t\tname: n%d\n\t\tring0_addr: %s\n\t}\n' "$m" "$m" "$(node_ip "$m")"
		done
		echo "}"
		printf 'system {\n\tsched_rr: %s\n\tmove_to_root_cgroup: no\n' "${CLUSTER_CONF[sched_rr]}"
		[[ ${CLUSTER_CONF[ipc]} == native ]] || echo "	qb_ipc_type: ${CLUSTER_CONF[ipc]}"
		printf '%s\n}\n' "${CLUSTER_CONF[system]:-}"
		[[ ${CLUSTER_CONF[quorum]} == none ]] || printf 'quorum {\n\tprovider: corosync_%s\n}\n' "${CLUSTER_CONF[quorum]}"
		printf 'logging {\n\tto_stderr: no\n\tto_syslog: no\n\tto_logfile: yes\n\ttimestamp: hires\n'
		printf '\tlogfile: /var/log/corosync/corosync.log\n\tdebug: %s\n}\n' "${CLUSTER_CONF[debug]}"
		[[ -z ${CLUSTER_CONF[uidgid]:-} ]] || printf 'uidgid {\n%s\n}\n' "${CLUSTER_CONF[uidgid]}"
		if [[ ${CLUSTER_ENGINE[$n]} == ours ]]; then
			printf 'service {\n\tname: corosync_cpg\n\tver: 0\n%s\n}\n' "${CLUSTER_CONF[service]:-}"
		fi
		printf '%s\n' "${CLUSTER_CONF[extra]:-}"
	} >"$etc/corosync.conf"
	[[ ${CLUSTER_CONF[crypto]} != nss ]] || cp -f "$CLUSTER_DIR/authkey" "$etc/authkey"
}

cluster_boot()
{
	local n engine
	for n in $CLUSTER_NODES; do
		engine=${1:-${engine:-${CLUSTER_ENGINE[$n]}}}
		[[ $# == 0 ]] || shift
		node_boot "$n" "$engine"
	done
	for n in $CLUSTER_NODES; do
		node_wait_up "$n"
	done
	nodes_wait_ring "$CLUSTER_NODES"
}

### Nodes

node_ip()
{
	echo "10.77.0.$1"
}

node_dir()
{
	echo "$CLUSTER_DIR/n$1/files"
}

# -r: where the test itself is in a chroot, the namespace alone would lead out of it.
node_enter()
{
	local n=$1
	shift
	nsenter -t "${CLUSTER_HOLDER[$n]}" -n -m -r -- "$@"
}

node_pid()
{
	echo "${CLUSTER_DAEMON[$1]:-}"
}

node_alive()
{
	[[ -n ${CLUSTER_DAEMON[$1]:-} ]] && ! process_ended "${CLUSTER_DAEMON[$1]}"
}

node_boot()
{
	local n=$1 log="$CLUSTER_DIR/n$1/log/corosync.log" preload=()
	CLUSTER_ENGINE[$n]=${2:-${CLUSTER_ENGINE[$n]}}
	case ${CLUSTER_ENGINE[$n]} in
	stock) ;;
	ours)
		[[ -e $CPG_LIBDIR/corosync/service_loader.so ]] ||
			fail "no service_loader.so in '$CPG_LIBDIR/corosync': set CPG_PREFIX"
		preload=("LD_PRELOAD=$CPG_LIBDIR/corosync/service_loader.so"
			"COROSYNC_SERVICE_PATH=$CPG_LIBDIR/corosync")
		;;
	*) fail "node_boot: engine '$2' is neither stock nor ours" ;;
	esac
	[[ -z ${CLUSTER_WORLD[$n]:-} ]] ||
		preload+=("${preload[0]:-LD_PRELOAD=}:${CLUSTER_WORLD[$n]}" "FAULT_WORLD=$(node_dir "$n")/world")
	node_alive "$n" && fail "node_boot: node $n runs already"
	node_write_conf "$n"
	touch "$log"
	CLUSTER_LOG_FROM[$n]=$(($(wc -l <"$log") + 1))
	(with_test nsenter -t "${CLUSTER_HOLDER[$n]}" -n -m -r -- env -u LD_LIBRARY_PATH "${preload[@]}" corosync -f \
		</dev/null >"$CLUSTER_DIR/n$n/stderr" 2>&1) &
	CLUSTER_DAEMON[$n]=$!
}

# Written over, not anew: the daemon has the file mapped.
node_world()
{
	local object programs
	IFS=: read -ra programs <<<"$CPG_PROGRAMS"
	object=$(find "${programs[@]}" -path '*/test/fault/.libs/fault_world.so' -print -quit 2>/dev/null)
	[[ -n $object ]] || fail "no fault_world.so in '$CPG_PROGRAMS'"
	CLUSTER_WORLD[$1]=$object
	CLUSTER_GIVEN_BACK=$((CLUSTER_GIVEN_BACK + 1))
	printf '%-15d\n' "$2" "$3" "$CLUSTER_GIVEN_BACK" 1<>"$(node_dir "$1")/world"
}

node_wait_up()
{
	local n=$1
	wait_until "${2:-30}" node_answers_or_ended "$n" || fail "node $n does not answer"
	node_alive "$n" || fail "node $n: corosync ended at its start"
	node_engine_is "$n" "${CLUSTER_ENGINE[$n]}" || fail "node $n does not run the engine '${CLUSTER_ENGINE[$n]}'"
}

node_answers_or_ended()
{
	node_alive "$1" || return 0
	[[ -n $(node_ring "$1") ]] && node_enter "$1" timeout 5 corosync-cmapctl -g nodelist.local_node_pos
}

node_engine_is()
{
	local ours='Service engine loaded: corosync closed process group service \(corosync-cpg '
	case $2 in
	ours) node_log_has "$1" "$ours" ;;
	stock) node_log_has "$1" 'Service engine loaded: corosync cluster closed process group service' ;;
	esac
}

node_kill()
{
	kill -KILL "${CLUSTER_DAEMON[$1]}" || fail "node $1 is not running"
	kill -CONT "${CLUSTER_DAEMON[$1]}" 2>/dev/null
	wait "${CLUSTER_DAEMON[$1]}" 2>/dev/null
	unset "CLUSTER_DAEMON[$1]"
}

node_crash()
{
	[[ -z ${CLUSTER_DAEMON[$1]:-} ]] || node_kill "$1"
	require wait_until 20 node_processes_end "$1"
	node_enter "$1" find /run /dev/shm -mindepth 1 -delete
}

# True when there was none but the one that holds the namespaces.
node_processes_end()
{
	local pid left=()
	for pid in $(ip netns pids "cpg$$-n$1" 2>/dev/null); do
		[[ $pid == "${CLUSTER_HOLDER[$1]}" ]] || left+=("$pid")
	done
	((${#left[@]})) || return 0
	kill -KILL "${left[@]}" 2>/dev/null
	return 1
}

# Before that it would just end.
node_term()
{
	wait_until 30 node_catches_term "$1" && kill -TERM "${CLUSTER_DAEMON[$1]}"
}

node_catches_term()
{
	local status=/proc/${CLUSTER_DAEMON[$1]}/status
	process_ended "${CLUSTER_DAEMON[$1]}" || {
		grep -q '^Name:[[:space:]]*corosync$' "$status" && ((0x$(awk '$1 == "SigCgt:" { print $2 }' "$status") & 1 << 14))
	}
}

node_stop()
{
	local n=$1 pid=${CLUSTER_DAEMON[$1]} status=0
	node_term "$n" || fail "node $n is not running"
	wait_gone "${2:-30}" "$pid" || status=$?
	((status != 124)) || fail "node $n did not stop"
	unset "CLUSTER_DAEMON[$n]"
	((status == 0)) || fail "node $n stopped with status $status"
}

node_pause()
{
	require kill -STOP "${CLUSTER_DAEMON[$1]}"
}

node_resume()
{
	require kill -CONT "${CLUSTER_DAEMON[$1]}"
}

# Debian's loader looks at LD_LIBRARY_PATH before a program's RUNPATH, so this decides whatever it was linked with.
library_path()
{
	case ${CPG_LIB:-${CPG_ENGINE:-ours}} in
	ours)
		[[ -e $CPG_LIBDIR/libcpg.so.4 ]] || fail "no libcpg.so.4 in '$CPG_LIBDIR': set CPG_PREFIX"
		echo "$CPG_LIBDIR"
		;;
	stock) stock_library_path ;;
	*) fail "CPG_LIB=${CPG_LIB:-} is neither stock nor ours" ;;
	esac
}

stock_library_path()
{
	local dir
	for dir in /usr/lib/*-linux-gnu /lib/*-linux-gnu /usr/lib64 /usr/lib; do
		if [[ -e $dir/libcpg.so.4 ]]; then
			echo "$dir"
			return
		fi
	done
	fail "no stock libcpg.so.4 on this machine"
}

# The build may lie where only its owner can read: this copy everyone can.
library_publish()
{
	local lib
	lib=$(library_path) || exit 1
	mkdir -p "$CLUSTER_DIR/public"
	cp -L "$lib/libcpg.so.4" "$CLUSTER_DIR/public" || fail "can't copy libcpg.so.4"
	chmod -R a+rX "$CLUSTER_DIR/public"
}

node_run()
{
	local n=$1 path
	shift
	path=$(library_path) || exit 1
	node_enter "$n" env "LD_LIBRARY_PATH=$path" "PATH=$CLUSTER_PATH" "$@"
}

node_spawn()
{
	local n=$1 path
	shift
	path=$(library_path) || exit 1
	(with_test nsenter -t "${CLUSTER_HOLDER[$n]}" -n -m -r -- env "LD_LIBRARY_PATH=$path" \
		"PATH=$CLUSTER_PATH" "$@") <&0 & # without <&0 bash gives a background process an empty input
	SPAWN_PID=$!
	CLUSTER_SPAWNED+=("$SPAWN_PID")
}

node_log()
{
	tail -n "+${CLUSTER_LOG_FROM[$1]}" "$CLUSTER_DIR/n$1/log/corosync.log" 2>/dev/null
}

node_log_has()
{
	node_log "$1" | grep -Eq -e "$2"
}

# From the log: no tool tells the ring's id without votequorum, and none answers while the daemon is paused.
node_ring()
{
	node_log "$1" | awk '
		/QUORUM\] Sync members\[/ { sub(/.*\]: */, ""); members = $0 }
		/TOTEM \] A new membership \(/ { sub(/.*A new membership \(/, ""); sub(/\).*/, ""); ring = $0 }
		/MAIN  \] Completed service synchronization/ { seen = ring ": " members }
		END { if (seen != "") print seen }'
}

node_groups()
{
	node_run "$1" timeout 10 corosync-cpgtool -d '|' | tail -n +2 | sort
}

### The ring

nodes_wait_ring()
{
	wait_until "${2:-60}" nodes_see_ring "$1" || fail "nodes $1 did not come together: $(nodes_show_rings "$1")"
}

nodes_see_ring()
{
	local n ring first=""
	for n in $1; do
		ring=$(node_ring "$n")
		first=${first:-$ring}
		[[ $ring == "$first" && ${ring#*: } == "$1" ]] || return 1
	done
}

nodes_show_rings()
{
	local n
	for n in $1; do
		echo "[$n sees $(node_ring "$n")]"
	done
}
