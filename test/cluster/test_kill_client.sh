#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that is killed leaves with exactly one PROCDOWN; one that leaves and finalizes, with exactly one LEAVE.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

cluster_init --nodes 3
cluster_conf crypto=nss
cluster_boot

step "clients on all nodes, two on node 3"
client_start one 1 group
client_start two 2 group
client_start three 3 group
client_start other 3 group
clients_agree one two three other

step "kill -9"
victim=$(client_id three)
client_kill three
clients_agree one two other
clients_barrier other one two other
for name in one two other; do
	[[ $(client_count "$name" " left .*$victim:procdown") == 1 ]] || client_fail "$name" "wants one procdown of $victim"
	[[ $(client_count "$name" " left .*$victim:") == 1 ]] || client_fail "$name" "saw $victim leave more than once"
done

step "leave, then finalize"
client_start four 3 group
clients_agree one two other four
leaver=$(client_id four)
client_say four leave
client_wait four " left .*$leaver:leave"
client_say four quit
client_end four
clients_agree one two other
clients_barrier other one two other
for name in one two other; do
	[[ $(client_count "$name" " left .*$leaver:leave") == 1 ]] || client_fail "$name" "wants one leave of $leaver"
	[[ $(client_count "$name" " left .*$leaver:") == 1 ]] || client_fail "$name" "saw $leaver leave more than once"
	client_has "$name" garbage && client_fail "$name" "saw a reason that does not exist"
done
exit 0
