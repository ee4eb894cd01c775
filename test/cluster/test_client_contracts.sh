#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What clients rely on when nodes come and go; the rest of it is in test/api/api_client_*.c.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

# dlm_controld: a totem_confchg follows every NODEDOWN, before anything else; every joined entry is in the same confchg's member list. cmirrord: joins and
# leaves are never in one confchg.
dlm_is_content()
{
	client_output "$1" | awk '
		/^ring/ { down = 0 }
		/^message/ && down { bad = "no totem_confchg between a nodedown and: " $0 }
		/^confchg/ {
			part = ""; joins = leaves = 0; split("", member)
			for (i = 3; i <= NF; i++) {
				if ($i ~ /^(members|joined|left)$/) { part = $i; continue }
				id = $i; sub(/:[a-z]*$/, "", id)
				if (part == "members") member[id] = 1
				if (part == "joined") { joins++; if (!(id in member)) bad = "joined is no member: " $0 }
				if (part == "left") { leaves++; if ($i ~ /:nodedown$/) down = 1 }
			}
			if (joins && leaves) bad = "joined and left together: " $0
		}
		END {
			if (down) bad = "no totem_confchg follows the last nodedown"
			if (bad != "") { print bad; exit 1 }
		}' || client_fail "$1" "got what dlm_controld can't stand"
}

# sheepdog: a majority that leaves arrives in one confchg.
left_in_one()
{
	local name=$1 other ids=""
	shift
	for other; do
		ids+=" $(client_id "$other"):nodedown"
	done
	client_wait "$name" "^confchg .* left$ids\$"
	[[ $(client_count "$name" ":nodedown") == 1 ]] || client_fail "$name" "got a majority's end in several confchgs"
}

cluster_init --nodes 5
cluster_conf crypto=nss
cluster_boot
for n in 1 2 3 4 5; do
	client_start "a$n" "$n" group
done
clients_agree a1 a2 a3 a4 a5

step "a majority leaves"
partition "1 2" "3 4 5"
nodes_wait_ring "1 2"
nodes_wait_ring "3 4 5"
clients_agree a1 a2
left_in_one a1 a3 a4 a5
left_in_one a2 a3 a4 a5
left_in_one a5 a1 a2
clients_barrier a1 a1 a2
heal
nodes_wait_ring "1 2 3 4 5"
clients_agree a1 a2 a3 a4 a5
clients_barrier a5 a1 a2 a3 a4 a5

step "the daemon dies under a client that begins again"
node_spawn 5 api_client_asterisk again >"$CLUSTER_DIR/asterisk" 2>&1
asterisk=$SPAWN_PID
wait_until 20 grep -q '^life 1$' "$CLUSTER_DIR/asterisk" || fail "it does not begin: $(<"$CLUSTER_DIR/asterisk")"
node_kill 5
client_end a5 3
nodes_wait_ring "1 2 3 4"
node_boot 5
node_wait_up 5
wait_gone 60 "$asterisk" || fail "it does not live again: $(<"$CLUSTER_DIR/asterisk")"
grep -q '^life 2$' "$CLUSTER_DIR/asterisk" || fail "it had no second life: $(<"$CLUSTER_DIR/asterisk")"
clients_agree a1 a2 a3 a4
clients_barrier a1 a1 a2 a3 a4

for n in 1 2 3 4; do
	dlm_is_content "a$n"
done
exit 0
