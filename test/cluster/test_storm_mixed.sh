#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ring changes under load with one stock node that comes and goes: nobody dies, no client gets an error, the stock node gets nothing that
# it does not know. With CPG_LONG=1 fifty, beside what a ring of stock nodes does in the same schedule.
storm=$(dirname "$0")/storm
if [[ -n ${CPG_LONG:-} ]]; then
	exec "$storm" --engine mixed,stock --changes 50
fi
exec "$storm" --engine mixed --changes 10 --seed 19 --laps short:100,default:300,short:max
