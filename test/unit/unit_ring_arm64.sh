#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The rings between two threads of another machine, whose memory is ordered less than this one's.
set -u
top=${srcdir:-.}

skip()
{
	echo "SKIP: $1"
	exit 77
}

command -v aarch64-linux-gnu-gcc >/dev/null ||
	skip "no aarch64-linux-gnu-gcc (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"
command -v qemu-aarch64 >/dev/null || skip "no qemu-aarch64 (apt-get install qemu-user)"
work=$(mktemp -d "${TMPDIR:-/tmp}/cpg-ring.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
export RING_ENTRIES="${RING_ENTRIES:-200000}"
for program in unit_ring_litmus unit_ring_stress; do
	aarch64-linux-gnu-gcc -std=gnu11 -O2 -static -I "$top/include" -o "$work/$program" "$top/test/unit/$program.c" -pthread &&
		qemu-aarch64 "$work/$program" || exit 1
done
