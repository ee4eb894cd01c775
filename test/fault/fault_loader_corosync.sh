#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The loader in the machine's own corosync: each way to fail before main(), and one run that doesn't.
. "$(dirname "$0")/fault_loader_lib.sh"

corosync=$(PATH=$PATH:/usr/sbin command -v corosync) || {
	echo "SKIP: corosync is not installed"
	exit 77
}

ours="name: corosync_cpg"

check_conf()
{
	run "$1" "$corosync" -t -c "$conf"
}

# Where the n-th service section starts.
section_line()
{
	grep -n '^service' "$conf" | sed -n "$1s/:.*//p"
}

echo "- no section: stock"
section
check_conf 0
silent notes
section "name: pacemaker
ver: 1"
check_conf 0
silent notes

echo "- the module"
section "$ours"
check_conf 20
complains "$modules/corosync_cpg.so"
complains "set COROSYNC_SERVICE_PATH"
complains "remove the service section corosync_cpg from $conf"
echo "not a module" >"$modules/corosync_cpg.so"
check_conf 20
complains "can't load the module"
cp "$spy" "$modules/corosync_cpg.so"
check_conf 20
complains "is not a service module, it has no corosync_service_module"
install_module
for defect in "abi:another version of the loader" "size:another size"; do
	run 20 env FAULT_LOADER="${defect%%:*}" "$corosync" -t -c "$conf"
	complains "does not fit"
	complains "${defect#*:}"
done
for defect in "id:service id is not 2" "count:number of client request handlers"; do
	run 20 env FAULT_LOADER="${defect%%:*}" "$corosync" -t -c "$conf"
	complains "${defect#*:}"
done

echo "- the section"
check_conf 0
silent notes
section "$ours
bad: 1"
check_conf 8
complains "unknown option bad: it is good or nothing" 2
section "$ours
ver: 1"
check_conf 8
complains "line $(section_line 1): unknown ver"
section "$ours
}
service {
$ours"
check_conf 8
complains "line $(section_line 2): a second section"
section "$ours
inner {
}"
check_conf 8
complains "a section inside"

echo "- the command line"
section "$ours
bad: 1"
run 8 "$corosync" -f "-tc$conf"
run 8 "$corosync" -ft stray -c "$conf"
run 0 "$corosync" -v
silent notes
run 0 "$corosync" -c "$conf" -v
silent err
silent notes
# What this corosync does not know a later one may: so the section counts, and corosync says the rest.
for option in -x -lx; do
	run 8 "$corosync" $option -c "$conf"
	says err "unknown option bad"
done
section "$ours"
for option in -x -lx; do
	run 1 "$corosync" $option -c "$conf"
	says err usage
done
section
cp "$conf" "$scratch/other.conf"
section "$ours
bad: 1"
run 0 "$corosync" -t -c "$conf" -c "$scratch/other.conf"

echo "- files that corosync itself complains of"
run 8 "$corosync" -t -c "$scratch/missing"
says err "Can't read file $scratch/missing"
grep -q service_loader "$scratch/err" && fail "the loader spoke too"
run 8 "$corosync" -t -c "$scratch" # a directory
grep -q service_loader "$scratch/err" && fail "the loader spoke too"
section
mkfifo "$scratch/pipe"
cat "$conf" >"$scratch/pipe" &
run 0 "$corosync" -t -c "$scratch/pipe"
says err "is not a regular file"
wait
truncate -s 17M "$scratch/large"
run 8 "$corosync" -t -c "$scratch/large"
says err "is not a regular file of at most 16 MiB"
