# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the daemon of a node of cluster.sh uses.
#
#	usage_memory N KEY            prints KiB: VmRSS, VmHWM ... of /proc/PID/status
#	usage_note N                  remembers its descriptors, and the files in its /dev/shm
#	usage_back N [SECONDS] [MORE] until it has as many descriptors (or MORE than that) and the same files again; the test fails when it does
#	                              not come to that
#	usage_fds N                   prints how many descriptors it has
#	shm_fill N BYTES              fills its /dev/shm up to so many bytes
#	shm_empty N                   takes that away again
#	shm_read_only N               makes it read-only for whatever is opened from now on
#	shm_writable N                and writable again

declare -A USAGE_FDS USAGE_FILES

usage_memory()
{
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$(node_pid "$1")/status"
}

usage_fds()
{
	local fds=("/proc/$(node_pid "$1")/fd"/*)
	echo ${#fds[@]}
}

# Without corosync's black box, which comes with its start and changes size with its log.
usage_files()
{
	node_enter "$1" find /dev/shm -type f | grep -v '/qb-corosync-' | sort
}

usage_note()
{
	USAGE_FDS[$1]=$(usage_fds "$1")
	USAGE_FILES[$1]=$(usage_files "$1")
}

usage_is_back()
{
	local more=$(($(usage_fds "$1") - USAGE_FDS[$1]))
	((more == 0 || more == ${2:-0})) && [[ $(usage_files "$1") == "${USAGE_FILES[$1]}" ]]
}

usage_back()
{
	node_alive "$1" || fail "corosync on node $1 is gone"
	wait_until "${2:-60}" usage_is_back "$1" "${3:-0}" ||
		fail "node $1 has $(usage_fds "$1") descriptors, not ${USAGE_FDS[$1]}; files: $(usage_files "$1"), not ${USAGE_FILES[$1]}"
}

shm_fill()
{
	local free
	free=$(node_enter "$1" df -B1 --output=avail /dev/shm | tail -n 1)
	require node_enter "$1" fallocate -l $((free - $2)) /dev/shm/filler
}

shm_empty()
{
	require node_enter "$1" rm -f /dev/shm/filler
}

# What is mapped for writing keeps it from being remounted: so a read-only view of it comes on top.
shm_read_only()
{
	require node_enter "$1" mount --bind /dev/shm /dev/shm
	require node_enter "$1" mount -o remount,bind,ro /dev/shm
}

shm_writable()
{
	require node_enter "$1" umount /dev/shm
}
