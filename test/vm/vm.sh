# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Virtual machines on the switch of cluster.sh (which is sourced before). Address 10.77.0.N, as a node's.
#
#	vm_init N                     this machine can do that (else SKIP); makes the switch and N taps; VM_ALL: their numbers
#	vm_disk N IMAGE               gives machine N a disk of its own, a copy of IMAGE/disk
#	vm_boot N                     switches it on
#	vm_wait_up N                  until it answers
#	vm_run N COMMAND              a root shell there runs it; its output and status
#	vm_says N REGEX COMMAND       true when a line of the command's output matches
#	vm_fetch N DIR TO             copies what is in its DIR into ours
#	vm_pull_plug N                it is off, at once
#	await SECONDS TEXT CMD ...    wait_until, which says what for and how long it took; the test fails when it does
#
# CPG_VM_ACCEL    kvm, tcg (qemu emulates it all), or auto: what is faster here
# CPG_VM_MEMORY   of each machine, in MiB (700)

VM_ALL=""
VM_ACCEL=""
# Seconds, where all is emulated on a loaded machine: for the answer to a command, and for a boot. The kernel would give up when the timer
# does not tick in its first milliseconds, systemd after 90 s, which it would spend with drawing stars on an emulated serial line.
VM_ANSWERS=300
VM_BOOTS=1800
VM_PATIENCE="no_timer_check systemd.default_timeout_start_sec=900 systemd.show_status=error"
declare -A VM_PID VM_TO VM_FROM

### This machine

vm_can_run()
{
	local tool
	[[ $(uname -m) == x86_64 ]] || skip "the machines are x86-64, as their host must be for our build to run in them"
	for tool in qemu-system-x86_64 mmdebstrap mke2fs; do
		command -v "$tool" >/dev/null || skip "no $tool on this machine"
	done
	[[ -c /dev/net/tun ]] || skip "no /dev/net/tun on this machine"
}

# Its boot sector counts 100 million down, then qemu ends with status 33: mov ecx, n; dec ecx; jnz; mov al, 16; out 0xf4, al; hlt
vm_probe_disk()
{
	printf '\x66\xb9\x00\xe1\xf5\x05\x66\x49\x75\xfc\xb0\x10\xe6\xf4\xf4'
	head -c 495 /dev/zero
	printf '\x55\xaa'
}

vm_probe()
{
	with_test qemu-system-x86_64 -accel "$1" -cpu kvm64 -m 64 -nodefaults -display none -no-reboot -device isa-debug-exit,iobase=0xf4 \
		-drive "file=$CLUSTER_DIR/probe-$1,format=raw" </dev/null >/dev/null 2>&1
}

# A race: a /dev/kvm that opens may still hang, or run a machine more slowly than emulation does.
vm_choose_accel()
{
	local accel pid status
	local -A racing
	VM_ACCEL=${CPG_VM_ACCEL:-auto}
	[[ $VM_ACCEL == auto ]] || return 0
	VM_ACCEL=""
	for accel in kvm tcg; do
		vm_probe_disk >"$CLUSTER_DIR/probe-$accel"
		(vm_probe "$accel") &
		racing[$!]=$accel
	done
	while [[ -z $VM_ACCEL && ${#racing[@]} != 0 ]]; do
		status=0
		wait -n -p pid "${!racing[@]}" || status=$?
		((status != 33)) || VM_ACCEL=${racing[$pid]}
		unset "racing[$pid]"
	done
	for pid in "${!racing[@]}"; do
		end_process "$pid"
	done
	[[ -n $VM_ACCEL ]] || fail "qemu runs nothing here, neither with kvm nor without"
}

vm_init()
{
	local n
	vm_can_run
	cluster_init --nodes 0
	vm_choose_accel
	for ((n = 1; n <= $1; n++)); do
		require in_switch ip tuntap add dev "tap$n" mode tap
		require in_switch ip link set "tap$n" master br0 up
		VM_ALL="$VM_ALL $n"
	done
	VM_ALL=${VM_ALL# }
}

vm_disk()
{
	require mkdir -p "$CLUSTER_DIR/vm$1"
	require cp --sparse=always "$2/disk" "$2/kernel" "$2/initrd" "$CLUSTER_DIR/vm$1"
	require truncate -s 1G "$CLUSTER_DIR/vm$1/out"
}

### A machine

vm_alive()
{
	[[ -n ${VM_PID[$1]:-} ]] && ! process_ended "${VM_PID[$1]}"
}

# Its control port is a pair of pipes. cache=unsafe: the plug that is pulled is the machine's, not its host's.
vm_boot()
{
	local n=$1 dir="$CLUSTER_DIR/vm$1"
	vm_alive "$n" && fail "machine $n runs already"
	vm_open_control "$n"
	(with_test ip netns exec "cpg$$-sw" qemu-system-x86_64 -name "vm$n" -accel "$VM_ACCEL" -cpu kvm64 -m "${CPG_VM_MEMORY:-700}" \
		-nodefaults -display none -no-reboot -kernel "$dir/kernel" -initrd "$dir/initrd" \
		-append "root=/dev/vda rw console=ttyS0 panic=-1 loglevel=5 mitigations=off systemd.hostname=vm$n $VM_PATIENCE" \
		-drive "if=virtio,file=$dir/disk,format=raw,cache=unsafe" \
		-drive "if=virtio,file=$CLUSTER_DIR/build.tar,format=raw,readonly=on" \
		-drive "if=virtio,file=$dir/out,format=raw,cache=unsafe" \
		-netdev "tap,id=net,ifname=tap$n,script=no,downscript=no" -device "virtio-net-pci,netdev=net,mac=52:54:00:00:00:0$n" \
		-device virtio-serial -chardev "pipe,id=control,path=$dir/control" -device "virtserialport,chardev=control,name=control" \
		-device virtio-rng-pci -chardev "file,id=console,path=$dir/console,append=on" -serial chardev:console \
		</dev/null >>"$dir/qemu.log" 2>&1) &
	VM_PID[$n]=$!
	CLUSTER_SPAWNED+=("$!")
}

# New pipes: nothing of what the last boot said or did not hear.
vm_open_control()
{
	local n=$1 path="$CLUSTER_DIR/vm$1/control" to from
	rm -f "$path.in" "$path.out"
	mkfifo "$path.in" "$path.out" || fail "no fifo"
	exec {to}<>"$path.in" {from}<>"$path.out"
	VM_TO[$n]=$to
	VM_FROM[$n]=$from
}

vm_close_control()
{
	local to=${VM_TO[$1]} from=${VM_FROM[$1]}
	exec {to}>&- {from}<&-
}

# The question waits in the pipe until somebody is there to answer it.
vm_wait_up()
{
	await_once "machine $1 boots" vm_answers "$1"
}

vm_answers()
{
	VM_ANSWERS=$VM_BOOTS vm_run "$1" true
}

# 124: no answer in time, or there is no machine any more.
vm_run()
{
	local n=$1 id=$BASHPID.$EPOCHREALTIME end=$((SECONDS + VM_ANSWERS)) line="" part status output
	shift
	echo "$id $(base64 -w 0 <<<"$*")" >&"${VM_TO[$n]}"
	until [[ $line == "$id "*$'\n' ]]; do
		[[ $line != *$'\n' ]] || line="" # the answer to what nobody waits for any more
		if read -r -t 2 -u "${VM_FROM[$n]}" part; then
			part+=$'\n'
		elif ((SECONDS >= end)) || ! vm_alive "$n"; then
			return 124
		fi
		line+=$part
	done
	read -r id status output <<<"$line"
	base64 -d <<<"$output"
	return "$status"
}

vm_says()
{
	local n=$1 regex=$2
	shift 2
	vm_run "$n" "$@" | grep -Eq -e "$regex"
}

vm_must()
{
	local output
	output=$(vm_run "$@" 2>&1) || fail "machine $1: status $? of: ${*:2}"$'\n'"$output"
	[[ -z $output ]] || echo "    vm$1: $output"
}

# By a disk of its own, the third: what comes through the pipe is read byte by byte.
vm_fetch()
{
	vm_must "$1" "tar -c -C $2 -f /dev/vdc . && sync"
	require mkdir -p "$3"
	require tar -x -C "$3" -f "$CLUSTER_DIR/vm$1/out"
}

vm_pull_plug()
{
	require kill -KILL "${VM_PID[$1]}"
	wait "${VM_PID[$1]}" 2>/dev/null
	vm_close_control "$1"
}

await()
{
	await_once "$2" wait_until "$1" "${@:3}"
}

await_once()
{
	local start=$SECONDS
	printf '    %-60s' "$1"
	if ! "${@:2}"; then
		printf 'no, not in %d s\n' $((SECONDS - start))
		fail "$1: ${*:2}"
	fi
	printf '%4d s\n' $((SECONDS - start))
}

# cluster.sh calls it when the test fails.
cluster_show_logs()
{
	local n
	for n in $VM_ALL; do
		echo "=== machine $n: qemu, and the end of its console"
		tail -n 5 "$CLUSTER_DIR/vm$n/qemu.log" 2>/dev/null
		tail -n 40 "$CLUSTER_DIR/vm$n/console" 2>/dev/null | tr -d '\r'
		! vm_alive "$n" || VM_ANSWERS=30 vm_run "$n" "journalctl --no-pager -b -n 60 -u corosync -u vm-control -u verify" | sed 's/^/journal: /'
	done
}
