#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every call that the library exports has a page, every page of a call has a table of its errors, every reference
# to a page of ours leads somewhere, each option is where options are told, and the formatter has nothing to complain of.
#
# Reads $srcdir (top of the source) and the built library; LIBCPG names another one.
set -u
LC_ALL=C
export LC_ALL
man=${srcdir:-.}/man
library=${LIBCPG:-lib/.libs/libcpg.so}
failed=0

complain()
{
	echo "$*"
	failed=1
}

page_exists()
{
	[ -f "$man/$1.$2" ] || [ -f "$man/$1.$2.in" ]
}

calls()
{
	nm -D --defined-only "$library" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

# Prints what is wrong with the page's table of errors.
check_table()
{
	awk -v name="$1" '
	/^\.SH / { section = $2; next }
	section != "ERRORS" { next }
	/^\.TS/ { tables++; next }
	/^\.TE/ { section = "" ; next }
	/;T{$/ && !/^T};/ {
		rows++
		split($0, field, ";")
		code = field[1]
		if (code !~ /^CS_ERR_[A-Z_]+$/)
			print name ": row of " code ": not an error code"
		if (seen[code]++)
			print name ": " code " has two rows"
		cells = 1; text = 0
		next
	}
	/^T};T{$/ { if (!text) print name ": " code ": an empty cell"; cells++; text = 0; next }
	/^T}$/ { if (!text || cells != 2) print name ": " code ": an empty or missing cell"; next }
	{ if (rows && NF) text = 1 }
	END {
		if (!tables) print name ": no table of errors"
		else if (!rows) print name ": the table of errors is empty"
		if (!seen["CS_ERR_BAD_HANDLE"] && name !~ /initialize$/) print name ": no row for CS_ERR_BAD_HANDLE"
	}' "$2"
}

# Prints the error codes of a page that the common header does not have.
unknown_codes()
{
	header=$(pkg-config --variable=includedir libcorosync_common 2>/dev/null)/corosync/corotypes.h
	[ -f "$header" ] || return 0
	grep -o 'CS_ERR_[A-Z_]*' "$1" | sort -u | while read -r code; do
		grep -qw "$code" "$header" || echo "$code"
	done
}

check_calls()
{
	[ -f "$library" ] || { complain "$library: no such library"; return; }
	[ -n "$(calls)" ] || complain "$library: exports nothing"
	for call in $(calls); do
		page_exists "$call" 3 || complain "$call: exported, but there is no page man/$call.3"
	done
	for page in "$man"/*.3; do
		name=$(basename "$page" .3)
		[ "$name" = cpg_overview ] && continue
		calls | grep -qx "$name" || complain "$name: has a page, but is not exported"
		problems=$(check_table "$name" "$page")
		[ -z "$problems" ] || complain "$problems"
		for section in SYNOPSIS DESCRIPTION "RETURN VALUE" THREADS GUARANTEES; do
			grep -q "^\.SH $section" "$page" || complain "$name: no section $section"
		done
		codes=$(unknown_codes "$page")
		[ -z "$codes" ] || complain "$name: unknown codes: $codes"
	done
}

check_references()
{
	for page in "$man"/*.[1-8] "$man"/*.in; do
		sed -n -e 's/^\.BR \(c[orsynpg]*[_v][a-z_]*\) (\([1-8]\)).*/\1 \2/p' "$page" | sort -u | while read -r name section; do
			case $name in
			cpg* | corosync_cpg) page_exists "$name" "$section" || echo "$page: leads to $name($section), which is not there" ;;
			esac
		done
	done
}

# What a program's help lists, its page lists too; and the module's options.
check_options()
{
	grep -o '"  --[a-z-]*' "${srcdir:-.}/test/cpgverify/options.c" | sed 's/"  //' | while read -r option; do
		grep -qF -- "$(echo "$option" | sed 's/-/\\-/g')" "$man/cpgverify.8" ||
			echo "cpgverify: $option is not in its page"
	done
	grep -o '{"[a-z_]*", UNIT' "${srcdir:-.}/service/module_options.c" | cut -d'"' -f2 | while read -r option; do
		grep -q "^$option;" "$man/corosync_cpg.8.in" || echo "corosync_cpg: option $option is not in its page"
		grep -q "^	$option: " "$man/../conf/corosync.conf.example" || echo "option $option is not in conf/corosync.conf.example"
		grep -q "^| \`$option\` |" "$man/../README.md" || echo "option $option is not in README.md"
	done
}

check_format()
{
	if ! command -v groff >/dev/null; then
		echo "no groff here: the pages' format is not checked"
		return
	fi
	for page in "$man"/*.[1-8] "$man"/*.in; do
		grep -q '^\.so ' "$page" || [ -f "$page.in" ] && continue
		for width in 80 110; do
			warnings=$(groff -t -man -Tutf8 -ww -rLL="${width}n" -z "$page" 2>&1)
			[ -z "$warnings" ] || complain "$page, $width columns wide: $warnings"
		done
	done
}

check_calls
references=$(check_references)
[ -z "$references" ] || complain "$references"
options=$(check_options)
[ -z "$options" ] || complain "$options"
check_format
[ "$failed" = 0 ] && echo "man pages: all there"
exit "$failed"
