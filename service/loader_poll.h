/* SPDX-License-Identifier: BSD-3-Clause */
/* When libqb's main loop counts its descriptors. */
#ifndef LOADER_POLL_H
#define LOADER_POLL_H

#include <stdbool.h>
#include <stdint.h>

/* One more descriptor is watched. */
void loader_poll_added(void);

/* Those of this loop are to be counted now (ns), and the caller does so. */
bool loader_poll_is_due(const void *source, uint64_t now);

#endif
