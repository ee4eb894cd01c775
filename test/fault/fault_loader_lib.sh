# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the loader's tests share. Sourced from the top of the build tree:
#	scratch         a directory of the test's own, gone at its end; $modules in it is where the loader looks
#	section LINES   writes a corosync.conf with a service section of these lines; none: without section
#	run CODE CMD... runs it preloaded; its exit code must be CODE. Output in $scratch/out and $scratch/err, what the
#	                test objects noted in $scratch/notes
#	says FILE TEXT, silent FILE, lines FILE N    what must be in out, err or notes
set -u
loader=$PWD/.libs/service_loader.so
objects=$PWD/test/fault/.libs
spy=$objects/fault_loader_spy.so

fail()
{
	echo "FAIL: $*" >&2
	for file in out err notes; do
		[ -s "$scratch/$file" ] && sed "s/^/$file: /" "$scratch/$file" >&2
	done
	exit 1
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/fault_loader.XXXXXX") || exit 99
# shellcheck disable=SC2046 # a word for each job
trap 'kill -9 $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 143' HUP INT TERM
modules=$scratch/modules
conf=$scratch/corosync.conf
mkdir "$modules" || exit 99
[ -e "$loader" ] || fail "$loader is not built"

install_module()
{
	cp "$objects/fault_loader_module.so" "$modules/corosync_cpg.so" || exit 99
}

section()
{
	cat >"$conf" <<-END
	totem {
		version: 2
		cluster_name: loader
		transport: knet
	}
	nodelist {
		node {
			nodeid: 1
			name: one
			ring0_addr: 127.0.0.1
		}
	}
	quorum {
		provider: corosync_votequorum
	}
	system {
		sched_rr: no
		move_to_root_cgroup: no
	}
	logging {
		to_stderr: yes
		to_syslog: no
	}
	END
	[ $# -eq 0 ] || printf 'service {\n%s\n}\n' "$1" >>"$conf"
}

run()
{
	local expected=$1 code=0
	shift
	rm -f "$scratch/notes"
	: >"$scratch/notes"
	# In a directory of its own: core files, relative paths.
	(cd "$scratch" && exec env LD_PRELOAD="$loader $spy" COROSYNC_SERVICE_PATH="$modules" \
		FAULT_LOADER_LOG="$scratch/notes" "$@" >out 2>err </dev/null) || code=$?
	[ "$code" -eq "$expected" ] || fail "$* ended with $code, not $expected"
}

says()
{
	grep -qF -- "$2" "$scratch/$1" || fail "not in $1: $2"
}

silent()
{
	[ ! -s "$scratch/$1" ] || fail "$1 is not empty"
}

lines()
{
	[ "$(wc -l <"$scratch/$1")" -eq "$2" ] || fail "$1 has not $2 lines"
}

# One line on stderr and the same in syslog, which says this.
complains()
{
	lines err 1
	says err "corosync: service_loader: "
	says err "$1"
	lines notes "${2:-1}"
	says notes "syslog daemon.err service_loader: "
	says notes "$1"
}
