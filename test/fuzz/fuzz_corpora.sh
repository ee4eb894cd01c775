#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every fuzz target plays all inputs that are kept for it.
set -u
srcdir=${srcdir:-.}
failed=0
for name in conf events peer requests rings totem; do
	printf '%s: ' "$name"
	./fuzz_$name "$srcdir/test/fuzz/corpus/$name" || failed=1
done
exit $failed
