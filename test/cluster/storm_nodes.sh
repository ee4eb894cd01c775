# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034 # what verify.sh reads
#
# What storm does to its nodes and their clients, and what it waits for.
#
#	storm_boot                    all nodes, with engines and libraries as $STORM_ENGINE wants them
#	storm_apply ACTION ARGUMENT   as storm_schedule.sh says
#	storm_settle                  waits until the rings are those that the schedule leads to
#	storm_revive                  counts daemons that ended though nobody ended them, and boots them again
#	storm_watch, storm_watch_end  what the nodes log can be waited for between the two:
#	storm_watch_forget            not for what is there already
#	storm_watch_ring              until a node has a new ring

STORM_WATCH=0

storm_engine_of()
{
	case $STORM_ENGINE in
	mixed) if (($1 == STORM_NODES)); then echo stock; else echo ours; fi ;;
	*) echo "$STORM_ENGINE" ;;
	esac
}

# The effective token timeout in ms: stock's default, and its share for each node over two.
storm_token()
{
	case $STORM_LAP in
	default:*) echo $((3000 + (STORM_NODES - 2) * 650)) ;;
	short:*) echo "$STORM_SHORT" ;;
	*) echo "${STORM_LAP%:*}" ;;
	esac
}

# Where a recovery that totem ended too early is not the same for two nodes (docs/WIRE.md, "A gap"), each may wait for messages that the
# other has no more, and no ring forms until that took so many visits of the token: by default 2500, which are minutes.
STORM_FAIL_RECV='	fail_recv_const: 50'

storm_boot()
{
	local n engines=() libs=() totem=
	for n in $CLUSTER_NODES; do
		engines+=("$(storm_engine_of "$n")")
		libs+=("${STORM_LIBRARY:-${engines[-1]}}")
	done
	VERIFY_LIBS=${libs[*]}
	# shellcheck disable=SC2153 # storm sets it
	((!STORM_WEATHER)) || totem=$STORM_FAIL_RECV
	cluster_conf crypto="$STORM_CRYPTO"
	if [[ $STORM_LAP == default:* ]]; then
		cluster_conf token=default totem="$totem"
	else
		cluster_conf token="$STORM_TOKEN" totem="$totem"$'\n\ttoken_coefficient: 0'
	fi
	cluster_boot "${engines[@]}"
}

# A daemon that ended though nobody ended it is counted, and booted again.
storm_revive()
{
	local n status
	for n in $CLUSTER_NODES; do
		[[ $(schedule_state "$n") != down ]] || continue
		! node_alive "$n" || continue
		status=0
		wait "$(node_pid "$n")" || status=$?
		echo "    node $n: its daemon ended by itself, status $status"
		count deaths
		[[ $(schedule_state "$n") != paused ]] || schedule_apply resume "$n"
		node_boot "$n"
	done
}

storm_stop_node()
{
	local pid status=0
	pid=$(node_pid "$1")
	require node_term "$1"
	wait_gone 30 "$pid" || status=$?
	((status == 0)) || echo "    node $1: SIGTERM ended its daemon with status $status"
	case $status in
	0) ;;
	124) count stuck ;;
	*) count deaths ;;
	esac
	((status != 124)) || node_kill "$1"
	unset "CLUSTER_DAEMON[$1]"
}

storm_client_error()
{
	echo "    cpgverify $1 $2:"
	tail -n 5 "$VERIFY_DIR/out$1" | sed 's/^/    | /'
	count client_errors
}

# The client that is there for it, and a new one in its place.
storm_crash()
{
	verify_crash "${1}x" || storm_client_error "${1}x" "was not there to be killed, or did not end of it"
	verify_add "${1}x" "${STORM_TRAFFIC[@]}"
}

storm_apply()
{
	local words
	schedule_apply "$1" "$2"
	case $1 in
	partition)
		IFS='|' read -ra words <<<"$2"
		partition "${words[@]}"
		;;
	heal) heal ;;
	stop) storm_stop_node "$2" ;;
	crash) storm_crash "$2" ;;
	loss) packet_loss "$2" ;;
	delay)
		read -ra words <<<"$2"
		packet_delay "${words[@]}"
		;;
	*) "node_$1" "$2" ;;
	esac
}

storm_settled()
{
	local rings ring
	storm_revive >&3
	IFS='|' read -ra rings <<<"$(schedule_rings)"
	for ring in "${rings[@]}"; do
		nodes_see_ring "$ring" || return 1
	done
}

# Rings that never come about are counted; the nodes start afresh.
storm_settle()
{
	local n
	wait_until "$STORM_DEADLINE" storm_settled 3>&1 && return
	echo "    stuck: expected the rings $(schedule_rings), but $(nodes_show_rings "$CLUSTER_NODES")"
	count stuck
	for n in $CLUSTER_NODES; do
		! node_alive "$n" || node_kill "$n"
	done
	for n in $CLUSTER_NODES; do
		[[ $(schedule_state "$n") == down ]] || storm_apply boot "$n"
	done
	require wait_until "$STORM_DEADLINE" storm_settled 3>&1
}

storm_log_files()
{
	local n
	for n in $CLUSTER_NODES; do
		echo "$CLUSTER_DIR/n$n/log/corosync.log"
	done
}

# Hears at once what the nodes log: a sync is over in milliseconds.
storm_watch()
{
	local files
	mapfile -t files <<<"$(storm_log_files)"
	log_watch STORM_WATCH "${files[@]}"
	STORM_WATCHER=$SPAWN_PID
}

storm_watch_end()
{
	log_watch_end STORM_WATCH "$STORM_WATCHER"
}

storm_watch_forget()
{
	local line
	while read -r -t 0 -u "$STORM_WATCH" && read -r -u "$STORM_WATCH" line; do
		:
	done
}

# Not for long: where a node was alone none comes of it when it goes.
storm_watch_ring()
{
	local line limit=$((4 * STORM_TOKEN / 1000 + 3)) end
	end=$((SECONDS + limit))
	while ((SECONDS < end)) && read -r -t "$limit" -u "$STORM_WATCH" line; do
		[[ $line != *'A new membership ('* ]] || return 0
	done
}
