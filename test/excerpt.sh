# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
#	log_excerpt LOG     what a failed test's log says of it: what is around the first line with FAIL. A test that was ended
#	                    from outside has no such line, nor has a tool that knows other words: then the last lines.

log_excerpt()
{
	local lines
	lines=$(grep -a -E -v ' corosync (info|notice|debug)' "$1")
	(grep -a -m 1 -B 10 -A 20 FAIL <<<"$lines" || tail -n 20 <<<"$lines") | sed 's/^/    | /'
}
