#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ring changes under load with one stock node that comes and goes: nobody dies, no client gets an error, the stock node gets nothing that
# it does not know. The long form is part of test_storm.sh's.
exec "$(dirname "$0")/storm" --engine mixed --changes 10 --seed 19 --laps short:100,default:300,short:max
