# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034 # what it says of the rows is for bench_cpg
#
# The rows of bench_cpg. Each is a function row_NAME that measures on a fresh ring, whose engine and library it need not know, and
# says what it found with
#
#	figure LABEL UNIT VALUE
#
# It runs in a process of its own: fail() ends the row, not the benchmark.
#
# Set by bench_cpg: SIZES, SECONDS_EACH, CLIENTS, ROUND, ROW, PAIR, and CPG_LIB.

ROWS=(plain sockets zcb nodes idle members trip join change stall)
declare -A ROW_NODES=([plain]=1 [sockets]=1 [zcb]=1 [nodes]=3 [idle]=1 [members]=1 [trip]=1 [join]=1 [change]=3 [stall]=1)
declare -A ROW_IPC=([sockets]=socket) # system { qb_ipc_type }
declare -A ROW_PAIRS=([plain]=ours/ours/stock) # besides the usual ones
declare -A ROW_WHAT=(
	[plain]="cpg_mcast_joined, each size"
	[sockets]="the same with system { qb_ipc_type: socket }, 64 and 1000 bytes"
	[zcb]="zero-copy, each size: cpg_zcb_mcast_joined and cpg_zcb_mcast_async, and what a plain send of that size does"
	[nodes]="one sender, a receiver on each node; 64, 1000 and 100,000 bytes"
	[idle]="64 bytes beside many idle clients, each in a group of its own; and the shared memory of these"
	[members]="8 members of one group, 1000 bytes"
	[trip]="from send to delivery to oneself, 64 bytes: 1000 a second, and at 80 % of what was the most just before"
	[join]="many clients connect and join, in groups of 10: until all have seen all"
	[change]="many clients on all nodes: one node is cut off, and comes back: until all have seen it"
	[stall]="64 bytes, while a client of another group with a sender stops reading"
)

FLOW_LIMIT=120  # seconds that one flow may take
VIEWS_LIMIT=300 # that all clients may need to see a view
PROCESSES=10    # that have the many clients; a group is in each of them once

### Flows

# Ends what timeout runs with it.
spawn_limited()
{
	local n=$1
	shift
	node_spawn "$n" timeout -k 5 "$FLOW_LIMIT" "$@"
}

# What programs said, in one line.
said()
{
	cat "$@" | sort -u | tr '\n' ' '
}

# GROUP SIZE WAY NODE ...: a sender on node 1, a receiver on each of the nodes. FLOW is what the slowest of these got in a second.
# Status 77: this can't be done.
flow()
{
	local group=$1 size=$2 way=$3 n pid pids=() out=$CLUSTER_DIR/flow status=0
	shift 3
	for n; do
		spawn_limited "$n" bench_flow receive "$group" "$size" "$SECONDS_EACH" >"$out.${#pids[@]}" 2>&1
		pids+=("$SPAWN_PID")
	done
	spawn_limited 1 bench_flow send "$group" "$size" "$way" $(($# + 1)) >"$out.sent" 2>&1
	wait "$SPAWN_PID" || status=$?
	((status == 0 || status == 77)) || fail "sender, $size bytes, $way: $(said "$out".*) (status $status)"
	for pid in "${pids[@]}"; do
		wait "$pid" || ((status == 77)) || fail "receiver, $size bytes, $way: $(said "$out".[0-9]*)"
	done
	FLOW=$(sort -n "$out".[0-9]* | head -n 1)
	rm -f "$out".[0-9]*
	return "$status"
}

# A / B
quotient()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'
}

### Many clients

declare -A CLIENTS_PID # of bench_clients, by node

# NODE PROCESSES HANDLES
clients_start()
{
	node_spawn "$1" bench_clients "$2" "$3" >"$CLUSTER_DIR/clients.$1" 2>&1
	CLIENTS_PID[$1]=$SPAWN_PID
}

# NODE MEMBERS TIMES: until so often a process there had all its groups seen with so many members.
clients_wait()
{
	wait_until "$VIEWS_LIMIT" clients_see "$@" ||
		fail "the clients on node $1 do not see $2 members: $(tail -n 3 "$CLUSTER_DIR/clients.$1" | said)"
	((CLIENTS_ENDED == 0)) || fail "the clients on node $1 ended: $(said "$CLUSTER_DIR/clients.$1")"
}

clients_see()
{
	CLIENTS_ENDED=0
	! process_ended "${CLIENTS_PID[$1]}" || CLIENTS_ENDED=1
	((CLIENTS_ENDED)) || (($(grep -c "^members $2 " "$CLUSTER_DIR/clients.$1") >= $3))
}

# NODE LINE: the last time (ns of the day) in lines that begin so.
clients_time()
{
	awk -v line="$2 " 'index($0, line) == 1 { print $NF }' "$CLUSTER_DIR/clients.$1" | sort -n | tail -n 1
}

clients_end()
{
	local pid
	for pid in "${CLIENTS_PID[@]}"; do
		end_process "$pid"
	done
	CLIENTS_PID=()
}

# FROM TO: ns to ms
milliseconds()
{
	local us=$((($2 - $1) / 1000))
	printf '%d.%03d' $((us / 1000)) $((us % 1000))
}

# NODE TIME: when the ring was formed that was the node's at that time (ns of the day).
ring_time()
{
	node_log "$1" | sed -n 's/^\(.\{15\}\.[0-9]*\) .*\[TOTEM *\] A new membership .*/\1/p' | date -f - +%s%N |
		awk -v time="$2" '$1 <= time { last = $1 } END { print last }'
}

### Rows

row_plain()
{
	local size
	for size in "${SIZES[@]}"; do
		flow bench "$size" plain 1
		figure "1 node, plain, $size B" msg/s "$FLOW"
	done
}

row_sockets()
{
	local size
	for size in 64 1000; do
		flow bench "$size" plain 1
		figure "1 node, sockets, plain, $size B" msg/s "$FLOW"
	done
}

row_zcb()
{
	local size way plain
	local -A left_out
	for size in "${SIZES[@]}"; do
		flow bench "$size" plain 1
		plain=$FLOW
		for way in zcb async; do
			if [[ -n ${left_out[$way]:-} ]]; then
				continue
			elif flow bench "$size" "$way" 1; then
				figure "1 node, $way, $size B" msg/s "$FLOW"
				figure "1 node, $way, $size B, to plain" ratio "$(quotient "$FLOW" "$plain")"
			else
				left_out[$way]=1
				echo "    $way is left out: $(cat "$CLUSTER_DIR/flow.sent")"
			fi
		done
	done
}

row_nodes()
{
	local size
	for size in 64 1000 100000; do
		# a group of its own: what the last sender left behind still comes when it is gone
		flow "bench-$size" "$size" plain 1 2 3
		figure "3 nodes, plain, $size B" msg/s "$FLOW"
	done
}

shared_memory()
{
	node_enter 1 df -B1 --output=used /dev/shm | tail -n 1
}

row_idle()
{
	local alone before
	flow bench 64 plain 1
	alone=$FLOW
	figure "64 B, no other clients" msg/s "$alone"
	before=$(shared_memory)
	clients_start 1 1 "$CLIENTS"
	clients_wait 1 1 1
	figure "shared memory of an idle client" KiB "$(quotient $(($(shared_memory) - before)) $((CLIENTS * 1024)))"
	flow bench 64 plain 1
	figure "64 B, beside $CLIENTS idle clients" msg/s "$FLOW"
	figure "64 B, beside $CLIENTS, to without" ratio "$(quotient "$FLOW" "$alone")"
	clients_end
}

row_members()
{
	flow bench 1000 plain 1 1 1 1 1 1 1
	figure "8 members, plain, 1000 B" msg/s "$FLOW"
}

# RATE MEMBERS: TRIP is "P50 P99".
trip()
{
	TRIP=$(node_run 1 timeout -k 5 "$FLOW_LIMIT" bench_trip bench 64 "$1" "$SECONDS_EACH" "$2" 2>&1) ||
		fail "round trips, $1 a second: $TRIP"
}

row_trip()
{
	local load receiver
	trip 1000 1
	figure "round trip, idle, p50" us "${TRIP% *}"
	figure "round trip, idle, p99" us "${TRIP#* }"
	flow bench 64 plain 1
	load=$((${FLOW%.*} * 8 / 10))
	spawn_limited 1 bench_flow receive bench 64 "$FLOW_LIMIT" >"$CLUSTER_DIR/receiver" 2>&1
	receiver=$SPAWN_PID
	trip "$load" 2
	wait "$receiver" || fail "receiver, $load a second: $(said "$CLUSTER_DIR/receiver")"
	figure "round trip, 80 % load, p99" us "${TRIP#* }"
	figure "round trip, 80 % load: that load" msg/s "$load"
}

row_join()
{
	clients_start 1 "$PROCESSES" $((CLIENTS / PROCESSES))
	clients_wait 1 "$PROCESSES" "$PROCESSES"
	local from connected joined
	from=$(clients_time 1 connecting) connected=$(clients_time 1 joining) joined=$(clients_time 1 "members $PROCESSES")
	figure "$CLIENTS clients connect and join" ms "$(milliseconds "$from" "$joined")"
	figure "$CLIENTS clients connect" ms "$(milliseconds "$from" "$connected")"
	figure "$CLIENTS clients join" ms "$(milliseconds "$connected" "$joined")"
	clients_end
}

# WHAT MEMBERS ...: from when a node's ring was formed until all clients there saw views with so many members, on the slowest node.
# Before that totem waits for its own time-outs.
figure_change()
{
	local what=$1 n=0 members seen took slowest=0
	shift
	for members; do
		n=$((n + 1))
		seen=$(clients_time "$n" "members $members")
		took=$((seen - $(ring_time "$n" "$seen")))
		((took <= slowest)) || slowest=$took
	done
	figure "$what" ms "$(milliseconds 0 "$slowest")"
}

row_change()
{
	local n here=([1]=4 [2]=3 [3]=3) handles=$((CLIENTS / PROCESSES))
	for n in 1 2 3; do
		clients_start "$n" "${here[n]}" "$handles"
	done
	for n in 1 2 3; do
		clients_wait "$n" 10 "${here[n]}"
	done
	partition "1 2" 3
	clients_wait 1 7 4
	clients_wait 2 7 3
	clients_wait 3 3 3
	figure_change "$CLIENTS clients, a node leaves" 7 7 3
	heal
	for n in 1 2 3; do
		clients_wait "$n" 10 $((2 * here[n]))
	done
	figure_change "$CLIENTS clients, it comes back" 10 10 10
	clients_end
}

process_stopped()
{
	grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

# KEY of the daemon's memory, KiB
daemon_memory()
{
	sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$(node_pid 1)/status"
}

row_stall()
{
	local alone before stalled
	flow bench 64 plain 1
	alone=$FLOW
	before=$(daemon_memory VmHWM)
	node_spawn 1 bench_flow stall other
	stalled=$SPAWN_PID
	node_spawn 1 bench_flow send other 1000 plain 2
	wait_until 30 process_stopped "$stalled" || fail "no message came to the client that was to stop reading"
	sleep 2 # until the group's queue is full, where it has a limit
	flow bench 64 plain 1
	figure "64 B, nobody else" msg/s "$alone"
	figure "64 B, another client stalls" msg/s "$FLOW"
	figure "64 B, it stalls, to nobody else" ratio "$(quotient "$FLOW" "$alone")"
	figure "corosync grows for it" MiB "$(quotient $(($(daemon_memory VmHWM) - before)) 1024)"
	end_process "$stalled"
	wait "$SPAWN_PID" || fail "the sender to the client that stopped reading ended with status $?"
}
