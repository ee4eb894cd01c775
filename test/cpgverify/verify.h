/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verifier: takes in what all processes wrote down and tells what is wrong with it. No I/O.
 *
 * One *session* is one connection of one process, from START to END, DEAD or the end of its log. What it saw
 * is a row of *events*: messages, views (confchgs of the group) and rings (totem_confchgs).
 *
 * CPG gives a view no identity, so one is made here (verify_view.c): views are counted within a ring, from
 * the view that holds when the ring's totem_confchg comes, which is (ring, 0). A process that joins later
 * finds its place by its own join in the others' logs.
 *
 * Messages have numbers of their own: pages of 64 consecutive sequence numbers of one sender are interned,
 * and a message is page * 64 + (seq % 64). A delivery costs 4 bytes, a message about 15.
 */
#ifndef CPGVERIFY_VERIFY_H
#define CPGVERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intern.h"
#include "log_format.h"
#include "report.h"

#define NONE UINT32_MAX

#define PAGE_MESSAGES 64u

/*
 * An event: two bits of kind, and the number of the message, or the index into the session's views or rings.
 */
#define EVENT_INDEX 0x3fffffffu
#define EVENT_KIND 0xc0000000u
#define EVENT_MESSAGE 0x00000000u
#define EVENT_REPEAT 0x40000000u /* a message that broke FIFO: left out where order is compared */
#define EVENT_VIEW 0x80000000u
#define EVENT_RING 0xc0000000u

/* What is known of a message over all sessions. */
#define MESSAGE_DIGEST 1u    /* its digest is known */
#define MESSAGE_ACCEPTED 2u  /* its sender got CS_OK */
#define MESSAGE_UNSURE 4u    /* its sender got an error and does not know */
#define MESSAGE_DELIVERED 8u /* somewhere */
#define MESSAGE_RETURNED 16u /* to its own sender */

/* Numbers of interned lists of addresses, sorted by nodeid and pid. */
struct view {
	uint32_t members; /* reasons 0 */
	uint32_t left;
	uint32_t joined;
};

struct ring_event {
	uint32_t ring;	/* number of the interned ring id */
	uint32_t nodes; /* number of an interned list, sorted */
};

/* What is known of a ring over all sessions. */
#define RING_CHANGE 1u	  /* somebody came to it from another ring */
#define RING_IN_FLIGHT 2u /* and had sent what did not come back before it */

enum session_end { SESSION_KILLED, SESSION_DEAD, SESSION_ENDED };

struct session {
	uint32_t file; /* whose log: the caller's number */
	uint32_t nodeid, pid;
	uint32_t sender;   /* itself as a sender */
	uint32_t *senders; /* what ref means in its log */
	size_t sender_count, sender_capacity;
	uint32_t *events;
	size_t event_count, event_capacity;
	struct view *views;
	size_t view_count, view_capacity;
	struct ring_event *rings;
	size_t ring_count, ring_capacity;
	uint64_t sent, returned, delivered, corrupt, errors, retries;
	bool joined;
	bool gone; /* its own leave was delivered */
	enum session_end end;
};

struct sender {
	uint64_t incarnation;
	uint32_t nodeid, pid;
	uint32_t session; /* NONE when its log was not given */
};

/* Key of a page of message numbers. */
struct page {
	uint64_t first; /* seq / PAGE_MESSAGES */
	uint32_t sender;
	uint32_t zero;
};

struct history {
	struct session *sessions;
	size_t session_count, session_capacity;
	struct sender *senders;
	size_t sender_count, sender_capacity;
	struct intern incarnations; /* same numbers as senders */
	struct intern lists;	    /* of struct address, or of node ids */
	struct intern rings;	    /* struct ring_key */
	struct intern pages;	    /* struct page */
	uint32_t *digests;	    /* by message number */
	uint8_t *flags;		    /* by message number: MESSAGE_* */
	uint8_t *ring_flags;	    /* by ring number: RING_* */
	size_t digest_capacity, flag_capacity, ring_flag_capacity;
	char group[129];
	struct address *scratch;
	size_t scratch_capacity;
	struct report *report;
};

struct verify_options {
	bool stock; /* allow for what a ring that talks stock's wire format loses */
};

struct verify_result {
	uint64_t messages;   /* distinct, delivered at least once */
	uint64_t deliveries; /* over all sessions */
	uint64_t views;	     /* distinct */
	uint64_t changes;    /* rings that somebody came to from another one */
	uint64_t in_flight;  /* those of them at which accepted messages had not come back yet */
	uint64_t allowed;    /* deliveries missing that verify_options.stock allowed for */
	uint64_t absent;     /* senders whose log was not given */
};

/* The report is the caller's and must outlive the history. */
void history_init(struct history *history, struct report *report);
void history_clear(struct history *history);

/*
 * Takes in the next record of the log number file; logs one after the other. Returns NULL, or why the log
 * makes no sense (then it is damaged, or not from this program).
 */
const char *history_record(struct history *history, uint32_t file, const struct log_record *record);

/* All checks; violations go to the report. Call once, after the last record. */
void history_verify(struct history *history, const struct verify_options *options,
		    struct verify_result *result);

/* Helpers shared by the checks. */
size_t history_messages(const struct history *history);
uint32_t message_sender(const struct history *history, uint32_t message);
uint64_t message_seq(const struct history *history, uint32_t message);
const struct address *list_get(const struct history *history, uint32_t list, size_t *count);
bool list_has(const struct history *history, uint32_t list, uint32_t nodeid, uint32_t pid);
/* Sorts addresses in place and interns them. */
uint32_t list_add(struct history *history, struct address *addresses, size_t count);
/* Room for count addresses, the same memory at each call. */
struct address *list_scratch(struct history *history, size_t count);

/* The checks, one file each. */
void verify_sessions(struct history *history);
void verify_views(struct history *history, const struct verify_options *options,
		  struct verify_result *result);
void verify_order(struct history *history);
void verify_sent(struct history *history);

#endif
