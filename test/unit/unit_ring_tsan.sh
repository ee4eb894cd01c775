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
"$compiler" -std=gnu11 -O1 -g -fsanitize=thread -I "$top/include" -o "$work/stress" "$top/test/unit/unit_ring_stress.c" \
	-pthread || exit 1
RING_ENTRIES=${RING_ENTRIES:-200000} "$work/stress"
