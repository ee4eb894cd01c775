#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A client whose join carries the pid of another process is refused, and nobody sees it as a member. Stock
# takes the client's word, so this one is about our engine alone.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

cluster_init --nodes 2
cluster_conf crypto=nss
cluster_boot ours

client_start one 1 group
client_start two 2 group
clients_agree one two

for pid in "$$" "${CLIENT_PID[one]}" 0 4294967295; do
	step "join as process $pid"
	answer=$(node_run 1 timeout 20 cpgwrongpid group "$pid" </dev/null) || fail "the engine took pid $pid: $answer"
	echo "$answer"
done
clients_barrier one one two
clients_agree one two
for name in one two; do
	[[ $(client_count "$name" "^confchg .* joined [0-9]") -le 2 ]] || client_fail "$name" "saw a false member"
done
node_alive 1 || fail "node 1 is gone"
exit 0
