/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of the other byte order, converted in place before anyone reads them: every integer of the
 * headers, never the payload. Totem packs messages back to back, so nothing here may rely on their alignment.
 *
 * Nothing is known about a message but its function: one whose converted header claims less than its kind
 * needs is left alone beyond the header, and dropped later.
 */
#include <byteswap.h>
#include <string.h>

#include "engine_internal.h"

static void swap_u32(uint8_t *message, size_t offset)
{
	uint32_t value;

	memcpy(&value, message + offset, sizeof(value));
	value = bswap_32(value);
	memcpy(message + offset, &value, sizeof(value));
}

static void swap_u64(uint8_t *message, size_t offset)
{
	uint64_t value;

	memcpy(&value, message + offset, sizeof(value));
	value = bswap_64(value);
	memcpy(message + offset, &value, sizeof(value));
}

#define FIELD(type, field) offsetof(struct type, field)
#define FIELDS_MAX 8

/* Where a kind of message has integers, its header's id and size left out. Unused places are 0. */
struct layout {
	size_t size; /* the fixed part */
	uint16_t u32[FIELDS_MAX];
	uint16_t u64;
};

static const struct layout layouts[WIRE_FUNCTION_COUNT] = {
	[WIRE_PROCJOIN] = {sizeof(struct wire_procjoin),
			   {FIELD(wire_procjoin, group.length), FIELD(wire_procjoin, pid),
			    FIELD(wire_procjoin, reason)},
			   0},
	[WIRE_PROCLEAVE] = {sizeof(struct wire_procjoin),
			    {FIELD(wire_procjoin, group.length), FIELD(wire_procjoin, pid),
			     FIELD(wire_procjoin, reason)},
			    0},
	[WIRE_JOINLIST] = {sizeof(struct wire_joinlist), {FIELD(wire_joinlist, header.error)}, 0},
	[WIRE_MCAST] = {sizeof(struct wire_mcast),
			{FIELD(wire_mcast, group.length), FIELD(wire_mcast, msglen), FIELD(wire_mcast, pid),
			 FIELD(wire_mcast, source.nodeid)},
			FIELD(wire_mcast, source.conn)},
	[WIRE_DOWNLIST_OLD] = {sizeof(struct ipc_request), {0}, 0},
	[WIRE_DOWNLIST] = {sizeof(struct wire_downlist),
			   {FIELD(wire_downlist, old_members), FIELD(wire_downlist, left_nodes)},
			   0},
	[WIRE_PARTIAL_MCAST] = {sizeof(struct wire_partial_mcast),
				{FIELD(wire_partial_mcast, group.length), FIELD(wire_partial_mcast, msglen),
				 FIELD(wire_partial_mcast, fraglen), FIELD(wire_partial_mcast, pid),
				 FIELD(wire_partial_mcast, type), FIELD(wire_partial_mcast, source.nodeid)},
				FIELD(wire_partial_mcast, source.conn)},
};

static void convert_joinlist_entries(uint8_t *message, size_t size)
{
	size_t at;

	for (at = sizeof(struct wire_joinlist); size - at >= sizeof(struct wire_joinlist_entry);
	     at += sizeof(struct wire_joinlist_entry)) {
		swap_u32(message, at + FIELD(wire_joinlist_entry, pid));
		swap_u32(message, at + FIELD(wire_joinlist_entry, group.length));
	}
}

static void convert_downlist_nodes(uint8_t *message)
{
	size_t i;

	for (i = 0; i < TOTEM_PROCESSORS_MAX; i++) {
		swap_u32(message, FIELD(wire_downlist, nodeids) + i * sizeof(uint32_t));
	}
}

void engine_convert(unsigned int function, void *message)
{
	const struct layout *layout = &layouts[function];
	uint8_t *bytes = message;
	int32_t size;
	size_t i;

	swap_u32(bytes, FIELD(ipc_request, id));
	swap_u32(bytes, FIELD(ipc_request, size));
	memcpy(&size, bytes + FIELD(ipc_request, size), sizeof(size));
	if (size < 0 || (size_t)size < layout->size || (size_t)size > TOTEM_MESSAGE_SIZE_MAX) {
		return;
	}
	for (i = 0; i < FIELDS_MAX && layout->u32[i]; i++) {
		swap_u32(bytes, layout->u32[i]);
	}
	if (layout->u64) {
		swap_u64(bytes, layout->u64);
	}
	if (function == WIRE_JOINLIST) {
		convert_joinlist_entries(bytes, (size_t)size);
	} else if (function == WIRE_DOWNLIST) {
		convert_downlist_nodes(bytes);
	}
}
