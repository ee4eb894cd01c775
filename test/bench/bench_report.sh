# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What bench_cpg shows: figures as they come, then their medians as a table, and a plot of how many times as good as the first pair
# the others are.
#
# Files in $OUT: figures.tsv    round, row, label, unit, pair, value
#                medians.tsv    label, unit, and for each pair its median and that in relation to the first pair's
#                table.txt      the same for the eye
#                factors.tsv    label, and for each pair but the first how many times better it is
#                plot.svg       of these, with gnuplot; plot.txt where there is none

TAB=$'\t'

report_machine()
{
	echo "$(corosync -v | head -n 1); $(uname -sr), $(nproc) CPUs, $(date '+%F %H:%M')"
	echo "Medians of $ROUNDS rounds, $SECONDS_EACH s each, sched_rr: $SCHED_RR. Of ms, us, KiB and MiB less is better."
	((ROUNDS >= 5)) || echo "Fewer than 5 rounds: for a try, not for a result."
}

report_begin()
{
	printf 'round\trow\tlabel\tunit\tpair\tvalue\n' >"$OUT/figures.tsv" || fail "can't write to '$OUT'"
	report_machine
	echo "Rows: ${WANTED[*]}; figures go to $OUT/figures.tsv"
}

# LABEL UNIT VALUE
figure()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$ROUND" "$ROW" "$1" "$2" "$PAIR" "$3" >>"$OUT/figures.tsv"
	printf '    %-44s %14s %s\n' "$1" "$3" "$2"
}

# Labels and pairs in the order in which they came first; the first pair is the base whatever came first in time.
report_medians()
{
	tail -n +2 "$OUT/figures.tsv" | sort -t "$TAB" -k 3,3 -k 5,5 -k 6,6g | awk -F '\t' -v base="$1" '
		function median(key, n) {
			n = count[key]
			return n % 2 ? value[key, (n + 1) / 2] : (value[key, n / 2] + value[key, n / 2 + 1]) / 2
		}
		NR == FNR {
			if (FNR == 1) next
			if (!($3 in unit)) { label[++labels] = $3; unit[$3] = $4 }
			if ($5 != base && !($5 in known)) { pair[++pairs] = $5; known[$5] = 1 }
			next
		}
		{ key = $3 SUBSEP $5; value[key, ++count[key]] = $6 }
		END {
			pair[0] = base
			printf "label\tunit"
			for (p = 0; p <= pairs; p++) printf "\t%s\tratio", pair[p]
			print ""
			for (l = 1; l <= labels; l++) {
				printf "%s\t%s", label[l], unit[label[l]]
				first = label[l] SUBSEP base
				for (p = 0; p <= pairs; p++) {
					key = label[l] SUBSEP pair[p]
					if (!(key in count)) printf "\t-\t-"
					else if (!(first in count) || median(first) == 0 || unit[label[l]] == "ratio")
						printf "\t%s\t-", median(key)
					else printf "\t%s\t%.4g", median(key), median(key) / median(first)
				}
				print ""
			}
		}' "$OUT/figures.tsv" -
}

report_table()
{
	awk -F '\t' '
		function short(value) {
			if (value !~ /^[0-9]/) return value
			return sprintf(value >= 1000 ? "%.0f" : value >= 10 ? "%.1f" : value >= 0.1 ? "%.2f" : "%.4f", value)
		}
		{
			printf "%-44s %-6s", $1, $2
			for (i = 3; i < NF; i += 2) printf " %15s %6s", short($i), short($(i + 1))
			print ""
		}' "$OUT/medians.tsv"
}

# Where less is better the factor is turned over. What is a ratio itself has none.
report_factors()
{
	awk -F '\t' '
		NR == 1 { printf "label"; for (i = 5; i < NF; i += 2) printf "\t%s", $i; print ""; next }
		$2 != "ratio" {
			line = ""
			for (i = 6; i <= NF; i += 2) {
				if ($i + 0 <= 0) line = line "\t-"
				else line = line "\t" sprintf("%.2f", $2 == "msg/s" ? $i : 1 / $i)
			}
			print $1 line
		}' "$OUT/medians.tsv"
}

# A factor of 10 is 12 characters, to the left of the 1 for what is worse.
plot_text()
{
	awk -F '\t' '
		function bar(factor, length_, left, right) {
			length_ = int(log(factor) / log(10) * 12 + (factor < 1 ? -0.5 : 0.5))
			if (length_ < -12) length_ = -12
			if (length_ > 40) length_ = 40
			left = sprintf("%*s", 12, length_ < 0 ? substr("############", 1, -length_) : "")
			right = length_ > 0 ? substr("########################################", 1, length_) : ""
			return left "|" right
		}
		NR == 1 { split($0, name); print "times as good as the first pair; | is 1, each 12 # a factor of 10"; next }
		{ for (i = 2; i <= NF; i++) if ($i != "-") printf "%-44s %-16s %8s  %s\n", $1, name[i], $i, bar($i) }
		' "$OUT/factors.tsv"
}

plot_gnuplot()
{
	local columns
	columns=$(awk -F '\t' 'NR == 1 { print NF }' "$OUT/factors.tsv")
	gnuplot <<-PLOT
		set terminal svg size 1200,800 dynamic
		set output '$OUT/plot.svg'
		set datafile separator tab
		set datafile missing '-'
		set title 'times as good as the first pair'
		set style data histograms
		set style fill solid 0.7
		set logscale y
		set grid y
		set xtics rotate by -45 noenhanced
		set key noenhanced left top
		plot for [i=2:$columns] '$OUT/factors.tsv' using i:xtic(1) title columnheader(i), 1 notitle with lines
	PLOT
}

report_end()
{
	[[ $(wc -l <"$OUT/figures.tsv") -gt 1 ]] || fail "nothing was measured"
	report_medians "${PAIRS[0]:-stock/stock}" >"$OUT/medians.tsv"
	report_factors >"$OUT/factors.tsv"
	{
		report_machine
		report_table
	} >"$OUT/table.txt"
	echo
	cat "$OUT/table.txt"
	echo
	if command -v gnuplot >/dev/null && plot_gnuplot; then
		echo "plot: $OUT/plot.svg"
	else
		plot_text | tee "$OUT/plot.txt"
	fi
}
