#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# test_torture.sh with our library on stock nodes: what the engine does wrong is not the library's, but damaged, doubled and invented
# messages would be, and errors.
seconds=20 laps=short:200
[[ -z ${CPG_LONG:-} ]] || seconds=900 laps=short:100,default:max,short:300
exec "$(dirname "$0")/torture" --engine stock --library ours --seed 4 --seconds "$seconds" --laps "$laps"
