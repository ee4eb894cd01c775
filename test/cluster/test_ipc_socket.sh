#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# system { qb_ipc_type: socket }: clients use sockets in place of libqb's rings, and all goes as before, also when such a
# daemon dies under its clients.
. "$(dirname "$0")/cluster.sh"
. "$(dirname "$0")/verify.sh"

# The rings of libqb's connections of the service on node 1; what our engine shares with our library has other names.
request_rings()
{
	node_enter 1 find /dev/shm -name 'qb-request-cpg-data'
}

traffic()
{
	local library
	for library in stock ours; do
		step "$1 ipc, library $library"
		VERIFY_LIBS="$library $library $library"
		verify_start --rate 200
		verify_wait_flow
		"$2" || fail "the configuration of the ipc has no effect: $(node_enter 1 find /dev/shm)"
		verify_wait_flow
		verify_stop
		verify_verdict
	done
}

rings_exist()
{
	[[ -n $(request_rings) ]]
}

no_rings_exist()
{
	! rings_exist
}

cluster_init --nodes 3
cluster_conf crypto=nss ipc=native
cluster_boot
traffic native rings_exist
for n in $CLUSTER_NODES; do
	node_stop "$n"
done

cluster_conf ipc=socket
cluster_boot
traffic socket no_rings_exist

step "kill -9 of the daemon, and back"
VERIFY_LIBS="ours stock ours"
verify_start --reconnect --rate 200
verify_wait_flow
node_kill 3
nodes_wait_ring "1 2"
node_boot 3
node_wait_up 3
nodes_wait_ring "1 2 3"
verify_wait_flow
verify_stop
if [[ ${CPG_ENGINE:-ours} == stock ]]; then
	verify_verdict --stock
else
	verify_verdict
fi
exit 0
