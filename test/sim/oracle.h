/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The oracle of virtual synchrony. It is told what every process did and what it heard, and knows from the network
 * simulation which nodes really came together from where; it says what breaks the contract.
 *
 *   session   one process in one group, from an accepted join to its leave or death, and what it heard meanwhile
 *   path      which ring changes a node went through since its last activation, and with whom: nodes with equal
 *             paths came together and must have heard the same
 *   segment   what a session heard in one ring, up to and including the views that the next activation made
 *   mixed     a ring with a node that speaks stock's wire format alone. Messages may get lost there, to some or to all,
 *             because totem loses them and nothing in that format shows it. Loss, disagreement and missing
 *             self-delivery are only counted where a mixed ring may have caused them. A join that was lost there is
 *             made up for before the next ring begins, as NODEUP at the latest. Everything else is held against the
 *             contract as in rings of ours. Of nodes with stock's engine, what they know of members, and at
 *             the end what others know of theirs, is only counted, too; but all with our engine then know the same of these.
 *
 * Most is checked as it is heard (oracle.c); what needs several processes' histories is checked at the end
 * (oracle_history.c).
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum oracle_kind {
	ORACLE_PAYLOAD,	    /* content is not what was sent */
	ORACLE_NOT_IN_VIEW, /* message whose sender, or whose receiver, is not in the receiver's view */
	ORACLE_DUPLICATE,   /* the same message again */
	ORACLE_FIFO,	    /* out of the sender's order */
	ORACLE_LOSS,	    /* a message missing between two of a sender that was in the view all the time */
	ORACLE_SELF_DELIVERY, /* an accepted message that its sender, alive and a member, did not get */
	ORACLE_DELTA,	      /* members are not the earlier ones plus joined minus left */
	ORACLE_SELF,	      /* the receiver is not in its own view */
	ORACLE_REASON,	      /* a reason that is not what happened */
	ORACLE_CONFCHG_COUNT, /* more than one confchg for one change, or joined and left in one */
	ORACLE_TOTEM_CONFCHG, /* totem_confchg missing, repeated, wrong, or not after the views */
	ORACLE_GHOST,	      /* a member whose node is not in the ring, or left and did not come back */
	ORACLE_ORDER,	      /* two processes heard two messages in different order */
	ORACLE_AGREEMENT,     /* two that came together heard different things */
	ORACLE_VIEW,	      /* two in one ring have different views */
	ORACLE_TRUTH,	      /* at the end, a view that is not who is there */
	ORACLE_LIVENESS,      /* at the end, something still waits */
	ORACLE_ANSWER,	      /* a request was answered otherwise than its state demands */
	ORACLE_CONTEXT,	      /* multicast where or when it is not allowed, or too large */
	ORACLE_KINDS
};

#define ORACLE_OLD_MEMBERS 128u

struct oracle_address {
	uint32_t nodeid, pid, reason;
};

struct oracle_view {
	const struct oracle_address *members, *left, *joined;
	size_t member_count, left_count, joined_count;
};

struct oracle;

struct oracle *oracle_new(FILE *trace);
void oracle_free(struct oracle *oracle);
const char *oracle_kind_name(enum oracle_kind kind);
uint64_t oracle_seen(const struct oracle *oracle, enum oracle_kind kind);
uint64_t oracle_violations(const struct oracle *oracle);
/* How often mixed rings broke what is promised in rings of ours. */
uint64_t oracle_weak(const struct oracle *oracle, enum oracle_kind kind);
/* The first violation in words, or NULL. */
const char *oracle_first(const struct oracle *oracle);
void oracle_fail(struct oracle *oracle, enum oracle_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* From when a totem_confchg is, is not known by when it is told: it may have waited while nodes left and came back. */
void oracle_tells_late(struct oracle *oracle);

/* ---- what nodes do ---- */

/* A node starts; the result stands for it until it crashes. `stock`: with stock's engine. */
uint32_t oracle_node(struct oracle *oracle, uint32_t nodeid, bool stock);
void oracle_node_gone(struct oracle *oracle, uint32_t node);
/* A regular configuration: the node is in a ring now, which it may or may not come to activate. */
void oracle_ring(struct oracle *oracle, uint32_t node, bool mixed);
/* It is activated. `left`: all that were in a left list since the node's last activation. */
void oracle_activation(struct oracle *oracle, uint32_t node, uint64_t ring, uint64_t path,
		       const uint32_t *members, size_t member_count, const uint32_t *left, size_t left_count);

/*
 * The engine of the node sees some leave, or come back, within a ring: at `stage`, which is the same for all that see
 * the same there. Stands for an activation.
 */
void oracle_exchange(struct oracle *oracle, uint32_t node, uint64_t stage, uint64_t path,
		     const uint32_t *members, size_t member_count, const uint32_t *left, size_t left_count);
/* From its last activation on the node lacks something of what others hear; false: no more. */
void oracle_missed(struct oracle *oracle, uint32_t node, bool missed);
/* Of what its last activation showed, too. */
void oracle_missed_change(struct oracle *oracle, uint32_t node);
/* How many activations the node had. */
size_t oracle_activations(const struct oracle *oracle, uint32_t node);

/* ---- what processes do ---- */

/* A join was accepted. `old`: the process has arrays of 128 members. The result is never 0. */
uint32_t oracle_join(struct oracle *oracle, uint32_t node, uint32_t pid, unsigned int group, bool old);
/* The join was accepted with the wish for an initial totem_confchg. */
void oracle_wants_totem_confchg(struct oracle *oracle, uint32_t session);
void oracle_leave(struct oracle *oracle, uint32_t session);
void oracle_dead(struct oracle *oracle, uint32_t session);
/* The engine has, or can still find, all that was accepted from it: everybody hears that before its PROCDOWN. */
void oracle_all_taken(struct oracle *oracle, uint32_t session);
/* The number that the next message of the session must carry. */
uint64_t oracle_next(const struct oracle *oracle, uint32_t session);
void oracle_accept(struct oracle *oracle, uint32_t session);
/* The next message, fragmented, is on its way whole, and not answered yet. */
void oracle_offer(struct oracle *oracle, uint32_t session);

/* ---- what processes hear ---- */

/* True: it was the session's own leave, the session is over. */
bool oracle_hears_view(struct oracle *oracle, uint32_t session, const struct oracle_view *view);
void oracle_hears_message(struct oracle *oracle, uint32_t session, uint32_t sender, uint32_t nodeid,
			  uint32_t pid, uint64_t number);
/* `told`: how many activations the node had when it was told. */
void oracle_hears_totem(struct oracle *oracle, uint32_t session, size_t told, uint64_t ring,
			const uint32_t *members, size_t member_count);

/* The network is healed and everything has come to rest: compares histories, views and truth. */
void oracle_finish(struct oracle *oracle);

struct oracle_totals {
	uint64_t sessions, views, messages, segments, compared;
};
void oracle_totals(const struct oracle *oracle, struct oracle_totals *totals);

#endif
