# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
#	debian_make DIR PACKAGES [OPTION ...]   a bare Debian 12 in DIR, with these packages (commas between) and what they need.
#
# From the machine's own package sources, with its keys and proxies, as they are at this moment. Options go to mmdebstrap. What it mounts is
# seen by it alone: who removes DIR, also when it was killed, must not find this machine's /dev there.

debian_make()
{
	local dir=$1 packages=$2 file existing=() options=()
	shift 2
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		[[ -s $file ]] && existing+=("$file")
	done
	if ((${#existing[@]} == 0)); then
		echo "this machine has no package sources" >&2
		return 1
	fi
	while IFS= read -r file; do
		options+=("--aptopt=$file")
	done < <(grep -rl 'Acquire::' /etc/apt/apt.conf /etc/apt/apt.conf.d 2>/dev/null)
	unshare --mount --propagation private mmdebstrap --mode=root --variant=minbase --include="$packages" "${options[@]}" "$@" \
		bookworm "$dir" "${existing[@]}"
}
