/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection to CPG and what comes over it: callbacks write the log and keep count. Who sends what and
 * when is traffic.c's.
 */
#ifndef CPGVERIFY_SESSION_H
#define CPGVERIFY_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>

#include "intern.h"
#include "log_write.h"
#include "message.h"
#include "traffic.h"

struct connection {
	cpg_handle_t handle;
	int fd;
	uint32_t nodeid, pid;
	uint64_t incarnation;
	uint32_t max_payload; /* that stays atomic */
	struct cpg_name group;
	struct log_writer *log;
	struct progress *progress;
	bool dead;
	bool failed;	   /* an unexpected error, or the log can't be written */
	bool member;	   /* own join was delivered */
	bool gone;	   /* own leave was delivered */
	uint64_t returned; /* own messages that came back … */
	uint64_t returned_bytes;
	struct intern senders; /* as the log counts them */
	struct intern ended;   /* addresses that sent their last message */
	struct address *members;
	size_t member_count, member_capacity;
	struct address *lists; /* to build records in */
	size_t list_capacity;
};

/* Opens the connection; CS_ERR_TRY_AGAIN and CS_ERR_LIBRARY may pass. Call again with the same struct. */
cs_error_t connection_open(struct connection *connection, const char *group);
/* Writes START. */
void connection_begin(struct connection *connection);
/* Takes what is there, not more than a few hundred events. Sets dead or failed. */
void connection_dispatch(struct connection *connection);
/* All present members have sent their last message. */
bool connection_all_ended(const struct connection *connection);
/* Notes an unexpected answer, or the daemon's death. */
void connection_error(struct connection *connection, enum log_call call, cs_error_t error);
/* Appends a record that has nothing but a code or a count. */
void connection_note(struct connection *connection, enum log_type type, uint32_t code);
void connection_close(struct connection *connection);

#endif
