#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who is neither root nor in a uidgid section gets CS_ERR_ACCESS; a user or a group that is in one can do everything.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/client.sh"

CS_ERR_ACCESS=11
USER_IN=47110
GROUP_IN=47111
STRANGER=47119

# UID GID: prints what cpg_initialize answers to this user.
initialize_as()
{
	node_enter 1 setpriv --reuid "$1" --regid "$2" --clear-groups \
		env "LD_LIBRARY_PATH=$CLUSTER_DIR/public" "$CLUSTER_DIR/public/cpgclient" --initialize |
		sed 's/^initialize //'
}

expect()
{
	local code
	code=$(initialize_as "$1" "$2")
	[[ $code == "$3" ]] || fail "uid $1 gid $2 got '$code' from cpg_initialize, not $3"
}

check_access()
{
	step "$1 ipc"
	expect 0 0 1
	expect "$STRANGER" "$STRANGER" "$CS_ERR_ACCESS"
	expect "$USER_IN" "$STRANGER" 1
	expect "$STRANGER" "$GROUP_IN" 1
	client_start "root-$1" 1 group
	CLIENT_USER="$USER_IN:$STRANGER" client_start "user-$1" 1 group
	CLIENT_USER="$STRANGER:$GROUP_IN" client_start "group-$1" 1 group
	clients_agree "root-$1" "user-$1" "group-$1"
	clients_barrier "user-$1" "root-$1" "user-$1" "group-$1"
	clients_barrier "group-$1" "root-$1" "user-$1" "group-$1"
	expect "$STRANGER" "$STRANGER" "$CS_ERR_ACCESS"
}

cluster_init --nodes 1
client_publish
for ipc in native socket; do
	cluster_conf ipc="$ipc" uidgid="	uid: $USER_IN
	gid: $GROUP_IN"
	cluster_boot
	check_access "$ipc"
	node_stop 1
done
exit 0
