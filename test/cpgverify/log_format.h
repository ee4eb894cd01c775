/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one process of `cpgverify run` writes down, and what `cpgverify verify` reads.
 *
 * A log is the 8 bytes of LOG_MAGIC and then records, all integers little endian:
 *
 *	 0  check of bytes 4-7, u32 (FNV-1a): a damaged length must not look like a log that ends early
 *	 4  length of the body in bytes, u24, and type, u8
 *	 8  check of the body, u32
 *	12  body
 *
 * A process that is killed leaves the start of a record, or zeroes, at the end: that is no error. It has no END
 * record then, which is how it is told from one that ended by itself.
 *
 * With --reconnect a log holds several sessions. Each begins with START and has an incarnation and pid of its
 * own.
 *
 *	START	 version u32, nodeid u32, pid u32, incarnation u64, time u64 (ns since 1970), group name
 *	JOINED	 -: cpg_join returned CS_OK
 *	VIEW	 members u32, left u32, joined u32, then these addresses: nodeid, pid, reason, u32 each
 *	RING	 nodeid u32, seq u64, then the nodes, u32 each
 *	SENDER	 ref u32, nodeid u32, pid u32, incarnation u64: introduces what DELIVER calls ref, from 0 on
 *	DELIVER	 ref u32, seq u64, digest u32, size u32
 *	CORRUPT	 nodeid u32, pid u32, size u32: a message that is not what a sender built
 *	SENT	 seq u64, digest u32, size u32: cpg_mcast_joined returned CS_OK
 *	UNSURE	 seq u64, digest u32, size u32: it returned an error after which the message may yet be delivered
 *	ERROR	 call u32, code u32: an unexpected answer of the library
 *	RETRY	 count u64: CS_ERR_TRY_AGAIN so far in this session
 *	DEAD	 code u32: the daemon went away; last record of the session
 *	END	 state u32, LOG_END_*; last record of the session
 */
#ifndef CPGVERIFY_LOG_FORMAT_H
#define CPGVERIFY_LOG_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define LOG_MAGIC "cpgvlog1"
#define LOG_MAGIC_SIZE 8
#define LOG_VERSION 1
#define LOG_HEADER 12
#define LOG_BODY_MAX 0xffffffu

enum log_type {
	LOG_START = 1,
	LOG_JOINED,
	LOG_VIEW,
	LOG_RING,
	LOG_SENDER,
	LOG_DELIVER,
	LOG_CORRUPT,
	LOG_SENT,
	LOG_UNSURE,
	LOG_ERROR,
	LOG_RETRY,
	LOG_DEAD,
	LOG_END,
};

enum log_call { LOG_CALL_INITIALIZE, LOG_CALL_JOIN, LOG_CALL_MCAST, LOG_CALL_DISPATCH, LOG_CALL_LEAVE };

enum log_end { LOG_END_CLEAN, LOG_END_UNDRAINED, LOG_END_NEVER_JOINED };

struct address {
	uint32_t nodeid;
	uint32_t pid;
	uint32_t reason;
};

/* One record, decoded. Pointers are into memory of the reader, valid until its next record. */
struct log_record {
	enum log_type type;
	uint32_t nodeid, pid;
	uint64_t incarnation;
	uint64_t seq; /* of a message, or of a ring */
	uint32_t ref, digest, size;
	uint32_t call, code;		 /* code: also the state of END */
	uint64_t count;			 /* RETRY; START: the time */
	const char *group;		 /* START: size bytes, no NUL */
	const struct address *addresses; /* VIEW: members, left, joined */
	uint32_t members, left, joined;
	const uint32_t *nodes; /* RING */
	uint32_t node_count;
};

static inline uint32_t log_check(const uint8_t *at, size_t size)
{
	uint32_t check = 2166136261u;

	while (size-- > 0)
		check = (check ^ *at++) * 16777619u;
	return check;
}

#endif
