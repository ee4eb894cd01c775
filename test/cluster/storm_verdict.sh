# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What came of storm's laps: figures by engine, read from the logs of nodes and clients; a table of them, and the judgement.
#
#	count NAME [NUMBER]           adds it to a figure of $STORM_ENGINE
#	figure ENGINE NAME            prints it
#	storm_read_logs               counts what the nodes' logs tell of the lap
#	storm_verify                  counts what cpgverify finds in the clients' logs
#	storm_table                   prints all figures
#	storm_judge                   fails for figures that must not be

declare -A FIGURE
STORM_KINDS="corrupt content fifo stranger view disagree synchrony order lost invented"
STORM_FAILED=0

count()
{
	local number=${2-1}
	FIGURE[$STORM_ENGINE:$1]=$((${FIGURE[$STORM_ENGINE:$1]:-0} + ${number:-0}))
}

figure()
{
	echo "${FIGURE[$1:$2]:-0}"
}

storm_read_logs()
{
	local files
	mapfile -t files <<<"$(storm_log_files)"
	count rings "$(sed -n 's/.*A new membership (\([^)]*\)).*/\1/p' "${files[@]}" | sort -u | wc -l)"
	count cut_short "$(awk '
		FNR == 1 || /Corosync Cluster Engine .* starting up/ { sync = 0 }
		/A new membership \(/ { cut += sync; sync = 1 }
		/Completed service synchronization/ { sync = 0 }
		END { print cut + 0 }' "${files[@]}")"
	count formats "$(cat "${files[@]}" | grep -c 'wire format: ')"
	storm_bad_lines gaps 'gap: ' "${files[@]}"
	[[ $STORM_ENGINE != mixed ]] || storm_read_stock_log "${files[-1]}"
}

storm_read_stock_log()
{
	storm_bad_lines unknown 'warning *\[CPG|[Uu]nknown' "$1"
	count forgot "$(awk '
		/Corosync Cluster Engine .* starting up/ { sync = 0 }
		/A new membership \(/ { forgot += sync; sync = / left: / }
		/Completed service synchronization/ { sync = 0 }
		END { print forgot + 0 }' "$1")"
}

# FIGURE REGEX FILE ...: counts the lines, shows the first.
storm_bad_lines()
{
	local name=$1 regex=$2
	shift 2
	count "$name" "$(cat "$@" | grep -Ec -e "$regex")"
	grep -Eh -m 3 -e "$regex" "$@" | sed 's/^/    | /'
}

storm_verify()
{
	local logs verdict=$VERIFY_DIR/verdict
	mapfile -t logs <<<"$(verify_logs)"
	node_run 1 cpgverify verify "${logs[@]}" >"$verdict" 2>&1
	(($? < 2)) || fail "cpgverify can't read the logs: $(tail -n 3 "$verdict")"
	sed -n '/^  node .* sent /d; /^  [^ ]/s/^/    | /p; /^cpgverify: /s/^/    /p' "$verdict"
	count sent "$(storm_column 3 "$verdict")"
	count delivered "$(storm_column 4 "$verdict")"
	count retries "$(storm_column 8 "$verdict")"
	count client_errors "$(storm_column 9 "$verdict")"
	count seen "$(sed -n 's/^note: \([0-9]*\) changes of the ring, .*/\1/p' "$verdict")"
	count in_flight "$(sed -n 's/^note: .* changes of the ring, at \([0-9]*\) .*/\1/p' "$verdict")"
	count views "$(sed -n 's/^cpgverify: .* \([0-9]*\) views, .*/\1/p' "$verdict")"
	count violations "$(sed -n 's/^cpgverify: .* \([0-9]*\) violations$/\1/p' "$verdict")"
	storm_count_kinds "" "$verdict"
	[[ $STORM_ENGINE == ours ]] || storm_verify_stock "${logs[@]}"
	[[ $STORM_ENGINE != mixed ]] || storm_verify_own "${logs[@]}"
	storm_forget_good "${logs[@]}"
}

# An hour's logs are many gigabytes.
storm_forget_good()
{
	local name
	for name in violations gaps deaths stuck client_errors; do
		(($(figure "$STORM_ENGINE" "$name") == 0)) || return 0
	done
	[[ ${CPG_KEEP:-} == 1 ]] || rm -f "$@"
}

# PREFIX VERDICT: counts under PREFIX and the kind.
storm_count_kinds()
{
	local kind number
	while read -r kind number; do
		count "$1$kind" "$number"
	done < <(sed -n 's/^cpgverify: VIOLATION: [0-9]* (\([^)]*\)).*/\1/p' "$2" | sed 's/, /\n/g')
}

storm_column()
{
	awk -v column="$1" '/^ *[0-9]+ +[0-9]+ +[0-9]/ { sum += $column } END { print sum + 0 }' "$2"
}

storm_verify_stock()
{
	count beyond "$(node_run 1 cpgverify verify --stock "$@" 2>&1 | sed -n 's/^cpgverify: .* \([0-9]*\) violations.*/\1/p')"
}

# What our nodes alone tell.
storm_verify_own()
{
	local file logs=()
	for file; do
		[[ $file == */log"$STORM_NODES"[!0-9]* ]] || logs+=("$file")
	done
	node_run 1 cpgverify verify "${logs[@]}" >"$VERIFY_DIR/own" 2>&1
	storm_count_kinds own_ "$VERIFY_DIR/own"
	(($(figure mixed own_corrupt) == 0)) ||
		count damaged_in_ours "$(for file in "${logs[@]}"; do node_run 1 cpgverify dump "$file"; done | storm_damaged_in_ours)"
}

# From dumps: how many damaged messages came while the last ring that was told of, if any, had no stock node.
storm_damaged_in_ours()
{
	awk -v stock="$STORM_NODES" '
		$1 == "start" { ours = 1 }
		$1 == "ring" { ours = 1; for (i = 4; i <= NF; i++) if ($i == stock) ours = 0 }
		$1 == "corrupt" { damaged += ours }
		END { print damaged + 0 }'
}

### The whole

storm_row()
{
	local engine
	printf '%-34s' "$1"
	for engine in "${STORM_ENGINES[@]}"; do
		printf '%12s' "$(figure "$engine" "$2")"
	done
	echo
}

storm_table()
{
	local kind
	printf '\n%-34s' ""
	printf '%12s' "${STORM_ENGINES[@]}"
	echo
	storm_row "changes made" changes
	for kind in partition heal pause resume kill stop boot loss delay crash; do
		storm_row "  $kind" "did_$kind"
	done
	storm_row "rings that came of them" rings
	storm_row "ring changes that clients saw" seen
	storm_row "  with messages on their way" in_flight
	storm_row "syncs cut short by the next ring" cut_short
	storm_row "changes of the wire format" formats
	storm_row "messages sent" sent
	storm_row "messages delivered" delivered
	storm_row "views" views
	storm_row "sends to be tried again" retries
	storm_row "violations" violations
	for kind in $STORM_KINDS; do
		storm_row "  $kind" "$kind"
	done
	storm_row "beyond stock's loss at merges" beyond
	storm_row "gaps in the engines' logs" gaps
	storm_row "messages unknown to stock" unknown
	storm_row "syncs in which stock forgot who left" forgot
	storm_row "daemons that died" deaths
	storm_row "stuck rings and groups" stuck
	storm_row "client errors" client_errors
}

# ENGINE FIGURE ...: none of these may be.
storm_demand()
{
	local engine=$1 name
	shift
	for name; do
		(($(figure "$engine" "$name") == 0)) || storm_complain "$engine: $(figure "$engine" "$name") $name"
	done
}

# Were messages on their way at the changes of the ring? One that follows on another within milliseconds may find none.
storm_was_in_flight()
{
	local seen
	seen=$(figure "$1" seen)
	((seen > 0 && $(figure "$1" in_flight) * 10 >= seen * 9))
}

storm_complain()
{
	echo "storm: $*" >&2
	STORM_FAILED=1
}

# After a recovery that failed totem itself may end the next one too early and let a node miss batches (docs/WIRE.md, "A gap"): it
# leaves its groups and comes back, no rule is broken, and the verifier finds nothing. Without such weather there is no reason for a gap.
storm_judge_ours()
{
	storm_demand ours violations deaths stuck client_errors
	((STORM_WEATHER)) || storm_demand ours gaps
}

# What stock's format loses at merges is not asked for. Of rings whose sync did not end a stock node forgets who left: it may show
# members of a node outside the ring, and as never gone who left and came back. Where its log has such rings, its views, and only they,
# may differ from ours. When a client of a stock node is killed just before a ring change, stock's clients get messages of it
# behind its end: ours may not. In such weather as makes gaps, totem may put the end of one message behind the beginning of another, and stock's
# format has nothing that shows it (docs/WIRE.md, "A gap"); ours has, so rings of ours may not show it.
storm_judge_mixed()
{
	storm_demand mixed content fifo order lost invented unknown deaths stuck client_errors own_stranger own_view own_disagree damaged_in_ours
	((STORM_WEATHER)) || storm_demand mixed stranger corrupt
	(($(figure mixed forgot))) || storm_demand mixed disagree
}

storm_judge()
{
	local engine
	for engine in "${STORM_ENGINES[@]}"; do
		case $engine in
		ours) storm_judge_ours ;;
		mixed) storm_judge_mixed ;;
		stock)
			((!STORM_STOCK_MUST_FAIL || $(figure stock violations))) ||
				storm_complain "stock violates nothing in this schedule: it proves nothing"
			[[ $STORM_LIBRARY != ours ]] || storm_demand stock content fifo invented client_errors
			[[ $STORM_LIBRARY != ours ]] || ((STORM_WEATHER)) || storm_demand stock corrupt
			;;
		esac
		((!STORM_WEATHER)) || storm_was_in_flight "$engine" ||
			storm_complain "$engine: messages were on their way at only $(figure "$engine" in_flight) of $(figure "$engine" seen) ring changes: that proves nothing"
	done
	((!STORM_FAILED)) || fail "see above"
}
