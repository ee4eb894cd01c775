#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# All api_ tests and fault_ipc on a node with engine $CPG_ENGINE, by library $CPG_LIB, over both of libqb's transports.
export API_PROGRAMS=${CPG_PROGRAMS:-.} API_ENGINES=${CPG_ENGINE:-ours} API_LIBRARIES=${CPG_LIB:-${CPG_ENGINE:-ours}}
worst=0
for ipc in native socket; do
	echo "--- $ipc"
	API_IPC=$ipc "$(dirname "$0")/../api/run-api" || { status=$?; ((worst == 1)) || worst=$status; }
done
exit "$worst"
