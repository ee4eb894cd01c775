/* SPDX-License-Identifier: BSD-3-Clause */
/* What totem delivers in the group of our own: see cpg_peer.h. */
#include <string.h>

#include "cpg_peer.h"
#include "engine_internal.h"

void engine_peer_message(struct engine *engine, const void *message, size_t size, bool swapped, uint32_t nodeid)
{
	(void)message;
	(void)size;
	(void)swapped;
	(void)nodeid;
	engine->stats.bad_messages++; /* no kind is known yet */
}
