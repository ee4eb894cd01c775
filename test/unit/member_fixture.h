/* SPDX-License-Identifier: BSD-3-Clause */
/* A member of a group of a fake engine with rings, and what it hears. */
#ifndef MEMBER_FIXTURE_H
#define MEMBER_FIXTURE_H

#include "fake_engine.h"

/* What the engine can do; 0 is a stock one. */
#define SEGMENTS (IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS)
#define RINGS (SEGMENTS | IPC_FEATURE_RINGS)

extern struct fake_engine engine;

/* What the callbacks saw. A message is filled with 0xff, and so is the byte behind it. */
extern unsigned int delivered, confchgs;
extern size_t last_length;
extern uint8_t last_byte; /* of the last message, as it came */
extern uint32_t last_pid;
extern void (*in_callback)(cpg_handle_t handle); /* called at each message */

void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid, void *msg,
		size_t length);
void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		size_t member_count, const struct cpg_address *left, size_t left_count,
		const struct cpg_address *joined, size_t joined_count);

/* Each test begins with nothing seen, whether it has a process of its own or not. */
void member_forget(void);

/* Starts the engine and connects. In no group. */
cpg_handle_t initialize(const struct fake_options *options);
void join(cpg_handle_t handle);
/* Joins and sees it. */
void become_member(cpg_handle_t handle);
/* A member that has seen itself join. */
cpg_handle_t start_with(const struct fake_options *options);
cpg_handle_t start_features(uint64_t features);
cpg_handle_t start(bool (*hook)(qb_ipcs_connection_t *, const struct ipc_request *));
void stop(cpg_handle_t handle);

/* A message of as many of these bytes, up to one that is too large for one piece. */
cs_error_t send_bytes(cpg_handle_t handle, uint8_t byte, size_t length);
/* Requests that the engine has seen. */
unsigned int seen(enum ipc_request_id id);
bool readable(cpg_handle_t handle, int timeout);
/* Dispatches until as many messages were delivered. */
void deliver(cpg_handle_t handle, unsigned int count);
bool congested(cpg_handle_t handle);

/* What both sides say of themselves. */
struct segment_control *control_of(cpg_handle_t handle);
uint64_t given_back(cpg_handle_t handle);
/* Whether the engine takes messages; in force when this returns. */
void take(cpg_handle_t handle, bool takes);
void wait_until_taken(cpg_handle_t handle);

#define READ_IN_PLACE (SUBMISSION_MESSAGE_MAX + 1) /* bytes from which on messages are not copied */
#define RUN 10u

/* A hook: the first byte of a message says what comes instead of it. */
bool send_run(qb_ipcs_connection_t *conn, const struct ipc_request *request);

extern const cs_dispatch_flags_t modes[4];

#endif
