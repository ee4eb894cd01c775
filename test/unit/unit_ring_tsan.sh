#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The rings between two threads, watched by ThreadSanitizer: it knows no fences, and there are none.
set -u
top=${srcdir:-.}
work=$(mktemp -d "${TMPDIR:-/tmp}/cpg-ring.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

works()
{
	command -v "$1" >/dev/null && "$1" -fsanitize=thread -o "$work/none" "$work/none.c" 2>/dev/null && "$work/none"
}

echo 'int main(void) { return 0; }' >"$work/none.c"
if works gcc; then
	compiler=gcc
elif works clang; then
	compiler=clang
else
	echo "SKIP: no compiler here whose -fsanitize=thread works"
	exit 77
fi
export RING_ENTRIES="${RING_ENTRIES:-200000}"
for program in unit_ring_litmus unit_ring_stress; do
	"$compiler" -std=gnu11 -O1 -g -fsanitize=thread -I "$top/include" -o "$work/$program" "$top/test/unit/$program.c" -pthread &&
		"$work/$program" || exit 1
done
