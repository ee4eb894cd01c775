# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034 # what it sets is for those who source it
#
# What ./quickstart's commands share: words, root, packages, building, steps and their results.
#
#	say TEXT, die TEXT
#	as_root CMD ...               runs CMD as root: directly, or with sudo
#	can_root                      true if that is possible
#	packages_need PACKAGE ...     installs those that are missing
#	step TITLE NAME CMD ...       runs CMD with its output in a log; one line says how it went; the result counts under NAME
#	suite TITLE FLAVOUR CMD ...   the same for what leaves results of its own: it doesn't count
#	build_tree DIR [CONFIGURE-ARGUMENT ...]  configures and builds out of tree in $QS_BUILD/DIR
#
# QS_SOURCE (the tree), QS_BUILD (where everything is built), QS_RESULTS (one .trs and .log for each test, by flavour).

: "${QS_SOURCE:?run ./quickstart}" "${QS_BUILD:?run ./quickstart}"
PATH=$PATH:/usr/sbin:/sbin
QS_RESULTS=$QS_BUILD/results
QS_PREFIX=$QS_BUILD/prefix
QS_JOBS=$(nproc)

say()
{
	echo "$*"
}

die()
{
	echo "quickstart: $*" >&2
	exit 1
}

can_root()
{
	[[ $(id -u) == 0 ]] || command -v sudo >/dev/null
}

as_root()
{
	if [[ $(id -u) == 0 ]]; then
		"$@"
	else
		sudo -E "$@"
	fi
}

### Packages

# What both commands build and run with, and what only check looks at.
QS_PACKAGES_RUN=(gcc make autoconf automake libtool pkg-config libc6-dev libqb-dev libcorosync-common-dev libnss3-dev check
	corosync libcpg4 iproute2 nftables util-linux procps)
QS_PACKAGES_CHECK=(clang libclang-rt-14-dev clang-tidy clang-format valgrind cppcheck shellcheck xz-utils libqb-tools libcpg-dev binutils man-db
	pacemaker pacemaker-cli-utils)
QS_PACKAGES_LONG=(mmdebstrap llvm qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-x86 e2fsprogs)

package_installed()
{
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

packages_need()
{
	local package missing=()
	for package; do
		package_installed "$package" || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null || die "this is no Debian: install what is missing yourself: ${missing[*]}"
	can_root || die "not root and no sudo here. As root: apt-get install ${missing[*]}"
	say "Installing with apt-get: ${missing[*]}"
	packages_install "${missing[@]}"
}

# These packages would start their daemons on this machine, and at each boot from now on. Nobody asked for that.
QS_SERVICES=(corosync pacemaker)

packages_install()
{
	local policy=/usr/sbin/policy-rc.d service new=() made_policy=0 status=0
	for service in "${QS_SERVICES[@]}"; do
		package_installed "$service" || new+=("$service")
	done
	if ((${#new[@]})) && [[ ! -e $policy ]]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy"
		made_policy=1
		trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM
	fi
	mkdir -p "$QS_BUILD"
	{
		as_root apt-get update &&
			as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
	} >"$QS_BUILD/apt.log" 2>&1 || status=$?
	if ((made_policy)); then
		as_root rm -f "$policy"
		trap - EXIT INT TERM
	fi
	for service in "${new[@]}"; do
		! package_installed "$service" || service_leave_alone "$service"
	done
	if ((status != 0)); then
		tail -n 20 "$QS_BUILD/apt.log" >&2
		die "apt-get failed: see above, or $QS_BUILD/apt.log"
	fi
}

service_leave_alone()
{
	as_root update-rc.d "$1" disable >/dev/null 2>&1
	if [[ -d /run/systemd/system ]]; then
		as_root systemctl stop "$1" >/dev/null 2>&1
	fi
	say "$1's package is installed; its service is neither started nor enabled here."
}

### Building

build_tree()
{
	local dir=$QS_BUILD/$1
	shift
	mkdir -p "$dir" && cd "$dir" || return 1
	"$QS_SOURCE/configure" --prefix="$QS_PREFIX" "$@" && make -k -j"$QS_JOBS"
}

# A release brings its configure; a tree that was built before has one.
build_configure()
{
	cd "$QS_SOURCE" || return 1
	if [[ -x configure && -z $(find configure.ac Makefile.am ./*/local.mk test/*/local.mk -newer configure) ]]; then
		echo "configure is up to date"
		return 0
	fi
	./autogen.sh
}

### Steps

result_write()
{
	mkdir -p "$(dirname "$QS_RESULTS/$1")"
	printf ':test-result: %s\n' "$2" >"$QS_RESULTS/$1.trs"
}

# TITLE LOG CMD ...: one line for the eye, the output for the log.
run_logged()
{
	local title=$1 log=$QS_RESULTS/$2.log start=$SECONDS status=0
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '%-56s' "$title"
	("$@") >"$log" 2>&1 </dev/null || status=$?
	case $status in
	0) printf 'ok' ;;
	77) printf 'skipped' ;;
	*) printf 'FAILED' ;;
	esac
	printf '  %d:%02d\n' $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60))
	if ((status != 0 && status != 77)); then
		# what a compiler or make complained of may stand far above the end of a parallel build
		{
			head -n -30 "$log" | grep -E '(error|Error [0-9]+)\b' | head -n 10
			tail -n 30 "$log"
		} | sed 's/^/    | /'
		say "    | all of it: $log"
	fi
	return "$status"
}

step()
{
	local name=$2 status=0
	run_logged "$@" || status=$?
	case $status in
	0) result_write "$name" PASS ;;
	77) result_write "$name" SKIP ;;
	*) result_write "$name" FAIL ;;
	esac
	return "$status"
}

# The tests that it runs leave results of their own in the directory FLAVOUR: it counts itself only when it failed and none
# of those says so.
suite()
{
	local title=$1 flavour=$2 status=0
	shift 2
	run_logged "$title" "suite/$flavour" "$@" || status=$?
	if ((status != 0)) && ! grep -rqsE --include='*.trs' '^:test-result: (FAIL|ERROR|XPASS)' "$QS_RESULTS/$flavour"; then
		result_write "suite/$flavour" FAIL
	fi
	return "$status"
}
