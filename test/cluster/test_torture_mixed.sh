#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# test_torture.sh with one stock node in the ring.
seconds=20 laps=short:200
[[ -z ${CPG_LONG:-} ]] || seconds=900 laps=short:100,default:max,short:300
exec "$(dirname "$0")/torture" --engine mixed --library '' --seed 2 --seconds "$seconds" --laps "$laps"
