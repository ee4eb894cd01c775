#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The machine's own corosync, alone in namespaces of its own, runs the test module: from start to shutdown.
if [ "${1:-}" != inside ]; then
	PATH=$PATH:/usr/sbin
	command -v corosync >/dev/null || {
		echo "SKIP: corosync is not installed"
		exit 77
	}
	unshare --mount --net --pid --ipc --fork true 2>/dev/null || {
		echo "SKIP: no namespaces of our own here"
		exit 77
	}
	exec unshare --mount --net --pid --ipc --fork --kill-child --mount-proc "$0" inside
fi

. "$(dirname "$0")/fault_loader_lib.sh"

wait_until()
{
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		kill -0 "$daemon" 2>/dev/null || fail "corosync ended"
		[ $SECONDS -lt $deadline ] || fail "too late: $*"
		sleep 0.1
	done
}

noted()
{
	grep -q "$1" "$scratch/notes"
}

for directory in /run /dev/shm /var/lib/corosync; do
	mount -t tmpfs -o mode=0755 tmpfs $directory || exit 99
done
ip link set lo up || exit 99
install_module
section "name: corosync_cpg
ver: 0
colour: blue"
: >"$scratch/notes"
env LD_PRELOAD="$loader" COROSYNC_SERVICE_PATH="$modules" FAULT_LOADER_LOG="$scratch/notes" \
	corosync -f -c "$conf" >"$scratch/out" 2>"$scratch/err" </dev/null &
daemon=$!

echo "- start"
wait_until 20 grep -q 'Completed service synchronization' "$scratch/err"
says err "Service engine loaded: loader test service [2]"
says err "Service engine loaded: corosync configuration service [1]"
[ "$(head -5 "$scratch/notes" | tr '\n' ' ')" = \
	"option colour=blue config_init exec_init server created rate 4 " ] || fail "wrong order at start"

echo "- sync, and the call that tells of its end"
wait_until 10 noted '^rate 0'
says notes "confchg 1 of"
says notes "confchg 0 of 1"
says notes sync_process
awk '/^sync_activate/ { active = NR } /^rate 0/ && !over { over = NR } END { exit !(active && over > active) }' \
	"$scratch/notes" || fail "the end of sync was not told at its end"

echo "- a client"
timeout 20 corosync-cpgtool >"$scratch/out" 2>&1 && fail "cpgtool got an answer that the module doesn't give"
wait_until 10 noted '^lib_exit'
[ "$(grep '^accepted\|^lib_init\|^request\|^lib_exit' "$scratch/notes" | head -3 | tr '\n' ' ')" = \
	"accepted 0:0 lib_init request 5 " ] || fail "wrong order for a client"

echo "- shutdown"
timeout 20 corosync-cfgtool -H >"$scratch/out" 2>&1 || fail "cfgtool -H"
code=0
wait $daemon || code=$?
[ $code -eq 0 ] || fail "corosync ended with $code"
says err "Service engine unloaded: loader test service"
