#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# All api_ tests and fault_ipc on a node with engine $CPG_ENGINE, by library $CPG_LIB.
API_PROGRAMS=${CPG_PROGRAMS:-.} API_ENGINES=${CPG_ENGINE:-ours} API_LIBRARIES=${CPG_LIB:-${CPG_ENGINE:-ours}} \
	exec "$(dirname "$0")/../api/run-api"
