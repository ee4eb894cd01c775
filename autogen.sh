#!/bin/sh
# Makes ./configure from configure.ac. Needs autoconf, automake and libtool.
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake libtoolize; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool is missing: apt-get install autoconf automake libtool" >&2
		exit 1
	}
done
mkdir -p m4
exec autoreconf --install --force --warnings=all,no-obsolete
