#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# test_torture.sh with what travels encrypted.
seconds=20 laps=short:200
[[ -z ${CPG_LONG:-} ]] || seconds=900 laps=short:100,default:max,short:300
exec "$(dirname "$0")/torture" --engine ours --crypto nss --seed 3 --seconds "$seconds" --laps "$laps"
