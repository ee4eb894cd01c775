/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ORACLE_INTERNAL_H
#define ORACLE_INTERNAL_H

#include "oracle.h"
#include "sim_clock.h"

/* cpg_reason_t */
enum { REASON_JOIN = 1, REASON_LEAVE = 2, REASON_NODEDOWN = 3, REASON_NODEUP = 4, REASON_PROCDOWN = 5 };

#define NO_ACTIVATION SIZE_MAX

struct activation {
	uint64_t ring, path;
	uint64_t stage; /* not 0: within the ring */
	bool missed;	/* the node lacked something */
	uint32_t *members, *left;
	size_t member_count, left_count;
	bool mixed;
	bool through_mixed; /* a mixed ring lay between it and the one activated before */
};

struct oracle_node {
	uint32_t nodeid;
	bool gone;
	bool stock;
	bool mixed;	    /* the ring that it is in */
	bool missed;	    /* it lacks something of what others hear */
	bool pending;	    /* and which is not activated */
	bool through_mixed; /* since its last activation it left a mixed ring that was never activated */
	struct activation *activations;
	size_t count, capacity;
};

/* A member of a session's view. */
struct seen_member {
	uint64_t address;     /* nodeid << 32 | pid */
	uint32_t reason;      /* how it came in; 0: it was there when the session began */
	uint64_t since_totem; /* session->totems when it came in */
	uint32_t sender;      /* session whose messages were heard, 0: none yet */
	uint64_t last;	      /* its last message */
	size_t since;	      /* activation in which that, or itself, came at the earliest */
};

struct heard_key {
	uint64_t key;
	uint64_t view; /* hash of the members behind a view, 0: a message, or not all members are known */
	bool is_message;
};

/* keys[first] .. keys[first + count - 1] */
struct segment {
	size_t activation; /* of the ring, NO_ACTIVATION: unknown */
	bool by_join;	   /* begins with the session's own join */
	size_t first, count;
	uint64_t start_view;
};

struct session {
	uint32_t node, pid, nodeid;
	unsigned int group;
	bool old, wants_totem, leaving, dead, started, over;
	bool all_taken;	 /* all that was accepted is delivered before its end */
	bool offered;	 /* message accepted + 1, in fragments, may be heard */
	bool again;	 /* not the first session of its process in its group: views may repeat */
	bool incomplete; /* an old library in a group too large for it: it was never told all members */
	bool vague;	 /* it is not known in which of a ring's stages it was: not compared with others */
	uint64_t began, ended;	   /* moments of oracle->moment; ended 0: still there */
	size_t began_in, ended_in; /* activations of its node at these moments */
	uint64_t accepted, accepted_at_leave;
	size_t self_since; /* as seen_member.since, of itself */

	struct seen_member *view;
	size_t view_count, view_capacity;
	uint64_t view_hash;
	uint64_t totems;

	/* the change that is being told, since the last totem_confchg */
	uint32_t last_reason;
	size_t last_size;
	uint64_t last_sum;
	bool down_told, up_told;
	bool absent_told;    /* PROCDOWN of one that did not die: it left, and only a joinlist said so */
	uint32_t *down, *up; /* node ids */
	size_t down_count, down_capacity, up_count, up_capacity;

	struct heard_key *keys;
	size_t key_count, key_capacity;
	struct segment *segments;
	size_t segment_count, segment_capacity;
};

/* Last message of one sender that one receiver heard. */
struct last_heard {
	uint64_t key; /* receiver << 32 | sender, 0: free */
	uint64_t last;
};

/* What a process ever did in a group. */
struct deeds {
	uint64_t address;
	unsigned int group;
	bool used;
	uint32_t number; /* of the entry: it stays, where the entry does not */
	uint64_t joins, leaves, deaths;
	uint32_t newest; /* session */
};

struct oracle {
	FILE *trace;
	uint64_t seen[ORACLE_KINDS], weak[ORACLE_KINDS];
	char *first;
	uint64_t moment; /* counts joins and ends of sessions */
	bool late;	 /* see oracle_tells_late() */
	struct oracle_node *nodes;
	size_t node_count, node_capacity;
	struct session *sessions; /* [0] is not used */
	size_t session_count, session_capacity;
	struct last_heard *last;
	size_t last_count, last_capacity;
	struct deeds *deeds;
	size_t deeds_count, deeds_capacity;
	struct oracle_totals totals;
};

uint64_t oracle_mix(uint64_t value);

static inline uint64_t address_of(uint32_t nodeid, uint32_t pid)
{
	return (uint64_t)nodeid << 32 | pid;
}

static inline uint64_t member_hash(uint64_t address)
{
	return oracle_mix(address + 0x51ed270b7a3c1f55ull);
}

/* ---- oracle_tables.c ---- */
struct deeds *deeds_of(struct oracle *oracle, uint64_t address, unsigned int group);
struct last_heard *last_of(struct oracle *oracle, uint32_t receiver, uint32_t sender);
/* How often the receiver was told of a join, or of a leave, of that process. */
uint64_t *told_of(struct oracle *oracle, uint32_t receiver, const struct deeds *deeds, bool joined);

/* ---- oracle.c ---- */
/* As oracle_fail, of something that mixed rings or stock's engine may bring about: only counted if `mixed`. */
void oracle_judge(struct oracle *oracle, bool mixed, enum oracle_kind kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* On a node with stock's engine. */
bool is_stock(const struct oracle *oracle, const struct session *session);
/* Whether the node was in a mixed ring from activation `from` to `to` or on the way from there to the next. */
bool met_stock(const struct oracle_node *node, size_t from, size_t to);
/* That, or it lacked something of what others heard. */
bool met_mixed(const struct oracle_node *node, size_t from, size_t to);
/* The activation that the session is in, by what it heard: at the earliest and at the latest. */
size_t earliest_activation(const struct session *session);
size_t latest_activation(const struct oracle *oracle, const struct session *session);
void session_end(struct oracle *oracle, struct session *session);
/* All that was accepted up to number `accepted` has come back to its sender. */
void check_self_delivery(struct oracle *oracle, uint32_t session, uint64_t accepted);

/* ---- oracle_messages.c ---- */
/* PROCDOWN or LEAVE of this member: all that it left behind came before. */
void check_last_words(struct oracle *oracle, uint32_t session, uint64_t address, uint32_t reason);
/* Nothing but a ring change may still be told of, and nothing of it is missing, when something else comes. */
void check_told(struct oracle *oracle, uint32_t session, const char *what);

/* ---- oracle_views.c ---- */
struct seen_member *view_find(const struct session *session, uint64_t address);
struct segment *segment_now(const struct session *session);
void segment_begin(struct session *session, size_t activation, bool by_join);
void heard(struct session *session, uint64_t key, uint64_t view, bool is_message);

/* ---- oracle_history.c ---- */
/* Compares the histories of all sessions. */
void oracle_compare(struct oracle *oracle);

#endif
