#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The loader in programs of our own: odd executives, and others that are none.
. "$(dirname "$0")/fault_loader_lib.sh"

executive()
{
	cp "test/fault/fault_loader_executive_$1" "$scratch/corosync" || exit 99
}

# An executive that is to start our service: what reaches libqb, and what the module hears.
full_run()
{
	run 0 ./corosync "$@"
	silent err
	says out "loaded loader test service [2] 13"
	says notes config_init
	says notes exec_init
	says notes "libqb create cpg 2 0"
	says notes "libqb alice 0"
	says notes "accepted 1000:1000"
	says notes "libqb mallory -13"
	says notes "server created"
	grep -q "built-in [ce]" "$scratch/out" && fail "the built-in service was started"
	grep -q "accepted 2000" "$scratch/notes" && fail "a refused client was reported as accepted"
	# Only one of the two servers is the module's.
	[ "$(grep -c '^accepted' "$scratch/notes")" -eq 1 ] || fail "another service's client was reported"
	[ "$(grep -c '^server' "$scratch/notes")" -eq 1 ] || fail "another service's server was reported"
	[ "$(grep '^rate' "$scratch/notes" | tr '\n' ' ')" = "rate 4 rate 0 " ] || fail "wrong rates reported"
	[ "$(grep -c 'connection created' "$scratch/out")" -eq 2 ] || fail "libqb got other handlers"
	says out "requests 1007"
	says out "SIGBUS came"
	[ "$(grep -c '^SIGBUS changed' "$scratch/notes")" -eq 2 ] || fail "the module does not know who handles SIGBUS"
	[ "$(grep -A 1 -E '^(kept|cleared)$' "$scratch/notes" | tr '\n' ' ')" = "kept statistics cleared statistics " ] ||
		fail "the module does not know when statistics are cleared"
	[ "$(grep -c '^statistics' "$scratch/notes")" -eq 2 ] || fail "the module adds to statistics that libqb has not got"
}

built_in_run()
{
	run 0 ./corosync "$@"
	silent err
	says out "built-in config_init"
	says out "loaded built-in service [2] 1"
	says notes "libqb create cpg 2 0"
	says notes "libqb alice 0"
	says notes "libqb rate server 4"
	says notes "libqb rate server 0"
	says out "requests 1000"
	says out "SIGBUS came"
	grep -qv '^libqb' "$scratch/notes" && fail "the module was loaded"
}

ours="name: corosync_cpg"
install_module

echo "- tables in writable and in protected memory"
for kind in one const; do
	executive $kind
	section "$ours
		ver: 0
		colour: blue"
	full_run -c corosync.conf
	says notes "option colour=blue"
	lines out 7
	section "name: pacemaker"
	built_in_run -c corosync.conf
	section
	built_in_run -c corosync.conf
done

echo "- the file that the executive has built in"
executive one
section "$ours"
full_run
section
built_in_run

echo "- what the module says of the rate counts"
section "$ours"
run 0 env FAULT_LOADER=hold ./corosync
[ "$(grep -c 'libqb rate server 3' "$scratch/notes")" -eq 2 ] || fail "the module's rate was not set"
says notes "libqb rate server 0" # the other service's

echo "- two tables, none, another"
executive two
run 20 ./corosync
complains "found 2 tables"
silent out
cp /bin/true "$scratch/corosync"
run 20 ./corosync -c corosync.conf
complains "found 0 tables"
executive hidden
run 20 ./corosync
says err "another service table"
lines err 1
section
built_in_run

echo "- other programs"
section "$ours"
executive one
cp "$scratch/corosync" "$scratch/corosync2"
run 0 ./corosync2
silent err
says out "loaded built-in service"
run 0 /bin/true
silent err
silent out
silent notes
section
cp /bin/true "$scratch/corosync"
run 0 ./corosync -c corosync.conf
silent err
silent notes
code=0
(cd "$scratch" && LD_PRELOAD=$loader "$OLDPWD/test/fault/fault_loader_host") || code=$?
[ $code -eq 0 ] || fail "a program without libqb"
(cd "$scratch" && LD_PRELOAD=$loader "$OLDPWD/test/fault/fault_loader_host" "$objects/fault_loader_plugin.so") || code=$?
[ $code -eq 0 ] || fail "a plugin with libqb"

echo "- it needs libc alone"
needed=$(readelf -d "$loader" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needed" = libc.so.6 ] || fail "it needs $needed"
