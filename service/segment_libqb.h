/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pages that libqb shares with its clients where IPC goes by sockets: for each connection one file of its own, with nothing in it but
 * counters of messages that were not fetched. The client may write to it, and cut it short.
 */
#ifndef SEGMENT_LIBQB_H
#define SEGMENT_LIBQB_H

#include <stdbool.h>
#include <stdint.h>

/* Opens what libqb_counters_at() reads: later there may be no descriptor left. It stays open. False: it can't. */
bool libqb_counters_watch(void);

/* Whether `address` lies in the mapping of such a file, as far as can be told. Signal handlers may call it. */
bool libqb_counters_at(uintptr_t address);

#endif
