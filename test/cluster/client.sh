# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Drives cpgclient on the nodes of cluster.sh. A client has a name of the test's choice.
#
#	client_start NAME NODE GROUP  starts it and waits until it sees itself in the group
#	                              with CLIENT_USER=UID:GID as that user (needs client_publish)
#	client_publish                copies program and library to where any user can read them
#	client_say NAME TEXT          gives it a line of input: send TEXT, leave, quit
#	client_wait NAME REGEX [SECONDS]  until a line of its output matches
#	client_wait_last NAME MEMBER ...  until its last confchg shows exactly these clients
#	client_has NAME REGEX         true if a line matches
#	client_count NAME REGEX       prints how many do
#	client_output NAME            prints all lines
#	client_id NAME                prints NODE:PID as in the output
#	client_kill NAME              kill -9
#	client_send_and_die NAME COUNT SIZE  it tries to send so many messages, and kills itself with the next instruction:
#	                              CLIENT_SENT were taken
#	client_got_all NAME ... FROM COUNT  each got FROM's messages 1 to COUNT, in order, and then that it was gone by procdown
#	client_status NAME            what it counted: CLIENT_STATUS is "sent N refused N flow enabled", or disabled
#	client_end NAME [STATUS]      waits for its end, which must be with this status (0)
#	clients_agree NAME ...        all see the same member list (of all these clients, no other) now or soon
#	clients_barrier FROM NAME ... FROM sends a message; waits until all have it: what was sent before it has come too

declare -A CLIENT_PID CLIENT_NODE CLIENT_FD CLIENT_STATUSES
CLIENT_STATUS=""
CLIENT_BARRIERS=0
CLIENT_DEADLINE=60 # seconds, for what must come about: on a loaded machine rings may come and go for a while

client_start()
{
	local name=$1 node=$2 group=$3 fd client=(cpgclient)
	CLIENT_NODE[$name]=$node
	CLIENT_STATUSES[$name]=0
	rm -f "$CLUSTER_DIR/$name.in"
	mkfifo "$CLUSTER_DIR/$name.in" || fail "no fifo"
	exec {fd}<>"$CLUSTER_DIR/$name.in"
	CLIENT_FD[$name]=$fd
	if [[ -n ${CLIENT_USER:-} ]]; then
		client=(setpriv --reuid "${CLIENT_USER%:*}" --regid "${CLIENT_USER#*:}" --clear-groups
			env "LD_LIBRARY_PATH=$CLUSTER_DIR/public" "$CLUSTER_DIR/public/cpgclient")
	fi
	node_spawn "$node" "${client[@]}" "$group" <"$CLUSTER_DIR/$name.in" >"$CLUSTER_DIR/$name.out" 2>&1
	CLIENT_PID[$name]=$SPAWN_PID
	client_wait "$name" "^confchg .* joined .*$(client_id "$name"):join( |\$)"
}

client_publish()
{
	library_publish
	cp -L "$(PATH=$CLUSTER_PATH command -v cpgclient)" "$CLUSTER_DIR/public" || fail "can't copy cpgclient"
	chmod -R a+rX "$CLUSTER_DIR/public"
}

client_id()
{
	echo "${CLIENT_NODE[$1]}:${CLIENT_PID[$1]}"
}

client_say()
{
	echo "$2" >&"${CLIENT_FD[$1]}"
}

client_output()
{
	cat "$CLUSTER_DIR/$1.out"
}

client_has()
{
	grep -Eq -e "$2" "$CLUSTER_DIR/$1.out"
}

client_count()
{
	grep -Ec -e "$2" "$CLUSTER_DIR/$1.out" || true
}

client_wait()
{
	wait_until "${3:-$CLIENT_DEADLINE}" client_has "$1" "$2" || client_fail "$1" "never printed '$2'"
}

client_fail()
{
	echo "output of client $1 ($(client_id "$1")):"
	client_output "$1"
	fail "client $1 $2"
}

client_kill()
{
	require kill -KILL "${CLIENT_PID[$1]}"
	wait "${CLIENT_PID[$1]}" 2>/dev/null
}

# Both lines are there when it reads the first.
client_send_and_die()
{
	local status=0
	client_say "$1" "try $2 $3"$'\n'"die"
	wait_gone 20 "${CLIENT_PID[$1]}" || status=$?
	[[ $status == 137 ]] || client_fail "$1" "ended with status $status, not by its own hand"
	CLIENT_SENT=$(client_output "$1" | sed -n "s/^tried $2 sent \([0-9]*\) refused [0-9]*\$/\1/p")
	((CLIENT_SENT > 0)) || client_fail "$1" "sent nothing"
}

# What a client saw of another one: numbers, and "gone".
client_saw_of()
{
	sed -n -e "s/^message [^ ]* $2 number //p" -e "s/^confchg .* left $2:procdown\$/gone/p" "$CLUSTER_DIR/$1.out"
}

client_got_all()
{
	local names=("${@:1:$#-2}") from name count=${*: -1}
	from=$(client_id "${*: -2:1}")
	for name in "${names[@]}"; do
		client_wait "$name" "^confchg .* left $from:procdown\$" 60
		[[ $(client_saw_of "$name" "$from") == "$(seq "$count"; echo gone)" ]] ||
			client_fail "$name" "did not see 1 to $count of $from, then its end, but: $(client_saw_of "$name" "$from" | tr '\n' ' ')"
	done
}

client_status()
{
	local count=$((CLIENT_STATUSES[$1] + 1))
	CLIENT_STATUSES[$1]=$count
	client_say "$1" status
	client_wait "$1" "^status $count "
	# shellcheck disable=SC2034 # it is the caller's
	CLIENT_STATUS=$(client_output "$1" | sed -n "s/^status $count //p")
}

client_end()
{
	local status=0
	wait_gone 20 "${CLIENT_PID[$1]}" || status=$?
	[[ $status == "${2:-0}" ]] || client_fail "$1" "ended with status $status, not ${2:-0}"
}

# Sorted, so that it can be compared with other clients' lists.
client_members()
{
	sed -n 's/^confchg [^ ]* members\(.*\) joined.*/\1/p' "$CLUSTER_DIR/$1.out" | tail -n 1 | tr ' ' '\n' | sed '/^$/d' |
		sort | tr '\n' ' '
}

client_sees()
{
	local name=$1 other
	shift
	[[ $(client_members "$name") == "$(for other; do client_id "$other"; done | sort | tr '\n' ' ')" ]]
}

client_wait_last()
{
	wait_until "$CLIENT_DEADLINE" client_sees "$@" || client_fail "$1" "does not see ${*:2} as members, but $(client_members "$1")"
}

clients_agree()
{
	local name
	for name; do
		client_wait_last "$name" "$@"
	done
}

clients_barrier()
{
	local from=$1 name
	shift
	CLIENT_BARRIERS=$((CLIENT_BARRIERS + 1))
	client_say "$from" "send barrier-$CLIENT_BARRIERS"
	for name; do
		client_wait "$name" "^message .* $(client_id "$from") barrier-$CLIENT_BARRIERS\$"
	done
}
