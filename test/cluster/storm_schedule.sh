# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Schedules of changes: what storm does to the nodes, and which rings must come of it. Knows no cluster.
#
#	schedule_print SEED CHANGES NODES [weather]  prints a schedule, the same one for the same arguments. A line is one change:
#	                              ACTION;ARGUMENT;WHEN;NUMBER
#	                              ACTION: partition (sets of nodes with | between), heal, pause N, resume N, kill N, stop N, boot N;
#	                              with weather also: loss PERCENT, delay "MS JITTER_MS REORDER_PERCENT", crash N (of a client)
#	                              WHEN the next change comes: whole  when all parts have their ring, and NUMBER ms later
#	                                                          ring   when the first node has a new ring, and NUMBER ms later:
#	                                                                 most likely in the middle of its sync
#	                                                          blind  after NUMBER percent of the token timeout
#	                              In bad weather no ring can be counted on: nothing is whole then. heal ends it
#	schedule_reset NODES          the state below: all nodes are up and in one part
#	schedule_apply ACTION ARGUMENT  what the action makes of that state
#	schedule_rings                prints the rings that it leads to: sets of nodes with | between
#	schedule_state N              prints up, paused or down
#	schedule_calm                 true in good weather

declare -A SCHEDULE_STATE
SCHEDULE_NODES=""
SCHEDULE_PARTS=""
SCHEDULE_WEATHER="" # the bad weather there is

schedule_reset()
{
	local n
	SCHEDULE_NODES=$(seq -s ' ' "$1")
	SCHEDULE_PARTS=$SCHEDULE_NODES
	SCHEDULE_WEATHER=""
	for n in $SCHEDULE_NODES; do
		SCHEDULE_STATE[$n]=up
	done
}

schedule_state()
{
	echo "${SCHEDULE_STATE[$1]}"
}

schedule_calm()
{
	[[ -z $SCHEDULE_WEATHER ]]
}

schedule_apply()
{
	case $1 in
	partition) SCHEDULE_PARTS=$2 ;;
	heal) SCHEDULE_PARTS=$SCHEDULE_NODES SCHEDULE_WEATHER="" ;;
	loss | delay) SCHEDULE_WEATHER+=" $1" ;;
	pause) SCHEDULE_STATE[$2]=paused ;;
	kill | stop) SCHEDULE_STATE[$2]=down ;;
	resume | boot) SCHEDULE_STATE[$2]=up ;;
	esac
}

schedule_rings()
{
	local part n ring rings="" parts
	IFS='|' read -ra parts <<<"$SCHEDULE_PARTS"
	for part in "${parts[@]}"; do
		ring=""
		for n in $part; do
			[[ ${SCHEDULE_STATE[$n]} != up ]] || ring+="${ring:+ }$n"
		done
		rings+=${ring:+${rings:+|}$ring}
	done
	echo "$rings"
}

### Making one

# LIMIT: a number from 0 on below it goes to ROLL. A generator of our own: bash's differs from version to version.
schedule_roll()
{
	SCHEDULE_RANDOM=$((SCHEDULE_RANDOM * 6364136223846793005 + 1442695040888963407))
	ROLL=$(((SCHEDULE_RANDOM >> 33 & 0x3fffffff) % $1))
}

# COUNT: cuts the nodes into so many parts, none of them empty.
schedule_cut()
{
	local count=$1 n i parts
	while :; do
		parts=()
		for n in $SCHEDULE_NODES; do
			schedule_roll "$count"
			parts[ROLL]+="${parts[ROLL]:+ }$n"
		done
		((${#parts[@]} < count)) || break
	done
	ARGUMENT=${parts[0]}
	for ((i = 1; i < count; i++)); do
		ARGUMENT+="|${parts[i]}"
	done
}

schedule_links()
{
	schedule_roll 3
	if [[ $SCHEDULE_PARTS == *'|'* ]] && ((ROLL > 0)); then
		ACTION=heal ARGUMENT=""
		return
	fi
	schedule_roll 5
	ACTION=partition
	schedule_cut $((ROLL < 3 ? 2 : 3))
}

# Of the nodes that are up the last one goes most often: a ring that is mixed has its odd one there. No more than two are away.
schedule_node()
{
	local n away=() up=()
	for n in $SCHEDULE_NODES; do
		if [[ ${SCHEDULE_STATE[$n]} == up ]]; then up+=("$n"); else away+=("$n"); fi
	done
	up+=("$n")
	schedule_roll 2
	if ((${#away[@]} > ROLL)); then
		schedule_roll "${#away[@]}"
		ARGUMENT=${away[ROLL]}
	else
		schedule_roll "${#up[@]}"
		ARGUMENT=${up[ROLL]}
	fi
	schedule_node_action
}

schedule_node_action()
{
	local actions=(pause pause kill kill stop)
	case ${SCHEDULE_STATE[$ARGUMENT]} in
	paused) ACTION=resume ;;
	down) ACTION=boot ;;
	up)
		schedule_roll "${#actions[@]}"
		ACTION=${actions[ROLL]}
		;;
	esac
}

schedule_when()
{
	schedule_roll 10
	case $ROLL in
	[0-3]) WHEN=whole ;;
	[4-6]) WHEN=ring ;;
	*) WHEN=blind ;;
	esac
	case $WHEN in
	whole) schedule_roll 1200 ;;
	ring) schedule_roll 8 ;;
	blind) schedule_roll 230 ;;
	esac
}

# While a ring has no token its messages pile up. Who comes to it then and was in another ring may miss them in stock's format, so that
# is what follows most often on a change that is not over.
schedule_pick()
{
	schedule_roll 6
	if [[ $WHEN != whole && $SCHEDULE_PARTS == *'|'* ]] && ((ROLL < 4)); then
		ACTION=heal ARGUMENT=""
	elif ((ROLL % 2)); then
		schedule_links
	else
		schedule_node
	fi
}

# Fails without having changed anything when the rings would stay as they are: that happens with links only.
schedule_change_rings()
{
	local rings cut=$SCHEDULE_PARTS
	rings=$(schedule_rings)
	schedule_pick
	schedule_apply "$ACTION" "$ARGUMENT"
	[[ $(schedule_rings) == "$rings" ]] || return 0
	SCHEDULE_PARTS=$cut
	return 1
}

# Up to what a ring may still hold together in, and beyond.
schedule_delay()
{
	local ms jitter
	schedule_roll 30
	ms=$((ROLL + 1))
	schedule_roll 30
	jitter=$ROLL
	schedule_roll 21
	ACTION=delay ARGUMENT="$ms $jitter $ROLL"
}

# Of a node whose daemon is paused, too: then it is long dead when the daemon hears of it.
schedule_crash()
{
	local n there=()
	for n in $SCHEDULE_NODES; do
		[[ ${SCHEDULE_STATE[$n]} == down ]] || there+=("$n")
	done
	schedule_roll "${#there[@]}"
	ACTION=crash ARGUMENT=${there[ROLL]}
}

# Weather lasts some time: what else happens shall happen in it.
schedule_change_weather()
{
	schedule_roll 10
	case $ROLL in
	[0-1])
		schedule_roll 20
		ACTION=loss ARGUMENT=$((ROLL + 1))
		;;
	[2-3]) schedule_delay ;;
	[4-6]) schedule_crash ;;
	*)
		! schedule_calm || return 1
		ACTION=heal ARGUMENT=""
		;;
	esac
	schedule_apply "$ACTION" "$ARGUMENT"
	WHEN=blind
	schedule_roll 400
}

schedule_change()
{
	if [[ -n $1 ]]; then
		schedule_roll 5
		if ((ROLL < 2)); then
			schedule_change_weather
			return
		fi
	fi
	schedule_change_rings || return
	schedule_when
	[[ $WHEN != whole ]] || schedule_calm || WHEN=blind ROLL=$((ROLL / 4))
}

schedule_print()
{
	local changes=$2 weather=${4:-} ACTION ARGUMENT WHEN=whole ROLL
	SCHEDULE_RANDOM=$1
	schedule_reset "$3"
	while ((changes > 0)); do
		schedule_change "$weather" || continue
		((--changes > 0)) || ! schedule_calm || WHEN=whole
		echo "$ACTION;$ARGUMENT;$WHEN;$ROLL"
	done
}
