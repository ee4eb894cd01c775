/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Totem messages of the CPG service in stock's format: what engines of one ring, stock's among them, say to
 * each other. Sent in the sender's byte order; the receiver's executive has them converted first.
 *
 * The executive hands over no length, so a message can be checked only against its own header.
 */
#ifndef CPG_WIRE_H
#define CPG_WIRE_H

#include "cpg_ipc.h"
#include "service_abi.h"

enum wire_function {
	WIRE_PROCJOIN = 0,
	WIRE_PROCLEAVE = 1,
	WIRE_JOINLIST = 2,
	WIRE_MCAST = 3,
	WIRE_DOWNLIST_OLD = 4,
	WIRE_DOWNLIST = 5,
	WIRE_PARTIAL_MCAST = 6,
	WIRE_FUNCTION_COUNT
};

#define WIRE_ID(function) ((int32_t)((SERVICE_ID_CPG << 16) | (uint32_t)(function)))

/* PROCJOIN and PROCLEAVE */
struct wire_procjoin {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t pid IPC_ALIGNED;
	uint32_t reason IPC_ALIGNED; /* cpg_reason_t */
};
static_assert(offsetof(struct wire_procjoin, pid) == 152, "PROCJOIN");
static_assert(sizeof(struct wire_procjoin) == 168, "PROCJOIN");

struct wire_joinlist_entry {
	uint32_t pid IPC_ALIGNED;
	struct ipc_name group;
};
static_assert(sizeof(struct wire_joinlist_entry) == 144, "JOINLIST entry");

/* Entries fill header.size. A node may send several: they add up. */
struct wire_joinlist {
	struct ipc_response header; /* response-shaped: 24 bytes */
	struct wire_joinlist_entry entry[];
};
static_assert(sizeof(struct wire_joinlist) == 24, "JOINLIST");

struct wire_source {
	uint32_t nodeid IPC_ALIGNED;
	uint64_t conn IPC_ALIGNED; /* means nothing off its node: ours sends 0 */
};
static_assert(sizeof(struct wire_source) == 16, "source");

struct wire_mcast {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t msglen IPC_ALIGNED;
	uint32_t pid IPC_ALIGNED;
	struct wire_source source;
	uint8_t message[] IPC_ALIGNED;
};
static_assert(offsetof(struct wire_mcast, msglen) == 152, "MCAST");
static_assert(offsetof(struct wire_mcast, source) == 168, "MCAST");
static_assert(sizeof(struct wire_mcast) == 184, "MCAST");

/* Says who left from the sender's point of view; informational, everyone computes its own. */
struct wire_downlist {
	struct ipc_request header;
	uint32_t old_members IPC_ALIGNED;
	uint32_t left_nodes IPC_ALIGNED;
	uint32_t nodeids[TOTEM_PROCESSORS_MAX] IPC_ALIGNED;
};
static_assert(offsetof(struct wire_downlist, nodeids) == 32, "DOWNLIST");
static_assert(sizeof(struct wire_downlist) == 1568, "DOWNLIST");

struct wire_partial_mcast {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t msglen IPC_ALIGNED;  /* of the whole message */
	uint32_t fraglen IPC_ALIGNED; /* of this fragment */
	uint32_t pid IPC_ALIGNED;
	uint32_t type IPC_ALIGNED; /* enum ipc_fragment */
	struct wire_source source;
	uint8_t message[] IPC_ALIGNED;
};
static_assert(offsetof(struct wire_partial_mcast, type) == 176, "PARTIAL_MCAST");
static_assert(offsetof(struct wire_partial_mcast, source) == 184, "PARTIAL_MCAST");
static_assert(sizeof(struct wire_partial_mcast) == 200, "PARTIAL_MCAST");

#endif
