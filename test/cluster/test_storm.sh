#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ten ring changes under load, also in the middle of each other: virtual synchrony holds on five real nodes. With CPG_LONG=1 fifty,
# with all nodes ours, with one stock node, and with stock nodes alone, side by side: stock must violate it in the same
# schedule, otherwise that would prove nothing.
storm=$(dirname "$0")/storm
engine=${CPG_ENGINE:-ours}
if [[ -n ${CPG_LONG:-} && $engine == ours && ${CPG_LIB:-ours} == ours ]]; then
	exec "$storm" --engine ours,mixed,stock --changes 50 --stock-must-fail
fi
exec "$storm" --engine "$engine" --changes 10 --seed 30 --laps short:100,default:300,short:max
