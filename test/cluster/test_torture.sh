#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# All that can happen to five of our nodes and their clients, at once and for a minute: partitions, kill -9, pauses, loss, delays,
# reordering, clients that die. With CPG_LONG=1 for fifteen minutes, and stock on the same schedule beside it. The other
# test_torture_*.sh are the rest: two minutes together, or an hour.
seconds=60 laps=short:100,short:300 engines=ours
[[ -z ${CPG_LONG:-} ]] || seconds=900 laps=short:100,default:max,short:300 engines=ours,stock
exec "$(dirname "$0")/torture" --engine "$engines" --library '' --seed 1 --seconds "$seconds" --laps "$laps"
